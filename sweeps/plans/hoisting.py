"""Hoisting: computes the part of a function that depends on its data alone once for all gate vectors."""

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun
from jaxtyping import Array

from sweeps.program import bodies

Values = list[Array]


def split(
    function: Callable[[Array, Any], Any], gates: jax.ShapeDtypeStruct, data: Any
) -> tuple[Callable[[Any], Values], Callable[[Array, Values], Any], int]:
    """Split a function of gates and data into a part that does not depend on the gates, and the rest.

    A loop over gates then repeats the rest only. Operations that hold others (a scan, a nested jit) are not split.

    Parameters
    ----------
    function : (gates, data) -> pytree of arrays, traceable
    gates : shape and type of the gates
    data : pytree of arrays, or of their shapes and types

    Returns
    -------
    before : data -> values
    rest : (gates, values) -> the function's result
    size : of the values, in bytes
    """
    closed, shape = jax.make_jaxpr(function, return_shape=True)(gates, data)
    tree = jax.tree.structure(shape)
    jaxpr = closed.jaxpr
    late: set[Var] = {jaxpr.invars[0]}
    early: list[JaxprEqn] = []
    after: list[JaxprEqn] = []
    for equation in jaxpr.eqns:
        if equation.effects or any(not isinstance(atom, Literal) and atom in late for atom in equation.invars):
            late.update(equation.outvars)
            after.append(equation)
        else:
            early.append(equation)
    made = {result for equation in early for result in equation.outvars} | set(jaxpr.invars[1:])
    read = [operand for equation in after for operand in equation.invars] + list(jaxpr.outvars)
    kept = list(dict.fromkeys(atom for atom in read if not isinstance(atom, Literal) and atom in made))
    first = jaxpr.replace(invars=jaxpr.invars[1:], outvars=kept, eqns=early)
    second = jaxpr.replace(invars=[jaxpr.invars[0], *kept], eqns=after)
    known = jaxpr_as_fun(ClosedJaxpr(first, closed.consts))
    rest = jaxpr_as_fun(ClosedJaxpr(second, closed.consts))
    size = sum(math.prod(value.aval.shape) * value.aval.dtype.itemsize for value in kept)
    return (
        lambda data: known(*jax.tree.leaves(data)),
        lambda gates, values: jax.tree.unflatten(tree, rest(gates, *values)),
        size,
    )


def has_loops(jaxpr: Jaxpr) -> bool:
    """Whether a program, or one that it calls, is a loop over steps."""
    return any(
        equation.primitive.name == "scan" or any(has_loops(inner.jaxpr) for inner in bodies(equation))
        for equation in jaxpr.eqns
    )
