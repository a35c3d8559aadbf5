"""Nodes that are zeroed or removed: against gates, against plain NumPy, and bias compensation against its formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import pruning
from sweeps._store import checkpoints
from tests import reference
from tests.sweeps import helpers

PROBLEMS = {
    "relu": helpers.problem((3, 6, 2), "relu", "cross_entropy", 2, seed=1),
    "sigmoid": helpers.problem((2, 5, 4, 2), "sigmoid", "squared_error", None, seed=2),
    "tanh": helpers.problem((2, 3, 4, 3, 2), "tanh", "cross_entropy", 2, seed=3),
}
NAMES = list(PROBLEMS)


def some(nodes, seed=0):
    """About half of the nodes."""
    return np.random.default_rng(seed).random(nodes) < 0.5


def compensated(problem, keep):
    """The problem with the biases that make up for the nodes that go."""
    _, trace, last = reference.forward(problem, np.ones(problem.nodes))
    read = [values for values, _, _ in trace[1:]] + [last]
    layers = [problem.layers[0]]
    for (kernel, bias), values, gates in zip(problem.layers[1:], read, reference.split(problem, keep), strict=True):
        layers.append((kernel, bias + (values.mean(axis=0) * (1 - gates)) @ kernel))
    return problem._replace(layers=tuple(layers))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("compensate", [False, True])
def test_zeroed_removed_gated_and_numpy_agree(name, compensate, x64):
    problem = PROBLEMS[name]
    net, inputs = helpers.network(problem, jnp.float64), jnp.asarray(problem.inputs)
    keep = some(problem.nodes)
    expected = compensated(problem, keep) if compensate else problem
    outputs = reference.outputs(expected, keep)
    smaller = pruning.remove_nodes(net, keep, inputs=problem.inputs, compensate_bias=compensate)
    zeroed = pruning.zero_nodes(net, keep, inputs=problem.inputs, compensate_bias=compensate)
    np.testing.assert_allclose(smaller(inputs), outputs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(zeroed(inputs), outputs, rtol=0, atol=1e-12)
    if not compensate:
        batch = helpers.batch(problem, np.float64)
        gated = sweeps.Objective(net, batch, loss=problem.loss, plan="vmapped").outputs(keep)
        np.testing.assert_allclose(smaller(inputs), gated, rtol=0, atol=1e-12)
    sizes = [int(piece.sum()) for piece in reference.split(problem, keep)]
    assert smaller.sizes == (problem.sizes[0], *sizes, problem.sizes[-1])
    for layer, shape in zip(smaller.layers, zip(smaller.sizes[:-1], smaller.sizes[1:], strict=True), strict=True):
        assert layer.kernel.shape == shape == (layer.in_features, layer.out_features)
        assert layer.kernel.dtype == layer.bias.dtype == jnp.float64
    for copy, old in zip(zeroed.layers, net.layers, strict=True):
        assert copy.kernel.shape == old.kernel.shape


def test_mean_activations():
    problem = PROBLEMS["sigmoid"]
    _, trace, last = reference.forward(problem, np.ones(problem.nodes))
    found = pruning.mean_activations(helpers.network(problem), problem.inputs, ["layers/0", "layers/1", "layers/2"])
    for path, values in zip(found, (trace[0][0], trace[1][0], last), strict=True):
        np.testing.assert_allclose(found[path], values.mean(axis=0), rtol=1e-5)
    with pytest.raises(ValueError, match="layers: layers/9 is never called"):
        pruning.mean_activations(helpers.network(problem), problem.inputs, ["layers/9"])


def test_mean_activations_of_several_chunks(monkeypatch):
    problem = PROBLEMS["tanh"]
    whole = pruning.mean_activations(helpers.network(problem), problem.inputs, ["layers/2"])
    monkeypatch.setattr(pruning._reading, "CHUNK", 5)
    found = pruning.mean_activations(helpers.network(problem), problem.inputs, ["layers/2"])
    np.testing.assert_allclose(found["layers/2"], whole["layers/2"], rtol=1e-6)


def test_nothing_is_compensated_without_inputs():
    problem = PROBLEMS["relu"]
    net, keep = helpers.network(problem), some(problem.nodes)
    for change in (pruning.remove_nodes, pruning.zero_nodes):
        without, told = change(net, keep), change(net, keep, compensate_bias=True)
        for one, other in zip(helpers.leaves(without), helpers.leaves(told), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_a_node_that_carries_a_constant_goes_without_a_trace(activation, x64):
    problem = helpers.problem((2, 5, 4, 2), activation, "cross_entropy", 2, seed=5)
    for layer, node in ((0, 1), (1, 3)):
        problem.layers[layer][0][:, node] = 0
        problem.layers[layer][1][node] = 0.7
    net, keep = helpers.network(problem, jnp.float64), np.ones(9)
    keep[[1, 5 + 3]] = 0
    for change in (pruning.remove_nodes, pruning.zero_nodes):
        changed = change(net, keep, inputs=problem.inputs, compensate_bias=True)
        fresh = np.random.default_rng(0).normal(size=(7, 2))
        np.testing.assert_allclose(changed(jnp.asarray(fresh)), net(jnp.asarray(fresh)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_would_fire_loses_its_outgoing_weights(name):
    problem = PROBLEMS[name]
    net, keep = helpers.network(problem), some(problem.nodes, seed=1)
    masks = pruning.masks_of_nodes(net, keep)
    last = f"layers/{len(problem.layers) - 1}/kernel"
    assert (last in masks) == (name == "sigmoid")
    zeroed, pieces = pruning.zero_nodes(net, keep), reference.split(problem, keep)
    for layer, (kernel, bias) in enumerate(problem.layers):
        columns = pieces[layer] if layer < len(pieces) else np.ones(kernel.shape[1])
        rows = pieces[layer - 1] if layer and name == "sigmoid" else np.ones(kernel.shape[0])
        np.testing.assert_array_equal(zeroed.layers[layer].kernel[...], (kernel * rows[:, None] * columns))
        np.testing.assert_array_equal(zeroed.layers[layer].bias[...], bias * columns)


def test_masks_of_many_nodes_at_once():
    net = helpers.network(PROBLEMS["sigmoid"])
    keep = np.random.default_rng(0).random((2, 3, 9)) < 0.5
    masks = pruning.masks_of_nodes(net, keep)
    for index in np.ndindex(2, 3):
        for path, mask in pruning.masks_of_nodes(net, keep[index]).items():
            np.testing.assert_array_equal(masks[path][index], mask)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_without_biases(activation, x64):
    problem = helpers.problem((2, 4, 3, 2), activation, "cross_entropy", 2, seed=6)
    problem = problem._replace(layers=tuple((kernel, 0 * bias) for kernel, bias in problem.layers))
    net = sweeps.MLP(problem.sizes, activation=activation, use_bias=False, kernel_init=nnx.initializers.zeros_init())
    for layer, (kernel, _) in zip(net.layers, problem.layers, strict=True):
        nnx.update(layer, {"kernel": jnp.asarray(kernel)})
    keep, inputs = np.array([1, 0, 1, 1, 1, 1, 0]), jnp.asarray(problem.inputs)
    for change in (pruning.remove_nodes, pruning.zero_nodes):
        options = [dict(inputs=problem.inputs, compensate_bias=compensate) for compensate in (False, True)]
        plain, made_up = (change(net, keep, **one) for one in options)
        assert [layer.use_bias for layer in plain.layers] == [False] * 3
        assert [layer.use_bias for layer in made_up.layers] == [False, True, True]
        np.testing.assert_allclose(plain(inputs), reference.outputs(problem, keep), rtol=0, atol=1e-12)
        expected = reference.outputs(compensated(problem, keep), keep)
        np.testing.assert_allclose(made_up(inputs), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("gone", [slice(0, 5), slice(5, 9), slice(0, 9)])
def test_a_layer_may_lose_all_its_nodes(gone, x64):
    problem = PROBLEMS["sigmoid"]
    net, keep = helpers.network(problem, jnp.float64), np.ones(9, bool)
    keep[gone] = False
    inputs = jnp.asarray(problem.inputs)
    smaller = pruning.remove_nodes(net, keep, inputs=problem.inputs)
    expected = reference.outputs(compensated(problem, keep), keep)
    np.testing.assert_allclose(smaller(inputs), expected, rtol=0, atol=1e-12)


def test_a_smaller_network_is_gated_saved_and_pruned_again(tmp_path):
    problem = PROBLEMS["tanh"]
    batch = helpers.batch(problem)
    smaller = pruning.remove_nodes(helpers.network(problem), np.arange(10) % 3 > 0, inputs=problem.inputs)
    objective = sweeps.Objective(smaller, batch, plan="vmapped")
    assert len(objective.nodes) == sum(smaller.sizes[1:-1])
    checkpoints.save(smaller, tmp_path / "network")
    again = pruning.prune_weights(smaller, 1, include_outputs=True)
    checkpoints.restore(again, tmp_path / "network")
    for one, other in zip(helpers.leaves(again), helpers.leaves(smaller), strict=True):
        np.testing.assert_array_equal(one, other)
    assert pruning.remove_nodes(again, np.arange(len(objective.nodes)) > 0).sizes[1] == smaller.sizes[1] - 1


def test_narrow_types_stay():
    problem, dtype = PROBLEMS["sigmoid"], jnp.bfloat16
    net, inputs = helpers.network(problem, dtype), jnp.asarray(problem.inputs, dtype)
    smaller = pruning.remove_nodes(net, some(9), inputs=inputs)
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(smaller))} == {jnp.dtype(dtype)}
    assert pruning.unit_scores(net).dtype == np.float64


def test_nodes_are_checked():
    net = helpers.network(PROBLEMS["relu"])
    with pytest.raises(ValueError, match=r"keep must have shape \(6,\), one a node, got \(5,\)"):
        pruning.remove_nodes(net, np.ones(5))
    with pytest.raises(ValueError, match=r"keep must have shape \(6,\), one a node, got \(2, 6\)"):
        pruning.zero_nodes(net, np.ones((2, 6)))
    with pytest.raises(ValueError, match=r"keep must have shape \(..., 6\), one a node, got \(2, 5\)"):
        pruning.masks_of_nodes(net, np.ones((2, 5)))
    with pytest.raises(ValueError, match="keep must be true or false"):
        pruning.remove_nodes(net, np.full(6, 0.5))


@pytest.mark.parametrize("sizes", [(2, 6, 3), (2, 5, 4, 3)])
def test_biases_that_make_up_for_nodes_are_off_values_of_their_means(sizes, x64):
    # The means are those of the network with all nodes, whatever goes before: layer after layer both are the same.
    problem = helpers.problem(sizes, "tanh", "cross_entropy", 3, seed=21)
    net, inputs = helpers.network(problem, np.float64), problem.inputs
    objective = sweeps.Objective(net, (inputs, problem.targets), off="mean")
    keep = np.arange(problem.nodes) % 3 > 0
    smaller = pruning.remove_nodes(net, keep, inputs=inputs, compensate_bias=True)
    outputs = np.asarray(smaller(jnp.asarray(inputs)))
    wanted = reference.per_example("cross_entropy", outputs, problem.targets)[0].mean()
    np.testing.assert_allclose(objective.evaluate(keep).loss, wanted, rtol=1e-12)
