"""Checks of arguments: those of analysis, and those for what JAX takes."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from analysis._checks import array, flag, meant, number, one_of, shown
from analysis._checks import whole as whole_of_any_size
from analysis._errors import InputError, InputTypeError

__all__ = ["flag", "meant", "number", "numbers", "one_of", "seed", "several", "shown", "text", "whole"]

T = TypeVar("T")

# Two words of 32 bits make a random key.
SEEDS = 2**64
# Counts are kept in 32 bits on the device.
MOST = 2**31 - 1
# Of a spiral: beyond these an angle has no digits left, and float32 no number.
TURNS = 1e6
NOISE = 1e30


def whole(name: str, value: Any, least: int = 0, most: int = MOST) -> int:
    """Return a whole number that fits in 32 bits as Python's; raise as `analysis._checks.whole` does."""
    return whole_of_any_size(name, value, least, most)


def seed(name: str, value: Any) -> int:
    """Return a seed, a whole number of 64 bits, all of which count; raise as `analysis._checks.whole` does."""
    return whole_of_any_size(name, value, 0, SEEDS - 1)


def several(name: str, values: Any, check: Callable[[str, Any], T], *, distinct: bool = False) -> tuple[T, ...]:
    """Return a value by itself, or a sequence or array of values, as a tuple.

    Parameters
    ----------
    name : str
        The argument, for the message.
    values : object or sequence
        What was given.
    check : callable
        Of (name, value), for each value; returns it cleaned.
    distinct : bool
        Whether no two may be equal.

    Raises
    ------
    InputError
        If there are none, or two are equal; and as ``check`` does.
    """
    single = isinstance(values, str | bytes) or not (isinstance(values, Sequence) or np.ndim(values) == 1)
    found = tuple(check(name, value) for value in ([values] if single else values))
    if not found:
        raise InputError(f"{name} must have at least 1 value, got {shown(values)}")
    if distinct and len(set(found)) < len(found):
        raise InputError(f"{name} must have no value twice, got {shown(values)}")
    return found


def numbers(name: str, values: Any) -> np.ndarray:
    """Return real numbers, or truth values, as an array in their own type; raise InputTypeError for anything else."""
    import jax.numpy as jnp  # the command line checks its settings without JAX

    given = array(name, values)
    if given.dtype.kind not in "biuf" and not jnp.issubdtype(given.dtype, jnp.floating):
        raise InputTypeError(f"{name} must be numbers, got {shown(values)}")
    return given


def text(name: str, value: Any) -> str:
    """Return a text as Python's; raise InputTypeError for anything else."""
    if not isinstance(value, str):
        raise InputTypeError(f"{name} must be a text, got {shown(value)}")
    return str(value)
