"""What was said about relevance, and what this study leaves open, each answered by a rule that is stated beside it.

Where a number has an interval, a verdict is given where the interval lies on one side of the rule's bound; where it
lies across, or there is no interval, the claim stays undecided.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from analysis.intervals import Interval, interval
from sweeps.studies.relevance.measures import deletion, demonstrations, heat, ledger, nodes, supervised
from sweeps.studies.relevance.names import keys
from sweeps.studies.shrinking.claims import FAILS, HOLDS, OPEN, PARTLY, Claim
from sweeps.studies.sparsity.claims import UNDECIDED, Cases, above, combined, everywhere

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
#: Pairs of methods that are said to be one and the same.
ONE_METHOD = (("lrp", "slope"), ("slope", "gradient_x_input"))


def _claim(name: str, found: Cases, verdict: str | None = None) -> Claim:
    cases = {key: one for key, (one, _) in found.items()}
    values = {key: its for key, (_, its) in found.items()}
    return Claim(name, combined(cases.values()) if verdict is None else verdict, cases, values)


def conserved(conservation: xr.Dataset | None) -> Claim:
    """Nothing disappears: inputs, biases and what a stabiliser absorbed are the output."""
    found: Cases = {}
    for key, one in ledger.worst(conservation).items() if conservation is not None else ():
        found[key] = (HOLDS if one.error <= ledger.TOLERANCE else FAILS, {"error": one.error, "step": one.step})
    return _claim("conserved", found, everywhere(verdict for verdict, _ in found.values()))


def one_method(maps: xr.Dataset) -> Claim:
    """With biases as inputs, LRP is the simplified form, and with ReLU that is gradient times input."""
    apart, found = heat.differences(maps), Cases()
    for one, other in ONE_METHOD:
        if {one, other} <= set(keys(apart)):
            value = float(apart.loc[one, other])
            if np.isfinite(value):
                found[f"{one} {other}"] = (HOLDS if value <= heat.SAME else FAILS, {"difference": value})
    return _claim("one_method", found)


def scaling(consistency: xr.Dataset | None) -> Claim:
    """Under scaling, gradient goes with gradient, slope and repeat, normalised with ignore, and nothing else."""
    found: Cases = {}
    for one in demonstrations.pairs(consistency) if consistency is not None else ():
        key = f"{one.matrix} {one.nonlinearity}"
        found[key] = (HOLDS if one.agree == one.published else FAILS, {"pair": one})
    return _claim("scaling", found)


def constants(data: xr.Dataset | None) -> Claim:
    """Under maxima with constants, gradient goes with gradient, and nothing else does."""
    if data is None:
        return _claim("constants", {})
    agree = demonstrations.agreeing(data)
    # The relu form is the gradient rule, in other steps.
    others = [pair for pair in agree if pair not in (("gradient", "gradient"), ("relu_form", "gradient"))]
    found: Cases = {
        "gradient": (HOLDS if ("gradient", "gradient") in agree else FAILS, {"agree": agree}),
        "others": (FAILS if others else HOLDS, {"others": others}),
    }
    return _claim("constants", found)


def radial(data: xr.Dataset | None) -> Claim:
    """Of two objects, the radial maximum matches the slope."""
    if data is None:
        return _claim("radial", {})
    gap = demonstrations.two_objects(data)
    if not np.isfinite(gap.size):
        return _claim("radial", {})
    return _claim("radial", {"gap": (HOLDS if gap.size <= MATCH else FAILS, {"gap": gap})})


def forms(data: xr.Dataset | None) -> Claim:
    """The two ways to compute a maximum, softmax and relu, suggest different relevances."""
    if data is None:
        return _claim("forms", {})
    apart = demonstrations.forms(data)
    return _claim("forms", {"gap": (HOLDS if apart > MATCH else FAILS, {"gap": apart})})


def _grown(data: xr.Dataset, dim: str) -> dict[str, demonstrations.Growth]:
    """Return how each rule's largest relevance grows, where it is known at both ends."""
    found = {rule: demonstrations.growth(data, name, dim) for name, rule in demonstrations.rules_of(data).items()}
    return {rule: one for rule, one in found.items() if np.isfinite(one.times)}


def unstable(network: xr.Dataset | None, toy: xr.Dataset | None) -> Claim:
    """The normalised rule, biases left out, becomes unstable where the simplified one does not."""
    found: Cases = {}
    for key, data, dim in (("network", network, "eps"), ("toy", toy, "difference")):
        grown = {} if data is None else _grown(data, dim)
        rule = next((one for one in ("unblamed", "normalised") if one in grown), None)
        if rule is None or "slope" not in grown:
            continue
        own, slope = grown[rule].times, grown["slope"].times
        if own >= UNSTABLE and slope < STABLE:
            verdict = HOLDS
        else:
            verdict = FAILS if own < STABLE or slope >= UNSTABLE else UNDECIDED
        found[key] = (verdict, {"rule": rule, "own": grown[rule], "slope": grown["slope"]})
    return _claim("unstable", found)


def blamed(network: xr.Dataset | None, toy: xr.Dataset | None) -> Claim:
    """With biases as inputs the normalised rule is stable, too."""
    found: Cases = {}
    for key, data, dim in (("network", network, "eps"), ("toy", toy, "difference")):
        own = None if data is None else _grown(data, dim).get("blamed")
        if own is not None:
            verdict = HOLDS if own.times < STABLE else FAILS if own.times >= UNSTABLE else UNDECIDED
            found[key] = (verdict, {"own": own})
    return _claim("blamed", found)


def beats_random(scores: xr.Dataset | None) -> Claim:
    """Every method finds relevant regions better than chance."""
    found: Cases = {}
    for name in map(str, scores["replacement"].values) if scores is not None else ():
        assert scores is not None
        for key, one in deletion.against(scores["between"].sel(replacement=name)).items():
            found[f"{name} {key}"] = (above(one), {"difference": one, "method": key, "replacement": name})
    return _claim("beats_random", found, everywhere(verdict for verdict, _ in found.values()))


def same_ranking(agreements: list[deletion.Agreement]) -> Claim:
    """What is put in place of a region does not change how the methods rank."""
    found: Cases = {}
    for one in agreements:
        if one.methods < 2:
            continue
        verdict = FAILS if one.turned else HOLDS if one.low > ALIKE else UNDECIDED
        found[f"{one.one} {one.other}"] = (verdict, {"agreement": one})
    return _claim("same_ranking", found)


def node_relevance(correlation: xr.DataArray | None, names: list[str]) -> Claim:
    """A relevance ranks hidden nodes by the effect of their removal better than the gate gradient does."""
    found: Cases = {}
    for reference in ("brute_force", "shapley") if correlation is not None else ():
        assert correlation is not None
        gaps = nodes.ahead(correlation, names, reference)
        if not gaps:
            continue
        verdicts = [above(one) for one in gaps.values()]
        if HOLDS in verdicts:
            verdict = HOLDS
        else:
            verdict = FAILS if set(verdicts) == {FAILS} else UNDECIDED
        found[reference] = (verdict, {"gaps": gaps})
    return _claim("node_relevance", found)


def _any_above(gaps: Mapping[str, Interval]) -> Cases:
    return {key: (above(one), {"difference": one}) for key, one in gaps.items()}


def _one_is_enough(found: Cases, minor: float = MINOR) -> str:
    if not found:
        return OPEN
    if any(verdict == HOLDS for verdict, _ in found.values()):
        return HOLDS
    clear = all(values["difference"].known and values["difference"].high < minor for _, values in found.values())
    return FAILS if clear else UNDECIDED


def helps(numbers: xr.Dataset | None, trainings: list[str]) -> Claim:
    """Training the relevance into the region helps where the patch misleads."""
    gaps = {} if numbers is None else supervised.gains(numbers, "accuracy_misleading", supervised.PLAIN, trainings)
    found = _any_above(gaps)
    return _claim("helps", found, _one_is_enough(found))


def beats_penalty(numbers: xr.Dataset | None, trainings: list[str]) -> Claim:
    """It helps more than a penalty on gradients outside the region."""
    gaps = {} if numbers is None else supervised.gains(numbers, "accuracy_misleading", supervised.PENALTY, trainings)
    found = _any_above(gaps)
    return _claim("beats_penalty", found, _one_is_enough(found))


def gamed(numbers: xr.Dataset | None, trainings: list[str]) -> Claim:
    """The network games the measure: by it most of what lies outside is gone, and still the patch decides."""
    found: Cases = {}
    for key in trainings if numbers is not None else ():
        assert numbers is not None
        one = supervised.gaming(numbers, key, HALF)
        if one is not None and one.trained.networks:
            rise, other = (
                interval(numbers[name].sel(training=key).values - numbers[name].sel(training=supervised.PLAIN).values)
                for name in supervised.measured_on(numbers) or ()
            )
            found[key] = (_gamed(one), {"gaming": one, "rise": rise, "other": other})
    return _claim("gamed", found)


def gamed_somewhere(data: xr.Dataset | None) -> Claim:
    """There are strengths at which the network games the measure."""
    found: Cases = {}
    for key in supervised.relevance_trainings(data) if data is not None else ():
        assert data is not None
        plain = float(data["strength"][0])
        run = np.isfinite(data["accuracy_clean"].sel(training=key).transpose("strength", "network").values).any(axis=1)
        verdicts = {}
        for strength in data["strength"].values[run]:
            one = supervised.gaming(supervised.at(data, {supervised.PLAIN: plain, key: float(strength)}), key, HALF)
            if one is not None and one.trained.networks:
                verdicts[float(strength)] = _gamed(one)
        if verdicts:
            some = HOLDS if HOLDS in verdicts.values() else FAILS if set(verdicts.values()) == {FAILS} else UNDECIDED
            found[key] = (some, {"verdicts": verdicts})
    cases = [verdict for verdict, _ in found.values()]
    some = HOLDS if HOLDS in cases else FAILS if cases and set(cases) == {FAILS} else UNDECIDED if cases else OPEN
    return _claim("gamed_somewhere", found, some)


def _gamed(one: supervised.Gaming) -> str:
    """Say whether a measure is gamed: most is gone by it, and not by the other measure, nor in what the network does.

    Not where it is gone by all three, or where not even the trained measure is halved.
    """
    if above(one.trained) != FAILS:
        return FAILS if above(one.trained) == HOLDS else UNDECIDED
    both = {above(one.other), above(one.reliance)}
    if len(both) == 1:
        return both.pop()
    return PARTLY if both == {HOLDS, FAILS} else UNDECIDED


def all_claims(
    groups: Mapping[str, xr.Dataset],
    scores: xr.Dataset | None,
    agreements: list[deletion.Agreement],
    correlation: xr.DataArray | None,
    chosen: xr.Dataset | None,
) -> Mapping[str, Claim]:
    """Answer every claim.

    Parameters
    ----------
    groups : mapping of str to xarray.Dataset
        What the store has, checked; "heat" at least.
    scores : xarray.Dataset or None
        See `sweeps.studies.relevance.measures.deletion.scores`.
    agreements : list of Agreement
    correlation : xarray.DataArray or None
        See `sweeps.studies.relevance.measures.nodes.correlations`.
    chosen : xarray.Dataset or None
        The trainings at their chosen strengths, see `sweeps.studies.relevance.measures.supervised.at`.

    Returns
    -------
    mapping of str to Claim
        By name, in the order of the page.
    """
    relevances = nodes.relevances(groups["nodes"]) if "nodes" in groups else []
    trainings = supervised.relevance_trainings(chosen) if chosen is not None else []
    toy, network = groups.get("instability_toy"), groups.get("instability")
    found = [
        conserved(groups.get("conservation")),
        one_method(groups["heat"]),
        scaling(groups.get("consistency")),
        constants(groups.get("constants")),
        radial(groups.get("two_objects")),
        forms(groups.get("forms")),
        unstable(network, toy),
        blamed(network, toy),
        beats_random(scores),
        same_ranking(agreements),
        node_relevance(correlation, relevances),
        helps(chosen, trainings),
        beats_penalty(chosen, trainings),
        gamed(chosen, trainings),
        gamed_somewhere(groups.get("supervised") if chosen is not None else None),
    ]
    return {claim.name: claim for claim in found}
