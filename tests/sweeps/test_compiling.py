"""Compiling: sums of several logarithms are right, in whole programs and in parts of larger ones."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from sweeps import _compiling

VALUES = np.linspace(0, 1, 4096, dtype=np.float32)
RIGHT = (np.log1p(VALUES.astype(float)) + np.log1p(1.5 * VALUES.astype(float))).sum()


@partial(_compiling.jit, static_argnames=("power",))
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
    swept = sweeps.sweep(objective, sweeps.Bernoulli(probability=1.0, draws=3))
    np.testing.assert_allclose(swept.loss, RIGHT, rtol=1e-5)


def test_inside_larger_programs():
    one = jnp.float32(0.5)
    wanted = 1 / 1.5 + 1.5 / 1.75
    np.testing.assert_allclose(jax.grad(summed)(one), wanted, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.grad(summed))(one), wanted, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda: summed(one))(), np.log(1.5) + np.log(1.75), rtol=1e-6)
    assert jax.eval_shape(summed, VALUES).shape == ()


def test_the_library_is_used_where_it_makes_no_mistake(compiled):
    def logs(values, *, several):
        first = jnp.log1p(values)
        return ((first + jnp.log1p(1.5 * values)) if several else jnp.tanh(first)).sum()

    jitted = _compiling.jit(logs, static_argnames=("several",), gains=lambda *args, **kwargs: True)
    jitted(VALUES, several=False)  # what this machine's compiler knows is found out once
    right = np.tanh(np.log1p(VALUES.astype(float))).sum()
    compiled.clear()
    np.testing.assert_allclose(jitted(VALUES[:-1], several=False), right - np.tanh(np.log(2)), rtol=1e-5)
    assert len(compiled) == 1
    np.testing.assert_allclose(jitted(VALUES, several=True), RIGHT, rtol=1e-5)
    compiled.clear()
    jitted(VALUES, several=True)
    jitted(VALUES[:-1], several=False)
    assert not compiled


@pytest.mark.parametrize(
    ("lines", "is_right"),
    [
        ("%a = f32[4] log(%x)", True),
        ("%a = f32[4] log(%x)\n  %b = f32[4] exponential-minus-one(%a)", False),
        ("%a = f32[4] log-plus-one(%x)\n  %b = f32[4] log-plus-one(%y)", False),
        ("%a = f32[4] logistic(%x)\n  %b = f32[4] logistic(%y)", True),
    ],
)
def test_mistakes_are_read_in_compiled_programs(lines, is_right):
    body = f"%part (x: f32[4]) -> f32[] {{\n  {lines}\n}}\n\n"
    call = "ENTRY %main (x: f32[4]) -> f32[] {\n  ROOT %r = f32[] fusion(%x), kind=kCustom, calls=%NAME, MORE\n}\n"
    by_library, by_xla = 'backend_config={"kind":"__ynn_fusion"}', "metadata={}"
    assert _compiling.is_right(body + call.replace("NAME", "part").replace("MORE", by_library)) == is_right
    assert _compiling.is_right(body + call.replace("NAME", "part").replace("MORE", by_xla))
    # What is not found is not trusted.
    assert not _compiling.is_right(body + call.replace("NAME", "other").replace("MORE", by_library))
