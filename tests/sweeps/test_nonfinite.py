"""What is not finite: refused where it counts, harmless where it does not, and nothing of a node that is off."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from sweeps._program import running
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import PROBLEMS, SMALL

INPUTS, LABELS = SMALL.inputs.astype(np.float32), SMALL.targets
NETWORK = helpers.network(SMALL)


def with_bad(values, where, bad):
    values = values.copy()
    values[where] = bad
    return values


class TestInputs:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_those_that_count_are_refused(self, bad):
        batch = (with_bad(INPUTS, (3, 1), bad), LABELS)
        message = rf"batch: inputs must be finite where they count, and fit float32, got {bad} at index \(3, 1\)"
        with pytest.raises(ValueError, match=message):
            sweeps.Objective(NETWORK, batch)
        with pytest.raises(ValueError, match=message):
            sweeps.train(helpers.network(SMALL), sweeps.Task("bad", sweeps.Batch(*batch), sweeps.Batch(*batch), 2, {}))

    def test_numbers_beyond_single_precision(self):
        with pytest.raises(ValueError, match=r"inputs must be finite .* fit float32, got 1e\+300 at index \(0, 0\)"):
            sweeps.Objective(NETWORK, (with_bad(SMALL.inputs, (0, 0), 1e300), LABELS))

    def test_of_several_arrays_the_bad_one_is_named(self):
        inputs = {"left": INPUTS, "right": jnp.asarray(with_bad(INPUTS, (5, 0), np.nan))}
        with pytest.raises(ValueError, match=r"batch: inputs\['right'\] must be finite .* got nan at index \(5, 0\)"):
            sweeps.Objective(NETWORK, (inputs, LABELS), call=lambda network, inputs: network(inputs["left"]))

    def test_targets(self):
        problem = PROBLEMS["one value"]
        batch = (problem.inputs, with_bad(problem.targets, (2, 0), np.inf))
        with pytest.raises(ValueError, match=r"batch: targets must be finite .* got inf at index \(2, 0\)"):
            sweeps.Objective(helpers.network(problem), batch)

    @pytest.mark.parametrize("plan", ["affine", "vmapped"])
    def test_positions_that_do_not_count_may_hold_anything(self, plan):
        # Six sequences of two positions: the same numbers as twelve examples.
        mask = np.arange(12).reshape(6, 2) % 3 > 0
        inputs, labels = INPUTS.reshape(6, 2, 2).copy(), LABELS.reshape(6, 2)
        inputs[~mask] = np.nan
        gates = helpers.partial_gains(SMALL.nodes)
        found = sweeps.Objective(NETWORK, (inputs, labels, mask), plan=plan).evaluate(gates)
        chosen = SMALL._replace(inputs=SMALL.inputs[mask.reshape(-1)], targets=SMALL.targets[mask.reshape(-1)])
        wanted = reference.evaluate(chosen, gates)
        np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-5)
        np.testing.assert_allclose(found.loss_gradient, wanted.loss_gradient, rtol=1e-5, atol=1e-5)


class TestAccuracy:
    def test_outputs_that_are_not_finite_are_no_class(self):
        network = helpers.network(SMALL)
        network.layers[1].kernel[...] = network.layers[1].kernel[...].at[2].set(jnp.nan)
        objective = sweeps.Objective(network, (INPUTS, np.zeros_like(LABELS)))
        assert np.isnan(objective.accuracy(np.ones(SMALL.nodes)))

    def test_only_the_gates_that_lead_to_them(self):
        network = helpers.network(SMALL)
        network.layers[0].bias[...] = network.layers[0].bias[...].at[2].set(jnp.inf)
        gates = np.ones((2, SMALL.nodes))
        gates[1, 2] = 0
        found = sweeps.Objective(network, (INPUTS, LABELS)).accuracy(gates)
        outputs = reference.outputs(SMALL, gates[1])
        assert np.isnan(found[0])
        np.testing.assert_allclose(found[1], (outputs.argmax(axis=1) == LABELS).mean(), rtol=1e-6)

    @pytest.mark.parametrize("outputs", [1, 2])
    def test_examples_that_do_not_count_do_not_matter(self, outputs):
        inputs, mask = with_bad(INPUTS, 4, np.nan), np.arange(12) != 4
        network = sweeps.MLP((2, 3, outputs))
        loss = "cross_entropy" if outputs == 2 else "binary_cross_entropy"
        found = sweeps.Objective(network, (inputs, LABELS, mask), loss=loss).accuracy(np.ones(3))
        values = np.asarray(network(jnp.asarray(INPUTS)))
        classes = values.argmax(axis=1) if outputs == 2 else values[:, 0] > 0
        np.testing.assert_allclose(found, (classes == LABELS)[mask].mean(), rtol=1e-6)


def overflowing(name, layer, node):
    """A network one of whose nodes is infinite for some examples, and the problem without that node."""
    problem = PROBLEMS[name]
    network = helpers.network(problem)
    network.layers[layer].kernel[...] = network.layers[layer].kernel[...].at[:, node].set(3e38)
    layers = [list(map(np.copy, pair)) for pair in problem.layers]
    layers[layer + 1][0][node] = 0
    return network, problem._replace(layers=tuple(map(tuple, layers)))


@pytest.mark.parametrize(("name", "layer", "node"), [("two classes", 0, 1), ("one-hot", 0, 1), ("two layers", 0, 1)])
def test_a_node_that_is_off_contributes_nothing(name, layer, node):
    # Inputs of order one times 3e38, twice: some sums are infinite.
    network, without = overflowing(name, layer, node)
    batch = helpers.batch(without)
    hidden = np.asarray(network.layers[0](jnp.asarray(batch.inputs) * 4))
    assert not np.isfinite(hidden[:, node]).all() and np.isfinite(np.delete(hidden, node, axis=1)).all()
    objective = sweeps.Objective(network, (batch.inputs * 4, batch.targets), loss=without.loss)
    without = without._replace(inputs=without.inputs * 4)
    gates = helpers.partial_gains(without.nodes)
    gates[:, node] = 0
    found, wanted = objective.evaluate(gates), reference.evaluate(without, gates)
    others = np.delete(np.arange(without.nodes), node)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-4)
    np.testing.assert_allclose(found.loss_gradient[:, others], wanted.loss_gradient[:, others], rtol=1e-3, atol=1e-4)
    on = objective.evaluate(np.ones(without.nodes), gradients=False)
    assert without.activation == "tanh" or not np.isfinite(on.loss), "a node that is on counts"


def test_a_plan_that_multiplies_by_infinity_is_not_chosen():
    network = helpers.network(SMALL)
    for layer in (0, 1):
        kernel = network.layers[layer].kernel
        kept = kernel[...]
        kernel[...] = kept.at[0, 1].set(jnp.inf)
        with pytest.raises(ValueError, match="plan 'affine' does not fit: outputs are not affine"):
            sweeps.Objective(network, (INPUTS, LABELS), plan="affine")
        kernel[...] = kept
    three = helpers.problem((2, 3, 3, 2), "relu", "cross_entropy", 2)
    network = helpers.network(three)
    for value, layer in ((np.inf, 0), (np.nan, 1), (1e20, 1)):
        bias = network.layers[layer].bias
        bias[...] = bias[...].at[0].set(value)
        objective = sweeps.Objective(network, helpers.batch(three))
        assert objective.plan.name == "vmapped" and "activations may be infinite or NaN" in objective.plan.reason, value
        bias[...] = bias[...].at[0].set(0)
    assert sweeps.Objective(network, helpers.batch(three)).plan.name == "dense"


def test_the_product_and_its_gradients():
    values, gates = jnp.asarray([[2.0, jnp.inf, jnp.nan, -3.0]]), jnp.asarray([0.0, 0.0, 0.0, 0.5])
    found, back = jax.vjp(
        lambda values, gates: running.gated(values, running.Part(gates), np.arange(4)[None]), values, gates
    )
    np.testing.assert_array_equal(found, [[0, 0, 0, -1.5]])
    by_value, by_gate = back(jnp.ones_like(found))
    np.testing.assert_array_equal(by_value, [[0, 0, 0, 0.5]])
    np.testing.assert_array_equal(by_gate, [2, 0, 0, -3])
    on = running.gated(values, running.Part(jnp.ones(4)), np.arange(4)[None])
    np.testing.assert_array_equal(on, values)


@pytest.mark.parametrize("gate", [np.nan, np.inf, 1e300])
def test_gates_that_are_not_finite(gate):
    objective = sweeps.Objective(NETWORK, (INPUTS, LABELS))
    for gates in (np.full(6, gate), jnp.full((2, 6), gate), [[1, 1, 1, 1, 1, gate]]):
        with pytest.raises(ValueError, match="gates must be finite, got NaN or infinity"):
            objective.evaluate(gates)
