"""Networks and losses whose examples depend on each other: no batch is cut that was not shown to be separable."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import sweeps
from sweeps._examples import Examples
from sweeps._plans import separable
from tests import reference
from tests.sweeps import helpers

PROBLEM = helpers.problem((2, 5, 2), "tanh", "cross_entropy", 2, examples=24, seed=1)
INPUTS, LABELS = PROBLEM.inputs.astype(np.float32), PROBLEM.targets
NODES = PROBLEM.nodes
GATES = np.vstack([np.ones(NODES), helpers.partial_gains(NODES)[:2]])
MASK = np.arange(24) % 3 > 0


class Net(nnx.Module):
    """The problem's network, with something between inputs, hidden layer and outputs."""

    def __init__(self, before=lambda x: x, between=lambda h: h):
        self.inner, self.before, self.between = helpers.network(PROBLEM), before, between

    def __call__(self, inputs):
        first, last = self.inner.layers
        return last(self.between(nnx.tanh(first(self.before(inputs)))))


def by_hand(before=lambda x: x, between=lambda h: h):
    """Losses of the examples with gates, in NumPy."""
    (kernel, bias), (last, shift) = PROBLEM.layers
    hidden = between(np.tanh(before(PROBLEM.inputs) @ kernel + bias))
    outputs = [(hidden * gates) @ last + shift for gates in GATES]
    return np.stack([reference.per_example("cross_entropy", one, LABELS)[0] for one in outputs])


def centred(values):
    return values - values.mean(axis=0, keepdims=True)


def normalised(values):
    return centred(values) / (values.var(axis=0, keepdims=True) + 1e-5) ** 0.5


def placed(values):
    return values * (1 + np.arange(len(values), dtype=values.dtype)[:, None] / 8)


DEPENDENT = {
    "centred": dict(between=centred),
    "normalised": dict(between=normalised),
    "place": dict(between=placed),
    # The outputs are affine in the gates all the same.
    "inputs": dict(before=centred),
}


@pytest.fixture
def few_numbers_in_cache(monkeypatch):
    """A cache that holds four examples or so."""
    helpers.set_device(monkeypatch, micro_batch=60, networks=60)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "mask"])
@pytest.mark.parametrize("name", DEPENDENT)
def test_the_whole_batch_is_evaluated(name, mask, few_numbers_in_cache):
    objective = sweeps.Objective(Net(**DEPENDENT[name]), (INPUTS, LABELS, mask))
    wanted = by_hand(**DEPENDENT[name])[:, slice(None) if mask is None else mask].mean(axis=1)
    np.testing.assert_allclose(objective.evaluate(GATES, gradients=False).loss, wanted, rtol=1e-5)
    assert objective.plan.name == "affine"


@pytest.mark.parametrize("name", DEPENDENT)
def test_a_cut_that_is_asked_for_is_refused(name):
    with pytest.raises(ValueError, match="micro_batch must be left out, or be all 24 examples, where .* got 6"):
        sweeps.Objective(Net(**DEPENDENT[name]), (INPUTS, LABELS), micro_batch=6)


@pytest.mark.parametrize("micro_batch", [1, 16])
@pytest.mark.parametrize(
    "between",
    [
        lambda h: h.at[40:].add(h[:-40]),
        lambda h: h.at[50:].multiply(2.0),
    ],
    ids=["far", "place"],
)
def test_what_a_few_examples_do_not_show(between, micro_batch):
    inputs, labels = np.tile(INPUTS, (3, 1)), np.tile(LABELS, 3)
    with pytest.raises(ValueError, match="micro_batch must be left out, or be all 72 examples"):
        sweeps.Objective(Net(between=between), (inputs, labels), micro_batch=micro_batch)


def test_a_loss_that_contrasts_examples(few_numbers_in_cache):
    def contrast(outputs, labels):
        return optax.softmax_cross_entropy_with_integer_labels(outputs @ outputs.T, jnp.arange(len(outputs)))

    found = sweeps.Objective(helpers.network(PROBLEM), (INPUTS, LABELS), loss=contrast)
    outputs = reference.outputs(PROBLEM, np.ones(NODES))
    alike = outputs @ outputs.T
    wanted = (np.log(np.exp(alike).sum(axis=1)) - np.diag(alike)).mean()
    np.testing.assert_allclose(found.evaluate(np.ones(NODES), gradients=False).loss, wanted, rtol=1e-5)
    with pytest.raises(ValueError, match="micro_batch must be left out"):
        sweeps.Objective(helpers.network(PROBLEM), (INPUTS, LABELS), loss=contrast, micro_batch=12)


def test_separable_networks_are_cut(few_numbers_in_cache):
    objective = sweeps.Objective(Net(), (INPUTS, LABELS, MASK), plan="vmapped")
    assert objective.plan.tree.loss.micro_batch < 10
    wanted = by_hand()[:, MASK].mean(axis=1)
    np.testing.assert_allclose(objective.evaluate(GATES, gradients=False).loss, wanted, rtol=1e-5)


def test_what_does_not_count_cannot_be_replaced_where_it_is_read():
    inputs = INPUTS.copy()
    inputs[~MASK] = np.nan
    with pytest.raises(ValueError, match="batch: inputs and targets that do not count must be finite too where"):
        sweeps.Objective(Net(between=centred), (inputs, LABELS, MASK))
    found = sweeps.Objective(Net(), (inputs, LABELS, MASK)).evaluate(GATES)
    np.testing.assert_allclose(found.loss, by_hand()[:, MASK].mean(axis=1), rtol=1e-5)
    assert np.isfinite(found.loss_gradient).all()


# Functions of inputs (examples, 3), and whether each example's value is its own.
VALUES = {
    "own": (lambda x: jnp.tanh(x).sum(axis=1), True),
    "own, not finite": (lambda x: jnp.log(x[:, 0]), True),
    "own, bfloat16": (lambda x: jnp.exp(x.astype(jnp.bfloat16)).sum(axis=1).astype(jnp.float32), True),
    "weak mean": (lambda x: x[:, 0] + 1e-4 * x.mean(), False),
    "weak mean, bfloat16": (lambda x: (x[:, 0] + 1e-2 * x.mean()).astype(jnp.bfloat16).astype(jnp.float32), False),
    "place": (lambda x: x[:, 0] + 0.01 * jnp.arange(len(x), dtype=x.dtype), False),
    "size": (lambda x: x[:, 0] * len(x), False),
    "neighbour": (
        lambda x: x[:, 0] + x.reshape(-1, 2, 3)[:, ::-1, 1].reshape(-1) if len(x) % 2 == 0 else x[:, 0],
        False,
    ),
    "place among all": (lambda x: (x[:, :1] > x[None, :, 0]).sum(axis=1).astype(jnp.float32), False),
    # Of more than a few examples only: what does not fit in a buffer is dropped.
    "buffer": (lambda x: jnp.where(jnp.arange(len(x)) < 40, x[:, 0], 0), False),
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_shown(name):
    function, wanted = VALUES[name]
    data = Examples(jnp.asarray(np.random.default_rng(0).normal(size=(100, 3)), jnp.float32), jnp.zeros(100), None)
    assert separable.is_shown(jax.jit(lambda part: function(part.inputs)), data, 30) is wanted


def test_numbers_of_words_cannot_be_made_larger():
    data = Examples(jnp.arange(40) % 7, jnp.zeros(40), None)
    table = jnp.asarray(np.random.default_rng(0).normal(size=7), jnp.float32)
    assert separable.is_shown(jax.jit(lambda part: table[part.inputs]), data, 20)
    assert not separable.is_shown(jax.jit(lambda part: table[part.inputs] - table[part.inputs].mean()), data, 20)


def test_one_example_shows_nothing():
    data = Examples(jnp.ones((2, 3)), jnp.zeros(2), jnp.asarray([True, False]))
    assert not separable.is_shown(jax.jit(lambda part: part.inputs[:, 0]), data, 1)


def test_training_does_not_fill_up_a_batch_that_is_normalised():
    # Five examples: three, and then two, whose own mean and variance normalise them; a learning rate of zero.
    class Normalised(nnx.Module):
        def __init__(self):
            self.norm, self.dense = nnx.BatchNorm(2, momentum=0.5, rngs=nnx.Rngs(0)), helpers.linear(2, 2)

        def __call__(self, inputs):
            return self.dense(self.norm(inputs))

    network, inputs, labels = Normalised(), INPUTS[:5], LABELS[:5]
    task = sweeps.Task("five", sweeps.Batch(inputs, labels), sweeps.Batch(inputs, labels), 2, {})
    history = sweeps.train(network, task, optimizer=optax.sgd(0.0), epochs=1, batch_size=3)
    kernel, bias = (np.asarray(part[...], float) for part in (network.dense.kernel, network.dense.bias))
    found = []
    for first in map(list, itertools.combinations(range(5), 3)):
        total, mean = 0.0, np.zeros(2)
        for chosen in (first, [index for index in range(5) if index not in first]):
            outputs = normalised(PROBLEM.inputs[chosen]) @ kernel + bias
            total += reference.per_example("cross_entropy", outputs, labels[chosen])[0].sum()
            mean = (mean + PROBLEM.inputs[chosen].mean(axis=0)) / 2
        found.append([total / 5, *mean])
    close = np.isclose([history.loss[0], *network.norm.mean[...]], found, rtol=1e-4).all(axis=1)
    assert close.sum() == 1, "one split into three and two, and it alone"
