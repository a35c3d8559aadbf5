"""Flat: a traced program as a list of operations on numbered values; calls are inlined."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from sweeps.program import rules, tracing
from sweeps.program.tracing import Program
from sweeps.program.values import Frame, Key


class Operation(NamedTuple):
    """One operation of a program.

    Attributes
    ----------
    equation : of the traced program
    operands, results : numbers of the values that it reads and makes
    is_elementwise : whether it acts on each number by itself
    """

    equation: JaxprEqn
    operands: tuple[int, ...]
    results: tuple[int, ...]
    is_elementwise: bool

    @property
    def name(self) -> str:
        """Name of the primitive."""
        return self.equation.primitive.name

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the primitive."""
        return self.equation.params

    def run(self, operands: Sequence[Any]) -> list[Any]:
        """Return the results."""
        return tracing.bind(self.equation, list(operands))


class Flat(NamedTuple):
    """A program of one input array and one output array as a list of operations.

    Attributes
    ----------
    operations : in order
    avals : shape and type of each value
    constants : values that the program holds, by number
    paths : of the leaves of parameters and state, by number, in order
    numbers : of the values at each place of the program
    input, output : numbers
    """

    operations: tuple[Operation, ...]
    avals: list[Any]
    constants: dict[int, Any]
    paths: dict[int, str]
    numbers: dict[Key, int]
    input: int
    output: int

    def values(self, leaves: Iterable[jax.Array], inputs: jax.Array) -> dict[int, Any]:
        """Return all values, given the leaves of parameters and state, and the inputs."""
        values = dict(self.constants) | dict(zip(self.paths, leaves, strict=True)) | {self.input: inputs}
        return self._run(self.operations, values)

    def weights(self, leaves: Iterable[jax.Array]) -> dict[int, Any]:
        """Return the values that do not depend on inputs, given the leaves of parameters and state."""
        of_weights = self.numbers_of_weights()
        operations = [operation for operation in self.operations if of_weights.issuperset(operation.results)]
        return self._run(operations, dict(self.constants) | dict(zip(self.paths, leaves, strict=True)))

    def numbers_of_weights(self) -> set[int]:
        """Return the numbers of the values that do not depend on inputs."""
        known = {*self.constants, *self.paths}
        for operation in self.operations:
            if known.issuperset(operation.operands):
                known.update(operation.results)
        return known

    def _run(self, operations: Iterable[Operation], values: dict[int, Any]) -> dict[int, Any]:
        for operation in operations:
            results = operation.run([values[operand] for operand in operation.operands])
            values.update(zip(operation.results, results, strict=True))
        return values


def flat(program: Program, has_derivatives: bool = False) -> Flat:
    """Return a program as a list of operations; loops are single ones.

    Functions with a derivative of their own stay single operations if they are elementwise, or if ``has_derivatives``.
    """
    writer = _Writer(has_derivatives)
    inputs = [writer.number(variable.aval) for variable in program.jaxpr.invars]
    (output,) = writer.write(program.jaxpr, program.consts, inputs, ())
    paths = dict(zip(inputs, program.leaves, strict=False))
    return Flat(tuple(writer.operations), writer.avals, writer.constants, paths, writer.numbers, inputs[-1], output)


class _Writer:
    """Numbers values and lists operations."""

    def __init__(self, has_derivatives: bool) -> None:
        self.has_derivatives = has_derivatives
        self.operations: list[Operation] = []
        self.avals: list[Any] = []
        self.constants: dict[int, Any] = {}
        self.numbers: dict[Key, int] = {}

    def number(self, aval: Any) -> int:
        self.avals.append(aval)
        return len(self.avals) - 1

    def constant(self, aval: Any, value: Any) -> int:
        number = self.number(aval)
        self.constants[number] = value
        return number

    def write(self, jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[int], frame: Frame) -> list[int]:
        """List a function's operations, given the numbers of its inputs; return those of its results."""
        known: dict[Any, int] = dict(zip(jaxpr.invars, inputs, strict=True))
        for variable, value in zip(jaxpr.constvars, consts, strict=True):
            known[variable] = self.constant(variable.aval, value)

        def of(atom: Any) -> int:
            return self.constant(atom.aval, atom.val) if isinstance(atom, Literal) else known[atom]

        for place, equation in enumerate(jaxpr.eqns):
            operands = tuple(of(atom) for atom in equation.invars)
            results = self._results(equation, operands, (*frame, place))
            known.update(zip(equation.outvars, results, strict=True))
            self.numbers.update(((frame, place, j), number) for j, number in enumerate(results))
        return [of(atom) for atom in jaxpr.outvars]

    def _results(self, equation: JaxprEqn, operands: tuple[int, ...], here: Frame) -> list[int]:
        body, elementwise = tracing.body(equation), is_elementwise(equation)
        is_whole = (elementwise or self.has_derivatives) and equation.primitive.name in tracing.OWN_DERIVATIVE
        if body is not None and not is_whole:
            return self.write(body.jaxpr, body.consts, operands, here)
        results = [self.number(variable.aval) for variable in equation.outvars]
        self.operations.append(Operation(equation, operands, tuple(results), elementwise))
        return results


def is_elementwise(equation: JaxprEqn) -> bool:
    """Whether an operation, with all that it calls, acts on each number by itself."""
    if len(equation.outvars) != 1:
        return False
    body, (whole, *shapes) = tracing.body(equation), map(_shape, [*equation.outvars, *equation.invars])
    if not all(_spreads(shape, whole) for shape in shapes):
        return False
    if body is None:
        return equation.primitive.name in rules.ELEMENTWISE
    return all(is_elementwise(inner) or _spreads_a_number(inner) for inner in body.jaxpr.eqns)


def _spreads(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether an operand is a single number, or has the result's shape up to axes of length one."""
    return shape == () or (len(shape) == len(whole) and all(a in (1, b) for a, b in zip(shape, whole, strict=True)))


def _spreads_a_number(equation: JaxprEqn) -> bool:
    return equation.primitive.name == "broadcast_in_dim" and _shape(equation.invars[0]) == ()


def _shape(atom: Any) -> tuple[int, ...]:
    return atom.aval.shape
