"""Plans of networks of any kind: what is affine is found to be, and its numbers are those of the network itself."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from tests.sweeps import helpers, models
from tests.sweeps.models import CASES


@pytest.mark.parametrize("name", ["transformer", "convolution"])
def test_gates_on_the_last_activation_are_affine_with_sequences_and_a_mask(name):
    sequences = name == "transformer"
    # Classes of positions, of which some do not count; values of images, of which some do not count.
    inputs, targets = models.batch("scan" if sequences else name, np.float32)
    mask = np.random.default_rng(6).random(targets.shape) < 0.7
    if not sequences:
        targets = np.random.default_rng(5).normal(size=(4, 2)).astype(np.float32)
    network = models.filled(models.Transformer if sequences else models.Cnn, np.float32)
    how = dict(sites="input:head" if sequences else "second")
    batch = sweeps.MaskedBatch(inputs, targets, mask)
    found = sweeps.Objective(network, batch, micro_batch=3, **how)
    wanted = sweeps.Objective(network, batch, plan="vmapped", **how)
    assert found.plan.name == "affine" and found.nodes == wanted.nodes
    gates = helpers.partial_gains(len(wanted.nodes))
    close = partial(np.testing.assert_allclose, rtol=2e-5, atol=2e-5)
    jax.tree.map(close, found.evaluate(gates), wanted.evaluate(gates))


def test_gates_before_another_layer_are_not_affine():
    network, batch = models.filled(models.Cnn, np.float32), models.batch("convolution", np.float32)
    assert sweeps.Objective(network, batch, sites="conv").plan.name == "vmapped"


def test_an_example_that_overflows_and_does_not_count_hides_nothing():
    # Of infinite outputs every change would be a rounding error.
    network = models.filled(CASES["dense"].make, np.float32)
    inputs, targets = models.batch("dense", np.float32)
    inputs, mask = inputs.copy(), np.ones(5, bool)
    inputs[2], mask[2] = jnp.inf, False
    objective = sweeps.Objective(network, (inputs, targets, mask))
    assert objective.plan.name == "vmapped"
    assert np.isfinite(objective.evaluate(np.ones(7)).loss_gradient).all()
