"""Checks of arguments: each returns the cleaned value, or raises an error that names the argument."""

import math
import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import numpy as np

from analysis.errors import InputError, InputTypeError

T = TypeVar("T")

# What a seed may be: two words of 32 bits make a random key.
SEEDS = 2**64
# Counts are kept in 32 bits on the device.
MOST = 2**31 - 1
# Of a spiral: beyond these an angle has no digits left, and float32 no number.
TURNS = 1e6
NOISE = 1e30


def whole(name: str, value: Any, least: int | None = None, most: int | None = MOST) -> int:
    """Return a whole number as Python's.

    Parameters
    ----------
    name : str
        The argument, for the message.
    value : int or NumPy integer
        Neither a bool nor a float, not even one without a fraction.
    least, most : int, optional
        Bounds, both included.

    Returns
    -------
    int

    Raises
    ------
    InputTypeError
        If the value is no whole number.
    InputError
        If it lies outside the bounds.
    """
    number = None if isinstance(value, bool | np.bool_) or _axes(value) else _index(value)
    if number is None:
        raise InputTypeError(f"{name} must be a whole number, got {shown(value)}")
    _within(name, number, least, most)
    return number


def _axes(value: Any) -> int:
    try:
        return np.ndim(value)
    except ValueError:  # lists of unequal lengths
        return 1


def _index(value: Any) -> int | None:
    try:
        return operator.index(value)
    except TypeError:
        return None


def real(
    name: str, value: Any, least: float | None = None, most: float | None = None, *, above: float | None = None
) -> float:
    """Return a finite number as Python's float.

    Parameters
    ----------
    name : str
        The argument, for the message.
    value : int, float or NumPy number
    least, most : float, optional
        Bounds, both included.
    above : float, optional
        A bound that is not included.

    Returns
    -------
    float

    Raises
    ------
    InputTypeError
        If the value is no real number.
    InputError
        If it is NaN, infinite or outside the bounds.
    """
    # Python's integers may be longer than any of NumPy's.
    if not (_is_long(value) or (_axes(value) == 0 and np.asarray(value).dtype.kind in "iuf")):
        raise InputTypeError(f"{name} must be a number, got {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not np.isfinite(number):
        raise InputError(f"{name} must be finite, got {number}")
    if above is not None and not number > above:
        raise InputError(f"{name} must be {'positive' if above == 0 else f'above {above}'}, got {shown(value)}")
    _within(name, number, least, most)
    return number


def _is_long(value: Any) -> bool:
    return isinstance(value, int) and abs(value) >= 2**63


def _within(name: str, number: float, least: float | None, most: float | None) -> None:
    if (least is None or number >= least) and (most is None or number <= most):
        return
    if most is None or (most == MOST and least is not None and number < least):
        raise InputError(f"{name} must be at least {least}, got {shown(number)}")
    if least is None:
        raise InputError(f"{name} must be at most {most}, got {shown(number)}")
    raise InputError(f"{name} must be between {least} and {most}, got {shown(number)}")


def several(
    name: str, values: Any, check: Callable[[str, Any], T], *, least: int = 1, distinct: bool = False
) -> tuple[T, ...]:
    """Return one value, or a sequence or array of values, as a tuple.

    Parameters
    ----------
    name : str
        The argument, for the message.
    values : object or sequence of objects
    check : callable
        Of (name, value), for each value; returns it cleaned.
    least : int
        How many there have to be.
    distinct : bool
        Whether no two may be equal.

    Raises
    ------
    InputError
        If there are too few, or two are equal; and as ``check`` does.
    """
    one = isinstance(values, str | bytes) or not (isinstance(values, Sequence) or _axes(values) == 1)
    found = tuple(check(name, value) for value in ([values] if one else values))
    if len(found) < least:
        raise InputError(f"{name} must have at least {least} value{'s' * (least > 1)}, got {shown(values)}")
    if distinct and len(set(found)) < len(found):
        raise InputError(f"{name} must have no value twice, got {shown(values)}")
    return found


def numbers(name: str, values: Any) -> np.ndarray:
    """Return real numbers, or truth values, as an array in their own type; raise InputTypeError for anything else."""
    import jax.numpy as jnp  # the command line checks its settings without JAX

    try:
        array = np.asarray(values)
    except ValueError:  # lists of unequal lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf" and not jnp.issubdtype(array.dtype, jnp.floating):
        raise InputTypeError(f"{name} must be numbers, got {shown(values)}")
    return array


def flag(name: str, value: Any) -> bool:
    """Return a truth value as Python's; raise InputTypeError for anything but a bool, Python's or NumPy's."""
    if not isinstance(value, bool | np.bool_):
        raise InputTypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def text(name: str, value: Any) -> str:
    """Return a text as Python's; raise InputTypeError for anything else."""
    if not isinstance(value, str):
        raise InputTypeError(f"{name} must be a text, got {shown(value)}")
    return str(value)


def one_of(name: str, value: T, options: Collection[T]) -> T:
    """Return a value that is among the options; raise InputError that lists them otherwise."""
    # Compared by type too: 1 is True to Python, and an array compares by element. NumPy's text is text.
    for option in options:
        if (type(value) is type(option) or isinstance(value, str)) and value == option:
            return option
    raise InputError(f"{name} must be one of {', '.join(map(str, options))}, got {shown(value)}")


def seed(name: str, value: Any) -> int:
    """Return a seed, a whole number of 64 bits, all of which count.

    Raises
    ------
    InputTypeError
        If it is no whole number.
    InputError
        If it is negative, or 2^64 or more.
    """
    number = whole(name, value, most=None)
    if not 0 <= number < SEEDS:
        raise InputError(f"{name} must be between 0 and 2^64 - 1, got {shown(number)}")
    return number


def shown(value: Any) -> str:
    """Return a value as a message shows it: on one line, and not too long."""
    try:
        text = " ".join(repr(value).split())  # arrays are printed on several lines
    except ValueError:  # Python prints no integer of more than 4,300 digits
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."
