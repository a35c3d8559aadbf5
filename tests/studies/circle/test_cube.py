"""Sentences, tables and numbers on flip paths and the whole cube: they say what the data say."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import xarray as xr

from analysis import hypercube, lognormal, removal
from analysis.numbers import Numbers
from analysis.runs import Run
from sweeps.studies.circle.cube import results as cube_results
from sweeps.studies.circle.cube import sections as cube
from sweeps.studies.circle.cube import tables as cube_tables
from sweeps.studies.circle.cube import text as cube_text
from sweeps.studies.circle.cube.results import CubeResults
from tests.analysis import synthetic_run

NODES = synthetic_run.NODES


def measured(tmp_path, tree):
    sweep = tree["sweeps/bernoulli"].to_dataset()
    run = Run(tmp_path, tree, "circle", "command", "1 CPU device", {}, {}, {})
    return cube_results.measure(run, sweep, removal.statistics(sweep), lognormal.fit_each(sweep))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return measured(tmp_path_factory.mktemp("run"), synthetic_run.make_tree())


def table_of(log_loss):
    log_loss = np.asarray(log_loss, float)
    nodes = log_loss.size.bit_length() - 1
    return CubeResults(np.exp(log_loss), log_loss, [f"layers/0 unit {i}" for i in range(nodes)])


def additive(*worth):
    gates = synthetic_run.masks(len(worth))
    return table_of(-(gates @ np.array(worth)))


class TestSentences:
    def test_an_additive_loss_is_called_additive(self):
        one = additive(1.0, 2.0, 3.0)
        assert "hold 100.0\u00a0%" in cube_text.additivity(one)
        assert "most of why the loss looks log-normal" in cube_text.additivity(one)
        assert "negatively correlated (−1.000)" in cube_text.opposite(one, None)
        assert "for 2 of 2 sizes" in cube_text.optimum(one) and "with every node on" in cube_text.optimum(one)
        assert cube_text.pairs(one) == ""

    def test_what_nodes_do_together_is_called_so(self):
        # The parity of two nodes: all of order 2.
        one = table_of([0.0, 1.0, 1.0, 0.0])
        assert "hold 0.0\u00a0%" in cube_text.additivity(one) and "does not explain" in cube_text.additivity(one)
        assert "positively correlated (1.000)" in cube_text.opposite(one, None)
        assert "even orders hold 100.0\u00a0%" in cube_text.opposite(one, None)
        assert "nodes that interact most are 0 and 1: switched on together they lower it by 2.00" in cube_text.pairs(
            one
        )

    def test_a_constant_loss_says_nothing(self):
        one = table_of(np.zeros(8))
        assert cube_text.additivity(one) == "" and cube_text.pairs(one) == ""
        assert cube_text.opposite(one, None) == "The log loss does not vary over the cube."

    def test_greedy_removal_is_held_to_the_best_mask(self):
        # Of three nodes, 0 goes first at no cost; but 0 alone would have been the best single node.
        log_loss = np.array([9.0, 0.0, 5.0, 4.0, 5.0, 4.0, 1.0, 1.5])
        text = cube_text.optimum(table_of(log_loss))
        assert "for 1 of 2 sizes" in text
        assert "farthest off with 1 node on, by 5.00 in log loss (loss 148, best 1.00)" in text
        assert "with 1 of 3 nodes on; with every node on it is 4.48" in text

    def test_the_harmful_nodes_are_counted(self):
        text = cube_text.worth(additive(2.0, -1.0, 0.5))
        assert "node 0 lowers the log loss most (−2.00); 1 of 3 nodes raise it" in text
        assert "rank correlation of 1.00 with the Banzhaf values and 1.00 with what single removals" in text

    def test_agreement_of_the_ends_is_judged_by_the_p_value(self, results):
        sampled = results.paths.sampled
        for p, said in ((0.5, "They agree"), (1e-4, "They do not agree"), (np.nan, "too few paths")):
            changed = replace(results.paths, sampled=sampled.assign(reversal_p_value=p))
            assert said in cube_text.reversal(changed)
        for p, said in ((0.5, "covariances agree"), (0.01, "do not agree"), (np.nan, "too few paths")):
            changed = replace(results.paths, comparison=results.paths.comparison.assign(p_value=p))
            assert said in cube_text.against_exact(changed)

    def test_decay_says_where_significance_ends_and_what_was_left_out(self, results):
        sampled = results.paths.sampled
        known = replace(results.paths, sampled=sampled.assign(first_insignificant=4.0, left_out=3))
        assert "after 4 flips it is no longer significant" in cube_text.decay(known)
        assert "3 paths with a loss that is zero or not finite were left out" in cube_text.decay(known)
        never = replace(results.paths, sampled=sampled.assign(first_insignificant=np.nan))
        assert "significant at every step" in cube_text.decay(never)


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
        columns = {column.key: column.values for column in cube_tables.sizes(results.cube).columns}
        for on in range(NODES + 1):
            found = {
                nodes: results.cube.loss[sum(1 << node for node in nodes)] for nodes in combinations(range(NODES), on)
            }
            best = min(found, key=found.get)
            assert columns["best"][on] == pytest.approx(found[best], rel=1e-6)
            off = [str(node) for node in range(NODES) if node not in best]
            assert columns["off"][on] == (" ".join(off) or "none")

    def test_orders_are_shares(self, results):
        columns = {
            column.key: np.array(column.values) for column in cube_tables.orders(results.cube, [0.25, 0.5]).columns
        }
        assert columns["order"].tolist() == [1, 2]
        for p in (0.25, 0.5):
            weights = hypercube.variance_by_order(results.cube.log_loss, p)
            np.testing.assert_allclose(columns[f"p_{p:g}"], 100 * weights[1:3] / weights.sum(), rtol=1e-9)

    def test_flip_paths_have_the_exact_covariance_beside_them(self, results):
        columns = {column.key: column.values for column in cube_tables.flip_paths(results.paths, results.cube).columns}
        np.testing.assert_allclose(columns["exact"], results.cube.by_distance)
        assert len(columns["flips"]) == NODES + 1
        alone = cube_tables.flip_paths(replace(results.paths, comparison=None), None)
        assert "exact" not in {column.key for column in alone.columns}

    def test_single_removals_from_the_full_network(self, results):
        every = 2**NODES - 1
        for node in range(NODES):
            change = results.cube.log_loss[every - 2**node] - results.cube.log_loss[every]
            assert results.cube.alone[node] == pytest.approx(change)

    def test_macros(self, results):
        macros = cube_tables.add_numbers(Numbers("circle"), results, [0.25, 0.5, 0.75]).macros
        assert macros["circleCubeMasks"][0] == rf"\ensuremath{{{2**NODES}}}"
        assert {"circleOppositeCorrelation", "circleOrderOneSharePZeroPointFive", "circlePaths"} <= set(macros)


class TestWithoutACube:
    def test_a_store_without_a_cube_says_so(self, tmp_path):
        tree = synthetic_run.make_tree()
        del tree["sweeps"]["hypercube"]
        found = measured(tmp_path, tree)
        assert found.cube is None and found.moments is None and found.paths.comparison is None
        heading = [section.heading for section in cube.sections(found, *made_of(found, tree))]
        assert heading == ["Across the hypercube", "All masks, estimated"]
        text, table = cube.sections(found, *made_of(found, tree))[1].blocks
        assert "not evaluated" in text.text and "no estimator of the best mask" in text.text
        columns = {column.key: column for column in table.table.columns}
        exact = table_of(synthetic_run.log_losses()).worth
        for name, key in (("banzhaf", "banzhaf"), ("sobol_total", "sobol_total")):
            nodes = [int(node) for node in columns["node"].values]
            away = np.array(columns[key].values) - exact[name].values[nodes]
            assert (np.abs(away) < 5 * np.array(columns[key].errors) + 1e-6).all()

    def test_masks_without_a_log_loss_are_counted(self, tmp_path):
        tree = synthetic_run.make_tree()
        data = tree["sweeps/hypercube"].to_dataset()
        data["log_loss"][3] = -np.inf
        tree["sweeps/hypercube"] = xr.DataTree(data)
        found = measured(tmp_path, tree)
        assert found.cube is None
        assert found.missing == "1 of all 256 masks have a loss that is zero or not finite: no exact results."

    def test_too_few_paths_are_left_out(self, tmp_path):
        tree = synthetic_run.make_tree()
        data = tree["sweeps/flip_paths"].to_dataset()
        data["log_loss"][0, 2:, 1] = np.nan
        tree["sweeps/flip_paths"] = xr.DataTree(data)
        found = measured(tmp_path, tree)
        assert found.paths is None
        assert [section.heading for section in cube.sections(found, *made_of(found, tree))][0].startswith("All masks")


def made_of(found, tree):
    """Tables and stand-ins for pictures."""
    tables = cube_tables.all_tables(found, list(synthetic_run.PROBABILITIES))
    return tables, dict.fromkeys(("cube_path", "flip_paths", "exact_density", "spectrum", "exact_masks"), "picture")
