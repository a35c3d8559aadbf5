"""Gating: gates are put on modules of any make, from outside, in the order in which layers are called."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps.gating._attaching import attach
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import SMALL

INPUTS = jnp.asarray(SMALL.inputs, jnp.float32)


class Backwards(nnx.Module):
    """Layers whose names sort against the order in which they are called."""

    def __init__(self):
        self.c = helpers.linear(2, 4, seed=0)
        self.b = helpers.linear(4, 3, seed=1)
        self.a = helpers.linear(3, 2, seed=2)

    def __call__(self, inputs):
        return self.a(nnx.tanh(self.b(nnx.tanh(self.c(inputs)))))


class Kernels(nnx.Linear):
    """A layer that reads its kernel itself."""

    def __call__(self, inputs):
        return inputs @ self.kernel[...]


def test_sites_are_the_hidden_layers_in_the_order_of_the_program():
    gated = attach(Backwards(), INPUTS)
    assert [(site.path, site.reads, site.nodes) for site in gated.wiring.sites] == [("c", "b", 4), ("b", "a", 3)]
    assert gated.nodes == 7
    assert sweeps.Objective(Backwards(), helpers.batch(SMALL)).nodes == (
        *(f"c unit {unit}" for unit in range(4)),
        *(f"b unit {unit}" for unit in range(3)),
    )


def test_more_than_ten_layers_keep_their_order(x64):
    # Sorted as text, layers/10 comes before layers/2.
    problem = helpers.problem((2, *[2] * 11, 2), "identity", "cross_entropy", 2, seed=12)
    objective = helpers.objective(problem, np.float64, "vmapped")
    assert [int(name.split("/")[1]) for name in objective.layers[::2]] == list(range(11))
    gates = np.random.default_rng(0).uniform(0.5, 1.5, problem.nodes)
    value, found = reference.evaluate(problem, gates), objective.evaluate(gates)
    np.testing.assert_allclose(found.loss, value.loss, rtol=1e-10)
    np.testing.assert_allclose(found.loss_gradient, value.loss_gradient, rtol=0, atol=1e-10)


def test_sequential_networks():
    (first, first_bias), (last, last_bias) = SMALL.layers
    network = nnx.Sequential(helpers.linear(2, 6, seed=0), nnx.relu, helpers.linear(6, 2, seed=0))
    for index, values in ((0, (first, first_bias)), (2, (last, last_bias))):
        layer = network.layers[index]
        layer.kernel[...], layer.bias[...] = (jnp.asarray(part, jnp.float32) for part in values)
    objective = sweeps.Objective(network, helpers.batch(SMALL))
    assert objective.nodes[0] == "layers/0 unit 0" and objective.plan.name == "affine"
    gates = helpers.partial_gains(6)
    of_loss, of_gradient = helpers.rounding(SMALL, gates)
    value, found = reference.evaluate(SMALL, gates), objective.evaluate(gates)
    np.testing.assert_allclose(found.loss, value.loss, rtol=0, atol=of_loss)
    np.testing.assert_allclose(found.loss_gradient, value.loss_gradient, rtol=0, atol=of_gradient)


def test_a_layer_that_is_called_twice_is_gated_in_both_calls():
    class Twice(nnx.Module):
        def __init__(self):
            self.first = helpers.linear(2, 3, seed=0)
            self.again = helpers.linear(3, 3, seed=1)
            self.last = helpers.linear(3, 2, seed=2)

        def __call__(self, inputs, gates=(1, 1, 1)):
            gates = [jnp.asarray(gate, inputs.dtype) * jnp.ones((1, 3), inputs.dtype) for gate in gates]
            hidden = nnx.tanh(self.again(nnx.tanh(self.first(inputs)) * gates[0])) * gates[1]
            return self.last(nnx.tanh(self.again(hidden)) * gates[2])

    network = Twice()
    gated = attach(network, INPUTS)
    assert [site.path for site in gated.wiring.sites] == ["first", "again"]
    gates = jnp.asarray([0.5, 0, 1, 0.2, 1, 0], jnp.float32)
    by_hand = network(INPUTS, (gates[None, :3], gates[None, 3:], gates[None, 3:]))
    np.testing.assert_allclose(gated(gates, INPUTS), by_hand, rtol=1e-5, atol=1e-6)
    # And call by call, where that is asked for.
    parted = attach(network, INPUTS, sites=["again@1", "again@0"])
    assert [part.labels[0] for part in parted.wiring.gates] == ["again@0 unit 0", "again@1 unit 0"]
    by_hand = network(INPUTS, (1, gates[None, :3], gates[None, 3:]))
    np.testing.assert_allclose(parted(gates, INPUTS), by_hand, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="sites: nodes of again@1 would have gates twice, those of again"):
        attach(network, INPUTS, sites=["again", "again@1"])


def test_subclasses_of_dense_layers_keep_their_own_call():
    network = nnx.Sequential(
        helpers.linear(2, 4, seed=0, kind=Kernels), nnx.tanh, helpers.linear(4, 2, seed=1, kind=Kernels)
    )
    gates = np.array([1, 0, 0.5, 2], np.float32)
    hidden = np.tanh(np.asarray(INPUTS @ network.layers[0].kernel[...]))
    np.testing.assert_allclose(
        attach(network, INPUTS)(jnp.asarray(gates), INPUTS),
        hidden * gates @ np.asarray(network.layers[2].kernel[...]),
        rtol=1e-5,
        atol=1e-6,
    )


def test_kernels_of_a_users_own_kind_of_variable():
    class Frozen(nnx.Variable):
        pass

    class Features(nnx.Module):
        def __init__(self):
            self.fixed, self.last = Frozen(jnp.eye(2, 4)), helpers.linear(4, 2, seed=1)

        def __call__(self, inputs):
            return self.last(nnx.relu(inputs @ self.fixed[...]))

    assert [site.path for site in attach(Features(), INPUTS).wiring.sites] == ["fixed"]


def test_dropout_is_off_while_gated_and_on_afterwards():
    network = nnx.Sequential(
        helpers.linear(2, 5, seed=0),
        nnx.Dropout(0.5, rngs=nnx.Rngs(1)),
        helpers.linear(5, 2, seed=2),
    )
    gated = attach(network, INPUTS)
    on = jnp.ones(5)
    np.testing.assert_array_equal(gated(on, INPUTS), gated(on, INPUTS))
    whole = network.layers[2](network.layers[0](INPUTS))
    np.testing.assert_allclose(gated(on, INPUTS), whole, rtol=1e-5, atol=1e-6)
    assert not network.layers[1].deterministic
    assert not np.array_equal(network(INPUTS), network(INPUTS)), "the user's own network still drops out"


def test_attaching_leaves_no_trace_in_the_network():
    network = Backwards()
    graph, before = nnx.graphdef(network), helpers.leaves(network)
    attach(network, INPUTS)(jnp.zeros(7), INPUTS)
    assert nnx.graphdef(network) == graph
    assert [type(layer) for layer in (network.a, network.b, network.c)] == [nnx.Linear] * 3
    for old, new in zip(before, helpers.leaves(network), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_failed_call_leaves_no_trace_either():
    network = Backwards()
    graph = nnx.graphdef(network)
    with pytest.raises(TypeError, match=r"the network, with inputs of shape \(4, 5\)"):
        attach(network, jnp.ones((4, 5)))
    assert nnx.graphdef(network) == graph


def test_equal_networks_have_equal_structure():
    # So that jit, to which the structure is static, compiles one program for both.
    first, second = (attach(helpers.network(SMALL), INPUTS) for _ in range(2))
    assert jax.tree.structure(first) == jax.tree.structure(second)
    assert hash(first.network) == hash(second.network) and first.network == second.network


def test_no_module_and_no_hidden_layer():
    with pytest.raises(TypeError, match="network must be a flax.nnx.Module, .* got dict"):
        attach({}, INPUTS)
    with pytest.raises(ValueError, match="network has no hidden nodes to gate; .* asked for: layers/0, inputs"):
        attach(nnx.Sequential(helpers.linear(2, 2, seed=0), nnx.relu), INPUTS)
