"""Propagating: relevance of an example, step by step from the output back to the inputs."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from sweeps.losses import widened
from sweeps.relevance.layers import Layer, Passed
from sweeps.relevance.methods import Rules
from sweeps.relevance.results import Flow, Relevance
from sweeps.relevance.steps import Activations, Program, Step

Values = Mapping[int, Any]
Start = Callable[[Array], Array]


class _Pass(NamedTuple):
    """A backward pass through a program.

    Attributes
    ----------
    values, baseline : of the network, by number, for the input and the baseline
    weights : factors from quantities to relevance, by number; None for 1
    """

    program: Program
    rules: Rules
    values: Values
    baseline: Values
    weights: Values | None

    def relevance(self, number: int, quantity: Array) -> Array:
        """Return the relevance of an activation, in float32 at least for the sums that follow."""
        quantity = widened(quantity)
        return quantity if self.weights is None else quantity * widened(self.weights[number])

    @property
    def compares(self) -> bool:
        """Whether input and baseline are compared, so that biases, equal for both, have no relevance."""
        return self.rules.needs_baseline


class _Passed(NamedTuple):
    """The quantity of a step's output, passed on; ``bias`` and ``offset`` are relevance.

    Attributes
    ----------
    sources : to each source
    bias, offset : to a layer's bias, and to a nonlinearity's or maximum's; of the shape of the output, or None
    absorbed : by a stabiliser, of the shape of the output, or None
    """

    sources: tuple[Array, ...]
    bias: Array | None = None
    offset: Array | None = None
    absorbed: Array | None = None


def propagate(
    program: Program, rules: Rules, leaves: Sequence[Array], inputs: Array, baseline: Array, start: Start, steps: int
) -> Relevance:
    """Return the relevance of an example.

    Parameters
    ----------
    program, rules : of the network
    leaves : of its state
    inputs, baseline : shape (1, ...)
    start : network's output -> its start value
    steps : number of pieces of a path
    """
    flat = program.flat
    values = flat.values(leaves, inputs)
    began = start(values[flat.output])
    if rules.quantity in ("relevance", "sensitivity"):
        return _backwards(_Pass(program, rules, values, values, None), began)
    if rules.quantity == "factor":
        return _backwards(_Pass(program, rules, values, values, values), began)
    if rules.quantity == "difference":
        other = flat.values(leaves, baseline)
        return _backwards(_Pass(program, rules, values, other, _differences(values, other)), began)

    def piece(number: Array) -> Relevance:
        """Return the relevance of a piece: its gradient halfway times the change of the activations."""
        first, last = widened(baseline), widened(inputs)
        at = ((number.astype(last.dtype) + shift) / steps for shift in (0.0, 0.5, 1.0))
        points = ((first + part * (last - first)).astype(inputs.dtype) for part in at)
        begin, halfway, end = (flat.values(leaves, point) for point in points)
        return _backwards(_Pass(program, rules, halfway, halfway, _differences(end, begin)), began)

    numbers = jnp.arange(steps)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(piece, numbers[0]))
    return lax.scan(lambda total, number: (jax.tree.map(jnp.add, total, piece(number)), None), zeros, numbers)[0]


def _differences(values: Values, others: Values) -> dict[int, Any]:
    floats = [number for number, value in values.items() if jnp.issubdtype(jnp.result_type(value), jnp.floating)]
    # Differences of neighbours on a path need the bits to sum to the difference of its ends.
    return {number: widened(values[number]) - widened(others[number]) for number in floats}


def _backwards(run: _Pass, began: Array) -> Relevance:
    program = run.program
    output = program.flat.output
    at: dict[int, Array] = {output: began}
    bias: dict[str, Array] = {}
    flows: dict[str, Flow] = {}
    for step in reversed(program.steps):
        received = at.get(step.output)
        if received is None:
            received = jnp.zeros_like(run.values[step.output])
        passed = _RULES[step.kind](run, step, received)
        for source, share in zip(step.sources, passed.sources, strict=True):
            at[source] = at[source] + share if source in at else share
        if passed.bias is not None:
            bias[step.name] = _of_bias(step, passed.bias)
        if passed.offset is not None:
            bias[f"{step.name} offset"] = widened(passed.offset[0])
        if step.kind != "copy" or passed.bias is not None:
            flows[step.name] = _flow(run, step, received, passed)
    inputs = program.flat.input
    at.setdefault(inputs, jnp.zeros_like(run.values[inputs]))
    relevance = {number: run.relevance(number, quantity) for number, quantity in at.items()}
    return Relevance(
        inputs=relevance[inputs][0],
        layers=OrderedDict((name, _of_nodes(where, relevance)) for name, where in program.activations.items()),
        bias=_in_order(bias),
        absorbed=OrderedDict((name, flow.absorbed) for name, flow in _in_order(flows).items()),
        output=jnp.sum(relevance[output]),
        flows=_in_order(flows),
    )


def _of_nodes(where: Activations, relevance: dict[int, Array]) -> Array:
    if len(where.numbers) == 1:
        return relevance[where.numbers[0]][0]
    whole = jnp.concatenate([relevance[number] for number in where.numbers], where.axis)
    return whole.take(np.array(where.order), where.axis)[0]


def _in_order(by_step: dict[str, Any]) -> OrderedDict[str, Any]:
    """Sort what was collected backwards from the first step to the last."""
    return OrderedDict(reversed(by_step.items()))


def _of_bias(step: Step, relevance: Array) -> Array:
    """Sum over the places of the same bias, and reshape to the bias's own shape."""
    relevance = widened(relevance)
    if step.bias_shape is None:
        return relevance[0]
    return jnp.sum(relevance, axis=step.bias_axes).reshape(step.bias_shape)


def _flow(run: _Pass, step: Step, received: Array, passed: _Passed) -> Flow:
    nothing = widened(jnp.zeros((), received.dtype))

    def total(values: Array | None) -> Array:
        return nothing if values is None else jnp.sum(widened(values))

    came = total(run.relevance(step.output, received))
    to_sources = sum(
        (total(run.relevance(*pair)) for pair in zip(step.sources, passed.sources, strict=True)), start=nothing
    )
    to_bias, to_offset = total(passed.bias), total(passed.offset)
    absorbed = total(None if passed.absorbed is None else run.relevance(step.output, passed.absorbed))
    left = came - (to_sources + to_bias + to_offset + absorbed)
    error, lost = (left, nothing) if run.rules.conserve(step) else (nothing, left)
    return Flow(came, to_sources, to_bias, to_offset, absorbed, error, lost)


def _through_layer(run: _Pass, step: Step, received: Array) -> _Passed:
    layer = Layer(step, run.values)
    passed = run.rules.matrix_of(step)(layer, received)
    if not step.offsets:
        return _Passed(passed.sources, absorbed=passed.absorbed)
    bias = jnp.zeros_like(passed.bias) if run.compares else passed.bias
    return _Passed(passed.sources, bias, absorbed=passed.absorbed)


def _through_copy(run: _Pass, step: Step, received: Array) -> _Passed:
    layer = Layer(step, run.values)
    sources = layer.back(received)
    if not step.offsets:
        return _Passed(sources)
    if run.compares:
        return _Passed(sources, jnp.zeros_like(received))
    if run.rules.quantity != "relevance":
        return _Passed(sources, layer.bias * received)
    # With ones as constants and zeros as sources, the step marks the places of constants.
    ones = dict(run.values) | {at: jnp.ones_like(run.values[at]) for at in step.offsets}
    return _Passed(sources, received * step.run(ones, tuple(map(jnp.zeros_like, layer.sources))))


class _Offset(NamedTuple):
    """The sum (f(a) - f(0)) + f(0) as a layer."""

    sources: tuple[Array]
    bias: Array
    output: Array

    def back(self, share: Array) -> tuple[Array]:
        """Return the share, as the weight is 1."""
        return (share,)


def _through_nonlinearity(run: _Pass, step: Step, received: Array) -> _Passed:
    (source,) = step.sources

    def function(a: Array) -> Array:
        return step.run(run.values, (a,))

    offset = absorbed = None
    if not run.compares and step.name in run.program.offsets:
        at_zero = function(jnp.zeros_like(received))
        whole: Any = _Offset((run.values[step.output] - at_zero,), at_zero, run.values[step.output])
        passed: Passed = run.rules.matrix.plain(whole, received)
        (received,), offset, absorbed = passed
    below = run.rules.nonlinearity(function, run.values[source], run.baseline[source], received)
    return _Passed((below,), offset=offset, absorbed=absorbed)


def _through_maximum(run: _Pass, step: Step, received: Array) -> _Passed:
    sources = tuple(run.values[at] for at in step.sources)
    objects, back = jax.vjp(lambda *arrays: _objects(step, arrays), *sources)
    rule = run.rules.maximum
    baseline = _objects(step, tuple(run.baseline[at] for at in step.sources))
    shares = rule.shares(widened(objects), widened(baseline))
    # With an axis for objects in front.
    whole, come = (widened(values).reshape(1, *objects.shape[1:]) for values in (run.values[step.output], received))
    parts = shares * come
    if run.rules.quantity == "factor":
        # Q(a) = R(a) / a = s b / a Q(b), with the limit along a = b where both are zero.
        absent = jnp.isneginf(objects) | (objects == 0)
        ratio = jnp.broadcast_to(whole, objects.shape) / jnp.where(absent, 1.0, widened(objects))
        parts = parts * jnp.where(absent, (widened(objects) == whole).astype(ratio.dtype), ratio)
    offset = None
    if rule.has_offset:
        offset = run.relevance(
            step.output, (come * (1 - jnp.sum(shares, axis=0, keepdims=True))).reshape(received.shape)
        )
    return _Passed(back(parts.astype(objects.dtype)), offset=offset)


def _objects(step: Step, arrays: tuple[Array, ...]) -> Array:
    """Return the objects of a maximum along a new first axis, with minus infinity beyond edges."""
    operation = step.operations[0]
    if operation.name == "max":
        return jnp.stack(arrays)
    (values,), params = arrays, operation.params
    if operation.name == "reduce_max":
        axes = params["axes"]
        moved = jnp.moveaxis(values, axes, range(len(axes)))
        return moved.reshape(-1, *moved.shape[len(axes) :])
    edges = [
        (low, high, base - 1) for (low, high), base in zip(params["padding"], params["base_dilation"], strict=True)
    ]
    padded = lax.pad(values, jnp.array(-jnp.inf, values.dtype), edges)
    window, spread, strides = (params[name] for name in ("window_dimensions", "window_dilation", "window_strides"))
    spans = [(size - 1) * apart + 1 for size, apart in zip(window, spread, strict=True)]
    room = [size - span for size, span in zip(padded.shape, spans, strict=True)]
    starts = [np.multiply(place, spread) for place in np.ndindex(*window)]
    return jnp.stack([lax.slice(padded, begin, begin + np.add(room, 1), strides) for begin in starts])


_RULES: dict[str, Callable[[_Pass, Step, Array], _Passed]] = {
    "layer": _through_layer,
    "linear": _through_layer,
    "copy": _through_copy,
    "nonlinearity": _through_nonlinearity,
    "maximum": _through_maximum,
}
