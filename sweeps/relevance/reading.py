"""Reading: a traced network as a flat list of operations, with the names of the parameters that they use."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jaxtyping import Array

from analysis.errors import InputError

# What is written out in place of the call. A loop is not: its body is called any number of times.
_CALLS = frozenset(
    ("jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint")
    + ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr")
)
# Functions of each number by itself.
_ELEMENTWISE = frozenset(
    (
        *("abs", "acos", "acosh", "add", "add_any", "and", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil"),
        *("clamp", "convert_element_type", "copy", "copy_p", "cos", "cosh", "digamma", "div", "eq", "erf", "erf_inv"),
        *("erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "lgamma", "log"),
        *("log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pow", "rem", "round", "rsqrt"),
        *("select_n", "sign", "sin", "sinh", "sqrt", "square", "stop_gradient", "sub", "tan", "tanh", "xor"),
    )
)


class Operation(NamedTuple):
    """One operation of a network; values are numbered.

    Attributes
    ----------
    primitive, params : of JAX
    operands, results : numbers of the values that it reads and makes
    scope : path of the module that is called, innermost; empty outside all modules
    is_elementwise : whether it is a function of each number by itself
    """

    primitive: Any
    params: dict[str, Any]
    operands: tuple[int, ...]
    results: tuple[int, ...]
    scope: str
    is_elementwise: bool

    @property
    def name(self) -> str:
        """Name of the primitive."""
        return self.primitive.name

    def run(self, operands: Sequence[Any]) -> list[Any]:
        """Return the results."""
        made = self.primitive.get_bind_params(self.params)
        # Some versions of JAX give the functions that an operation calls apart from its other parameters.
        functions, params = made if isinstance(made, tuple) else ((), made)
        results = self.primitive.bind(*functions, *operands, **params)
        return list(results) if self.primitive.multiple_results else [results]


class Reading(NamedTuple):
    """What a network does, written out flat.

    Attributes
    ----------
    operations : in order; only those that the output depends on
    avals : shape and type of each value
    constants : values that the trace holds, by number
    parameters : numbers of the leaves of the state, in order
    paths : path of each parameter, by number
    input, output : numbers
    """

    operations: tuple[Operation, ...]
    avals: list[Any]
    constants: dict[int, Any]
    parameters: tuple[int, ...]
    paths: dict[int, str]
    input: int
    output: int

    def values(self, leaves: Iterable[Array], inputs: Array) -> dict[int, Any]:
        """Return all values for the leaves of a state and the inputs."""
        values = dict(self.constants) | dict(zip(self.parameters, leaves, strict=True)) | {self.input: inputs}
        for operation in self.operations:
            results = operation.run([values[operand] for operand in operation.operands])
            values.update(zip(operation.results, results, strict=True))
        return values


def scoped(path: str) -> Any:
    """Context in which a module is called: operations that are traced in it carry its path."""
    return jax.named_scope(f"<{path}>")


def read(function: Callable[[Any, Array], Any], state: Any, inputs: Any) -> Reading:
    """Trace a network and write it out flat.

    Parameters
    ----------
    function : (state, inputs) -> one array
    state : pytree of parameters; their paths name the layers
    inputs : array, or its shape and type

    Raises
    ------
    ValueError
        If the network returns anything but one array.
    """
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (state, inputs))
    program = jax.make_jaxpr(function)(*shapes)
    if len(program.jaxpr.outvars) != 1:
        raise InputError(f"the network must return one array, got {len(program.jaxpr.outvars)}")
    writer = _Writer()
    numbers = [writer.number(variable.aval) for variable in program.jaxpr.invars]
    (output,) = writer.write(program, numbers, "")
    paths = [_path(keys) for keys, _ in jax.tree_util.tree_flatten_with_path(state)[0]]
    parameters = tuple(numbers[: len(paths)])
    return Reading(
        _needed(writer.operations, output),
        writer.avals,
        writer.constants,
        parameters,
        dict(zip(parameters, paths, strict=True)),
        numbers[-1],
        output,
    )


class _Writer:
    """What numbers values and lists operations."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.avals: list[Any] = []
        self.constants: dict[int, Any] = {}

    def number(self, aval: Any) -> int:
        self.avals.append(aval)
        return len(self.avals) - 1

    def constant(self, aval: Any, value: Any) -> int:
        number = self.number(aval)
        self.constants[number] = value
        return number

    def write(self, program: ClosedJaxpr, numbers: Sequence[int], scope: str) -> list[int]:
        """Write out a program whose inputs have these numbers; return those of its results."""
        jaxpr = program.jaxpr
        known: dict[Any, int] = dict(zip(jaxpr.invars, numbers, strict=True))
        for variable, value in zip(jaxpr.constvars, program.consts, strict=True):
            known[variable] = self.constant(variable.aval, value)

        def of(atom: Any) -> int:
            return self.constant(atom.aval, atom.val) if isinstance(atom, Literal) else known[atom]

        for equation in jaxpr.eqns:
            operands = [of(atom) for atom in equation.invars]
            inner = _scope(equation) or scope
            body, elementwise = _body(equation), _is_elementwise(equation)
            if body is not None and not (elementwise and equation.primitive.name.startswith("custom")):
                results = self.write(body, operands, inner)
            else:
                results = [self.number(variable.aval) for variable in equation.outvars]
                self.operations.append(
                    Operation(equation.primitive, equation.params, tuple(operands), tuple(results), inner, elementwise)
                )
            known.update(zip(equation.outvars, results, strict=True))
        return [of(atom) for atom in jaxpr.outvars]


def _scope(equation: JaxprEqn) -> str:
    return (re.findall(r"<([^<>]*)>", str(equation.source_info.name_stack)) or [""])[-1]


def _body(equation: JaxprEqn) -> ClosedJaxpr | None:
    """The program that an operation calls once, or None."""
    if equation.primitive.name not in _CALLS:
        return None
    for value in equation.params.values():
        if isinstance(value, ClosedJaxpr):
            return value
        if isinstance(value, Jaxpr):
            return ClosedJaxpr(value, ())
    return None


def _is_elementwise(equation: JaxprEqn) -> bool:
    """Whether an operation, or all that it calls, is a function of each number by itself."""
    if len(equation.outvars) != 1:
        return False
    body, (whole, *shapes) = _body(equation), map(_shape, [*equation.outvars, *equation.invars])
    if not all(_spreads(shape, whole) for shape in shapes):
        return False
    if body is None:
        return equation.primitive.name in _ELEMENTWISE
    return all(_is_elementwise(inner) or _spreads_a_number(inner) for inner in body.jaxpr.eqns)


def _spreads(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether an operand is a single number, or of the result's shape up to axes of length one."""
    return shape == () or (len(shape) == len(whole) and all(a in (1, b) for a, b in zip(shape, whole, strict=True)))


def _spreads_a_number(equation: JaxprEqn) -> bool:
    return equation.primitive.name == "broadcast_in_dim" and _shape(equation.invars[0]) == ()


def _shape(atom: Any) -> tuple[int, ...]:
    return atom.aval.shape


def _needed(operations: Sequence[Operation], output: int) -> tuple[Operation, ...]:
    """Those of the operations that a value depends on."""
    wanted, needed = {output}, []
    for operation in reversed(operations):
        if wanted & set(operation.results):
            wanted |= set(operation.operands)
            needed.append(operation)
    return tuple(reversed(needed))


def _path(keys: Sequence[Any]) -> str:
    """Path of a leaf: names and numbers of mappings and sequences, without the attribute that holds an array."""
    names = [getattr(key, "key", getattr(key, "idx", None)) for key in keys]
    return "/".join(str(name) for name in names if name is not None)
