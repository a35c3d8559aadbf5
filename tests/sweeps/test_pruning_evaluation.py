"""Evaluation under many masks in one call, and what networks cost."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sweeps
from sweeps import pruning
from tests.sweeps import helpers

PROBLEM = helpers.problem((3, 6, 4, 2), "tanh", "cross_entropy", 2, examples=40, seed=3)
BATCH = helpers.batch(PROBLEM)
INPUTS = jnp.asarray(BATCH.inputs)


def network(seed=3, activation="tanh"):
    return helpers.network(helpers.problem((3, 6, 4, 2), activation, "cross_entropy", 2, seed=seed))


def test_evaluation_is_a_loop(monkeypatch):
    nets, sparsities = [network(seed) for seed in (1, 2)], np.array([[0, 0.3], [0.7, 1]])
    masks = [pruning.weight_masks(net, sparsities) for net in nets]
    found = pruning.evaluate(nets, masks, BATCH)
    assert found.loss.shape == found.accuracy.shape == (2, 2, 2)
    for index in np.ndindex(2, 2, 2):
        pruned = pruning.prune_weights(nets[index[0]], sparsities[index[1:]])
        outputs = np.asarray(pruned(INPUTS))
        right = outputs.argmax(axis=1) == BATCH.targets
        loss = optax.softmax_cross_entropy_with_integer_labels(outputs, jnp.asarray(BATCH.targets)).mean()
        np.testing.assert_allclose(found.loss[index], loss, rtol=1e-5)
        np.testing.assert_allclose(found.accuracy[index], right.mean(), rtol=1e-6)
    # In memory for less than one network: one at a time, on a few examples at a time, of which some do not count.
    helpers.set_device(monkeypatch, networks=200)
    few = pruning.evaluate(nets, masks, BATCH)
    np.testing.assert_allclose(few.loss, found.loss, rtol=1e-5)
    np.testing.assert_allclose(few.accuracy, found.accuracy, rtol=1e-6)


def test_evaluation_of_nodes_of_masked_batches_and_of_values():
    net, keep = network(), np.array([[1] * 10, [1, 0] * 5])
    counts = np.arange(40) < 10
    inside = pruning.evaluate([net], [pruning.masks_of_nodes(net, keep)], sweeps.MaskedBatch(*BATCH, counts))
    expected = sweeps.Objective(net, sweeps.Batch(BATCH.inputs[:10], BATCH.targets[:10]), plan="vmapped").evaluate(
        keep, gradients=False
    )
    np.testing.assert_allclose(inside.loss[0], expected.loss, rtol=1e-5)
    # No sparsities at all.
    nothing = pruning.evaluate(net, pruning.weight_masks(net, np.zeros((2, 0))), BATCH)
    assert nothing.loss.shape == nothing.accuracy.shape == (2, 0)
    values = pruning.evaluate([net], [{}], (BATCH.inputs, np.ones((40, 2), np.float32)))
    assert values.loss.shape == (1,) and np.isnan(values.accuracy).all()


@pytest.mark.parametrize(
    ("networks", "masks", "message"),
    [
        ((1,), (), "networks and masks must be of one length, at least 1: got 1 and 0"),
        ((1, 2), ({}, {"layers/0/bias": np.ones(6)}), "masks must be of the same parameters: ; got layers/0/bias"),
        ((1,), ({"a": [1]},), "masks must be of the network's parameters, .*; got 'a'"),
        ((1,), ({"layers/0/bias": np.ones(5)},), r"layers/0/bias must end in its shape \(6,\), got \(5,\)"),
        (
            (1,),
            ({"layers/0/bias": np.ones(6), "layers/1/bias": np.ones((2, 4))},),
            r"masks must have the same leading axes, got \(\), \(2,\)",
        ),
    ],
)
def test_masks_that_do_not_fit_are_not_evaluated(networks, masks, message):
    with pytest.raises(ValueError, match=message):
        pruning.evaluate([network(seed) for seed in networks], masks, BATCH)


def test_networks_of_two_structures_are_not_evaluated():
    with pytest.raises(ValueError, match="networks must have one structure"):
        pruning.evaluate([network(), network(activation="relu")], [{}, {}], BATCH)


def test_cost():
    net, keep = network(), np.arange(10) % 2 == 0
    whole, zeroed, smaller = (
        pruning.cost(one, INPUTS, repeats=3)
        for one in (net, pruning.zero_nodes(net, keep), pruning.remove_nodes(net, keep))
    )
    assert whole[:3] == (18 + 6 + 24 + 4 + 8 + 2, 62, 4 * 62)
    # Of 6 and 4 nodes 3 and 2 stay; what a node that is zero is read with stays where it does no harm.
    assert zeroed[:3] == (62, 9 + 3 + 12 + 2 + 8 + 2, 248)
    assert smaller[:3] == (9 + 3 + 6 + 2 + 4 + 2, 26, 4 * 26)
    assert all(one.seconds > 0 for one in (whole, zeroed, smaller))
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        pruning.cost(net, INPUTS, repeats=0)
