"""Dependence: on which numbers of a vector, a program's first input, each of its values depends."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal, Var
from jaxtyping import Bool

from sweeps._program import rules
from sweeps._program.values import Value, concatenated


class Origin(NamedTuple):
    """What a value is made of.

    Attributes
    ----------
    on : numpy.ndarray of bool, (numbers,)
        Whether it depends on each number of the vector.
    value : Value or None
        Of a constant, and of a value that holds numbers of the vector, each changed by itself: ``ids`` are their
        numbers at each place, -1 for none; None for any other value.
    """

    on: Bool[np.ndarray, " numbers"]
    value: Value | None

    @property
    def is_of_vector(self) -> bool:
        """Whether the value holds numbers of the vector, each changed by itself."""
        return self.value is not None and bool(self.on.any())


def origins(closed: ClosedJaxpr) -> dict[Var, Origin]:
    """Return the origin of every variable of a program, whose first input is the vector.

    A value that holds several numbers of the vector is told apart place by place for as long as they are only moved or
    changed one by one; whatever else it reads, a value depends on all that its operands depend on.
    """
    jaxpr, (vector, *others) = closed.jaxpr, closed.jaxpr.invars
    count = vector.aval.shape[0]
    nothing = np.zeros(count, bool)
    found = {vector: Origin(~nothing, _held(vector.aval, np.arange(count)))}
    found |= {variable: Origin(nothing, None) for variable in others}
    for variable, const in zip(jaxpr.constvars, closed.consts, strict=True):
        # Arrays of floats are parameters or data, though nothing but the trace holds them.
        is_known = not isinstance(const, jax.core.Tracer) and not jnp.issubdtype(variable.aval.dtype, jnp.inexact)
        found[variable] = Origin(nothing, _known(variable.aval, const) if is_known else None)
    for equation in jaxpr.eqns:
        operands = [
            Origin(nothing, _known(atom.aval, atom.val)) if isinstance(atom, Literal) else found[atom]
            for atom in equation.invars
        ]
        found.update(zip(equation.outvars, _made(equation, operands, nothing), strict=True))
    return found


def _held(aval: Any, ids: np.ndarray) -> Value:
    return Value("nodes", aval, 0, ids=ids)


def _known(aval: Any, array: Any) -> Value:
    return Value("weights", aval, 0, known=lambda: np.asarray(array))


def _made(equation: JaxprEqn, operands: Sequence[Origin], nothing: np.ndarray) -> list[Origin]:
    """Return the origins of an operation's results."""
    on = np.logical_or.reduce([nothing, *(origin.on for origin in operands)])
    values = [origin.value for origin in operands if origin.value is not None]
    if equation.effects or len(values) < len(operands):
        return [Origin(on, None) for _ in equation.outvars]
    if not on.any():
        known = [rules.computed(equation, values, number) for number in range(len(equation.outvars))]
        return [
            Origin(nothing, Value("weights", variable.aval, 0, known=function))
            for variable, function in zip(equation.outvars, known, strict=True)
        ]
    ids = _ids(equation, values, [origin.is_of_vector for origin in operands])
    if ids is None:
        return [Origin(on, None) for _ in equation.outvars]
    return [
        Origin(_numbers_in(part, len(nothing)), _held(variable.aval, part))
        for variable, part in zip(equation.outvars, ids, strict=True)
    ]


def _numbers_in(ids: np.ndarray, count: int) -> Bool[np.ndarray, " numbers"]:
    on = np.zeros(count, bool)
    on[np.unique(ids[ids >= 0])] = True
    return on


def _ids(equation: JaxprEqn, values: Sequence[Value], held: Sequence[bool]) -> list[np.ndarray] | None:
    """Return which number of the vector stands at each place of the results; None where that is unknown."""
    result: Any = equation.outvars[0]
    name, shape = equation.primitive.name, result.aval.shape
    if name in rules.MOVING:
        # What is moved, and not where it is taken from, holds numbers of the vector.
        return rules.moved(equation, list(values)) if held[0] and not any(held[1:]) else None
    if name == "concatenate":
        return [concatenated([(value.aval.shape, value.ids) for value in values], equation.params["dimension"])]
    if name not in rules.ELEMENTWISE or len(equation.outvars) > 1:
        return None
    whole = np.full([1] * len(shape), -1)
    for value in values:
        if value.ids is None:
            continue
        ids = value.ids if value.ids.ndim == len(shape) else value.ids.reshape([1] * len(shape))
        if ((whole != ids) & (whole >= 0) & (ids >= 0)).any():
            return None
        whole = np.maximum(whole, ids)
    return [whole]
