"""Tracing: from a function of parameters and inputs to its program, with dead code removed and parameters named."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jax.interpreters.partial_eval import dce_jaxpr

from sweeps import calling

# Operations that run one function once. Gates within the second kind would lose a derivative that the user wrote.
CALLS = frozenset(["jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint"])
OWN_DERIVATIVE = frozenset(["custom_jvp_call", "custom_vjp_call"])


class Program(NamedTuple):
    """A traced function (params, inputs) -> outputs.

    Attributes
    ----------
    jaxpr, consts : the program without dead code, and the arrays it closes over
    paths : of the parameters, which are its first inputs; None for state, which makes no nodes
    leaves : the way to each of these, also to state: as the paths, but two may be equal
    outputs : structure of the outputs
    unread : paths and shapes of parameters that nothing reads
    """

    jaxpr: Jaxpr
    consts: list[Any]
    paths: list[str | None]
    leaves: list[str]
    outputs: Any
    unread: dict[str, tuple[int, ...]]


def trace(apply: Callable[[Any, Any], Any], params: Any, inputs: Any) -> Program:
    """Trace a function; of parameters and inputs only shapes are needed. What it prints is left out."""
    with calling.network(inputs):
        closed, outputs = jax.make_jaxpr(apply, return_shape=True)(params, inputs)
    # Readers without effect on the outputs would count as readers.
    whole, paths = _unsaid(closed.jaxpr), parameter_paths(params)
    wanted = [True] * len(whole.outvars)
    jaxpr, _ = dce_jaxpr(whole, wanted, instantiate=True)
    _, used = dce_jaxpr(whole, wanted)
    unread = {
        path: leaf.shape
        for path, leaf, is_used in zip(paths, jax.tree.leaves(params), used, strict=False)
        if path is not None and not is_used
    }
    return Program(jaxpr, closed.consts, paths, leaf_paths(params), jax.tree.structure(outputs), unread)


def _unsaid(jaxpr: Jaxpr) -> Jaxpr:
    """Leave out ``jax.debug.print`` and the like, without which dead code is not removed that they alone read."""
    if not jaxpr.effects:
        return jaxpr

    def unsaid(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(unsaid, value))
        if isinstance(value, ClosedJaxpr):
            return value.replace(jaxpr=_unsaid(value.jaxpr))
        return _unsaid(value) if isinstance(value, Jaxpr) else value

    def kept(effects: Any) -> frozenset[Any]:
        return frozenset(effect for effect in effects if "Debug" not in type(effect).__name__)

    equations = [
        equation.replace(
            params={key: unsaid(value) for key, value in equation.params.items()}, effects=kept(equation.effects)
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
    found = bodies(equation)
    fits = len(found) == 1 and len(found[0].jaxpr.invars) == len(equation.invars)
    return found[0] if fits and len(found[0].jaxpr.outvars) == len(equation.outvars) else None


def is_differentiated(jaxpr: Jaxpr, is_within: bool = False) -> bool:
    """Whether a program takes derivatives of its own products, as energy and score networks do."""
    for one in jaxpr.eqns:
        here = is_within or "jvp(" in str(one.source_info.name_stack)
        if here and one.primitive.name in ("dot_general", "conv_general_dilated"):
            return True
        if any(is_differentiated(inner.jaxpr, here) for inner in bodies(one)):
            return True
    return False


def constants_and_carry(equation: JaxprEqn) -> tuple[int, int]:
    """Return how many operands of a scan are the same at every step, and how many it carries, which come next."""
    params = equation.params
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    # From JAX 0.11 on they come as trees.
    constants, carry, _ = params["ft_in"].unpack()
    return len(list(constants)), len(list(carry))


def bodies(equation: JaxprEqn) -> list[ClosedJaxpr]:
    """All functions that an operation may run."""
    values = [one for value in equation.params.values() for one in (value if isinstance(value, tuple) else [value])]
    closed = [ClosedJaxpr(value, ()) if isinstance(value, Jaxpr) else value for value in values]
    return [value for value in closed if isinstance(value, ClosedJaxpr)]


def bind(equation: JaxprEqn, operands: list[Any]) -> list[Any]:
    """Run an operation as it stands."""
    made = equation.primitive.get_bind_params(equation.params)
    functions, params = made if isinstance(made, tuple) else ((), made)
    results = equation.primitive.bind(*functions, *operands, **params)
    return list(results) if equation.primitive.multiple_results else [results]


def parameter_paths(params: Any) -> list[str | None]:
    """Name each leaf by the way to it, such as ``blocks/0/up/kernel``; no two names are equal.

    Of a mapping with the key "params", only what is below it are parameters; the rest is state, and has no name.
    Where two names would be equal, slashes within a key become ``%2F``.
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
    """The way to each leaf, of parameters and of state; below the collection where there are several."""
    return [_plainly(keys) for keys, _ in _ways(params)]


def _ways(params: Any) -> list[tuple[Any, bool]]:
    """The keys to each leaf below its collection, and whether it is a parameter."""
    ways = [keys for keys, _ in jax.tree_util.tree_flatten_with_path(params)[0]]
    if not (isinstance(params, Mapping) and "params" in params):
        return [(keys, True) for keys in ways]
    return [(keys[1:], _name(keys[0]) == "params") for keys in ways]


def _plainly(keys: Any) -> str:
    """The keys with slashes between them, but for the attribute of nnx's variables that holds the array."""
    has_value = len(keys) > 1 and getattr(keys[-1], "name", "") in ("value", "raw_value")
    return "/".join(map(_name, keys[:-1] if has_value else keys))


def _name(key: Any) -> str:
    return str(next(getattr(key, name) for name in ("key", "idx", "name") if hasattr(key, name)))
