"""Hoisting: what a function computes from its constants alone, computed once and not for every gate vector."""

from collections.abc import Callable

import jax
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun
from jaxtyping import Array


def hoisted(function: Callable[[Array], Array], example: jax.ShapeDtypeStruct) -> Callable[[Array], Array]:
    """Return the same function with everything that does not depend on its argument already computed.

    A loop around the result then repeats only what depends on the argument. Inside an operation that holds
    operations of its own (a scan, a nested jit) nothing is split.

    Parameters
    ----------
    function : array -> array, traceable
    example : shape and type of the argument
    """
    closed = jax.make_jaxpr(function)(example)
    jaxpr = closed.jaxpr
    late: set[Var] = set(jaxpr.invars)
    before: list[JaxprEqn] = []
    after: list[JaxprEqn] = []
    for equation in jaxpr.eqns:
        if equation.effects or any(not isinstance(one, Literal) and one in late for one in equation.invars):
            late.update(equation.outvars)
            after.append(equation)
        else:
            before.append(equation)
    made = {result for equation in before for result in equation.outvars}
    read = [operand for equation in after for operand in equation.invars] + list(jaxpr.outvars)
    kept = list(dict.fromkeys(one for one in read if not isinstance(one, Literal) and one in made))
    first = jaxpr.replace(invars=[], outvars=kept, eqns=before)
    second = jaxpr.replace(constvars=[*jaxpr.constvars, *kept], eqns=after)
    known = jaxpr_as_fun(ClosedJaxpr(first, closed.consts))()
    rest = jaxpr_as_fun(ClosedJaxpr(second, [*closed.consts, *known]))
    return lambda argument: rest(argument)[0]
