"""Pruned nodes of users' own modules: concatenations, raw products, skips and sums; and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import pruning
from sweeps.gating import sites
from tests.sweeps import helpers, models
from tests.sweeps.models import Net
from tests.sweeps.test_pruning_networks import IMAGES, POINTS, by_path, close

ZEROS = nnx.initializers.zeros_init()


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
        "give inputs=, or batch= .* which layers of a Cnn",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_removed_is_refused(name):
    make, inputs, message = REFUSED[name]
    net = make()
    nodes = 0 if inputs is None else sum(row.size for row in sites(net, jnp.asarray(inputs)) if row.default)
    with pytest.raises((ValueError, NotImplementedError), match=message):
        pruning.remove_nodes(net, np.arange(nodes) > 0, inputs=inputs)


def excited(net, x):
    hidden = jnp.tanh(net.a(x))
    return net.out(hidden * nnx.sigmoid(net.b(hidden)))


def test_what_cannot_be_zeroed_is_refused():
    # A sigmoid that is off leaves one half of what it scales, and has no reader of its own that could go.
    net = Net(excited, a=helpers.linear(4, 3), b=helpers.linear(3, 3), out=helpers.linear(3, 2))
    with pytest.raises(NotImplementedError, match="nodes of b cannot be zeroed: .* with them, and what is off"):
        pruning.zero_nodes(net, np.arange(6) < 4, inputs=POINTS)
    keep = np.array([1, 0, 1, 1, 1, 1], bool)
    expected = sweeps.Objective(net, (POINTS, np.zeros(5, int)), plan="vmapped").outputs(keep)
    close(pruning.zero_nodes(net, keep, inputs=POINTS)(jnp.asarray(POINTS)), expected)


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
    np.testing.assert_allclose(pruning.zero_nodes(net, keep, inputs=inputs)(inputs), expected, rtol=0, atol=1e-12)
    if name == "shuffled channels":
        with pytest.raises(ValueError, match="cannot be removed: something else in the network depends on how many"):
            pruning.remove_nodes(net, keep, inputs=inputs, compensate_bias=False)
        return
    smaller = pruning.remove_nodes(net, keep, inputs=inputs, compensate_bias=False)
    np.testing.assert_allclose(smaller(inputs), expected, rtol=0, atol=1e-12)
    sizes = [sum(variable.size for variable in by_path(module).values()) for module in (smaller, net)]
    assert sizes[0] < sizes[1]
    assert len(sweeps.Objective(smaller, (inputs, gated.batch.targets), plan="vmapped").nodes) == keep.sum()


@pytest.mark.parametrize("name", ["reversed", "raw products", "concatenation", "general", "gated linear units"])
@jax.numpy_rank_promotion("allow")
def test_means_of_outputs_stay_where_the_outputs_read_the_nodes(name, x64):
    build, inputs, keep = NETS[name]
    net, inputs = models.filled(build), np.asarray(inputs, float)
    for change in (pruning.zero_nodes, pruning.remove_nodes):
        changed = change(net, keep, inputs=inputs, compensate_bias=True)
        assert np.abs(changed(inputs) - net(inputs)).max() > 0.01
        np.testing.assert_allclose(changed(inputs).mean(axis=0), net(inputs).mean(axis=0), rtol=0, atol=1e-12)


def test_what_has_no_bias_is_not_made_up_for():
    kernels = dict(a=nnx.Param(jnp.ones((4, 3))), b=nnx.Param(jnp.ones((3, 2))))
    net = Net(lambda net, x: jnp.tanh(x @ net.a[...]) @ net.b[...], **kernels)
    assert pruning.remove_nodes(net, [1, 0, 1], inputs=POINTS, compensate_bias=False).b.shape == (2, 2)
    with pytest.raises(NotImplementedError, match="b reads nodes that go, and has no bias .*: give compensate_bias=Fa"):
        pruning.remove_nodes(net, [1, 0, 1], inputs=POINTS)
