"""Running: evaluates a program with gates on some of its values."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from analysis._errors import UnsupportedError
from sweeps._program import tracing
from sweeps._program.sites import Place
from sweeps._program.values import Frame, Key, is_in_order


class Part(NamedTuple):
    """What a place needs.

    Attributes
    ----------
    gates : array or None
        Of the nodes, shape (*loops over layers, nodes).
    off : array or None
        What the value becomes where nodes are off, with an axis for each scan around it in front of axes that broadcast
        to its own; None for zero.
    """

    gates: jax.Array | None
    off: jax.Array | None = None


Parts = Mapping[Key, Part]


class Runner(NamedTuple):
    """Runs a program; calls and loops without gates run as they are.

    Attributes
    ----------
    places : mapping of Key to Place
        Of the gates, by key.
    """

    places: Mapping[Key, Place]

    def run(self, jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any], frame: Frame, parts: Parts) -> list[Any]:
        """Return the results of a function."""
        inputs = [self._gated(value, (frame, "in", j), parts) for j, value in enumerate(inputs)]
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

        def of(variable: Any) -> Any:
            return variable.val if isinstance(variable, Literal) else known[variable]

        for number, equation in enumerate(jaxpr.eqns):
            operands = [of(variable) for variable in equation.invars]
            operands = [self._gated(value, (frame, number, "of", j), parts) for j, value in enumerate(operands)]
            results = self._results(equation, operands, (*frame, number), parts)
            for j, (variable, result) in enumerate(zip(equation.outvars, results, strict=True)):
                known[variable] = self._gated(result, (frame, number, j), parts)
        return [of(variable) for variable in jaxpr.outvars]

    def _gated(self, value: Any, key: Key, parts: Parts) -> Any:
        return gated(value, parts[key], self.places[key].ids) if key in parts else value

    def _results(self, equation: JaxprEqn, operands: list[Any], here: Frame, parts: Parts) -> list[Any]:
        inside = _within(parts, here)
        if not inside:
            return tracing.bind(equation, operands)
        name = equation.primitive.name
        if name == "scan":
            return self._scan(equation, operands, here, inside)
        if name == "while":
            return self._while(equation.params, operands, here, inside)
        inner = tracing.body(equation)
        assert inner is not None  # nothing but loops and calls holds gates

        def run(operands: list[Any], parts: Parts) -> list[Any]:
            return self.run(inner.jaxpr, inner.consts, operands, here, parts)

        if "prevent_cse" in equation.params:
            params = {key: equation.params[key] for key in ("prevent_cse", "policy")}
            return jax.checkpoint(
                lambda operands, parts: run(operands, dict(zip(inside, parts, strict=True))), **params
            )(operands, list(inside.values()))
        return run(operands, inside)

    def _scan(self, equation: JaxprEqn, operands: list[Any], here: Frame, parts: Parts) -> list[Any]:
        """Run a loop whose body has gates; those of a loop over layers are sliced with the layers."""
        own = {
            key: part if here in self.places[key].frames else part._replace(gates=None) for key, part in parts.items()
        }

        def run(inner: list[Any], slices: list[Part]) -> tuple[list[Any], None]:
            every = {
                key: one if one.gates is not None else one._replace(gates=parts[key].gates)
                for key, one in zip(parts, slices, strict=True)
            }
            return self.run(*_body(equation), inner, here, every), None

        return scanned(equation, operands, list(own.values()), run)[0]

    def _while(self, params: Any, operands: list[Any], here: Frame, parts: Parts) -> list[Any]:
        ahead, fixed = params["cond_nconsts"], params["body_nconsts"]
        test, inner = params["cond_jaxpr"], params["body_jaxpr"]
        start = operands[ahead + fixed :]
        return lax.while_loop(
            lambda carry: jax.core.eval_jaxpr(test.jaxpr, test.consts, *operands[:ahead], *carry)[0],
            lambda carry: self.run(inner.jaxpr, inner.consts, [*operands[ahead : ahead + fixed], *carry], here, parts),
            start,
        )


class Noter(Runner):
    """Runs a program without gates and appends the values at some places to lists, given in place of parts.

    A value within a scan has an axis for its steps in front.
    """

    def _gated(self, value: Any, key: Key, parts: Any) -> Any:
        if key in parts:
            parts[key].append(value)
        return value

    def _results(self, equation: JaxprEqn, operands: list[Any], here: Frame, parts: Any) -> list[Any]:
        inside = _within(parts, here)
        if not inside:
            return tracing.bind(equation, operands)
        if equation.primitive.name == "scan":
            return self._scan(equation, operands, here, inside)
        inner = tracing.body(equation)
        if inner is None:
            raise UnsupportedError("values within a while loop are not to be seen: it may take any number of steps")
        return self.run(inner.jaxpr, inner.consts, operands, here, inside)

    def _scan(self, equation: JaxprEqn, operands: list[Any], here: Frame, parts: Any) -> list[Any]:
        def run(inner: list[Any], _: Any) -> tuple[list[Any], list[Any]]:
            noted: Any = {key: [] for key in parts}
            results = self.run(*_body(equation), inner, here, noted)
            return results, [values[-1] for values in noted.values()]

        results, noted = scanned(equation, operands, None, run)
        for values, value in zip(parts.values(), noted, strict=True):
            values.append(value)
        return results


def scanned(equation: JaxprEqn, operands: list[Any], slices: Any, run: Any) -> tuple[list[Any], Any]:
    """Run a scan by another function; return its results, and what else the function returns, stacked.

    Parameters
    ----------
    equation, operands : JaxprEqn or list
        The scan.
    slices : object
        Pytree of arrays that are sliced with the scan's own.
    run : object
        (operands of the body, slices) -> results of the body, pytree of arrays.
    """
    fixed, carried = tracing.constants_and_carry(equation)

    def step(carry: list[Any], sliced: tuple[list[Any], Any]) -> tuple[list[Any], Any]:
        results, more = run([*operands[:fixed], *carry, *sliced[0]], sliced[1])
        return results[:carried], (results[carried:], more)

    options = {key: equation.params[key] for key in ("length", "reverse", "unroll")}
    every = operands[fixed + carried :], slices
    carry, (stacked, more) = lax.scan(step, operands[fixed : fixed + carried], every, **options)
    return [*carry, *stacked], more


def scans_around(jaxpr: Jaxpr, frame: Frame) -> list[tuple[Frame, int]]:
    """Return the scans that hold a frame, the outermost first, with their numbers of steps."""
    scans = []
    for depth, number in enumerate(frame):
        equation = jaxpr.eqns[number]
        if equation.primitive.name == "scan":
            scans.append((frame[: depth + 1], equation.params["length"]))
        jaxpr = tracing.within(equation).jaxpr
    return scans


def _body(equation: JaxprEqn) -> tuple[Jaxpr, Sequence[Any]]:
    (inner,) = tracing.bodies(equation)
    return inner.jaxpr, inner.consts


def _within(parts: Mapping[Key, Any], here: Frame) -> dict[Key, Any]:
    return {key: part for key, part in parts.items() if key[0][: len(here)] == here}


def gated(value: jax.Array, part: Part, ids: np.ndarray) -> jax.Array:
    """Return g h + (1 - g) c for a value h, the gates g of its nodes and what they are when off, c.

    The result has the value's own type. It is computed in the wider of the types of value and gates, and so are
    derivatives by gates, sums over all examples. A node that is off contributes c, whatever its value, and one that is
    on its value, whatever c: zero times infinity is zero here.

    Parameters
    ----------
    value : array
        Any value that holds the nodes.
    part : Part
        Gates of shape (nodes,), and what broadcasts to the value, or None for zero.
    ids : numpy.ndarray
        Number of the node at each place, of shape that broadcasts to the value's.
    """
    assert part.gates is not None
    gates = taken(part.gates, ids)
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.promote_types(gates.dtype, value.dtype)
    found = _weighted(value.astype(dtype), gates.astype(dtype))
    if part.off is not None:
        found = found + _weighted(part.off.astype(dtype), 1 - gates.astype(dtype))
    return found.astype(value.dtype)


def taken(numbers: jax.Array, ids: np.ndarray) -> jax.Array:
    """Return the number of the node at each place, given those of the nodes, shape (..., nodes)."""
    if ids.size == numbers.shape[-1] and is_in_order(ids):
        return numbers.reshape(*numbers.shape[:-1], *ids.shape)
    return numbers[..., ids]


def _weighted(value: jax.Array, weights: jax.Array) -> jax.Array:
    lost = (weights == 0) & ~jnp.isfinite(value)
    return jnp.where(lost, jnp.zeros_like(value), value) * weights
