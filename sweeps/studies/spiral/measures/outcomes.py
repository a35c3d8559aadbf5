"""What each network can do: accuracy, loss, and agreement of its decisions with another network's."""

from typing import Any, TypeVar

import numpy as np
import xarray as xr

from analysis import _validate
from analysis.errors import InputError
from sweeps.studies.spiral.names import kinds_of

Labelled = TypeVar("Labelled", xr.Dataset, xr.DataArray)


def data_square(task: xr.Dataset, plane: xr.Dataset) -> xr.DataArray:
    """Say which points of a grid lie in the square about the origin that just holds the training data.

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
    TypeError, ValueError
        If the inputs are missing, or no point of the grid lies inside.
    """
    _validate.dataset_with("task", task, ("train_inputs",), ())
    reach = float(np.abs(task["train_inputs"].values).max())
    inside = (abs(plane["y"]) <= reach) & (abs(plane["x"]) <= reach)
    if not bool(inside.any()):
        raise InputError(f"plane: expected points within {reach:g} of the origin, got none")
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
    full : xarray.Dataset
        `decision` (arm, network, y, x), with the arm "trained".
    pruned : xarray.Dataset
        `accuracy`, `loss` (arm, compensation, choice, network), `decision` (..., y, x).
    inside : xarray.DataArray of bool, (y, x)
        Where decisions count.

    Returns
    -------
    xarray.Dataset, (arm, compensation, choice, network)
        `accuracy`, `loss`, and `agreement` with the full trained network.

    Raises
    ------
    TypeError
        If an argument is no Dataset.
    ValueError
        If a variable or a dimension is missing.
    """
    _validate.dataset_with("full", full, ("decision",), ("arm", "network", "y", "x"))
    dims = ("arm", "compensation", "choice", "network")
    _validate.dataset_with("pruned", pruned, ("accuracy", "loss", "decision"), dims)
    trained = full["decision"].sel(arm="trained", drop=True)
    found = agreement(pruned["decision"], trained, inside)
    return xr.Dataset(
        {name: pruned[name].astype(np.float64).transpose(*dims) for name in ("accuracy", "loss")}
        | {"agreement": found.transpose(*dims)}
    )


def references(full: xr.Dataset, inside: xr.DataArray) -> xr.Dataset:
    """Measure the networks that nothing was removed from.

    Parameters
    ----------
    full : xarray.Dataset
        `accuracy`, `loss` (arm, network), `decision` (arm, network, y, x).
    inside : xarray.DataArray of bool, (y, x)

    Returns
    -------
    xarray.Dataset
        `accuracy`, `loss`, `agreement` (arm, network), the agreement with the arm "trained" of the same seed; `others`
        (network, other), agreement of the trained networks of two seeds.

    Raises
    ------
    TypeError
        If `full` is no Dataset.
    ValueError
        If a variable or a dimension is missing.
    """
    _validate.dataset_with("full", full, ("accuracy", "loss", "decision"), ("arm", "network", "y", "x"))
    trained = full["decision"].sel(arm="trained", drop=True)
    flat = trained.transpose("network", "y", "x").values[:, inside.values]
    return xr.Dataset(
        {name: full[name].astype(np.float64).transpose("arm", "network") for name in ("accuracy", "loss")}
        | {
            "agreement": agreement(full["decision"], trained, inside).transpose("arm", "network"),
            "others": (("network", "other"), np.array([(flat == one).mean(axis=1) for one in flat])),
        }
    )


def by_kind(data: Labelled) -> Labelled:
    """Average over the choices of each kind, within a network.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray, (..., choice, ...)

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        With `kind` in place of `choice`. Where one choice is not known, neither is the mean.
    """
    kinds = kinds_of(data["choice"].values.tolist())
    means: list[Any] = [data.sel(choice=choices).mean("choice", skipna=False) for choices in kinds.values()]
    return xr.concat(means, "kind").assign_coords(kind=np.array(list(kinds), object))
