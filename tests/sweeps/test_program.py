"""Reading a network as a program: rules on node numbers, post-dominators, the interpreter, names, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import InputError, InputTypeError, UnsupportedError
from sweeps import program
from sweeps.program import graph, rules, tracing
from sweeps.program.running import multiplied
from sweeps.program.values import EXIT, Value


def normal(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(np.float32)


X = normal(5, 3)
TWO = {"a": normal(3, 4), "b": normal(4, 4), "o": normal(4, 2)}


def two_layers(p, x):
    return jax.nn.relu(jax.nn.relu(x @ p["a"]) @ p["b"]) @ p["o"]


def site(network, path, kind="unit"):
    (found,) = [one for one in network.sites if (one.path, one.kind) == (path, kind)]
    return found


def listed(network):
    return [(one.path, one.kind, one.nodes, one.default) for one in network.first.makers]


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
    network = program.read(
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
    found = multiplied(value, jnp.array([0.0, 0.0, 0.0, 1.0]), np.arange(4)[None])
    np.testing.assert_array_equal(found, [[0.0, 0.0, 0.0, -np.inf]])


def test_the_gradient_at_an_off_node_is_the_value_summed_in_the_gates_type():
    value = jnp.full((300, 2), 1.0, jnp.bfloat16)
    ids = np.arange(2)[None]
    assert multiplied(value, jnp.ones(2), ids).dtype == jnp.bfloat16
    slope = jax.grad(lambda g: multiplied(value, g, ids).astype(jnp.float32).sum())(jnp.zeros(2))
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
    network = program.read(apply, params, X)
    right = jax.jit(apply)(params, X)
    on = {one: np.ones((*one.stack, one.nodes), np.float32) for one in network.sites}
    np.testing.assert_array_equal(jax.jit(lambda p, x: network.run(p, x, {}))(params, X), right)
    found = jax.jit(lambda p, x, gates: network.run(p, x, dict(zip(on, gates, strict=True))))(params, X, [*on.values()])
    np.testing.assert_allclose(found, right, rtol=2e-6 if apply is scanned else 0)


@pytest.mark.parametrize(("apply", "params"), PROGRAMS.values(), ids=PROGRAMS)
def test_derivatives_of_parameters_are_the_networks_own(apply, params):
    # A custom rule and a remat keep their derivatives, though gates stand beside and within them.
    network = program.read(apply, params, X)
    gates = {one: np.ones((*one.stack, one.nodes), np.float32) for one in network.hidden}
    right = jax.grad(lambda p: (apply(p, X) ** 2).sum())(params)
    found = jax.grad(lambda p: (network.run(p, X, gates) ** 2).sum())(params)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_a_gated_copy_of_a_scanned_layer_is_that_layer_zeroed():
    network = program.read(scanned, BLOCKS, X)
    assert listed(network)[:2] == [("blocks/up", "unit", 4, True), ("blocks/down", "unit", 3, False)]
    up = site(network, "blocks/up")
    assert up.labels[:1] + up.labels[4:5] == ["blocks/0/up unit 0", "blocks/1/up unit 0"]
    assert up.layer_of_nodes == ["blocks/0/up"] * 4 + ["blocks/1/up"] * 4
    gates = np.ones((2, 4), np.float32)
    gates[1, 2] = 0
    down = BLOCKS["blocks"]["down"].copy()
    down[1, 2] = 0
    right = scanned({**BLOCKS, "blocks": {**BLOCKS["blocks"], "down": down}}, X)
    np.testing.assert_allclose(network.run(BLOCKS, X, {up: gates}), right, rtol=1e-5)


def test_a_site_can_be_gated_under_jit_vmap_and_grad():
    network = program.read(two_layers, TWO, X)
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

    network = program.read(apply, TWO, X)
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

    network = program.read(apply, params, jax.ShapeDtypeStruct((100_000, wide), jnp.float32))
    assert sum(one.size for one in network.hidden) == 11 * wide
    assert all(place.ids.size == wide for one in network.sites for place in one.places)


# Names.


def test_names_are_different_where_keys_hold_slashes():
    params = {"a/b": {"w": normal(3, 4)}, "a": {"b": {"w": normal(4, 4)}}, "o": normal(4, 2)}
    network = program.read(lambda p, x: jnp.tanh(jnp.tanh(x @ p["a/b"]["w"]) @ p["a"]["b"]["w"]) @ p["o"], params, X)
    assert [one.path for one in network.hidden] == ["a%2Fb", "a/b"]


def test_a_layers_short_name_is_not_anothers_name():
    params = {"a": {"b": {"w": normal(3, 4), "v": normal(4, 2)}, "c": normal(4, 4)}}
    network = program.read(
        lambda p, x: jnp.tanh(jnp.tanh(x @ p["a"]["b"]["w"]) @ p["a"]["c"]) @ p["a"]["b"]["v"], params, X
    )
    assert [one.path for one in network.first.makers] == ["a/b/w", "a", "a/b/v"]


@pytest.mark.parametrize("joined", [lambda a, b: a + b, lambda a, b: b + a])
def test_units_that_share_a_gate_have_the_number_of_the_layer_that_names_them(joined):
    def apply(p, x):
        return jnp.tanh(joined(x @ p["a"], (x @ p["b"])[:, ::-1])) @ p["o"]

    params = {"a": normal(3, 4), "b": normal(3, 4, seed=1), "o": normal(4, 2)}
    network = program.read(apply, params, X)
    (one,) = network.hidden
    gates = np.array([0, 1, 1, 1], np.float32)
    zeroed = {**params, "o": params["o"] * gates[:, None]}
    assert one.path == "a"
    np.testing.assert_allclose(network.run(params, X, {one: gates}), apply(zeroed, X), rtol=1e-5, atol=1e-6)


# Refusals.


@pytest.mark.parametrize(
    ("apply", "params", "error", "message"),
    [
        (5, {}, InputTypeError, "network must be a function"),
        (lambda p, x: x * p["w"], {"w": normal(1, 3)}, UnsupportedError, "no parameter makes nodes"),
        (lambda p, x: jnp.tanh(x @ TWO["a"]) @ TWO["o"], {}, UnsupportedError, "closed over.*give them as params"),
        (lambda p, x: x @ p["w"], {"w": "kernel"}, InputTypeError, "must be arrays or shapes, got str"),
    ],
)
def test_what_cannot_be_read_is_refused(apply, params, error, message):
    with pytest.raises(error, match=message):
        program.read(apply, params, X)


def test_networks_that_take_their_own_derivatives_are_refused():
    def energy(p, x):
        return jnp.tanh(x @ p["a"]) @ p["o"]

    for apply in (
        lambda p, x: jax.grad(lambda x: energy(p, x).sum())(x),
        jax.jit(lambda p, x: jax.jvp(lambda x: energy(p, x), (x,), (x,))[1]),
        lambda p, x: jax.grad(lambda x: jax.jit(jax.checkpoint(energy))(p, x).sum())(x),
    ):
        with pytest.raises(UnsupportedError, match="takes derivatives of itself .* give the function without them"):
            program.read(apply, TWO, X)


def test_an_error_of_the_network_itself_stays_its_own():
    with pytest.raises(TypeError, match="dot_general") as caught:
        program.read(lambda p, x: x @ p["w"], {"w": normal(4, 4)}, X)
    assert any("within the network, with inputs of shape (5, 3)" in note for note in caught.value.__notes__)


def test_a_network_without_hidden_nodes_says_what_can_be_gated():
    network = program.read(lambda p, x: x @ p["w"], {"w": normal(3, 2)}, X)
    with pytest.raises(InputError, match="no hidden nodes to gate; what can be gated when it is asked for: w"):
        _ = network.hidden


@pytest.mark.parametrize(
    ("path", "number", "message"),
    [
        ("c", 4, "there is no site 'c'"),
        ("a", 3, r"of a, expected 4 numbers, got shape \(3,\)"),
        ("never", 2, "never cannot be gated: it is never read"),
    ],
)
def test_gates_that_do_not_fit_are_refused(path, number, message):
    params = {**TWO, "never": normal(3, 2)}
    network = program.read(two_layers, params, X)
    other = program.read(lambda p, x: jnp.tanh(x @ p["c"]) @ p["o"], {"c": TWO["a"], "o": TWO["o"]}, X)
    with pytest.raises(InputError, match=message):
        network.run(params, X, {site(other if path == "c" else network, path): np.ones(number)})


def test_inputs_with_which_the_network_has_other_nodes_are_refused():
    def apply(p, x):
        return jnp.tanh(x @ p["a"]) @ p["o"] if len(x) > 3 else x @ p["a"] @ p["o"] @ p["b"]

    params = {"a": normal(3, 4), "o": normal(4, 2), "b": normal(2, 2)}
    network = program.read(apply, {**params}, X)
    unread = [one.path for one in network.sites if one.reason]
    assert unread == ["b"]
    other = program.read(lambda p, x: apply(p, x) if len(x) > 3 else x @ p["a"], params, X)
    with pytest.raises(InputError, match="with inputs of this shape the network has other nodes"):
        other.run({**params, "a": normal(3, 5)}, X[:2], {})


def test_gates_within_a_users_own_derivative_or_a_branch_are_refused():
    @jax.custom_vjp
    def inner(p, x):
        return jax.nn.relu(x @ p["a"]) @ p["b"]

    inner.defvjp(lambda p, x: (inner(p, x), (p, x)), lambda kept, t: kept)
    network = program.read(lambda p, x: jnp.tanh(inner(p, x)) @ p["o"], TWO, X)
    assert listed(network) == [("a", "unit", 4, False), ("b", "unit", 4, True), ("o", "unit", 2, False)]
    with pytest.raises(InputError, match="a cannot be gated: it is made within a branch, or .* derivative of its own"):
        network.run(TWO, X, {site(network, "a"): np.ones(4)})


def test_kernels_that_data_choose_are_listed_with_what_would_work():
    def apply(p, x):
        return jax.nn.relu(jnp.einsum("bd,bdf->bf", x, p["up"][jnp.argmax(x, -1)])) @ p["o"]

    network = program.read(apply, {"up": normal(3, 3, 4), "o": normal(4, 2)}, X)
    assert "run all kernels" in site(network, "up").reason


# Adapters.


class Normalised(nnx.Module):
    def __init__(self, rngs):
        self.a, self.n, self.o = nnx.Linear(3, 4, rngs=rngs), nnx.BatchNorm(4, rngs=rngs), nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.o(nnx.relu(self.n(self.a(x))))


def test_an_nnx_module_evaluates_and_is_not_changed():
    model = Normalised(nnx.Rngs(0))
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model)))
    apply, params = program.of_nnx(model)
    network = program.read(apply, params, X)
    assert listed(network) == [("a", "unit", 4, True), ("o", "unit", 2, False)]
    found = network.run(params, X, {})
    jax.tree.map(np.testing.assert_array_equal, nnx.to_pure_dict(nnx.state(model)), before)
    assert not model.n.use_running_average
    model.eval()
    np.testing.assert_allclose(found, model(X), rtol=1e-5)


def test_normalisation_by_the_batch_keeps_its_channels():
    def training(model, x):
        model.train()
        return model(x)

    apply, params = program.of_nnx(Normalised(nnx.Rngs(0)), training)
    network = program.read(apply, params, X)
    gates = np.array([0, 1, 1, 1], np.float32)
    without = nnx.to_pure_dict(params["params"])
    kernel = np.asarray(without["o"]["kernel"]) * gates[:, None]
    h = X @ np.asarray(without["a"]["kernel"]) + np.asarray(without["a"]["bias"])
    h = np.maximum((h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5), 0)
    np.testing.assert_allclose(network.run(params, X, {site(network, "a"): gates}), h @ kernel, rtol=1e-4, atol=1e-5)


def test_a_linen_module_is_called_as_the_caller_says():
    class Net(linen.Module):
        @linen.compact
        def __call__(self, x, scale):
            return linen.Dense(2, name="o")(scale * linen.relu(linen.Dense(4, name="a")(x)))

    variables = Net().init(jax.random.key(0), X, 1.0)
    apply, params = program.of_linen(Net(), variables, lambda net, x: net(x, 2.0))
    network = program.read(apply, params, X)
    assert listed(network) == [("a", "unit", 4, True), ("o", "unit", 2, False)]
    np.testing.assert_allclose(network.run(params, X, {}), Net().apply(variables, X, 2.0), rtol=1e-6)
    with pytest.raises(InputTypeError, match="with the key 'params' in it"):
        program.of_linen(Net(), {})


# What is mixed, carried or hidden.


def test_units_that_data_replace_are_gated_before():
    def apply(p, x):
        h = jnp.tanh(x @ p["a"])
        return jnp.where(x[:, :1] > 0, h, x[:, 1:2] * x[:, [0, 1, 2, 0]]) @ p["o"]

    network = program.read(apply, TWO, X)
    gates = np.array([0, 1, 1, 1], np.float32)
    without = {**TWO, "a": TWO["a"] * gates}  # tanh(0) = 0
    np.testing.assert_allclose(
        network.run(TWO, X, {site(network, "a"): gates}), apply(without, X), rtol=1e-5, atol=1e-6
    )


def test_parameters_that_a_loop_carries_unchanged_make_nodes():
    def apply(p, x):
        step = lambda i, state: (state[0], jnp.tanh(state[1] @ state[0]))  # noqa: E731
        return jax.lax.fori_loop(0, 3, step, (p["w"], x))[1] @ p["o"]

    network = program.read(apply, {"w": normal(3, 3), "o": normal(3, 2)}, X)
    assert listed(network) == [("w", "unit", 3, True), ("o", "unit", 2, False)]


def test_a_parameter_that_an_unknown_operation_reads_is_listed_with_the_reason():
    def apply(p, x):
        return jax.lax.ragged_dot(x, p["experts"], jnp.array([2, 3], jnp.int32)) @ p["o"]

    network = program.read(apply, {"experts": normal(2, 3, 4), "o": normal(4, 2)}, X)
    assert "write it as a product" in site(network, "experts").reason


def test_calls_of_a_layer_are_one_site_and_a_transposed_kernel_is_another():
    p = {"w": normal(3, 3), "o": normal(3, 2)}
    twice = program.read(lambda p, x: jnp.tanh(jnp.tanh(x @ p["w"]) @ p["w"]) @ p["o"], p, X)
    tied = program.read(lambda p, x: jnp.tanh(jnp.tanh(x @ p["w"]) @ p["w"].T) @ p["o"], p, X)
    assert [len(one.places) for one in twice.hidden] == [2]
    assert [one.path for one in tied.hidden] == ["w", "w #2"]
    gates = np.array([1, 0, 1], np.float32)
    right = np.tanh((np.tanh(X @ p["w"]) * gates) @ p["w"]) * gates @ p["o"]
    np.testing.assert_allclose(twice.run(p, X, {twice.hidden[0]: gates}), right, rtol=1e-5)


def test_stacked_layers_in_nested_loops_have_a_number_for_each_loop():
    def apply(p, x):
        inner = lambda h, w: (h + jnp.tanh(h @ w["up"]) @ w["down"], None)  # noqa: E731
        return jax.lax.scan(lambda h, w: (jax.lax.scan(inner, h, w)[0], None), x, p["blocks"])[0] @ p["o"]

    params = {"blocks": {"up": normal(2, 3, 3, 4), "down": normal(2, 3, 4, 3)}, "o": normal(3, 2)}
    network = program.read(apply, params, X)
    up = site(network, "blocks/up")
    assert up.stack == (2, 3)
    assert up.copies[:4] == ("blocks/0/0/up", "blocks/0/1/up", "blocks/0/2/up", "blocks/1/0/up")
    gates = np.random.default_rng(0).uniform(size=(2, 3, 4)).astype(np.float32)
    folded = {**params["blocks"], "down": params["blocks"]["down"] * gates[..., None]}
    right = apply({**params, "blocks": folded}, X)
    np.testing.assert_allclose(network.run(params, X, {up: gates}), right, rtol=1e-5, atol=1e-5)


def test_pytrees_of_tokens_and_numbers_go_in_and_pytrees_come_out():
    def apply(p, inputs):
        h = jnp.tanh(p["e"][inputs["tokens"]].sum(1) + inputs["x"] @ p["a"])
        return {"hidden": h, "rest": [h @ p["o"]]}

    inputs = {"tokens": np.arange(10).reshape(5, 2) % 7, "x": X}
    network = program.read(apply, {"e": normal(7, 4), **TWO}, inputs)
    off = network.run({"e": normal(7, 4), **TWO}, inputs, {network.hidden[0]: np.zeros(4, np.float32)})
    assert jax.tree.structure(off) == jax.tree.structure({"hidden": 0, "rest": [0]})
    assert not np.any(off["hidden"]) and not np.any(off["rest"][0])
