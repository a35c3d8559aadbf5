"""Ties in networks of the user's own: heads, recurrent units, experts and blocks, held to masked forward passes."""

import jax
import numpy as np
import pytest

import sweeps
from sweeps import Tied, gating
from sweeps.gating._attaching import attach
from tests.sweeps import helpers, zoo_attention, zoo_dense, zoo_gated  # noqa: F401
from tests.sweeps.zoo import MODELS, Gates, dense, gelu, normal, random_like, relu, softmax, weights, xp

SERIES = normal(2, 4, 3)


@pytest.fixture(autouse=True, scope="module")
def double_precision():
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def is_shape(leaf):
    return isinstance(leaf, tuple)


def hold(body, params, sites, labels, gates, inputs=SERIES):
    """Hold body(params, inputs, gate) with ties to itself in NumPy; gates: (vector) -> gates by path."""
    params = random_like(jax.tree.map(lambda shape: jax.ShapeDtypeStruct(shape, np.float64), params, is_leaf=is_shape))
    shape = body(params, inputs, Gates()).shape
    targets = np.random.default_rng(0).integers(0, shape[-1], shape[:-1])
    found = sweeps.Objective(lambda p, x: body(p, x, Gates()), (inputs, targets), params=params, sites=sites)
    assert list(found.nodes) == labels
    helpers.hold(found, lambda vector: body(params, inputs, Gates(gates(vector))))
    return found


def attention(p, x, gate, path, heads=2, shared=1):
    """Heads, of which ``shared`` in a row have the keys and values of one."""
    q, k, v = (gate(f"{path}{name}", dense(p[name], x)) for name in ("query", "key", "value"))
    q, k, v = (h.reshape(*x.shape[:2], n, -1) for h, n in ((q, heads), (k, heads // shared), (v, heads // shared)))
    k, v = xp.repeat(k, shared, axis=2), xp.repeat(v, shared, axis=2)
    scores = softmax(xp.einsum("bqhw,bkhw->bhqk", q, k) / 2.0)
    h = gate(f"{path}head", xp.einsum("bhqk,bkhw->bqhw", scores, v), (-1, 1))
    return gate(f"{path}out", dense(p["out"], h.reshape(*x.shape[:2], -1)))


def transformer(p, x, gate):
    for number, block in enumerate(p["blocks"]):
        x = x + attention(block["attention"], x, gate, f"blocks/{number}/")
        x = x + gate(f"blocks/{number}/down", dense(block["down"], gelu(dense(block["up"], x))))
    return x


ATTENTION = weights(query=(3, 4), key=(3, 4), value=(3, 4), out=(4, 3))
BLOCKS = {"blocks": [{"attention": ATTENTION, **weights(up=(3, 5), down=(5, 3))} for _ in range(2)]}
PARTS = ("query", "key", "value")


def test_a_head_is_its_query_key_value_and_output():
    def gates(g):
        own = {f"blocks/{b}/": g[2 * b : 2 * b + 2] for b in range(2)}
        wide = {f"{path}{part}": np.repeat(g, 2) for path, g in own.items() for part in PARTS}
        return wide | {f"{path}head": g for path, g in own.items()}

    paths = [f"blocks/*/attention/{part}" for part in PARTS]
    heads = Tied(*paths, "blocks/*/attention", groups=2, name="head", each="blocks/*")
    found = hold(transformer, BLOCKS, heads, [f"blocks/{b} head {head}" for b in range(2) for head in range(2)], gates)
    assert found.layers == ("blocks/0",) * 2 + ("blocks/1",) * 2


def test_a_block_is_what_it_adds_to_the_stream():
    sites = Tied("blocks/*/attention/out", "blocks/*/down", groups=1, name="block", each="blocks/*")

    def gates(g):
        return {f"blocks/{b}/{part}": g[[b] * 3] for b in range(2) for part in ("out", "down")}

    hold(transformer, BLOCKS, sites, ["blocks block 0", "blocks block 1"], gates)


def test_a_head_of_the_same_number_in_all_blocks():
    sites = Tied("blocks/*/attention", name="head")
    hold(
        transformer,
        BLOCKS,
        sites,
        ["blocks head 0", "blocks head 1"],
        lambda g: {f"blocks/{b}/head": g for b in range(2)},
    )


def test_queries_that_share_keys_are_tied_with_them():
    def grouped(p, x, gate):
        return attention(p, x, gate, "", heads=4, shared=2)

    params = weights(query=(3, 8), key=(3, 4), value=(3, 4), out=(8, 3))
    sites = Tied("query unit", "key", "value", "query head", groups=2, name="group")

    def gates(g):
        return {"query": np.repeat(g, 4), "key": np.repeat(g, 2), "value": np.repeat(g, 2), "head": np.repeat(g, 2)}

    hold(grouped, params, sites, [f"query + key + value group {group}" for group in range(2)], gates)


def fused(p, x, gate):
    """Two heads, whose queries, keys and values one layer makes, one after the other."""
    q, k, v = xp.split(gate("qkv", dense(p["qkv"], x)).reshape(2, 4, 6, 2), 3, 2)
    scores = softmax(xp.einsum("bqhw,bkhw->bhqk", q, k))
    return dense(p["out"], xp.einsum("bhqk,bkhw->bqhw", scores, v).reshape(2, 4, 4))


def test_heads_of_a_layer_that_makes_queries_keys_and_values_together():
    def gates(g):
        return {"qkv": np.tile(np.repeat(g, 2), 3)}

    params = weights(qkv=(3, 12), out=(4, 3))
    hold(fused, params, {"qkv unit": (2, "head")}, ["qkv head 0", "qkv head 1"], gates)


def groups_of(name, sites):
    apply, params, inputs, _ = MODELS[name].build()
    return attach(apply, inputs, sites=sites, params=params).wiring


@pytest.mark.parametrize(
    ("name", "sites", "message"),
    [
        (
            "grouped queries by the library",
            Tied("q unit", "k", "v", groups=4),
            r"4 groups do not fit the numbers of heads \(q 4, k 2, v 2\): give groups=2",
        ),
        ("grouped queries", Tied("q unit", "kv", groups=4), r"numbers of heads \(q 4, kv 2\): give groups=2"),
        ("fused queries keys and values", {"qkv unit": 6}, "makes queries, keys and values together, .* give nodes="),
    ],
)
def test_groups_that_would_tie_a_query_with_another_heads_key_are_refused(name, sites, message):
    with pytest.raises(ValueError, match=message):
        groups_of(name, sites)


HINTS = {
    "transformer": [
        "a gate for a head with all that makes it: "
        'sites=sweeps.Tied("blocks/*/attention/query", "blocks/*/attention/key", "blocks/*/attention/value", '
        '"blocks/*/attention", groups=2, name="head", each="blocks/*/attention")',
        "a gate for each of blocks/*, on all that leaves it: "
        'sites=sweeps.Tied("blocks/*/attention/out", "blocks/*/down", groups=1, name="block", each="blocks/*")',
    ],
    "scan over blocks": [
        "a gate for a head with all that makes it",
        "a gate for each of blocks/*, on all that leaves it",
    ],
    "rotary embedding": ['sites=sweeps.Tied("q unit", "k", "v", "q head", groups=2, name="head")'],
    "grouped queries": [
        'a gate for the queries that share a key, with it: sites=sweeps.Tied("q unit", "kv", "q head", gr'
    ],
    "experts": [
        'a gate for each of 3 parts of a kernel, such as experts: sites=sweeps.Tied("x/up", "x/down", groups=3'
    ],
    "skip": [],
}


@pytest.mark.parametrize("name", HINTS)
def test_the_table_says_what_to_write(name):
    apply, params, inputs, _ = MODELS[name].build()
    table = gating.sites(apply, inputs, params=params)
    lines = repr(table).splitlines()[1 + len(table) :]
    assert len(lines) == len(HINTS[name])
    for line, hint in zip(lines, HINTS[name], strict=True):
        assert hint in line
        sites = eval(line.partition("sites=")[2], {"sweeps": sweeps})
        assert attach(apply, inputs, sites=sites, params=params).nodes > 0


def cell(p, x, gate):
    """A recurrent network; its state is gated at every step, wherever it is read."""
    h = xp.zeros((len(x), 4))
    for step in range(x.shape[1]):
        h = gate("h", xp.tanh(dense(p["in"], x[:, step]) + h @ p["again"]["kernel"]))
    return dense(p["out"], h)


def test_a_recurrent_unit_has_one_gate_at_all_steps():
    params = {**weights(out=(4, 3)), "in": weights(3, 4), "again": {"kernel": (4, 4)}}
    whole = hold(cell, params, None, [f"in unit {unit}" for unit in range(4)], lambda g: {"h": g})
    hold(cell, params, {"in": (2, "pair")}, ["in pair 0", "in pair 1"], lambda g: {"h": np.repeat(g, 2)})
    assert len(whole.sites) == 1


def experts(p, x, gate):
    """Experts in one kernel."""
    share = softmax(dense(p["router"], x))
    h = gate("up", relu(xp.einsum("btd,edf->btef", x, p["x"]["up"])), (3, 4))
    return dense(
        p["out"],
        xp.einsum("bte,bteo->bto", share, gate("down", xp.einsum("btef,efo->bteo", h, p["x"]["down"]), (3, 2))),
    )


def listed_experts(p, x, gate):
    """Experts in a list."""
    share, total = softmax(dense(p["router"], x)), 0
    for number, expert in enumerate(p["x"]):
        h = gate(f"{number}/up", relu(dense(expert["up"], x)))
        total = total + share[..., number, None] * gate(f"{number}/down", dense(expert["down"], h))
    return dense(p["out"], total)


def test_an_expert_of_a_stack_is_all_of_its_units():
    params = {**weights(router=(3, 3), out=(2, 3)), "x": {"up": (3, 3, 4), "down": (3, 4, 2)}}
    sites = Tied("x/*", groups=3, name="expert")
    hold(
        experts,
        params,
        sites,
        [f"x expert {number}" for number in range(3)],
        lambda g: {"up": np.repeat(g, 4), "down": np.repeat(g, 2)},
    )


def test_an_expert_of_a_list_is_all_of_its_layers():
    params = {**weights(router=(3, 3), out=(2, 3)), "x": [weights(up=(3, 4), down=(4, 2)) for _ in range(3)]}
    sites = Tied("x/**", groups=1, name="expert", each="x/*")

    def gates(g):
        return {f"{e}/{part}": g[[e] * size] for e in range(3) for part, size in (("up", 4), ("down", 2))}

    hold(listed_experts, params, sites, [f"x expert {number}" for number in range(3)], gates)
