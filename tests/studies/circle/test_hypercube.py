"""Flip paths and the whole cube: measures, tables and numbers say what the data say."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import xarray as xr

from analysis import hypercube, lognormal, removal
from analysis.numbers import Numbers
from analysis.runs import Run
from sweeps._studies.circle import numbers
from sweeps._studies.circle.measures import chosen
from sweeps._studies.circle.measures import hypercube as measures
from sweeps._studies.circle.measures.hypercube import CubeResults, HypercubeResults
from sweeps._studies.circle.tables import hypercube as tables
from tests.analysis import synthetic_run

NODES = synthetic_run.NODES


def measured(tree):
    sweep = tree["sweeps/bernoulli"].to_dataset()
    run = Run(None, tree, "circle", "command", "1 CPU device", {}, {}, {})
    return measures.measure(run, sweep, removal.statistics(sweep), lognormal.fit_each(sweep))


@pytest.fixture(scope="module")
def results(tree):
    return measured(tree)


def table_of(log_loss):
    log_loss = np.asarray(log_loss, float)
    nodes = log_loss.size.bit_length() - 1
    return CubeResults(np.exp(log_loss), log_loss, [f"layers/0 unit {i}" for i in range(nodes)])


def additive(*worth):
    gates = synthetic_run.masks(len(worth))
    return table_of(-(gates @ np.array(worth)))


def numbers_of(results):
    if isinstance(results, CubeResults):
        results = HypercubeResults(None, results, 0, None, None)
    found = Numbers("a")
    numbers.add_hypercube(found, results, list(synthetic_run.PROBABILITIES))
    return found


class TestNumbers:
    def test_an_additive_loss_has_all_of_its_variance_in_order_one(self):
        n = numbers_of(additive(1.0, 2.0, 3.0))
        assert n("order 1 share", p=0.5).value == pytest.approx(1) and n.odd_share.value == pytest.approx(1)
        assert n.opposite_correlation.value == pytest.approx(-1)
        assert n.sizes_at_which_greedy_removal_is_best.value == n.sizes.value == 2
        assert n.cube_lowest_loss_nodes_on.value == 3
        assert "interacting nodes" not in n

    def test_what_nodes_do_together_is_of_even_order(self):
        # The parity of two nodes: all of order 2.
        n = numbers_of(table_of([0.0, 1.0, 1.0, 0.0]))
        assert n("order 1 share", p=0.5).value == pytest.approx(0) and n.even_share.value == pytest.approx(1)
        assert n.opposite_correlation.value == pytest.approx(1)
        assert n.interacting_nodes.value == "0 and 1" and n.strongest_interaction.value == pytest.approx(-2)

    def test_a_constant_loss_has_no_shares(self):
        n = numbers_of(table_of(np.zeros(8)))
        assert not n("order 1 share", p=0.5).known
        assert "even share" not in n and "interacting nodes" not in n

    def test_one_node_has_no_sizes_between(self):
        n = numbers_of(table_of([1.0, 0.0]))
        assert "sizes" not in n and "order 2 share" not in n and n.cube_lowest_loss_nodes_on.value == 1

    def test_greedy_removal_is_held_to_the_best_mask(self):
        # Of three nodes, 0 goes first at no cost; but 0 alone would have been the best single node.
        n = numbers_of(table_of([9.0, 0.0, 5.0, 4.0, 5.0, 4.0, 1.0, 1.5]))
        assert (n.sizes_at_which_greedy_removal_is_best.value, n.sizes.value) == (1, 2)
        assert (n.greedy_gap_nodes_on.value, n.greedy_gap.value) == (1, pytest.approx(5))
        assert n.greedy_gap_loss.text() == "148" and n.greedy_gap_best_loss.text() == "1.00"
        assert n.cube_lowest_loss_nodes_on.value == 1 and n.cube_full_loss.text() == "4.48"

    def test_the_harmful_nodes_are_counted(self):
        n = numbers_of(additive(2.0, -1.0, 0.5))
        assert n.most_useful_node.value == "0" and n.lowest_shapley.value == pytest.approx(-2)
        assert n.harmful_nodes.value == 1
        assert n.shapley_rank_correlation_banzhaf.value == pytest.approx(1)
        assert n.shapley_rank_correlation_single_removals.value == pytest.approx(1)

    def test_paths_have_what_the_covariances_say(self, results):
        sampled = results.paths.sampled.assign(reversal_p_value=np.nan, left_out=3)
        n = numbers_of(replace(results, paths=replace(results.paths, sampled=sampled)))
        assert n.paths_left_out.value == 3 and "path reversal degrees" not in n
        n = numbers_of(results)
        assert n.path_reversal_difference.value == np.nanmax(np.abs(results.paths.sampled["reversal_standard_errors"]))
        assert n.cube_masks.value == 2**NODES and n.sampled_means.value == 6
        assert n.sampled_means_off.value == np.abs(results.moments["standard_errors"]).max()


class TestTables:
    def test_exact_moments_are_sums_over_all_masks(self, results):
        gates = synthetic_run.masks()
        log_loss = synthetic_run.log_losses().astype(float)
        for p in synthetic_run.PROBABILITIES:
            chance = np.where(gates, p, 1 - p).prod(axis=1)
            for quantity, values in (("loss", np.exp(log_loss)), ("log loss", log_loss)):
                one = results.moments.sel(quantity=quantity, probability=p)
                mean = chance @ values
                np.testing.assert_allclose(one["exact_mean"], mean, rtol=1e-6)
                np.testing.assert_allclose(one["exact_sd"], np.sqrt(chance @ (values - mean) ** 2), rtol=1e-6)

    def test_the_best_mask_of_every_size_is_the_lowest(self, results):
        columns = {column.key: column.values for column in tables.sizes(results.cube).columns}
        for on in range(NODES + 1):
            found = {
                nodes: results.cube.loss[sum(1 << node for node in nodes)] for nodes in combinations(range(NODES), on)
            }
            best = min(found, key=found.get)
            assert columns["best"][on] == pytest.approx(found[best], rel=1e-6)
            off = [str(node) for node in range(NODES) if node not in best]
            assert columns["off"][on] == (" ".join(off) or "none")

    def test_orders_are_shares(self, results):
        columns = {column.key: np.array(column.values) for column in tables.orders(results.cube, [0.25, 0.5]).columns}
        assert columns["order"].tolist() == [1, 2]
        for p in (0.25, 0.5):
            weights = hypercube.variance_by_order(results.cube.log_loss, probability=p)
            np.testing.assert_allclose(columns[f"p_{p:g}"], 100 * weights[1:3] / weights.sum(), rtol=1e-9)

    def test_flip_paths_have_the_exact_covariance_beside_them(self, results):
        columns = {column.key: column.values for column in tables.flip_paths(results.paths, results.cube).columns}
        np.testing.assert_allclose(columns["exact"], results.cube.by_distance)
        assert len(columns["flips"]) == NODES + 1
        alone = tables.flip_paths(replace(results.paths, comparison=None), None)
        assert "exact" not in {column.key for column in alone.columns}

    def test_single_removals_from_the_full_network(self, results):
        every = 2**NODES - 1
        for node in range(NODES):
            change = results.cube.log_loss[every - 2**node] - results.cube.log_loss[every]
            assert results.cube.alone[node] == pytest.approx(change)


class TestWithoutACube:
    def test_a_store_without_a_cube_has_estimates(self):
        tree = synthetic_run.make_tree()
        del tree["sweeps"]["hypercube"]
        found = measured(tree)
        assert found.cube is None and found.moments is None and found.paths.comparison is None and not found.bad
        assert [table.name for table in tables.all_tables(found, [0.5])] == ["flip_paths", "node_estimates"]
        columns = {column.key: column for column in tables.node_estimates(found.estimates).columns}
        exact = table_of(synthetic_run.log_losses()).worth
        for key in ("banzhaf", "sobol_total"):
            nodes = [int(node) for node in columns["node"].values]
            away = np.array(columns[key].values) - exact[key].values[nodes]
            assert (np.abs(away) < 5 * np.array(columns[key].errors) + 1e-6).all()
        n = numbers_of(found)
        assert n.paths_of_the_estimates.value == 80 and n.additive_share_p.value == 0.5

    def test_masks_without_a_log_loss_are_counted(self):
        tree = synthetic_run.make_tree()
        data = tree["sweeps/hypercube"].to_dataset()
        data["log_loss"][3] = -np.inf
        tree["sweeps/hypercube"] = xr.DataTree(data)
        found = measured(tree)
        assert found.cube is None and found.bad == numbers_of(found).masks_without_a_log_loss.value == 1

    def test_too_few_paths_are_left_out(self):
        tree = synthetic_run.make_tree()
        data = tree["sweeps/flip_paths"].to_dataset()
        data["log_loss"][0, 2:, 1] = np.nan
        tree["sweeps/flip_paths"] = xr.DataTree(data)
        found = measured(tree)
        assert found.paths is None and "paths" not in numbers_of(found)
        assert "flip_paths" not in [table.name for table in tables.all_tables(found, [0.5])]


def test_chosen_masks_are_the_best_the_greedy_one_and_a_draw():
    gates = np.array([[[True, False]], [[False, False]]])[:, None]
    dims = ("probability", "chain", "draw", "node")
    sweep = xr.Dataset({"gates": (dims, gates), "loss": (dims[:-1], [[[1.0]], [[2.0]]])}, {"probability": [0.1, 0.6]})
    found = chosen(sweep, None)
    assert found["a draw, $p$ = 0.6"].tolist() == [False, False]
    assert found["its opposite"].tolist() == [True, True]
