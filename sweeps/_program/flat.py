"""Flat: a traced program as a list of operations on numbered values; calls are inlined."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
from jax import lax
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from sweeps._program import rules, tracing
from sweeps._program.tracing import Program
from sweeps._program.values import Frame, Key


class Operation(NamedTuple):
    """One operation of a program, or several that are one by their meaning.

    Attributes
    ----------
    equation : JaxprEqn
        Of the traced program; of several operations, the last.
    operands, results : tuple of int
        Numbers of the values that it reads and makes.
    is_elementwise : bool
        Whether it acts on each number by itself.
    loop : Loop or None
        What a scan runs.
    word, parts : str or tuple of Operation
        Name of several operations, and these in order.
    """

    equation: JaxprEqn
    operands: tuple[int, ...]
    results: tuple[int, ...]
    is_elementwise: bool
    loop: "Loop | None" = None
    word: str = ""
    parts: tuple["Operation", ...] = ()

    @property
    def name(self) -> str:
        """Name of the primitive, or of several operations."""
        return self.word or self.equation.primitive.name

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the primitive."""
        return self.equation.params

    def run(self, operands: Sequence[Any]) -> list[Any]:
        """Return the results."""
        if not self.parts:
            return tracing.bind(self.equation, list(operands))
        values = evaluated(self.parts, dict(zip(self.operands, operands, strict=True)))
        return [values[result] for result in self.results]


class Loop(NamedTuple):
    """What a scan runs, on numbers of the whole program; those of its constants are the numbers outside.

    Attributes
    ----------
    operations : tuple of Operation
        Of one step, in order.
    constants : int
        How many operands of the scan are constants; carried values and slices follow.
    carried, sliced : tuple of int
        Numbers, within a step, of what is carried from step to step, and of slices.
    results : tuple of int
        Numbers of a step's results, the carried ones first.
    length, reverse : int or bool
        Number of steps, and whether the last slice is the first step.
    """

    operations: tuple[Operation, ...]
    constants: int
    carried: tuple[int, ...]
    sliced: tuple[int, ...]
    results: tuple[int, ...]
    length: int
    reverse: bool

    def values(self, operands: Sequence[int], outside: Mapping[int, Any]) -> dict[int, Any]:
        """Return what each step makes, by number, with an axis for the steps in front."""
        ends = self.constants, self.constants + len(self.carried)
        start, slices = ([outside[at] for at in part] for part in (operands[ends[0] : ends[1]], operands[ends[1] :]))
        inside = [*self.carried, *self.sliced, *(at for operation in self.operations for at in operation.results)]

        def step(carry: list[Any], sliced: list[Any]) -> tuple[list[Any], list[Any]]:
            given = zip((*self.carried, *self.sliced), (*carry, *sliced), strict=True)
            values = evaluated(self.operations, dict(outside) | dict(given))
            return [values[at] for at in self.results[: len(carry)]], [values[at] for at in inside]

        stacked = lax.scan(step, start, slices, self.length, self.reverse)[1]
        return dict(zip(inside, stacked, strict=True))


def evaluated(operations: Iterable[Operation], values: dict[int, Any]) -> dict[int, Any]:
    """Return all values, given those that operations begin with."""
    for operation in operations:
        results = operation.run([values[operand] for operand in operation.operands])
        values.update(zip(operation.results, results, strict=True))
    return values


def every(operations: Iterable[Operation]) -> list[Operation]:
    """Return operations with those in loops."""
    return [
        each
        for operation in operations
        for each in ([operation] if operation.loop is None else [*every(operation.loop.operations), operation])
    ]


class Flat(NamedTuple):
    """A program of one input array and one output array as a list of operations.

    Attributes
    ----------
    operations : tuple of Operation
        In order.
    avals : list
        Shape and type of each value.
    constants : dict of int to object
        Values that the program holds, by number.
    paths : dict of int to str
        Of the leaves of parameters and state, by number, in order.
    numbers : dict of Key to int
        Of the values at each place of the program.
    input, output : int
        Numbers.
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
        given = dict(self.constants) | dict(zip(self.paths, leaves, strict=True)) | {self.input: inputs}
        return evaluated(self.operations, given)

    def weights(self, leaves: Iterable[jax.Array]) -> dict[int, Any]:
        """Return the values that do not depend on inputs, given the leaves of parameters and state."""
        of_weights = self.numbers_of_weights()
        operations = [operation for operation in self.operations if of_weights.issuperset(operation.results)]
        return evaluated(operations, dict(self.constants) | dict(zip(self.paths, leaves, strict=True)))

    def numbers_of_weights(self) -> set[int]:
        """Return the numbers of the values that do not depend on inputs."""
        known = {*self.constants, *self.paths}
        for operation in self.operations:
            if known.issuperset(operation.operands):
                known.update(operation.results)
        return known


def flat(program: Program, has_derivatives: bool = False) -> Flat:
    """Return a program as a list of operations; a loop is one, with a list of its own; of a choice all branches run.

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
        if equation.primitive.name == "cond":
            return self._choice(equation, operands, here)
        loop = self._loop(equation, operands, here) if equation.primitive.name == "scan" else None
        results = [self.number(variable.aval) for variable in equation.outvars]
        self.operations.append(Operation(equation, operands, tuple(results), elementwise, loop))
        return results

    def _choice(self, equation: JaxprEqn, operands: tuple[int, ...], here: Frame) -> list[int]:
        """List all branches, and a selection for each result, as ``jax.vmap`` does."""
        which, *given = operands
        branches = enumerate(equation.params["branches"])
        cases = [self.write(branch.jaxpr, branch.consts, given, (*here, place)) for place, branch in branches]
        results = [self.number(variable.aval) for variable in equation.outvars]
        for result, *same in zip(results, *cases, strict=True):
            chosen = (which, *same)
            avals = [jax.ShapeDtypeStruct(self.avals[at].shape, self.avals[at].dtype) for at in chosen]
            (select,) = jax.make_jaxpr(lax.select_n)(*avals).jaxpr.eqns
            self.operations.append(Operation(select, chosen, (result,), True))
        return results

    def _loop(self, equation: JaxprEqn, operands: tuple[int, ...], here: Frame) -> Loop:
        (body,), (fixed, carried) = tracing.bodies(equation), tracing.constants_and_carry(equation)
        given = [self.number(variable.aval) for variable in body.jaxpr.invars[fixed:]]
        outside, self.operations = self.operations, []
        results = self.write(body.jaxpr, body.consts, [*operands[:fixed], *given], here)
        inside, self.operations = self.operations, outside
        length, reverse = equation.params["length"], equation.params["reverse"]
        parts = tuple(given[:carried]), tuple(given[carried:])
        return Loop(tuple(inside), fixed, *parts, tuple(results), length, reverse)


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
