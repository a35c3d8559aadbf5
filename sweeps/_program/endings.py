"""Endings: whether the last operations of a program make probabilities of its outputs."""

from typing import Any

from jax.extend.core import Jaxpr, JaxprEqn, Literal

from sweeps._program import rules, tracing

PASSING = rules.MOVING | {"convert_element_type", "copy"}


def ending(jaxpr: Jaxpr) -> str:
    """Return ``sigmoid`` or ``softmax`` if that makes the first result of a function, otherwise an empty text."""
    last = _maker(jaxpr, jaxpr.outvars[0])
    if last is None:
        return ""
    inner = tracing.body(last)
    if inner is not None:
        # Calls with several results end in none of these.
        return ending(inner.jaxpr) if len(last.outvars) == 1 else ""
    if last.primitive.name == "logistic":
        return "sigmoid"
    return "softmax" if last.primitive.name == "div" and _is_share(jaxpr, last) else ""


def _maker(jaxpr: Jaxpr, variable: Any) -> JaxprEqn | None:
    """Return the operation that makes a variable, behind those that only move its numbers."""
    made = {result: equation for equation in jaxpr.eqns for result in equation.outvars}
    equation = None if isinstance(variable, Literal) else made.get(variable)
    while equation is not None and equation.primitive.name in PASSING:
        before = equation.invars[0]
        equation = None if isinstance(before, Literal) else made.get(before)
    return equation


def _is_share(jaxpr: Jaxpr, quotient: JaxprEqn) -> bool:
    """Whether a quotient divides exponentials by their sum."""
    top, total = (_maker(jaxpr, variable) for variable in quotient.invars)
    if top is None or total is None or top.primitive.name != "exp" or total.primitive.name != "reduce_sum":
        return False
    return _maker(jaxpr, total.invars[0]) is top
