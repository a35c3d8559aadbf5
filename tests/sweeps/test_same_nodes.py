"""Relevance names and counts the nodes that gating does, and means the same value by each of them."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from analysis._errors import InputError
from sweeps import _program, pruning
from sweeps.pruning import _structure
from sweeps.relevance import _building, _reading, _steps, attribute, attribute_function
from tests.sweeps import helpers, zoo, zoo_attention, zoo_convolutional, zoo_dense, zoo_gated, zoo_recurrent  # noqa: F401
from tests.sweeps.models import Net

ZEROS = nnx.initializers.zeros_init()
X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
IMAGES = np.random.default_rng(1).normal(size=(4, 4, 4, 2)).astype(np.float32)


def randomised(module):
    """The module with other random numbers in all its arrays; positive ones where it was ones, as a variance is."""
    random = np.random.default_rng(2)

    def other(leaf):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        # By NumPy: JAX would compile a program for each shape.
        is_one = (np.asarray(leaf) == 1).all()
        values = random.uniform(0.5, 1.5, leaf.shape) if is_one else random.normal(size=leaf.shape)
        return jnp.asarray(values.astype(leaf.dtype))

    nnx.update(module, jax.tree.map(other, nnx.state(module)))
    return module


def conv(inputs, outputs, **more):
    return nnx.Conv(inputs, outputs, (3, 3), kernel_init=ZEROS, rngs=nnx.Rngs(0), **more)


def norm(nodes):
    return nnx.BatchNorm(nodes, rngs=nnx.Rngs(0))


def matrix(*shape):
    return nnx.Param(jnp.zeros(shape))


def pooled(x):
    return nnx.max_pool(x, (2, 2), strides=(2, 2))


def lora():
    return nnx.LoRALinear(3, 4, lora_rank=2, kernel_init=ZEROS, rngs=nnx.Rngs(0))


def blocks():
    return nnx.List([nnx.Dict(up=helpers.linear(3, 4), down=helpers.linear(4, 3)) for _ in range(2)])


def in_blocks(net, x):
    for block in net.blocks:
        x = x + block["down"](nnx.relu(block["up"](x)))
    return net.out(x)


def skipping(net, x):
    hidden = nnx.relu(net.a(x))
    return net.out(hidden + jnp.tanh(net.b(hidden)))


def said(net, x):
    hidden = net.a(x)
    jax.debug.print("{}", jnp.argsort(hidden))
    return net.out(jnp.tanh(hidden))


def halves(net, x):
    hidden = net.a(x)
    return net.out(jnp.tanh(hidden[:, 2:])) + net.other(nnx.relu(hidden[:, :2]))


# Nodes of each layer, as a person counts them; what is made last is the outputs.
NETS = {
    "dense": (lambda: sweeps.MLP((3, 5, 4, 2), kernel_init=ZEROS), X, {"layers/0": 5, "layers/1": 4, "layers/2": 2}),
    "reversed": (
        lambda: Net(
            lambda net, x: net.out(jnp.tanh(net.a(x))[:, ::-1]), a=helpers.linear(3, 4), out=helpers.linear(4, 2)
        ),
        X,
        {"a": 4, "out": 2},
    ),
    "skip": (
        lambda: Net(skipping, a=helpers.linear(3, 4), b=helpers.linear(4, 4), out=helpers.linear(4, 2)),
        X,
        {"a": 4, "b": 4, "out": 2},
    ),
    "residual blocks": (
        lambda: Net(in_blocks, blocks=blocks(), out=helpers.linear(3, 2)),
        X,
        {"blocks/0/up": 4, "blocks/0/down": 3, "blocks/1/up": 4, "blocks/1/down": 3, "out": 2},
    ),
    "normalised convolutions": (
        lambda: Net(
            lambda net, x: net.out(nnx.relu(net.norm(net.first(x))).mean((1, 2))),
            first=conv(2, 3, use_bias=False),
            norm=norm(3),
            out=helpers.linear(3, 2),
        ),
        IMAGES,
        {"first": 3, "out": 2},
    ),
    "flattened": (
        lambda: Net(
            lambda net, x: net.out(pooled(nnx.relu(net.conv(x))).reshape(len(x), -1)),
            conv=conv(2, 3),
            out=helpers.linear(12, 2),
        ),
        IMAGES,
        {"conv": 3, "out": 2},
    ),
    "raw products": (
        lambda: Net(
            lambda net, x: jnp.tanh(x @ net.w[...] + net.b[...][None]) @ net.v[...],
            w=matrix(3, 4),
            b=matrix(4),
            v=matrix(4, 2),
        ),
        X,
        {"w": 4, "v": 2},
    ),
    "tied": (
        lambda: Net(lambda net, x: jnp.tanh(x @ net.w[...]) @ net.w[...].T, w=matrix(3, 4)),
        X,
        {"w": 4, "w #2": 3},
    ),
    "low rank": (
        lambda: Net(lambda net, x: net.out(jnp.tanh(net.a(x))), a=lora(), out=helpers.linear(4, 2)),
        X,
        {"a": 4, "a/lora/lora_a": 2, "out": 2},
    ),
    "added": (
        lambda: Net(
            lambda net, x: net.out(jnp.tanh(net.a(x) + net.b(x))),
            a=helpers.linear(3, 4),
            b=helpers.linear(3, 4),
            out=helpers.linear(4, 2),
        ),
        X,
        {"a": 4, "out": 2},
    ),
    "maxout": (
        lambda: Net(
            lambda net, x: net.out(net.a(x).reshape(-1, 4, 2).max(axis=-1)),
            a=helpers.linear(3, 8),
            out=helpers.linear(4, 2),
        ),
        X,
        {"a": 4, "out": 2},
    ),
    "halves": (
        lambda: Net(halves, a=helpers.linear(3, 6), out=helpers.linear(4, 2), other=helpers.linear(2, 2)),
        X,
        {"a": 6, "out": 2},
    ),
    "printing": (lambda: Net(said, a=helpers.linear(3, 4), out=helpers.linear(4, 2)), X, {"a": 4, "out": 2}),
}


def gate_gradients(network, params, inputs):
    """Derivative of the sum of the first output by the gates of each site, in the order of what its parameter makes."""
    hidden = network.hidden

    @jax.jit
    @jax.grad
    def slopes(gates):
        return jnp.sum(network.run(params, inputs, dict(zip(hidden, gates, strict=True)))[:, 0])

    by_path = {}
    for site, slope in zip(hidden, slopes([jnp.ones(site.size) for site in hidden]), strict=True):
        by_path.setdefault(site.path, {}).update(zip(site.numbers, np.asarray(slope), strict=True))
    return {path: [one[number] for number in sorted(one)] for path, one in by_path.items()}


def held(found, network, params, inputs, nodes):
    """Relevance, gates and a person agree: on names, numbers of nodes, and the value of each node."""
    counted: dict[str, int] = {}
    for site in network.sites:
        if site.kind in ("unit", "channel"):
            counted[site.path] = counted.get(site.path, 0) + site.size
    assert counted == nodes
    layers = {name: np.asarray(one) for name, one in found.layers.items() if not name.endswith("norm")}
    assert {name: one.shape[-1] for name, one in layers.items()} == nodes
    # The gradient by a gate is the node's value times the gradient by it, over all examples and places.
    slopes = gate_gradients(network, params, inputs)
    assert set(slopes) <= set(layers)
    for path, slope in slopes.items():
        summed = layers[path].reshape(-1, nodes[path]).sum(axis=0)
        np.testing.assert_allclose(summed, slope, rtol=1e-4, atol=1e-5, err_msg=path)


@pytest.mark.parametrize("name", NETS)
@jax.numpy_rank_promotion("allow")
def test_relevance_and_gates_have_the_same_nodes(name):
    build, inputs, nodes = NETS[name]
    net = randomised(build())
    apply, params = _program.of_nnx(net)
    network = _program.read(apply, params, inputs)
    held(attribute(net, inputs, target=0, method="gradient_x_input"), network, params, jnp.asarray(inputs), nodes)


class Dense(nn.Module):
    """A linen module with a normalisation, and a slash in a name."""

    @nn.compact
    def __call__(self, x):
        x = nn.BatchNorm(use_running_average=True, name="norm")(nn.Dense(4, use_bias=False, name="a/b")(x))
        return nn.Dense(2, name="out")(nn.tanh(x))


def of_linen():
    normal = iter(np.random.default_rng(3).normal(size=(9, 4)).astype(np.float32))
    variables = {
        "params": {
            "a/b": {"kernel": jnp.stack([next(normal) for _ in range(3)])},
            "norm": {"scale": next(normal), "bias": next(normal)},
            "out": {"kernel": jnp.stack([next(normal), next(normal)]).T, "bias": next(normal)[:2]},
        },
        "batch_stats": {"norm": {"mean": next(normal), "var": jnp.ones(4) / 2}},
    }
    return Dense().apply, jax.tree.map(jnp.asarray, variables), {"a/b": 4, "out": 2}


def of_lists():
    random = np.random.default_rng(4)
    sizes = [(3, 4), (4, 5), (5, 2)]
    params = [[random.normal(size=size) for size in sizes], [random.normal(size=size[1]) for size in sizes]]

    def apply(params, x):
        for kernel, bias in zip(*params, strict=True):
            x = jnp.tanh(x @ kernel + bias)
        return x

    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params)
    return apply, params, {"0/0": 4, "0/1": 5, "0/2": 2}


@pytest.mark.parametrize("make", [of_linen, of_lists])
@jax.numpy_rank_promotion("allow")
def test_functions_of_parameters_have_the_same_nodes(make):
    apply, params, nodes = make()
    found = attribute_function(apply, params, X, target=0, method="gradient_x_input")
    held(found, _program.read(apply, params, X), params, jnp.asarray(X), nodes)
    assert list(found.bias) == (["norm", "out"] if make is of_linen else list(nodes))


def test_calls_of_a_layer_are_named_as_gating_names_them():
    net = Net(
        lambda net, x: net.out(jnp.tanh(net.a(jnp.tanh(net.a(x))))), a=helpers.linear(3, 3), out=helpers.linear(3, 2)
    )
    apply, params = _program.of_nnx(net)
    network = _program.read(apply, params, X)
    found = attribute(net, X, target=0, method="gradient_x_input")
    assert (
        list(found.layers) == ["a@0", "a@1", "out"] == [*(network.hidden[0].with_call(i).path for i in (0, 1)), "out"]
    )
    both = np.asarray(found.layers["a@0"] + found.layers["a@1"]).sum(axis=0)
    np.testing.assert_allclose(both, gate_gradients(network, params, jnp.asarray(X))["a"], rtol=1e-4, atol=1e-5)


def counted_by_relevance(apply, params, inputs):
    """Nodes of each layer, and the layers that make none; None if relevance has no rule for something."""
    try:
        read = _reading.read(apply, params, inputs)
        whole = _building.program_of(read)
    except InputError:
        return None
    without = {step.name for step in _steps.every(whole.steps) if step.kind == "layer" and step.made is None}
    without -= {nodes.name for nodes in read.nodes}
    count = {}
    for name, where in whole.activations.items():
        if name not in without:
            count[name.partition("@")[0]] = sum(len(np.unique(read.values[number].ids)) for number in where.numbers)
    return count


@jax.numpy_rank_promotion("allow")
@jax.numpy_dtype_promotion("standard")
def test_networks_of_the_zoo_have_the_same_nodes(x64):
    held_to = 0
    for name, model in zoo.MODELS.items():
        if model.build.__module__ != zoo.__name__:
            continue  # of another library
        apply, params, inputs, _ = model.build()
        if len(leaves := jax.tree.leaves(inputs)) > 1 or not np.issubdtype(leaves[0].dtype, np.floating):
            continue
        found = counted_by_relevance(apply, params, inputs)
        if found is not None:
            sites = [site for site in _program.read(apply, params, inputs).sites if site.kind != "feature"]
            assert set(found) - {"constant"} == {site.path for site in sites if site.reads}, name
            # Heads are one node each for gates; the layer that makes them has relevance of each number. In a loop over
            # layers there is an axis for these.
            own = [site for site in sites if site.reads and site.kind != "head"]
            assert [found[site.path] for site in own] == [site.size // math.prod(site.stack) for site in own], name
            held_to += 1
    assert held_to >= 95


@pytest.mark.parametrize("name", [name for name in NETS if name not in ("maxout",)])
@jax.numpy_rank_promotion("allow")
def test_pruning_has_the_same_nodes(name):
    build, inputs, _ = NETS[name]
    net = randomised(build())
    hidden = _program.read(*_program.of_nnx(net), inputs).hidden
    of = _structure.of(net, inputs)
    assert [(part.site.path, part.site.labels) for part in of.parts] == [(site.path, site.labels) for site in hidden]
    scores = pruning.unit_scores(net, batch=(inputs, np.zeros(len(inputs), int)))
    assert scores.size == sum(site.size for site in hidden) and (scores > 0).all()
    # The kernels that make the nodes are those whose norms are the scores.
    makers = {part.site.path: {cut.path.removesuffix("/kernel") for cut in part.makes} for part in of.parts}
    assert all(path.partition(" #")[0] in paths for path, paths in makers.items())
