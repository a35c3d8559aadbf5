"""Scores of nodes against the oracle, the slow path and closed forms."""

import functools
import math

import hypothesis
import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sweeps
from analysis.hypercube import shapley
from sweeps import ranking
from sweeps.ranking import _criteria, _layered
from sweeps.ranking._criteria import Scorer
from sweeps.ranking._removal import cheapest, measured
from tests import reference
from tests.sweeps import helpers

# Smooth activations, since second derivatives are held to differences. What the outputs go through stands beside.
PROBLEMS = {
    "classes": (helpers.problem((3, 5, 4), "tanh", "cross_entropy", 4, seed=2), "identity"),
    "binary": (helpers.problem((2, 5, 1), "sigmoid", "binary_cross_entropy", 2, seed=3), "identity"),
    "values": (helpers.problem((2, 4, 3), "tanh", "squared_error", None, seed=6), "identity"),
    "sigmoid outputs": (helpers.problem((3, 5, 4), "sigmoid", "squared_error", 4, seed=4), "sigmoid"),
    "two layers": (helpers.problem((2, 4, 3, 2), "tanh", "cross_entropy", 2, seed=7), "identity"),
    "three layers": (helpers.problem((2, 3, 2, 3, 2), "sigmoid", "squared_error", 2, seed=8), "sigmoid"),
}
DEEP = "two layers"


def objective_of(problem, output="identity", dtype=np.float32):
    network = helpers.network(problem, dtype)
    network.output_activation = output
    batch = helpers.batch(problem, dtype)
    # The plan that is the quickest to compile; rankings of layers need none.
    return sweeps.Objective(network, batch, loss=problem.loss, plan="vmapped")


@functools.cache
def double(name):
    """The objective in float64; the test that asks first has the fixture x64."""
    return objective_of(*PROBLEMS[name], dtype=np.float64)


@functools.cache
def single(name):
    return objective_of(*PROBLEMS[name])


def oracle(name, gates):
    """Loss of one gate vector."""
    problem, output = PROBLEMS[name]
    if output == "identity":
        return reference.loss(problem, gates)
    z = reference.ACTIVATIONS[output](reference.outputs(problem, gates))
    return reference.per_example(problem.loss, z, problem.targets)[0].mean()


def off(gates, node):
    """The gates with one node more off."""
    without = np.array(gates, float)
    without[node] = 0
    return without


def changes(name, gates):
    return np.array([oracle(name, off(gates, node)) - oracle(name, gates) for node in range(len(gates))])


def derivatives(function, node, gates):
    """First and second derivative by one gate, from differences of sixth order.

    With steps of 0.02 the truncation is under 1e-10 times an eighth derivative of order ten, and rounding 1e-12.
    """
    step = 0.02 * np.eye(len(gates))[node]
    values = np.array([function(gates + times * step) for times in range(-3, 4)])
    first = np.array([-1, 9, -45, 0, 45, -9, 1]) / 60 @ values / 0.02
    second = np.array([2, -27, 270, -490, 270, -27, 2]) / 180 @ values / 0.02**2
    return first, second


def some_off(nodes):
    """Gates of which one is off and one is a partial gain."""
    gates = np.ones(nodes)
    gates[1], gates[-1] = 0, 0.7
    return gates


@pytest.mark.parametrize("name", [name for name in PROBLEMS if name != "three layers"])
def test_scores_in_double_precision(name, x64):
    objective = double(name)
    assert Scorer(objective, "brute_force").network is not None
    for gates in (np.ones(len(objective.nodes)), some_off(len(objective.nodes))):
        on = gates != 0
        slopes = np.array([derivatives(functools.partial(oracle, name), node, gates) for node in range(len(gates))])
        expected = dict(
            brute_force=changes(name, gates),
            first_order=-gates * slopes[:, 0],
            second_order=-gates * slopes[:, 0] + gates**2 / 2 * slopes[:, 1],
            gradient=np.abs(slopes[:, 0]),
        )
        for method, wanted in expected.items():
            found = ranking.scores(objective, method=method, gates=gates)
            assert found.dtype == np.float64 and np.isinf(found[~on]).all() and (found[~on] > 0).all()
            tolerance = 1e-10 if method == "brute_force" else 1e-8
            np.testing.assert_allclose(found[on], wanted[on], rtol=tolerance, atol=tolerance, err_msg=method)


def test_accuracy_of_one_output(x64):
    problem = PROBLEMS["binary"][0]
    right = (reference.outputs(problem, np.ones(5))[:, 0] > 0) == problem.targets
    network = Scorer(double("binary"), "brute_force").network
    assert 0 < right.mean() < 1
    np.testing.assert_allclose(measured(network, jnp.ones(5)).accuracy, right.mean(), rtol=1e-12)


@pytest.mark.parametrize("name", ["classes", "sigmoid outputs", "two layers"])
def test_the_layers_and_the_objective_itself_agree(name, x64):
    # The same scores by masks of the objective, which knows no layers.
    objective, gates = double(name), some_off(len(double(name).nodes))
    for method in ("brute_force", "second_order"):
        slow = Scorer(objective, method)
        slow.network = None
        on = gates != 0
        np.testing.assert_allclose(
            slow(gates)[on], ranking.scores(objective, method=method, gates=gates)[on], atol=1e-10, rtol=1e-9
        )


def test_brute_force_in_single_precision():
    # Bounds of rounding, of two losses each.
    name = "classes"
    problem = PROBLEMS[name][0]
    gates = np.ones(problem.nodes)
    of_loss, _ = helpers.rounding(problem, gates)
    found = ranking.scores(single(name))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, changes(name, gates), rtol=0, atol=2 * of_loss)


def test_second_order_is_exact_for_squared_error_with_affine_outputs(x64):
    # A quadratic is its own parabola, from any gates.
    for gates in (np.ones(4), some_off(4)):
        predicted, measured = (
            ranking.scores(double("values"), method=how, gates=gates) for how in ("second_order", "brute_force")
        )
        np.testing.assert_allclose(predicted[gates != 0], measured[gates != 0], rtol=1e-10, atol=1e-12)


def test_blocks_of_examples_and_their_padding_change_nothing(monkeypatch, x64):
    # Thirteen examples in three blocks of five; five candidates two at a time.
    problem = helpers.problem((3, 5, 4), "tanh", "cross_entropy", 4, examples=13, seed=2)
    small = objective_of(problem, dtype=np.float64)
    methods = ("brute_force", "activation")
    whole = [ranking.scores(small, method=method) for method in methods]
    helpers.set_device(monkeypatch, candidate_block=5, most_candidates=2)
    _criteria._KNOWN.clear()
    cut = Scorer(small, "brute_force").network
    assert cut.hidden.shape == (3, 5, 5) and int(cut.present.sum()) == 13 and cut.candidates(0) == 2
    for method, expected in zip(methods, whole, strict=True):
        np.testing.assert_allclose(
            ranking.scores(small, method=method), expected, rtol=1e-10, atol=1e-12, err_msg=method
        )


@pytest.mark.parametrize("largest", [200.0, 1e4])
def test_extreme_margins_stay_finite(largest):
    problem = PROBLEMS["classes"][0]
    (kernel, bias) = problem.layers[-1]
    problem = problem._replace(layers=(problem.layers[0], (kernel * largest, bias * largest)))
    gates = np.ones(problem.nodes)
    losses = [reference.loss(problem, gates), *(reference.loss(problem, off(gates, node)) for node in range(5))]
    found = ranking.scores(objective_of(problem))
    np.testing.assert_allclose(found, np.subtract(losses[1:], losses[0]), atol=2 * helpers.rounding(problem, gates)[0])


def test_tiny_losses_keep_their_digits(x64):
    # Labels are what the network says by a margin of 40: losses are of order e^-40, and so are their changes.
    problem = PROBLEMS["classes"][0]
    z = reference.outputs(problem, np.ones(5))
    gap = np.diff(np.sort(z, axis=1)[:, -2:]).min()
    (kernel, bias) = problem.layers[-1]
    last = (kernel * 40 / gap, bias * 40 / gap)
    sure = problem._replace(layers=(problem.layers[0], last), targets=z.argmax(axis=1).astype(np.int32))
    network = Scorer(objective_of(sure, dtype=np.float64), "brute_force").network
    loss = measured(network, jnp.ones(5)).loss
    assert 0 < loss < 1e-15
    np.testing.assert_allclose(loss, reference.loss(sure, np.ones(5)), rtol=1e-10)


def quadratic(gates):
    return (1 - gates[0]) ** 2 + 0.25 * (1 - gates[1]) + gates[0] * gates[2] * 0.5 + 0 * gates[3]


def test_any_function_has_scores():
    objective = sweeps.Objective.from_function(quadratic, nodes=4)
    np.testing.assert_allclose(ranking.scores(objective), [0.5, 0.25, -0.5, 0], atol=1e-6)
    np.testing.assert_allclose(ranking.scores(objective, method="first_order"), [-0.5, 0.25, -0.5, 0], atol=1e-6)
    np.testing.assert_allclose(ranking.scores(objective, method="second_order"), [0.5, 0.25, -0.5, 0], atol=1e-6)
    np.testing.assert_allclose(ranking.scores(objective, method="gradient"), [0.5, 0.25, 0.5, 0], atol=1e-6)
    # The pair (0, 2) shares what it makes together: each half of 0.5.
    np.testing.assert_allclose(ranking.scores(objective, method="shapley"), [1 - 0.25, 0.25, -0.25, 0], atol=1e-6)
    gates = [1, 1, 0, 1]
    np.testing.assert_allclose(
        ranking.scores(objective, method="shapley", gates=gates), [1, 0.25, np.inf, 0], atol=1e-6
    )
    drawn = ranking.scores(objective, method="random", seed=3)
    np.testing.assert_array_equal(drawn, ranking.scores(objective, method="random", seed=3))
    assert len(set(drawn)) == 4 and not np.array_equal(drawn, ranking.scores(objective, method="random", seed=4))


def test_magnitude_and_activation_are_those_of_the_oracle():
    problem = PROBLEMS[DEEP][0]
    gates = some_off(7)
    outgoing = np.concatenate([np.linalg.norm(kernel, axis=1) for kernel, _ in problem.layers[1:]])
    values = np.hstack([after for _, _, after in reference.forward(problem, gates)[1]])
    for method, expected in dict(magnitude=outgoing, activation=values.std(axis=0)).items():
        found = ranking.scores(single(DEEP), method=method, gates=gates)
        assert np.isinf(found[1])
        np.testing.assert_allclose(found[gates != 0], expected[gates != 0], rtol=1e-5)


class Doubled(sweeps.MLP):
    """An MLP with arithmetic of its own."""

    def __call__(self, inputs):
        return super().__call__(2 * inputs)


def test_only_a_plain_mlp_is_taken_for_its_layers():
    problem = PROBLEMS[DEEP][0]
    network = Doubled(problem.sizes, activation="tanh")
    objective = sweeps.Objective(network, helpers.batch(problem), plan="vmapped")
    assert Scorer(objective, "brute_force").network is None
    loss = np.asarray(objective.evaluate(np.vstack([np.ones(7), 1 - np.eye(7)])).loss)
    np.testing.assert_allclose(ranking.scores(objective), loss[1:] - loss[0], atol=1e-6)
    for method in ("magnitude", "activation"):
        with pytest.raises(ValueError, match=f"method '{method}' needs the weights and activations of a sweeps.MLP"):
            ranking.scores(objective, method=method)


def test_layers_that_disagree_with_the_objective_are_not_trusted():
    # The objective's own batch is another: what it computes is right, what the layers say is not.
    objective = objective_of(*PROBLEMS[DEEP])
    objective.batch = sweeps.Batch(objective.batch.inputs * 2, objective.batch.targets)
    assert _layered.from_objective(objective) is not None
    assert Scorer(objective, "brute_force").network is None


def test_errors():
    objective = sweeps.Objective.from_function(quadratic, nodes=4)
    with pytest.raises(ValueError, match="method must be one of brute_force, first_order, .*, got 'best'"):
        ranking.scores(objective, method="best")
    with pytest.raises(ValueError, match=r"gates must be one vector of shape \(4,\), got shape \(2, 4\)"):
        ranking.scores(objective, gates=np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"gates must have shape \(..., 4\)"):
        ranking.scores(objective, gates=np.ones(3))
    with pytest.raises(ValueError, match="'shapley' needs gates of 0 and 1"):
        ranking.scores(objective, method="shapley", gates=[1, 1, 0.5, 1])
    many = sweeps.Objective.from_function(lambda gates: gates.sum(), nodes=21)
    with pytest.raises(ValueError, match="'shapley' evaluates all masks of at most 20 nodes, got 21"):
        ranking.scores(many, method="shapley")


def test_a_new_gate_vector_compiles_nothing(compiled):
    objective = single("classes")
    ranking.scores(objective)
    compiled.clear()
    ranking.scores(objective, gates=some_off(5))
    assert not {"measured"} & set(compiled)


VALUES = st.lists(st.floats(-10, 10), min_size=16, max_size=16).map(np.array)


@hypothesis.given(VALUES, st.permutations(range(4)))
def test_shapley_values_are_efficient_and_follow_their_nodes(values, order):
    found = shapley(values)
    np.testing.assert_allclose(found.sum(), values[-1] - values[0], atol=1e-12)
    relabelled = values.reshape(2, 2, 2, 2).transpose([3 - order[3 - axis] for axis in range(4)]).ravel()
    np.testing.assert_allclose(shapley(relabelled), found[list(order)], atol=1e-12)


def test_shapley_values_by_their_definition():
    values = np.random.default_rng(0).normal(size=16)
    expected = np.zeros(4)
    for mask in range(16):
        for node in set(range(4)) - {node for node in range(4) if mask >> node & 1}:
            size = mask.bit_count()
            weight = math.factorial(size) * math.factorial(3 - size) / math.factorial(4)
            expected[node] += weight * (values[mask | 1 << node] - values[mask])
    np.testing.assert_allclose(shapley(values), expected, rtol=1e-12)


SOME = st.lists(st.sampled_from([-1.0, 0.0, 2.0, np.inf, -np.inf, np.nan]), min_size=5, max_size=5)


@hypothesis.given(SOME, st.lists(st.booleans(), min_size=5, max_size=5).filter(any))
def test_the_first_of_the_lowest_nodes_that_are_on_goes(values, on):
    keys = [(not on, math.inf if math.isnan(value) else value) for value, on in zip(values, on, strict=True)]
    found = int(cheapest(jnp.asarray(values, jnp.float32), jnp.asarray(on)))
    assert on[found]
    assert found == min(range(5), key=lambda node: keys[node])


def test_a_loss_of_the_same_name_is_not_taken_for_ours():
    problem = PROBLEMS["values"][0]
    objective = sweeps.Objective(helpers.network(problem), helpers.batch(problem), loss=optax.squared_error)
    assert objective.loss_name == "squared_error" and _layered.from_objective(objective) is not None
    assert Scorer(objective, "brute_force").network is None
