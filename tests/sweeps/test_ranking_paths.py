"""Removal paths, gain curves, pairs and correlations against the oracle and closed forms."""

import functools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr

import sweeps
from sweeps import ranking
from sweeps.ranking import _paths
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.test_ranking import (
    DEEP,
    PROBLEMS,
    changes,
    derivatives,
    double,
    objective_of,
    oracle,
    quadratic,
    single,
)

AFFINE = "values"


def greedy(name, choose):
    """Order and losses of the oracle, where ``choose`` gives each node that is on a score."""
    gates, order = np.ones(PROBLEMS[name][0].nodes), []
    losses = [oracle(name, gates)]
    while gates.any():
        found = np.where(gates != 0, choose(gates), np.inf)
        order.append(int(np.argmin(found)))
        gates[order[-1]] = 0
        losses.append(oracle(name, gates))
    return order, losses


def accuracy(name, gates):
    return (reference.outputs(PROBLEMS[name][0], gates).argmax(axis=1) == PROBLEMS[name][0].targets).mean()


@functools.cache
def path(name, method="brute_force", rerank=True):
    return ranking.removal_path(double(name), method=method, rerank=rerank)


@pytest.mark.parametrize("name", ["classes", "sigmoid outputs", DEEP, "three layers"])
def test_brute_force_is_the_oracle_s_greedy_path(name, x64):
    order, losses = greedy(name, functools.partial(changes, name))
    found = path(name)
    assert found.order.tolist() == order and found.best.tolist() == order and found.is_best.all()
    np.testing.assert_allclose(found.loss, losses, rtol=1e-10)
    for part in (found.predicted, found.change, found.best_change):
        np.testing.assert_allclose(part, np.diff(losses), rtol=1e-10, atol=1e-10)
    masks = np.argsort(order)[None] >= np.arange(len(losses))[:, None]
    np.testing.assert_allclose(found.accuracy, [accuracy(name, mask) for mask in masks], atol=1e-12)
    assert found.names == tuple(double(name).nodes[node] for node in order)
    assert found.layers == tuple(double(name).layers[node] for node in order)


@pytest.mark.parametrize(("method", "rerank"), [("first_order", True), ("second_order", True), ("second_order", False)])
def test_predictions_choose_and_brute_force_measures(method, rerank, x64):
    def predicted(gates):
        slopes = np.array([derivatives(functools.partial(oracle, DEEP), node, gates) for node in range(len(gates))])
        return -slopes[:, 0] + (slopes[:, 1] / 2 if method == "second_order" else 0)

    at_first = predicted(np.ones(7))
    order, losses = greedy(DEEP, predicted if rerank else lambda _: at_first)
    found = path(DEEP, method, rerank)
    assert found.order.tolist() == order
    np.testing.assert_allclose(found.loss, losses, rtol=1e-10)
    np.testing.assert_allclose(found.change, np.diff(losses), atol=1e-10)
    gates = np.ones(7)
    for step, node in enumerate(order):
        wanted = predicted(gates) if rerank else at_first
        np.testing.assert_allclose(found.predicted[step], wanted[node], atol=1e-8)
        every = np.where(gates != 0, changes(DEEP, gates), np.inf)
        assert found.best[step] == every.argmin()
        np.testing.assert_allclose(found.best_change[step], every.min(), atol=1e-10)
        gates[node] = 0
    assert found.is_best[-1] and (found.is_best == (found.order == found.best)).all()


def test_second_order_takes_the_path_of_brute_force_where_it_is_exact(x64):
    predicted, measured = path(AFFINE, "second_order"), path(AFFINE)
    assert predicted.order.tolist() == measured.order.tolist()
    np.testing.assert_allclose(predicted.predicted, measured.change, rtol=1e-10, atol=1e-12)
    assert np.isnan(measured.accuracy).all()


def test_the_objective_alone_takes_the_same_path(x64):
    scorer = _paths.Scorer(double(DEEP), "brute_force")
    scorer.network = None
    slow, fast = _paths._evaluated(scorer, rerank=True, measure=True), path(DEEP)
    assert slow.order.tolist() == fast.order.tolist() and slow.best.tolist() == fast.best.tolist()
    for field in ("loss", "accuracy", "predicted", "change", "best_change"):
        np.testing.assert_allclose(getattr(slow, field), getattr(fast, field), atol=1e-10, err_msg=field)


def test_a_path_in_single_precision():
    # Each step on the oracle's own numbers: the choice may differ where two nodes differ by less than rounding.
    name = "sigmoid outputs"
    problem, found = PROBLEMS[name][0], ranking.removal_path(single(name))
    of_loss, _ = helpers.rounding(problem, np.ones(5))
    gates = np.ones(5)
    for step, node in enumerate(found.order):
        every = np.where(gates != 0, changes(name, gates), np.inf)
        assert abs(found.loss[step] - oracle(name, gates)) <= of_loss
        assert every[node] <= every.min() + 4 * of_loss and abs(found.change[step] - every[node]) <= 2 * of_loss
        gates[node] = 0
    assert not gates.any()


def test_a_function_has_a_path():
    objective = sweeps.Objective.from_function(quadratic, nodes=4)
    found = ranking.removal_path(objective)
    assert found.order.tolist() == [2, 3, 1, 0]
    np.testing.assert_allclose(found.loss, [0.5, 0, 0, 0.25, 1.25], atol=1e-6)
    np.testing.assert_allclose(found.change, np.diff(found.loss), atol=1e-6)
    assert np.isnan(found.accuracy).all() and found.is_best.all()
    single_pass = ranking.removal_path(objective, method="first_order", rerank=False, measure=False)
    assert single_pass.order.tolist() == [0, 2, 3, 1]
    assert (single_pass.best == -1).all() and np.isnan(single_pass.best_change).all()
    assert not single_pass.is_best.any()
    shapley = ranking.removal_path(objective, method="shapley", measure=False)
    assert shapley.order.tolist() == [2, 3, 1, 0]


def test_ties_go_to_the_lowest_index():
    objective = sweeps.Objective.from_function(lambda gates: 1 + gates[1] * 0 + gates.sum() * 0, nodes=3)
    for method in ("brute_force", "first_order", "second_order", "gradient"):
        assert ranking.removal_path(objective, method=method).order.tolist() == [0, 1, 2], method
    # Twin nodes of a network: the same weights in and out.
    problem, output = PROBLEMS["sigmoid outputs"]
    (kernel, bias), (outgoing, last) = problem.layers
    copies = [0, 1, 1, 3, 1]
    twins = problem._replace(layers=((kernel[:, copies], bias[copies]), (outgoing[copies], last)))
    order = ranking.removal_path(objective_of(twins, output)).order.tolist()
    assert order.index(1) < order.index(2) < order.index(4)


@hypothesis.given(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=4, max_size=4))
def test_a_single_pass_is_a_stable_sort(values):
    class Given:
        objective = sweeps.Objective.from_function(quadratic, nodes=4)

        def __call__(self, gates):
            return np.where(gates != 0, values, np.inf)

    for rerank in (True, False):
        order, predicted = _paths._ranked(Given(), rerank)
        assert order.tolist() == sorted(range(4), key=lambda node: values[node])
        np.testing.assert_array_equal(predicted, sorted(values))


def test_a_path_as_a_dataset(tmp_path, x64):
    found = path(DEEP)
    data = found.to_dataset()
    assert dict(data.sizes) == {"step": 8, "removal": 7}
    data.to_zarr(tmp_path / "path.zarr", consolidated=False)
    read = xr.open_zarr(tmp_path / "path.zarr", consolidated=False).load()
    for field in ("loss", "accuracy", "order", "predicted", "change", "best", "best_change", "is_best"):
        np.testing.assert_array_equal(read[field].values, getattr(found, field))
        assert read[field].attrs["long_name"]
    assert read["name"].values.tolist() == list(found.names) and read["layer"].values.tolist() == list(found.layers)
    assert read["removal"].values.tolist() == list(range(1, 8)) and read["step"].values[0] == 0
    assert read["loss"].attrs["units"] == "nats" and read["accuracy"].attrs["units"] == "1"
    assert (read.attrs["method"], read.attrs["rerank"]) == ("brute_force", 1)


def test_a_second_path_compiles_nothing(compiled, x64):
    path(DEEP), path(DEEP, "second_order")
    compiled.clear()
    ranking.removal_path(double(DEEP), method="second_order", rerank=False)
    assert "walk" not in compiled


def test_gain_curves(x64):
    gates = np.array([1, 1, 0, 0.5, 1, 1, 1])
    for state, node in ((None, 5), (gates, 3)):
        vector = np.ones(7) if state is None else state
        found = ranking.gain_curve(double(DEEP), node, gates=state)
        expected = []
        for gain in found.gain:
            moved = vector.copy()
            moved[node] = gain
            expected.append(oracle(DEEP, moved))
        np.testing.assert_allclose(found.loss, expected, rtol=1e-10)
        first, second = derivatives(functools.partial(oracle, DEEP), node, vector)
        away = found.gain - vector[node]
        tangent = oracle(DEEP, vector) + away * first
        np.testing.assert_allclose(found.first_order, tangent, atol=1e-8)
        np.testing.assert_allclose(found.second_order, tangent + away**2 / 2 * second, atol=1e-7)
    assert {0.0, 1.0} <= set(found.gain) and found.gain.min() < 0 and found.gain.max() > 1
    assert (found.name, found.layer) == ("layers/0 unit 3", "layers/0")
    np.testing.assert_array_equal(found.to_dataset().second_order, found.second_order)


def test_the_parabola_is_the_curve_of_a_squared_error(x64):
    found = ranking.gain_curve(double(AFFINE), 1)
    np.testing.assert_allclose(found.second_order, found.loss, rtol=1e-10)


def test_pair_interactions(x64):
    gates = np.array([1, 1, 0, 1, 1, 1, 1.0])
    found = ranking.pair_interaction(double(DEEP), gates=gates)
    assert np.isnan(found.diagonal()).all()
    np.testing.assert_array_equal(found, found.T)
    alone = changes(DEEP, gates)
    for node, other in ((0, 1), (3, 6), (2, 4)):
        both = gates.copy()
        both[[node, other]] = 0
        wanted = oracle(DEEP, both) - oracle(DEEP, gates) - alone[node] - alone[other]
        np.testing.assert_allclose(found[node, other], wanted, atol=1e-10)
    np.testing.assert_allclose(found[2, [0, 1, 3]], 0, atol=1e-14)


def test_correlations_of_activations(x64):
    problem = PROBLEMS[DEEP][0]
    values = np.hstack([after for _, _, after in reference.forward(problem, np.ones(7))[1]])
    found = ranking.activation_correlation(double(DEEP))
    np.testing.assert_allclose(found, np.corrcoef(values.T), rtol=1e-10, atol=1e-12)
    # With the first layer off, the second is constant.
    constant = ranking.activation_correlation(double(DEEP), gates=[0, 0, 0, 0, 1, 1, 1])
    assert np.isnan(constant[4:]).all() and np.isfinite(constant[:4, :4]).all()


def test_errors():
    objective = sweeps.Objective.from_function(quadratic, nodes=4)
    with pytest.raises(ValueError, match="method must be one of"):
        ranking.removal_path(objective, method="worst")
    with pytest.raises(ValueError, match="node must be at most 3, got 4"):
        ranking.gain_curve(objective, 4)
    with pytest.raises(ValueError, match="gains must be one vector of finite numbers, got"):
        ranking.gain_curve(objective, 0, gains=np.ones((2, 2)))
    with pytest.raises(ValueError, match="needs the weights and activations of a sweeps.MLP"):
        ranking.activation_correlation(objective)
