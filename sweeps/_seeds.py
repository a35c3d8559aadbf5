"""Seeds: random keys from 64-bit numbers, whatever JAX's settings are."""

from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sweeps import _checks


def words(seed: Any, name: str = "seed") -> np.ndarray:
    """Return the high and the low 32 bits of a seed, shape (2,) uint32; raises as ``checks.seed``."""
    high, low = divmod(_checks.seed(name, seed), 2**32)
    return np.array([high, low], np.uint32)


def key(seed: Any, name: str = "seed") -> Array:
    """Return the random key of a seed.

    ``jax.random.key`` keeps 32 bits of a seed, adds ``jax_random_seed_offset`` and takes the kind of generator that
    ``jax_default_prng_impl`` names. This key depends on the seed alone.
    """
    return jax.random.wrap_key_data(jnp.asarray(words(seed, name)), impl="threefry2x32")


def pinned() -> AbstractContextManager[Any]:
    """Return a context in which ``jax.random`` gives the same numbers for a key whatever JAX's settings are."""
    return jax.threefry_partitionable(True)
