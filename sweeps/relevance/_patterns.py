"""Patterns: softmax, its logarithm and logsumexp, found among the operations of a network and put together."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from sweeps._program.flat import Flat, Operation, every

SOFTMAX = ("softmax", "log_softmax", "logsumexp")
# Operations that keep numbers, or that repeat them along new axes.
_KEEPING = ("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "convert_element_type", "copy", "stop_gradient")


def together(flat: Flat) -> Flat:
    """Put the operations of each softmax, log_softmax and logsumexp together, and leave out what is then unread."""
    finder = _Finder(flat)

    def replaced(operations: Iterable[Operation]) -> tuple[Operation, ...]:
        return tuple(
            finder.found(operation)
            if operation.loop is None
            else operation._replace(loop=operation.loop._replace(operations=replaced(operation.loop.operations)))
            for operation in operations
        )

    return flat._replace(operations=_read(replaced(flat.operations), {flat.output}))


def without_stops(flat: Flat) -> Flat:
    """Let what reads a ``stop_gradient`` read its operand, as nothing is constant where two inputs are compared."""
    same: dict[int, int] = {}

    def renamed(operations: Iterable[Operation]) -> tuple[Operation, ...]:
        kept = []
        for each in operations:
            operation = each._replace(operands=tuple(same.get(at, at) for at in each.operands))
            if operation.name == "stop_gradient":
                same[operation.results[0]] = operation.operands[0]
                continue
            if operation.loop is not None:
                inside = renamed(operation.loop.operations)
                results = tuple(same.get(at, at) for at in operation.loop.results)
                operation = operation._replace(loop=operation.loop._replace(operations=inside, results=results))
            kept.append(operation)
        return tuple(kept)

    operations = renamed(flat.operations)
    return flat._replace(operations=operations, output=same.get(flat.output, flat.output))


def _read(operations: Sequence[Operation], wanted: set[int]) -> tuple[Operation, ...]:
    """Return the operations whose results are read, given the numbers that are read after them."""
    kept = []
    for operation in reversed(operations):
        if not wanted.intersection(operation.results):
            continue
        if operation.loop is not None:
            inside = _read(operation.loop.operations, wanted | set(operation.loop.results))
            operation = operation._replace(loop=operation.loop._replace(operations=inside))
            wanted.update(at for each in inside for at in each.operands)
        kept.append(operation)
        wanted.update(operation.operands)
    return tuple(reversed(kept))


def is_zero(constant: Any) -> bool:
    """Whether a value is known, and zero; None stands for one that is not known."""
    return constant is not None and not isinstance(constant, jax.core.Tracer) and not np.any(np.asarray(constant))


class _Sum(NamedTuple):
    """The sum of exponentials of a value along axes, with the operations from the value to it."""

    source: int
    exponential: int
    axes: tuple[int, ...]
    parts: tuple[Operation, ...]


class _Finder:
    """Finds patterns that end with an operation."""

    def __init__(self, flat: Flat):
        self._flat = flat
        self._makers = {result: operation for operation in every(flat.operations) for result in operation.results}

    def found(self, operation: Operation) -> Operation:
        """Return the pattern that ends with an operation, or the operation."""
        return self._softmax(operation) or self._log_softmax(operation) or self._logsumexp(operation) or operation

    def _softmax(self, operation: Operation) -> Operation | None:
        if operation.name != "div":
            return None
        above, below = operation.operands
        whole = self._sum(below)
        if whole is None or self._kept(above)[0] != whole.exponential or not self._is_along(below, whole.axes):
            return None
        return self._put("softmax", whole, [*self._kept(above)[1], *whole.parts], operation)

    def _log_softmax(self, operation: Operation) -> Operation | None:
        """Find z - log sum exp z."""
        if operation.name != "sub":
            return None
        logarithm, moves = self._kept(operation.operands[1])
        log = self._named(logarithm, "log")
        whole = None if log is None else self._sum(log.operands[0])
        if log is None or whole is None or not self._is_along(operation.operands[1], whole.axes):
            return None
        exponent = self._makers[whole.exponential].operands[0]
        if self._kept(exponent)[0] != self._kept(operation.operands[0])[0]:
            return None
        parts = [*self._kept(operation.operands[0])[1], *whole.parts, log, *moves]
        return self._put("log_softmax", whole, parts, operation)

    def _logsumexp(self, operation: Operation) -> Operation | None:
        """Find m + log sum exp(x - m)."""
        if operation.name not in ("add", "add_any"):
            return None
        for one, other in (operation.operands, operation.operands[::-1]):
            logarithm, moves = self._kept(one)
            log = self._named(logarithm, "log")
            size = None if log is None else self._named(log.operands[0], "abs")
            whole = None if log is None else self._sum(log.operands[0] if size is None else size.operands[0])
            if log is None or whole is None:
                continue
            exponent = self._named(self._makers[whole.exponential].operands[0], "sub")
            if exponent is None or self._kept(exponent.operands[1])[0] != self._kept(other)[0]:
                continue
            parts = [*whole.parts, *([] if size is None else [size]), log, *moves]
            return self._put("logsumexp", whole, parts, operation)
        return None

    def _sum(self, number: int) -> _Sum | None:
        """Find a sum of exp(x - m), or of exp(x), where m is constant along the axes of the sum."""
        summed, moves = self._kept(number)
        total = self._named(summed, "reduce_sum")
        if total is None:
            return None
        axes = tuple(total.params["axes"])
        exponential, between = self._kept(total.operands[0])
        choice = self._named(exponential, "select_n")
        if choice is not None and is_zero(self._flat.constants.get(self._kept(choice.operands[1])[0])):
            exponential, before = self._kept(choice.operands[2])
            between = [*before, choice, *between]
        power = self._named(exponential, "exp")
        if power is None:
            return None
        parts, source = [power, *between, total, *moves], power.operands[0]
        shift = self._named(source, "sub")
        # The result does not depend on m.
        if shift is not None and self._is_along(shift.operands[1], axes):
            parts, source = [shift, *parts], shift.operands[0]
        return _Sum(source, exponential, axes, tuple(parts))

    def _put(self, word: str, whole: _Sum, parts: Iterable[Operation], last: Operation) -> Operation:
        chosen = {part.results: part for part in (*parts, last)}
        order = {operation.results: place for place, operation in enumerate(every(self._flat.operations))}
        inside = tuple(sorted(chosen.values(), key=lambda part: order[part.results]))
        made = {result for part in inside for result in part.results}
        operands = dict.fromkeys(at for part in inside for at in part.operands if at not in made)
        operands = dict.fromkeys([whole.source, *operands])
        return Operation(last.equation, tuple(operands), last.results, False, None, word, inside)

    def _named(self, number: int, name: str) -> Operation | None:
        operation = self._makers.get(number)
        return operation if operation is not None and operation.name == name else None

    def _kept(self, number: int) -> tuple[int, list[Operation]]:
        """Follow a value back through operations that keep its numbers; return these too, in order."""
        way: list[Operation] = []
        while (operation := self._makers.get(number)) is not None and operation.name in _KEEPING:
            way.append(operation)
            number = operation.operands[0]
        return number, way[::-1]

    def _is_along(self, number: int, axes: Sequence[int]) -> bool:
        """Whether a value is constant along axes."""
        shape = self._shape(number)
        axes = [axis for axis in axes if axis < len(shape) and shape[axis] != 1]
        operation = self._makers.get(number)
        if not axes or operation is None:
            return not axes
        if operation.name == "broadcast_in_dim":
            places = dict(
                zip(operation.params["broadcast_dimensions"], self._shape(operation.operands[0]), strict=True)
            )
            return all(places.get(axis, 1) == 1 for axis in axes)
        return operation.name in ("stop_gradient", "convert_element_type") and self._is_along(
            operation.operands[0], axes
        )

    def _shape(self, number: int) -> Any:
        return self._flat.avals[number].shape
