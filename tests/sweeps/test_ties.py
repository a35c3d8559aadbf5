"""Ties: gates that several nodes share, held to a masked forward pass in NumPy and double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import Tied
from sweeps.gating._attaching import attach
from sweeps.ranking._layered import from_objective
from tests.sweeps import helpers

INPUTS = np.random.default_rng(0).normal(size=(5, 2))
TARGETS = np.array([0, 1, 0, 1, 1])


class Layers(nnx.Module):
    """Layers of three, six and three units."""

    def __init__(self):
        self.a, self.b, self.c = (
            helpers.linear(2, 3, seed=0),
            helpers.linear(3, 6, seed=1),
            helpers.linear(6, 3, seed=2),
        )
        self.out = helpers.linear(3, 2, seed=3)

    def __call__(self, inputs):
        hidden = nnx.relu(self.b(nnx.relu(self.a(inputs))))
        return self.out(nnx.tanh(self.c(hidden)))


def by_hand(a, b, c, off=(0, 0, 0)):
    """Outputs with these gates of the nodes of each layer, and off values."""
    layers = Layers()
    weights = [(np.float64(one.kernel[...]), np.float64(one.bias[...])) for one in (layers.a, layers.b, layers.c)]
    hidden = INPUTS
    bends = [lambda h: np.maximum(h, 0), lambda h: np.maximum(h, 0), np.tanh]
    for (kernel, bias), bend, gates, instead in zip(weights, bends, (a, b, c), off, strict=True):
        hidden = bend(hidden @ kernel + bias) * gates + (1 - gates) * instead
    return hidden @ np.float64(layers.out.kernel[...]) + np.float64(layers.out.bias[...])


@pytest.fixture(autouse=True, scope="module")
def double_precision():
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def objective(sites, **options):
    return sweeps.Objective(Layers(), (INPUTS, TARGETS), sites=sites, **options)


def on(size, **gates):
    """Gates of a layer, ones but where they are given by number."""
    return np.array([gates.get(f"n{node}", 1.0) for node in range(size)])


TIES = {
    # sites, names of the gates, gates of a, b and c
    "node by node": (
        Tied("a", "c", name="unit"),
        [f"a + c unit {node}" for node in range(3)],
        lambda g: (g, on(6), g),
    ),
    "groups of each": (
        Tied("a", "b", groups=3),
        [f"a + b group {group}" for group in range(3)],
        lambda g: (g, np.repeat(g, 2), on(3)),
    ),
    "everything": (Tied("[ab]", groups=1, name="half"), ["a + b half 0"], lambda g: (g[[0] * 3], g[[0] * 6], on(3))),
    "groups of one's own": (
        Tied("b", nodes=[[5, 0], [2]], name="pair"),
        ["b pair 0", "b pair 1"],
        lambda g: (on(3), on(6, n5=g[0], n0=g[0], n2=g[1]), on(3)),
    ),
    "a circuit": (
        Tied(nodes={"a": [1, 2], "b": [5]}, name="circuit"),
        ["a + b circuit 0"],
        lambda g: (on(3, n1=g[0], n2=g[0]), on(6, n5=g[0]), on(3)),
    ),
    "two circuits": (
        Tied(nodes=[{"a": [1], "c": [0]}, {"[ac]": [2]}], name="circuit"),
        ["a + c circuit 0", "a + c circuit 1"],
        lambda g: (on(3, n1=g[0], n2=g[1]), on(6), on(3, n0=g[0], n2=g[1])),
    ),
    "each by itself": (
        Tied("[ac]", groups=1, each="[ac]", name="layer"),
        ["a layer 0", "c layer 0"],
        lambda g: (g[[0] * 3], on(6), g[[1] * 3]),
    ),
    "beside others": (
        ["c", Tied("b", groups=2), Tied("a", nodes=[[0]], name="first")],
        ["a first 0", "b group 0", "b group 1", "c unit 0", "c unit 1", "c unit 2"],
        lambda g: (on(3, n0=g[0]), np.repeat(g[1:3], 3), g[3:]),
    ),
    "numbers of groups": (
        {"a": 1, "b": (2, "half")},
        ["a group 0", "b half 0", "b half 1"],
        lambda g: (g[[0] * 3], np.repeat(g[1:], 3), on(3)),
    ),
    "nodes of one layer in two ties": (
        [Tied("b", nodes=[[0, 1]], name="x"), Tied(nodes={"b": [4], "c": [1]}, name="y")],
        ["b x 0", "b + c y 0"],
        lambda g: (on(3), on(6, n0=g[0], n1=g[0], n4=g[1]), on(3, n1=g[1])),
    ),
}


@pytest.mark.parametrize("name", TIES)
def test_ties_are_products_with_the_shared_gate(name):
    sites, labels, gates = TIES[name]
    found = objective(sites)
    assert list(found.nodes) == labels
    assert all(label.startswith(f"{layer} ") for label, layer in zip(found.nodes, found.layers, strict=True))
    helpers.hold(found, lambda vector: by_hand(*gates(vector)))


def test_a_tie_has_one_off_value():
    def outputs(g):
        return by_hand(g, np.repeat(g, 2), on(3), off=(off, np.repeat(off, 2), 7))

    off = np.array([0.5, -1, 2])
    helpers.hold(objective(Tied("a", "b", groups=3), off=off), outputs)


def test_ties_on_the_last_layer_are_affine():
    found = objective(Tied("c", nodes=[[0, 2], [1]]))
    assert found.plan.name == "affine"
    gates = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    vmapped = objective(Tied("c", nodes=[[0, 2], [1]]), plan="vmapped")
    mine, other = (jax.tree.leaves(one.evaluate(gates)) for one in (found, vmapped))
    for one, same in zip(mine, other, strict=True):
        np.testing.assert_allclose(one, same, rtol=1e-10)


def test_a_tied_mlp_takes_the_dense_plan_in_its_own_order():
    network = sweeps.MLP((2, 3, 3, 2))
    swapped = Tied("layers/0", nodes=[[2], [1], [0]], name="unit")
    found = sweeps.Objective(network, (INPUTS, TARGETS), sites=[swapped, "layers/1"])
    assert found.nodes == sweeps.Objective(network, (INPUTS, TARGETS)).nodes and found.plan.name == "dense"
    whole = sweeps.Objective(network, (INPUTS, TARGETS))
    gates = np.array([[0.0, 1, 1, 1, 1, 1]])
    np.testing.assert_allclose(found.evaluate(gates).loss, whole.evaluate(gates[:, [2, 1, 0, 3, 4, 5]]).loss, rtol=1e-6)
    assert from_objective(whole) is not None and from_objective(found) is None


def test_equal_ties_compile_once():
    first, second = (attach(Layers(), jnp.asarray(INPUTS), sites=Tied("a", "c")).wiring for _ in range(2))
    other = attach(Layers(), jnp.asarray(INPUTS), sites=Tied("a", nodes=[[0]])).wiring
    assert first == second and hash(first) == hash(second) and first != other


class TestMessages:
    @pytest.mark.parametrize(
        ("sites", "message"),
        [
            (
                lambda: Tied("a", "b"),
                "sites: tied node by node, a has 3 nodes and b 6; give groups=",
            ),
            (lambda: Tied("a", groups=2), "sites: a has 3 nodes, not so many times 2"),
            (lambda: Tied("a", nodes=[[0, 3]]), "sites: a has no node 3; its nodes are 0 to 2"),
            (lambda: Tied("a", nodes=[[0], [1, 0]]), "sites: node 0 of a is in two groups of a tie"),
            (
                lambda: [Tied("a", nodes=[[1]]), "a"],
                "sites: node 1 of a would have two gates: 'a group 0' and ",
            ),
            (
                lambda: [Tied("a", nodes=[[0]]), Tied("a", nodes=[[1]])],
                "two gates would be called 'a group 0'",
            ),
            (lambda: Tied("a", "c", each="a"), "sites: c is tied, and no part of its path fits each='a'"),
            (lambda: Tied("d", groups=1), "sites: nothing that makes nodes is called 'd'"),
            (
                lambda: Tied("a", groups=1, nodes=[[0]]),
                "Tied: give groups= for equal groups, or nodes= for",
            ),
            (lambda: Tied("a", groups=0), "Tied: groups must be at least 1, got 0"),
            (lambda: Tied(groups=1), "Tied needs at least one path, such as"),
            (
                lambda: Tied("a", nodes={"a": [1]}),
                "Tied: nodes= with dicts names its paths itself: leave out",
            ),
            (lambda: Tied(nodes=[{"a": [1]}, [2]]), "Tied: nodes must all be lists of node numbers, or all dicts"),
            (lambda: Tied("a", name=" "), "Tied: name must be a word for a gate, such as 'head', got ' '"),
        ],
    )
    def test_ties_that_do_not_fit(self, sites, message):
        with pytest.raises(ValueError, match=message):
            objective(sites())

    @pytest.mark.parametrize(
        ("sites", "message"),
        [
            (lambda: Tied(3), "Tied: paths must be patterns and types of layers, got 3"),
            (
                lambda: Tied("a", nodes=[1, 2]),
                r"must be a list of node numbers, as in nodes=\[\[1, 2\]\] for",
            ),
            (lambda: Tied("a", nodes=3), "Tied: nodes must be a list of groups, or a dict, got 3"),
            (lambda: {Tied("a"): 3}, "sites: a tie has its own groups=; give it alone or in a list"),
            (lambda: ["a", {"b": 2}], r"in a list, numbers of groups are ties, such as .* got \{'b': 2\}"),
            (lambda: {"a": (3, "x", 1)}, r"sites: groups of a must be a number, or \(number, name\), got"),
            (lambda: {"a": (3, 4)}, "sites: the name of groups of a must be a text, got 4"),
        ],
    )
    def test_ties_of_other_types(self, sites, message):
        with pytest.raises(TypeError, match=message):
            objective(sites())
