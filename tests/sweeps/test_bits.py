"""Masks as bits: NumPy reads them back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweeps._masks import bits


def unpacked(words, nodes):
    """Masks that words hold, as NumPy reads them."""
    return np.unpackbits(np.asarray(words).view(np.uint8), axis=-1, bitorder="little")[..., :nodes].astype(bool)


@pytest.mark.parametrize("shape", [(), (7,), (3, 4)])
@pytest.mark.parametrize("nodes", [1, 31, 32, 33, 100])
def test_numpy_reads_the_masks_back(nodes, shape):
    masks = np.random.default_rng(nodes).random((*shape, nodes)) < 0.5
    for pack in (bits.packed, jax.jit(bits.packed)):
        words = pack(jnp.asarray(masks))
        assert words.dtype == jnp.uint32 and words.shape == (*shape, -(-nodes // 32))
        np.testing.assert_array_equal(unpacked(words, nodes), masks)


def test_bits_after_the_last_node_are_zero():
    np.testing.assert_array_equal(bits.packed(jnp.ones(33, bool)), np.array([2**32 - 1, 1], np.uint32))
