"""Random bits by the counter-based generator threefry: they depend on a key of two words and on numbers alone.

They equal those of ``jax.random`` with a threefry key under ``jax_threefry_partitionable``. That setting, and others of
JAX, change the bits that ``jax.random`` makes of a key; masks must not depend on them.

References
----------
Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3.
"""

import math

import jax.numpy as jnp
from jax import lax
from jax.extend import random
from jaxtyping import Array, UInt32


def folded(key: UInt32[Array, " 2"], *numbers: Array) -> UInt32[Array, " 2"]:
    """Return the key of a number, or of one number after the other."""
    for number in numbers:
        key = random.threefry_2x32(key, jnp.stack([jnp.zeros((), jnp.uint32), number.astype(jnp.uint32)]))
    return key


def split(key: UInt32[Array, " 2"]) -> tuple[UInt32[Array, " 2"], UInt32[Array, " 2"]]:
    """Return two independent keys."""
    first = random.threefry_2x32(key, jnp.array([0, 0, 0, 1], jnp.uint32))
    return first[0::2], first[1::2]


def bits(key: UInt32[Array, " 2"], number: int) -> UInt32[Array, " number"]:
    """Return words of 32 random bits; the first words do not depend on their number."""
    counts = jnp.concatenate([jnp.zeros(number, jnp.uint32), jnp.arange(number, dtype=jnp.uint32)])
    words = random.threefry_2x32(key, counts)
    return words[:number] ^ words[number:]


def permutation(key: UInt32[Array, " 2"], number: int) -> Array:
    """Return a random order of the numbers below ``number``, sorted by random words as often as ties demand."""
    order = jnp.arange(number)
    # Words may tie. After this many sorts every order is almost equally likely, as in jax.random.
    for _ in range(math.ceil(3 * math.log(max(1, number)) / math.log(2**32 - 1))):
        key, subkey = split(key)
        order = lax.sort_key_val(bits(subkey, number), order)[1]
    return order
