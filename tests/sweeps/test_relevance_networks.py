"""Relevance of networks of all kinds, under JAX's transformations, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import sweeps
from sweeps import relevance
from sweeps.relevance import METHODS, Normalised, Rules, attribute
from tests.sweeps import helpers

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
NET = helpers.network(helpers.problem((3, 5, 4, 2), "tanh", "cross_entropy", 2, seed=3))
ZEROS = nnx.initializers.zeros_init()


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
    found = attribute(net, X, 1, method)
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
    found = attribute(nnx.Sequential(net.norm), np.ones((1, 4), np.float32), np.ones((1, 4), np.float32), "slope")
    scale = net.norm.scale[...] / jnp.sqrt(net.norm.var[...] + net.norm.epsilon)
    np.testing.assert_allclose(found.inputs[0], scale, rtol=1e-5)
    np.testing.assert_allclose(found.bias["layers/0"][0], net.norm.bias - net.norm.mean * scale, rtol=1e-5)


def test_relevance_is_differentiable_jittable_and_mapped(x64):
    net = nnx.clone(NET)
    nnx.update(net, jax.tree.map(lambda leaf: leaf.astype(jnp.float64), nnx.state(net, nnx.Param)))
    x = jnp.asarray(X, jnp.float64)

    def loss(net, mask):
        found = attribute(net, x * mask[None], 0, "lrp")
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
    for rules in (Rules(Normalised(0.0), maximum="radial"), METHODS["deeplift"]):

        def loss(net, x, rules=rules):
            return jnp.sum(attribute(net, x, 0, rules).inputs ** 2)

        found = nnx.jit(nnx.grad(loss, argnums=(0, 1)))(net, x)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found)), rules


def test_the_second_call_compiles_nothing(compiled):
    attribute(NET, X, 0, "slope")
    compiled.clear()
    other = nnx.clone(NET)
    other.layers[0].kernel[...] = other.layers[0].kernel[...] * 2
    attribute(other, 2 * X, 1, "slope")
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
    found = relevance.attribute_function(module.apply, variables, X, 0, "slope")
    assert list(found.bias) == ["first", "last"]
    np.testing.assert_allclose(total(found), module.apply(variables, X)[:, 0], atol=1e-5)
    assert list(attribute(made, X, 0, "slope").bias) == ["layers/0", "layers/1", "layers/2"]


class Block(nnx.Module):
    def __init__(self, layer):
        self.dense, self.layer = helpers.linear(3, 4, seed=1), layer

    def __call__(self, x):
        return self.layer(self.dense(x))


class Loop(nnx.Module):
    def __call__(self, x):
        return jax.lax.fori_loop(0, 3, lambda _, y: jnp.sin(y), x)


REFUSED = {
    "attention": (
        lambda: Block(nnx.MultiHeadAttention(2, 4, decode=False, kernel_init=ZEROS, rngs=nnx.Rngs(0))),
        r"the network after layer/query and layer/key has no rule for a matrix product of two activations",
    ),
    "normalisation": (
        lambda: Block(nnx.LayerNorm(4, rngs=nnx.Rngs(0))),
        r"the network after dense has no rule for a product of two activations, as in a normalisation",
    ),
    "softmax": (
        lambda: nnx.Sequential(helpers.linear(3, 4), nnx.softmax),
        r"the network after layers/0 has no rule for a quotient of two activations, as in a softmax",
    ),
    "loop": (lambda: Block(Loop()), r"the network after dense has no rule for a loop \((scan|while)\)"),
    "sort": (lambda: nnx.Sequential(helpers.linear(3, 4), jnp.sort), "after layers/0 has no rule for sort"),
    "logarithm": (
        lambda: nnx.Sequential(helpers.linear(3, 4), jnp.log),
        "layers/0 nonlinearity is not finite at 0, and so has no offset",
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
    with pytest.raises(TypeError, match="net must be an nnx.Module, got function; attribute_function takes any"):
        attribute(lambda x: x, X)
    assert sweeps.relevance is relevance
