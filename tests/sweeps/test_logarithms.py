"""Exponentials and logarithms: within a few units in the last place, wherever they may be asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps._logarithms import exp_of_negative, log1p_of_positive, log_of_sum
from tests.sweeps.helpers import SINGLE

# Everything from where float32 numbers begin to have all their digits to one, and to the last power of two allowed.
SHARES = np.concatenate([[0, 1], np.geomspace(1e-37, 1, 40001), np.linspace(0, 1, 40001)]).astype(np.float32)
POSITIVE = np.concatenate([SHARES, np.geomspace(1, 2.0**126, 40001), 2.0 ** np.arange(127) - 1]).astype(np.float32)
# Down to where e^x is the last float32 number that has all its digits.
NEGATIVE = -np.concatenate([SHARES, np.linspace(0, 87.3, 40001)]).astype(np.float32)
FUNCTIONS = {"exp": (exp_of_negative, NEGATIVE, np.exp), "log1p": (log1p_of_positive, POSITIVE, np.log1p)}


@pytest.mark.parametrize(("function", "values", "true"), FUNCTIONS.values(), ids=FUNCTIONS)
class TestFunctions:
    def test_single_precision(self, function, values, true):
        found = np.asarray(jax.jit(function)(values), float)
        np.testing.assert_allclose(found, true(values.astype(float)), rtol=3 * SINGLE)

    def test_double_precision(self, function, values, true):
        with jax.enable_x64(True):
            found = np.asarray(function(jnp.asarray(values, jnp.float64)))
        np.testing.assert_allclose(found, true(values.astype(float)), rtol=1e-15)

    def test_what_is_no_number_stays_none(self, function, values, true):
        # Whatever its bits are.
        for bits in (0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF, 0xFFC00123):
            assert np.isnan(function(jnp.asarray(np.uint32(bits).view(np.float32)))), hex(bits)

    def test_order_is_kept_but_for_rounding(self, function, values, true):
        found = np.asarray(jax.jit(function)(np.sort(values)), float)
        assert (np.diff(found) >= -3 * SINGLE * found[1:]).all()


def test_derivatives_of_the_exponential():
    some = NEGATIVE[:: len(NEGATIVE) // 50]
    for derivative in (jax.grad(exp_of_negative), jax.grad(jax.grad(exp_of_negative))):
        np.testing.assert_allclose(jax.vmap(derivative)(some), np.exp(some.astype(float)), rtol=3 * SINGLE)


def test_derivatives_of_the_logarithm():
    some = POSITIVE[:: len(POSITIVE) // 50]
    first = jax.vmap(jax.grad(log1p_of_positive))(some)
    second = jax.vmap(jax.grad(jax.grad(log1p_of_positive)))(some)
    np.testing.assert_allclose(first, 1 / (1 + some.astype(float)), rtol=2 * SINGLE)
    np.testing.assert_allclose(second, -1 / (1 + some.astype(float)) ** 2, rtol=4 * SINGLE, atol=1e-37)


def test_exponentials_that_underflow_are_zero():
    # -87.7 is the largest for which k is -127.
    np.testing.assert_array_equal(exp_of_negative(jnp.float32([-87.7, -88, -1e30, -np.inf])), 0)
    assert exp_of_negative(jnp.float32(0)) == 1


@given(st.lists(st.floats(0, 0.5, width=32), min_size=1, max_size=32))
def test_the_logarithm_of_a_product(shares):
    # As plans take it of products whose factors are between 1/2 and 1.
    total, rest, exact = np.float32(1), np.float32(0), 0.0
    for share in map(np.float32, shares):
        total, rest, exact = total - share * total, rest - share * total, exact + np.log1p(-float(share))
    # Every factor adds a rounding error or two.
    np.testing.assert_allclose(log_of_sum(jnp.asarray(rest), jnp.asarray(total)), exact, rtol=2 * SINGLE * len(shares))
