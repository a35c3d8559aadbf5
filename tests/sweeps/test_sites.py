"""Sites: what can be gated, how it is chosen, and what the messages say."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import gating
from sweeps.gating._attaching import attach
from tests.sweeps import helpers, models

INPUTS = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
TARGETS = np.array([0, 1, 0])
IMAGES = np.ones((2, 3, 3, 1), np.float32)


class Layers(nnx.Module):
    """Three layers, and one that subclasses use as they like."""

    def __init__(self):
        self.a, self.b = helpers.linear(2, 3, seed=0), helpers.linear(3, 3, seed=1)
        self.c, self.spare = helpers.linear(3, 2, seed=2), helpers.linear(3, 3, seed=3)

    def __call__(self, inputs):
        return self.c(nnx.relu(self.b(nnx.relu(self.a(inputs)))))


class ThrownAway(Layers):
    def __call__(self, inputs):
        self.spare(nnx.relu(self.a(inputs)) * 2)
        return super().__call__(inputs)


class ReadDirectly(Layers):
    def __call__(self, inputs):
        return self.c(nnx.relu(nnx.relu(self.b(nnx.relu(self.a(inputs)))) @ self.spare.kernel[...]))


class Stack(nnx.Module):
    """Three copies of one layer."""

    def __init__(self):
        @nnx.vmap(in_axes=0, out_axes=0)
        def copies(kernel):
            layer = nnx.Linear(3, 3, kernel_init=nnx.initializers.zeros_init(), rngs=nnx.Rngs(0))
            layer.kernel[...] = kernel
            return layer

        self.first, self.last = helpers.linear(2, 3, seed=0), helpers.linear(3, 2, seed=1)
        self.blocks = copies(jnp.asarray(np.random.default_rng(0).normal(size=(3, 3, 3)), jnp.float32))

    def __call__(self, inputs):
        @nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
        def through(layer, hidden):
            return nnx.tanh(layer(hidden))

        return self.last(through(self.blocks, self.first(inputs)))


def chosen(network, sites, inputs=INPUTS):
    gates = attach(network, jnp.asarray(inputs), sites=sites).wiring.gates
    return [(part.layer, part.kind, len(part.numbers)) for part in gates]


class Residual(Layers):
    """A stream that two layers write to, which the last reads."""

    def __call__(self, inputs, scales=(1, 1)):
        stream = self.a(inputs)
        return self.c((stream + self.b(nnx.relu(stream))) * scales[0] + self.spare(stream) * scales[1])


def test_the_table():
    table = gating.sites(ThrownAway(), INPUTS)
    assert [(one.path, one.kind, one.nodes, one.default, one.reads, one.reason) for one in table] == [
        ("a", "unit", 3, True, "b", ""),
        ("b", "unit", 3, True, "c", ""),
        ("c", "unit", 2, False, "outputs", ""),
        ("spare", "unit", 3, False, "", "it is never read: nothing of it reaches the outputs"),
        ("inputs", "feature", 2, False, "a", ""),
    ]
    lines = repr(table).splitlines()
    assert lines[0].split() == ["path", "kind", "nodes", "gated", "read", "by", "cannot", "be", "gated"]
    assert lines[2] == "b       unit     3      yes    c" and len(lines) == 6
    assert "cannot" not in repr(gating.sites(ReadDirectly(), INPUTS))


def test_a_kernel_that_is_read_directly_makes_nodes_like_any_other():
    # Its layer is never called, and what the last layer reads are not the nodes of b.
    network = ReadDirectly()
    assert chosen(network, None) == [("a", "unit", 3), ("b", "unit", 3), ("spare", "unit", 3)]
    off = np.ones(9)
    off[7] = 0
    whole = attach(network, jnp.asarray(INPUTS))(jnp.asarray(off, jnp.float32), jnp.asarray(INPUTS))
    network.spare.kernel[...] = network.spare.kernel[...].at[:, 1].set(0)
    np.testing.assert_allclose(whole, network(jnp.asarray(INPUTS)), rtol=1e-5, atol=1e-6)


SELECTIONS = {
    "a path": ("a", [("a", "unit", 3)]),
    "a pattern": ("[ab]", [("a", "unit", 3), ("b", "unit", 3)]),
    "inputs": ("inputs", [("inputs", "feature", 2)]),
    "everything": ("*", [("a", "unit", 3), ("b", "unit", 3), ("c", "unit", 2), ("inputs", "feature", 2)]),
    "a type": (nnx.Linear, [("a", "unit", 3), ("b", "unit", 3)]),
    "a list in any order": (["b", "a"], [("a", "unit", 3), ("b", "unit", 3)]),
    "twice the same": (["a", "a", "[a]"], [("a", "unit", 3)]),
    "an output": ("output:b", [("output:b", "unit", 3)]),
    "both sides": (["output:c", "input:c"], [("output:c", "unit", 2), ("input:c", "feature", 3)]),
    "inputs of all layers": ("input:[ac]", [("input:a", "feature", 2), ("input:c", "feature", 3)]),
    "groups": ({"a": 1, "b": 3}, [("a", "group", 1), ("b", "group", 3)]),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_selections(name):
    sites, wanted = SELECTIONS[name]
    assert chosen(Layers(), sites) == wanted


def test_the_default_is_every_hidden_node_once():
    assert chosen(Layers(), None) == SELECTIONS["a type"][1]


@pytest.mark.parametrize(
    ("sites", "copies"),
    [
        ("blocks", (0, 1, 2)),
        ("blocks/1", (1,)),
        (["blocks/2", "blocks/0"], (0, 2)),
        ([f"blocks/{copy}" for copy in range(3)], (0, 1, 2)),
        (["blocks/1*", "blocks"], (0, 1, 2)),
        ("input:blocks/2", (2,)),
        (["input:blocks/0", "input:blocks/1"], (0, 1)),
    ],
)
def test_copies_of_a_layer_are_chosen_by_their_numbers(sites, copies):
    objective = sweeps.Objective(Stack(), (INPUTS, TARGETS), sites=sites, plan="vmapped")
    at, kind = ("input:", "feature") if "input" in str(sites) else ("", "unit")
    assert objective.nodes == tuple(f"{at}blocks/{copy} {kind} {unit}" for copy in copies for unit in range(3))
    gates = np.random.default_rng(0).uniform(size=(3, 3)).astype(np.float32)
    network, ones = Stack(), np.ones(3, np.float32)
    hidden = models.dense(INPUTS, network.first)
    for copy in range(3):
        here = gates[copy] if copy in copies else ones
        before, after = (here, ones) if at else (ones, here)
        kernel, bias = np.asarray(network.blocks.kernel[...])[copy], np.asarray(network.blocks.bias[...])[copy]
        hidden = np.tanh(hidden * before @ kernel + bias) * after
    wanted = models.dense(hidden, network.last)
    np.testing.assert_allclose(objective.outputs(gates[list(copies)].ravel()), wanted, rtol=1e-5, atol=1e-6)


def test_what_one_layer_reads_is_gated_for_it_alone():
    # Read by b, by the sum and by spare: its node is off for all of them, the input of spare for spare alone.
    network, gates = Residual(), np.array([2, 0.5, 0], np.float32)
    a, b, c, spare = (getattr(network, name) for name in ("a", "b", "c", "spare"))
    stream, on = models.dense(INPUTS, a), np.ones(3)

    def by_hand(node, read):
        h = stream * node
        return models.dense(h + models.dense(np.maximum(h, 0), b) + models.dense(h * read, spare), c)

    for sites, factors in (("a", (gates, on)), ("input:spare", (on, gates))):
        objective = sweeps.Objective(network, (INPUTS, TARGETS), sites=sites)
        np.testing.assert_allclose(objective.outputs(gates), by_hand(*factors), rtol=1e-5, atol=1e-6)
        assert objective.nodes[0] == {"a": "a unit 0"}.get(sites, "input:spare feature 0")


def test_features_of_a_residual_stream_are_gated_where_they_are_summed():
    network, gates = Residual(), np.array([2, 0.5, 0], np.float32)
    table = gating.sites(network, INPUTS)
    assert [(one.path, one.default, one.reads) for one in table if one.kind == "feature"] == [
        ("stream:b", False, "c"),
        ("stream:spare", False, "c"),
        ("inputs", False, "a"),
    ]
    stream = models.dense(INPUTS, network.a)
    first, second = models.dense(np.maximum(stream, 0), network.b), models.dense(stream, network.spare)
    for sites, hidden in (
        ("stream:b", (stream + first) * gates + second),
        ("stream:spare", (stream + first + second) * gates),
    ):
        objective = sweeps.Objective(network, (INPUTS, TARGETS), sites=sites)
        np.testing.assert_allclose(objective.outputs(gates), models.dense(hidden, network.c), rtol=1e-5, atol=1e-6)
        assert objective.nodes[2] == f"{sites} feature 2"


def test_inputs_are_gated_for_all_that_read_them():
    network, gates = Layers(), np.array([0.5, 0], np.float32)
    objective = sweeps.Objective(network, (INPUTS, TARGETS), sites="inputs")
    assert objective.nodes == ("inputs feature 0", "inputs feature 1")
    np.testing.assert_allclose(objective.outputs(gates), network(jnp.asarray(INPUTS * gates)), rtol=1e-5, atol=1e-6)


def test_an_output_is_gated_before_the_nonlinearity():
    network, gates = Layers(), np.array([-1, 0.5, 0], np.float32)
    objective = sweeps.Objective(network, (INPUTS, TARGETS), sites="output:b")
    hidden = models.dense(np.maximum(models.dense(INPUTS, network.a), 0), network.b)
    wanted = models.dense(np.maximum(hidden * gates, 0), network.c)
    np.testing.assert_allclose(objective.outputs(gates), wanted, rtol=1e-5, atol=1e-6)


class Flattened(models.Cnn):
    def __init__(self, order):
        super().__init__(4, 2)
        self.out = nnx.Linear(36, 2, rngs=nnx.Rngs(0))
        self.order = order

    def __call__(self, images):
        return self.out(self.order(nnx.relu(self.conv(images))).reshape(len(images), -1))


@pytest.mark.parametrize(
    "order",
    [
        lambda hidden: hidden,
        lambda hidden: hidden.transpose(0, 3, 1, 2),
        lambda hidden: jnp.concatenate([hidden[..., :2], hidden[..., 3:1:-1]], axis=-1),
        lambda hidden: hidden.at[..., 3].add(hidden[..., 0]),
    ],
    ids=["as they are", "channels first", "shuffled", "mixed"],
)
def test_channels_are_channels_however_their_pixels_are_flattened(order):
    network = models.filled(lambda: Flattened(order), np.float32)
    assert chosen(network, None, IMAGES) == [("conv", "channel", 4)]
    gates = np.array([2, 0, 0.5, 1], np.float32)
    images = np.random.default_rng(0).normal(size=IMAGES.shape).astype(np.float32)
    hidden = np.asarray(order(jnp.asarray(np.maximum(models.convolved(images, network.conv), 0) * gates)))
    objective = sweeps.Objective(network, (images, TARGETS[:2]))
    wanted = models.dense(hidden.reshape(2, -1), network.out)
    np.testing.assert_allclose(objective.outputs(gates), wanted, rtol=1e-4, atol=1e-5)


def test_a_cells_hidden_units_are_one_site():
    class Cell(nnx.Module):
        def __init__(self):
            self.rnn, self.out = nnx.RNN(nnx.LSTMCell(2, 3, rngs=nnx.Rngs(0))), nnx.Linear(3, 2, rngs=nnx.Rngs(0))

        def __call__(self, sequences):
            return self.out(self.rnn(sequences))

    table = gating.sites(models.filled(Cell, np.float32), INPUTS[None])
    assert [(one.path, one.default) for one in table] == [("rnn/cell", True), ("out", False), ("inputs", False)]


def test_a_star_stays_within_a_level():
    with pytest.raises(ValueError, match="nothing .* is called '.*'; . stays within a level of a path: did you mean '"):
        chosen(Stack(), "*1")
    assert chosen(Stack(), "**/1") == chosen(Stack(), "blocks/*1") == [("blocks/1", "unit", 3)]


def test_a_wildcard_names_no_stream():
    assert chosen(Residual(), "**") == [(name, "unit", 3 - (name == "c")) for name in ("a", "b", "spare", "c")] + [
        ("inputs", "feature", 2)
    ]


def test_a_kind_tells_sites_of_one_path_apart():
    attention = models.filled(lambda: nnx.MultiHeadAttention(2, 4, decode=False, rngs=nnx.Rngs(0)), np.float32)
    assert chosen(attention, "* head", np.ones((2, 3, 4), np.float32)) == chosen(attention, None, np.ones((2, 3, 4)))


class TestMessages:
    @pytest.mark.parametrize(
        ("sites", "message"),
        [
            ("nothing", "sites: nothing that makes nodes is called 'nothing'; there are: a, b, c, inputs"),
            ("output:nothing", "sites: no layer that makes nodes is called 'nothing'; there are: a, b, c, inputs"),
            ("input:nothing", "sites: no layer that reads is called 'nothing'; there are: a, b, c, inputs"),
            ("stream:b", "sites: nothing that makes nodes is called 'stream:b'"),
            ("before:a", "sites: a pattern may begin with input:, output: or stream:, got 'before:a'"),
            (nnx.Conv, "sites: no Conv makes nodes that are read; there are: a, b, c, inputs"),
            ([], "sites must name at least one path or type, got none"),
            ({"a": 2}, "sites: a has 3 nodes, not so many times 2"),
            ({"a": 0}, "sites: the number of groups of a must be at least 1, got 0"),
            ("spare", "sites: spare cannot be gated: it is never read: nothing of it reaches the outputs"),
            ("output:spare", "sites: no layer that makes nodes is called 'spare'"),
            ("*:b", "sites: a pattern may begin with input:, output: or stream:, got"),
            ("a@1", "sites: nothing that makes nodes is called 'a@1'"),
        ],
    )
    def test_selections_that_do_not_fit(self, sites, message):
        with pytest.raises(ValueError, match=message):
            sweeps.Objective(Layers(), (INPUTS, TARGETS), sites=sites)

    @pytest.mark.parametrize(
        ("sites", "message"),
        [
            (3, "sites must be path patterns, types of layers and ties, got 3"),
            (["a", 3], "sites must be path patterns, types of layers and ties, got 3"),
            ({"a": 1.5}, "sites: the number of groups of a must be a whole number, got 1.5"),
        ],
    )
    def test_selections_of_other_types(self, sites, message):
        with pytest.raises(TypeError, match=message):
            sweeps.Objective(Layers(), (INPUTS, TARGETS), sites=sites)

    def test_networks_without_their_parameters_and_with_those_of_others(self):
        linen, batch = models.LinenMlp(), (INPUTS, TARGETS)
        with pytest.raises(TypeError, match="a flax.linen module needs its variables: give variables="):
            sweeps.Objective(linen, batch)
        for variables in ({}, 3):
            with pytest.raises(TypeError, match="variables must be what module.init returns, a dict with the key 'par"):
                sweeps.Objective(linen, batch, variables=variables)
        with pytest.raises(TypeError, match="variables are for flax.linen modules; a flax.nnx module holds its own"):
            sweeps.Objective(Layers(), batch, variables={"params": {}})
        with pytest.raises(TypeError, match="nodes is for a function .* choose the nodes of a module by sites="):
            sweeps.Objective(Layers(), batch, nodes=3)
        with pytest.raises(TypeError, match="params are for a function .* a Flax module has its own"):
            sweeps.Objective(Layers(), batch, params={})
        with pytest.raises(TypeError, match="variables and call are for modules; a function"):
            sweeps.Objective(lambda params, inputs: inputs, batch, params={}, call=lambda network, inputs: inputs)
        with pytest.raises(TypeError, match="network is a function: give its params="):
            sweeps.Objective(lambda params, inputs: inputs, batch)
