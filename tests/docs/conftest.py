"""The documentation runs with JAX as users have it."""

import jax
import pytest


@pytest.fixture(autouse=True)
def promotions():
    was = jax.config.jax_enable_x64
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield
    assert jax.config.jax_enable_x64 == was, "a page must leave JAX's settings: with jax.enable_x64(True): ..."
