"""Small networks of every kind, each with its forward pass with gates written by hand in NumPy, and shared by tests."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.traverse_util import unflatten_dict


def filled(make, dtype=np.float64, seed=0):
    """Return a module with random numbers in it, made without compiling an initialiser for each shape."""
    graph, state = nnx.split(nnx.eval_shape(make))
    leaves, structure = jax.tree_util.tree_flatten_with_path(state)
    random = np.random.default_rng(seed)
    return nnx.merge(graph, structure.unflatten([numbers(random, str(path), leaf, dtype) for path, leaf in leaves]))


def filled_variables(module, inputs, dtype=np.float64, seed=0):
    """Return random variables of a linen module."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(jax.eval_shape(module.init, jax.random.key(0), inputs))
    random = np.random.default_rng(seed)
    return structure.unflatten([numbers(random, str(path), leaf, dtype) for path, leaf in leaves])


def numbers(random, path, leaf, dtype):
    """Random numbers for a parameter or statistic; variances are positive."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key(0)
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return jnp.zeros(leaf.shape, leaf.dtype)
    values = random.normal(scale=0.8, size=leaf.shape)
    return jnp.asarray(np.abs(values) + 0.5 if "'var'" in path else values, dtype)


def rngs():
    return nnx.Rngs(0)


class Net(nnx.Module):
    """Layers, and a function of them and the inputs."""

    def __init__(self, call, **layers):
        self.call = call
        for name, layer in layers.items():
            setattr(self, name, layer)

    def __call__(self, inputs):
        return self.call(self, inputs)


class Mlp(nnx.Module):
    def __init__(self, sizes=(2, 4, 3, 2)):
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs()) for a, b in zip(sizes[:-1], sizes[1:], strict=True)])

    def __call__(self, inputs):
        first, second, last = self.layers
        return last(nnx.sigmoid(second(nnx.tanh(first(inputs)))))


class Cnn(nnx.Module):
    """The second convolution is flattened: its channels come back in every pixel."""

    def __init__(self, first=3, second=2, pixels=9):
        self.conv = nnx.Conv(1, first, (2, 2), rngs=rngs())
        self.norm = nnx.BatchNorm(first, rngs=rngs())
        self.drop = nnx.Dropout(0.5, rngs=rngs())
        self.second = nnx.Conv(first, second, (2, 2), rngs=rngs())
        self.out = nnx.Linear(pixels * second, 2, rngs=rngs())

    def __call__(self, images):
        hidden = nnx.tanh(self.second(self.drop(nnx.relu(self.norm(self.conv(images))))))
        return self.out(hidden.reshape(len(hidden), -1))


def attend(query, key, value, **_):
    """Attention in the type of its inputs; that of JAX takes the softmax in single precision."""
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(query.shape[-1]).astype(query.dtype)
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), value)


class Block(nnx.Module):
    """A residual block: attention with two heads of two features, and a dense part with a normalisation."""

    def __init__(self, rngs, units=3, heads=2):
        self.attention = nnx.MultiHeadAttention(
            heads, 4, qkv_features=2 * heads, decode=False, attention_fn=attend, rngs=rngs
        )
        self.up = nnx.Linear(4, units, rngs=rngs)
        self.norm = nnx.BatchNorm(units, rngs=rngs)
        self.down = nnx.Linear(units, 4, rngs=rngs)

    def __call__(self, hidden):
        hidden = hidden + self.attention(hidden)
        return hidden + self.down(nnx.tanh(self.norm(self.up(hidden))))


class Transformer(nnx.Module):
    """One block that is no copy of another, and an output at every position."""

    def __init__(self, units=3, heads=2):
        self.embed = nnx.Linear(2, 4, rngs=rngs())
        self.block = Block(rngs(), units, heads)
        self.head = nnx.Linear(4, 3, rngs=rngs())

    def __call__(self, sequences):
        return self.head(self.block(self.embed(sequences)))


@nnx.scan(in_axes=(nnx.StateAxes({nnx.Param: 0, ...: 0}), nnx.Carry), out_axes=nnx.Carry)
@nnx.remat
def through(block, hidden):
    """Decorated once for all, so that JAX keeps what it has traced."""
    return block(hidden)


class Scanned(nnx.Module):
    def __init__(self, units=3, heads=2):
        @nnx.split_rngs(splits=2)
        @nnx.vmap(in_axes=0, out_axes=0)
        def blocks(rngs):
            return Block(rngs, units, heads)

        self.embed = nnx.Linear(2, 4, rngs=rngs())
        self.blocks = blocks(rngs())
        self.head = nnx.Linear(4, 3, rngs=rngs())

    def __call__(self, sequences):
        return self.head(through(self.blocks, self.embed(sequences)))


class Recurrent(nnx.Module):
    def __init__(self):
        self.rnn = nnx.RNN(nnx.GRUCell(2, 3, param_dtype=jnp.result_type(float), rngs=rngs()))
        self.head = nnx.Linear(3, 2, rngs=rngs())

    def __call__(self, sequences):
        return self.head(self.rnn(sequences))


class Shared(nnx.Module):
    """A layer that is called twice, and layers in a Dict and a Sequential, all in one jitted method."""

    def __init__(self):
        self.parts = nnx.Dict(first=nnx.Linear(2, 3, rngs=rngs()), again=nnx.Linear(3, 3, rngs=rngs()))
        self.last = nnx.Sequential(nnx.tanh, nnx.Linear(3, 2, rngs=rngs()))

    @nnx.jit
    def __call__(self, inputs):
        hidden = nnx.sigmoid(self.parts["again"](nnx.sigmoid(self.parts["first"](inputs))))
        return self.last(self.parts["again"](hidden))


class LinenMlp(nn.Module):
    """Written in the compact style; the jitted layer is one that JAX keeps."""

    @nn.compact
    def __call__(self, inputs):
        hidden = nn.tanh(nn.Dense(4, name="layers_0")(inputs))
        return nn.Dense(2, name="layers_2")(nn.sigmoid(nn.jit(nn.Dense)(3, name="layers_1")(hidden)))


class LinenCnn(nn.Module):
    def setup(self):
        self.conv, self.second = nn.Conv(3, (2, 2)), nn.Conv(2, (2, 2))
        self.norm, self.drop, self.out = nn.BatchNorm(), nn.Dropout(0.5), nn.Dense(2)

    def __call__(self, images, train=False):
        hidden = nn.relu(self.norm(self.conv(images), use_running_average=not train))
        hidden = nn.tanh(self.second(self.drop(hidden, deterministic=not train)))
        return self.out(hidden.reshape(len(hidden), -1))


class LinenBlock(nn.Module):
    @nn.compact
    def __call__(self, hidden, _=None):
        attention = nn.MultiHeadDotProductAttention(2, qkv_features=4, name="attention")
        # Its own attention promotes types implicitly.
        with jax.numpy_dtype_promotion("standard"):
            hidden = hidden + attention(hidden)
        up = nn.BatchNorm(use_running_average=True, name="norm")(nn.Dense(3, name="up")(hidden))
        return hidden + nn.Dense(4, name="down")(nn.tanh(up)), None


class LinenScanned(nn.Module):
    @nn.compact
    def __call__(self, sequences):
        axes = dict(variable_axes=dict(params=0, batch_stats=0), split_rngs=dict(params=True), length=2)
        hidden, _ = nn.scan(nn.remat(LinenBlock), **axes)(name="blocks")(nn.Dense(4, name="embed")(sequences), None)
        return nn.Dense(3, name="head")(hidden)


def dense(values, layer):
    kernel = np.asarray(layer.kernel[...])
    bias = 0 if layer.bias is None else np.asarray(layer.bias[...])
    return np.tensordot(values, kernel, axes=kernel.ndim - np.ndim(bias) if kernel.ndim > 2 else 1) + bias


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def normalised(values, norm):
    mean, var, scale, bias = (np.asarray(one[...]) for one in (norm.mean, norm.var, norm.scale, norm.bias))
    return (values - mean) / np.sqrt(var + norm.epsilon) * scale + bias


def convolved(images, conv):
    """A convolution of two by two pixels, padded at the end."""
    kernel, size = np.asarray(conv.kernel[...]), images.shape[1]
    padded = np.pad(images, [(0, 0), (0, 1), (0, 1), (0, 0)])
    parts = [padded[:, i : i + size, j : j + size] @ kernel[i, j] for i in range(2) for j in range(2)]
    return sum(parts) + np.asarray(conv.bias[...])


def attended(values, attention, heads):
    query, key, value = (dense(values, part) for part in (attention.query, attention.key, attention.value))
    scores = np.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(query.shape[-1])
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    mixed = np.einsum("bhqk,bkhd->bqhd", weights, value) * heads[:, None]
    return dense(mixed, attention.out)


def by_block(hidden, block, heads, units):
    hidden = hidden + attended(hidden, block.attention, heads)
    return hidden + dense(np.tanh(normalised(dense(hidden, block.up), block.norm)) * units, block.down)


def by_mlp(model, gates, inputs):
    first, second, last = model.layers
    return dense(sigmoid(dense(np.tanh(dense(inputs, first)) * gates[0], second)) * gates[1], last)


def by_cnn(model, gates, images):
    hidden = np.maximum(normalised(convolved(images, model.conv), model.norm), 0) * gates[0]
    hidden = np.tanh(convolved(hidden, model.second)) * gates[1]
    return dense(hidden.reshape(len(hidden), -1), model.out)


@functools.cache
def copies(blocks):
    graph, state = nnx.split(blocks)
    return [nnx.merge(graph, jax.tree.map(lambda leaf, copy=copy: leaf[copy], state)) for copy in range(2)]


def by_scanned(model, gates, sequences):
    hidden = dense(sequences, model.embed)
    for copy, block in enumerate(copies(model.blocks)):
        hidden = by_block(hidden, block, *(site.reshape(2, -1)[copy] for site in gates))
    return dense(hidden, model.head)


def by_recurrent(model, gates, sequences):
    cell, hidden, outputs = model.rnn.cell, np.zeros((len(sequences), 3)), []
    for inputs in np.swapaxes(sequences, 0, 1):
        (r, z, n), (of_r, of_z, of_n) = (
            np.split(dense(values, layer), 3, axis=-1)
            for values, layer in ((inputs, cell.dense_i), (hidden, cell.dense_h))
        )
        z = sigmoid(z + of_z)
        hidden = ((1 - z) * np.tanh(n + sigmoid(r + of_r) * of_n) + z * hidden) * gates[0]
        outputs.append(dense(hidden, model.head))
    return np.stack(outputs, axis=1)


def by_shared(model, gates, inputs):
    again = model.parts["again"]
    hidden = sigmoid(dense(sigmoid(dense(inputs, model.parts["first"])) * gates[0], again)) * gates[1]
    return dense(np.tanh(dense(hidden, again)) * gates[1], model.last.layers[1])


class Case(NamedTuple):
    """A network with what is known of it.

    Attributes
    ----------
    make : () -> nnx module
    shape : of the inputs
    groups : what makes the nodes and how many they are, in order
    by_hand : (module, gates of each site, inputs) -> outputs
    linen : the same network in linen
    """

    make: Callable[..., nnx.Module]
    shape: tuple[int, ...]
    groups: tuple[tuple[str, int], ...]
    by_hand: Callable[..., Any]
    linen: nn.Module | None = None

    @property
    def sites(self):
        """Numbers of nodes of the sites; copies of one are in one."""
        sizes: dict[str, int] = {}
        for name, size in self.groups:
            name = name.replace("blocks/0", "blocks").replace("blocks/1", "blocks")
            sizes[name] = sizes.get(name, 0) + size
        return list(sizes.values())

    def split(self, gates):
        return np.split(gates, np.cumsum(self.sites)[:-1])


def of_block(path):
    parts = {"attention head": 2, "up unit": 3}
    return tuple((f"{path}/{name}", size) for name, size in parts.items())


CASES = {
    "dense": Case(Mlp, (5, 2), (("layers/0 unit", 4), ("layers/1 unit", 3)), by_mlp, LinenMlp()),
    "convolution": Case(Cnn, (4, 3, 3, 1), (("conv channel", 3), ("second channel", 2)), by_cnn, LinenCnn()),
    "scan": Case(
        Scanned,
        (4, 3, 2),
        tuple(pair for both in zip(of_block("blocks/0"), of_block("blocks/1"), strict=True) for pair in both),
        by_scanned,
        LinenScanned(),
    ),
    "recurrent": Case(Recurrent, (4, 3, 2), (("rnn/cell unit", 3),), by_recurrent),
    "shared": Case(Shared, (4, 2), (("parts/first unit", 3), ("parts/again unit", 3)), by_shared),
}


@functools.cache
def model(name):
    """The network of a case, in double precision; call it where that is on."""
    return filled(CASES[name].make)


@functools.cache
def batch(name, dtype=np.float64):
    """Inputs and class numbers for a case: one an example, or one a position of a sequence."""
    case, random = CASES[name], np.random.default_rng(1)
    sequences = len(case.shape) == 3
    targets = np.arange(int(np.prod(case.shape[: 1 + sequences]))) % 2
    return random.normal(size=case.shape).astype(dtype), targets.reshape(case.shape[: 1 + sequences])


def variables(model):
    """The numbers of an nnx module as variables of the linen module whose modules have the same names."""
    found: dict[tuple[str, ...], Any] = {}
    for path, variable in nnx.to_flat_state(nnx.state(model)):
        kind = {nnx.Param: "params", nnx.BatchStat: "batch_stats"}.get(variable.type)
        if kind is not None:
            # Members of a list have numbers for names, which linen joins to the name of the list.
            steps = "/".join((kind, *map(str, path))).replace("layers/", "layers_").split("/")
            found[tuple(steps)] = variable[...]
    return unflatten_dict(found)
