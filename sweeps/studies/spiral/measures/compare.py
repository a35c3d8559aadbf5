"""Whether pruning commutes with training: pairs of networks in accuracy, in decisions and in weights."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from analysis.intervals import Interval, interval
from sweeps.studies.spiral.measures.outcomes import agreement, by_kind

COMMUTES, DIFFERS, UNDECIDED, OPEN = "commutes", "does not commute", "undecided", "not measured"
#: How far from equal still counts as equal: in accuracy and agreement as shares, in correlations as numbers.
MARGINS = {"accuracy": 0.01, "decisions": 0.01, "weights": 0.05}
#: Networks that are trained after pruning, held against the one that is pruned first.
ROUTES = ("pruned", "finetuned")


class Commuting(NamedTuple):
    """One comparison of train first with prune first.

    Attributes
    ----------
    difference : Interval
        In accuracy: train first less prune first. In decisions and weights: agreement or correlation of the two less
        that of the control, two trainings of the full network in different order. Paired by seed and choice.
    value, control : Interval
        The same two quantities by themselves; `value` in accuracy is the difference, `control` that of the two
        trainings of the full network.
    verdict : {"commutes", "does not commute", "undecided", "not measured"}
    """

    difference: Interval
    value: Interval
    control: Interval
    verdict: str


def two_sided(interval: Interval, margin: float) -> str:
    """Judge a difference that ought to be zero: its whole interval within the margin, beyond it, or neither.

    Examples
    --------
    >>> two_sided(Interval(0.0, 0.002, 9), 0.01)
    'commutes'
    """
    if not np.isfinite(interval.low):
        return OPEN
    if -margin <= interval.low and interval.high <= margin:
        return COMMUTES
    return DIFFERS if interval.low > margin or interval.high < -margin else UNDECIDED


def not_below(interval: Interval, margin: float) -> str:
    """Judge a difference from a control that ought not to be negative.

    Examples
    --------
    >>> not_below(Interval(-0.2, 0.02, 9), 0.01)
    'does not commute'
    """
    if not np.isfinite(interval.low):
        return OPEN
    if interval.low >= -margin:
        return COMMUTES
    return DIFFERS if interval.high < -margin else UNDECIDED


def _intervals(data: xr.DataArray) -> dict[str, Interval]:
    """Average over the choices of a kind, and over networks."""
    means = by_kind(data)
    return {str(kind): interval(means.sel(kind=kind).values) for kind in means["kind"].values}


def commuting(
    full: xr.Dataset,
    pruned: xr.Dataset,
    inside: xr.DataArray,
    correlation: xr.DataArray,
    compensation: str = "with",
) -> Mapping[tuple[str, str, str], Commuting]:
    """Hold train first against prune first.

    Parameters
    ----------
    full, pruned : xarray.Dataset
        Groups of the store.
    inside : xarray.DataArray of bool, (y, x)
        Where decisions count.
    correlation : xarray.DataArray
        What `kernels.correlations` returns.
    compensation : str
        Which of the pruned networks.

    Returns
    -------
    mapping of (kind, route, quantity) to Commuting
        Route "pruned" or "finetuned"; quantity "accuracy", "decisions", "weights".
    """
    cut = pruned.sel(compensation=compensation)
    decision = full["decision"]
    trained, reshuffled = (decision.sel(arm=arm, drop=True) for arm in ("trained", "reshuffled"))
    same = agreement(trained, reshuffled, inside).drop_vars("network", errors="ignore")
    apart = full["accuracy"].sel(arm="reshuffled", drop=True) - full["accuracy"].sel(arm="trained", drop=True)
    choices = cut["choice"]

    def spread(control: xr.DataArray) -> xr.DataArray:
        # The control has no choices of nodes: it is the same for each.
        return control.drop_vars("network", errors="ignore").expand_dims(choice=choices.values)

    first = cut.sel(arm="prune_first", drop=True)
    found: dict[tuple[str, str, str], Commuting] = {}
    for route in ROUTES:
        one = cut.sel(arm=route, drop=True)
        accuracy = (one["accuracy"] - first["accuracy"]).drop_vars("network", errors="ignore")
        alike = agreement(one["decision"], first["decision"], inside).drop_vars("network", errors="ignore")
        name = "prune_first" if route == "pruned" else "finetuned"
        changes = correlation.sel(of="changes", drop=True)
        weights, usual = (changes.sel(pair=which, drop=True) for which in (name, "reshuffled"))
        table = {
            "accuracy": (accuracy, accuracy, spread(apart)),
            "decisions": (alike - same, alike, spread(same)),
            "weights": (weights - usual, weights, usual),
        }
        for quantity, parts in table.items():
            judge = two_sided if quantity == "accuracy" else not_below
            differences, values, controls = (_intervals(part) for part in parts)
            for kind, difference in differences.items():
                verdict = judge(difference, MARGINS[quantity])
                found[kind, route, quantity] = Commuting(difference, values[kind], controls[kind], verdict)
    return found
