"""Statements on single connections, overfitting and retraining, and how they are judged; see `claims`."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from analysis.claims import (
    FAILS,
    HOLDS,
    UNDECIDED,
    Claim,
    Statement,
    above,
    judged,
)
from analysis.intervals import Interval, interval
from sweeps._studies.sparsity.measures import PUBLISHED, Connections, overfitting, paired, ways

#: Some crucial connections: so much of all, as a share; some nodes that come back: so many of those that were off.
SOME, SOME_BACK = 0.05, 0.01
#: So much accuracy, as a share, is worth the effort; and so much is no loss.
WORTH, MINOR = 0.005, 0.01

Parts = dict[str, tuple[str, Mapping[str, Any]]]

_FOR_A_TIME = (
    "it holds where the interval of the paired difference in test accuracy, at equal sparsity after equal epochs, mean "
    f"over the sparsities, lies above {100 * WORTH:g} points, and does not hold where it lies below, for each way of "
    "letting them come back"
)

STATEMENTS = {
    "hidden": Statement(
        "Weak nodes hold crucial connections",
        "it holds where the interval of the share of the strongest 1\u00a0% of the weights into a layer that lead into "
        f"the half of its nodes with the lowest norms lies above {100 * SOME:g}\u00a0%, mean over the layers, by "
        "magnitude and by the change of the training loss without the single weight; it does not hold where both lie "
        "below",
        published="“some crucial connections”",
    ),
    "beyond_norm": Statement(
        "They hold more of them than their norms imply",
        "it holds where the interval of that share, by magnitude, less what dealing out relative sizes at random would "
        "give, lies above zero, and does not hold where it lies below",
        source="ours",
    ),
    "missed": Statement(
        "Weak nodes with crucial connections are missed more than others of equal norm",
        "pairs of weak nodes, one with crucial connections (by magnitude) and one without, of the same layer and of "
        "norms within 5\u00a0%: it holds where, with all of one sort off, the intervals of the paired differences of "
        "test loss and of lost accuracy lie above zero, and does not hold where both lie below",
    ),
    "largest": Statement(
        "Ranking nodes by their largest connection prunes better",
        "it holds where the interval of the paired difference in mean accuracy to ranking by the norm lies above zero, "
        "and does not hold where it lies below",
        source="ours",
    ),
    "overfit_gap": Statement(
        "Pruning reduces overfitting",
        "on small training sets, pruned with and without fine-tuning, it holds where at one sparsity or more the "
        "training accuracy comes closer to the test accuracy (interval of the change of the gap below zero) and the "
        f"test accuracy falls by no more than {100 * MINOR:g} point (its interval above that); it does not hold where "
        f"at every sparsity the gap closes by less than {100 * MINOR:g} point or the test accuracy falls by more; the "
        "intervals of all sparsities hold together (Bonferroni)",
        published="“less likely to memorize noise”",
    ),
    "overfit_test": Statement(
        "Pruned networks generalise better",
        "as before, it holds where the interval of the change of the test accuracy lies above zero at one sparsity or "
        f"more, and does not hold where all end below {100 * MINOR:g} point",
        published="“allows the model to generalize better”",
    ),
    "memorised": Statement(
        "Memorised noise goes before what was learnt",
        "it holds where the share of flipped labels that is answered as given falls by 10 points at a lower sparsity "
        "than the share of right labels, and than the test accuracy: intervals of the paired differences above zero; "
        "it does not hold where both lie below",
        published="“less likely to memorize noise”",
    ),
    "back": Statement(
        "Nodes that are off come back in retraining",
        f"it holds where the interval of the share of them that is on at the end lies above {100 * SOME_BACK:g}\u00a0%,"
        " and does not hold where it lies below, for each way of letting them come back",
        published="“so they can be reactivated during retraining if necessary”",
    ),
    "for_a_time": Statement(
        "Switching nodes off for a time is better than for good",
        _FOR_A_TIME,
        published="“often preferable”",
    ),
    "weights_for_a_time": Statement(
        "Zeroing weights for a time is better than for good",
        _FOR_A_TIME,
        source="ours",
    ),
}


def _claim(name: str, parts: Parts, unit: str = "") -> Claim:
    claim = judged(STATEMENTS[name], parts)
    return Claim(claim.statement, claim.verdict, measured=None, unit=unit, cases=claim.cases, values=claim.values)


def _measured(found: Interval, bound: float = 0.0) -> tuple[str, Mapping[str, Any]]:
    return above(found, bound=bound), {"measured": found}


def of_connections(found: Connections | None, mean_accuracy: xr.DataArray) -> dict[str, Claim]:
    """Judge what is claimed of crucial connections in weak nodes."""
    best: Parts = {}
    if "units_largest_layer" in mean_accuracy["pruned_by"].values:
        best = {"mean": _measured(paired(mean_accuracy, "units_largest_layer", PUBLISHED["units"]))}
    hidden: Parts = {}
    beyond: Parts = {}
    missed: Parts = {}
    if found is not None:
        layers, harm = found.layers.mean("layer"), found.harm
        hidden = {name: _measured(interval(layers[name].values), SOME) for name in ("magnitude", "loss")}
        beyond = {"magnitude": _measured(interval((layers["magnitude"] - layers["implied"]).values))}
        for name, sign in (("loss", 1), ("accuracy", -1)):
            one = sign * (harm[name].sel(nodes="with") - harm[name].sel(nodes="without"))
            verdict, values = _measured(interval(one.values))
            missed[name] = verdict, {**values, "unit": "nats" if name == "loss" else "points"}
    return {
        "hidden": _claim("hidden", hidden, "%"),
        "beyond_norm": _claim("beyond_norm", beyond, "points"),
        "missed": _claim("missed", missed),
        "largest": _claim("largest", best, "points"),
    }


def of_overfitting(data: xr.Dataset | None) -> dict[str, Claim]:
    """Judge what is claimed of pruning networks that overfit."""
    names = ("overfit_gap", "overfit_test", "memorised")
    if data is None:
        return {name: _claim(name, {}) for name in names}
    gap: Parts = {}
    test: Parts = {}
    memorised: Parts = {}
    for case in overfitting.cases():
        found = overfitting.changes(data, case)
        best = overfitting.best(found)
        gap[case.key] = _gap(found), {"measured": best.gap.negated(), "change": best}
        test[case.key] = _test(found), {"measured": best.test, "change": best}
        if case.labels == "noisy":
            flipped = overfitting.lost(data, case, "flipped")
            for what in ("right", "test"):
                later = interval(overfitting.lost(data, case, what) - flipped).times(0.01)
                memorised[f"{case.key} {what}"] = _measured(later)
    return {name: _claim(name, parts, "points") for name, parts in zip(names, (gap, test, memorised), strict=True)}


def _gap(found: Sequence[overfitting.Change]) -> str:
    """Judge that somewhere the gap closes while the test accuracy stays."""
    if any(one.gap.high < 0 and one.test.low > -MINOR for one in found):
        return HOLDS
    clear = all(one.gap.low > -MINOR or one.test.high < -MINOR for one in found)
    return FAILS if found and clear else UNDECIDED


def _test(found: Sequence[overfitting.Change]) -> str:
    """Judge that somewhere the test accuracy rises."""
    if any(one.test.low > 0 for one in found):
        return HOLDS
    return FAILS if found and all(one.test.high < MINOR for one in found) else UNDECIDED


def of_reactivated(data: xr.Dataset | None) -> dict[str, Claim]:
    """Judge what is claimed of nodes, and weights, that may come back."""
    if data is None:
        return {name: _claim(name, {}) for name in ("back", "for_a_time", "weights_for_a_time")}
    back: Parts = {}
    better: dict[str, Parts] = {"units": {}, "weights": {}}
    for way in ways.TEMPORARY:
        kind = way.partition("_")[0]
        better[kind][way] = _measured(ways.gain(data, way), WORTH)
        if kind == "units":
            back[way] = _measured(ways.back(data, way), SOME_BACK)
    return {
        "back": _claim("back", back, "%"),
        "for_a_time": _claim("for_a_time", better["units"], "points"),
        "weights_for_a_time": _claim("weights_for_a_time", better["weights"], "points"),
    }
