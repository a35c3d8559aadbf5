"""Maxima and minima on the way back: their objects, and what each takes."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from sweeps._losses import widened
from sweeps.relevance._passing import Pass, Passed
from sweeps.relevance._steps import Step


def through_maximum(run: Pass, step: Step, received: Array) -> Passed:
    """Pass on what a maximum received; min a = -max -a, and shares are those of the objects -a."""
    sources = tuple(run.values[at] for at in step.sources)
    objects, back = jax.vjp(lambda *arrays: _objects(step, arrays), *sources)
    rule, sign = run.rules.maximum, -1 if "min" in step.operations[0].name else 1
    baseline = _objects(step, tuple(run.baseline[at] for at in step.sources))
    shares = rule.shares(sign * widened(objects), sign * widened(baseline))
    # With an axis for objects in front.
    whole, come = (widened(values).reshape(1, *objects.shape[1:]) for values in (run.values[step.output], received))
    parts = shares * come
    if run.rules.quantity == "factor":
        # Q(a) = R(a) / a = s b / a Q(b), with the limit along a = b where both are zero.
        absent = jnp.isinf(objects) | (objects == 0)
        ratio = jnp.broadcast_to(whole, objects.shape) / jnp.where(absent, 1.0, widened(objects))
        parts = parts * jnp.where(absent, (widened(objects) == whole).astype(ratio.dtype), ratio)
    offset = None
    if rule.has_offset:
        rest = come * (1 - jnp.sum(shares, axis=0, keepdims=True))
        offset = run.relevance(step.output, rest.reshape(received.shape))
    return Passed(back(parts.astype(objects.dtype)), offset=offset)


def _objects(step: Step, arrays: Sequence[Array]) -> Array:
    """Return the objects along a new first axis, with infinity beyond edges: the one that is never chosen."""
    operation = step.operations[0]
    if operation.name in ("max", "min"):
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        return jnp.stack([jnp.broadcast_to(array, shape) for array in arrays])
    (values,), params = arrays, operation.params
    if operation.name in ("reduce_max", "reduce_min"):
        axes = params["axes"]
        moved = jnp.moveaxis(values, axes, range(len(axes)))
        return moved.reshape(-1, *moved.shape[len(axes) :])
    edges = [
        (low, high, base - 1) for (low, high), base in zip(params["padding"], params["base_dilation"], strict=True)
    ]
    beyond = jnp.inf if operation.name == "reduce_window_min" else -jnp.inf
    padded = lax.pad(values, jnp.array(beyond, values.dtype), edges)
    window, spread, strides = (params[name] for name in ("window_dimensions", "window_dilation", "window_strides"))
    spans = [(size - 1) * apart + 1 for size, apart in zip(window, spread, strict=True)]
    room = [size - span for size, span in zip(padded.shape, spans, strict=True)]
    starts = [np.multiply(place, spread) for place in np.ndindex(*window)]
    return jnp.stack([lax.slice(padded, begin, begin + np.add(room, 1), strides) for begin in starts])
