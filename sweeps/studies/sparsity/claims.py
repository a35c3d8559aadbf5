"""What was published about pruning weights and units, each answered by a rule from one number a network.

A verdict is given where the interval of the mean over networks lies on one side of the rule's bound; where it lies
across, or there is only one network, the claim stays undecided.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from analysis import curves as shapes
from analysis.intervals import LEVEL, Interval, interval
from sweeps.studies.shrinking.claims import FAILS, HOLDS, OPEN, PARTLY, Claim
from sweeps.studies.sparsity.measures.summary import DROPS, KINDS, MAIN_DROP, PUBLISHED, at_last, methods, paired
from sweeps.studies.sparsity.measures.weights import EqualWeights

UNDECIDED = "undecided"
#: "Around 70-75 %" and "just under 50 %": the published ends, and the zone in which ours has to lie.
PUBLISHED_ENDS = {"weights": (70.0, 75.0), "units": (50.0, 50.0)}
ZONES = {"weights": (65.0, 80.0), "units": (40.0, 50.0)}
#: The published sparsities, in per cent.
PUBLISHED_PERCENT = (0, 25, 50, 60, 70, 80, 90, 95, 97, 99)
#: "Not too different": accuracies within so much, as a share, and ends of plateaus within so many per cent.
LITTLE_ACCURACY, LITTLE_END = 0.01, 5.0
#: A curve falls consistently where at most so much of its movement is upwards.
UPWARDS = 0.1
#: So much mean accuracy, as a share, is no better and no worse.
MINOR = 0.01
#: Zeroed nodes save nothing where the time stays within so much of that of the whole network, as a share.
SAME_TIME = 0.1

Cases = dict[str, tuple[str, dict[str, Any]]]


def combined(verdicts: Iterable[str]) -> str:
    """Join verdicts: where they hold and fail, partly; one that is undecided leaves the rest undecided."""
    known = {verdict for verdict in verdicts if verdict != OPEN}
    if not known:
        return OPEN
    if len(known) == 1:
        return known.pop()
    return PARTLY if {HOLDS, FAILS} <= known or PARTLY in known else UNDECIDED


def everywhere(verdicts: Iterable[str]) -> str:
    """Join verdicts on what is said of every case: one case in which it fails is enough."""
    known = {verdict for verdict in verdicts if verdict != OPEN}
    if not known:
        return OPEN
    return FAILS if FAILS in known else HOLDS if known == {HOLDS} else UNDECIDED


def _claim(name: str, found: Cases, join: Callable[[Iterable[str]], str] = combined) -> Claim:
    cases = {key: verdict for key, (verdict, _) in found.items()}
    return Claim(name, join(cases.values()), cases, {key: values for key, (_, values) in found.items()})


def within(one: Interval, low: float, high: float) -> str:
    """Say whether an interval lies within bounds (holds), wholly outside (does not hold), or across one."""
    if not one.networks:
        return OPEN
    if not one.known:
        return UNDECIDED
    if low <= one.low and one.high <= high:
        return HOLDS
    return FAILS if one.high < low or one.low > high else UNDECIDED


def above(one: Interval, bound: float = 0.0) -> str:
    """Say whether an interval lies above a bound (holds), below it (does not hold), or across."""
    if not one.networks:
        return OPEN
    if not one.known:
        return UNDECIDED
    return HOLDS if one.low > bound else FAILS if one.high < bound else UNDECIDED


def plateau(summary: xr.Dataset, kind: str) -> Claim:
    """Where the plateau of one kind ends, after each length of training; the rule is `ZONES`."""
    found: Cases = {}
    for epochs in summary["epochs"].values:
        one = summary.sel({"pruned_by": PUBLISHED[kind], "epochs": epochs})
        ends = {drop: interval(one["end"].sel(fall=drop).values) for drop in DROPS}
        verdicts = {drop: within(ends[drop], *ZONES[kind]) for drop in DROPS}
        found[f"{epochs}"] = (verdicts[MAIN_DROP], {"ends": ends, "verdicts": verdicts})
    return _claim(f"{kind}_plateau", found)


def better_at_equal_percent(summary: xr.Dataset) -> Claim:
    """Weight pruning is the more effective one at equal sparsity: later end, higher mean accuracy."""
    last = at_last(summary)
    ends = {
        drop: interval(paired(last["end"].sel(fall=drop), PUBLISHED["weights"], PUBLISHED["units"])) for drop in DROPS
    }
    mean = interval(paired(last["mean_accuracy"], PUBLISHED["weights"], PUBLISHED["units"]))
    return _claim("equal_percent", _two(ends, mean))


def better_at_equal_weights(equal: EqualWeights) -> Claim:
    """Weight pruning is the more effective one at equal numbers of weights, too."""
    one = equal.numbers

    def less(values: xr.DataArray) -> Interval:
        return interval(values.sel(kind="weights").values - values.sel(kind="units").values)

    ends = {drop: less(one["end"].sel(fall=drop)) for drop in DROPS}
    return _claim("equal_weights", _two(ends, less(one["mean_accuracy"])))


def _two(ends: dict[float, Interval], mean: Interval) -> Cases:
    end, others = ends[MAIN_DROP], {drop: one for drop, one in ends.items() if drop != MAIN_DROP}
    return {
        "end": (above(end), {"difference": end, "others": others}),
        "mean": (above(mean), {"difference": mean}),
    }


def epochs_accuracy(summary: xr.Dataset) -> Claim:
    """Training for longer changes the accuracy of the unpruned network little."""
    found: Cases = {}
    start = summary["start"].sel({"pruned_by": PUBLISHED["weights"]})
    last = start["epochs"].max()
    for epochs in start["epochs"].values[:-1]:
        one = interval((start.sel(epochs=epochs) - start.sel(epochs=last)).values)
        found[f"{epochs}"] = (within(one, -LITTLE_ACCURACY, LITTLE_ACCURACY), {"difference": one})
    return _claim("epochs_accuracy", found, everywhere)


def epochs_end(summary: xr.Dataset) -> Claim:
    """Training for longer moves the ends of the plateaus little."""
    found: Cases = {}
    end = summary["end"].sel(fall=MAIN_DROP)
    for kind in KINDS:
        of = end.sel({"pruned_by": PUBLISHED[kind]})
        for epochs in of["epochs"].values[:-1]:
            one = interval((of.sel(epochs=epochs) - of.sel(epochs=of["epochs"].max())).values)
            found[f"{kind} {epochs}"] = (within(one, -LITTLE_END, LITTLE_END), {"difference": one})
    return _claim("epochs_end", found, everywhere)


def falling(curves: xr.Dataset) -> Claim:
    """Both curves fall consistently, at the published sparsities."""
    data = at_last(curves)["accuracy"]
    data = data.sel(percent=[p for p in data["percent"].values if p in PUBLISHED_PERCENT])
    found: Cases = {}
    for kind in KINDS:
        values = data.sel({"pruned_by": PUBLISHED[kind]}).transpose("network", "percent").values
        one = interval(_wrong_way(values))
        found[kind] = (HOLDS if one.known and one.high <= UPWARDS else _not(above(one, UPWARDS)), {"upwards": one})
    return _claim("falling", found)


def _not(verdict: str) -> str:
    return {HOLDS: FAILS, FAILS: HOLDS}.get(verdict, verdict)


def _wrong_way(values: np.ndarray) -> np.ndarray:
    """Share of the movement that is upwards, (networks,), NaN where a curve is not known or never moves."""
    return np.asarray(shapes.wrong_way(values, rising=False))


def variable(curves: xr.Dataset) -> Claim:
    """Unit pruning is more variable: over the networks, and along each curve."""
    data = at_last(curves)["accuracy"].transpose("pruned_by", "network", "percent")
    weights, units = (data.sel({"pruned_by": PUBLISHED[kind]}).values.astype(np.float64) for kind in KINDS)
    ratio = spread_ratio(weights, units)
    along = interval(_wrong_way(units) - _wrong_way(weights))
    return _claim(
        "variable",
        {"networks": (above(ratio), {"log_ratio": ratio}), "along": (above(along), {"difference": along})},
    )


def spread_ratio(weights: np.ndarray, units: np.ndarray) -> Interval:
    """Logarithm of how many times as far networks are apart under unit pruning, with a jackknife interval.

    Parameters
    ----------
    weights, units : numpy.ndarray, (networks, percent)
        Accuracies.

    Returns
    -------
    Interval
        Of the logarithm of the ratio of standard deviations over networks, root mean square over the percentages;
        without an interval below three networks. The range is that of the jackknife's values.
    """
    known = np.isfinite(weights).all(axis=1) & np.isfinite(units).all(axis=1)
    one, other = weights[known], units[known]
    count = len(one)

    def log_ratio(keep: np.ndarray) -> float:
        spread = [values[keep].var(axis=0, ddof=1).mean() for values in (one, other)]
        return 0.5 * float(np.log(spread[1] / spread[0])) if min(spread) > 0 else float("nan")

    if count < 2:
        return interval([])
    value, half = log_ratio(np.arange(count)), float("nan")
    left_out = np.array([log_ratio(np.arange(count) != network) for network in range(count)] if count > 2 else [value])
    if count > 2 and np.isfinite(left_out).all():
        error = np.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum())
        half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * error)
    if np.isnan(value):
        return interval([])
    return Interval(value, half, count, float(left_out.min()), float(left_out.max()))


def differences(
    summary: xr.Dataset, kind: str, name: str = "mean_accuracy", across: str = "by", level: float = LEVEL
) -> dict[str, Interval]:
    """Compare other ways of pruning one kind with the published one, network by network.

    Parameters
    ----------
    summary : xarray.Dataset
        `name` (pruned_by, network).
    kind : {"weights", "units"}
    name : str
        What is compared.
    across : {"by", "scope"}
        Other heuristics within each layer, or other scopes of the published heuristic.
    level : float
        With so much probability the intervals cover together (Bonferroni).

    Returns
    -------
    dict of str to Interval
        By method, without random choice: what it has more than the published one. Empty where that is not there.
    """
    found = methods(summary, kind)
    own = [one for one in found if one.published]
    if not own:
        return {}
    same = [one for one in found if (one.scope == own[0].scope if across == "by" else one.by == own[0].by)]
    others = [one.key for one in same if not one.published and one.by != "random"]
    each = 1 - (1 - level) / max(len(others), 1)
    return {key: interval(paired(summary[name], key, own[0].key), each) for key in others}


def alternative(summary: xr.Dataset) -> Claim:
    """Another heuristic prunes units better than the lowest norm."""
    found = {key: one for key, one in differences(at_last(summary), "units").items() if one.networks}
    if not found:
        return Claim("alternative", OPEN, {}, {})
    values = {key: {"difference": one} for key, one in found.items()}
    cases = {key: above(one) for key, one in found.items()}
    if any(verdict == HOLDS for verdict in cases.values()):
        return Claim("alternative", HOLDS, cases, values)
    clear = all(one.known and one.high < MINOR for one in found.values())
    return Claim("alternative", FAILS if clear else UNDECIDED, cases, values)


def evened(finetuned: xr.Dataset | None) -> Claim:
    """After fine-tuning it matters little by which heuristic was pruned."""
    found: Cases = {}
    for kind in KINDS if finetuned is not None else ():
        assert finetuned is not None
        for key, one in differences(finetuned, kind).items():
            found[key] = (within(one, -MINOR, MINOR), {"difference": one})
    return _claim("evened", found, everywhere)


def zeroed(cost: xr.Dataset | None) -> Claim:
    """Zeroed units save no time and no bytes."""
    if cost is None or cost.sizes["percent"] < 2:
        return _claim("zeroed", {})
    one = cost.sel(how="zeroed")
    ratio, whole = one["of_full"].values[1:], one.isel(percent=0)
    if not np.isfinite(ratio).all():
        return _claim("zeroed", {})
    if (np.abs(ratio - 1) <= SAME_TIME).all():
        time = HOLDS
    else:
        time = FAILS if float(one["most"][-1]) < (1 - SAME_TIME) * float(whole["least"]) else UNDECIDED
    size = HOLDS if (one["bytes"].values >= float(whole["bytes"])).all() else FAILS
    measured = {"least": float(ratio.min()), "most": float(ratio.max())}
    return _claim("zeroed", {"time": (time, measured), "bytes": (size, {})}, everywhere)


def removed(cost: xr.Dataset | None) -> Claim:
    """Removed units save time, at the highest sparsity."""
    if cost is None or cost.sizes["percent"] < 2:
        return _claim("removed", {})
    last = cost.isel(percent=-1)
    there, gone = last.sel(how="zeroed"), last.sel(how="removed")
    values = {
        "percent": float(last["percent"]),
        "ratio": float(gone["median"]) / float(there["median"]),
        "bytes": float(gone["bytes"]) / float(there["bytes"]),
    }
    if not np.isfinite(values["ratio"]):
        return _claim("removed", {})
    faster, slower = float(gone["most"]) < float(there["least"]), float(gone["least"]) > float(there["most"])
    return _claim("removed", {"time": (HOLDS if faster else FAILS if slower else UNDECIDED, values)})


def all_claims(
    curves: xr.Dataset,
    summary: xr.Dataset,
    equal: EqualWeights,
    finetuned: xr.Dataset | None,
    cost: xr.Dataset | None,
) -> Mapping[str, Claim]:
    """Answer every claim.

    Parameters
    ----------
    curves : xarray.Dataset
        The study's curves, see `sweeps.studies.sparsity.measures.summary.checked`.
    summary : xarray.Dataset
        What `sweeps.studies.sparsity.measures.summary` makes of them.
    equal : EqualWeights
    finetuned : xarray.Dataset or None
        What `sweeps.studies.sparsity.measures.summary` makes of the fine-tuned curves.
    cost : xarray.Dataset or None
        What `sweeps.studies.sparsity.measures.cost_summary` returns.

    Returns
    -------
    mapping of str to Claim
        By name, in the order of the page.
    """
    found = [
        plateau(summary, "weights"),
        plateau(summary, "units"),
        better_at_equal_percent(summary),
        better_at_equal_weights(equal),
        falling(curves),
        variable(curves),
        epochs_accuracy(summary),
        epochs_end(summary),
        alternative(summary),
        evened(finetuned),
        zeroed(cost),
        removed(cost),
    ]
    return {claim.name: claim for claim in found}
