"""Blocks of examples, over which plans loop to keep their working set in cache."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from sweeps import _device


def split(values: Shaped[Array | np.ndarray, "... examples"], largest: int | None = None, fill: float = 0.0) -> Array:
    """Cut the last axis into equal blocks and put the blocks first, padding the last one.

    Parameters
    ----------
    values : array or numpy.ndarray, (..., examples)
        Array whose last axis counts examples.
    largest : int or None
        Most examples in a block; None takes the device's own.
    fill : float
        What the padding holds.

    Returns
    -------
    array
        Array of shape (blocks, ..., block).
    """
    largest = largest or _device.here().block
    examples = values.shape[-1]
    blocks = -(-examples // largest)
    return _cut(values, blocks, -(-examples // blocks), fill)


@partial(jax.jit, static_argnames=("blocks", "block", "fill"))
def _cut(values: Array, blocks: int, block: int, fill: float) -> Array:
    """Pad and cut; jitted, since JAX would compile three programs for the separate steps."""
    padding = [(0, 0)] * (values.ndim - 1) + [(0, blocks * block - values.shape[-1])]
    padded = jnp.pad(values, padding, constant_values=fill)
    return jnp.moveaxis(padded.reshape(*values.shape[:-1], blocks, block), -2, 0)
