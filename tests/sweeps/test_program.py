"""Programs: rules on node numbers, post-dominators, gates and their gradients, the interpreter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps import _program
from sweeps._program import graph, rules, tracing
from sweeps._program.running import Part, gated
from sweeps._program.values import EXIT, Value
from tests.sweeps.small_programs import TWO, X, listed, normal, site, two_layers

# Rules, held to JAX itself: an operation on the numbers is the same operation on values that are the numbers.

MOVES = [
    lambda h: h[:, ::-1],
    lambda h: h.T,
    lambda h: h.reshape(2, 2, 6),
    lambda h: h.reshape(2, 3, 2, 2).swapaxes(1, 3).reshape(2, -1),
    lambda h: jnp.pad(h, ((0, 1), (2, 0)), constant_values=-1),
    lambda h: jax.lax.pad(h, jnp.array(-1, h.dtype), ((0, 0, 1), (-1, 0, 2))),
    lambda h: h[:, np.array([3, 0, 0, 11])],
    lambda h: jnp.split(h, [5], 1)[1],
    lambda h: h[1:, 2:9:3],
    lambda h: jnp.broadcast_to(h[:, None], (2, 3, 12)),
    lambda h: jax.lax.dynamic_slice(h, (0, 4), (2, 6)),
    lambda h: jnp.take(h, jnp.arange(11, 3, -2), axis=1),
    lambda h: h[:1].squeeze(0),
]


@pytest.mark.parametrize("move", MOVES)
def test_moves_of_numbers_are_moves_of_values(move):
    numbers = jnp.broadcast_to(jnp.arange(12), (2, 12))
    traced = jax.make_jaxpr(move)(numbers)
    known = {v: Value("nodes", v.aval, 0, ids=np.arange(12)[None]) for v in traced.jaxpr.invars}
    known |= {
        v: Value("weights", v.aval, 0, known=lambda c=c: c)
        for v, c in zip(traced.jaxpr.constvars, traced.consts, strict=True)
    }

    def of(v):
        return Value("weights", v.aval, 0, known=lambda: v.val) if isinstance(v, jax.extend.core.Literal) else known[v]

    def run(jaxpr):
        for equation in jaxpr.eqns:
            operands = [of(v) for v in equation.invars]
            if inner := tracing.body(equation):
                known.update(zip(inner.jaxpr.invars, operands, strict=True))
                run(inner.jaxpr)
                results = [of(v) for v in inner.jaxpr.outvars]
            elif all(one.kind == "weights" for one in operands):
                results = [
                    Value("weights", v.aval, 0, known=rules.computed(equation, operands, j))
                    for j, v in enumerate(equation.outvars)
                ]
            else:
                found = rules.moved(equation, operands)
                results = [Value("nodes", v.aval, 0, ids=i) for v, i in zip(equation.outvars, found, strict=True)]
            known.update(zip(equation.outvars, results, strict=True))

    run(traced.jaxpr)
    right = np.asarray(move(numbers))
    np.testing.assert_array_equal(np.broadcast_to(of(traced.jaxpr.outvars[0]).ids, right.shape), right)


def test_numbers_keep_the_length_one_along_axes_of_examples():
    network = _program.read(
        lambda p, x: jax.nn.relu(x @ p["a"]).reshape(6, 5, 2, 2)[:, ::-1].swapaxes(2, 3).sum((1, 2)) @ p["o"],
        {"a": normal(3, 4), "o": normal(2, 2)},
        normal(6, 5, 3),
    )
    (place,) = site(network, "a").places
    assert place.ids.size == 4


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 6)), min_size=1, max_size=16))
def test_post_dominators_are_what_no_way_to_the_exit_avoids(edges):
    after = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)

    def reaches(vertex, without):
        seen, stack = {vertex}, [vertex] if vertex != without else []
        while stack:
            for b in after.get(stack.pop(), []):
                if b == EXIT:
                    return True
                if b not in seen and b != without:
                    seen.add(b)
                    stack.append(b)
        return False

    above = graph.post_dominators(after)
    for vertex in after:
        on_all_ways = {b for b in after if not reaches(vertex, without=b)} if reaches(vertex, None) else set()
        assert set(graph.ways_through(vertex, above)) == on_all_ways


def test_units_that_read_themselves_in_a_loop_end_in_their_own_product():
    # Depth first from the wrong side, the loop's vertices would be ranked so that the gate stands too early.
    after = {71: [EXIT, 96], 97: [71, 99], 83: [94, 96], 94: [95], 95: [97], 96: [97], 99: [EXIT]}
    assert graph.ways_through(83, graph.post_dominators(after)) == [83, 97]


# The product.


def test_an_off_node_contributes_nothing_whatever_its_value():
    value = jnp.array([[jnp.inf, jnp.nan, 2.0, -jnp.inf]])
    found = gated(value, Part(jnp.array([0.0, 0.0, 0.0, 1.0])), np.arange(4)[None])
    np.testing.assert_array_equal(found, [[0.0, 0.0, 0.0, -np.inf]])


def test_the_gradient_at_an_off_node_is_the_value_summed_in_the_gates_type():
    value = jnp.full((300, 2), 1.0, jnp.bfloat16)
    ids = np.arange(2)[None]
    assert gated(value, Part(jnp.ones(2)), ids).dtype == jnp.bfloat16
    slope = jax.grad(lambda g: gated(value, Part(g), ids).astype(jnp.float32).sum())(jnp.zeros(2))
    np.testing.assert_array_equal(slope, [300.0, 300.0])  # in bfloat16 the sum stops at 256


# The interpreter.


def scanned(p, x):
    block = jax.checkpoint(lambda h, w: (h + jnp.tanh(h @ w["up"]) @ w["down"], None))
    return jax.lax.scan(block, x, p["blocks"])[0] @ p["o"]


@jax.custom_vjp
def straight(x):
    return jnp.where(x > 0, x, 0.0)


straight.defvjp(lambda x: (straight(x), x), lambda x, t: (t,))


def within_calls(p, x):
    h = jax.jit(lambda x: straight(x @ p["a"]))(x)
    return jax.nn.silu(jax.checkpoint(lambda h: jax.nn.relu(h @ p["b"]))(h)) @ p["o"]


BLOCKS = {"blocks": {"up": normal(2, 3, 4), "down": normal(2, 4, 3)}, "o": normal(3, 2)}
PROGRAMS = {"two layers": (two_layers, TWO), "scan and remat": (scanned, BLOCKS), "calls": (within_calls, TWO)}


@pytest.mark.parametrize(("apply", "params"), PROGRAMS.values(), ids=PROGRAMS)
def test_without_gates_the_network_is_itself_bit_for_bit_and_with_all_gates_on_but_for_the_fusions_of_loops(
    apply, params
):
    network = _program.read(apply, params, X)
    right = jax.jit(apply)(params, X)
    on = {one: np.ones((*one.stack, one.nodes), np.float32) for one in network.sites}
    np.testing.assert_array_equal(jax.jit(lambda p, x: network.run(p, x, {}))(params, X), right)
    found = jax.jit(lambda p, x, gates: network.run(p, x, dict(zip(on, gates, strict=True))))(params, X, [*on.values()])
    np.testing.assert_allclose(found, right, rtol=2e-6 if apply is scanned else 0)


@pytest.mark.parametrize(("apply", "params"), PROGRAMS.values(), ids=PROGRAMS)
def test_derivatives_of_parameters_are_the_networks_own(apply, params):
    # A custom rule and a remat keep their derivatives, though gates stand beside and within them.
    network = _program.read(apply, params, X)
    gates = {one: np.ones((*one.stack, one.nodes), np.float32) for one in network.hidden}
    right = jax.grad(lambda p: (apply(p, X) ** 2).sum())(params)
    found = jax.grad(lambda p: (network.run(p, X, gates) ** 2).sum())(params)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_a_gated_copy_of_a_scanned_layer_is_that_layer_zeroed():
    network = _program.read(scanned, BLOCKS, X)
    assert listed(network)[:2] == [("blocks/up", "unit", 4, True), ("blocks/down", "unit", 3, False)]
    up = site(network, "blocks/up")
    assert up.labels[:1] + up.labels[4:5] == ["blocks/0/up unit 0", "blocks/1/up unit 0"]
    assert up.copies == ("blocks/0/up", "blocks/1/up")
    gates = np.ones((2, 4), np.float32)
    gates[1, 2] = 0
    down = BLOCKS["blocks"]["down"].copy()
    down[1, 2] = 0
    right = scanned({**BLOCKS, "blocks": {**BLOCKS["blocks"], "down": down}}, X)
    np.testing.assert_allclose(network.run(BLOCKS, X, {up: gates}), right, rtol=1e-5)


def test_a_site_can_be_gated_under_jit_vmap_and_grad():
    network = _program.read(two_layers, TWO, X)
    masks = np.random.default_rng(0).integers(0, 2, (6, 4)).astype(np.float32)

    def loss(gates):
        return network.run(TWO, X, {site(network, "b"): gates}).sum()

    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(loss)))(masks)
    h = np.maximum(np.maximum(X @ TWO["a"], 0) @ TWO["b"], 0)
    per_unit = (h[:, :, None] * TWO["o"]).sum((0, 2))
    np.testing.assert_allclose(values, masks @ per_unit, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(slopes, np.broadcast_to(per_unit, slopes.shape), rtol=1e-4, atol=1e-4)


def test_a_network_is_traced_once_for_each_shape_and_new_gates_compile_nothing():
    traces = []

    def apply(p, x):
        traces.append(x.shape)
        return two_layers(p, x)

    network = _program.read(apply, TWO, X)
    run = jax.jit(lambda gates, x: network.run(TWO, x, {site(network, "a"): gates}))
    for gates in np.eye(4, dtype=np.float32):
        run(gates, X)
        run(gates, X[:2])
    assert traces == [(5, 3), (2, 3)]
    assert run._cache_size() == 2


def test_a_deep_network_of_a_hundred_million_parameters_is_read_from_its_shapes():
    wide = 3000
    params = {f"l{i}": jax.ShapeDtypeStruct((wide, wide), jnp.float32) for i in range(12)}

    def apply(p, x):
        for i in range(12):
            x = jax.nn.gelu(x @ p[f"l{i}"])
        return x

    network = _program.read(apply, params, jax.ShapeDtypeStruct((100_000, wide), jnp.float32))
    assert sum(one.size for one in network.hidden) == 11 * wide
    assert all(place.ids.size == wide for one in network.sites for place in one.places)
