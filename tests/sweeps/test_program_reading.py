"""Reading programs: names of nodes, refusals, networks of other libraries, loops and mixing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from analysis._errors import InputError, InputTypeError, UnsupportedError
from sweeps import _program
from tests.sweeps.small_programs import TWO, X, listed, normal, site, two_layers

# Names.


def test_names_are_different_where_keys_hold_slashes():
    params = {"a/b": {"w": normal(3, 4)}, "a": {"b": {"w": normal(4, 4)}}, "o": normal(4, 2)}
    network = _program.read(lambda p, x: jnp.tanh(jnp.tanh(x @ p["a/b"]["w"]) @ p["a"]["b"]["w"]) @ p["o"], params, X)
    assert [one.path for one in network.hidden] == ["a%2Fb", "a/b"]


def test_a_layers_short_name_is_not_anothers_name():
    params = {"a": {"b": {"w": normal(3, 4), "v": normal(4, 2)}, "c": normal(4, 4)}}
    network = _program.read(
        lambda p, x: jnp.tanh(jnp.tanh(x @ p["a"]["b"]["w"]) @ p["a"]["c"]) @ p["a"]["b"]["v"], params, X
    )
    assert [one.path for one in network.first.makers] == ["a/b/w", "a", "a/b/v"]


@pytest.mark.parametrize("joined", [lambda a, b: a + b, lambda a, b: b + a])
def test_units_that_share_a_gate_have_the_number_of_the_layer_that_names_them(joined):
    def apply(p, x):
        return jnp.tanh(joined(x @ p["a"], (x @ p["b"])[:, ::-1])) @ p["o"]

    params = {"a": normal(3, 4), "b": normal(3, 4, seed=1), "o": normal(4, 2)}
    network = _program.read(apply, params, X)
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
        _program.read(apply, params, X)


def test_networks_that_take_their_own_derivatives_are_refused():
    def energy(p, x):
        return jnp.tanh(x @ p["a"]) @ p["o"]

    for apply in (
        lambda p, x: jax.grad(lambda x: energy(p, x).sum())(x),
        jax.jit(lambda p, x: jax.jvp(lambda x: energy(p, x), (x,), (x,))[1]),
        lambda p, x: jax.grad(lambda x: jax.jit(jax.checkpoint(energy))(p, x).sum())(x),
    ):
        with pytest.raises(UnsupportedError, match="takes derivatives of itself .* give the function without them"):
            _program.read(apply, TWO, X)


def test_an_error_of_the_network_itself_stays_its_own():
    with pytest.raises(TypeError, match="dot_general") as caught:
        _program.read(lambda p, x: x @ p["w"], {"w": normal(4, 4)}, X)
    assert any("within the network, with inputs of shape (5, 3)" in note for note in caught.value.__notes__)


def test_a_network_without_hidden_nodes_says_what_can_be_gated():
    network = _program.read(lambda p, x: x @ p["w"], {"w": normal(3, 2)}, X)
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
    network = _program.read(two_layers, params, X)
    other = _program.read(lambda p, x: jnp.tanh(x @ p["c"]) @ p["o"], {"c": TWO["a"], "o": TWO["o"]}, X)
    with pytest.raises(InputError, match=message):
        network.run(params, X, {site(other if path == "c" else network, path): np.ones(number)})


def test_inputs_with_which_the_network_has_other_nodes_are_refused():
    def apply(p, x):
        return jnp.tanh(x @ p["a"]) @ p["o"] if len(x) > 3 else x @ p["a"] @ p["o"] @ p["b"]

    params = {"a": normal(3, 4), "o": normal(4, 2), "b": normal(2, 2)}
    network = _program.read(apply, {**params}, X)
    unread = [one.path for one in network.sites if one.reason]
    assert unread == ["b"]
    other = _program.read(lambda p, x: apply(p, x) if len(x) > 3 else x @ p["a"], params, X)
    with pytest.raises(InputError, match="with inputs of this shape the network has other nodes"):
        other.run({**params, "a": normal(3, 5)}, X[:2], {})


def test_gates_within_a_users_own_derivative_or_a_branch_are_refused():
    @jax.custom_vjp
    def inner(p, x):
        return jax.nn.relu(x @ p["a"]) @ p["b"]

    inner.defvjp(lambda p, x: (inner(p, x), (p, x)), lambda kept, t: kept)
    network = _program.read(lambda p, x: jnp.tanh(inner(p, x)) @ p["o"], TWO, X)
    assert listed(network) == [("a", "unit", 4, False), ("b", "unit", 4, True), ("o", "unit", 2, False)]
    with pytest.raises(InputError, match="a cannot be gated: it is made within a branch, or .* derivative of its own"):
        network.run(TWO, X, {site(network, "a"): np.ones(4)})


def test_kernels_that_data_choose_are_listed_with_what_would_work():
    def apply(p, x):
        return jax.nn.relu(jnp.einsum("bd,bdf->bf", x, p["up"][jnp.argmax(x, -1)])) @ p["o"]

    network = _program.read(apply, {"up": normal(3, 3, 4), "o": normal(4, 2)}, X)
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
    apply, params = _program.of_nnx(model)
    network = _program.read(apply, params, X)
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

    apply, params = _program.of_nnx(Normalised(nnx.Rngs(0)), training)
    network = _program.read(apply, params, X)
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
    apply, params = _program.of_linen(Net(), variables, lambda net, x: net(x, 2.0))
    network = _program.read(apply, params, X)
    assert listed(network) == [("a", "unit", 4, True), ("o", "unit", 2, False)]
    np.testing.assert_allclose(network.run(params, X, {}), Net().apply(variables, X, 2.0), rtol=1e-6)
    with pytest.raises(InputTypeError, match="with the key 'params' in it"):
        _program.of_linen(Net(), {})


# What is mixed, carried or hidden.


def test_units_that_data_replace_are_gated_before():
    def apply(p, x):
        h = jnp.tanh(x @ p["a"])
        return jnp.where(x[:, :1] > 0, h, x[:, 1:2] * x[:, [0, 1, 2, 0]]) @ p["o"]

    network = _program.read(apply, TWO, X)
    gates = np.array([0, 1, 1, 1], np.float32)
    without = {**TWO, "a": TWO["a"] * gates}  # tanh(0) = 0
    np.testing.assert_allclose(
        network.run(TWO, X, {site(network, "a"): gates}), apply(without, X), rtol=1e-5, atol=1e-6
    )


def test_parameters_that_a_loop_carries_unchanged_make_nodes():
    def apply(p, x):
        step = lambda i, state: (state[0], jnp.tanh(state[1] @ state[0]))  # noqa: E731
        return jax.lax.fori_loop(0, 3, step, (p["w"], x))[1] @ p["o"]

    network = _program.read(apply, {"w": normal(3, 3), "o": normal(3, 2)}, X)
    assert listed(network) == [("w", "unit", 3, True), ("o", "unit", 2, False)]


def test_a_parameter_that_an_unknown_operation_reads_is_listed_with_the_reason():
    def apply(p, x):
        return jax.lax.ragged_dot(x, p["experts"], jnp.array([2, 3], jnp.int32)) @ p["o"]

    network = _program.read(apply, {"experts": normal(2, 3, 4), "o": normal(4, 2)}, X)
    assert "write it as a product" in site(network, "experts").reason


def test_calls_of_a_layer_are_one_site_and_a_transposed_kernel_is_another():
    p = {"w": normal(3, 3), "o": normal(3, 2)}
    twice = _program.read(lambda p, x: jnp.tanh(jnp.tanh(x @ p["w"]) @ p["w"]) @ p["o"], p, X)
    tied = _program.read(lambda p, x: jnp.tanh(jnp.tanh(x @ p["w"]) @ p["w"].T) @ p["o"], p, X)
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
    network = _program.read(apply, params, X)
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
    network = _program.read(apply, {"e": normal(7, 4), **TWO}, inputs)
    off = network.run({"e": normal(7, 4), **TWO}, inputs, {network.hidden[0]: np.zeros(4, np.float32)})
    assert jax.tree.structure(off) == jax.tree.structure({"hidden": 0, "rest": [0]})
    assert not np.any(off["hidden"]) and not np.any(off["rest"][0])
