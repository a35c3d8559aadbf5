"""Hoisting: cuts a function of gates and data into stages, so that a loop over gates repeats only what they change."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun
from jaxtyping import Array

from sweeps._program import bodies

Values = list[Array]


class Stage(NamedTuple):
    """A part of a program of gates and data.

    Attributes
    ----------
    run : callable
        (gates, *values that it reads) -> values that later stages read, or the program's results; of stage 0, (*data)
        -> values.
    reads : tuple of tuple
        Of each value that it reads, the stage that makes it and its number among that stage's values.
    bytes : tuple of int
        Size of each value that it makes.
    """

    run: Callable[..., Values]
    reads: tuple[tuple[int, int], ...]
    bytes: tuple[int, ...]


def split(
    function: Callable[[Array, Any], Any], gates: jax.ShapeDtypeStruct, data: Any
) -> tuple[Callable[[Any], Values], Callable[[Array, Values], Any], int]:
    """Split a function of gates and data into a part that does not depend on the gates, and the rest.

    A loop over gates then repeats the rest only. Operations that hold others (a scan, a nested jit) are not split.

    Parameters
    ----------
    function : callable
        (gates, data) -> pytree of arrays, traceable.
    gates : jax.ShapeDtypeStruct
        Shape and type of the gates.
    data : object
        Pytree of arrays, or of their shapes and types.

    Returns
    -------
    before : callable
        Data -> values.
    rest : callable
        (gates, values) -> the function's result.
    size : int
        Of the values, in bytes.
    """
    closed, shape = jax.make_jaxpr(function, return_shape=True)(gates, data)
    known, rest = stages(closed, _numbers(closed))
    return (
        lambda data: known.run(*jax.tree.leaves(data)),
        lambda gates, values: jax.tree.unflatten(jax.tree.structure(shape), rest.run(gates, *values)),
        sum(known.bytes),
    )


def _numbers(closed: ClosedJaxpr) -> dict[Var, int]:
    """Return 1 for each variable that depends on the first input, and 0 for the others."""
    first, *others = closed.jaxpr.invars
    numbers = {first: 1} | dict.fromkeys(others, 0)
    for equation in closed.jaxpr.eqns:
        late = bool(equation.effects) or any(numbers.get(variable) for variable in _variables(equation.invars))
        numbers.update(dict.fromkeys(equation.outvars, int(late)))
    return numbers


def stages(closed: ClosedJaxpr, numbers: Mapping[Var, int], free: Collection[Var] = ()) -> list[Stage]:
    """Cut a program of gates, its first input, and data into stages; stage 0 reads the data alone.

    Parameters
    ----------
    closed : ClosedJaxpr
        The program.
    numbers : mapping of Var to int
        Stage of each variable that is no constant; no variable depends on one of a later stage.
    free : sequence of Var
        Variables that hold gates and little else, which each stage that reads them makes anew.
    """
    jaxpr, last = closed.jaxpr, max(1, *numbers.values())
    makes: list[dict[Var, None]] = [{} for _ in range(last + 1)]
    parts: list[tuple[list[JaxprEqn], list[Var]]] = []
    for stage in range(last, -1, -1):
        equations, wanted = [], set(_variables(jaxpr.outvars) if stage == last else makes[stage])
        for equation in reversed(jaxpr.eqns):
            own = numbers[equation.outvars[0]] == stage if equation.outvars else stage == last
            is_made = own or any(result in free for result in equation.outvars)
            if is_made and (equation.effects or not wanted.isdisjoint(equation.outvars)):
                equations.append(equation)
                wanted.difference_update(equation.outvars)
                wanted.update(_variables(equation.invars))
        reads = [variable for variable in numbers if variable in wanted and variable != jaxpr.invars[0]]
        parts.append((equations[::-1], reads if stage else jaxpr.invars[1:]))
        for variable in reads if stage else ():
            makes[numbers[variable]][variable] = None
    places = {variable: (stage, place) for stage, made in enumerate(makes) for place, variable in enumerate(made)}

    def made(stage: int, equations: list[JaxprEqn], reads: list[Var]) -> Stage:
        inputs = [*jaxpr.invars[:1], *reads] if stage else reads
        outputs = jaxpr.outvars if stage == last else list(makes[stage])
        run = jaxpr_as_fun(ClosedJaxpr(jaxpr.replace(invars=inputs, outvars=outputs, eqns=equations), closed.consts))
        avals: list[Any] = [atom.aval for atom in outputs]
        sizes = tuple(math.prod(aval.shape) * aval.dtype.itemsize for aval in avals)
        return Stage(run, tuple(places[variable] for variable in reads) if stage else (), sizes)

    return [made(stage, *part) for stage, part in enumerate(reversed(parts))]


def _variables(atoms: Iterable[Any]) -> list[Var]:
    return [atom for atom in atoms if not isinstance(atom, Literal)]


def has_loops(jaxpr: Jaxpr) -> bool:
    """Whether a program, or one that it calls, is a loop over steps."""
    return any(
        equation.primitive.name == "scan" or any(has_loops(inner.jaxpr) for inner in bodies(equation))
        for equation in jaxpr.eqns
    )
