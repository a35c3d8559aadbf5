"""What was published about relevance, and what that leaves open: each claim with its rule, and how it is judged."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from analysis.claims import FAILS, HOLDS, NOT_MEASURED, PARTLY, UNDECIDED, Claim, Statement, above, everywhere, judged
from analysis.intervals import Interval
from analysis.reports.wording import number
from sweeps.studies.relevance.measures import deletion, demonstrations, heat, ledger, nodes, supervised
from sweeps.studies.relevance.results import Results

#: Two curves or shares match where they are nowhere farther apart than this.
MATCH = 0.01
#: Unstable where the largest relevance grows so many times; stable where it grows less than so many times.
UNSTABLE, STABLE = 10.0, 2.0
#: Two replacements rank alike where the interval of the rank correlation lies above this.
ALIKE = 0.8
#: Most of something is gone where no more than this is left of plain training's.
HALF = 0.5
#: So much accuracy, as a share, is no gain.
MINOR = 0.02
#: Pairs of methods that were published as one and the same.
ONE_METHOD = (("lrp", "slope"), ("slope", "gradient_x_input"))

_ENOUGH = (
    "it holds where for one training or more the interval of the paired difference, at the chosen strengths, lies "
    f"above zero; it does not hold where all intervals end below {100 * MINOR:g} points (Bonferroni over the trainings)"
)
_SAME = number(demonstrations.SAME, digits=None)
STATEMENTS = {
    "conserved": Statement(
        "Nothing disappears: inputs, biases and what is absorbed add up to the output",
        "it holds where the largest error of any step and any image is at most "
        f"{number(ledger.TOLERANCE, digits=None)} of the output, for every method that promises it; one method above "
        "that is enough for it not to hold",
    ),
    "one_method": Statement(
        "With biases as inputs, LRP is the slope rule, and this gradient × input",
        f"two methods are the same where no pixel of any stored image differs by more than {heat.SAME:g} of the "
        "largest relevance of both",
    ),
    "scaling": Statement(
        "Under scaling, gradient goes with gradient, slope and repeat; normalised with ignore",
        "for every matrix rule beside every nonlinearity rule, the factors through b = αa agree where that was "
        f"published, and differ where it was not (within {_SAME}); it holds partly where some pairs do otherwise",
    ),
    "constants": Statement(
        "Under maxima with constants, gradient goes with gradient alone",
        f"gradient agrees with gradient (within {_SAME}), and no other pair agrees; the relu form is the gradient rule "
        "in other steps and does not count as another",
    ),
    "radial": Statement(
        "The radial maximum matches the slope for two objects", f"the shares differ by at most {MATCH:g} at every ratio"
    ),
    "forms": Statement(
        "Softmax limit and relu form of a maximum disagree", f"the share of an object differs by more than {MATCH:g}"
    ),
    "unstable": Statement(
        "The normalised rule with biases left out is unstable, the slope rule is not",
        f"from the largest stabiliser (difference) to the smallest, the largest relevance grows {UNSTABLE:g}-fold or "
        f"more, while that of the slope rule grows less than {STABLE:g}-fold; it does not hold where the first grows "
        f"less than {STABLE:g}-fold or the second {UNSTABLE:g}-fold or more, and is undecided between",
    ),
    "blamed": Statement(
        "With biases as inputs the normalised rule is stable, too",
        f"the largest relevance grows less than {STABLE:g}-fold; it does not hold where it grows {UNSTABLE:g}-fold or "
        "more, and is undecided between",
        source="ours",
    ),
    "beats_random": Statement(
        "Every method finds relevant regions better than chance",
        "it holds where the interval of the area between, less that of random order, image by image, lies above zero "
        "for all methods and replacements; it does not hold where one lies below (Bonferroni over the methods)",
        source="ours",
    ),
    "same_ranking": Statement(
        "The ranking of the methods does not depend on the replacement",
        "it does not hold where two methods are told apart in opposite ways (Bonferroni over all pairs); it holds "
        f"where no two are, and the interval of the rank correlation lies above {ALIKE:g}",
        source="ours",
    ),
    "node_relevance": Statement(
        "A relevance ranks hidden nodes better than the gate gradient does",
        "it holds where for one relevance or more the interval of the paired difference of rank correlations lies "
        "above zero; it does not hold where for all it lies below (Bonferroni over the relevances)",
        source="ours",
    ),
    "helps": Statement("Training relevance into the region helps where the patch misleads", _ENOUGH, source="ours"),
    "beats_penalty": Statement("It helps more than a gradient penalty", _ENOUGH, source="ours"),
    "gamed": Statement(
        "At the chosen strength the network games the trained measure",
        f"no more than {100 * HALF:g}\u00a0% of three numbers of plain training is to be left, network by network: of "
        "the share outside of the region by the trained measure; of the same by the other measure; and of the reliance "
        "on the patch, which is the accuracy where the patch tells the class less that where it misleads. The measure "
        "is gamed where the interval of what is left lies below the bound for the first and above it for the other "
        "two; it is not gamed where all three lie below, or not even the first does; it is partly gamed where the "
        "other two differ",
        "“rampantly”, without numbers",
    ),
    "gamed_somewhere": Statement(
        "There are strengths at which the network games it",
        "the same at every strength that was tried; it holds where a training is gamed at one of them. The intervals "
        "are not corrected for the number of strengths, but three have to agree",
        "“rampantly”, without numbers",
    ),
}

#: Parts of a claim by name: the verdict of each, and the numbers behind it.
Parts = dict[str, tuple[str, Mapping[str, Any]]]


def conserved(conservation: xr.Dataset) -> Claim:
    """Judge that inputs, biases and what a stabiliser absorbed add up to the output."""
    parts: Parts = {
        key: (HOLDS if one.error <= ledger.TOLERANCE else FAILS, {"worst": one})
        for key, one in ledger.worst(conservation).items()
    }
    return judged(STATEMENTS["conserved"], parts, everywhere(verdict for verdict, _ in parts.values()))


def one_method(maps: xr.Dataset) -> Claim:
    """Judge that, with biases as inputs, LRP is the slope rule, and with ReLU that is gradient times input."""
    apart = heat.differences(maps)
    found = {f"{one} {other}": float(apart.loc[one, other]) for one, other in ONE_METHOD}
    parts: Parts = {
        key: (HOLDS if value <= heat.SAME else FAILS, {"difference": value}) for key, value in found.items()
    }
    return judged(STATEMENTS["one_method"], parts)


def scaling(consistency: xr.Dataset) -> Claim:
    """Judge that under scaling gradient goes with gradient, slope and repeat, normalised with ignore."""
    parts: Parts = {
        f"{one.matrix} {one.nonlinearity}": (HOLDS if one.agree == one.published else FAILS, {"pair": one})
        for one in demonstrations.pairs(consistency)
    }
    return judged(STATEMENTS["scaling"], parts)


def constants(data: xr.Dataset) -> Claim:
    """Judge that under maxima with constants gradient goes with gradient, and nothing else does."""
    agree, own = demonstrations.agreeing(data), ("gradient", "gradient")
    others = [pair for pair in agree if pair not in (own, ("relu_form", "gradient"))]
    parts: Parts = {
        "gradient": (HOLDS if own in agree else FAILS, {"agree": agree}),
        "others": (FAILS if others else HOLDS, {"others": others}),
    }
    return judged(STATEMENTS["constants"], parts)


def radial(data: xr.Dataset) -> Claim:
    """Judge that the radial maximum of two objects matches the slope."""
    gap = demonstrations.two_objects(data)
    verdict = HOLDS if gap.size <= MATCH else FAILS
    return Claim(STATEMENTS["radial"], verdict, Interval(gap.size, np.nan, 1))


def forms(data: xr.Dataset) -> Claim:
    """Judge that the two ways to compute a maximum, softmax and relu, give different relevances."""
    apart = demonstrations.forms(data)
    return Claim(STATEMENTS["forms"], HOLDS if apart > MATCH else FAILS, Interval(apart, np.nan, 1))


def unstable(network: xr.Dataset, toy: xr.Dataset) -> Claim:
    """Judge that the normalised rule, biases left out, becomes unstable where the slope rule does not."""
    parts: Parts = {}
    for key, data in (("network", network), ("toy", toy)):
        grown = demonstrations.growths(data)
        own, slope = grown["unblamed"].times, grown["slope"].times
        if own >= UNSTABLE and slope < STABLE:
            verdict = HOLDS
        else:
            verdict = FAILS if own < STABLE or slope >= UNSTABLE else UNDECIDED
        parts[key] = (verdict, grown)
    return judged(STATEMENTS["unstable"], parts)


def blamed(network: xr.Dataset, toy: xr.Dataset) -> Claim:
    """Judge that the normalised rule is stable, too, with biases as inputs."""
    parts: Parts = {}
    for key, data in (("network", network), ("toy", toy)):
        grown = demonstrations.growths(data)
        times = grown["blamed"].times
        parts[key] = (HOLDS if times < STABLE else FAILS if times >= UNSTABLE else UNDECIDED, grown)
    return judged(STATEMENTS["blamed"], parts)


def beats_random(scores: xr.Dataset) -> Claim:
    """Judge that every method finds relevant regions better than chance."""
    parts: Parts = {}
    for name in map(str, scores["replacement"].values):
        for key, one in deletion.against(scores["between"].sel(replacement=name)).items():
            parts[f"{name} {key}"] = (above(one), {"difference": one, "method": key, "replacement": name})
    return judged(STATEMENTS["beats_random"], parts, everywhere(verdict for verdict, _ in parts.values()))


def same_ranking(one: deletion.Agreement) -> Claim:
    """Judge that what is put in place of a region does not change how the methods rank."""
    verdict = FAILS if one.turned else HOLDS if one.low > ALIKE else UNDECIDED
    return judged(STATEMENTS["same_ranking"], {f"{one.one} {one.other}": (verdict, {"agreement": one})})


def node_relevance(correlation: xr.DataArray, names: list[str]) -> Claim:
    """Judge that a relevance ranks hidden nodes by the effect of their removal better than the gate gradient does."""
    parts: Parts = {}
    for reference in nodes.REMOVALS:
        gaps = nodes.ahead(correlation, names, reference)
        verdicts = {above(one) for one in gaps.values()}
        if gaps:
            verdict = HOLDS if HOLDS in verdicts else FAILS if verdicts == {FAILS} else UNDECIDED
            parts[reference] = (verdict, gaps)
    return judged(STATEMENTS["node_relevance"], parts)


def helps(numbers: xr.Dataset, trainings: list[str]) -> Claim:
    """Judge that training the relevance into the region helps where the patch misleads."""
    return _one_is_enough("helps", numbers, trainings, supervised.PLAIN)


def beats_penalty(numbers: xr.Dataset, trainings: list[str]) -> Claim:
    """Judge that it helps more than a penalty on gradients outside the region."""
    return _one_is_enough("beats_penalty", numbers, trainings, supervised.PENALTY)


def _one_is_enough(name: str, numbers: xr.Dataset, trainings: list[str], base: str) -> Claim:
    gaps = supervised.gains(numbers, "accuracy_misleading", base, trainings)
    parts: Parts = {key: (above(one), {"difference": one}) for key, one in gaps.items()}
    if HOLDS in (verdict for verdict, _ in parts.values()):
        verdict = HOLDS
    elif all(one.known and one.high < MINOR for one in gaps.values()):
        verdict = FAILS if gaps else NOT_MEASURED
    else:
        verdict = UNDECIDED
    return judged(STATEMENTS[name], parts, verdict)


def gamed(numbers: xr.Dataset, trainings: list[str]) -> Claim:
    """Judge that, by the trained measure, most of what lies outside is gone, and the patch decides nevertheless."""
    parts: Parts = {}
    for key in trainings:
        one = supervised.gaming(numbers, key, HALF)
        if one.trained.networks:
            parts[key] = (_gamed(one), one._asdict())
    return judged(STATEMENTS["gamed"], parts)


def gamed_somewhere(data: xr.Dataset) -> Claim:
    """Judge that there are strengths at which the network games the measure."""
    parts: Parts = {}
    plain = supervised.chosen(data)[supervised.PLAIN]
    for key in supervised.relevance_trainings(data):
        verdicts = {}
        for strength in supervised.tried(data, key):
            one = supervised.gaming(supervised.at(data, {supervised.PLAIN: plain, key: strength}), key, HALF)
            if one.trained.networks:
                verdicts[strength] = _gamed(one)
        if verdicts:
            parts[key] = (_any(verdicts.values()), {"verdicts": verdicts})
    return judged(STATEMENTS["gamed_somewhere"], parts, _any(verdict for verdict, _ in parts.values()))


def _any(verdicts: Any) -> str:
    """Join verdicts on what is claimed of one case at least."""
    known = set(verdicts)
    return HOLDS if HOLDS in known else FAILS if known == {FAILS} else UNDECIDED if known else NOT_MEASURED


def _gamed(one: supervised.Gaming) -> str:
    """Judge from what is left, see the rule of the claim "gamed"."""
    if above(one.trained) != FAILS:
        return FAILS if above(one.trained) == HOLDS else UNDECIDED
    both = {above(one.other), above(one.reliance)}
    if len(both) == 1:
        return both.pop()
    return PARTLY if both == {HOLDS, FAILS} else UNDECIDED


def judge(results: Results) -> dict[str, Claim]:
    """Judge every claim.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to Claim
        By name, in the order of the page.
    """
    growing = results["instability"], results["instability_toy"]
    found = {
        "conserved": conserved(results["conservation"]),
        "one_method": one_method(results["heat"]),
        "scaling": scaling(results["consistency"]),
        "constants": constants(results["constants"]),
        "radial": radial(results["two_objects"]),
        "forms": forms(results["forms"]),
        "unstable": unstable(*growing),
        "blamed": blamed(*growing),
    }
    if results.scores is not None and results.agreement is not None:
        found |= {"beats_random": beats_random(results.scores), "same_ranking": same_ranking(results.agreement)}
    if results.correlation is not None:
        found["node_relevance"] = node_relevance(results.correlation, results.relevances)
    if results.chosen is not None:
        names = supervised.relevance_trainings(results.chosen)
        found |= {one.__name__: one(results.chosen, names) for one in (helps, beats_penalty, gamed)}
        found["gamed_somewhere"] = gamed_somewhere(results["supervised"])
    return {name: found.get(name, Claim(statement, NOT_MEASURED)) for name, statement in STATEMENTS.items()}
