"""The dense plan of the user's own perceptrons, held against a masked forward pass in NumPy and double precision."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special

import sweeps
from analysis._errors import InputError
from tests import reference
from tests.sweeps import helpers

RANDOM = np.random.default_rng(0)
INPUTS, TARGETS = RANDOM.normal(size=(9, 3)), np.arange(9, dtype=np.int32) % 2


def curve(x):
    """An activation of one's own: a cubic on the left, a root on the right."""
    return jnp.where(x > 0.3, jnp.sqrt(jnp.abs(x) + 1) - 1, 0.1 * x**3 + 0.2)


def softplus(x):
    return np.logaddexp(x, 0)


# By name: the function in JAX, and in NumPy.
ACTIVATIONS = {
    "relu": (nnx.relu, lambda x: np.maximum(x, 0)),
    "maximum": (lambda x: jnp.maximum(x, 0), lambda x: np.maximum(x, 0)),
    "tanh": (jnp.tanh, np.tanh),
    "gelu": (lambda x: nnx.gelu(x, approximate=False), lambda x: x * special.ndtr(x)),
    "silu": (nnx.silu, lambda x: x * special.expit(x)),
    "leaky_relu": (nnx.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
    "softplus": (nnx.softplus, softplus),
    "elu": (nnx.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    "mish": (lambda x: x * jnp.tanh(nnx.softplus(x)), lambda x: x * np.tanh(softplus(x))),
    "curve": (curve, lambda x: np.where(x > 0.3, np.sqrt(np.abs(x) + 1) - 1, 0.1 * x**3 + 0.2)),
    "identity": (lambda x: x, lambda x: x),
}


def dense(inputs, outputs):
    return RANDOM.normal(size=(inputs, outputs)) / np.sqrt(inputs), RANDOM.normal(scale=0.5, size=outputs)


def perceptron(*sizes):
    return [dense(*both) for both in zip(sizes[:-1], sizes[1:], strict=True)]


def activations(layers, names, hidden=INPUTS):
    """Return the values of all hidden layers with all gates on."""
    made = []
    for (kernel, bias), name in zip(layers[:-1], names, strict=True):
        hidden = ACTIVATIONS[name][1](hidden @ kernel + bias)
        made.append(hidden)
    return made


def masked(layers, names, gates, gated=None, hidden=INPUTS, tail=lambda z: z, off=None):
    """Return the mean loss of one gate vector.

    ``gated`` says which hidden layers have gates, by default all; ``off``, what their nodes are when off.
    """
    for number, ((kernel, bias), name) in enumerate(zip(layers[:-1], names, strict=True)):
        hidden = ACTIVATIONS[name][1](hidden @ kernel + bias)
        if gated is None or number in gated:
            gate, gates = np.split(gates, [hidden.shape[1]])
            hidden = hidden * gate + (0 if off is None else (1 - gate) * off[number])
    kernel, bias = layers[-1]
    return reference.per_example("cross_entropy", tail(hidden @ kernel + bias), TARGETS)[0].mean()


def slopes(loss, gates, step=1e-6):
    """Return central differences, good to some 1e-9."""
    return np.stack([(loss(gates + one) - loss(gates - one)) / (2 * step) for one in step * np.eye(len(gates))])


def assert_dense(objective, loss):
    """Hold an objective that takes the dense plan against the mean loss of a gate vector in NumPy."""
    assert objective.plan.name == "dense", objective.plan.reason
    nodes = len(objective.nodes)
    off = np.zeros((1, nodes))
    gates = np.concatenate([off, 1 - off, RANDOM.integers(0, 2, (3, nodes)), RANDOM.uniform(-0.5, 1.5, (3, nodes))])
    found = objective.evaluate(gates)
    np.testing.assert_allclose(found.loss, [loss(vector) for vector in gates], rtol=1e-10)
    np.testing.assert_allclose(found.loss_gradient, [slopes(loss, vector) for vector in gates], atol=2e-9)
    np.testing.assert_allclose(objective.evaluate(gates, gradients=False).loss, found.loss, rtol=1e-13)


class Own(nnx.Module):
    """A perceptron in flax.nnx, with an activation for each layer."""

    def __init__(self, layers, names):
        zeros, rngs = nnx.initializers.zeros_init(), nnx.Rngs(0)
        self.layers = nnx.List([nnx.Linear(*kernel.shape, kernel_init=zeros, rngs=rngs) for kernel, _ in layers])
        for layer, (kernel, bias) in zip(self.layers, layers, strict=True):
            layer.kernel, layer.bias = nnx.Param(jnp.asarray(kernel)), nnx.Param(jnp.asarray(bias))
        self.names = tuple(names)

    def __call__(self, inputs):
        for layer, name in zip(self.layers, self.names, strict=False):
            inputs = ACTIVATIONS[name][0](layer(inputs))
        return self.layers[-1](inputs)


# Two outputs become one margin; each number of hidden layers is there with and without.
@pytest.mark.parametrize(
    ("names", "outputs"),
    [
        (("relu", "tanh"), 2),
        (("gelu", "relu"), 3),
        (("silu", "leaky_relu", "maximum"), 2),
        (("softplus", "elu"), 2),
        (("mish", "curve", "identity"), 3),
    ],
)
def test_any_activations_in_flax(names, outputs, x64):
    layers = perceptron(3, *(5, 4, 3)[: len(names)], outputs)
    objective = sweeps.Objective(Own(layers, names), (INPUTS, TARGETS))
    assert_dense(objective, lambda gates: masked(layers, names, gates))


def in_linen(layers, names):
    modules = [part for (_, bias), name in zip(layers, names, strict=False) for part in (bias, name)]
    made = [ACTIVATIONS[part][0] if isinstance(part, str) else nn.Dense(len(part)) for part in modules]
    params = {f"layers_{2 * n}": dict(kernel=kernel, bias=bias) for n, (kernel, bias) in enumerate(layers)}
    return nn.Sequential([*made, nn.Dense(len(layers[-1][1]))]), dict(variables=dict(params=params))


def as_function(layers, names):
    def apply(params, inputs):
        for (kernel, bias), name in zip(params[:-1], names, strict=True):
            inputs = ACTIVATIONS[name][0](inputs @ kernel + bias[None])
        kernel, bias = params[-1]
        return inputs @ kernel + bias[None]

    return apply, dict(params=layers)


def example_by_example(layers, names):
    """As in Equinox: columns, with kernels of shape (outputs, inputs), under vmap."""

    def of_one(params, example):
        for (kernel, bias), name in zip(params[:-1], names, strict=True):
            example = ACTIVATIONS[name][0](kernel @ example + bias)
        kernel, bias = params[-1]
        return kernel @ example + bias

    apply = lambda params, inputs: jax.vmap(lambda example: of_one(params, example))(inputs)  # noqa: E731
    return apply, dict(params=[(kernel.T, bias) for kernel, bias in layers])


@pytest.mark.parametrize("write", [in_linen, as_function, example_by_example])
def test_any_way_to_write_it(write, x64):
    layers, names = perceptron(3, 5, 4, 3), ("relu", "tanh")
    network, options = write(layers, names)
    assert_dense(sweeps.Objective(network, (INPUTS, TARGETS), **options), lambda gates: masked(layers, names, gates))


@pytest.mark.parametrize(
    ("after", "in_numpy"),
    [(jax.nn.log_softmax, lambda z: special.log_softmax(z, axis=1)), (jax.nn.sigmoid, special.expit)],
    ids=["log_softmax", "sigmoid"],
)
def test_what_follows_the_last_layer_may_mix_outputs(after, in_numpy, x64):
    layers, names = perceptron(3, 4, 3, 2), ("relu", "relu")
    apply, options = as_function(layers, names)
    made = sweeps.Objective(lambda params, inputs: after(apply(params, inputs)), (INPUTS, TARGETS), **options)
    assert_dense(made, lambda gates: masked(layers, names, gates, tail=in_numpy))


@pytest.mark.parametrize("gated", [(0,), (1,), (0, 2)])
def test_some_of_the_hidden_layers(gated, x64):
    layers, names = perceptron(3, 4, 3, 4, 2), ("relu", "tanh", "relu")
    objective = sweeps.Objective(Own(layers, names), (INPUTS, TARGETS), sites=[f"layers/{number}" for number in gated])
    assert_dense(objective, lambda gates: masked(layers, names, gates, gated))


def test_groups_of_nodes_share_a_gate(x64):
    layers, names = perceptron(3, 4, 6, 2), ("relu", "tanh")
    objective = sweeps.Objective(Own(layers, names), (INPUTS, TARGETS), sites={"layers/0": 2, "layers/1": 3})
    assert_dense(objective, lambda gates: masked(layers, names, np.repeat(gates, 2)))


def test_nodes_of_different_layers_share_a_gate(x64):
    layers, names = perceptron(3, 4, 3, 2), ("relu", "tanh")
    tie = sweeps.Tied("layers/0", "layers/1", nodes=[[1], [2]])
    objective = sweeps.Objective(Own(layers, names), (INPUTS, TARGETS), sites=[tie])
    assert len(objective.nodes) == 2
    on = np.ones(7)

    def loss(gates):
        on[[1, 2, 5, 6]] = np.tile(gates, 2)
        return masked(layers, names, on)

    assert_dense(objective, loss)


# Any two of the three choices meet.
@pytest.mark.parametrize(
    ("kind", "names", "outputs"),
    [
        ("mean", ("relu", "relu"), 2),
        ("mean", ("tanh", "relu", "gelu"), 3),
        ("numbers", ("relu", "relu"), 3),
        ("numbers", ("tanh", "relu", "gelu"), 2),
    ],
)
def test_off_values(kind, names, outputs, x64):
    layers = perceptron(3, *(5, 4, 3)[: len(names)], outputs)
    numbers = RANDOM.normal(size=sum(len(bias) for _, bias in layers[:-1]))
    means = [value.mean(axis=0) for value in activations(layers, names)]
    given, off = {
        "mean": ("mean", means),
        "numbers": (numbers, np.split(numbers, np.cumsum([len(bias) for _, bias in layers[:-2]]))),
    }[kind]
    objective = sweeps.Objective(Own(layers, names), (INPUTS, TARGETS), off=given)
    assert_dense(objective, lambda gates: masked(layers, names, gates, off=off))


def test_off_values_of_each_example_are_left_to_vmap():
    network = Own(perceptron(3, 4, 3, 2), ("relu", "relu"))
    with pytest.raises(InputError, match="off values differ from example to example"):
        sweeps.Objective(network, (INPUTS.astype(np.float32), TARGETS), off="resample", plan="dense")


class Image(nnx.Module):
    """A convolution before a perceptron."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(1, 4, (2, 2), param_dtype=float, rngs=rngs)
        self.top = Own(perceptron(36, 4, 3, 2), ("relu", "tanh"))

    def trunk(self, inputs):
        return nnx.relu(self.conv(inputs)).reshape(len(inputs), -1)

    def __call__(self, inputs):
        return self.top(self.trunk(inputs))


def test_anything_may_come_before_the_first_gates(x64):
    network, images = Image(), RANDOM.normal(size=(9, 3, 3, 1))
    layers = [(np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])) for layer in network.top.layers]
    hidden = np.asarray(network.trunk(images))
    objective = sweeps.Objective(network, (images, TARGETS), sites=["top/layers/0", "top/layers/1"], micro_batch=4)
    assert_dense(objective, lambda gates: masked(layers, ("relu", "tanh"), gates, hidden=hidden))


def test_functions_may_have_numbers_for_each_node(x64):
    # As a batch normalisation with running statistics, and a leaky relu with slopes that are learned.
    (first, second, last), mean, slope = perceptron(3, 4, 3, 2), np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.2, -0.3])

    def apply(params, inputs):
        (first, second, last), mean, slope = params
        h = jax.nn.relu(inputs @ first[0] + first[1][None]) @ second[0] + second[1][None] - mean[None]
        return jnp.where(h > 0, h, slope[None] * h) @ last[0] + last[1][None]

    def loss(gates):
        h = np.maximum(INPUTS @ first[0] + first[1], 0) * gates[:4] @ second[0] + second[1] - mean
        outputs = np.where(h > 0, h, slope * h) * gates[4:] @ last[0] + last[1]
        return reference.per_example("cross_entropy", outputs, TARGETS)[0].mean()

    assert_dense(sweeps.Objective(apply, (INPUTS, TARGETS), params=((first, second, last), mean, slope)), loss)


@jax.custom_jvp
def straight(x):
    """Relu with a derivative of its own."""
    return jnp.maximum(x, 0)


straight.defjvp(lambda primals, tangents: (straight(*primals), 0.3 * tangents[0]))


@pytest.mark.parametrize(("function", "kink"), [(nnx.relu, 0.0), (lambda x: jnp.maximum(x, 0), 0.5), (straight, None)])
def test_derivatives_at_the_kink_and_of_ones_own_are_kept(function, kink, x64):
    # Without biases every sum is exactly zero where all gates are off.
    layers = [(kernel, 0 * bias) for kernel, bias in perceptron(3, 4, 3, 2)]

    def apply(params, inputs):
        first, second, last = [kernel for kernel, _ in params]
        return function(function(inputs @ first) @ second) @ last

    made = [sweeps.Objective(apply, (INPUTS, TARGETS), params=layers, plan=plan) for plan in ("auto", "vmapped")]
    assert made[0].plan.name == "dense" and made[0].plan.tree.kink == kink
    gates = np.concatenate([np.zeros((1, 7)), np.eye(7), helpers.partial_gains(7)])
    found, wanted = (objective.evaluate(gates) for objective in made)
    np.testing.assert_allclose(found.loss_gradient, wanted.loss_gradient, rtol=0, atol=1e-13)


def test_equal_networks_share_their_programs():
    made = [Own(perceptron(3, 4, 3, 2), ("gelu", "curve")) for _ in range(2)]
    plans = [sweeps.Objective(network, (INPUTS, TARGETS), plan="dense").plan.tree for network in made]
    assert jax.tree.structure(plans[0]) == jax.tree.structure(plans[1])
    other = sweeps.Objective(Own(perceptron(3, 4, 3, 2), ("gelu", "tanh")), (INPUTS, TARGETS), plan="dense")
    assert jax.tree.structure(plans[0]) != jax.tree.structure(other.plan.tree)


def skipping(params, x):
    first, second, last = params
    h = jnp.tanh(x @ first)
    return (h + jnp.tanh(h @ second)) @ last


def repeated(params, x):
    first, second, last = params
    return jnp.tanh(jnp.tanh(jnp.tanh(x @ first) @ second) @ second) @ last


def plain(params, x, before=lambda h: h, after=jnp.tanh):
    """Two hidden layers; the functions come before and after the second one."""
    first, second, last = params
    return after(before(jnp.tanh(x @ first)) @ second) @ last


def in_bfloat16(params, x):
    return plain(*jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, x)))


REFUSED = {
    "a skip connection": (skipping, "add reads values of several layers, as a skip connection does"),
    "a layer that is called twice": (repeated, "1 has gates in several places"),
    "a function that mixes nodes": (partial(plain, after=jax.nn.softmax), "what comes before 1 is no elementwise"),
    "half precision": (in_bfloat16, "less than single precision"),
    "half precision within": (
        partial(plain, after=lambda h: jnp.sin(h.astype(jnp.float16)).astype(h.dtype)),
        "several floating-point types",
    ),
    "logarithms": (partial(plain, after=jnp.log), "activations may be infinite or NaN"),
    "another program for a single example": (
        lambda params, x: plain(params, x, after=jnp.sin if len(x) > 1 else jnp.cos),
        "another program for a single example",
    ),
    "no program for a single example": (lambda params, x: plain(params, x.reshape(9, 3)), "takes no single example"),
    "other numbers for a single example": (
        lambda params, x: plain(params, x, after=lambda h: jnp.tanh(len(x) * h)),
        "as random gates show",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_perceptron_is_refused(name):
    apply, reason = REFUSED[name]
    params = [jnp.asarray(kernel, jnp.float32) for kernel, _ in perceptron(3, 4, 4, 2)]
    batch = INPUTS.astype(np.float32), TARGETS
    with pytest.raises(InputError, match=f"plan 'dense' does not fit: .*{reason}"):
        sweeps.Objective(apply, batch, params=params, plan="dense")
