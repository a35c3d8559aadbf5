"""What each network can do: accuracy, loss, and agreement of its decisions with another network's."""

from typing import Any, TypeVar

import numpy as np
import xarray as xr

from analysis._errors import InputError
from analysis.intervals import Interval, interval
from sweeps._studies.spiral.names import COMPENSATED, kinds_of

Labelled = TypeVar("Labelled", xr.Dataset, xr.DataArray)
#: A training counts as failed below this accuracy on the test set.
FAILED = 0.9


def mean(data: xr.DataArray, **where: str) -> Interval:
    """Give the mean over networks, at labels of the other dimensions."""
    return interval(data.sel(where).values)


def data_square(task: xr.Dataset, plane: xr.Dataset) -> xr.DataArray:
    """Tell which points of a grid lie in the square about the origin that just holds the training data.

    Parameters
    ----------
    task : xarray.Dataset
        With `train_inputs` (examples, 2).
    plane : xarray.Dataset, (y, x)
        A grid.

    Returns
    -------
    xarray.DataArray of bool, (y, x)

    Raises
    ------
    ValueError
        If no point of the grid lies inside.
    """
    reach = float(np.abs(task["train_inputs"].values).max())
    inside = (abs(plane["y"]) <= reach) & (abs(plane["x"]) <= reach)
    if not bool(inside.any()):
        raise InputError(f"plane must have points within {reach:g} of the origin, got none")
    return inside.transpose("y", "x")


def agreement(one: xr.DataArray, other: xr.DataArray, inside: xr.DataArray) -> xr.DataArray:
    """Share of the points inside at which two networks decide alike.

    Parameters
    ----------
    one, other : xarray.DataArray of bool, (..., y, x)
        Decisions; other dimensions are paired by name.
    inside : xarray.DataArray of bool, (y, x)

    Returns
    -------
    xarray.DataArray, (...)
        From 0 to 1.
    """
    return (one == other).where(inside).mean(("y", "x"))


def outcomes(full: xr.Dataset, pruned: xr.Dataset, inside: xr.DataArray) -> xr.Dataset:
    """Measure the pruned networks, choice by choice.

    Parameters
    ----------
    full, pruned : xarray.Dataset
        Groups of the store.
    inside : xarray.DataArray of bool, (y, x)
        Where decisions count.

    Returns
    -------
    xarray.Dataset, (arm, compensation, choice, network)
        `accuracy`, `loss`, and `agreement` with the full trained network.
    """
    found = pruned[["accuracy", "loss"]].astype(np.float64)
    found["agreement"] = agreement(pruned["decision"], full["decision"].sel(arm="trained", drop=True), inside)
    return found.transpose("arm", "compensation", "choice", "network")


def references(full: xr.Dataset, inside: xr.DataArray) -> xr.Dataset:
    """Measure the networks that nothing was removed from.

    Parameters
    ----------
    full : xarray.Dataset
        Group of the store.
    inside : xarray.DataArray of bool, (y, x)

    Returns
    -------
    xarray.Dataset
        `accuracy`, `loss`, `agreement` (arm, network), the agreement with the arm "trained" of the same seed; `others`
        (network, other), agreement of the trained networks of two seeds.
    """
    trained = full["decision"].sel(arm="trained", drop=True)
    flat = trained.transpose("network", "y", "x").values[:, inside.values]
    found = full[["accuracy", "loss"]].astype(np.float64)
    found["agreement"] = agreement(full["decision"], trained, inside)
    found = found.transpose("arm", "network")
    return found.assign(others=(("network", "other"), np.array([(flat == one).mean(axis=1) for one in flat])))


def by_kind(data: Labelled, skipna: bool = False) -> Labelled:
    """Average over the choices of each kind, within a network.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray, (..., choice, ...)
    skipna : bool
        Whether choices that are not known are left out; if not, one of them leaves the mean unknown.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        With `kind` in place of `choice`.
    """
    kinds = kinds_of(data["choice"].values.tolist())
    means: list[Any] = [data.sel(choice=choices).mean("choice", skipna=skipna) for choices in kinds.values()]
    return xr.concat(means, "kind").assign_coords(kind=np.array(list(kinds), object))


def without_failures(full: xr.Dataset, pruned: xr.Dataset) -> xr.DataArray:
    """Give accuracy, train first less prune first, where neither training failed.

    Parameters
    ----------
    full, pruned : xarray.Dataset
        Groups of the store.

    Returns
    -------
    xarray.DataArray, (kind, network)
        Mean over the choices of which neither the full network nor the one pruned first has an accuracy below `FAILED`;
        NaN for a network without such a choice.
    """
    trained = full["accuracy"].sel(arm="trained", drop=True)
    cut = pruned["accuracy"].sel(compensation=COMPENSATED, drop=True).astype(np.float64)
    one, first = (cut.sel(arm=arm, drop=True) for arm in ("pruned", "prune_first"))
    return by_kind((one - first).where((first >= FAILED) & (trained >= FAILED)), skipna=True)
