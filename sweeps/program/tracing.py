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
    outputs : structure of the outputs
    unread : paths and shapes of parameters that nothing reads
    """

    jaxpr: Jaxpr
    consts: list[Any]
    paths: list[str | None]
    outputs: Any
    unread: dict[str, tuple[int, ...]]


def trace(apply: Callable[[Any, Any], Any], params: Any, inputs: Any) -> Program:
    """Trace a function; of parameters and inputs only shapes are needed."""
    with calling.noted(f"the network, with inputs of shape {calling.shapes(inputs)}"):
        closed, outputs = jax.make_jaxpr(apply, return_shape=True)(params, inputs)
    # Readers without effect on the outputs would count as readers.
    jaxpr, used = dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars), instantiate=True)
    paths, leaves = parameter_paths(params), jax.tree.leaves(params)
    jaxpr_used = _used(closed.jaxpr)
    unread = {
        path: leaf.shape
        for path, leaf, is_used in zip(paths, leaves, jaxpr_used, strict=False)
        if path is not None and not is_used
    }
    return Program(jaxpr, closed.consts, paths, jax.tree.structure(outputs), unread)


def _used(jaxpr: Jaxpr) -> list[bool]:
    return dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), instantiate=False)[1]


def body(equation: JaxprEqn) -> ClosedJaxpr | None:
    """Return the function that an operation runs once on its operands, or None."""
    if equation.primitive.name not in CALLS | OWN_DERIVATIVE:
        return None
    found = bodies(equation)
    fits = len(found) == 1 and len(found[0].jaxpr.invars) == len(equation.invars)
    return found[0] if fits and len(found[0].jaxpr.outvars) == len(equation.outvars) else None


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
    leaves: list[Any] = [keys for keys, _ in jax.tree_util.tree_flatten_with_path(params)[0]]
    inside = isinstance(params, Mapping) and "params" in params
    leaves = [keys[1:] if inside and _name(keys[0]) == "params" else None if inside else keys for keys in leaves]
    ways: list[Callable[[Any], str]] = [
        lambda keys: "/".join(map(_name, _without_value(keys))),
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


def _without_value(keys: Any) -> Any:
    """Drop the attribute of nnx's variables that holds the array."""
    return keys[:-1] if len(keys) > 1 and getattr(keys[-1], "name", "") in ("value", "raw_value") else keys


def _name(key: Any) -> str:
    return str(next(getattr(key, name) for name in ("key", "idx", "name") if hasattr(key, name)))
