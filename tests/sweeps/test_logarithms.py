"""Logarithms: within a few units in the last place of the true ones, wherever they may be asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.logarithms import log1p_of_positive, log1p_of_share
from tests.sweeps.helpers import SINGLE

# Everything from where float32 numbers begin to have all their digits to one, and to the last power of two allowed.
SHARES = np.concatenate([[0, 1], np.geomspace(1e-37, 1, 40001), np.linspace(0, 1, 40001)]).astype(np.float32)
POSITIVE = np.concatenate([SHARES, np.geomspace(1, 2.0**126, 40001), 2.0 ** np.arange(127) - 1]).astype(np.float32)


@pytest.mark.parametrize(
    ("function", "values"), [(log1p_of_share, SHARES), (log1p_of_positive, POSITIVE)], ids=["share", "positive"]
)
class TestLogarithms:
    def test_single_precision(self, function, values):
        found = np.asarray(jax.jit(function)(values), float)
        np.testing.assert_allclose(found, np.log1p(values.astype(float)), rtol=3 * SINGLE)

    def test_double_precision(self, function, values):
        with jax.enable_x64(True):
            found = np.asarray(function(jnp.asarray(values, jnp.float64)))
        np.testing.assert_allclose(found, np.log1p(values.astype(float)), rtol=1e-15)

    def test_derivatives(self, function, values):
        some = values[:: len(values) // 50]
        first = jax.vmap(jax.grad(function))(some)
        second = jax.vmap(jax.grad(jax.grad(function)))(some)
        np.testing.assert_allclose(first, 1 / (1 + some.astype(float)), rtol=2 * SINGLE)
        np.testing.assert_allclose(second, -1 / (1 + some.astype(float)) ** 2, rtol=4 * SINGLE, atol=1e-37)

    def test_what_is_no_number_stays_none(self, function, values):
        assert np.isnan(function(jnp.float32(np.nan)))


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_order_is_kept_but_for_rounding(one, other):
    low, high = sorted((one, other))
    assert log1p_of_share(jnp.float32(low)) <= log1p_of_share(jnp.float32(high)) * (1 + 3 * SINGLE)
