"""Pruned nodes of convolutional, recurrent and attention networks, and of networks that cannot be pruned."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import sweeps
from sweeps import pruning
from tests import reference
from tests.sweeps import helpers, models

by_path = pruning._parameters.by_path
ZEROS = nnx.initializers.zeros_init()
IMAGES = np.random.default_rng(0).normal(size=(6, 3, 3, 1)).astype(np.float32)
POINTS = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)


@functools.cache
def cnn():
    return models.filled(models.Cnn, np.float32)


def channels(net, keep, inputs, change, compensate=False):
    """Outputs of a changed network in evaluation mode, and of the gated one."""
    changed = change(net, keep, inputs=inputs, compensate_bias=compensate)
    changed.eval()
    return np.asarray(changed(jnp.asarray(inputs))), changed


def close(found, expected):
    # A few sums of tens of terms of size 1 to 10.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("keep", [[1, 0, 1, 0, 1], [0, 0, 0, 0, 1]])
def test_channels_before_a_normalisation_a_convolution_and_a_flattened_layer(keep):
    # Two convolutions, the first with a batch normalisation behind it, the second read in every pixel.
    gates = np.split(np.array(keep, float), [3])
    expected = models.by_cnn(cnn(), gates, IMAGES.astype(float))
    for change in (pruning.zero_nodes, pruning.remove_nodes):
        found, changed = channels(cnn(), keep, IMAGES, change)
        close(found, expected)
    first, second = (int(piece.sum()) for piece in gates)
    shapes = {path: tuple(variable.shape) for path, variable in by_path(changed).items()}
    assert shapes["conv/kernel"] == (2, 2, 1, first) and shapes["second/kernel"] == (2, 2, first, second)
    assert shapes["norm/scale"] == changed.norm.mean.shape == (first,) == (changed.norm.num_features,)
    assert shapes["out/kernel"] == (9 * second, 2) and changed.second.kernel_shape == (2, 2, first, second)


def test_compensation_for_channels():
    # Mean inputs of each channel times the sum of the kernel over positions; mean features of a flattened image.
    keep = np.array([1, 0, 1, 0, 1])
    net = cnn()
    hidden = np.maximum(models.normalised(models.convolved(IMAGES.astype(float), net.conv), net.norm), 0)
    flat = np.tanh(models.convolved(hidden, net.second)).reshape(6, -1)
    lost = hidden.mean(axis=(0, 1, 2))[1] * np.asarray(net.second.kernel[...])[:, :, 1].sum(axis=(0, 1))
    expected = (np.asarray(net.second.bias[...]) + lost) * keep[3:]
    _, zeroed = channels(net, keep, IMAGES, pruning.zero_nodes, compensate=True)
    np.testing.assert_allclose(zeroed.second.bias[...], expected, rtol=1e-5)
    lost = flat.mean(axis=0) * np.tile([1, 0], 9) @ np.asarray(net.out.kernel[...])
    np.testing.assert_allclose(zeroed.out.bias[...], np.asarray(net.out.bias[...]) + lost, rtol=1e-5)
    found, _ = channels(net, keep, IMAGES, pruning.remove_nodes, compensate=True)
    close(found, zeroed(jnp.asarray(IMAGES)))


class Pooled(nnx.Module):
    """Convolutions without biases, a maximum over pixels, a normalisation of the flattened image, all in one jit."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.first = nnx.Conv(1, 3, (2, 2), use_bias=False, rngs=rngs)
        self.second = nnx.Conv(3, 4, (2, 2), padding="VALID", use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(16, use_scale=False, rngs=rngs)
        self.out = nnx.Linear(16, 2, use_bias=False, rngs=rngs)

    @nnx.jit
    def __call__(self, images):
        hidden = nnx.max_pool(nnx.relu(self.first(images)), (2, 2), padding="SAME")
        return self.out(self.norm(nnx.softplus(self.second(hidden)).reshape(len(images), -1)))


def test_pooled_channels_without_biases():
    net, keep = models.filled(Pooled, np.float32), np.array([0, 1, 1, 1, 0, 0, 1])
    net.eval()
    expected = sweeps.Objective(net, (IMAGES, np.zeros(6, int)), plan="vmapped").outputs(keep)
    for change in (pruning.zero_nodes, pruning.remove_nodes):
        close(channels(net, keep, IMAGES, change)[0], expected)
    (found, smaller), (other, zeroed) = (
        channels(net, keep, IMAGES, change, True) for change in (pruning.remove_nodes, pruning.zero_nodes)
    )
    close(found, other)
    assert (smaller.first.bias, zeroed.first.bias) == (None, None)
    assert smaller.norm.mean.shape == (smaller.norm.num_features,) == (4 * 2,)
    assert smaller.second.bias.shape == (2,) and smaller.out.use_bias and zeroed.second.bias.shape == (4,)
    spread = pruning.unit_scores(net, method="activation", batch=(IMAGES, np.zeros(6, int)))
    assert spread.shape == (7,) and (spread > 0).all()


def test_a_sequential_is_the_perceptron():
    problem = helpers.problem((4, 5, 3, 2), "tanh", "cross_entropy", 2, examples=5)
    net = helpers.network(problem)
    first, second, last = net.layers
    chain = nnx.Sequential(first, nnx.tanh, second, nnx.tanh, last)
    found = pruning.unit_scores(chain, method="activation", batch=helpers.batch(problem))
    _, trace, _ = reference.forward(problem, np.ones(8))
    np.testing.assert_allclose(found, np.hstack([after.std(axis=0) for _, _, after in trace]), rtol=1e-4)
    for change in (pruning.zero_nodes, pruning.remove_nodes):
        keep = np.arange(8) % 3 > 0
        close(change(chain, keep)(jnp.asarray(POINTS)), change(net, keep)(jnp.asarray(POINTS)))
    assert list(pruning.weight_masks(chain, 0.5)) == ["layers/0/kernel", "layers/2/kernel"]


def test_nodes_that_stay_may_be_of_any_kind():
    net, sequences = models.filled(models.Transformer, np.float32), np.ones((2, 3, 2), np.float32)
    net.eval()
    keep = np.array([1, 1, 0, 1, 0], bool)
    expected = sweeps.Objective(net, (sequences, np.zeros((2, 3), int)), plan="vmapped").outputs(keep)
    for change in (pruning.zero_nodes, pruning.remove_nodes):
        found, changed = channels(net, keep, sequences, change)
        close(found, expected)
    assert changed.block.up.kernel.shape == (4, 1) and changed.block.norm.num_features == 1
    close(channels(net, keep, sequences, pruning.remove_nodes, True)[0], expected_with_means(net, keep, sequences))


def expected_with_means(net, keep, sequences):
    """The bias of the last layer of a block makes up for the nodes that go, by hand."""
    gates = keep[2:]
    block, head = net.block, net.head
    hidden = models.dense(np.asarray(sequences, float), net.embed)
    hidden = hidden + models.attended(hidden, block.attention, np.ones(2))
    units = np.tanh(models.normalised(models.dense(hidden, block.up), block.norm))
    lost = (units.mean(axis=(0, 1)) * (1 - gates)) @ np.asarray(block.down.kernel[...])
    return models.dense(hidden + models.dense(units * gates, block.down) + lost, head)


def test_a_recurrent_cell_becomes_smaller():
    net, sequences = models.filled(models.Recurrent, np.float32), POINTS.reshape(2, 5, 2)
    expected = sweeps.Objective(net, (sequences, np.zeros((2, 5), int)), plan="vmapped").outputs([1, 0, 1])
    for change in (pruning.zero_nodes, pruning.remove_nodes):
        found, changed = channels(net, [1, 0, 1], sequences, change)
        close(found, expected)
    assert changed.rnn.cell.dense_h.kernel.shape == (2, 6) and changed.rnn.cell.hidden_features == 2
    with pytest.raises(
        NotImplementedError, match="rnn/cell/dense_h reads nodes that go at every step of a loop: give comp"
    ):
        pruning.zero_nodes(net, [1, 0, 1], inputs=sequences, compensate_bias=True)


def test_what_is_no_nnx_module_is_refused():
    for call in (pruning.unit_scores, pruning.weight_scores):
        with pytest.raises(TypeError, match=r"network must be a flax.nnx.Module, got the flax.linen module Dense"):
            call(linen.Dense(3))
        with pytest.raises(TypeError, match=r"network must be a flax.nnx.Module, got dict"):
            call({})


def test_weights_of_a_network_whose_nodes_cannot_be_pruned():
    net, sequences = models.filled(models.Scanned, np.float32), np.ones((2, 3, 2), np.float32)
    masks = pruning.weight_masks(net, 0.5, batch=(sequences, np.zeros((2, 3), int)))
    assert "head/kernel" not in masks and masks["blocks/up/kernel"].sum() == 2 * 4 * 3 / 2
    pruned = by_path(pruning.zeroed(net, masks))
    for path, mask in masks.items():
        np.testing.assert_array_equal(np.asarray(pruned[path][...]) != 0, mask)
    with pytest.raises(NotImplementedError, match="nodes of blocks/up cannot be zeroed: its layers are copies"):
        pruning.zero_nodes(net, np.arange(10) < 9, inputs=sequences)
