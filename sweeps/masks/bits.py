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
    words = jnp.pad(masks, [(0, 0)] * len(draws) + [(0, -nodes % WORD)]).reshape(*draws, -1, WORD)
    places = lax.broadcasted_iota(jnp.uint32, words.shape, words.ndim - 1)
    # Shifts and a sum, all integers: the compiler puts them into the loop that makes the masks.
    return (words.astype(jnp.uint32) << places).sum(-1, dtype=jnp.uint32)
