"""What cannot be pruned stays as it is, and is listed; the rest is pruned."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import pruning
from sweeps.pruning import _structure
from tests.sweeps import helpers, models
from tests.sweeps.models import Net
from tests.sweeps.test_pruning_networks import IMAGES, POINTS, by_path, close

TOKENS = np.arange(10).reshape(2, 5) % 7


def rngs():
    return nnx.Rngs(0)


def of_tokens(net, tokens):
    """A block of attention and a block of units, each added to the stream."""
    x = net.embed(tokens)
    x = x + net.attention(net.norm(x))
    return net.out((x + net.down(jnp.tanh(net.up(x)))).mean(axis=1))


def transformer():
    return Net(
        of_tokens,
        embed=nnx.Embed(7, 4, rngs=rngs()),
        norm=nnx.LayerNorm(4, rngs=rngs()),
        attention=nnx.MultiHeadAttention(2, 4, decode=False, rngs=rngs()),
        up=helpers.linear(4, 6),
        down=helpers.linear(6, 4),
        out=helpers.linear(4, 3),
    )


def of_images(net, x):
    x = nnx.relu(net.grouped(nnx.relu(net.norm(net.conv(x))))).mean(axis=(1, 2))
    return net.out(nnx.relu(net.again(net.mid(x))))


def convolutions():
    """Batch normalisation before a grouped convolution, and layer normalisation of units."""
    return Net(
        of_images,
        conv=nnx.Conv(1, 4, (2, 2), rngs=rngs()),
        norm=nnx.BatchNorm(4, rngs=rngs()),
        grouped=nnx.Conv(4, 6, (2, 2), feature_group_count=2, rngs=rngs()),
        mid=helpers.linear(6, 5),
        again=nnx.LayerNorm(5, rngs=rngs()),
        out=helpers.linear(5, 3),
    )


def recurrent():
    cell = nnx.GRUCell(2, 4, rngs=rngs())
    return Net(lambda net, x: net.out(net.rnn(x)[:, -1]), rnn=nnx.RNN(cell), out=helpers.linear(4, 3))


# Networks, their inputs, the layers whose nodes can go with their numbers, and what the warning says.
UNITS = {
    "transformer": (transformer, TOKENS, {"up": 6}, "attention: they are heads, which no one parameter makes"),
    "convolutions": (
        convolutions,
        IMAGES,
        {"grouped": 6},
        "conv: grouped/kernel reads them in groups, .*; mid: reduce_sum of all of them comes back to each in again",
    ),
    "recurrent": (recurrent, POINTS.reshape(2, 5, 2), {"rnn/cell": 4}, ""),
}


def listed(message):
    """A context that wants a warning, or none."""
    if message:
        return pytest.warns(UserWarning, match=f"not pruned, as these .* cannot be: {message}")
    return warnings.catch_warnings()


@pytest.mark.parametrize("by", ["norm", "gradient"])
@pytest.mark.parametrize("name", UNITS)
def test_nodes_that_can_go_go(name, by):
    make, inputs, can_go, message = UNITS[name]
    net, batch = models.filled(make, np.float32), (inputs, np.arange(len(inputs)) % 3)
    net.eval()
    with listed(message):
        keep = pruning.unit_masks(net, [0, 0.5], method=by, batch=batch)
    layers = np.array([part.site.path for part in _structure.of(net, jnp.asarray(inputs)).parts])
    pieces = _structure.of(net, jnp.asarray(inputs)).split(keep)
    for path, piece in zip(layers, pieces.values(), strict=True):
        assert (~piece).sum(axis=1).tolist() == [0, can_go.get(path, 0) // 2], path
    with listed(message):
        pruned = pruning.prune_units(net, 0.5, method=by, batch=batch)
    gated = sweeps.Objective(net, batch, plan="vmapped").outputs(keep[1])
    close(pruned(jnp.asarray(inputs)), gated)


def test_weights_that_can_go_go():
    net, batch = models.filled(transformer, np.float32), (TOKENS, np.arange(2))
    with listed("embed/embedding: it is a table of rows, no kernel"):
        pruned = pruning.prune_weights(net, 0.5, batch=batch)
    gone = {path: int((np.asarray(own[...]) == 0).sum()) for path, own in by_path(pruned).items() if "kernel" in path}
    whole = {path: own.size for path, own in by_path(net).items() if "kernel" in path}
    assert gone.pop("out/kernel") == 0 and gone == {path: whole[path] // 2 for path in gone} and len(gone) == 6
    np.testing.assert_array_equal(pruned.embed.embedding[...], net.embed.embedding[...])


def test_blocks_are_of_dense_layers():
    net, batch = models.filled(convolutions, np.float32), (IMAGES, np.arange(len(IMAGES)) % 3)
    with listed(r"conv/kernel: blocks have two axes, it has \(2, 2, 1, 4\); grouped/kernel: blocks"):
        masks = pruning.weight_masks(net, 0.5, block=(2, 5), batch=batch)
    assert list(masks) == ["mid/kernel"] and masks["mid/kernel"].sum() == 20


def test_where_nothing_can_go_nothing_is_returned():
    net, sequences = models.filled(models.Scanned, np.float32), np.ones((2, 3, 2), np.float32)
    with pytest.raises(
        NotImplementedError, match="no nodes of the network can be zeroed: .*blocks/up.*: its layers are"
    ):
        pruning.prune_units(net, 0.5, batch=(sequences, np.zeros((2, 3), int)))


def test_what_is_named_and_cannot_go_is_refused():
    net = models.filled(transformer, np.float32)
    with pytest.raises(NotImplementedError, match="nodes of attention cannot be removed: they are heads, .*: keep all"):
        pruning.remove_nodes(net, np.arange(8) > 0, inputs=TOKENS)
    assert pruning.remove_nodes(net, np.arange(8) != 3, inputs=TOKENS).up.out_features == 5
    with pytest.raises(NotImplementedError, match=r"grouped cannot be removed: .* groups: keep all .*\(zero_nodes\)"):
        pruning.remove_nodes(models.filled(convolutions, np.float32), np.arange(15) != 5, inputs=IMAGES)
