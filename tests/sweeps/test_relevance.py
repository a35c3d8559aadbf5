"""Relevance of whole networks: conserved at every step, and independent of the batch."""

import functools

import flax.linen.pooling
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import relevance
from sweeps.relevance import Rules, SoftmaxLimit, ZBox, attribute
from tests.sweeps import helpers

PROBLEM = helpers.problem((3, 5, 4, 2), "tanh", "cross_entropy", 2, examples=4, seed=3)


def convolution(kernel, inputs, outputs, seed):
    zeros = nnx.initializers.zeros_init()
    layer = nnx.Conv(inputs, outputs, (kernel, kernel), kernel_init=zeros, rngs=nnx.Rngs(0))
    random = np.random.default_rng(seed)
    values = {"kernel": random.normal(size=layer.kernel.shape) / kernel, "bias": random.normal(size=outputs) / 2}
    nnx.update(layer, jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), values))
    return layer


def mean_of_four(images):
    """Average pooling; Flax's own divides by integers, which strict promotion refuses."""
    return flax.linen.pooling.pool(images, 0.0, jax.lax.add, (2, 2), (1, 1), "VALID") / 4.0


@functools.cache
def images():
    """A network with everything that is pooled, moved and dropped, and four images."""
    net = nnx.Sequential(
        convolution(3, 1, 2, seed=1),
        nnx.relu,
        functools.partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2), padding="SAME"),
        convolution(2, 2, 3, seed=2),
        nnx.tanh,
        mean_of_four,
        lambda values: values.reshape(values.shape[0], -1),
        nnx.Dropout(0.5, rngs=nnx.Rngs(0)),
        helpers.linear(12, 3, seed=3),
    )
    return net, jnp.asarray(np.random.default_rng(4).normal(size=(4, 5, 5, 1)), jnp.float32)


@functools.cache
def outputs_of_images():
    """Logits of the images, and of zeros, as for testing."""
    net, inputs = images()
    net = nnx.clone(net)
    net.eval()
    run = jax.jit(lambda images: net(images))
    return np.asarray(run(inputs)), np.asarray(run(np.zeros_like(inputs)))


CONSERVING = {
    "lrp": "lrp",
    "slope": "slope",
    "deeplift": "deeplift",
    "mixed": Rules(matrix="gamma", maximum="radial", first=ZBox(low=-4, high=4), by_layer={"layers/3": "alpha_beta"}),
}


def total(found):
    """Sum of what inputs, biases and stabilisers have, one number an example."""
    parts = [found.inputs, *found.bias.values(), *found.absorbed.values()]
    return sum(np.asarray(part, float).reshape(len(part), -1).sum(axis=1) for part in parts)


@pytest.mark.parametrize("name", CONSERVING)
def test_relevance_is_conserved_at_every_step(name):
    net, inputs = images()
    found = attribute(net, inputs, method=CONSERVING[name])
    assert list(found.flows) == [
        "layers/0",
        "layers/0 nonlinearity",
        "layers/0 maximum",
        "layers/3",
        "layers/3 nonlinearity",
        "layers/3 linear",
        "layers/8",
    ]
    assert {layer: one.shape for layer, one in found.layers.items()} == {
        "layers/0": (4, 5, 5, 2),
        "layers/3": (4, 3, 3, 3),
        "layers/8": (4, 3),
    }
    assert {layer: one.shape for layer, one in found.bias.items()} == {
        "layers/0": (4, 2),
        "layers/3": (4, 3),
        "layers/8": (4, 3),
    }
    for flow in found.flows.values():
        np.testing.assert_allclose(flow.error, 0, atol=1e-5)
        np.testing.assert_array_equal(flow.not_conserved, 0)
    received = [flow.received for flow in found.flows.values()][1:]
    for below, above in zip(list(found.flows.values())[:-1], received, strict=True):
        assert below.received.shape == above.shape == (4,)
    np.testing.assert_allclose(total(found), found.output, atol=1e-5)
    logits, of_zeros = outputs_of_images()
    if name == "deeplift":
        # Biases are the same in both; zeros are the baseline.
        chosen = np.arange(4), logits.argmax(axis=1)
        np.testing.assert_allclose(found.output, (logits - of_zeros)[chosen], atol=1e-5)
        assert not any(np.any(one) for one in found.bias.values())
    else:
        np.testing.assert_allclose(found.output, logits.max(axis=1), rtol=1e-6)


def test_the_gradient_is_jaxs_own():
    net, inputs = images()
    net.eval()
    expected = jax.jit(jax.vmap(jax.grad(lambda one: net(one[None]).max())))(inputs)
    np.testing.assert_allclose(attribute(net, inputs, method="gradient").inputs, expected, atol=1e-6)


def in_numpy(found):
    """Where a slice is no program to be compiled."""
    return jax.tree.map(np.asarray, found)


def all_equal(one, other, **tolerance):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def test_rows_are_independent_of_each_other():
    net, inputs = images()
    whole = in_numpy(attribute(net, inputs))
    # An example beside others that are huge, and infinite within the network.
    strange = np.array(inputs)
    strange[1], strange[3] = 1e8, 3e38
    among = in_numpy(attribute(net, strange))
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(among), strict=True):
        np.testing.assert_array_equal(a[::2], b[::2])
    # Of another batch size: another program, up to rounding.
    net, inputs = helpers.network(PROBLEM), PROBLEM.inputs
    whole, alone = (
        in_numpy(attribute(net, inputs, target=0, method="slope")),
        attribute(net, inputs[2:3], target=0, method="slope"),
    )
    all_equal(jax.tree.map(lambda leaf: leaf[2:3], whole), alone, rtol=1e-5, atol=1e-6)


def test_hidden_relevance_is_that_of_the_rest_of_the_network():
    net = helpers.network(PROBLEM)
    found = attribute(net, PROBLEM.inputs, target=1, method="slope")
    hidden = jnp.tanh(net.layers[0](jnp.asarray(PROBLEM.inputs, jnp.float32)))
    rest = nnx.Sequential(net.layers[1], nnx.tanh, net.layers[2])
    np.testing.assert_allclose(
        found.layers["layers/0"], attribute(rest, hidden, target=1, method="slope").inputs, atol=1e-6
    )


WIDTHS = (3, 4, 2)


def plain(state, inputs):
    hidden = jnp.tanh(inputs @ state["first"]["kernel"] + state["first"]["bias"][None])
    return hidden @ state["second"]["kernel"] + state["second"]["bias"][None]


@pytest.mark.parametrize("method", ["lrp", "slope", "deeplift"])
@hypothesis.given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.0, 1e-3, 1.0, 30.0]))
def test_any_network_conserves(method, seed, scale):
    random = np.random.default_rng(seed)

    def normal(*shape):
        return jnp.asarray(random.normal(size=shape) * scale, jnp.float32)

    names = zip(("first", "second"), WIDTHS[:-1], WIDTHS[1:], strict=True)
    state = {name: {"kernel": normal(a, b), "bias": normal(b)} for name, a, b in names}
    found = relevance.attribute_function(plain, state, normal(2, 3), method=method)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    # Rounding grows with what cancels: the sizes of all parts.
    size = 1 + sum(np.abs(leaf).sum() for leaf in jax.tree.leaves((found.inputs, found.bias, found.absorbed)))
    np.testing.assert_allclose(total(found), found.output, atol=1e-5 * size)
    assert all(np.abs(flow.error).max() <= 1e-5 * size for flow in found.flows.values())


def test_a_softmax_maximum_has_a_bias():
    rules = Rules(matrix="normalised", maximum=SoftmaxLimit())
    net = nnx.Sequential(lambda x: jnp.max(x, axis=-1, keepdims=True))
    with pytest.warns(UserWarning, match="bias\\['inputs maximum offset'\\]"):
        found = attribute(net, np.array([[-1.0, -2.0], [2.0, 1.0]], np.float32), rules=rules)
    np.testing.assert_allclose(found.inputs, [[-1, -1], [2, 0]])
    np.testing.assert_allclose(found.bias["inputs maximum offset"], [1, 0])


LEDGER = """\
step                   received   inputs    biases  offsets  absorbed  error  not conserved
layers/1                2.00000  1.50000   0.50000  0.00000   0.00000  0e+00        0.00000
layers/0 nonlinearity   1.50000  1.50000   0.00000  0.00000   0.00000  0e+00        0.00000
layers/0                1.50000  3.50000  -2.00000  0.00000   0.00000  0e+00        0.00000
total                   2.00000  3.50000  -1.50000  0.00000   0.00000  0e+00        0.00000"""


def test_the_ledger_prints():
    net = sweeps.MLP((2, 1, 1), kernel_init=nnx.initializers.zeros_init())
    nnx.update(net.layers[0], {"kernel": jnp.array([[2.0], [1.5]]), "bias": jnp.array([-2.0])})
    nnx.update(net.layers[1], {"kernel": jnp.array([[1.0]]), "bias": jnp.array([0.5])})
    found = attribute(net, np.ones((1, 2), np.float32), method="slope")
    assert repr(found.ledger()) == LEDGER == repr(found.ledger(0))
    # What does not add up says so: 1 at the output, 3.5 at the inputs, and -1.5 times 1 at the biases.
    rows = {row.step: row for row in attribute(net, np.ones((1, 2), np.float32), method="gradient").ledger()}
    assert rows["layers/0"].not_conserved == 1 - 3.5 + 2 and rows["layers/0"].error == 0
    assert rows["total"].not_conserved == 1 - 3.5 + 1.5 and abs(rows["total"].error) < 1e-6
