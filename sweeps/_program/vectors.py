"""Vectors: the axes of a value that hold the numbers of one node, such as the features of a head."""

from collections.abc import Sequence

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

from sweeps._program import rules, tracing
from sweeps._program.flow import Read
from sweeps._program.placing import Placing
from sweeps._program.sites import Place
from sweeps._program.values import EXIT, Frame, Key, Value, placed

# Operations that leave every number at its place.
STAYING = rules.LINEAR | {"loop"}


def vector_axes(placing: Placing, jaxpr: Jaxpr, place: Place) -> set[int]:
    """Return the axes of a place's value over which the parameters sum that read it, behind moves; empty if unknown.

    Parameters
    ----------
    placing, jaxpr : Placing or Jaxpr
        Of the program.
    place : Place
        Of nodes.
    """
    reader = placing.reader
    # Of a loop that is read several times, the last time counts.
    vertex = next((value.vertex for value in reversed(reader.values) if value.key == place.key), EXIT)
    if vertex == EXIT:
        return set()
    shape = reader.values[vertex].aval.shape
    # Of each axis, the number of each place along it.
    along = [placed(np.arange(size), [axis], len(shape)) for axis, size in enumerate(shape)]
    while not (reads := [read for read in reader.reads.values() if placing.copied(read.value.vertex) == vertex]):
        onward = {(edge.after, edge.word) for edge in placing.edges[vertex]}
        after, word = next(iter(onward)) if len(onward) == 1 else (EXIT, "")
        key = reader.values[after].key if after != EXIT else None
        if key is None:
            return set()
        if word in rules.MOVING:
            found = [_moved(_equation(jaxpr, key), reader.values[vertex], ids) for ids in along]
            if any(ids is None for ids in found):
                return set()
            along = [ids for ids in found if ids is not None]
        elif word not in STAYING:
            return set()
        vertex = after
    return {axis for axis, ids in enumerate(along) if _varies_over(ids, reads)}


def _varies_over(ids: np.ndarray, reads: Sequence[Read]) -> bool:
    return any((ids != ids.take([0], axis)).any() for read in reads for axis in read.axes)


def _moved(equation: JaxprEqn, value: Value, ids: np.ndarray) -> np.ndarray | None:
    operands = [Value("nodes", value.aval, EXIT, ids=ids)]
    operands += [Value("data", variable.aval, EXIT) for variable in equation.invars[1:]]
    try:
        results = rules.moved(equation, operands)
    except (TypeError, ValueError):
        return None
    return None if results is None or len(results) > 1 else results[0]


def _equation(jaxpr: Jaxpr, key: Key) -> JaxprEqn:
    frame: Frame = key[0]
    for number in frame:
        jaxpr = tracing.within(jaxpr.eqns[number]).jaxpr
    return jaxpr.eqns[key[1]]
