"""Losses of each example from rows of outputs, without an array of all outputs of all candidates.

Row c is output c for several candidates and all examples, shape (candidates, examples). The compiler fuses the rows of
a rank-one change into a loop over outputs; an array (candidates, outputs, examples) with a sum over its middle axis
takes 1.5 times as long on a CPU.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# c -> output c, before any output activation, shape (candidates, examples).
Rows = Callable[[Any], Array]
# Most outputs for an unrolled loop; more would be slow to compile.
MOST_UNROLLED = 32
# Added to the output of the right class: its exponential and the derivatives are then exactly zero.
NEVER = -1e30


def fold(outputs: int, step: Callable[[Any, Array], Array], start: Array) -> Array:
    """Return step(outputs - 1, ... step(1, step(0, start)))."""
    if outputs > MOST_UNROLLED:
        return jax.lax.fori_loop(0, outputs, step, start)
    for index in range(outputs):
        start = step(index, start)
    return start


def squared_error(
    rows: Rows, targets: Float[Array, "outputs examples"], start: Float[Array, "candidates examples"]
) -> Float[Array, "candidates examples"]:
    """Return the sum over outputs of (output - target)^2; ``start``, here and below, is zeros of the result's shape."""
    return fold(len(targets), lambda c, total: total + jnp.square(rows(c) - targets[c][None]), start)


def cross_entropy(
    rows: Rows, targets: Float[Array, "outputs examples"], start: Float[Array, "candidates examples"]
) -> Float[Array, "candidates examples"]:
    """Return log(1 + sum of exp(margin)) over the wrong classes, in nats; the targets are one-hot.

    Taking out the largest margin, or zero, avoids overflow, and log1p of all but the largest term keeps losses near
    zero exact. The derivatives of that margin cancel.
    """
    own = fold(len(targets), lambda c, total: total + rows(c) * targets[c][None], start)
    top = jax.lax.stop_gradient(fold(len(targets), lambda c, most: jnp.maximum(most, rows(c)), own))

    def add(c: Any, total: Array) -> Array:
        return total + jnp.exp(rows(c) - top + NEVER * targets[c][None])

    powers, excess = fold(len(targets), add, start), top - own
    # Not ``logarithms.log1p_of_positive``: it reads its argument several times, which would break up the fused fold.
    return excess + jnp.log1p(powers + jnp.expm1(-excess))


def binary_cross_entropy(
    rows: Rows, targets: Float[Array, "1 examples"], start: Float[Array, "candidates examples"]
) -> Float[Array, "candidates examples"]:
    """Return log(1 + exp(margin)), in nats, where the margin is minus the output for target 1 and the output for 0."""
    both = jnp.concatenate([1 - targets, targets])
    return cross_entropy(lambda c: rows(0) * jnp.asarray(c, start.dtype), both, start)


LOSSES = {
    "squared_error": squared_error,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
}


def is_finite(
    rows: Rows, targets: Float[Array, "outputs examples"], start: Float[Array, "candidates examples"]
) -> Bool[Array, "candidates examples"]:
    """Whether all outputs are finite."""
    return fold(len(targets), lambda c, finite: finite & jnp.isfinite(rows(c)), start == 0)


def is_right(
    rows: Rows, targets: Float[Array, "outputs examples"], start: Float[Array, "candidates examples"]
) -> Bool[Array, "candidates examples"]:
    """Whether the first of the largest outputs is that of the target's class."""
    if len(targets) == 1:
        return (rows(0) > 0) == (targets[0][None] == 1)
    own = fold(len(targets), lambda c, total: total + rows(c) * targets[c][None], start)
    label = fold(len(targets), lambda c, total: total + c * targets[c][None], start)

    def count(c: Any, ahead: Array) -> Array:
        first = (rows(c) > own) | ((rows(c) == own) & (c < label))
        return ahead + first.astype(start.dtype)

    return fold(len(targets), count, start) == 0
