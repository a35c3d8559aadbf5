"""What was published about pruning weights and nodes, and what that leaves open: statements and how they are judged.

A claim is decided where the interval of the mean over networks lies on one side of the rule's bound; where it lies
across, or there is only one network, the claim stays undecided.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from analysis.claims import (
    FAILS,
    HOLDS,
    NOT_COMPARABLE,
    NOT_MEASURED,
    UNDECIDED,
    Claim,
    Statement,
    above,
    combined,
    everywhere,
    judged,
    within,
)
from analysis.curves import wrong_way
from analysis.intervals import Interval, interval
from sweeps._studies.sparsity import cost_claims, further_claims
from sweeps._studies.sparsity.measures import (
    DROPS,
    KINDS,
    MAIN_DROP,
    PUBLISHED,
    EqualWeights,
    Results,
    at_last,
    differences,
    paired,
    spread_ratio,
)
from sweeps._studies.sparsity.measures import summary as summary_of

#: "Around 70-75 %" and "just under 50 %": the published ends, and the zone in which ours has to lie.
PUBLISHED_ENDS = {"weights": (70.0, 75.0), "units": (50.0, 50.0)}
ZONES = {"weights": (65.0, 80.0), "units": (40.0, 50.0)}
#: The network that the published experiment pruned, on MNIST.
PUBLISHED_SIZES = (784, 1000, 1000, 500, 200, 10)
#: The published sparsities, in per cent.
PUBLISHED_PERCENT = (0, 25, 50, 60, 70, 80, 90, 95, 97, 99)
#: "Not too different": accuracies within so much, as a share, and ends of plateaus within so many per cent.
LITTLE_ACCURACY, LITTLE_END = 0.01, 5.0
#: A plateau is longer than so many per cent.
SOME = 10.0
#: A curve falls consistently where at most so much of its movement is upwards.
UPWARDS = 0.1
#: So much mean accuracy, as a share, is no better and no worse.
MINOR = 0.01
Parts = dict[str, tuple[str, Mapping[str, Any]]]


def points(drop: float) -> str:
    """Write a fall of accuracy in percentage points.

    Examples
    --------
    >>> points(0.01), points(0.005)
    ('1 point', '0.5 points')
    """
    return f"{100 * drop:g} point{'' if np.isclose(drop, 0.01) else 's'}"


def _zone(kind: str) -> str:
    low, high = ZONES[kind]
    return (
        "it can be compared for the published task and network only: there it holds where the 95\u00a0% interval of "
        f"the end of the plateau, at {points(MAIN_DROP)}, lies within {low:g} "
        f"to {high:g}\u00a0%, and does not hold where the interval lies wholly outside, after each length of training"
    )


_TWO = (
    "it holds where two intervals of paired differences, weights less nodes, lie above zero: that of the end of the "
    f"plateau, at {points(MAIN_DROP)}, and that of the mean accuracy; it does not hold where both lie below zero, and "
    "holds partly where one lies above and one below"
)

STATEMENTS = {
    "plateau": Statement(
        "Some weights, and some nodes, can go at no cost",
        f"it holds where the interval of the end of the plateau, at {points(MAIN_DROP)}, lies above {SOME:g}\u00a0%, "
        "for weights and for nodes, and does not hold where it lies below",
        published="“there should be some plateau before the decrease”",
    ),
    "weights_plateau": Statement(
        "Weight pruning costs nothing up to 70 to 75 %", _zone("weights"), published="around 70-75\u00a0%"
    ),
    "units_plateau": Statement(
        "Node pruning costs nothing up to just under 50 %", _zone("units"), published="just under 50\u00a0%"
    ),
    "equal_percent": Statement(
        "Weight pruning is more effective than node pruning (at equal sparsity)",
        f"{_TWO}; the mean is over all sparsities",
    ),
    "equal_weights": Statement(
        "Weight pruning is more effective at equal numbers of weights, too",
        f"{_TWO}; both count the share of the prunable weights that are gone",
        source="ours",
    ),
    "falling": Statement(
        "Accuracy falls consistently with sparsity",
        "it holds where, at the published sparsities, the interval of the share of all movement that is upwards lies "
        f"below {100 * UPWARDS:g}\u00a0%, for weights and for nodes, and does not hold where it lies above",
    ),
    "variable": Statement(
        "Node pruning is more variable",
        "it holds where two intervals lie above zero: that of the logarithm of the ratio of the standard deviations "
        "over networks (root mean square over the sparsities, jackknife), and that of the paired difference of the "
        "shares of movement that are upwards; it does not hold where both lie below",
    ),
    "epochs_accuracy": Statement(
        "Training for longer changes the accuracy little",
        "it holds where all intervals of the difference of the unpruned networks' test accuracy to that after the "
        f"longest training lie within ±{points(LITTLE_ACCURACY)}, and does not hold where one lies wholly outside",
        published="“not too different”",
    ),
    "epochs_end": Statement(
        "Training for longer moves the plateaus little",
        f"it holds where all intervals of the difference of the ends of the plateaus, at {points(MAIN_DROP)}, to those "
        f"after the longest training lie within ±{LITTLE_END:g} per cent sparsity, and does not hold where one lies "
        "wholly outside",
        published="“not too different”",
    ),
    "alternative": Statement(
        "Another heuristic than the lowest norm prunes nodes better",
        "it holds where the interval of the paired difference in mean accuracy lies above zero for one heuristic or "
        f"more, and does not hold where all end below {points(MINOR)}; the intervals hold together with probability "
        "0.95 (Bonferroni)",
    ),
    "evened": Statement(
        "After fine-tuning the heuristic matters little",
        "it holds where all intervals of the paired differences in mean accuracy to the published heuristic of the "
        f"same kind lie within ±{points(MINOR)} (Bonferroni; random choice set aside), and does not hold where one "
        "lies wholly outside",
        source="ours",
    ),
    "criteria": Statement(
        "Magnitudes, gradients and whole nodes tell what matters",
        "it holds where the intervals of the paired differences in mean accuracy to random choice lie above zero for "
        "weights of the smallest magnitudes, weights of the smallest gradients and nodes of the lowest norms, and does "
        "not hold where all lie below",
        published="“importance scores”",
    ),
    "logits": Statement(
        "The weights to the outputs should not be pruned",
        "it holds where the interval of the mean accuracy lost by pruning the smallest of them, too, at equal sparsity "
        "of each layer, lies above zero, and does not hold where it lies below",
        published="“should not be pruned”",
    ),
    **cost_claims.STATEMENTS,
    **further_claims.STATEMENTS,
}


def _claim(
    name: str,
    parts: Parts,
    join: Callable[[Iterable[str]], str] = combined,
    alone: Interval | None = None,
    unit: str = "",
) -> Claim:
    """Judge a claim from its parts; `alone` is the number that decides where there is one part."""
    claim = judged(STATEMENTS[name], parts, verdict=join(verdict for verdict, _ in parts.values()))
    return replace(claim, measured=alone if len(parts) == 1 else None, unit=unit)


def has_plateau(summary: xr.Dataset) -> Claim:
    """Judge whether there is a plateau after the longest training."""
    end = at_last(summary)["end"].sel(fall=MAIN_DROP)
    found = {kind: interval(end.sel({"pruned_by": PUBLISHED[kind]}).values) for kind in KINDS}
    return _claim(
        "plateau",
        {kind: (above(one, bound=SOME), {"measured": one.times(0.01)}) for kind, one in found.items()},
        unit="%",
    )


def plateau(summary: xr.Dataset, kind: str, comparable: bool = True) -> Claim:
    """Judge where the plateau of one kind ends, after each length of training, by `ZONES`, where that is comparable."""
    parts: Parts = {}
    for epochs in summary["epochs"].values:
        one = summary["end"].sel({"pruned_by": PUBLISHED[kind], "epochs": epochs})
        ends = {drop: interval(one.sel(fall=drop).values) for drop in DROPS}
        verdicts = {drop: within(end, *ZONES[kind]) if comparable else NOT_COMPARABLE for drop, end in ends.items()}
        measured = ends[MAIN_DROP].times(0.01)
        parts[f"{epochs}"] = (verdicts[MAIN_DROP], {"measured": measured, "ends": ends, "verdicts": verdicts})
    return _claim(f"{kind}_plateau", parts, alone=measured, unit="%")


def better_at_equal_percent(summary: xr.Dataset) -> Claim:
    """Judge whether weight pruning is better at equal sparsity: later end, higher mean accuracy."""
    last = at_last(summary)

    def less(values: xr.DataArray) -> Interval:
        return paired(values, PUBLISHED["weights"], PUBLISHED["units"])

    return _claim("equal_percent", _two(last, less), unit="points")


def better_at_equal_weights(equal: EqualWeights) -> Claim:
    """Judge whether weight pruning is better at equal numbers of weights."""

    def less(values: xr.DataArray) -> Interval:
        return interval(values.sel(kind="weights").values - values.sel(kind="units").values)

    return _claim("equal_weights", _two(equal.numbers, less), unit="points")


def _two(numbers: xr.Dataset, less: Callable[[xr.DataArray], Interval]) -> Parts:
    ends, mean = {drop: less(numbers["end"].sel(fall=drop)) for drop in DROPS}, less(numbers["mean_accuracy"])
    verdicts = {drop: above(end) for drop, end in ends.items()}
    return {
        "end": (
            verdicts[MAIN_DROP],
            {"measured": ends[MAIN_DROP].times(0.01), "differences": ends, "verdicts": verdicts},
        ),
        "mean": (above(mean), {"measured": mean}),
    }


def epochs_accuracy(summary: xr.Dataset) -> Claim:
    """Judge whether training for longer changes the accuracy of the unpruned network little."""
    found = _less_last(summary["start"].sel({"pruned_by": PUBLISHED["weights"]}))
    parts: Parts = {
        key: (within(one, -LITTLE_ACCURACY, LITTLE_ACCURACY), {"measured": one}) for key, one in found.items()
    }
    return _claim("epochs_accuracy", parts, everywhere, next(iter(found.values()), None), "points")


def epochs_end(summary: xr.Dataset) -> Claim:
    """Judge whether training for longer moves the ends of the plateaus little."""
    parts: Parts = {}
    for kind in KINDS:
        end = summary["end"].sel({"pruned_by": PUBLISHED[kind], "fall": MAIN_DROP})
        for key, one in _less_last(end).items():
            parts[f"{kind} {key}"] = (within(one, -LITTLE_END, LITTLE_END), {"measured": one.times(0.01)})
    return _claim("epochs_end", parts, everywhere, unit="points")


def _less_last(values: xr.DataArray) -> dict[str, Interval]:
    """How much less or more it was after each shorter training than after the longest, by the number of epochs."""
    last = values.isel(epochs=-1)
    return {f"{one['epochs'].item()}": interval((one - last).values) for one in values[:-1]}


def falling(curves: xr.Dataset) -> Claim:
    """Judge whether both curves fall consistently, at the published sparsities."""
    data = curves.sel(percent=[p for p in curves["percent"].values if p in PUBLISHED_PERCENT])
    parts: Parts = {}
    for kind, accuracy in _published(data).items():
        one = interval(wrong_way(accuracy, rising=False))
        parts[kind] = (within(one, -np.inf, UPWARDS), {"measured": one})
    return _claim("falling", parts, unit="%")


def variable(curves: xr.Dataset) -> Claim:
    """Judge whether node pruning is more variable: over the networks, and along each curve."""
    weights, units = _published(curves).values()
    ratio = spread_ratio(weights, units)
    along = interval(wrong_way(units, rising=False) - wrong_way(weights, rising=False))
    parts: Parts = {
        "networks": (above(ratio), {"measured": ratio, "unit": "(ln of a ratio)"}),
        "along": (above(along), {"measured": along, "unit": "points"}),
    }
    return _claim("variable", parts)


def _published(curves: xr.Dataset) -> dict[str, np.ndarray]:
    """Accuracies (network, percent) of the published ways after the longest training, by kind."""
    data = at_last(curves)["accuracy"].transpose("pruned_by", "network", "percent")
    return {kind: data.sel({"pruned_by": PUBLISHED[kind]}).values.astype(np.float64) for kind in KINDS}


def alternative(summary: xr.Dataset) -> Claim:
    """Judge whether another heuristic prunes nodes better than the lowest norm."""
    found = differences(at_last(summary)["mean_accuracy"], "units")
    parts: Parts = {key: (above(one), {"measured": one}) for key, one in found.items()}
    clear = all(one.known and one.high < MINOR for one in found.values())
    some = any(verdict == HOLDS for verdict, _ in parts.values())
    return _claim("alternative", parts, lambda _: HOLDS if some else FAILS if clear else UNDECIDED, unit="points")


def evened(finetuned: xr.Dataset | None) -> Claim:
    """Judge whether after fine-tuning it matters little by which heuristic was pruned."""
    parts: Parts = {}
    if finetuned is not None:
        for kind in KINDS:
            for key, one in differences(finetuned["mean_accuracy"], kind).items():
                parts[key] = (within(one, -MINOR, MINOR), {"measured": one})
    return _claim("evened", parts, everywhere, unit="points")


def criteria(mean: xr.DataArray) -> Claim:
    """Judge whether each criterion is better than random choice."""
    chosen = {PUBLISHED["weights"]: "weights", "weights_gradient_layer": "weights", PUBLISHED["units"]: "units"}
    found = {key: paired(mean, key, f"{kind}_random_layer") for key, kind in chosen.items()}
    return _claim("criteria", {key: (above(one), {"measured": one}) for key, one in found.items()}, unit="points")


def logits(outputs: xr.Dataset | None, numbers: xr.Dataset) -> Claim:
    """Judge whether pruning the weights to the outputs, too, costs accuracy."""
    if outputs is None:
        return Claim(STATEMENTS["logits"], NOT_MEASURED)
    with_them = summary_of(outputs)["mean_accuracy"].values
    lost = interval(numbers["mean_accuracy"].sel({"pruned_by": PUBLISHED["weights"]}).values - with_them)
    return Claim(STATEMENTS["logits"], above(lost), measured=lost, unit="points")


def all_claims(results: Results) -> dict[str, Claim]:
    """Judge every claim.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to Claim
        By name, in the order of the page.
    """
    summary, finetuned, last = results.summary, results.finetuned, results.numbers
    there = results.task.attrs["name"] == "mnist" and results.sizes == list(PUBLISHED_SIZES)
    return {
        "plateau": has_plateau(summary),
        "weights_plateau": plateau(summary, "weights", there),
        "units_plateau": plateau(summary, "units", there),
        "equal_percent": better_at_equal_percent(summary),
        "equal_weights": better_at_equal_weights(results.equal),
        "falling": falling(results.curves),
        "variable": variable(results.curves),
        "epochs_accuracy": epochs_accuracy(summary),
        "epochs_end": epochs_end(summary),
        "alternative": alternative(summary),
        "evened": evened(None if finetuned is None else finetuned.after),
        "criteria": criteria(last["mean_accuracy"]),
        "logits": logits(results.outputs, last),
        "zeroed": cost_claims.zeroed(results.cost),
        "removed": cost_claims.removed(results.cost),
        "same": cost_claims.same(results.cost),
        "training_time": cost_claims.training_time(results.cost),
        **further_claims.of_connections(results.connections, last["mean_accuracy"]),
        **further_claims.of_overfitting(results.overfitting),
        **further_claims.of_reactivated(results.reactivated),
    }
