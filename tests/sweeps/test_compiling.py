"""Compiling: sums of several logarithms are right, in whole programs and in parts of larger ones."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import sweeps
from sweeps import compiling

VALUES = np.linspace(0, 1, 4096, dtype=np.float32)
RIGHT = (np.log1p(VALUES.astype(float)) + np.log1p(1.5 * VALUES.astype(float))).sum()


@partial(compiling.jit, static_argnames=("power",))
def summed(values, *, power=1):
    return (jnp.log1p(values) + jnp.log1p(1.5 * values)).sum() ** power


def test_sums_of_logarithms_are_right():
    # Compiled as XLA's CPU compiler of jaxlib 0.10 would by itself, it is 15 % off.
    np.testing.assert_allclose(summed(VALUES), RIGHT, rtol=1e-5)
    np.testing.assert_allclose(summed(VALUES, power=2), RIGHT**2, rtol=2e-5)


def test_a_users_own_loss_of_logarithms_is_right():
    weights = jnp.asarray(VALUES)

    def loss(gates):
        return (jnp.log1p(weights * gates[0]) + jnp.log1p(1.5 * weights * gates[1])).sum()

    objective = sweeps.Objective.from_function(loss, nodes=2)
    found = objective.evaluate(np.ones((3, 2)))
    np.testing.assert_allclose(found.loss, RIGHT, rtol=1e-5)
    swept = sweeps.sweep(objective, sweeps.Bernoulli(1.0, draws=3))
    np.testing.assert_allclose(swept.loss, RIGHT, rtol=1e-5)


def test_inside_larger_programs():
    one = jnp.float32(0.5)
    wanted = 1 / 1.5 + 1.5 / 1.75
    np.testing.assert_allclose(jax.grad(summed)(one), wanted, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.grad(summed))(one), wanted, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda: summed(one))(), np.log(1.5) + np.log(1.75), rtol=1e-6)
    assert jax.eval_shape(summed, VALUES).shape == ()
