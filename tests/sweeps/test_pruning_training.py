"""Training under masks, and gradual pruning."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import sweeps
from sweeps import pruning
from sweeps._training import train_many
from tests.sweeps import helpers

PROBLEM = helpers.problem((3, 6, 4, 2), "tanh", "cross_entropy", 2, examples=40, seed=3)
BATCH = helpers.batch(PROBLEM)
INPUTS = jnp.asarray(BATCH.inputs)
TASK = sweeps.Task("own", BATCH, BATCH, 2, {})
ADAM = optax.adam(0.05)
# The same everywhere, so that one compiled program serves several tests; the last of three batches is not full.
HOW = dict(epochs=2, batch_size=16)
# One batch an epoch and plainer steps are half as much to compile, for tests that have a program of their own.
WHOLE = dict(epochs=2, batch_size=40)
MOMENTUM = optax.sgd(0.1, momentum=0.9)


def network(seed=3, activation="tanh", dtype=np.float32):
    return helpers.network(helpers.problem((3, 6, 4, 2), activation, "cross_entropy", 2, examples=40, seed=seed), dtype)


def parameters(net):
    return {path: np.array(variable[...]) for path, variable in pruning._parameters.by_path(net).items()}


def assert_same(one, other, **bounds):
    for path, values in parameters(one).items():
        np.testing.assert_allclose(values, parameters(other)[path], **bounds or dict(rtol=0, atol=0))


@pytest.mark.parametrize(
    ("optimizer", "how"), [(ADAM, HOW), (pruning.resting(optax.adamw(0.05, weight_decay=0.1)), WHOLE)]
)
def test_pruned_weights_keep_their_values_bit_for_bit(optimizer, how):
    net = network()
    before, masks = parameters(net), pruning.weight_masks(net, 0.5)
    masked = pruning.Masked(net, masks)
    sweeps.train(masked, TASK, optimizer=optimizer, **how)
    for path, values in parameters(net).items():
        mask = masks.get(path, np.ones(values.shape, bool))
        np.testing.assert_array_equal(values[~mask], before[path][~mask])
        assert (values[mask] != before[path][mask]).all()
    zeroed = masked.zeroed()
    for path, mask in masks.items():
        np.testing.assert_array_equal(parameters(zeroed)[path], np.where(mask, parameters(net)[path], 0))
    np.testing.assert_allclose(masked(INPUTS), zeroed(INPUTS), rtol=0, atol=1e-6)


def test_what_rests_is_not_decayed_and_moves_once_it_has_a_gradient():
    decay = optax.chain(optax.add_decayed_weights(0.5), optax.sgd(1.0))
    weights, optimizer = jnp.array([2.0, 4.0]), pruning.resting(decay)
    state = optimizer.init(weights)
    for gradient, expected in (([0, 1], [0, -3]), ([1, 0], [-2, -2]), ([0, 0], [-1, -2])):
        plain = decay.update(jnp.array(gradient, jnp.float32), decay.init(weights), weights)[0]
        updates, state = optimizer.update(jnp.array(gradient, jnp.float32), state, weights)
        np.testing.assert_array_equal(updates, expected)
        assert (plain[np.asarray(gradient) == 0] < 0).all()


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_training_under_masks_is_training_the_smaller_network(activation, x64):
    keep = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1, 1], bool)
    net = network(activation=activation, dtype=np.float64)
    smaller, masks = pruning.remove_nodes(net, keep), pruning.masks_of_nodes(net, keep)
    before, batch = parameters(net), helpers.batch(PROBLEM, np.float64)
    task = sweeps.Task("own", batch, batch, 2, {})
    found = sweeps.train(pruning.Masked(net, masks), task, optimizer=MOMENTUM, **WHOLE, seed=5)
    expected = sweeps.train(smaller, task, optimizer=MOMENTUM, **WHOLE, seed=5)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-10)
    assert_same(pruning.remove_nodes(net, keep), smaller, rtol=0, atol=1e-10)
    # What leads to the nodes that are off, and from them, is as it was; they can be switched on again.
    first, second, last = np.split(keep, [6]) + [np.ones(2, bool)]
    for layer, (rows, columns) in enumerate(((np.ones(3, bool), first), (first, second), (second, last))):
        off = ~(rows[:, None] & columns)
        path = f"layers/{layer}/kernel"
        np.testing.assert_array_equal(parameters(net)[path][off], before[path][off])
        assert (parameters(net)[path][~off] != before[path][~off]).any()


def test_a_node_is_switched_on_again():
    net, keep = network(), np.ones(10, bool)
    keep[2] = False
    masks, whole = (
        {path: mask for path, mask in pruning.masks_of_nodes(net, one).items() if path.endswith("kernel")}
        for one in (keep, np.ones(10))
    )
    masked = pruning.Masked(net, masks)
    before = parameters(net)["layers/0/kernel"]
    sweeps.train(masked, TASK, optimizer=ADAM, **HOW)
    masked.set_masks(whole)
    np.testing.assert_array_equal(masked(INPUTS), net(INPUTS))
    np.testing.assert_array_equal(parameters(net)["layers/0/kernel"][:, 2], before[:, 2])
    sweeps.train(masked, TASK, optimizer=ADAM, **HOW)
    assert (parameters(net)["layers/0/kernel"][:, 2] != before[:, 2]).all()
    with pytest.raises(ValueError, match="masks must be those of layers/0/kernel, .*, got layers/0/bias"):
        masked.set_masks({"layers/0/bias": np.ones(6)})


def test_several_masks_at_once_are_one_at_a_time():
    nets, alone = ([network(seed) for seed in (1, 2, 3)] for _ in range(2))
    masks = [pruning.weight_masks(net, share) for net, share in zip(nets, (0, 0.3, 0.9), strict=True)]
    together = [pruning.Masked(net, mask) for net, mask in zip(nets, masks, strict=True)]
    history = train_many(together, [TASK] * 3, optimizer=ADAM, **HOW, seeds=[7, 7, 7])
    for index, (net, mask) in enumerate(zip(alone, masks, strict=True)):
        single = sweeps.train(pruning.Masked(net, mask), TASK, optimizer=ADAM, **HOW, seed=7)
        np.testing.assert_allclose(single.loss, history.loss[index], rtol=1e-5)
        # Adam divides by what may be small: rounding in, rounding times some hundred out.
        assert_same(net, nets[index], rtol=0, atol=1e-4)


def test_a_masked_network_is_cloned_jitted_and_gated():
    net = network()
    masked = pruning.Masked(net, pruning.weight_masks(net, 0.6))
    expected, clone = masked.zeroed()(INPUTS), nnx.clone(masked)
    masked.set_masks({path: mask[...] ^ True for path, mask in masked.masks.items()})
    np.testing.assert_array_equal(clone.network.layers[0].kernel[...], net.layers[0].kernel[...])
    np.testing.assert_allclose(clone(INPUTS), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(nnx.jit(lambda net, x: net(x))(clone, INPUTS), expected, rtol=0, atol=1e-6)
    objective = sweeps.Objective(clone, BATCH, plan="vmapped")
    np.testing.assert_allclose(objective.outputs(), expected, rtol=0, atol=1e-6)
    assert objective.nodes[0] == "network/layers/0 unit 0"


def test_statistics_go_on_being_learned():
    net = nnx.Sequential(
        helpers.linear(3, 3), nnx.BatchNorm(3, rngs=nnx.Rngs(0)), nnx.softplus, helpers.linear(3, 2, seed=1)
    )
    masks, before = pruning.masks_of_nodes(net, [1, 0, 1], inputs=BATCH.inputs), nnx.clone(net)
    assert set(masks) == {"layers/0/kernel", "layers/0/bias", "layers/3/kernel"}
    sweeps.train(pruning.Masked(net, masks), TASK, optimizer=MOMENTUM, **WHOLE)
    assert (np.asarray(net.layers[1].var[...]) != np.asarray(before.layers[1].var[...])).all()
    for path, mask in masks.items():
        np.testing.assert_array_equal(parameters(net)[path][~mask], parameters(before)[path][~mask])
    # A node that is off gets no gradient anywhere, so its scale and shift stay too.
    for name in ("scale", "bias"):
        changed = parameters(net)[f"layers/1/{name}"] != parameters(before)[f"layers/1/{name}"]
        np.testing.assert_array_equal(changed, [True, False, True])


CUBIC = optax.polynomial_schedule(0.2, 0.9, power=3, transition_steps=6)


def test_gradual_pruning_ends_at_the_last_sparsity():
    net = network()
    last = pruning.gradually(net, TASK, CUBIC, 6, optimizer=ADAM, batch_size=16)
    assert last.history.loss.shape == last.history.accuracy.shape == (6,)
    np.testing.assert_allclose(last.sparsity, [CUBIC(epoch) for epoch in range(1, 7)])
    assert {path: int((~mask).sum()) for path, mask in last.masks.items()} == {
        "layers/0/kernel": 16,
        "layers/1/kernel": 21,
    }
    zeroed = pruning.zeroed(net, last.masks)
    assert pruning.cost(zeroed, INPUTS, repeats=1).nonzero == 62 - 16 - 21


def test_what_is_pruned_comes_back_with_the_value_that_it_had():
    net, masks = network(), pruning.weight_masks(network(), 0.5)
    before = parameters(net)
    half = pruning.gradually(net, TASK, lambda epoch: 0.5, 1, choose=None, optimizer=ADAM, batch_size=16)
    for path, mask in masks.items():
        np.testing.assert_array_equal(half.masks[path], mask)
        np.testing.assert_array_equal(parameters(net)[path][~mask], before[path][~mask])
    # The next choice is made from all weights: one that has become smaller than one that was pruned goes for it.
    longer = pruning.gradually(network(), TASK, lambda epoch: 0.5, 8, choose=None, optimizer=ADAM, batch_size=16)
    assert any((longer.masks[path] & ~mask).any() for path, mask in masks.items())


def test_momentum_moves_nothing_that_is_pruned_later():
    seen = []

    def choose(net, sparsity):
        seen.append(parameters(net))
        return pruning.weight_masks(net, sparsity)

    net = network()
    pruning.gradually(net, TASK, lambda epoch: epoch - 1, 2, choose=choose, optimizer=ADAM, batch_size=16)
    start, middle, end = seen[0], seen[1], parameters(net)
    for path in ("layers/0/kernel", "layers/1/kernel"):
        assert (start[path] != middle[path]).all()
        np.testing.assert_array_equal(middle[path], end[path])
    assert (middle["layers/2/bias"] != end["layers/2/bias"]).all()


def test_gradual_pruning_under_masks_that_stay_is_training():
    # Optimizer, order of the examples and the last, smaller batch are those of the one training loop.
    net, other = network(), network()
    masks = pruning.weight_masks(net, 0.5)
    found = pruning.gradually(
        net, TASK, lambda epoch: 0.5, 2, choose=lambda net, sparsity: masks, optimizer=ADAM, batch_size=16, seed=7
    )
    expected = sweeps.train(pruning.Masked(other, masks), TASK, optimizer=ADAM, **HOW, seed=7)
    np.testing.assert_allclose(found.history.loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(found.history.accuracy, expected.accuracy, rtol=1e-6)
    assert_same(net, other, rtol=0, atol=1e-4)


def test_nodes_may_go_gradually():
    net = network(activation="sigmoid")
    nodes = {}

    def choose(net, sparsity):
        keep = pruning.unit_masks(net, sparsity, scope="global_normalised")
        nodes[float(sparsity)] = keep
        return pruning.masks_of_nodes(net, keep)

    result = pruning.gradually(net, TASK, lambda epoch: epoch / 4, 2, choose=choose, optimizer=MOMENTUM, batch_size=40)
    assert nodes[0.25].sum() == 8 and nodes[0.5].sum() == 5
    outputs = pruning.zeroed(net, result.masks)(INPUTS)
    np.testing.assert_allclose(pruning.remove_nodes(net, nodes[0.5])(INPUTS), outputs, rtol=0, atol=1e-6)


def test_a_network_that_diverges_is_left_as_it_was():
    net = network()
    net.layers[2].bias.set_value(jnp.asarray(np.array([np.inf, 0], np.float32)))
    before = parameters(net)
    with pytest.raises(FloatingPointError, match="training diverged: in epoch 1 the loss is"):
        pruning.gradually(net, TASK, lambda epoch: 0.5, 3, choose=None, optimizer=ADAM, batch_size=16)
    for path, values in parameters(net).items():
        np.testing.assert_array_equal(values, before[path])
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        pruning.gradually(net, TASK, lambda epoch: 0.5, 0)
    with pytest.raises(ValueError, match="sparsity must be numbers between 0 and 1"):
        pruning.gradually(net, TASK, lambda epoch: 1.5, 1)
    with pytest.raises(TypeError, match="sparsity must be a function of the epoch, such as an Optax schedule, got 0.9"):
        pruning.gradually(net, TASK, 0.9, 1)


def test_gradual_pruning_in_half_precision_and_under_masks_of_ones_and_zeros():
    types = dict(dtype=jnp.bfloat16, param_dtype=jnp.bfloat16, kernel_init=nnx.initializers.zeros_init())
    net = nnx.Linear(3, 2, rngs=nnx.Rngs(0), **types)
    task = sweeps.Task("own", *[sweeps.Batch(np.asarray(BATCH.inputs, jnp.bfloat16), BATCH.targets)] * 2, 2, {})
    found = pruning.gradually(
        net,
        task,
        lambda epoch: 0.5,
        1,
        choose=lambda net, sparsity: {"bias": [1, 0]},
        optimizer=MOMENTUM,
        batch_size=40,
    )
    assert found.masks["bias"].dtype == bool and found.history.loss.dtype == np.float32
    assert np.isfinite(found.history.loss.astype(float)).all()


def test_masks_are_checked():
    with pytest.raises(TypeError, match=r"network must be a flax.nnx.Module, got dict"):
        pruning.Masked({}, {})
    with pytest.raises(TypeError, match="masks must be a dict by path of the parameter, got list"):
        pruning.Masked(network(), [True] * 10)
    with pytest.raises(ValueError, match=r"that of layers/0/bias must have its shape \(6,\), got \(5,\)"):
        pruning.Masked(network(), {"layers/0/bias": np.ones(5)})
    assert not any(leaf.dtype == bool for leaf in jax.tree.leaves(nnx.state(pruning.Masked(network(), {}), nnx.Param)))
