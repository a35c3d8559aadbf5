"""Curves of accuracy against sparsity in numbers: ends of plateaus and mean heights, one of each a network."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _validate
from analysis.errors import InputError
from analysis.intervals import Interval, interval
from sweeps.studies.sparsity.measures import plateaus
from sweeps.studies.sparsity.names import method_name

#: A plateau ends where the accuracy has fallen by so much, as a share; the first is the rule, the others try it.
DROPS = (0.01, 0.005, 0.02, 0.05)
MAIN_DROP = DROPS[0]
KINDS = ("weights", "units")
#: The published ways: smallest weights, and units of smallest norm of incoming weights, within each layer.
PUBLISHED = {"weights": "weights_magnitude_layer", "units": "units_norm_layer"}

Floats = npt.NDArray[np.float64]


class Method(NamedTuple):
    """A way of pruning.

    Attributes
    ----------
    key : str
        Its name in the store.
    kind : {"weights", "units"}
        What goes.
    by, scope : str
        By which heuristic, and what is ranked together.
    """

    key: str
    kind: str
    by: str
    scope: str

    @property
    def name(self) -> str:
        """What it is called."""
        return method_name(self.kind, self.by, self.scope)

    @property
    def published(self) -> bool:
        """Whether it is one of the two that were published."""
        return self.key in PUBLISHED.values()


def methods(data: xr.Dataset, kind: str | None = None, scope: str | None = None) -> list[Method]:
    """List the ways of pruning, the published ones first and random ones last, otherwise in the store's order.

    Parameters
    ----------
    data : xarray.Dataset
        With the coordinates `pruned_by`, `kind`, `by` and `scope` (pruned_by,).
    kind, scope : str, optional
        Only those.

    Returns
    -------
    list of Method
    """
    columns = [data[name].values for name in ("pruned_by", "kind", "by", "scope")]
    found = [Method(*map(str, row)) for row in zip(*columns, strict=True)]
    found = [one for one in found if kind in (None, one.kind) and scope in (None, one.scope)]
    return sorted(found, key=lambda one: (KINDS.index(one.kind), not one.published, one.by == "random"))


def numbered(data: xr.Dataset) -> xr.Dataset:
    """Number the networks from 0 on, where they have no numbers."""
    if "network" in data.dims and "network" not in data.coords:
        return data.assign_coords(network=np.arange(data.sizes["network"]))
    return data


def checked(curves: Any) -> xr.Dataset:
    """Return the curves with `percent` and `epochs` rising, checked to hold the published ways of pruning.

    Raises
    ------
    TypeError
        If `curves` is no Dataset.
    ValueError
        If a variable, a dimension, a coordinate of `pruned_by` or a published way of pruning is missing, a kind is not
        known, the accuracies start at another percentage than 0, or there is only one percentage.
    """
    dims = ("pruned_by", "epochs", "network", "percent")
    _validate.dataset_with("curves", curves, ("accuracy", "loss", "left"), dims)
    for name in ("pruned_by", "epochs", "percent", "kind", "by", "scope"):
        if name not in curves.coords:
            raise InputError(f"curves: expected the coordinate {name!r}, got {sorted(map(str, curves.coords))}")
    unknown = sorted(set(map(str, curves["kind"].values)) - set(KINDS))
    if unknown:
        raise InputError(f"curves: expected the kinds {list(KINDS)}, got {unknown}")
    there = [str(key) for key in curves["pruned_by"].values]
    for key in PUBLISHED.values():
        if key not in there:
            raise InputError(f"curves: expected the method {key!r}, got {there}")
    data = numbered(curves).sortby(["epochs", "percent"]).transpose(*dims, ...)
    if data.sizes["percent"] < 2 or float(data["percent"][0]) != 0:
        raise InputError(f"curves: expected two percentages or more from 0 on, got {data['percent'].values.tolist()}")
    return data


def at_last(data: xr.Dataset) -> xr.Dataset:
    """Return what belongs to the longest training, at which every way of pruning is evaluated."""
    return data.sel(epochs=data["epochs"].max())


def mean_height(along: Any, values: Any) -> Floats:
    """Give the mean height of a curve: its area by the trapezoidal rule, over the length of the axis.

    Parameters
    ----------
    along : array_like, (..., points)
        Rising; the distances may differ.
    values : array_like, (..., points)

    Returns
    -------
    numpy.ndarray of float64, (...,)
        NaN where the axis has no length.

    Examples
    --------
    >>> float(mean_height([0, 50, 100], [1.0, 1.0, 0.0]))
    0.75
    """
    place, heights = _validate.real_numbers("along", along), _validate.real_numbers("values", values)
    area, length = np.trapezoid(heights, place, axis=-1), place[..., -1] - place[..., 0]
    return np.divide(area, length, out=np.full(np.shape(area), np.nan), where=length > 0)


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

    Raises
    ------
    TypeError
        If `data` is no Dataset.
    ValueError
        If a variable or a dimension is missing.
    """
    _validate.dataset_with("data", data, ("accuracy",), ("percent",))
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
            "mean_accuracy": (dims, mean_height(percent, values)),
        },
        coords={**coords, "fall": list(DROPS)},
    )


def paired(data: xr.DataArray, one: str, other: str) -> Floats:
    """Return the difference of two ways of pruning, `one` less `other`, network by network.

    Parameters
    ----------
    data : xarray.DataArray, (pruned_by, network)
    one, other : str
        Keys of the two.

    Returns
    -------
    numpy.ndarray of float64, (networks,)
    """
    found = data.transpose("pruned_by", "network")
    difference: Floats = found.sel({"pruned_by": one}).values.astype(float) - found.sel(
        {"pruned_by": other}
    ).values.astype(float)
    return difference


def largest_difference(data: xr.DataArray) -> tuple[float, Interval]:
    """Find where the mean of differences over networks is farthest from zero.

    Parameters
    ----------
    data : xarray.DataArray, (network, percent)
        Differences of two curves, paired by network.

    Returns
    -------
    percent : float
        NaN where nothing is known.
    difference : Interval
        There. It is the largest of many, so it overstates what another set of networks would show there.
    """
    each = [interval(column) for column in data.transpose("percent", "network").values.astype(np.float64)]
    sizes = np.nan_to_num([abs(one.mean) for one in each], nan=-1.0)
    place = int(sizes.argmax())
    return (float(data["percent"][place]), each[place]) if sizes[place] >= 0 else (float("nan"), each[place])
