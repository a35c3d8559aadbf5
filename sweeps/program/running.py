"""Running: evaluates a program with gates on some of its values."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from analysis.errors import UnsupportedError
from sweeps.program import tracing
from sweeps.program.sites import Place
from sweeps.program.values import Frame, Key, is_in_order

Gates = Mapping[Key, jax.Array]


class Runner(NamedTuple):
    """Runs a program; calls and loops without gates run as they are.

    Attributes
    ----------
    places : of the gates, by key
    """

    places: Mapping[Key, Place]

    def run(self, jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any], frame: Frame, gates: Gates) -> list[Any]:
        """Return the results of a function."""
        inputs = [self._gated(value, (frame, "in", j), gates) for j, value in enumerate(inputs)]
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

        def of(variable: Any) -> Any:
            return variable.val if isinstance(variable, Literal) else known[variable]

        for number, equation in enumerate(jaxpr.eqns):
            operands = [of(variable) for variable in equation.invars]
            operands = [self._gated(value, (frame, number, "of", j), gates) for j, value in enumerate(operands)]
            results = self._results(equation, operands, (*frame, number), gates)
            for j, (variable, result) in enumerate(zip(equation.outvars, results, strict=True)):
                known[variable] = self._gated(result, (frame, number, j), gates)
        return [of(variable) for variable in jaxpr.outvars]

    def _gated(self, value: Any, key: Key, gates: Gates) -> Any:
        return multiplied(value, gates[key], self.places[key].ids) if key in gates else value

    def _results(self, equation: JaxprEqn, operands: list[Any], here: Frame, gates: Gates) -> list[Any]:
        inside = {key: gate for key, gate in gates.items() if key[0][: len(here)] == here}
        if not inside:
            return tracing.bind(equation, operands)
        name = equation.primitive.name
        if name == "scan":
            return self._scan(equation, operands, here, inside)
        if name == "while":
            return self._while(equation.params, operands, here, inside)
        inner = tracing.body(equation)
        assert inner is not None  # nothing but loops and calls holds gates

        def run(operands: list[Any], gates: Gates) -> list[Any]:
            return self.run(inner.jaxpr, inner.consts, operands, here, gates)

        if "prevent_cse" in equation.params:
            params = {key: equation.params[key] for key in ("prevent_cse", "policy")}
            return jax.checkpoint(
                lambda operands, gates: run(operands, dict(zip(inside, gates, strict=True))), **params
            )(operands, list(inside.values()))
        return run(operands, inside)

    def _scan(self, equation: JaxprEqn, operands: list[Any], here: Frame, gates: Gates) -> list[Any]:
        """Run a loop whose body has gates; gates of a loop over layers are sliced with the layers."""
        (inner,), (fixed, carried) = tracing.bodies(equation), tracing.constants_and_carry(equation)
        sliced = {key: gate for key, gate in gates.items() if here in self.places[key].frames}

        def step(carry: list[Any], slices: tuple[list[Any], list[Any]]) -> tuple[list[Any], list[Any]]:
            own = dict(gates) | dict(zip(sliced, slices[1], strict=True))
            inputs = [*operands[:fixed], *carry, *slices[0]]
            results = self.run(inner.jaxpr, inner.consts, inputs, here, own)
            return results[:carried], results[carried:]

        options = {key: equation.params[key] for key in ("length", "reverse", "unroll")}
        every = operands[fixed + carried :], list(sliced.values())
        carry, slices = lax.scan(step, operands[fixed : fixed + carried], every, **options)
        return [*carry, *slices]

    def _while(self, params: Any, operands: list[Any], here: Frame, gates: Gates) -> list[Any]:
        ahead, fixed = params["cond_nconsts"], params["body_nconsts"]
        test, inner = params["cond_jaxpr"], params["body_jaxpr"]
        start = operands[ahead + fixed :]
        return lax.while_loop(
            lambda carry: jax.core.eval_jaxpr(test.jaxpr, test.consts, *operands[:ahead], *carry)[0],
            lambda carry: self.run(inner.jaxpr, inner.consts, [*operands[ahead : ahead + fixed], *carry], here, gates),
            start,
        )


class Noter(Runner):
    """Runs a program without gates and appends the values at some places to lists, given in place of gates."""

    def _gated(self, value: Any, key: Key, gates: Any) -> Any:
        if key in gates:
            gates[key].append(value)
        return value

    def _results(self, equation: JaxprEqn, operands: list[Any], here: Frame, gates: Any) -> list[Any]:
        inside = {key: values for key, values in gates.items() if key[0][: len(here)] == here}
        if not inside:
            return tracing.bind(equation, operands)
        inner = tracing.body(equation)
        if inner is None:
            raise UnsupportedError("values within a loop are not to be seen: each step has its own")
        return self.run(inner.jaxpr, inner.consts, operands, here, inside)


def multiplied(value: jax.Array, gates: jax.Array, ids: np.ndarray) -> jax.Array:
    """Multiply a value by the gates of its nodes; the result has the value's own type.

    The product is taken in the wider of both types, and so is its gradient, a sum over all examples. A node that is
    off contributes nothing, whatever its value: zero times infinity is zero here.

    Parameters
    ----------
    value : any value that holds the nodes
    gates : of the nodes, shape (nodes,)
    ids : number of the node at each place, of shape that broadcasts to the value's
    """
    whole = gates.reshape(ids.shape) if ids.size == gates.size and is_in_order(ids) else gates[ids]
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.promote_types(gates.dtype, value.dtype)
    wide, whole = value.astype(dtype), whole.astype(dtype)
    lost = (whole == 0) & ~jnp.isfinite(wide)
    return (jnp.where(lost, jnp.zeros_like(wide), wide) * whole).astype(value.dtype)
