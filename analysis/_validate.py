"""Checks at the public boundary: each returns the cleaned value or raises one clear line."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis.errors import InputError, InputTypeError


def real_numbers(name: str, values: Any) -> npt.NDArray[np.float64]:
    """Return `values` as a float64 array of the same shape.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    values : array_like or xarray.DataArray
        Integers or floating-point numbers.

    Returns
    -------
    numpy.ndarray of float64

    Raises
    ------
    TypeError
        If the values are not real numbers (text, complex, boolean, objects, a whole Dataset).
    """
    if isinstance(values, xr.Dataset):
        raise InputTypeError(f"{name}: expected numbers, got an xarray.Dataset; name one of its variables")
    array = np.asarray(values)
    # Booleans are refused because a mask handed over in place of its losses would pass unnoticed.
    if array.dtype.kind not in "iuf":
        raise InputTypeError(f"{name}: expected integers or floating-point numbers, got dtype {array.dtype}")
    return array.astype(np.float64)


def positive(name: str, value: float) -> float:
    """Return `value` as a float.

    Raises
    ------
    ValueError
        If the value is not finite and positive.
    """
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name}: expected a finite number above 0, got {value}")
    return float(value)


def dataset_with(name: str, dataset: Any, variables: Iterable[str], dims: Iterable[str]) -> xr.Dataset:
    """Return `dataset`, checked to hold the given variables and dimensions.

    Raises
    ------
    TypeError
        If it is not an `xarray.Dataset`.
    ValueError
        If a variable or a dimension is missing.
    """
    if not isinstance(dataset, xr.Dataset):
        raise InputTypeError(f"{name}: expected an xarray.Dataset, got {type(dataset).__name__}")
    for kind, wanted, present in (
        ("variable", variables, list(dataset.data_vars)),
        ("dimension", dims, list(dataset.sizes)),
    ):
        for item in wanted:
            if item not in present:
                raise InputError(f"{name}: expected the {kind} {item!r}, got {present}")
    return dataset
