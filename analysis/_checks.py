"""Checks of arguments: each returns the cleaned value, or raises an error, on one line, that names the argument."""

import math
import operator
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import lazy_loader
import numpy as np
import numpy.typing as npt

from analysis._errors import InputError, InputTypeError

if TYPE_CHECKING:
    import xarray as xr
else:  # the command line checks its settings without it
    xr = lazy_loader.load("xarray")


def shown(value: Any) -> str:
    """Return a value as a message shows it: on one line, and not too long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python prints no integer of more than 4,300 digits
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def whole(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """Return a whole number as Python's.

    Parameters
    ----------
    name : str
        The argument, for the message.
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
    InputError
        If it lies outside the bounds.
    """
    try:
        found = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        found = None
    if found is None:
        raise InputTypeError(f"{name} must be a whole number, got {shown(value)}")
    _require_within(name, found, least, most)
    return found


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
    """Return a real number as Python's float.

    Parameters
    ----------
    name : str
        The argument, for the message.
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
    InputError
        If it is not finite or lies outside the bounds.
    """
    is_long = isinstance(value, int) and abs(value) >= 2**63  # Python's integers may be longer than NumPy's
    if not is_long and (np.ndim(given := _array(value)) or given.dtype.kind not in "iuf"):
        raise InputTypeError(f"{name} must be a number, got {shown(value)}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if finite and not math.isfinite(found):
        raise InputError(f"{name} must be finite, got {found}")
    if above is not None and not found > above:
        raise InputError(f"{name} must be above {above}, got {shown(value)}")
    if below is not None and not found < below:
        raise InputError(f"{name} must be below {below}, got {shown(value)}")
    _require_within(name, found, least, most)
    return found


def _require_within(name: str, number: float, least: float | None, most: float | None) -> None:
    if least is not None and number < least:
        raise InputError(f"{name} must be at least {least}, got {shown(number)}")
    if most is not None and number > most:
        raise InputError(f"{name} must be at most {most}, got {shown(number)}")


def positive(name: str, value: Any) -> float:
    """Return a finite number above 0 as Python's float."""
    return number(name, value, above=0)


def level(value: Any) -> float:
    """Return the probability that an interval is to cover, checked to be between 0 and 1."""
    return number("level", value, above=0, below=1)


def flag(name: str, value: Any) -> bool:
    """Return a truth value as Python's; raise InputTypeError for anything but a bool, Python's or NumPy's."""
    if not isinstance(value, bool | np.bool_):
        raise InputTypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def meant(word: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" with the one of some words that is most like another, or nothing."""
    near = get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]}?" if near else ""


def one_of(name: str, value: Any, options: Collection[str]) -> str:
    """Return a text that is among the options; raise InputError that lists them, and the nearest, otherwise."""
    # An array would be compared by element, and a list has no hash.
    if not (isinstance(value, str) and value in options):
        near = meant(value, options) if isinstance(value, str) else ""
        raise InputError(f"{name} must be one of {', '.join(options)}, got {shown(value)}{'; ' * bool(near)}{near}")
    return str(value)


def array(name: str, values: Any) -> npt.NDArray[Any]:
    """Return values as an array of whatever type; raise InputTypeError for lists of different lengths."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputTypeError(f"{name} must be an array of numbers, got {shown(values)}") from error


def _array(value: Any) -> npt.NDArray[Any]:
    """Return a value as an array; as one of objects if it is none."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.asarray(None)


def real_numbers(name: str, values: Any) -> npt.NDArray[np.float64]:
    """Return `values` as a float64 array of the same shape.

    Parameters
    ----------
    name : str
        The argument, for the message.
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
        raise InputTypeError(f"{name} must be numbers, got an xarray.Dataset; name one of its variables")
    given = array(name, values)
    # Booleans are refused because a mask handed over in place of its losses would pass unnoticed.
    if given.dtype.kind not in "iuf":
        raise InputTypeError(f"{name} must be integers or floating-point numbers, got dtype {given.dtype}")
    return given.astype(np.float64)


def finite_numbers(name: str, values: Any, least: float = -np.inf, most: float = np.inf) -> npt.NDArray[np.float64]:
    """Return `values` as float64, checked to be finite and between two bounds, both included.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    InputError
        If one is not finite or outside the bounds.
    """
    numbers = real_numbers(name, values)
    right = np.isfinite(numbers) & (numbers >= least) & (numbers <= most)
    if not right.all():
        limits = "finite numbers" if np.isinf(most) else f"numbers between {least:g} and {most:g}"
        raise InputError(f"{name} must be {limits}, got {numbers[~right].flat[0]} among them")
    return numbers


def quantiles(values: Any) -> list[float]:
    """Return quantiles as a list, checked to be numbers between 0 and 1."""
    found = finite_numbers("quantiles", values, 0, 1)
    if found.ndim != 1:
        raise InputError(f"quantiles must be a sequence of numbers, got shape {found.shape}")
    return [float(one) for one in found]


def gates(name: str, values: Any, nodes: int) -> npt.NDArray[np.float64]:
    """Return one gate a node as float64; booleans are gates too.

    Raises
    ------
    TypeError
        If they are neither real numbers nor booleans.
    InputError
        If there is not one for each of the nodes, or one is not finite.
    """
    given = array(name, values)
    vector = finite_numbers(name, given.astype(np.int8) if given.dtype == np.bool_ else given)
    if vector.shape != (nodes,):
        raise InputError(f"{name} must have shape ({nodes},), one gate a node, got {vector.shape}")
    return vector


def names(name: str, values: Any, count: int) -> list[str]:
    """Return one name a node as text: the nodes' numbers where `values` is None.

    Raises
    ------
    TypeError
        If the values are no sequence, or one text.
    InputError
        If there is not one for each node.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable | None):
        raise InputTypeError(f"{name} must be a sequence of names, got {shown(values)}")
    found = [str(value) for value in (range(count) if values is None else values)]
    if len(found) != count:
        raise InputError(f"{name} must be one for each of the {count} nodes, got {len(found)}")
    return found


def instance(name: str, value: Any, kind: type, *, see: str) -> None:
    """Raise InputTypeError for what is not of a class of this package, with the function that makes one."""
    if not isinstance(value, kind):
        raise InputTypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}; see {see}")


def labelled(name: str, data: Any) -> None:
    """Raise InputTypeError for anything but a DataArray or a Dataset."""
    if not isinstance(data, xr.DataArray | xr.Dataset):
        raise InputTypeError(f"{name} must be an xarray.DataArray or Dataset, got {type(data).__name__}")


def dataset_with(name: str, dataset: Any, variables: Iterable[str], dims: Iterable[str]) -> "xr.Dataset":
    """Return `dataset`, checked to hold the given variables and dimensions.

    Raises
    ------
    TypeError
        If it is not an `xarray.Dataset`.
    InputError
        If a variable or a dimension is missing.
    """
    if not isinstance(dataset, xr.Dataset):
        raise InputTypeError(f"{name} must be an xarray.Dataset, got {type(dataset).__name__}")
    for kind, wanted, present in (
        ("variable", variables, list(dataset.data_vars)),
        ("dimension", dims, list(dataset.sizes)),
    ):
        for item in wanted:
            if item not in present:
                raise InputError(f"{name} must have the {kind} {item!r}, got {present}")
    return dataset
