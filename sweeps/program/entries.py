"""Entries: what is known of a value, and at which places of it the entries of parameters stand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import JaxprEqn

from sweeps.program import rules
from sweeps.program.values import EXIT, Value, placed, squeezed


class Part(NamedTuple):
    """A parameter of which weights are made.

    Attributes
    ----------
    number : of the parameter
    axes : of each of its axes, the index at each place of the weights, of shape that broadcasts to theirs; -1 where
        there is no entry of it; None if a place depends on several
    """

    number: int
    axes: tuple[np.ndarray | None, ...]


@dataclass(frozen=True)
class Seen:
    """What is known of a value.

    Attributes
    ----------
    aval : shape and type
    ids : number of the element at each place, of shape that broadcasts to the value's, -1 where there is none; None
        if it holds none. An element is a node of one call of a parameter.
    is_new : whether parameters were only added to its elements since they were made
    parts : parameters of which it is made; None if it depends on inputs
    known : what computes it, if it depends on nothing that is not known
    """

    aval: Any
    ids: np.ndarray | None = None
    parts: tuple[Part, ...] | None = None
    known: Callable[[], Any] | None = None
    is_new: bool = False


def whole(number: int, shape: tuple[int, ...]) -> Part:
    """All entries of a parameter, each at its own place."""
    return Part(number, tuple(placed(np.arange(n), [axis], len(shape)) for axis, n in enumerate(shape)))


def as_value(one: Seen, ids: np.ndarray | None = None) -> Value:
    """What the reader's rules take."""
    return Value("data", one.aval, EXIT, ids=ids, known=one.known)


def moved(equation: JaxprEqn, operands: list[Seen], ids: np.ndarray) -> list[np.ndarray] | None:
    """Numbers at the places of an operation's results, given those at its first operand's; None if that is unknown."""
    return rules.moved(equation, [as_value(operands[0], ids), *map(as_value, operands[1:])])


def along(ids: np.ndarray, onto: dict[int, int], ndim: int) -> np.ndarray:
    """Put the axes along which elements vary at their places among others."""
    axes = [axis for axis in range(ids.ndim) if axis in onto]
    small = ids.squeeze(tuple(axis for axis in range(ids.ndim) if axis not in onto))
    return placed(small, [onto[axis] for axis in axes], ndim)


def concatenated(parts: list[tuple[tuple[int, ...], np.ndarray | None]], axis: int) -> np.ndarray:
    """Join numbers along an axis, -1 for parts that have none."""
    arrays = [np.full([1] * len(shape), -1) if ids is None else ids for shape, ids in parts]
    arrays = [
        np.broadcast_to(ids, [shape[axis] if a == axis else n for a, n in enumerate(ids.shape)])
        for (shape, _), ids in zip(parts, arrays, strict=True)
    ]
    sizes = [max(ids.shape[a] for ids in arrays) for a in range(len(parts[0][0]))]
    wide = [np.broadcast_to(ids, [ids.shape[a] if a == axis else n for a, n in enumerate(sizes)]) for ids in arrays]
    return squeezed(np.concatenate(wide, axis))


def led(
    equation: JaxprEqn, name: str, operands: list[Seen], number: int, index: np.ndarray | None, result: int, aval: Any
) -> np.ndarray | None:
    """Where an operation on weights alone leads the indices of one of its operands; None where they are lost."""
    if index is None:
        return None
    if name in rules.ELEMENTWISE or name == "optimization_barrier":
        return index.reshape([1] * (len(aval.shape) - index.ndim) + list(index.shape))
    if name in rules.MOVING and number == 0:
        found = moved(equation, operands, index)
        return None if found is None else squeezed(found[result])
    if name == "concatenate":
        parts = [(one.aval.shape, index if j == number else None) for j, one in enumerate(operands)]
        return concatenated(parts, equation.params["dimension"])
    if name in rules.PRODUCTS:
        places, _ = rules.axes_of_product(equation, *operands)  # type: ignore[arg-type]
        is_free = all(size == 1 or axis in places[number] for axis, size in enumerate(index.shape))
        return along(index, places[number], len(aval.shape)) if is_free else None
    axes = rules.reduced_axes(equation) if name in rules.REDUCING else None
    if axes is not None and all(index.shape[axis] == 1 for axis in axes):
        return index.squeeze(axes)
    return None


def sliced(one: Seen, aval: Any) -> Seen:
    """One step's part of what a loop runs over; of parameters, no entry is known."""
    if one.parts is not None:
        nothing = tuple(Part(part.number, (None,) * len(part.axes)) for part in one.parts)
        return Seen(aval, parts=nothing)
    return Seen(aval, one.ids[0] if one.ids is not None and one.ids.shape[0] == 1 else None)
