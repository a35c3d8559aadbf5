"""Propagating: relevance of an example, step by step from the output back to the inputs, and through loops."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from sweeps._losses import widened
from sweeps.relevance._loops import Found, through_loop
from sweeps.relevance._methods import Rules
from sweeps.relevance._passing import (
    Pass,
    Passed,
    through_copy,
    through_function,
    through_layer,
    through_nonlinearity,
    through_product,
)
from sweeps.relevance._results import Flow, Relevance
from sweeps.relevance._steps import Activations, Program, Step
from sweeps.relevance._through_maxima import through_maximum

Start = Callable[[Array], Array]
_RULES: dict[str, Callable[[Pass, Step, Any], Passed]] = {
    "layer": through_layer,
    "linear": through_layer,
    "copy": through_copy,
    "nonlinearity": through_nonlinearity,
    "maximum": through_maximum,
    "product": through_product,
    "function": through_function,
}


def propagate(
    program: Program, rules: Rules, leaves: Sequence[Array], inputs: Array, baseline: Array, start: Start, steps: int
) -> Relevance:
    """Return the relevance of an example.

    Parameters
    ----------
    program, rules : Program or Rules
        Of the network.
    leaves : sequence of array
        Of its state.
    inputs, baseline : array
        Shape (1, ...).
    start : Start
        Network's output -> its start value.
    steps : int
        Number of pieces of a path.
    """
    flat = program.flat
    values = flat.values(leaves, inputs)
    began = start(values[flat.output])
    if not rules.needs_baseline:
        return _backwards(Pass(program, rules, values, values), began)
    if rules.quantity == "difference":
        other = flat.values(leaves, baseline)
        return _backwards(Pass(program, rules, values, other, (values, other)), began)

    def piece(number: Array) -> Relevance:
        """Return the relevance of a piece: its gradient halfway times the change of the activations."""
        first, last = widened(baseline), widened(inputs)
        at = ((number.astype(last.dtype) + shift) / steps for shift in (0.0, 0.5, 1.0))
        points = ((first + part * (last - first)).astype(inputs.dtype) for part in at)
        begin, halfway, end = (flat.values(leaves, point) for point in points)
        return _backwards(Pass(program, rules, halfway, halfway, (end, begin)), began)

    numbers = jnp.arange(steps)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(piece, numbers[0]))
    return lax.scan(lambda total, number: (jax.tree.map(jnp.add, total, piece(number)), None), zeros, numbers)[0]


def _backwards(run: Pass, began: Array) -> Relevance:
    flat, output = run.program.flat, run.program.flat.output
    at: dict[int, Array] = {output: began}
    found = _through(run, run.program.steps, at)
    at.setdefault(flat.input, jnp.zeros_like(run.values[flat.input]))
    relevance = {number: run.relevance(number, quantity) for number, quantity in at.items()} | found.within
    return Relevance(
        inputs=relevance[flat.input][0],
        layers=OrderedDict((name, _of_nodes(where, relevance)) for name, where in run.program.activations.items()),
        bias=_in_order(found.bias),
        absorbed=OrderedDict((name, flow.absorbed) for name, flow in _in_order(found.flows).items()),
        output=jnp.sum(relevance[output]),
        flows=_in_order(found.flows),
    )


def _of_nodes(where: Activations, relevance: dict[int, Array]) -> Array:
    if len(where.numbers) == 1:
        return relevance[where.numbers[0]][0]
    parts = [relevance[number] for number in where.numbers]
    # The steps of loops are axes behind that for examples.
    axis = where.axis + parts[0].ndim - where.ndim if where.axis else 0
    return jnp.concatenate(parts, axis).take(np.array(where.order), axis)[0]


def _in_order(by_step: dict[str, Any]) -> OrderedDict[str, Any]:
    """Sort what was collected backwards from the first step to the last."""
    return OrderedDict(reversed(by_step.items()))


def _through(run: Pass, steps: Sequence[Step], at: dict[int, Array]) -> Found:
    """Go back through steps; ``at`` has the quantity of each activation, and gets those of earlier ones."""
    found = Found({}, {}, {})
    for step in reversed(steps):
        received = [at.setdefault(number, jnp.zeros_like(run.values[number])) for number in step.outputs]
        if step.kind == "loop":
            passed, left = through_loop(run, step, received, _through)
            found.add(left)
        else:
            passed = _RULES[step.kind](run, step, received if step.kind == "function" else received[0])
            _note(run, step, received, passed, found)
        for source, share in zip(step.sources, passed.sources, strict=True):
            at[source] = at[source] + share if source in at else share
    return found


def _note(run: Pass, step: Step, received: Sequence[Array], passed: Passed, found: Found) -> None:
    if passed.bias is not None:
        found.bias[step.name] = _of_bias(step, passed.bias)
    if passed.offset is not None:
        # Of an expansion, the offset is what its derivatives leave.
        found.bias[f"{step.name} {'rest' if step.kind == 'function' else 'offset'}"] = widened(passed.offset[0])
    if step.kind != "copy" or passed.bias is not None:
        found.flows[step.name] = _flow(run, step, received, passed)


def _of_bias(step: Step, relevance: Array) -> Array:
    """Sum over the places of the same bias, and reshape to the bias's own shape."""
    relevance = widened(relevance)
    if step.bias_shape is None:
        return relevance[0]
    return jnp.sum(relevance, axis=step.bias_axes).reshape(step.bias_shape)


def _total(values: Array | None) -> Array:
    return jnp.zeros((), jnp.float32) if values is None else jnp.sum(widened(values))


def _flow(run: Pass, step: Step, received: Sequence[Array], passed: Passed) -> Flow:
    dtype = jnp.real(widened(received[0])).dtype

    def total(pairs: Any) -> Array:
        return sum((_total(run.relevance(*pair)) for pair in pairs), start=jnp.zeros((), dtype))

    came = total(zip(step.outputs, received, strict=True))
    to_sources = total(zip(step.sources, passed.sources, strict=True))
    to_bias, to_offset = (_total(part).astype(dtype) for part in (passed.bias, passed.offset))
    absorbed = passed.absorbed
    if absorbed is not None and step.kind != "function":
        absorbed = run.relevance(step.output, absorbed)
    absorbed = _total(absorbed).astype(dtype)
    left, nothing = came - (to_sources + to_bias + to_offset + absorbed), jnp.zeros((), dtype)
    error, lost = (left, nothing) if run.rules.conserve(step) else (nothing, left)
    return Flow(came, to_sources, to_bias, to_offset, absorbed, error, lost)
