"""Relevance of networks of all kinds, under JAX's transformations, and what is refused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import sweeps
from sweeps import _program, relevance
from sweeps.relevance import METHODS, Normalised, Rules, attribute
from tests.sweeps import helpers, models

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
NET = helpers.network(helpers.problem((3, 5, 4, 2), "tanh", "cross_entropy", 2, seed=3))


class Residual(nnx.Module):
    """Two ways that are added, a normalisation, a nonlinearity with a parameter, and constants put in."""

    def __init__(self):
        self.first = helpers.linear(3, 4, seed=1)
        self.norm = nnx.BatchNorm(4, rngs=nnx.Rngs(0))
        self.norm.mean[...], self.norm.var[...] = jnp.arange(4.0), jnp.arange(1.0, 5.0)
        self.norm.scale[...], self.norm.bias[...] = jnp.array([1.0, -1.0, 2.0, 0.5]), jnp.array([0.5, 0.0, -1.0, 1.0])
        self.prelu = nnx.PReLU()
        self.last = helpers.linear(5, 2, seed=2)

    def __call__(self, x):
        hidden = self.first(x)
        hidden = hidden + self.prelu(self.norm(hidden))
        return self.last(jnp.concatenate([nnx.silu(hidden), jnp.full((len(x), 1), 0.5)], axis=1))


def total(found):
    parts = [found.inputs, *found.bias.values(), *found.absorbed.values()]
    return sum(np.asarray(part, float).reshape(len(part), -1).sum(axis=1) for part in parts)


@pytest.mark.parametrize("method", ["slope", "lrp", "deeplift"])
def test_sums_normalisations_and_constants_conserve(method):
    net = Residual()
    found = attribute(net, X, target=1, method=method)
    assert list(found.flows) == [
        "first",
        "norm",
        "norm nonlinearity",
        "first linear",
        "first nonlinearity",
        "first copy",
        "last",
    ]
    assert list(found.layers) == ["first", "norm", "last"]
    np.testing.assert_allclose(total(found), found.output, atol=1e-5)
    assert found.bias["norm"].shape == (4, 4)
    # One half, put in where the last kernel has its last row.
    constant = np.zeros((4, 5))
    constant[:, 4] = 0 if method == "deeplift" else 0.5 * net.last.kernel[4, 1]
    np.testing.assert_allclose(found.bias["first copy"], constant, rtol=1e-4)


def test_a_normalisation_is_one_layer_with_one_bias():
    # b = (a - mean) s + bias: the bias as an input of value 1 is bias - mean s.
    net = Residual()
    found = attribute(
        nnx.Sequential(net.norm), np.ones((1, 4), np.float32), target=np.ones((1, 4), np.float32), method="slope"
    )
    scale = net.norm.scale[...] / jnp.sqrt(net.norm.var[...] + net.norm.epsilon)
    np.testing.assert_allclose(found.inputs[0], scale, rtol=1e-5)
    np.testing.assert_allclose(found.bias["layers/0"][0], net.norm.bias - net.norm.mean * scale, rtol=1e-5)


def test_relevance_is_differentiable_jittable_and_mapped(x64):
    net = nnx.clone(NET)
    nnx.update(net, jax.tree.map(lambda leaf: leaf.astype(jnp.float64), nnx.state(net, nnx.Param)))
    x = jnp.asarray(X, jnp.float64)

    def loss(net, mask):
        found = attribute(net, x * mask[None], target=0, method="lrp")
        return jnp.sum(found.inputs[:, 0] ** 2) + jnp.sum(found.layers["layers/0"][:, 1] ** 2)

    masks = np.array([[1.0, 1, 1], [0, 1, 1], [1, 0.5, 1]])
    graph, state = nnx.split(net)
    mapped = jax.jit(jax.vmap(lambda mask: loss(nnx.merge(graph, state), mask)))
    found = mapped(masks)
    np.testing.assert_allclose(found, [loss(net, mask) for mask in masks], rtol=1e-10)
    slope = np.asarray(nnx.jit(nnx.grad(loss))(net, masks[0]).layers[1].kernel[...])
    kernel = net.layers[1].kernel
    before, step = np.asarray(kernel[...]), 1e-5
    for place in ((0, 0), (4, 3)):
        around = []
        for sign in (1, -1):
            moved = before.copy()
            moved[place] += sign * step
            kernel[...] = jnp.asarray(moved)
            around.append(loss(net, masks[0]))
        kernel[...] = jnp.asarray(before)
        expected = (around[0] - around[1]) / (2 * step)
        np.testing.assert_allclose(slope[place], expected, rtol=1e-6, atol=1e-8)


def test_gradients_stay_finite_where_relevance_has_kinks():
    # Units that are off, ties of a maximum, edges of a pooled image, an input that is its baseline.
    net = nnx.Sequential(
        helpers.linear(4, 4, seed=1),
        nnx.relu,
        lambda x: nnx.max_pool(x.reshape(-1, 2, 2, 1), (2, 2), padding="SAME").reshape(-1, 4),
        helpers.linear(4, 2, seed=2),
    )
    x = jnp.zeros((1, 4)).at[0, 1].set(1.0)
    for rules in (Rules(matrix=Normalised(eps=0.0), maximum="radial"), METHODS["deeplift"]):

        def loss(net, x, rules=rules):
            return jnp.sum(attribute(net, x, target=0, method=rules).inputs ** 2)

        found = nnx.jit(nnx.grad(loss, argnums=(0, 1)))(net, x)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found)), rules


def test_the_second_call_compiles_nothing(compiled):
    attribute(NET, X, target=0, method="slope")
    compiled.clear()
    other = nnx.clone(NET)
    other.layers[0].kernel[...] = other.layers[0].kernel[...] * 2
    attribute(other, 2 * X, target=1, method="slope")
    assert "_attributed_" not in compiled


class Dense(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(2, name="last")(linen.tanh(linen.Dense(4, name="first")(x)))


def test_functions_of_parameters_have_relevance_too():
    module, made = Dense(), NET
    values = {"first": (3, 4), "last": (4, 2)}
    random = np.random.default_rng(1)
    variables = {
        "params": {
            name: {"kernel": random.normal(size=shape), "bias": random.normal(size=shape[1])}
            for name, shape in values.items()
        }
    }
    variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), variables)
    found = relevance.attribute_function(module.apply, variables, X, target=0, method="slope")
    assert list(found.bias) == ["first", "last"]
    np.testing.assert_allclose(total(found), module.apply(variables, X)[:, 0], atol=1e-5)
    assert list(attribute(made, X, target=0, method="slope").bias) == ["layers/0", "layers/1", "layers/2"]


def after_dense(function):
    return lambda: nnx.Sequential(helpers.linear(3, 4), function)


REFUSED = {
    "loop": (
        after_dense(lambda x: jax.lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] * 2), (0, x))[1]),
        r"the network after layers/0 has no rule for a loop whose number of steps is not fixed \(while\): "
        r"write jax.lax.scan, or jax.lax.fori_loop with whole numbers as bounds",
    ),
    "product": (
        after_dense(lambda x: jnp.cumprod(x, axis=1)),
        r"the network after layers/0 has no rule for a product over an axis \(cumprod\): method='gradient_x_input' or "
        r"'integrated_gradients' works, as it needs no rule; so does Rules\(expand='all'\)",
    ),
    "logarithm": (
        after_dense(jnp.log),
        "layers/0 nonlinearity is not finite at 0, and so has no offset .*: method='gradient_x_input' or",
    ),
    "constant": (lambda: nnx.Sequential(jnp.zeros_like), "the network's output does not depend on its inputs"),
    "images": (
        lambda: nnx.Sequential(lambda x: x[:, :, None]),
        r"the network must return shape \(examples, outputs\), got \(examples, 3, 1\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_rule_names_itself(name):
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message), jax.numpy_dtype_promotion("standard"):
        attribute(make(), X)


@pytest.mark.parametrize("rules", ["gradient", "integrated_gradients", Rules(expand="all")])
def test_what_the_messages_say_works(rules):
    function = {"product": lambda x: jnp.cumprod(x, axis=1)}["product"]
    found = attribute(nnx.Sequential(helpers.linear(3, 4), function), X, target=3, method=rules)
    chosen = found.output if rules != "gradient" else None
    assert np.isfinite(found.inputs).all()
    if chosen is not None:
        np.testing.assert_allclose(total(found), chosen, rtol=2e-3, atol=1e-3)


def test_deeplift_refuses_choices():
    with pytest.raises(ValueError, match=r"chooses by its activations \(sort\), .*'integrated_gradients' works"):
        attribute(nnx.Sequential(helpers.linear(3, 4), jnp.sort), X, target=0, method="deeplift")


@pytest.mark.parametrize("function", [lambda x: x.reshape(4, 3), lambda x: x + jnp.ones((4, 3))])
def test_a_network_of_a_fixed_batch_says_so(function):
    with pytest.raises(ValueError, match="runs with 4 examples and not with one, .* take sizes from inputs.shape"):
        attribute(nnx.Sequential(function), X)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(method="best"), "method must be one of gradient, .*, or Rules, got 'best'"),
        (dict(target=2), r"target must be from 0 to 1, got 2"),
        (
            dict(target=[0, 1]),
            r"target must be a whole number, or one for each of 4 examples, got int64 of shape \(2,\)",
        ),
        (dict(target=np.ones((4, 3), np.float32)), r"target of floating-point numbers must have shape \(4, 2\)"),
        (dict(inputs=X.astype(int)), "inputs must be floating-point numbers, got int32"),
        (dict(inputs=X[0]), r"inputs must have shape \(examples, ...\), got \(3,\)"),
        (dict(baseline=X[0]), "baseline is for methods that compare with a baseline"),
        (dict(method="deeplift", baseline="mean"), "baseline must be 'zeros' or an array, such as the mean"),
        (dict(method="deeplift", baseline=X[:2]), r"baseline must have shape \(3,\) or \(4, 3\), got \(2, 3\)"),
        (dict(method="integrated_gradients", steps=0), "steps must be at least 1, got 0"),
        (dict(rules=Rules(by_layer={"first": "flat"})), "by_layer: 'first' fits none of the layers layers/0, "),
        (
            dict(rules=Rules(first=relevance.ZBox(low=[0.0, 0.0]))),
            "low and high must be numbers or arrays of the shape",
        ),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        attribute(NET, **({"inputs": X} | options))


def test_only_modules_are_networks():
    with pytest.raises(TypeError, match="network must be an nnx.Module, got function; attribute_function takes any"):
        attribute(lambda x: x, X)
    assert sweeps.relevance is relevance


# Networks as users write them.


class Encoder(nnx.Module):
    """A transformer encoder of one block, with normalisations in front."""

    def __init__(self, rngs):
        self.embed, self.position = nnx.Linear(3, 4, rngs=rngs), nnx.Param(jnp.ones((1, 4, 4)))
        self.norms = nnx.List([nnx.LayerNorm(4, rngs=rngs) for _ in range(2)])
        self.attention = nnx.MultiHeadAttention(2, 4, decode=False, rngs=rngs)
        self.up, self.down = nnx.Linear(4, 6, rngs=rngs), nnx.Linear(6, 4, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        h = self.embed(x) + self.position[...]
        h = h + self.attention(self.norms[0](h), mask=nnx.make_causal_mask(jnp.ones(x.shape[:2])))
        h = h + self.down(nnx.gelu(self.up(self.norms[1](h))))
        return nnx.log_softmax(self.head(h.mean(1)))


class Gated(nnx.Module):
    """A gated linear unit with a root mean square in front."""

    def __init__(self, rngs):
        self.first, self.norm = nnx.Linear(3, 4, rngs=rngs), nnx.RMSNorm(4, rngs=rngs)
        self.gate, self.up, self.head = (nnx.Linear(a, b, rngs=rngs) for a, b in ((4, 5), (4, 5), (5, 3)))

    def __call__(self, x):
        h = self.norm(self.first(x))
        return self.head(nnx.silu(self.gate(h)) * self.up(h))


class Images(nnx.Module):
    """A convolution with a group normalisation, the smallest of its neighbours, and a transposed convolution."""

    def __init__(self, rngs):
        self.conv, self.norm = nnx.Conv(1, 4, (3, 3), rngs=rngs), nnx.GroupNorm(4, num_groups=2, rngs=rngs)
        self.back, self.head = nnx.ConvTranspose(4, 2, (2, 2), rngs=rngs), nnx.Linear(2, 3, rngs=rngs)

    def __call__(self, x):
        h = nnx.min_pool(nnx.relu(self.norm(self.conv(x))), (2, 2), strides=(2, 2))
        return nnx.softmax(self.head(self.back(h).mean((1, 2))))


class Recurrent(nnx.Module):
    """A cell over a series, and a head on its last step."""

    def __init__(self, cell, rngs):
        self.loop, self.head = nnx.RNN(cell(3, 4, rngs=rngs), rngs=rngs), nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(self.loop(x)[:, -1])


SERIES = (4, 3)
USERS = {
    "encoder": (Encoder, SERIES, {"attention": (4, 2, 2), "attention/value": (4, 2, 2), "norms/1": (4, 4)}),
    "gated": (Gated, (3,), {"first": (4,), "gate": (5,), "norm": (4,)}),
    "images": (Images, (4, 4, 1), {"conv": (4, 4, 4), "norm": (4, 4, 4), "back": (2, 2, 2)}),
    "gru": (functools.partial(Recurrent, nnx.GRUCell), SERIES, {"loop/cell": (4, 4)}),
    "lstm": (functools.partial(Recurrent, nnx.OptimizedLSTMCell), SERIES, {"loop/cell": (4, 4)}),
}


@functools.cache
def users(name):
    """A network with random numbers in all parameters, as a function, and two examples."""
    make, shape, _ = USERS[name]
    net = models.filled(lambda: make(rngs=nnx.Rngs(0)), np.float32)
    return *_program.of_nnx(net), np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)


@pytest.mark.parametrize(
    "name, method",
    [
        (name, method)
        for name in USERS
        for method in METHODS
        if name == "gated" or method in ("gradient", "lrp", "deeplift")
    ],
)
@pytest.mark.filterwarnings("ignore:.* is not 0 at 0")
@jax.numpy_dtype_promotion("standard")
@jax.numpy_rank_promotion("allow")
def test_users_networks(name, method):
    function, state, x = users(name)
    found = relevance.attribute_function(function, state, x, target=1, method=method)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    assert {layer: found.layers[layer].shape[1:] for layer in USERS[name][2]} == USERS[name][2]
    if method in ("gradient", "gradient_x_input"):
        slope = jax.jit(jax.grad(lambda x: function(state, x)[:, 1].sum()))(x)
        np.testing.assert_allclose(found.inputs, slope * (1 if method == "gradient" else x), rtol=1e-3, atol=1e-4)
    elif method in ("lrp", "slope", "deeplift"):
        size = 1 + sum(np.abs(leaf).sum() for leaf in jax.tree.leaves((found.inputs, found.bias, found.absorbed)))
        np.testing.assert_allclose(total(found), found.output, atol=1e-5 * size)
        assert all(np.abs(flow.error).max() <= 1e-5 * size for flow in found.flows.values())
        assert not any(np.any(flow.not_conserved) for flow in found.flows.values())
    elif method == "integrated_gradients":
        np.testing.assert_allclose(total(found), found.output, atol=0.02)
