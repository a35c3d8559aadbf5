"""Random bits by the counter-based generator threefry: they depend on a key of two words and on numbers alone.

They equal those of ``jax.random`` with a threefry key under ``jax_threefry_partitionable``. That setting, and others of
JAX, change the bits that ``jax.random`` makes of a key; masks must not depend on them. JAX's own threefry is a loop
over arrays in memory on CPUs and a call of a library on GPUs; written out, it is compiled like any other arithmetic.

References
----------
Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3.
"""

import math

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int, Shaped, UInt32

# A key or a counter: its two words, or those of many.
Words = tuple[Array, Array]

ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
PARITY = 0x1BD11BDA


def hashed(key: Words, counter: Words) -> Words:
    """Return 64 random bits of each counter under its key: threefry-2x32 of 20 rounds."""
    keys = (*key, key[0] ^ key[1] ^ jnp.uint32(PARITY))
    first, second = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(1, 6):
        for bits in ROTATIONS[(group - 1) % 2]:
            first += second
            second = first ^ ((second << jnp.uint32(bits)) | (second >> jnp.uint32(32 - bits)))
        first += keys[group % 3]
        second += keys[(group + 1) % 3] + jnp.uint32(group)
    return first, second


def folded(key: UInt32[Array, " 2"], *numbers: UInt32[Array, " draws"]) -> Words:
    """Return the keys of numbers, one number of each draw after the other."""

    # What a loop makes lies in memory. Else the compiler would make the keys anew for every word of random bits.
    def fold(keys: Words, number: Array) -> tuple[Words, None]:
        return hashed(keys, (jnp.zeros_like(number), number)), None

    start = jnp.broadcast_to(key[:, None], (2, *numbers[0].shape))
    return lax.scan(fold, (start[0], start[1]), jnp.stack(numbers))[0]


def split(keys: Words) -> tuple[Words, Words]:
    """Return two independent keys of each key."""
    zero = jnp.zeros_like(keys[0])
    return hashed(keys, (zero, zero)), hashed(keys, (zero, zero + 1))


def bits(keys: Words, number: int) -> UInt32[Array, "draws number"]:
    """Return words of 32 random bits; the first words of a key do not depend on their number."""
    return words((keys[0][:, None], keys[1][:, None]), lax.broadcasted_iota(jnp.uint32, (1, number), 1))


def words(keys: Words, numbers: UInt32[Array, "#*shape"]) -> UInt32[Array, "*shape"]:
    """Return single words of those that ``bits`` returns, by their numbers."""
    first, second = hashed(keys, (jnp.zeros_like(numbers), numbers))
    return first ^ second


def permutations(keys: Words, number: int) -> Int[Array, "draws number"]:
    """Return random orders of the numbers below ``number``, sorted by random words as often as ties demand."""
    orders = lax.broadcasted_iota(jnp.int32, (len(keys[0]), number), 1)
    # Words may tie. After this many sorts every order is almost equally likely, as in jax.random.
    for sorts in range(math.ceil(3 * math.log(max(1, number)) / math.log(2**32 - 1))):
        keys, subkeys = split(keys)
        places = places_in_order(bits(subkeys, number))
        orders = _taken(orders, places) if sorts else places
    return orders


def places_in_order(words: UInt32[Array, "draws number"]) -> Int[Array, "draws number"]:
    """Return the places of words in ascending order, equal words in theirs: a stable ``argsort``.

    CPUs sort single words four times as fast as pairs of word and place, so the place replaces a word's last bits.
    """
    own = jnp.uint32((1 << (words.shape[1] - 1).bit_length()) - 1)
    places = lax.broadcasted_iota(jnp.uint32, words.shape, 1)
    order = (lax.sort((words & ~own) | places, is_stable=False) & own).astype(jnp.int32)

    # Few words differ in these bits alone, and they are neighbours now.
    def falls(order: Array) -> Bool[Array, "draws gaps"]:
        found = _taken(words, order)
        return found[:, :-1] > found[:, 1:]

    def swapped(order: Array) -> Array:
        fall = falls(order)
        # No place takes part in two swaps: the first of adjoining falls goes first.
        first = jnp.pad(fall, ((0, 0), (1, 1)))
        swap = first[:, 1:] & ~first[:, :-1]
        return jnp.where(swap, jnp.roll(order, -1, 1), jnp.where(jnp.roll(swap, 1, 1), jnp.roll(order, 1, 1), order))

    return lax.while_loop(lambda order: falls(order).any(), swapped, order)


def _taken(values: Shaped[Array, "draws number"], places: Int[Array, "draws number"]) -> Shaped[Array, "draws number"]:
    return jnp.take_along_axis(values, places, axis=1, mode="promise_in_bounds")
