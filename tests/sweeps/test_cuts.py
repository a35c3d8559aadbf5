"""Cuts: the entries of parameters that belong to each node, held to those that a person counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweeps import _program
from sweeps._program import cuts, tracing

X = np.zeros((2, 3))
SEQUENCES = np.zeros((2, 5, 3))


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


def found(apply, params, inputs=X):
    """By path of the site, what its nodes are made of: role, path, numbers of nodes of all entries."""
    network = _program.read(apply, params, inputs.astype(np.float32))
    names = [path or "" for path in tracing.parameter_paths(params)]
    return {one.site.path: one for one in cuts.of(network, names)}


def rows(nodes):
    return {(cut.role, cut.path): cut.ids.squeeze().tolist() for cut in nodes.cuts}


def gated_linear(p, x):
    value, gate = jnp.split(x @ p["a"] + p["b"][None], 2, axis=-1)
    return (value * jax.nn.sigmoid(gate)) @ p["o"]


def permuted(p, x):
    return jnp.tanh(jnp.take(x @ p["a"] + p["b"][None], np.array([2, 0, 1]), axis=-1)) @ p["o"]


def concatenated(p, x):
    return jnp.concatenate([x, jnp.tanh(x @ p["a"]), jnp.tanh(x @ p["b"])], axis=-1) @ p["o"]


def low_rank(p, x):
    return jnp.tanh(x @ (p["w"] + p["down"] @ p["up"])) @ p["o"]


def normalised(p, x):
    return jnp.tanh(x @ (p["v"] / jnp.linalg.norm(p["v"], axis=0, keepdims=True) * p["g"])) @ p["o"]


def recurrent(p, x):
    def step(hidden, one):
        hidden = jnp.tanh(one @ p["i"] + hidden @ p["h"])
        return hidden, None

    return jax.lax.scan(step, jnp.zeros((2, 3)), x.swapaxes(0, 1))[0] @ p["o"]


def autoencoder(p, x):
    return jnp.tanh(x @ p["a"]) @ p["a"].T


CASES = {
    "gated linear unit": (
        gated_linear,
        dict(a=shape(3, 4), b=shape(4), o=shape(2, 1)),
        X,
        {"a": {("makes", "a"): [0, 1, 0, 1], ("bias", "b"): [0, 1, 0, 1], ("reads", "o"): [0, 1]}},
    ),
    "permuted": (
        permuted,
        dict(a=shape(3, 3), b=shape(3), o=shape(3, 1)),
        X,
        {"a": {("makes", "a"): [0, 1, 2], ("bias", "b"): [0, 1, 2], ("reads", "o"): [2, 0, 1]}},
    ),
    "concatenated": (
        concatenated,
        dict(a=shape(3, 2), b=shape(3, 3), o=shape(8, 1)),
        X,
        {
            "a": {("makes", "a"): [0, 1], ("reads", "o"): [-1, -1, -1, 0, 1, -1, -1, -1]},
            "b": {("makes", "b"): [0, 1, 2], ("reads", "o"): [-1, -1, -1, -1, -1, 0, 1, 2]},
        },
    ),
    "low rank": (
        low_rank,
        dict(w=shape(3, 4), down=shape(3, 2), up=shape(2, 4), o=shape(4, 1)),
        X,
        {"w": {("makes", "w"): [0, 1, 2, 3], ("makes", "up"): [0, 1, 2, 3], ("reads", "o"): [0, 1, 2, 3]}},
    ),
    "weight norm": (
        normalised,
        dict(g=shape(1, 4), v=shape(3, 4), o=shape(4, 1)),
        X,
        {"v": {("makes", "g"): [0, 1, 2, 3], ("makes", "v"): [0, 1, 2, 3], ("reads", "o"): [0, 1, 2, 3]}},
    ),
    "tied": (autoencoder, dict(a=shape(3, 2)), X, {"a": {("makes", "a"): [0, 1]}}),
}


@pytest.mark.parametrize("name", CASES)
def test_entries_of_nodes(name):
    apply, params, inputs, expected = CASES[name]
    nodes = found(apply, params, inputs)
    assert {path: rows(one) for path, one in nodes.items()} == expected
    assert not any(one.reason or one.ends or any(cut.reason for cut in one.cuts) for one in nodes.values())


def test_a_loop_reads_its_own_nodes():
    params = dict(i=shape(3, 3), h=shape(3, 3), o=shape(3, 1))
    (nodes,) = found(recurrent, params, SEQUENCES).values()
    assert [(cut.role, cut.path, cut.axis) for cut in nodes.cuts] == [
        ("makes", "i", 1),
        ("makes", "h", 1),
        ("reads", "h", 0),
        ("reads", "o", 0),
    ]
    assert all(cut.ids.ravel().tolist() == [0, 1, 2] for cut in nodes.cuts)


def test_a_factor_that_comes_with_a_norm_is_what_counts():
    apply, params, _, _ = CASES["weight norm"]
    (nodes,) = found(apply, params).values()
    assert {cut.path: cut.is_normalised for cut in nodes.cuts if cut.role == "makes"} == {"g": False, "v": True}


def test_biases_of_what_reads():
    nodes = found(
        lambda p, x: (jnp.tanh(x @ p["a"]) @ p["o"] + p["c"][None]) * p["d"],
        dict(a=shape(3, 2), o=shape(2, 4), c=shape(4), d=shape(1, 4)),
    )
    (reads,) = [cut for cut in nodes["a"].cuts if cut.role == "reads"]
    assert reads.bias is not None and reads.bias.path == "c" and reads.bias.ids.tolist() == [0, 1, 2, 3]
    nodes = found(
        lambda p, x: 2 * (jnp.tanh(x @ p["a"]) @ p["o"]) + p["c"][None],
        dict(a=shape(3, 2), o=shape(2, 4), c=shape(4)),
    )
    assert [cut.bias for cut in nodes["a"].cuts if cut.role == "reads"] == [None]


# What stands in the way, and where it is found: in the nodes, their ends, or one of their cuts.
IN_THE_WAY = {
    "outputs": (lambda p, x: (lambda h: (h, h @ p["o"]))(jnp.tanh(x @ p["a"])), "they are outputs of the network"),
    "sum": (lambda p, x: (lambda h: x + h)(jnp.tanh(x @ p["a"])) @ p["o"], "they are added to others"),
    "softmax": (lambda p, x: jax.nn.softmax(x @ p["a"]) @ p["o"], "reduce_max of all of them comes back to each"),
    "shared": (lambda p, x: (jnp.tanh(x @ p["a"]) @ p["o"]) * p["o"].sum(), "needs all entries"),
    "two calls": (
        lambda p, x: jnp.tanh(jnp.tanh(x @ p["a"]) @ p["a"]) @ p["o"],
        "it is used for something else too",
    ),
    "two at once": (
        lambda p, x: (lambda h: h + h[:, ::-1])(jnp.tanh(x @ p["a"])) @ p["o"],
        "they are mixed with each other",
    ),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_is_in_the_way(name):
    apply, message = IN_THE_WAY[name]
    (nodes,) = found(apply, dict(a=shape(3, 3), o=shape(3, 1))).values()
    said = [nodes.reason, *nodes.ends, *[cut.reason for cut in nodes.cuts]]
    assert any(message in one for one in said), said
