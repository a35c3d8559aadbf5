"""The plain multilayer perceptron against the oracle."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import _networks
from tests import reference
from tests.sweeps import helpers


@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
def test_forward_pass(activation, x64):
    problem = helpers.problem((2, 4, 3, 2), activation, "cross_entropy", 2)
    found = helpers.network(problem, np.float64)(jnp.asarray(problem.inputs))
    np.testing.assert_allclose(found, reference.outputs(problem, np.ones(7)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", _networks.ACTIVATIONS)
def test_activations_keep_shapes_and_have_finite_values(activation):
    network = sweeps.MLP((2, 3, 1), activation=activation)
    outputs = network(jnp.linspace(-100, 100, 12).reshape(6, 2))
    assert outputs.shape == (6, 1) and np.isfinite(outputs).all()


def test_the_output_activation_follows_the_last_layer():
    plain, squashed = (sweeps.MLP((2, 3, 1), output_activation=name) for name in ("identity", "tanh"))
    inputs = jnp.ones((4, 2))
    np.testing.assert_allclose(squashed(inputs), np.tanh(plain(inputs)), rtol=8 * helpers.SINGLE)


def test_layers_are_plain_linear_layers_in_order():
    network = sweeps.MLP((2, 5, 4, 3))
    assert [type(layer) for layer in network.layers] == [nnx.Linear] * 3
    assert [layer.kernel[...].shape for layer in network.layers] == [(2, 5), (5, 4), (4, 3)]
    assert (network.sizes, network.activation) == ((2, 5, 4, 3), "relu")


def test_the_seed_decides_the_kernels():
    def kernels(seed):
        return np.asarray(sweeps.MLP((2, 20, 2), seed=seed).layers[0].kernel[...])

    np.testing.assert_array_equal(kernels(3), kernels(3))
    assert not np.isin(kernels(3), kernels(4)).any()


def test_initial_kernels_are_glorot_uniform_and_biases_zero():
    layer = sweeps.MLP((50, 200, 2)).layers[0]
    kernel, limit = np.asarray(layer.kernel[...]), np.sqrt(6 / 250)
    assert np.abs(kernel).max() <= limit
    # 10,000 uniform numbers: the standard error of the variance limit^2 / 3 is limit^2 sqrt(4 / 45 / 10,000);
    # five of them have a false-alarm chance of 6e-7.
    assert abs(kernel.var() - limit**2 / 3) < 5 * limit**2 * np.sqrt(4 / 45 / kernel.size)
    np.testing.assert_array_equal(layer.bias[...], 0)


def test_without_bias():
    network = sweeps.MLP((2, 3, 2), use_bias=False)
    assert all(layer.bias is None for layer in network.layers)
    np.testing.assert_array_equal(network(jnp.zeros((4, 2))), 0)
    # Gates need no bias either: with every node off the outputs are zero, and the loss is log 2.
    objective = sweeps.Objective(network, helpers.batch(helpers.SMALL))
    np.testing.assert_allclose(
        objective.evaluate(np.zeros(3), gradients=False).loss, np.log(2), rtol=4 * helpers.SINGLE
    )


def test_a_kernel_initialiser():
    network = sweeps.MLP((2, 3, 2), kernel_init=nnx.initializers.constant(0.5))
    np.testing.assert_array_equal(network.layers[1].kernel[...], np.full((3, 2), 0.5))


@pytest.mark.parametrize("sizes", [(2,), (), (2, 0, 2), (2, -1)])
def test_sizes_that_are_none(sizes):
    with pytest.raises(ValueError, match="sizes must be at least (1, got|two numbers .inputs, ..., outputs., got)"):
        sweeps.MLP(sizes)


def test_unknown_activations():
    with pytest.raises(ValueError, match="activation must be one of relu, .*, got 'step'"):
        sweeps.MLP((2, 2), activation="step")
    with pytest.raises(ValueError, match="output_activation must be one of relu, .*, got 'softmax'"):
        sweeps.MLP((2, 2), output_activation="softmax")
