"""Deletion curves in numbers: areas under and over them, one of each an image, and which methods they tell apart."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _ranks
from analysis.curves import mean_height
from analysis.intervals import LEVEL, Interval, interval
from sweeps._studies.relevance.names import keys

RANDOM = "random"
ORDERS = ("most", "least")
#: Samples of the bootstrap over images, and its seed.
SAMPLES, SEED = 999, 0

Floats = npt.NDArray[np.float64]


def scores(deletion: xr.Dataset) -> xr.Dataset:
    """Put every curve into numbers, each the better the larger.

    Parameters
    ----------
    deletion : xarray.Dataset
        `probability` (attributed_by, order, replacement, example, removed).

    Returns
    -------
    xarray.Dataset
        (attributed_by, replacement, example), areas over the axis of removed regions, by the trapezoidal rule, over
        its length: `fall`, the area over the curve that starts with the most relevant, from where it starts;
        `stay`, the area under the curve that starts with the least relevant; `between`, the area between the two.
    """
    values = deletion["probability"].astype(np.float64)
    start = values.isel(removed=0, drop=True).sel(order="most", drop=True)
    removed = deletion["removed"].values
    area = xr.apply_ufunc(mean_height, values, kwargs={"along": removed}, input_core_dims=[["removed"]])
    most, least = (area.sel(order=order, drop=True) for order in ORDERS)
    return xr.Dataset({"between": least - most, "fall": start - most, "stay": least})


def ranking(values: xr.DataArray) -> list[str]:
    """List the methods from the highest mean to the lowest, random order among them.

    Parameters
    ----------
    values : xarray.DataArray, (attributed_by, example)
    """
    means = {key: interval(values.sel({"attributed_by": key}).values).mean for key in keys(values)}
    return sorted(means, key=lambda key: -means[key])


def against(values: xr.DataArray, other: str = RANDOM, level: float = LEVEL) -> dict[str, Interval]:
    """Compare every method with one, image by image.

    Parameters
    ----------
    values : xarray.DataArray, (attributed_by, example)
    other : str
        Which one.
    level : float
        With so much probability the intervals cover together (Bonferroni).

    Returns
    -------
    dict of str to Interval
        What each has more, by method.
    """
    rest = [key for key in keys(values) if key != other]
    each = 1 - (1 - level) / max(len(rest), 1)
    base = values.sel({"attributed_by": other}).values
    return {key: interval(values.sel({"attributed_by": key}).values - base, level=each) for key in rest}


class Pairs(NamedTuple):
    """Every two methods, compared image by image.

    Attributes
    ----------
    names : list of str
        From the best to the worst.
    difference, half : numpy.ndarray, (methods, methods)
        Mean of the row's less the column's, and half its interval; the intervals of all pairs cover together.
    """

    names: list[str]
    difference: Floats
    half: Floats

    @property
    def apart(self) -> npt.NDArray[np.bool_]:
        """Whether the interval lies on one side of zero."""
        return np.asarray(np.isfinite(self.half) & (np.abs(self.difference) > self.half))

    def beats(self, key: str) -> int:
        """Count the methods that a method is told apart from, and better than."""
        row = self.names.index(key)
        return int((self.apart[row] & (self.difference[row] > 0)).sum())

    def beaten_by(self, key: str) -> int:
        """Count the methods that a method is told apart from, and worse than."""
        row = self.names.index(key)
        return int((self.apart[row] & (self.difference[row] < 0)).sum())

    def rank(self, key: str) -> int:
        """Return the place of a method, from 1 on."""
        return self.names.index(key) + 1


def pairs(values: xr.DataArray, level: float = LEVEL) -> Pairs:
    """Compare every two methods, image by image.

    Parameters
    ----------
    values : xarray.DataArray, (attributed_by, example)
    level : float
        With so much probability the intervals of all pairs cover together (Bonferroni).

    Returns
    -------
    Pairs
    """
    names = ranking(values)
    count = len(names)
    each = 1 - (1 - level) / max(count * (count - 1) // 2, 1)
    difference, half = np.zeros((count, count)), np.zeros((count, count))
    rows = [values.sel({"attributed_by": key}).values.astype(np.float64) for key in names]
    for one in range(count):
        for other in range(one):
            found = interval(rows[one] - rows[other], level=each)
            difference[one, other], difference[other, one] = found.mean, -found.mean
            half[one, other] = half[other, one] = found.half
    return Pairs(names, difference, half)


class Best(NamedTuple):
    """The method that ranks first by deletion.

    Attributes
    ----------
    key : str
    twins : list of str
        Methods with the same maps.
    close : list of str
        Other methods that it is not told apart from.
    """

    key: str
    twins: list[str]
    close: list[str]


def best(pairs: Pairs, same: list[list[str]]) -> Best:
    """Return the best method, those with the same maps (see `heat.groups`), and those not told apart from it."""
    key = pairs.names[0]
    twins = next((group for group in same if key in group), [key])
    close = [other for other, apart in zip(pairs.names, pairs.apart[0], strict=True) if not apart]
    return Best(key, [one for one in twins if one != key], [one for one in close if one not in twins])


def favours_baseline(pairs: Mapping[str, Pairs]) -> bool:
    """Return whether DeepLIFT ranks better, by every replacement, where its baseline is what is put in place."""
    own = [one.rank(f"deeplift_{name}") for name, one in pairs.items()]
    other = [one.rank(f"deeplift_{baseline}") for name, one in pairs.items() for baseline in pairs if baseline != name]
    return bool(own) and max(own) < min(other)


class Agreement(NamedTuple):
    """Whether two replacements rank the methods alike.

    Attributes
    ----------
    one, other : str
        The replacements.
    correlation, low, high : float
        Spearman's rank correlation of the mean scores, random order set aside, with the 95 % percentile interval of a
        bootstrap over images; NaN where there is none.
    methods : int
        How many are ranked.
    turned : list of (str, str)
        Pairs that both replacements tell apart, in opposite ways: better by `one`, and better by `other`.
    """

    one: str
    other: str
    correlation: float
    low: float
    high: float
    methods: int
    turned: list[tuple[str, str]]


def agreement(values: xr.DataArray, one: str, other: str) -> Agreement:
    """Compare the rankings by two replacements.

    Parameters
    ----------
    values : xarray.DataArray, (attributed_by, replacement, example)
    one, other : str
        Replacements.

    Returns
    -------
    Agreement
    """
    values = values.sel({"attributed_by": [key for key in keys(values) if key != RANDOM]})
    both = [values.sel(replacement=name, drop=True) for name in (one, other)]
    tables = np.stack([data.transpose("attributed_by", "example").values for data in both]).astype(np.float64)
    # Methods with the same maps differ by rounding alone, and tie.
    found, low, high = _ranks.correlation(*tables.mean(axis=2).round(6)), np.nan, np.nan
    if (count := tables.shape[2]) > 1:
        drawn = np.random.default_rng(SEED).integers(count, size=(SAMPLES, count))
        means = np.array([tables[..., sample].mean(axis=2) for sample in drawn]).round(6)
        each = _ranks.correlation(means[:, 0], means[:, 1])
        if np.isfinite(each).any():
            low, high = np.nanpercentile(each, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    turned = _turned(pairs(both[0]), pairs(both[1]))
    return Agreement(one, other, float(found), float(low), float(high), tables.shape[1], turned)


def _turned(first: Pairs, second: Pairs) -> list[tuple[str, str]]:
    place = [second.names.index(key) for key in first.names]
    turned = first.apart & second.apart[np.ix_(place, place)]
    turned &= (first.difference > 0) & (second.difference[np.ix_(place, place)] < 0)
    return [(first.names[better], first.names[worse]) for better, worse in np.argwhere(turned)]
