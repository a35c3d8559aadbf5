"""Checks at the public boundary: each returns the cleaned value or raises one clear line."""

import operator
from collections.abc import Collection, Iterable
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
    given = array(name, values)
    # Booleans are refused because a mask handed over in place of its losses would pass unnoticed.
    if given.dtype.kind not in "iuf":
        raise InputTypeError(f"{name}: expected integers or floating-point numbers, got dtype {given.dtype}")
    return given.astype(np.float64)


def array(name: str, values: Any) -> npt.NDArray[Any]:
    """Return `values` as an array of whatever type; raise an error for lists of different lengths."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputTypeError(f"{name}: expected an array of numbers, got {shown(values)}") from error


def finite_numbers(name: str, values: Any, least: float = -np.inf, most: float = np.inf) -> npt.NDArray[np.float64]:
    """Return `values` as float64, checked to be finite and between two bounds, both included.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If one is not finite or outside the bounds.
    """
    numbers = real_numbers(name, values)
    right = np.isfinite(numbers) & (numbers >= least) & (numbers <= most)
    if not right.all():
        limits = "finite numbers" if np.isinf(most) else f"numbers between {least:g} and {most:g}"
        raise InputError(f"{name}: expected {limits}, got {shown(numbers[~right].flat[0].item())} among them")
    return numbers


def gates(name: str, values: Any, nodes: int) -> npt.NDArray[np.float64]:
    """Return one gate a node as float64; booleans are gates too.

    Raises
    ------
    TypeError
        If they are neither real numbers nor booleans.
    ValueError
        If there is not one for each of the nodes, or one is not finite.
    """
    given = array(name, values)
    vector = finite_numbers(name, given.astype(np.int8) if given.dtype == np.bool_ else given)
    if vector.shape != (nodes,):
        raise InputError(f"{name}: expected shape ({nodes},), one gate a node, got {vector.shape}")
    return vector


def number(
    name: str,
    value: Any,
    least: float | None = None,
    most: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
    finite: bool = True,
) -> float:
    """Return one real number as a float.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : int, float or NumPy number
    least, most : float, optional
        Bounds, both included.
    above, below : float, optional
        Bounds, not included.
    finite : bool
        Whether NaN and infinite numbers are refused.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If the value is no real number.
    ValueError
        If it is not finite or out of bounds.
    """
    # A text of digits is no number, and a truth value is one by mistake.
    given = array(name, value)
    if isinstance(value, str | bytes | bool) or given.ndim or given.dtype.kind not in "iuf":
        raise InputTypeError(f"{name}: expected a number, got {shown(value)}")
    found = float(value)
    low, high = (least if above is None else above), (most if below is None else below)
    right = (low is None or found > low or found == least) and (high is None or found < high or found == most)
    if not right or (finite and not np.isfinite(found)):
        if low is not None and high is not None:
            limits = f"a number between {low:g} and {high:g}"
        elif low is not None:
            limits = f"a finite number above {low:g}" if above is not None else f"a finite number, {low:g} or more"
        else:
            limits = "a finite number" if high is None else f"a finite number, {high:g} or less"
        raise InputError(f"{name}: expected {limits}, got {shown(value)}")
    return found


def positive(name: str, value: Any) -> float:
    """Return `value` as a float, checked to be finite and above 0."""
    return number(name, value, above=0)


def level(value: Any) -> float:
    """Return the probability that an interval is to cover, checked to be between 0 and 1."""
    return number("level", value, above=0, below=1)


def whole(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """Return a whole number as Python's.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : int or NumPy integer
        Neither a bool nor a float, not even one without a fraction.
    least, most : int
        Bounds, both included.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If the value is no whole number.
    ValueError
        If it is out of bounds.
    """
    try:
        found = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        found = None
    if found is None:
        raise InputTypeError(f"{name}: expected a whole number, got {shown(value)}")
    if found < least or (most is not None and found > most):
        limits = f"{least} or more" if most is None else f"{least} to {most}"
        raise InputError(f"{name}: expected {limits}, got {found}")
    return found


def flag(name: str, value: Any) -> bool:
    """Return a truth value as Python's; raise an error for anything but a bool, Python's or NumPy's."""
    if not isinstance(value, bool | np.bool_):
        raise InputTypeError(f"{name}: expected True or False, got {shown(value)}")
    return bool(value)


def is_among(value: Any, options: Collection[str]) -> bool:
    """Whether a value is a text among the options: an array would be compared by element, and a list has no hash."""
    return isinstance(value, str) and value in options


def names(name: str, values: Any, count: int) -> list[str]:
    """Return one name a node as text: the nodes' numbers where `values` is None.

    Raises
    ------
    TypeError
        If the values are no sequence, or one text.
    ValueError
        If there is not one for each node.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable | None):
        raise InputTypeError(f"{name}: expected a sequence of names, got {shown(values)}")
    found = [str(value) for value in (range(count) if values is None else values)]
    if len(found) != count:
        raise InputError(f"{name}: expected one for each of the {count} nodes, got {len(found)}")
    return found


def labelled(name: str, data: Any) -> None:
    """Raise an error for anything but a DataArray or a Dataset."""
    if not isinstance(data, xr.DataArray | xr.Dataset):
        raise InputTypeError(f"{name}: expected an xarray.DataArray or Dataset, got {type(data).__name__}")


def shown(value: Any) -> str:
    """Return a value as a message shows it: on one line, and not too long."""
    text = " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


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
