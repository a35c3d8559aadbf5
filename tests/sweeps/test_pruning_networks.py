"""Nodes of networks of all kinds: convolutions, what lies between layers, and what is refused."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import sweeps
from sweeps import pruning
from sweeps.gating import sites
from tests import reference
from tests.sweeps import helpers, models

by_path = pruning.parameters.by_path
ZEROS = nnx.initializers.zeros_init()
IMAGES = np.random.default_rng(0).normal(size=(6, 3, 3, 1)).astype(np.float32)
POINTS = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)


@functools.cache
def cnn():
    return models.filled(models.Cnn, np.float32)


def channels(net, keep, inputs, change, compensate=False):
    """Outputs of a changed network in evaluation mode, and of the gated one."""
    changed = change(net, keep, inputs, compensate)
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
    spread = pruning.unit_scores(net, "activation", batch=(IMAGES, np.zeros(6, int)))
    assert spread.shape == (7,) and (spread > 0).all()


def test_a_sequential_is_the_perceptron():
    problem = helpers.problem((4, 5, 3, 2), "tanh", "cross_entropy", 2, examples=5)
    net = helpers.network(problem)
    first, second, last = net.layers
    chain = nnx.Sequential(first, nnx.tanh, second, nnx.tanh, last)
    found = pruning.unit_scores(chain, "activation", batch=helpers.batch(problem))
    _, trace, _ = reference.forward(problem, np.ones(8))
    np.testing.assert_allclose(found, np.hstack([after.std(axis=0) for _, _, after in trace]), rtol=1e-4)
    for change in (pruning.zero_nodes, pruning.remove_nodes):
        keep = np.arange(8) % 3 > 0
        close(change(chain, keep)(jnp.asarray(POINTS)), change(net, keep)(jnp.asarray(POINTS)))
    assert list(pruning.weight_masks(chain, 0.5)) == ["layers/0/kernel", "layers/2/kernel"]


def chain(*between, first=None, last=None):
    return nnx.Sequential(first or helpers.linear(4, 6), *between, last or helpers.linear(6, 3))


class Skipping(nnx.Module):
    """What the first layer makes goes to the outputs as well."""

    def __init__(self):
        self.first, self.second = helpers.linear(4, 3), helpers.linear(3, 3)

    def __call__(self, inputs):
        hidden = nnx.tanh(self.first(inputs))
        return hidden + self.second(hidden)


class Counting(nnx.Module):
    """Numbers of its own that have the size of its hidden layer."""

    def __init__(self):
        self.first, self.second, self.scale = helpers.linear(4, 3), helpers.linear(3, 3), nnx.Param(jnp.ones((1, 3)))

    def __call__(self, inputs):
        return self.second(nnx.relu(self.first(inputs)) * self.scale[...])


class Stream(nnx.Module):
    """Layers that add to what they read."""

    def __init__(self):
        self.first, self.second, self.last = helpers.linear(4, 3), helpers.linear(3, 3), helpers.linear(3, 2)

    def __call__(self, inputs):
        hidden = self.first(inputs)
        return self.last(hidden + self.second(nnx.tanh(hidden)))


class Softmaxed(nnx.Module):
    def __init__(self):
        self.first, self.second = helpers.linear(4, 3), helpers.linear(3, 3)

    def __call__(self, inputs):
        return self.second(nnx.softmax(self.first(inputs)))


def rngs():
    return nnx.Rngs(0)


REFUSED = {
    "layer norm": (lambda: chain(nnx.LayerNorm(6, rngs=rngs())), POINTS, "layers/1, a LayerNorm, has the size"),
    "slopes": (lambda: chain(nnx.PReLU()), None, None),
    "reader": (
        lambda: chain(nnx.tanh, last=nnx.LinearGeneral(6, 3, kernel_init=ZEROS, rngs=rngs())),
        POINTS,
        "layers/2, which reads them, is a LinearGeneral",
    ),
    "maker": (
        lambda: chain(nnx.tanh, first=nnx.LinearGeneral(4, 6, kernel_init=ZEROS, rngs=rngs())),
        POINTS,
        "nodes of layers/0 cannot be pruned: it is a LinearGeneral",
    ),
    "skip": (Skipping, POINTS, "nodes of first cannot be zeroed: something else in the network than second reads them"),
    "mixed": (Softmaxed, POINTS, "nodes of first cannot be zeroed: something else in the network than second"),
    "own numbers": (Counting, POINTS, "cannot be removed: something else in the network depends on how many"),
    "stream": (Stream, POINTS, "no single layer makes them"),
    "twice": (lambda: models.filled(models.Shared, np.float32), np.ones((2, 2), np.float32), "no single layer makes"),
    "inputs": (
        lambda: models.filled(models.Cnn, np.float32),
        None,
        "inputs .* are needed to see which layers of a Cnn",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_removed_is_refused(name):
    make, inputs, message = REFUSED[name]
    net = make()
    if message is None:
        close(pruning.remove_nodes(net, np.arange(6) > 1)(jnp.asarray(POINTS)).shape, (5, 3))
        return
    nodes = 0 if inputs is None else sum(row.nodes for row in sites(net, jnp.asarray(inputs)) if row.default)
    with pytest.raises((ValueError, NotImplementedError), match=message):
        pruning.remove_nodes(net, np.arange(nodes) > 0, inputs)


def test_groups_of_a_convolution_are_refused():
    net = nnx.Sequential(
        nnx.Conv(2, 4, (1,), feature_group_count=2, kernel_init=ZEROS, rngs=rngs()),
        nnx.relu,
        nnx.Conv(4, 2, (1,), kernel_init=ZEROS, rngs=rngs()),
    )
    with pytest.raises(NotImplementedError, match="layers/0 is a convolution in groups"):
        pruning.remove_nodes(net, np.ones(4), np.ones((2, 3, 2), np.float32))


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
    with pytest.raises(
        NotImplementedError, match="nodes of blocks/attention input cannot be pruned: its layers are co"
    ):
        pruning.remove_nodes(net, np.ones(12), sequences)
