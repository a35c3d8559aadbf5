"""Networks that compute in float16 or bfloat16: means over many examples, and counts, lose nothing of their own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import sweeps
from sweeps import _losses
from sweeps._training import train_many
from tests.sweeps import helpers

EXAMPLES = 70_000
HALVES = [jnp.float16, jnp.bfloat16]


@functools.cache
def problem(half):
    """A network, its batch, what it computes in its own type, and its labels: a tenth of them is wrong."""
    random = np.random.default_rng(0)
    network = nnx.Sequential(helpers.linear(3, 6, 0), nnx.relu, helpers.linear(6, 2, 1))
    for layer in network.layers[::2]:
        layer.dtype = half
    inputs = random.normal(size=(EXAMPLES, 3)).astype(np.float32)
    # Rounded as the network rounds it; the products of two layers are summed in another order, if at all.
    hidden = nnx.relu(network.layers[0](jnp.asarray(inputs)))
    outputs = np.asarray(network.layers[2](hidden), float)
    labels = outputs.argmax(axis=1)
    labels[: EXAMPLES // 10] = 1 - labels[: EXAMPLES // 10]
    return network, (inputs, labels), np.asarray(hidden, float), outputs


def cross_entropies(outputs, labels):
    return np.logaddexp(outputs[:, 0], outputs[:, 1]) - np.take_along_axis(outputs, labels[:, None], axis=1)[:, 0]


@pytest.mark.parametrize("half", HALVES)
class TestObjective:
    def test_loss_gradient_and_accuracy(self, half):
        network, batch, hidden, outputs = problem(half)
        objective = sweeps.Objective(network, batch)
        found = objective.evaluate(np.ones(6))
        assert {part.dtype for part in jax.tree.leaves(found)} == {np.dtype(np.float32)}
        # Roundings of single outputs, some 2^-8 of them at most, average out; sums have float32's.
        np.testing.assert_allclose(found.loss, cross_entropies(outputs, batch[1]).mean(), rtol=1e-4)
        np.testing.assert_array_equal(objective.accuracy(np.ones(6)), np.float32(0.9))
        wrong = 1 / (1 + np.exp(-np.diff(outputs, axis=1))) - batch[1][:, None]
        slopes = np.diff(np.asarray(network.layers[2].kernel[...].astype(half), float), axis=1)[:, 0]
        wanted = wrong * hidden * slopes
        bound = 4 * float(jnp.finfo(half).eps) * np.abs(wanted).mean(axis=0)
        assert (np.abs(found.loss_gradient - wanted.mean(axis=0)) < bound).all()

    def test_a_loss_of_ones_own_is_given_single_precision(self, half):
        network, batch, _, outputs = problem(half)
        loss = optax.softmax_cross_entropy_with_integer_labels
        found = sweeps.Objective(network, batch, loss=loss).evaluate(np.ones(6), gradients=False)
        np.testing.assert_allclose(found.loss, cross_entropies(outputs, batch[1]).mean(), rtol=1e-4)

    def test_the_history_of_a_training(self, half):
        network, batch, _, outputs = problem(half)
        task = sweeps.Task("half", sweeps.Batch(*batch), sweeps.Batch(*batch), 2, {})
        history = train_many([network], [task], optimizer=optax.sgd(0.0), epochs=1, batch_size=30_000)
        np.testing.assert_allclose(history.loss[0], cross_entropies(outputs, batch[1]).mean(), rtol=1e-4)
        np.testing.assert_array_equal(history.accuracy[0], np.float32(0.9))


@pytest.mark.parametrize("name", ["cross_entropy", "squared_error", "binary_cross_entropy"])
def test_losses_are_taken_in_single_precision(name):
    outputs = np.random.default_rng(0).normal(scale=8, size=(50, 1 if name.startswith("binary") else 2))
    half, labels = jnp.asarray(outputs, jnp.bfloat16), jnp.arange(50) % 2
    found = _losses.LOSSES[name].each(half, labels)
    np.testing.assert_array_equal(found, _losses.LOSSES[name].each(half.astype(jnp.float32), labels))
    assert found.dtype == jnp.float32


def test_sums_of_halves_neither_end_nor_stall():
    # float16 ends at 65,504; bfloat16 stalls at 256.
    for half in HALVES:
        total, number = _losses.summed(jnp.ones(EXAMPLES, half), None)
        assert (float(total), float(number)) == (EXAMPLES, EXAMPLES) and total.dtype == jnp.float32


def test_answers_are_counted_in_whole_numbers():
    # A sum of ones in float32 stalls at 2^24.
    number = 2**24 + 3
    found = _losses.answers(jnp.ones((number, 1), jnp.float16), jnp.ones(number, jnp.int32), None)
    assert (int(found.right), int(found.none), int(found.all)) == (number, 0, number)
    several = jax.tree.map(lambda one: jnp.stack([one, one - one, one]).sum(), found)
    assert int(several.right) == 2 * number


@pytest.mark.parametrize("sizes", [(2, 4, 2), (2, 4, 3, 2)])
@pytest.mark.parametrize("half", HALVES)
def test_a_half_network_is_evaluated_as_it_is_written(sizes, half):
    # Rounding hides whether such outputs are affine in the gates: two layers, whose gates multiply, would pass.
    network = sweeps.MLP(sizes)
    nnx.update(network, jax.tree.map(lambda leaf: leaf.astype(half), nnx.state(network)))
    inputs = np.random.default_rng(0).normal(size=(30, 2)).astype(half)
    objective = sweeps.Objective(network, (inputs, np.arange(30) % 2))
    assert objective.plan.name == "vmapped"
    assert f"outputs are {jnp.dtype(half)}" in objective.plan.reason
    loss = objective.evaluate(np.ones(len(objective.nodes)), gradients=False).loss
    wanted = cross_entropies(np.asarray(network(jnp.asarray(inputs)), float), np.arange(30) % 2).mean()
    np.testing.assert_allclose(loss, wanted, rtol=float(jnp.finfo(half).eps))


def test_a_function_that_returns_a_half():
    objective = sweeps.Objective.from_function(lambda gates: (1 + gates.sum()).astype(jnp.bfloat16), nodes=2)
    found = objective.evaluate([[1, 1], [0, 1]])
    assert {part.dtype for part in jax.tree.leaves(found)} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found.loss, [3, 2])
