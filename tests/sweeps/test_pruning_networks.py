"""Nodes of networks of all kinds: convolutions, what lies between layers, and what is refused."""

import functools

import jax
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
    """What the first layer makes is added to what the second makes of it."""

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
    "layer norm": (
        lambda: chain(nnx.LayerNorm(6, rngs=rngs())),
        POINTS,
        "nodes of layers/0 cannot be removed: reduce_sum of all of them comes back to each in layers/1",
    ),
    "softmax": (Softmaxed, POINTS, "nodes of first cannot be removed: reduce_max of all of them comes back to each"),
    "skip": (Skipping, POINTS, "nodes of first cannot be removed: they are added to others, or multiplied with them"),
    "stream": (Stream, POINTS, "network has no hidden nodes to gate; .*: first, second, stream:second, last"),
    "twice": (
        lambda: models.filled(models.Shared, np.float32),
        np.ones((2, 2), np.float32),
        "nodes of parts/first cannot be removed: parts/again/kernel: it is used for something else too",
    ),
    "copies": (
        lambda: models.filled(models.Scanned, np.float32),
        np.ones((2, 3, 2), np.float32),
        "nodes of blocks/attention cannot be removed: its layers are copies, over which a loop runs",
    ),
    "heads": (
        lambda: models.filled(models.Transformer, np.float32),
        np.ones((2, 3, 2), np.float32),
        "nodes of block/attention cannot be removed: they are heads, which no one parameter makes",
    ),
    "tied embedding": (
        lambda: models.filled(Tied, np.float32),
        np.ones((2, 3), int),
        "nodes of up cannot be removed: embed/embedding: it is used for something else too",
    ),
    "groups": (
        lambda: nnx.Sequential(
            nnx.Conv(2, 4, (1,), feature_group_count=2, kernel_init=ZEROS, rngs=rngs()),
            nnx.relu,
            nnx.Conv(4, 2, (1,), kernel_init=ZEROS, rngs=rngs()),
        ),
        np.ones((2, 3, 2), np.float32),
        "nodes of layers/0 cannot be removed: layers/0/kernel makes them in groups",
    ),
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
    nodes = 0 if inputs is None else sum(row.size for row in sites(net, jnp.asarray(inputs)) if row.default)
    with pytest.raises((ValueError, NotImplementedError), match=message):
        pruning.remove_nodes(net, np.arange(nodes) > 0, inputs)


def excited(net, x):
    hidden = jnp.tanh(net.a(x))
    return net.out(hidden * nnx.sigmoid(net.b(hidden)))


def test_what_cannot_be_zeroed_is_refused():
    # A sigmoid that is off leaves one half of what it scales, and has no reader of its own that could go.
    net = Net(excited, a=helpers.linear(4, 3), b=helpers.linear(3, 3), out=helpers.linear(3, 2))
    with pytest.raises(NotImplementedError, match="nodes of b cannot be zeroed: .* with them, and what is off"):
        pruning.zero_nodes(net, np.arange(6) < 4, POINTS)
    keep = np.array([1, 0, 1, 1, 1, 1], bool)
    expected = sweeps.Objective(net, (POINTS, np.zeros(5, int)), plan="vmapped").outputs(keep)
    close(pruning.zero_nodes(net, keep, POINTS)(jnp.asarray(POINTS)), expected)


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


class Net(nnx.Module):
    """Layers and what is done with them."""

    def __init__(self, call, **layers):
        self.call = call
        for name, layer in layers.items():
            setattr(self, name, layer)

    def __call__(self, inputs):
        return self.call(self, inputs)


class Tied(nnx.Module):
    """A network of tokens whose hidden units are read by the embedding."""

    def __init__(self):
        self.embed, self.up = nnx.Embed(5, 4, rngs=rngs()), nnx.Linear(4, 4, rngs=rngs())

    def __call__(self, tokens):
        return self.embed.attend(jnp.tanh(self.up(self.embed(tokens))))


def of_images(net, x):
    hidden = nnx.relu(net.first(x))
    return net.out(jnp.tanh(net.second(hidden)).transpose(0, 3, 1, 2).reshape(len(x), -1))


def shuffled(net, x):
    """Channels of two groups take turns."""
    hidden = nnx.relu(net.first(x))
    hidden = hidden.reshape(*hidden.shape[:-1], 2, 2).swapaxes(-1, -2).reshape(hidden.shape)
    return net.out(net.second(hidden).mean(axis=(1, 2)))


def convolution(inputs, outputs):
    return nnx.Conv(inputs, outputs, (2, 2), rngs=rngs())


def raw(net, x):
    return jnp.tanh(x @ net.kernels[0][...] + net.biases[0][...][None]) @ net.kernels[1][...] + net.biases[1][...][None]


# Networks, inputs, and the nodes that stay.
NETS = {
    "reversed": (
        lambda: Net(lambda net, x: net.b(jnp.tanh(net.a(x))[:, ::-1]), a=helpers.linear(4, 5), b=helpers.linear(5, 2)),
        POINTS,
        [1, 0, 1, 1, 0],
    ),
    "two readers": (
        lambda: Net(
            lambda net, x: (lambda hidden: net.b(hidden) + net.c(jnp.tanh(net.d(hidden))))(nnx.sigmoid(net.a(x))),
            a=helpers.linear(4, 5),
            b=helpers.linear(5, 2),
            d=helpers.linear(5, 3),
            c=helpers.linear(3, 2),
        ),
        POINTS,
        [1, 0, 1, 1, 0, 1, 0, 1],
    ),
    "raw products": (
        lambda: Net(
            raw,
            kernels=nnx.List([nnx.Param(jnp.zeros((4, 5))), nnx.Param(jnp.zeros((5, 2)))]),
            biases=nnx.List([nnx.Param(jnp.zeros(5)), nnx.Param(jnp.zeros(2))]),
        ),
        POINTS,
        [1, 0, 1, 1, 0],
    ),
    "concatenation": (
        lambda: Net(
            lambda net, x: net.out(jnp.concatenate([x, jnp.tanh(net.a(x)), nnx.sigmoid(net.b(x))], axis=-1)),
            a=helpers.linear(4, 5),
            b=helpers.linear(4, 3),
            out=helpers.linear(12, 2),
        ),
        POINTS,
        [1, 0, 1, 1, 0, 1, 0, 1],
    ),
    "general": (
        lambda: Net(
            lambda net, x: net.b(jnp.tanh(net.a(x))),
            a=nnx.LinearGeneral(4, 5, rngs=rngs()),
            b=nnx.LinearGeneral(5, (2, 3), rngs=rngs()),
        ),
        POINTS,
        [1, 0, 1, 1, 0],
    ),
    "own numbers": (Counting, POINTS, [1, 0, 1]),
    "gated linear units": (
        lambda: Net(
            lambda net, x: net.b((lambda both: both[:, 0] * nnx.sigmoid(both[:, 1]))(net.a(x).reshape(len(x), 2, -1))),
            a=helpers.linear(4, 10),
            b=helpers.linear(5, 2),
        ),
        POINTS,
        [1, 0, 1, 1, 0],
    ),
    "shuffled channels": (
        lambda: Net(shuffled, first=convolution(1, 4), second=convolution(4, 3), out=nnx.Linear(3, 2, rngs=rngs())),
        IMAGES,
        [1, 0, 1, 1, 1, 0, 1],
    ),
    "other order": (
        lambda: Net(of_images, first=convolution(1, 4), second=convolution(4, 3), out=nnx.Linear(27, 2, rngs=rngs())),
        IMAGES,
        [1, 0, 1, 1, 1, 0, 1],
    ),
}


@pytest.mark.parametrize("name", NETS)
@jax.numpy_rank_promotion("allow")
def test_removed_is_gated(name, x64):
    build, inputs, keep = NETS[name]
    net, keep = models.filled(build), np.array(keep, bool)
    inputs = np.asarray(inputs, float)
    gated = sweeps.Objective(net, (inputs, np.zeros_like(np.asarray(net(inputs)))), plan="vmapped")
    expected = gated.outputs(keep)
    np.testing.assert_allclose(pruning.zero_nodes(net, keep, inputs)(inputs), expected, rtol=0, atol=1e-12)
    if name == "shuffled channels":
        with pytest.raises(ValueError, match="cannot be removed: something else in the network depends on how many"):
            pruning.remove_nodes(net, keep, inputs, False)
        return
    smaller = pruning.remove_nodes(net, keep, inputs, False)
    np.testing.assert_allclose(smaller(inputs), expected, rtol=0, atol=1e-12)
    assert pruning.cost(smaller, inputs, 1).parameters < pruning.cost(net, inputs, 1).parameters
    assert len(sweeps.Objective(smaller, (inputs, gated.batch.targets)).nodes) == keep.sum()


@pytest.mark.parametrize("name", ["reversed", "raw products", "concatenation", "general", "gated linear units"])
@jax.numpy_rank_promotion("allow")
def test_means_of_outputs_stay_where_the_outputs_read_the_nodes(name, x64):
    build, inputs, keep = NETS[name]
    net, inputs = models.filled(build), np.asarray(inputs, float)
    for change in (pruning.zero_nodes, pruning.remove_nodes):
        changed = change(net, keep, inputs, True)
        assert np.abs(changed(inputs) - net(inputs)).max() > 0.01
        np.testing.assert_allclose(changed(inputs).mean(axis=0), net(inputs).mean(axis=0), rtol=0, atol=1e-12)


def test_what_has_no_bias_is_not_made_up_for():
    kernels = dict(a=nnx.Param(jnp.ones((4, 3))), b=nnx.Param(jnp.ones((3, 2))))
    net = Net(lambda net, x: jnp.tanh(x @ net.a[...]) @ net.b[...], **kernels)
    assert pruning.remove_nodes(net, [1, 0, 1], POINTS, False).b.shape == (2, 2)
    with pytest.raises(NotImplementedError, match="b reads nodes that go, and has no bias .*: give compensate_bias=Fa"):
        pruning.remove_nodes(net, [1, 0, 1], POINTS)


def test_a_recurrent_cell_becomes_smaller():
    net, sequences = models.filled(models.Recurrent, np.float32), POINTS.reshape(2, 5, 2)
    expected = sweeps.Objective(net, (sequences, np.zeros((2, 5), int)), plan="vmapped").outputs([1, 0, 1])
    for change in (pruning.zero_nodes, pruning.remove_nodes):
        found, changed = channels(net, [1, 0, 1], sequences, change)
        close(found, expected)
    assert changed.rnn.cell.dense_h.kernel.shape == (2, 6) and changed.rnn.cell.hidden_features == 2
    with pytest.raises(NotImplementedError, match="rnn/cell/dense_h, head: values within a loop are not to be seen"):
        pruning.zero_nodes(net, [1, 0, 1], sequences, True)


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
        pruning.zero_nodes(net, np.arange(10) < 9, sequences)
