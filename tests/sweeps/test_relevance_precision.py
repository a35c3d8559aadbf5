"""Relevance in few bits, of networks whose examples depend on each other, and with arguments of all kinds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sweeps import relevance
from sweeps.relevance import attribute, attribute_function
from tests.sweeps import helpers

BITS = jnp.bfloat16
X = np.array([[1, 2, -1, 0.5], [0.5, -1, 1, 2]], np.float32)


def dense(inputs, outputs, seed=0, dtype=BITS):
    layer = helpers.linear(inputs, outputs, seed)
    layer.dtype = dtype
    for variable in (layer.kernel, layer.bias):
        variable[...] = variable[...].astype(BITS).astype(jnp.float32)
    return layer


def deep(dtype=BITS):
    return nnx.Sequential(dense(4, 8, 0, dtype), nnx.tanh, dense(8, 3, 1, dtype))


@pytest.mark.parametrize("steps", [64, np.int64(4096)])
def test_a_path_of_many_pieces_loses_nothing_in_a_linear_network(steps):
    layer = dense(4, 1)
    found = attribute(nnx.Sequential(layer), jnp.asarray(X, BITS), target=0, method="integrated_gradients", steps=steps)
    wanted = X.astype(float) * np.asarray(layer.kernel[...], float)[:, 0]
    assert found.inputs.dtype == np.float32
    np.testing.assert_allclose(found.inputs, wanted, rtol=1e-5)
    # The network's own outputs are rounded: that is what is missing.
    outputs = [np.asarray(nnx.Sequential(layer)(jnp.asarray(x, BITS)), float)[:, 0] for x in (X, 0 * X)]
    np.testing.assert_allclose(found.output, outputs[0] - outputs[1], rtol=float(jnp.finfo(BITS).eps))
    total = found.ledger(example=np.int64(0))[-1]
    np.testing.assert_allclose(total.error, found.output[0] - wanted[0].sum(), atol=1e-5)


def test_the_ledger_shows_what_a_path_loses_in_few_bits():
    x = jnp.asarray(X, BITS)
    found, wanted = (
        attribute(deep(dtype), x.astype(dtype), target=0, method="integrated_gradients", steps=1024)
        for dtype in (BITS, jnp.float32)
    )
    np.testing.assert_allclose(found.inputs, wanted.inputs, atol=0.01 * np.abs(wanted.inputs).max())
    ends = [np.asarray(jax.jit(deep())(points), float)[:, 0] for points in (x, 0 * x)]
    np.testing.assert_allclose(found.output, ends[0] - ends[1], atol=float(jnp.finfo(BITS).eps) * 4)
    row = found.ledger(example=0)[-1]
    np.testing.assert_allclose(row.error + row.not_conserved, row.received - row.inputs - row.biases, atol=1e-5)
    np.testing.assert_allclose(row.inputs, np.asarray(found.inputs, float)[0].sum(), rtol=1e-6)


@pytest.mark.parametrize("method", ["lrp", "slope"])
def test_biases_of_many_places_are_added_up(method):
    # The same bias at 4,900 places, where float16 counts to 2,048 by ones.
    layer = nnx.Conv(1, 1, (1, 1), rngs=nnx.Rngs(0), dtype=jnp.float16)
    layer.kernel[...], layer.bias[...] = jnp.ones((1, 1, 1, 1)), jnp.ones(1)
    net = nnx.Sequential(layer, lambda values: values.reshape(len(values), -1))
    images, start = np.ones((1, 70, 70, 1), np.float16), np.full((1, 4900), 2 if method == "lrp" else 1, np.float16)
    found = attribute(net, images, target=start, method=method)
    np.testing.assert_allclose(found.bias["layers/0"], [[4900]], rtol=1e-3)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(found.ledger()[-1].received, 9800, rtol=1e-6)


def centred(state, inputs):
    return (inputs - inputs.mean(axis=0, keepdims=True)) @ state["layer"]["kernel"]


def test_examples_that_depend_on_each_other_are_refused():
    state = {"layer": {"kernel": jnp.asarray(np.arange(8.0).reshape(4, 2), jnp.float32)}}
    message = "outputs for an example depend on other examples"
    with pytest.raises(ValueError, match=message):
        attribute_function(centred, state, X)
    with pytest.raises(ValueError, match=message):
        jax.jit(lambda x: attribute_function(centred, state, x).inputs)(X)
    np.testing.assert_array_equal(attribute_function(centred, state, X[:1]).inputs, np.zeros((1, 4)))
    # A state that is not known yet, with random keys, counts and running means in it.
    whole = nnx.Sequential(NET.layers[0], nnx.BatchNorm(3, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(0)))
    found = nnx.jit(lambda net, x: attribute(net, x, target=0).inputs)(whole, X)
    np.testing.assert_allclose(found, attribute(whole, X, target=0).inputs, rtol=1e-5)


NET = nnx.Sequential(dense(4, 3, dtype=jnp.float32))
IG = dict(method="integrated_gradients")
WRONG = {
    "steps without a path": (dict(method="lrp", steps=8), ValueError, "steps is for a method with a path"),
    "steps": (IG | dict(steps=8.0), TypeError, "steps must be a whole number, got 8.0"),
    "true steps": (IG | dict(steps=True), TypeError, "steps must be a whole number, got True"),
    "two methods": (dict(method="slope", rules=relevance.Rules()), ValueError, "rules are in place of a method"),
    "rules": (dict(rules="lrp"), TypeError, "rules must be sweeps.relevance.Rules, got 'lrp'"),
    "method": (dict(method=["lrp"]), ValueError, "method must be one of gradient"),
    "inputs": (dict(inputs=X * np.nan), ValueError, "inputs must be finite"),
    "text": (dict(inputs="abc"), TypeError, "inputs must be numbers, got 'abc'"),
    "large inputs": (dict(inputs=np.full((2, 4), 1e300)), ValueError, "inputs must be finite numbers that fit float32"),
    "baseline": (IG | dict(baseline=X + np.inf), ValueError, "baseline must be finite"),
    "large target": (dict(target=np.array([2**32, 0])), ValueError, "target must be from 0 to 2, got"),
    "complex target": (dict(target=1j), TypeError, "target must be numbers"),
    "true target": (dict(target=True), ValueError, "target must be a whole number, or one for each of 2 examples"),
    "NaN target": (dict(target=np.full((2, 3), np.nan)), ValueError, "target must be finite"),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_are_refused_by_name(name):
    options, kind, message = WRONG[name]
    with pytest.raises(kind, match=message) as found:
        attribute(NET, **(dict(inputs=X) | options))
    assert isinstance(found.value, ValueError)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: relevance.Normalised(eps="a"), "eps must be a number, got 'a'"),
        (lambda: relevance.Normalised(blame_bias=1), "blame_bias must be True or False"),
        (lambda: relevance.Gamma(gamma=np.inf), "gamma must be finite"),
        (lambda: relevance.AlphaBeta(alpha=True), "alpha must be a number"),
        (lambda: relevance.ZBox(low="a"), "low must be numbers"),
        (lambda: relevance.ZBox(low=[0, 1], high=[1, 2, 3]), "low and high must be of one shape"),
        (lambda: relevance.SoftmaxLimit(eps=-1), "eps must be at least 0, got -1"),
        (lambda: relevance.Rules(by_layer="gamma"), "by_layer must be a dict from patterns of paths to rules"),
        (lambda: relevance.Rules(quantity=["factor"]), "quantity must be one of relevance"),
        (lambda: attribute_function(3, {}, X), "function must be"),
        (lambda: attribute_function(lambda state, x: (x, x), {}, X, target=0), "the network must return one array"),
        (lambda: attribute_function(lambda state, x: x, {"a": "b"}, X), "state must be numbers, got 'b'"),
        (lambda: attribute(NET, X, target=0).ledger(2), "example must be at most 1, got 2"),
        (lambda: attribute(NET, X, target=0).ledger(0.0), "example must be a whole number, got 0.0"),
    ],
)
def test_rules_and_functions_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numpys_numbers_are_kept_as_pythons():
    # NumPy's would decide the type of what they are multiplied by.
    assert type(relevance.Gamma(eps=np.float64(1e-3), gamma=np.float32(0.25)).gamma) is float
    rules = relevance.Rules(matrix=relevance.Gamma(gamma=np.float64(0.25)))
    assert attribute(NET, jnp.asarray(X), target=np.uint8(1), rules=rules).inputs.shape == X.shape


@pytest.mark.parametrize("error", [RuntimeError("mine"), ValueError(""), TypeError("also mine")])
def test_errors_of_ones_own_network_are_ones_own(error):
    class Own(nnx.Module):
        def __call__(self, inputs):
            raise error

    for target in (None, 0):
        with pytest.raises(type(error)) as found:
            attribute(Own(), X, target=target)
        assert found.value is error
        assert any("This is an error within the network" in note for note in error.__notes__)
