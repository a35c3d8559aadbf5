"""Tracing: functions of parameters and inputs become programs with named parameters and without dead code."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jax.interpreters.partial_eval import dce_jaxpr

from sweeps import _calling

# Operations that run a function once. Gates within the second kind would replace a derivative that the user wrote.
CALLS = frozenset(["jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint"])
OWN_DERIVATIVE = frozenset(["custom_jvp_call", "custom_vjp_call"])


class Program(NamedTuple):
    """A traced function (params, inputs) -> outputs.

    Attributes
    ----------
    jaxpr, consts : Jaxpr or list
        The program without dead code, and the arrays it closes over.
    paths : list of str or None
        Of the parameters, which are its first inputs; None for state, which makes no nodes.
    leaves : list of str
        The same for parameters and state; two may be equal.
    outputs : object
        Structure of the outputs.
    unread : dict of str to tuple of int
        Paths and shapes of parameters that nothing reads.
    """

    jaxpr: Jaxpr
    consts: list[Any]
    paths: list[str | None]
    leaves: list[str]
    outputs: Any
    unread: dict[str, tuple[int, ...]]


def trace(apply: Callable[[Any, Any], Any], params: Any, inputs: Any) -> Program:
    """Trace a function, given parameters and inputs or their shapes. Debug prints are left out."""
    with _calling.network(inputs):
        closed, outputs = jax.make_jaxpr(apply, return_shape=True)(params, inputs)
    # Dead code would count as a reader of nodes.
    whole, paths = _without_prints(closed.jaxpr), parameter_paths(params)
    wanted = [True] * len(whole.outvars)
    jaxpr, _ = dce_jaxpr(whole, wanted, instantiate=True)
    _, used = dce_jaxpr(whole, wanted)
    unread = {
        path: leaf.shape
        for path, leaf, is_used in zip(paths, jax.tree.leaves(params), used, strict=False)
        if path is not None and not is_used
    }
    return Program(jaxpr, closed.consts, paths, leaf_paths(params), jax.tree.structure(outputs), unread)


def _without_prints(jaxpr: Jaxpr) -> Jaxpr:
    """Leave out ``jax.debug.print`` and the like, which would keep code alive that nothing else reads."""
    if not jaxpr.effects:
        return jaxpr

    def stripped(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(stripped, value))
        if isinstance(value, ClosedJaxpr):
            return value.replace(jaxpr=_without_prints(value.jaxpr))
        return _without_prints(value) if isinstance(value, Jaxpr) else value

    def kept(effects: Any) -> frozenset[Any]:
        return frozenset(effect for effect in effects if "Debug" not in type(effect).__name__)

    equations = [
        equation.replace(
            params={key: stripped(value) for key, value in equation.params.items()}, effects=kept(equation.effects)
        )
        if equation.effects
        else equation
        for equation in jaxpr.eqns
        if equation.primitive.name not in ("debug_callback", "debug_print")
    ]
    return jaxpr.replace(eqns=equations, effects=kept(jaxpr.effects))


def body(equation: JaxprEqn) -> ClosedJaxpr | None:
    """Return the function that an operation runs once on its operands, or None."""
    if equation.primitive.name not in CALLS | OWN_DERIVATIVE:
        return None
    functions = bodies(equation)
    fits = len(functions) == 1 and len(functions[0].jaxpr.invars) == len(equation.invars)
    return functions[0] if fits and len(functions[0].jaxpr.outvars) == len(equation.outvars) else None


def within(equation: JaxprEqn) -> ClosedJaxpr:
    """Return the function whose operations a frame counts: that of a call, or the body of a loop."""
    return equation.params["body_jaxpr"] if equation.primitive.name == "while" else bodies(equation)[0]


def is_differentiated(jaxpr: Jaxpr, is_within: bool = False) -> bool:
    """Whether a program takes derivatives of its own products, as energy and score networks do."""
    for equation in jaxpr.eqns:
        here = is_within or "jvp(" in str(equation.source_info.name_stack)
        if here and equation.primitive.name in ("dot_general", "conv_general_dilated"):
            return True
        if any(is_differentiated(inner.jaxpr, here) for inner in bodies(equation)):
            return True
    return False


def constants_and_carry(equation: JaxprEqn) -> tuple[int, int]:
    """Return the numbers of constant and of carried operands of a scan, which come in this order."""
    params = equation.params
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    # JAX 0.11 and later hold trees.
    constants, carry, _ = params["ft_in"].unpack()
    return len(list(constants)), len(list(carry))


def bodies(equation: JaxprEqn) -> list[ClosedJaxpr]:
    """Return all functions that an operation may run."""
    params = equation.params.values()
    values = [value for param in params for value in (param if isinstance(param, tuple) else [param])]
    closed = [ClosedJaxpr(value, ()) if isinstance(value, Jaxpr) else value for value in values]
    return [value for value in closed if isinstance(value, ClosedJaxpr)]


def inlined(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Return a program with the operations of its calls among its own; functions with their own derivative stay."""

    def run(jaxpr: Jaxpr, consts: Any, inputs: Any) -> list[Any]:
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

        def of(atom: Any) -> Any:
            return atom.val if isinstance(atom, Literal) else known[atom]

        for equation in jaxpr.eqns:
            inner = body(equation) if equation.primitive.name in CALLS else None
            operands = [of(atom) for atom in equation.invars]
            results = bind(equation, operands) if inner is None else run(inner.jaxpr, inner.consts, operands)
            known.update(zip(equation.outvars, results, strict=True))
        return [of(atom) for atom in jaxpr.outvars]

    shapes = [jax.ShapeDtypeStruct(variable.aval.shape, variable.aval.dtype) for variable in closed.jaxpr.invars]
    return jax.make_jaxpr(lambda *inputs: run(closed.jaxpr, closed.consts, inputs))(*shapes)


def bind(equation: JaxprEqn, operands: list[Any]) -> list[Any]:
    """Run an operation."""
    made = equation.primitive.get_bind_params(equation.params)
    functions, params = made if isinstance(made, tuple) else ((), made)
    results = equation.primitive.bind(*functions, *operands, **params)
    return list(results) if equation.primitive.multiple_results else [results]


def parameter_paths(params: Any) -> list[str | None]:
    """Return a unique path for each leaf, such as ``blocks/0/up/kernel``.

    Of a mapping with the key "params", that entry holds the parameters; the others are state and have no paths. Where
    two paths would be equal, slashes within a key become ``%2F``.
    """
    leaves = [keys if is_parameter else None for keys, is_parameter in _ways(params)]
    ways: list[Callable[[Any], str]] = [
        _plainly,
        lambda keys: "/".join(_name(key).replace("%", "%25").replace("/", "%2F") for key in keys),
        jax.tree_util.keystr,
    ]
    names: list[str | None] = [None if keys is None else ways[0](keys) for keys in leaves]
    for way in ways[1:]:
        count = Counter(names)
        names = [
            way(keys) if keys is not None and count[name] > 1 else name
            for keys, name in zip(leaves, names, strict=True)
        ]
    return names


def leaf_paths(params: Any) -> list[str]:
    """Return the path of each leaf of parameters and state, without the name of the collection."""
    return [_plainly(keys) for keys, _ in _ways(params)]


def _ways(params: Any) -> list[tuple[Any, bool]]:
    """Return the keys to each leaf below its collection, and whether the leaf is a parameter."""
    ways = [keys for keys, _ in jax.tree_util.tree_flatten_with_path(params)[0]]
    if not (isinstance(params, Mapping) and "params" in params):
        return [(keys, True) for keys in ways]
    return [(keys[1:], _name(keys[0]) == "params") for keys in ways]


def _plainly(keys: Any) -> str:
    """Join keys with slashes, without the attribute of nnx's variables that holds the array."""
    has_value = len(keys) > 1 and getattr(keys[-1], "name", "") in ("value", "raw_value")
    return "/".join(map(_name, keys[:-1] if has_value else keys))


def _name(key: Any) -> str:
    return str(next(getattr(key, name) for name in ("key", "idx", "name") if hasattr(key, name)))
