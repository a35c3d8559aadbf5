"""Entries: the places of a value at which entries of parameters stand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import JaxprEqn

from sweeps._program import rules
from sweeps._program.values import EXIT, Value, concatenated, placed, squeezed


class Part(NamedTuple):
    """A parameter that is a part of some weights.

    Attributes
    ----------
    number : int
        Of the parameter.
    axes : tuple of numpy.ndarray or None
        For each of its axes, the index at each place of the weights, of shape that broadcasts to theirs; -1 where there
        is no entry of the parameter; None if places depend on several entries.
    """

    number: int
    axes: tuple[np.ndarray | None, ...]


@dataclass(frozen=True)
class Tracked:
    """A value with its elements and parameters.

    Attributes
    ----------
    aval : object
        Shape and type.
    ids : numpy.ndarray or None
        Number of the element at each place, of shape that broadcasts to the value's, -1 where there is none; None if it
        holds no elements. An element is a node of one call of a parameter.
    parts : tuple of Part or None
        Parameters of which it is made; None if it depends on inputs.
    known : callable or None
        Computes it; None if it depends on inputs or parameters.
    is_new : bool
        Whether nothing but parameters was added to its elements since they were made.
    """

    aval: Any
    ids: np.ndarray | None = None
    parts: tuple[Part, ...] | None = None
    known: Callable[[], Any] | None = None
    is_new: bool = False


def whole(number: int, shape: tuple[int, ...]) -> Part:
    """Return all entries of a parameter, each at its own place."""
    return Part(number, tuple(placed(np.arange(n), [axis], len(shape)) for axis, n in enumerate(shape)))


def as_value(value: Tracked, ids: np.ndarray | None = None) -> Value:
    """Return a value as the reader's rules take it."""
    return Value("data", value.aval, EXIT, ids=ids, known=value.known)


def moved(equation: JaxprEqn, operands: list[Tracked], ids: np.ndarray) -> list[np.ndarray] | None:
    """Return the numbers at the places of an operation's results, given those of its first operand; None if unknown."""
    return rules.moved(equation, [as_value(operands[0], ids), *map(as_value, operands[1:])])


def along(ids: np.ndarray, onto: dict[int, int], ndim: int) -> np.ndarray:
    """Put the axes along which elements vary at their places among others."""
    axes = [axis for axis in range(ids.ndim) if axis in onto]
    small = ids.squeeze(tuple(axis for axis in range(ids.ndim) if axis not in onto))
    return placed(small, [onto[axis] for axis in axes], ndim)


def led(
    equation: JaxprEqn,
    name: str,
    operands: list[Tracked],
    number: int,
    index: np.ndarray | None,
    result: int,
    aval: Any,
) -> np.ndarray | None:
    """Return the indices of an operand in a result of weights alone; None if places mix several."""
    if index is None:
        return None
    if name in rules.ELEMENTWISE or name == "optimization_barrier":
        return index.reshape([1] * (len(aval.shape) - index.ndim) + list(index.shape))
    if name in rules.MOVING and number == 0:
        results = moved(equation, operands, index)
        return None if results is None else squeezed(results[result])
    if name == "concatenate":
        parts = [(value.aval.shape, index if j == number else None) for j, value in enumerate(operands)]
        return concatenated(parts, equation.params["dimension"])
    if name in rules.PRODUCTS:
        places, _ = rules.axes_of_product(equation, *operands)  # type: ignore[arg-type]
        is_free = all(size == 1 or axis in places[number] for axis, size in enumerate(index.shape))
        return along(index, places[number], len(aval.shape)) if is_free else None
    axes = rules.reduced_axes(equation) if name in rules.REDUCING else None
    if axes is not None and all(index.shape[axis] == 1 for axis in axes):
        return index.squeeze(axes)
    return None


def sliced(value: Tracked, aval: Any) -> Tracked:
    """Return the slice of a step of a loop; slices of parameters have no known entries."""
    if value.parts is not None:
        nothing = tuple(Part(part.number, (None,) * len(part.axes)) for part in value.parts)
        return Tracked(aval, parts=nothing)
    return Tracked(aval, value.ids[0] if value.ids is not None and value.ids.shape[0] == 1 else None)
