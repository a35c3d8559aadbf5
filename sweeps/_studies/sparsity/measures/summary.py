"""Curves of accuracy against sparsity in numbers: ends of plateaus and mean heights, one of each a network."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis.curves import mean_height
from analysis.intervals import LEVEL, Interval, interval
from sweeps._studies.sparsity.measures import plateaus
from sweeps._studies.sparsity.measures.methods import PUBLISHED, Method, compared

#: A plateau ends where the accuracy has fallen by so much, as a share; the first is the rule, the others try it.
DROPS = (0.01, 0.005, 0.02, 0.05)
MAIN_DROP = DROPS[0]

Floats = npt.NDArray[np.float64]


def at_last(data: xr.Dataset) -> xr.Dataset:
    """Return what belongs to the longest training, after which every way of pruning is evaluated."""
    return data.sel(epochs=data["epochs"].max())


def summary(data: xr.Dataset) -> xr.Dataset:
    """Put every curve into numbers.

    Parameters
    ----------
    data : xarray.Dataset
        `accuracy` (..., percent), the percentages rising from 0.

    Returns
    -------
    xarray.Dataset
        `end` and `lasting` (..., fall), in per cent, see `plateaus`; at the last percentage where the curve never falls
        so far, for which `fallen` is False. `recovers` (..., fall): whether the curve comes back after its first fall.
        `start` and `mean_accuracy` (...), shares; the mean is over the percentages.
    """
    accuracy = data["accuracy"].transpose(..., "percent")
    dims = accuracy.dims[:-1]
    percent, values = data["percent"].values.astype(np.float64), accuracy.values.astype(np.float64)
    first, last = (
        np.stack([found(percent, values, drop) for drop in DROPS], axis=-1)
        for found in (plateaus.end, plateaus.lasting)
    )
    over = (*dims, "fall")
    coords = {name: coord for name, coord in accuracy.coords.items() if "percent" not in coord.dims}
    return xr.Dataset(
        {
            "end": (over, np.minimum(first, percent[-1])),
            "lasting": (over, np.minimum(last, percent[-1])),
            "fallen": (over, np.isfinite(first)),
            "recovers": (over, last > first),
            "start": (dims, values[..., 0]),
            "mean_accuracy": (dims, mean_height(values, along=percent)),
        },
        coords={**coords, "fall": list(DROPS)},
    )


def mean_of(values: xr.DataArray, key: str, level: float = LEVEL) -> Interval:
    """Return the mean over networks of the numbers of one way of pruning, (pruned_by, network)."""
    return interval(values.sel({"pruned_by": key}).values.astype(float), level=level)


def paired(values: xr.DataArray, one: str, other: str, level: float = LEVEL) -> Interval:
    """Return the mean difference of two ways of pruning, `one` less `other`, network by network.

    Parameters
    ----------
    values : xarray.DataArray, (pruned_by, network)
    one, other : str
        Keys of the two.
    level : float
        Probability that the interval is to cover.

    Returns
    -------
    Interval
    """
    first, second = (values.sel({"pruned_by": key}).values.astype(float) for key in (one, other))
    return interval(first - second, level=level)


def differences(values: xr.DataArray, kind: str, across: str = "by") -> dict[str, Interval]:
    """Compare other ways of pruning one kind with the published one, network by network.

    Parameters
    ----------
    values : xarray.DataArray, (pruned_by, network)
        One number of each curve.
    kind : {"weights", "units"}
    across : {"by", "scope"}
        Other heuristics within each layer, or other scopes of the published heuristic.

    Returns
    -------
    dict of str to Interval
        By method, without random choice: what it has more than the published one. All cover together with the
        probability `LEVEL` (Bonferroni).
    """
    own, *others = compared(values, kind, across)
    chosen = [one for one in others if one.by != "random"]
    level = 1 - (1 - LEVEL) / max(len(chosen), 1)
    return {one.key: paired(values, one.key, own.key, level) for one in chosen}


def less_published(values: xr.DataArray, kind: str, across: str = "by") -> dict[str, Interval]:
    """Return `differences`, and that of random choice with an interval of its own."""
    random = [one.key for one in compared(values, kind, across) if one.by == "random"]
    return differences(values, kind, across) | {key: paired(values, key, PUBLISHED[kind]) for key in random}


class Ranking(NamedTuple):
    """The heuristics of one kind within each layer, by mean accuracy.

    Attributes
    ----------
    best : Method
        With the highest mean accuracy.
    alike : list of Method
        Those that are not told apart from the published one.
    less_random : dict of str to Interval
        By method: what it has more than random choice. All cover together with the probability `LEVEL` (Bonferroni).
    worse : list of Method
        Those below random choice.
    """

    best: Method
    alike: list[Method]
    less_random: dict[str, Interval]
    worse: list[Method]


def ranking(mean: xr.DataArray, kind: str) -> Ranking:
    """Rank the heuristics of one kind.

    Parameters
    ----------
    mean : xarray.DataArray, (pruned_by, network)
        Mean accuracies.
    kind : {"weights", "units"}

    Returns
    -------
    Ranking
    """
    *found, random = compared(mean, kind)
    gaps = differences(mean, kind)
    level = 1 - (1 - LEVEL) / len(found)
    less_random = {one.key: paired(mean, one.key, random.key, level) for one in found}
    return Ranking(
        best=max([*found, random], key=lambda one: mean_of(mean, one.key).mean),
        alike=[one for one in found if one.key in gaps and not told_apart(gaps[one.key])],
        less_random=less_random,
        worse=[one for one in found if less_random[one.key].high < 0],
    )


def shown(mean: xr.DataArray, kind: str) -> list[Method]:
    """List at most four heuristics for a figure: the published one, the two best of the others, and random choice.

    Parameters
    ----------
    mean : xarray.DataArray, (pruned_by, network)
        Mean accuracies.
    kind : {"weights", "units"}
    """
    own, *others = compared(mean, kind)
    ranked = sorted(others, key=lambda one: (one.by == "random", -mean_of(mean, one.key).mean))
    return [own, *(one for at, one in enumerate(ranked) if at < 2 or one.by == "random")]


def told_apart(difference: Interval) -> bool:
    """Whether the whole interval of a difference lies on one side of zero."""
    return difference.low > 0 or difference.high < 0


def largest_difference(data: xr.DataArray) -> tuple[float, Interval]:
    """Find where the mean of differences over networks is farthest from zero.

    Parameters
    ----------
    data : xarray.DataArray, (network, percent)
        Differences of two curves, paired by network.

    Returns
    -------
    percent : float
    difference : Interval
        There. It is the largest of many, so it overstates what another set of networks would show there.
    """
    each = [interval(column) for column in data.transpose("percent", "network").values.astype(np.float64)]
    place = int(np.argmax([abs(one.mean) for one in each]))
    return float(data["percent"][place]), each[place]
