"""The claims of the relevance study: how each statement is judged from what was measured."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from analysis.claims import FAILS, HOLDS, NOT_MEASURED, UNDECIDED, Claim, above, everywhere, judged
from analysis.intervals import LEVEL, Interval
from sweeps._studies.relevance.measures import deletion, demonstrations, heat, ledger, nodes, supervised
from sweeps._studies.relevance.measures import gamed as gaming
from sweeps._studies.relevance.results import Results
from sweeps._studies.relevance.statements import (
    ALIKE,
    HIDDEN,
    INFLATED,
    MATCH,
    MINOR,
    STABLE,
    STATEMENTS,
    UNSTABLE,
)

#: Pairs of methods that were published as one and the same.
ONE_METHOD = (("lrp", "slope"), ("slope", "gradient_x_input"))

#: Parts of a claim by name: the verdict of each, and the numbers behind it.
Parts = dict[str, tuple[str, Mapping[str, Any]]]


def conserved(conservation: xr.Dataset) -> Claim:
    """Judge that inputs, biases and what a stabiliser absorbed add up to the output."""
    parts: Parts = {
        key: (HOLDS if one.error <= ledger.TOLERANCE else FAILS, {"worst": one})
        for key, one in ledger.worst(conservation).items()
    }
    return judged(STATEMENTS["conserved"], parts, verdict=everywhere(verdict for verdict, _ in parts.values()))


def one_method(maps: xr.Dataset) -> Claim:
    """Judge that, with biases as inputs, LRP is the slope rule, and with ReLU that is gradient times input."""
    apart = heat.differences(maps)
    found = {f"{one} {other}": float(apart.loc[one, other]) for one, other in ONE_METHOD}
    parts: Parts = {
        key: (HOLDS if value <= heat.SAME else FAILS, {"difference": value}) for key, value in found.items()
    }
    return judged(STATEMENTS["one_method"], parts)


def _small(values: Mapping[str, float], bound: float) -> Parts:
    return {key: (HOLDS if abs(value) <= bound else FAILS, {"difference": value}) for key, value in values.items()}


def blip(drawn: xr.Dataset) -> Claim:
    """Judge that the blip is what was drawn."""
    return judged(STATEMENTS["blip"], _small({"blip": demonstrations.blip_error(drawn)}, demonstrations.SAME))


def radial_cases(drawn: xr.Dataset) -> Claim:
    """Judge that the radial maximum has the published cases."""
    return judged(STATEMENTS["radial_cases"], _small(demonstrations.radial_errors(drawn), 1e-5))


def repeat(data: xr.Dataset) -> Claim:
    """Judge that no nonlinearity rule but "repeat" is not linear."""
    found = dict(zip(map(str, data["nonlinearity"].values), map(float, data["nonlinear"].values), strict=True))
    parts: Parts = {
        key: (HOLDS if (abs(gap) > demonstrations.SAME) == (key == "repeat") else FAILS, {"difference": gap})
        for key, gap in found.items()
    }
    return judged(STATEMENTS["repeat"], parts)


def doubled(data: xr.Dataset) -> Claim:
    """Judge that a constant given twice changes the shares of every maximum rule but the gradient's."""
    found = dict(zip(map(str, data["maximum"].values), map(float, data["doubled"].values), strict=True))
    parts: Parts = {
        key: (HOLDS if (gap > MATCH) != (key in ("gradient", "relu_form")) else FAILS, {"difference": gap})
        for key, gap in found.items()
    }
    return judged(STATEMENTS["doubled"], parts)


def ones(data: xr.Dataset) -> Claim:
    """Judge that biases as inputs have the relevance of the biases."""
    found = {name: float(data.attrs[name]) for name in ("inputs", "biases")}
    return judged(STATEMENTS["ones"], _small(found, ledger.TOLERANCE))


def swapped(data: xr.Dataset) -> Claim:
    """Judge that input and baseline can be swapped."""
    return judged(STATEMENTS["swapped"], _small({"swapped": float(data.attrs["swapped"])}, ledger.TOLERANCE))


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
    return Claim(STATEMENTS["radial"], verdict, measured=Interval(gap.size, np.nan, 1))


def forms(data: xr.Dataset) -> Claim:
    """Judge that the two ways to compute a maximum, softmax and relu, give different relevances."""
    apart = demonstrations.forms(data)
    return Claim(STATEMENTS["forms"], HOLDS if apart > MATCH else FAILS, measured=Interval(apart, np.nan, 1))


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
    return judged(STATEMENTS["beats_random"], parts, verdict=everywhere(verdict for verdict, _ in parts.values()))


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
    return judged(STATEMENTS[name], parts, verdict=verdict)


def gamed(numbers: xr.Dataset, trainings: list[str]) -> Claim:
    """Judge that, by the trained measure, most of what lies outside is gone, and the patch decides nevertheless."""
    parts: Parts = {}
    for key in trainings:
        one = supervised.gaming(numbers, key, gaming.HALF)
        if one.trained.networks:
            parts[key] = (gaming.verdict(one), one._asdict())
    return judged(STATEMENTS["gamed"], parts)


def gamed_somewhere(data: xr.Dataset) -> Claim:
    """Judge that there are strengths at which the network games the measure."""
    parts: Parts = {key: (_any(each.values()), {"verdicts": each}) for key, each in gaming.verdicts(data).items()}
    return judged(STATEMENTS["gamed_somewhere"], parts, verdict=_any(verdict for verdict, _ in parts.values()))


def mechanism(data: xr.Dataset, strengths: Mapping[str, float]) -> dict[str, Claim]:
    """Judge how the measure is gamed.

    Parameters
    ----------
    data : xarray.Dataset
        All strengths.
    strengths : mapping of str to float
        The strongest at which each training is gamed, see `measures.gamed.strongest`.

    Returns
    -------
    dict of str to Claim
        By name; none is measured where no training is gamed.
    """
    at = dict(strengths) | {supervised.PLAIN: supervised.chosen(data)[supervised.PLAIN]}
    whole, level = supervised.at(data, at), 1 - (1 - LEVEL) / max(len(strengths), 1)
    numbers, parts = gaming.seen(whole), dict[str, Parts]()
    for key in strengths:
        more = {name: gaming.rise(numbers, name, key, level) for name in ("cancelling", "others", "biases")}
        own = {name: gaming.level_of(numbers, name, key, level) for name in ("others", "alone")}
        hidden = gaming.hidden(whole, key, level)
        amount = gaming.times(numbers, key, level)
        both = _every(above(own["others"], bound=gaming.HALF), above(more["others"]))
        verdicts: Parts = {
            "inflated": (
                _every(above(amount, bound=INFLATED), above(more["cancelling"])),
                {"times": amount, "more": more},
            ),
            "other_outputs": (both, {"measured": own["others"]}),
            "to_biases": (above(more["biases"]), {"measured": more["biases"]}),
            "alone": (above(own["alone"], bound=gaming.HALF), {"measured": own["alone"]}),
            "hidden": (above(hidden, bound=HIDDEN), {"measured": hidden}),
        }
        for name, part in verdicts.items():
            parts.setdefault(name, {})[key] = part
    units = {"to_biases": "points", "hidden": "points"}
    return {name: replace(judged(STATEMENTS[name], each), unit=units.get(name, "%")) for name, each in parts.items()}


def _every(*verdicts: str) -> str:
    """Join verdicts on what is claimed of one case, all of which have to hold."""
    return FAILS if FAILS in verdicts else HOLDS if set(verdicts) == {HOLDS} else UNDECIDED


def _any(verdicts: Any) -> str:
    """Join verdicts on what is claimed of one case at least."""
    known = set(verdicts)
    return HOLDS if HOLDS in known else FAILS if known == {FAILS} else UNDECIDED if known else NOT_MEASURED


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
        **{one.__name__: one(results["drawn"]) for one in (blip, radial_cases)},
        **{one.__name__: one(results["sentences"]) for one in (repeat, doubled, ones, swapped)},
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
        found |= mechanism(results["supervised"], results.gamed)
    return {name: found.get(name, Claim(statement, NOT_MEASURED)) for name, statement in STATEMENTS.items()}
