"""Propagating: relevance of one example, step by step from the output back to the inputs."""

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


class _Going(NamedTuple):
    """What goes backwards through a program.

    Attributes
    ----------
    values, baseline : of the network, by number, for the input and the baseline
    weights : what a quantity is multiplied by to be relevance, by number; None for 1
    """

    program: Program
    rules: Rules
    values: Values
    baseline: Values
    weights: Values | None

    def relevance(self, number: int, quantity: Array) -> Array:
        """Relevance of an activation, in float32 at least: it is added up over places, steps and examples."""
        quantity = widened(quantity)
        return quantity if self.weights is None else quantity * widened(self.weights[number])

    @property
    def compares(self) -> bool:
        """Whether two inputs are compared: what is the same for both has no relevance."""
        return self.rules.needs_baseline


class _Passed(NamedTuple):
    """Where the quantity of a step's output went; ``bias`` and ``offset`` are relevance.

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
    """Return the relevance of one example.

    Parameters
    ----------
    program, rules : of the network
    leaves : of its state
    inputs, baseline : shape (1, ...)
    start : from the network's output to the quantity that the output starts with
    steps : number of pieces of a path
    """
    flat = program.flat
    values = flat.values(leaves, inputs)
    began = start(values[flat.output])
    if rules.quantity in ("relevance", "sensitivity"):
        return _backwards(_Going(program, rules, values, values, None), began)
    if rules.quantity == "factor":
        return _backwards(_Going(program, rules, values, values, values), began)
    if rules.quantity == "difference":
        other = flat.values(leaves, baseline)
        return _backwards(_Going(program, rules, values, other, _differences(values, other)), began)

    def piece(number: Array) -> Relevance:
        """Relevance along one piece: its gradient halfway times the change of the activations."""
        first, last = widened(baseline), widened(inputs)
        at = ((number.astype(last.dtype) + shift) / steps for shift in (0.0, 0.5, 1.0))
        points = ((first + part * (last - first)).astype(inputs.dtype) for part in at)
        begin, halfway, end = (flat.values(leaves, point) for point in points)
        return _backwards(_Going(program, rules, halfway, halfway, _differences(end, begin)), began)

    numbers = jnp.arange(steps)
    zeros = jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), jax.eval_shape(piece, numbers[0]))
    return lax.scan(lambda total, number: (jax.tree.map(jnp.add, total, piece(number)), None), zeros, numbers)[0]


def _differences(values: Values, others: Values) -> dict[int, Any]:
    floats = [number for number, value in values.items() if jnp.issubdtype(jnp.result_type(value), jnp.floating)]
    # Of neighbours on a path, differences in few bits would not add up to the difference of its ends.
    return {number: widened(values[number]) - widened(others[number]) for number in floats}


def _backwards(going: _Going, began: Array) -> Relevance:
    program = going.program
    output = program.flat.output
    at: dict[int, Array] = {output: began}
    bias: dict[str, Array] = {}
    flows: dict[str, Flow] = {}
    for step in reversed(program.steps):
        received = at.get(step.output)
        if received is None:
            received = jnp.zeros_like(going.values[step.output])
        passed = _PASS[step.kind](going, step, received)
        for source, share in zip(step.sources, passed.sources, strict=True):
            at[source] = at[source] + share if source in at else share
        if passed.bias is not None:
            bias[step.name] = _of_bias(step, passed.bias)
        if passed.offset is not None:
            bias[f"{step.name} offset"] = widened(passed.offset[0])
        if step.kind != "copy" or passed.bias is not None:
            flows[step.name] = _flow(going, step, received, passed)
    inputs = program.flat.input
    at.setdefault(inputs, jnp.zeros_like(going.values[inputs]))
    relevance = {number: going.relevance(number, quantity) for number, quantity in at.items()}
    return Relevance(
        inputs=relevance[inputs][0],
        layers=OrderedDict((name, _of_nodes(one, relevance)) for name, one in program.activations.items()),
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


def _in_order(found: dict[str, Any]) -> OrderedDict[str, Any]:
    """From the first step to the last."""
    return OrderedDict(reversed(found.items()))


def _of_bias(step: Step, relevance: Array) -> Array:
    """Add up over the places where the same bias is added, and give it the bias's own shape."""
    relevance = widened(relevance)
    if step.bias_shape is None:
        return relevance[0]
    return jnp.sum(relevance, axis=step.bias_axes).reshape(step.bias_shape)


def _flow(going: _Going, step: Step, received: Array, passed: _Passed) -> Flow:
    nothing = widened(jnp.zeros((), received.dtype))

    def total(values: Array | None) -> Array:
        return nothing if values is None else jnp.sum(widened(values))

    came = total(going.relevance(step.output, received))
    to_sources = sum(
        (total(going.relevance(*one)) for one in zip(step.sources, passed.sources, strict=True)), start=nothing
    )
    to_bias, to_offset = total(passed.bias), total(passed.offset)
    absorbed = total(None if passed.absorbed is None else going.relevance(step.output, passed.absorbed))
    left = came - (to_sources + to_bias + to_offset + absorbed)
    error, lost = (left, nothing) if going.rules.conserve(step) else (nothing, left)
    return Flow(came, to_sources, to_bias, to_offset, absorbed, error, lost)


def _through_layer(going: _Going, step: Step, received: Array) -> _Passed:
    layer = Layer(step, going.values)
    passed = going.rules.matrix_of(step)(layer, received)
    if not step.offsets:
        return _Passed(passed.sources, absorbed=passed.absorbed)
    bias = jnp.zeros_like(passed.bias) if going.compares else passed.bias
    return _Passed(passed.sources, bias, absorbed=passed.absorbed)


def _through_copy(going: _Going, step: Step, received: Array) -> _Passed:
    layer = Layer(step, going.values)
    sources = layer.back(received)
    if not step.offsets:
        return _Passed(sources)
    if going.compares:
        return _Passed(sources, jnp.zeros_like(received))
    if going.rules.quantity != "relevance":
        return _Passed(sources, layer.bias * received)
    # All that lies where a constant was put in.
    ones = dict(going.values) | {one: jnp.ones_like(going.values[one]) for one in step.offsets}
    return _Passed(sources, received * step.run(ones, tuple(map(jnp.zeros_like, layer.sources))))


class _Offset(NamedTuple):
    """The sum (f(a) - f(0)) + f(0) as a layer."""

    sources: tuple[Array]
    bias: Array
    output: Array

    def back(self, share: Array) -> tuple[Array]:
        """The share itself: the weight is one."""
        return (share,)


def _through_nonlinearity(going: _Going, step: Step, received: Array) -> _Passed:
    (source,) = step.sources

    def function(a: Array) -> Array:
        return step.run(going.values, (a,))

    offset = absorbed = None
    if not going.compares and step.name in going.program.offsets:
        at_zero = function(jnp.zeros_like(received))
        whole: Any = _Offset((going.values[step.output] - at_zero,), at_zero, going.values[step.output])
        passed: Passed = going.rules.matrix.plain(whole, received)
        (received,), offset, absorbed = passed
    below = going.rules.nonlinearity(function, going.values[source], going.baseline[source], received)
    return _Passed((below,), offset=offset, absorbed=absorbed)


def _through_maximum(going: _Going, step: Step, received: Array) -> _Passed:
    sources = tuple(going.values[one] for one in step.sources)
    objects, back = jax.vjp(lambda *arrays: _objects(step, arrays), *sources)
    rule = going.rules.maximum
    baseline = _objects(step, tuple(going.baseline[one] for one in step.sources))
    shares = rule.shares(widened(objects), widened(baseline))
    # All objects are along the first axis, whatever the shape of the output is.
    whole, come = (widened(values).reshape(1, *objects.shape[1:]) for values in (going.values[step.output], received))
    parts = shares * come
    if going.rules.quantity == "factor":
        # Q(a) = R(a) / a = s b / a Q(b); where both are zero, the limit along a = b.
        absent = jnp.isneginf(objects) | (objects == 0)
        ratio = jnp.broadcast_to(whole, objects.shape) / jnp.where(absent, 1.0, widened(objects))
        parts = parts * jnp.where(absent, (widened(objects) == whole).astype(ratio.dtype), ratio)
    offset = None
    if rule.has_offset:
        offset = going.relevance(
            step.output, (come * (1 - jnp.sum(shares, axis=0, keepdims=True))).reshape(received.shape)
        )
    return _Passed(back(parts.astype(objects.dtype)), offset=offset)


def _objects(step: Step, arrays: tuple[Array, ...]) -> Array:
    """What a maximum is taken of, along a new first axis; minus infinity for what lies beyond an edge."""
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


_PASS: dict[str, Callable[[_Going, Step, Array], _Passed]] = {
    "layer": _through_layer,
    "linear": _through_layer,
    "copy": _through_copy,
    "nonlinearity": _through_nonlinearity,
    "maximum": _through_maximum,
}
