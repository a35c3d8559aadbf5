"""Flow: which layers an array comes from, and whether gates reach the outputs, read off the traced program.

Marks are put on what layers read and make. They are names that JAX carries along and that change no number. An array
then comes from those layers whose marks its value depends on, through any operation, loop or nested function.
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

PREFIX = "gatesweep"

Origins = frozenset[str]
NOWHERE: Origins = frozenset()


def mark(array: jax.Array, what: str, path: str) -> jax.Array:
    """Return the array with a mark: a layer of that path ``reads``, ``makes`` or ``holds`` it (its kernel)."""
    return checkpoint_name(array, f"{PREFIX} {what} {path}")


class Flow:
    """Origins of the values of a traced program.

    Parameters
    ----------
    program : with marks in it
    seeds : origins of each of its inputs; none by default

    Attributes
    ----------
    reads : by layer, the layers that make what it reads, the nearest ones, and those whose kernel is read on the way
    outputs : origins of each of the program's outputs
    """

    def __init__(self, program: ClosedJaxpr, seeds: Sequence[Origins] | None = None):
        self.reads: dict[str, Origins] = {}
        inputs = list(seeds) if seeds is not None else [NOWHERE] * len(program.jaxpr.invars)
        self.outputs = self._through(program.jaxpr, inputs)

    def _through(self, jaxpr: Jaxpr, inputs: Sequence[Origins]) -> list[Origins]:
        known: dict[Any, Origins] = dict(zip(jaxpr.invars, inputs, strict=True))

        def of(variable: Any) -> Origins:
            return NOWHERE if isinstance(variable, Literal) else known.get(variable, NOWHERE)

        for equation in jaxpr.eqns:
            results = self._after(equation, [of(variable) for variable in equation.invars])
            known.update(zip(equation.outvars, results, strict=True))
        return [of(variable) for variable in jaxpr.outvars]

    def _after(self, equation: JaxprEqn, operands: list[Origins]) -> list[Origins]:
        """Origins of an operation's results."""
        name = equation.params.get("name")
        if isinstance(name, str) and name.startswith(f"{PREFIX} "):
            _, what, path = name.split(" ", 2)
            if what in ("makes", "holds"):
                return [frozenset([path])]
            self.reads[path] = self.reads.get(path, NOWHERE) | operands[0]
            return operands
        bodies = [body for value in equation.params.values() for body in _jaxprs(value)]
        if not bodies:
            return [NOWHERE.union(*operands)] * len(equation.outvars)
        if equation.primitive.name == "scan":
            return self._looped(equation, bodies[0], operands)
        if equation.primitive.name == "cond":
            branches = [self._through(body, operands[1:]) for body in bodies]
            return [operands[0].union(*results) for results in zip(*branches, strict=True)]
        if len(bodies) == 1 and len(bodies[0].invars) == len(operands):
            return self._through(bodies[0], operands)
        # Of operations that are not known here, everything may depend on everything.
        whole = NOWHERE.union(*operands)
        for body in bodies * 2:
            whole = whole.union(*self._through(body, [whole] * len(body.invars)))
        return [whole] * len(equation.outvars)

    def _looped(self, equation: JaxprEqn, body: Jaxpr, operands: list[Origins]) -> list[Origins]:
        """Origins of a loop's results: what is carried grows until nothing is added.

        A loop reads constants, what it carries and slices, in this order, and makes what it carries and slices. Slices
        lack an axis within it. The parameters that say so differ between versions of JAX.
        """
        carried = sum(map(_same_axes, equation.outvars, body.outvars))
        start = sum(map(_same_axes, equation.invars, body.invars)) - carried
        while True:
            results = self._through(body, operands)
            old = operands[start : start + carried]
            grown = [before | after for before, after in zip(old, results[:carried], strict=True)]
            if grown == old:
                return [*grown, *results[carried:]]
            operands = [*operands[:start], *grown, *operands[start + carried :]]


def _same_axes(outside: Any, inside: Any) -> bool:
    return len(outside.aval.shape) == len(inside.aval.shape)


def _jaxprs(value: Any) -> list[Jaxpr]:
    if isinstance(value, ClosedJaxpr):
        return [value.jaxpr]
    if isinstance(value, Jaxpr):
        return [value]
    if isinstance(value, tuple | list):
        return [body for one in value for body in _jaxprs(one)]
    return []
