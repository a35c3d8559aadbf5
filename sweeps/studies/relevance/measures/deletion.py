"""Deletion curves in numbers: areas under and over them, one of each an image, and which methods they tell apart."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _validate, ranks
from analysis.errors import InputError
from analysis.intervals import LEVEL, Interval, interval
from sweeps.studies.relevance.names import keys
from sweeps.studies.sparsity.measures.summary import mean_height

RANDOM = "random"
ORDERS = ("most", "least")
#: Samples of the bootstrap over images, and its seed.
SAMPLES, SEED = 999, 0
#: The areas; each is the better the larger it is.
SCORES = ("between", "fall", "stay")

Floats = npt.NDArray[np.float64]


def checked(deletion: Any) -> xr.Dataset:
    """Return the curves with `removed` rising from nothing.

    Raises
    ------
    TypeError
        If `deletion` is no Dataset.
    ValueError
        If a variable, a dimension or an order is missing, or there are fewer than two numbers of removed regions.
    """
    dims = ("attributed_by", "order", "replacement", "example", "removed")
    _validate.dataset_with("deletion", deletion, ("probability",), dims)
    for name in ("attributed_by", "order", "replacement", "removed"):
        if name not in deletion.coords:
            raise InputError(f"deletion: expected the coordinate {name!r}, got {sorted(map(str, deletion.coords))}")
    for order in ORDERS:
        if order not in keys(deletion, "order"):
            raise InputError(f"deletion: expected the order {order!r}, got {keys(deletion, 'order')}")
    data = deletion.sortby("removed").transpose(*dims)
    if data.sizes["removed"] < 2 or float(data["removed"][0]) != 0:
        raise InputError(f"deletion: expected two numbers or more from 0 on, got {data['removed'].values.tolist()}")
    return data


def regions(deletion: xr.Dataset) -> int:
    """Return how many regions an image has."""
    return int(deletion.attrs.get("regions", int(deletion["removed"].max())))


def scores(deletion: xr.Dataset) -> xr.Dataset:
    """Put every curve into numbers, each the better the larger.

    Parameters
    ----------
    deletion : xarray.Dataset
        `probability` (attributed_by, order, replacement, example, removed), see `checked`.

    Returns
    -------
    xarray.Dataset
        (attributed_by, replacement, example), areas over the axis of removed regions, by the trapezoidal rule, over
        its length: `fall`, the area over the curve that starts with the most relevant, from where it starts;
        `stay`, the area under the curve that starts with the least relevant; `between`, the area between the two.
    """
    values = deletion["probability"].values.astype(np.float64)
    area = xr.DataArray(
        mean_height(deletion["removed"].values.astype(np.float64), values),
        dims=("attributed_by", "order", "replacement", "example"),
        coords={name: deletion[name].values for name in ("attributed_by", "order", "replacement")},
    )
    most, least = (area.sel(order=order, drop=True) for order in ORDERS)
    start = deletion["probability"].isel(removed=0).sel(order="most", drop=True).drop_vars("removed").astype(np.float64)
    return xr.Dataset({"between": least - most, "fall": start - most, "stay": least}).drop_vars(
        "title", errors="ignore"
    )


def known(values: xr.DataArray) -> list[str]:
    """List the methods whose number is known for an image or more."""
    per = np.isfinite(values.transpose("attributed_by", ...).values.reshape(values.sizes["attributed_by"], -1))
    return [key for key, row in zip(keys(values), per, strict=True) if row.any()]


def ranking(values: xr.DataArray) -> list[str]:
    """List the methods from the highest mean to the lowest, random order among them.

    Parameters
    ----------
    values : xarray.DataArray, (attributed_by, example)
    """
    means = {key: interval(values.sel({"attributed_by": key}).values).mean for key in known(values)}
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
        What each has more, by method; empty where the other is not there.
    """
    names = known(values)
    if other not in names:
        return {}
    rest = [key for key in names if key != other]
    each = 1 - (1 - level) / max(len(rest), 1)
    base = values.sel({"attributed_by": other}).values
    return {key: interval(values.sel({"attributed_by": key}).values - base, each) for key in rest}


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

    def beaten(self, key: str) -> int:
        """How many methods a method is told apart from, and better than."""
        row = self.names.index(key)
        return int((self.apart[row] & (self.difference[row] > 0)).sum())

    def better(self, key: str) -> int:
        """How many methods are told apart from it, and better."""
        row = self.names.index(key)
        return int((self.apart[row] & (self.difference[row] < 0)).sum())


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
            found = interval(rows[one] - rows[other], each)
            difference[one, other], difference[other, one] = found.mean, -found.mean
            half[one, other] = half[other, one] = found.half
    return Pairs(names, difference, half)


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
    both = [values.sel(replacement=name, drop=True) for name in (one, other)]
    names = [key for key in known(both[0]) if key in known(both[1]) and key != RANDOM]
    tables = np.stack([data.sel({"attributed_by": names}).transpose("attributed_by", "example") for data in both])
    tables = tables[..., np.isfinite(tables).all(axis=(0, 1))].astype(np.float64)
    # Methods with the same maps differ by rounding alone, and tie.
    found, low, high = ranks.correlation(*tables.mean(axis=2).round(6)) if tables.shape[2] else np.nan, np.nan, np.nan
    if tables.shape[2] > 1:
        random, count = np.random.default_rng(SEED), tables.shape[2]
        drawn = random.integers(count, size=(SAMPLES, count))
        means = np.array([tables[..., sample].mean(axis=2) for sample in drawn]).round(6)
        each = ranks.correlation(means[:, 0], means[:, 1])
        if np.isfinite(each).any():
            low, high = np.nanpercentile(each, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    first, second = pairs(both[0].sel({"attributed_by": names})), pairs(both[1].sel({"attributed_by": names}))
    place = [second.names.index(key) for key in first.names]
    turned = first.apart & second.apart[np.ix_(place, place)]
    turned &= (first.difference > 0) & (second.difference[np.ix_(place, place)] < 0)
    which = [(first.names[a], first.names[b]) for a, b in np.argwhere(turned)]
    return Agreement(one, other, float(found), float(low), float(high), len(names), which)
