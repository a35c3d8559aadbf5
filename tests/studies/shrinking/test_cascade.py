"""Cascade Correlation against plain NumPy, from the weights that it keeps."""

import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from sweeps._studies.shrinking.run.cascade import Growth, covariance, grown

RANDOM = np.random.default_rng(2)
GROWTH = Growth(nodes=3, candidates=4, steps=60)


def batch(examples, classes):
    inputs = RANDOM.normal(size=(examples, 2)).astype(np.float32)
    # Not linear in the inputs: a network without hidden nodes cannot know it.
    value = inputs[:, 0] * inputs[:, 1]
    return sweeps.Batch(inputs, np.digitize(value, [0, 1]) if classes else value)


TASKS = {classes: sweeps.Task("plain", batch(60, classes), batch(30, classes), classes, {}) for classes in (3, None)}


@pytest.fixture(scope="module", params=[(3, True), (3, False), (None, True)], ids=["classes", "nodes_alone", "values"])
def pair(request):
    classes, direct = request.param
    return TASKS[classes], direct, grown(TASKS[classes], [4, 5], GROWTH, direct)


def features(data, network, inputs):
    """Of 1, the inputs and each node's value, which reads all that stand before it."""
    found = np.concatenate([np.ones((len(inputs), 1)), inputs], axis=1)
    for node in range(GROWTH.nodes):
        incoming = data.incoming.values[network, node]
        assert not incoming[found.shape[1] :].any()
        value = 1 / (1 + np.exp(-found @ incoming[: found.shape[1]]))
        found = np.concatenate([found, value[:, None]], axis=1)
    return found


def test_measures_are_those_of_the_stored_weights(pair):
    task, direct, data = pair
    for network in (0, 1):
        for prefix, part in (("", task.train), ("test_", task.test)):
            known = features(data, network, part.inputs)
            for size in range(GROWTH.nodes + 1):
                outgoing = data.outgoing.values[network, size]
                # Outputs never read nodes to come, nor the inputs where they read nodes alone.
                assert not outgoing[3 + size :].any() and outgoing[1:3].any() == direct
                outputs, targets = known @ outgoing, part.targets[:, None]
                if task.classes:
                    outputs, targets = 1 / (1 + np.exp(-outputs)), part.targets[:, None] == np.arange(3)
                    right = (outputs.argmax(axis=1) == part.targets).mean()
                    np.testing.assert_allclose(data[f"{prefix}accuracy"][network, size], right, rtol=1e-6)
                loss = ((outputs - targets) ** 2).sum(axis=1).mean()
                np.testing.assert_allclose(data[f"{prefix}loss"][network, size], loss, rtol=1e-4)
    assert data.parameters.values[-1] == np.count_nonzero(data.outgoing[0, 3]) + np.count_nonzero(data.incoming[0])


def test_every_node_lowers_the_error_and_seeds_differ(pair):
    _, direct, data = pair
    assert (data.loss[:, -1] < 0.6 * data.loss[:, 0]).all()
    assert not np.array_equal(*data.incoming.values)
    # Without nodes and inputs the outputs are constant, whatever the seed.
    assert direct or np.allclose(*data.loss[:, 0])


def test_covariance_is_that_of_values_and_errors():
    known, error = RANDOM.normal(size=(20, 3)), RANDOM.normal(size=(20, 2)) + 1
    weights = RANDOM.normal(size=(5, 3))
    values = 1 / (1 + np.exp(-known @ weights.T))
    wanted = [sum(abs(np.cov(one, e, bias=True)[0, 1]) for e in error.T) for one in values.T]
    found = covariance(*(jnp.asarray(one, jnp.float32) for one in (known, weights, error)))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
