"""Broadcasting: finds functions of outputs (n, 1) and targets (n,) that combine every output with every target."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend.core import Jaxpr, Literal

from analysis._errors import InputError
from sweeps._program import tracing


class Origin(NamedTuple):
    """Where an array of a function comes from.

    Attributes
    ----------
    names : set of str
        Of the arguments.
    is_table : bool
        Whether it holds a number for each pair of examples.
    """

    names: frozenset[str] = frozenset()
    is_table: bool = False


def check(what: str, function: Callable[[Any, Any], Any], outputs: Any, targets: Any) -> None:
    """Raise InputError for a function that combines outputs (n, 1) and targets (n,), or the reverse, to (n, n).

    A table of pairs that a function makes of outputs alone, or of targets alone, is meant.

    Parameters
    ----------
    what : str
        The function, for the message.
    function : callable
        (outputs, targets) -> values.
    outputs, targets : object
        Arrays or their shapes; others are not looked at.
    """
    shapes = getattr(outputs, "shape", ()), getattr(targets, "shape", ())
    number = (*shapes[0], 0)[0]
    if number < 2 or {(number,), (number, 1)} != set(shapes):
        return
    traced = jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(one.shape, one.dtype) for one in (outputs, targets)))
    if _crosses(traced.jaxpr, [Origin(frozenset([name])) for name in ("outputs", "targets")], number)[0]:
        advice = "targets[:, None]" if len(shapes[0]) == 2 else "targets[:, 0]"
        raise InputError(
            f"{what} combines outputs {shapes[0]} and targets {shapes[1]} to {(number, number)}, each output with "
            f"every target: give {advice}"
        )


def _crosses(jaxpr: Jaxpr, origins: Sequence[Origin], number: int) -> tuple[bool, list[Origin]]:
    """Whether an operation makes pairs of examples of outputs and targets; and the origins of the results."""
    known: dict[Any, Origin] = dict(zip(jaxpr.invars, origins, strict=True))

    def of(variable: Any) -> Origin:
        return Origin() if isinstance(variable, Literal) else known.get(variable, Origin())

    for equation in jaxpr.eqns:
        operands, inner = [of(variable) for variable in equation.invars], tracing.body(equation)
        if inner is not None:
            found, results = _crosses(inner.jaxpr, operands, number)
            if found:
                return True, []
            known.update(zip(equation.outvars, results, strict=True))
            continue
        single = [operand.names for operand in operands if operand.names and not operand.is_table]
        is_large = any(getattr(result.aval, "size", 0) >= number**2 for result in equation.outvars)
        if is_large and equation.primitive.name != "dot_general" and {*map(len, single)} == {1} and len({*single}) > 1:
            return True, []
        names = frozenset[str]().union(*[operand.names for operand in operands])
        made = Origin(names, is_large and (len(single) > 1 or any(operand.is_table for operand in operands)))
        known.update(dict.fromkeys(equation.outvars, made))
    return False, [of(variable) for variable in jaxpr.outvars]
