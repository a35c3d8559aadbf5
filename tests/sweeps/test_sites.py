"""Sites: what can be gated, how it is chosen, and what the messages say."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import gating
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
    return [
        (site.at, site.path, site.kind, site.size) for site in gating.attach(network, jnp.asarray(inputs), sites).sites
    ]


def test_the_table():
    table = gating.sites(ThrownAway(), INPUTS)
    assert [(row.path, row.kind, row.nodes, row.gated, row.default, row.reaches_output) for row in table] == [
        ("a input", "unit", 2, "input of a", False, True),
        ("a", "unit", 3, "input of spare", True, False),
        ("b input", "unit", 3, "input of b", True, True),
        ("b", "unit", 3, "input of c", True, True),
    ]
    lines = repr(table).splitlines()
    assert lines[0].split("  ")[0] == "path" and lines[0].endswith("reaches output")
    assert lines[2].endswith("no") and len(lines) == 5
    assert gating.sites(Layers(), INPUTS)[-1] == ("spare", "unit", 3, "nowhere: never called", False, False)


SELECTIONS = {
    "a path": ("a", [("input", "a", "unit", 3)]),
    "a pattern": ("[ab]", [("input", "a", "unit", 3), ("input", "b", "unit", 3)]),
    "an input of the network": ("a input", [("input", "a input", "unit", 2)]),
    "everything": ("*", [("input", "a input", "unit", 2), ("input", "a", "unit", 3), ("input", "b", "unit", 3)]),
    "a type": (nnx.Linear, [("input", "a", "unit", 3), ("input", "b", "unit", 3)]),
    "a list in any order": (["b", "a"], [("input", "a", "unit", 3), ("input", "b", "unit", 3)]),
    "twice the same": (["a", "a", "[a]"], [("input", "a", "unit", 3)]),
    "an output": ("output:b", [("output", "b output", "unit", 3)]),
    "both sides": (["output:c", "input:c"], [("input", "c input", "unit", 3), ("output", "c output", "unit", 2)]),
    "groups": ({"a": 1, "b": 3}, [("input", "a", "group", 1), ("input", "b", "group", 3)]),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_selections(name):
    sites, wanted = SELECTIONS[name]
    assert chosen(Layers(), sites) == wanted


def test_the_default_is_every_hidden_activation_once():
    assert chosen(Layers(), None) == SELECTIONS["a type"][1]


@pytest.mark.parametrize(
    ("sites", "copies"),
    [
        ("blocks input", (0, 1, 2)),
        ("blocks/1 input", (1,)),
        (["blocks/2 input", "blocks/0 input"], (0, 2)),
        ([f"blocks/{copy} input" for copy in range(3)], (0, 1, 2)),
        (["blocks/1 *", "blocks input"], (0, 1, 2)),
    ],
)
def test_copies_of_a_layer_are_chosen_by_their_numbers(sites, copies):
    objective = sweeps.Objective(Stack(), (INPUTS, TARGETS), sites=sites, plan="vmapped")
    assert objective.nodes == tuple(f"blocks/{copy} input unit {unit}" for copy in copies for unit in range(3))
    # The first copy reads what the first layer makes: its gates off are that layer off.
    if 0 in copies:
        off = np.ones(len(objective.nodes))
        off[:3] = 0
        network = Stack()
        network.first.kernel[...], network.first.bias[...] = jnp.zeros((2, 3)), jnp.zeros(3)
        np.testing.assert_allclose(objective.outputs(off), network(jnp.asarray(INPUTS)), rtol=1e-5, atol=1e-6)


def test_an_output_is_gated_before_the_nonlinearity():
    network, gates = Layers(), np.array([-1, 0.5, 0], np.float32)
    objective = sweeps.Objective(network, (INPUTS, TARGETS), sites="output:b")
    hidden = models.dense(np.maximum(models.dense(INPUTS, network.a), 0), network.b)
    wanted = models.dense(np.maximum(hidden * gates, 0), network.c)
    np.testing.assert_allclose(objective.outputs(gates), wanted, rtol=1e-5, atol=1e-6)


def test_modules_that_are_no_layers_are_gated_by_their_path():
    class Normalised(Layers):
        def __init__(self):
            super().__init__()
            self.norm = nnx.LayerNorm(3, rngs=nnx.Rngs(0))

        def __call__(self, inputs):
            return self.c(self.norm(self.a(inputs)))

    network, gates = Normalised(), np.array([2, 0.5, 0], np.float32)
    before = models.dense(INPUTS, network.a)

    def normalised(values):
        return (values - values.mean(axis=1, keepdims=True)) / np.sqrt(values.var(axis=1, keepdims=True) + 1e-6)

    for sites, hidden in (("input:norm", normalised(before * gates)), ("output:norm", normalised(before) * gates)):
        objective = sweeps.Objective(network, (INPUTS, TARGETS), sites=sites, plan="vmapped")
        np.testing.assert_allclose(objective.outputs(gates), models.dense(hidden, network.c), rtol=1e-4, atol=1e-5)


class Flattened(models.Cnn):
    def __init__(self, order):
        super().__init__(4, 2)
        self.out = nnx.Linear(36, 2, rngs=nnx.Rngs(0))
        self.order = order

    def __call__(self, images):
        return self.out(self.order(nnx.relu(self.conv(images))).reshape(len(images), -1))


@pytest.mark.parametrize(
    ("order", "kind", "nodes"),
    [
        (lambda hidden: hidden, "channel", 4),
        (lambda hidden: hidden.transpose(0, 3, 1, 2), "feature", 36),
        # The first channels in their places, the others not.
        (lambda hidden: jnp.concatenate([hidden[..., :2], hidden[..., 3:1:-1]], axis=-1), "feature", 36),
        (lambda hidden: hidden.at[..., 3].add(hidden[..., 0]), "feature", 36),
    ],
    ids=["as they are", "channels first", "shuffled", "mixed"],
)
def test_flattened_channels_are_found_where_they_come_back_in_every_pixel(order, kind, nodes):
    network = models.filled(lambda: Flattened(order), np.float32)
    assert chosen(network, None, IMAGES) == [("input", "conv", kind, nodes)]


def test_activations_of_one_cell_have_names_of_their_own():
    class Cell(nnx.Module):
        def __init__(self):
            self.rnn, self.out = nnx.RNN(nnx.LSTMCell(2, 3, rngs=nnx.Rngs(0))), nnx.Linear(3, 2, rngs=nnx.Rngs(0))

        def __call__(self, sequences):
            return self.out(self.rnn(sequences))

    table = gating.sites(models.filled(Cell, np.float32), INPUTS[None])
    assert [row.path for row in table] == ["rnn/cell input", "rnn/cell/hi input", "out input"]


class TestMessages:
    @pytest.mark.parametrize(
        ("sites", "message"),
        [
            ("nothing", "sites: nothing that is read by a layer is called 'nothing'; there are: a input, a, b"),
            ("output:nothing", "sites: no module that is called has a path like 'nothing'; there are: a input, a, b"),
            ("before:a", "sites: a pattern may begin with input: or output:, got 'before:a'"),
            (nnx.Conv, "sites: no activation that a Conv makes is read by a layer; there are: a input, a, b"),
            ([], "sites must name at least one path or type, got none"),
            ({"a": 2}, "sites: a has 3 features, not so many times 2"),
            ({"a": 0}, "sites: a has 3 features, not so many times 0"),
            (["a", "input:b"], "sites: the input of b would have gates twice, those of a"),
            ("spare", "sites: gates of spare do not reach the output: the layer is never called"),
            ("output:spare", "sites: gates of spare do not reach the output: the layer is never called"),
        ],
    )
    def test_selections_that_do_not_fit(self, sites, message):
        with pytest.raises(ValueError, match=message):
            sweeps.Objective(Layers(), (INPUTS, TARGETS), sites=sites)

    @pytest.mark.parametrize(
        ("sites", "message"),
        [
            (3, "sites must be path patterns and types of layers, got 3"),
            (["a", 3], "sites must be path patterns and types of layers, got 3"),
            ({"a": 1.5}, "sites: the number of groups of a must be a whole number, got 1.5"),
        ],
    )
    def test_selections_of_other_types(self, sites, message):
        with pytest.raises(TypeError, match=message):
            sweeps.Objective(Layers(), (INPUTS, TARGETS), sites=sites)

    def test_gates_that_do_not_reach_the_output(self):
        with pytest.raises(ValueError, match="sites: gates of a do not reach the output"):
            sweeps.Objective(ThrownAway(), (INPUTS, TARGETS))
        assert sweeps.Objective(ThrownAway(), (INPUTS, TARGETS), sites="b*").layers == ("b input",) * 3 + ("b",) * 3

    def test_a_layer_that_is_never_called_but_read(self):
        message = "gates of spare do not reach the output: the layer is never called, though its kernel is read"
        with pytest.raises(ValueError, match=message):
            sweeps.Objective(ReadDirectly(), (INPUTS, TARGETS))
        # What the last layer reads are not the nodes of b.
        assert [row.path for row in gating.sites(ReadDirectly(), INPUTS)] == ["a input", "a", "c input", "spare"]
        assert sweeps.Objective(ReadDirectly(), (INPUTS, TARGETS), sites="a").layers == ("a",) * 3

    def test_a_linen_layer_that_is_never_called_but_read(self):
        class Reading(models.nn.Module):
            def setup(self):
                self.a, self.b, self.c, self.spare = (models.nn.Dense(3) for _ in range(4))

            def __call__(self, inputs):
                hidden = models.nn.relu(self.b(models.nn.relu(self.a(inputs))))
                return self.c(hidden @ self.spare.variables["params"]["kernel"])

        shapes = {"a": (2, 3), "b": (3, 3), "c": (3, 3), "spare": (3, 3)}
        parts = {name: {"kernel": np.ones(shape, np.float32), "bias": np.zeros(3)} for name, shape in shapes.items()}
        with pytest.raises(ValueError, match="gates of spare do not reach the output: the layer is never called"):
            gating.attach(Reading(), jnp.asarray(INPUTS), variables={"params": parts})

    def test_copies_along_another_axis(self):
        class Sideways(Stack):
            def __call__(self, inputs):
                @nnx.scan(in_axes=(nnx.StateAxes({nnx.Param: 1}), nnx.Carry), out_axes=nnx.Carry)
                def through(layer, hidden):
                    return nnx.tanh(layer(hidden))

                return self.last(through(self.blocks, self.first(inputs)))

        network = Sideways()
        network.blocks.kernel, network.blocks.bias = nnx.Param(jnp.ones((3, 4, 3))), nnx.Param(jnp.ones((3, 4)))
        with pytest.raises(NotImplementedError, match="copies of blocks lie along another axis .* along axis 0"):
            gating.attach(network, jnp.asarray(INPUTS))

    def test_linen_modules_without_variables_and_others_with_them(self):
        linen, batch = models.LinenMlp(), (INPUTS, TARGETS)
        with pytest.raises(TypeError, match="a flax.linen module needs its variables: give variables="):
            sweeps.Objective(linen, batch)
        for variables in ({"layers_0": {}}, 3):
            with pytest.raises(TypeError, match="variables must be what module.init returns, a dict with the key 'par"):
                sweeps.Objective(linen, batch, variables=variables)
        with pytest.raises(TypeError, match="variables are for flax.linen modules; a flax.nnx module holds its own"):
            sweeps.Objective(Layers(), batch, variables={"params": {}})
        with pytest.raises(TypeError, match="nodes are for a function .* which nodes of a module, sites= says"):
            sweeps.Objective(Layers(), batch, nodes=3)
