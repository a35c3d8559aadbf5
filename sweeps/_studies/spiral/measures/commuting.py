"""Whether pruning commutes with training: pairs of networks in accuracy, in decisions and in weights."""

from typing import NamedTuple

import xarray as xr

from analysis.claims import FAILS, HOLDS, above, within
from analysis.intervals import Interval, interval
from sweeps._studies.spiral.measures.outcomes import agreement, by_kind
from sweeps._studies.spiral.names import COMPENSATED, NODES

#: How far from equal still counts as equal: in accuracy and agreement as shares, in correlations as numbers.
MARGINS = {"accuracy": 0.01, "decisions": 0.01, "weights": 0.05}
#: The networks trained first that are held against the one pruned first, and the pair of kernels of each.
ROUTES = {"pruned": "prune_first", "finetuned": "finetuned"}


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
    verdict : str
        Of `analysis.claims.VERDICTS`: whether pruning commutes.
    """

    difference: Interval
    value: Interval
    control: Interval
    verdict: str


def in_words(verdict: str) -> str:
    """Write a verdict as a table says it.

    Examples
    --------
    >>> in_words("does not hold"), in_words("undecided")
    ('does not commute', 'undecided')
    """
    return {HOLDS: "commutes", FAILS: "does not commute"}.get(verdict, verdict)


def judge(quantity: str, difference: Interval) -> str:
    """Judge a difference: that of accuracies is to be zero, others are not to be below zero, within the margin.

    Examples
    --------
    >>> judge("accuracy", Interval(0.3, 0.002, 9)), judge("decisions", Interval(0.3, 0.002, 9))
    ('does not hold', 'holds')
    """
    margin = MARGINS[quantity]
    return within(difference, -margin, margin) if quantity == "accuracy" else above(difference, bound=-margin)


def _mean(data: xr.DataArray, kind: str) -> Interval:
    """Average over the choices of a kind, where there are any, and over networks."""
    return interval((by_kind(data).sel(kind=kind) if "choice" in data.dims else data).values)


def commuting(
    full: xr.Dataset, pruned: xr.Dataset, inside: xr.DataArray, correlations: xr.DataArray
) -> dict[tuple[str, str, str], Commuting]:
    """Hold train first against prune first.

    Parameters
    ----------
    full, pruned : xarray.Dataset
        Groups of the store.
    inside : xarray.DataArray of bool, (y, x)
        Where decisions count.
    correlations : xarray.DataArray
        What `kernels.correlations` returns.

    Returns
    -------
    dict of (kind, route, quantity) to Commuting
        Route "pruned" or "finetuned"; quantity "accuracy", "decisions", "weights".
    """
    cut = pruned.sel(compensation=COMPENSATED, drop=True)
    first = cut.sel(arm="prune_first", drop=True)
    trained, reshuffled = (full.sel(arm=arm, drop=True) for arm in ("trained", "reshuffled"))
    apart = reshuffled["accuracy"] - trained["accuracy"]
    same = agreement(trained["decision"], reshuffled["decision"], inside)
    changes = correlations.sel(of="changes", drop=True)
    usual = changes.sel(pair="reshuffled", drop=True)
    found: dict[tuple[str, str, str], Commuting] = {}
    for route, pair in ROUTES.items():
        one = cut.sel(arm=route, drop=True)
        accuracy, weights = one["accuracy"] - first["accuracy"], changes.sel(pair=pair, drop=True)
        alike = agreement(one["decision"], first["decision"], inside)
        parts = {
            "accuracy": (accuracy, accuracy, apart),
            "decisions": (alike - same, alike, same),
            "weights": (weights - usual, weights, usual),
        }
        for quantity, data in parts.items():
            for kind in NODES:
                difference, value, control = (_mean(one, kind) for one in data)
                verdict = judge(quantity, difference)
                found[kind, route, quantity] = Commuting(difference, value, control, verdict)
    return found
