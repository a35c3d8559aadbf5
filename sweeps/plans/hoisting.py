"""Hoisting: what a function computes from its data alone, computed once and not for every gate vector."""

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun
from jaxtyping import Array

Values = list[Array]


def split(
    function: Callable[[Array, Any], Array], gates: jax.ShapeDtypeStruct, data: Any
) -> tuple[Callable[[Any], Values], Callable[[Array, Values], Array], int]:
    """Split a function of gates and data in what does not depend on the gates, and the rest.

    A loop over gates around the rest then repeats only what depends on them. Inside an operation that holds
    operations of its own (a scan, a nested jit) nothing is split.

    Parameters
    ----------
    function : (gates, data) -> array, traceable
    gates : shape and type of the gates
    data : pytree of arrays, or of their shapes and types

    Returns
    -------
    before : data -> values
    rest : (gates, values) -> what the function returns for the gates and data
    size : of the values, in bytes
    """
    closed = jax.make_jaxpr(function)(gates, data)
    jaxpr = closed.jaxpr
    late: set[Var] = {jaxpr.invars[0]}
    early: list[JaxprEqn] = []
    after: list[JaxprEqn] = []
    for equation in jaxpr.eqns:
        if equation.effects or any(not isinstance(one, Literal) and one in late for one in equation.invars):
            late.update(equation.outvars)
            after.append(equation)
        else:
            early.append(equation)
    made = {result for equation in early for result in equation.outvars} | set(jaxpr.invars[1:])
    read = [operand for equation in after for operand in equation.invars] + list(jaxpr.outvars)
    kept = list(dict.fromkeys(one for one in read if not isinstance(one, Literal) and one in made))
    first = jaxpr.replace(invars=jaxpr.invars[1:], outvars=kept, eqns=early)
    second = jaxpr.replace(invars=[jaxpr.invars[0], *kept], eqns=after)
    known = jaxpr_as_fun(ClosedJaxpr(first, closed.consts))
    rest = jaxpr_as_fun(ClosedJaxpr(second, closed.consts))
    size = sum(math.prod(one.aval.shape) * one.aval.dtype.itemsize for one in kept)
    return (
        lambda data: known(*jax.tree.leaves(data)),
        lambda gates, values: rest(gates, *values)[0],
        size,
    )
