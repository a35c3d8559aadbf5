"""Masks as bits: 32 nodes in a word, an eighth of the memory of a mask of bytes."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, UInt32

WORD = 32


def packed(masks: Bool[Array, "*draws nodes"]) -> UInt32[Array, "*draws words"]:
    """Return masks as words: node i is bit i % 32 of word i // 32, and the bits after the last node are zero.

    Examples
    --------
    >>> packed(jnp.array([True, False, True])).tolist()
    [5]
    """
    *draws, nodes = masks.shape
    whole = nodes - nodes % WORD
    # The last nodes are packed apart: a CPU takes ten times as long where words are padded.
    parts = masks[..., :whole].reshape(*draws, -1, WORD), masks[..., None, whole:]
    return jnp.concatenate([_sums(part) for part in parts if 0 not in part.shape[-2:]], axis=-1)


def _sums(masks: Bool[Array, "*draws words nodes"]) -> UInt32[Array, "*draws words"]:
    """Add up the powers of two: integers, so that the compiler puts this into the loop that makes the masks."""
    places = lax.broadcasted_iota(jnp.uint32, masks.shape, masks.ndim - 1)
    return (masks.astype(jnp.uint32) << places).sum(-1, dtype=jnp.uint32)
