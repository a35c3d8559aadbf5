"""Numbers of removal paths against plain NumPy, and at their edges."""

import itertools

import numpy as np
import pytest
import xarray as xr

from analysis import _ranks
from sweeps._studies.shrinking.measures import greedy_gaps, pair_summary, retraining_summary
from sweeps._studies.shrinking.measures.layers import left, preference
from sweeps._studies.shrinking.measures.pairs import cancelling, cancels
from sweeps._studies.shrinking.measures.paths import choices, summary
from tests.studies.shrinking import synthetic


@pytest.fixture(scope="module")
def two_layers():
    return synthetic.paths(synthetic.kind((5, 4), 1))


def test_the_summary_of_a_path_against_plain_loops(two_layers):
    data = summary(two_layers)
    for method, ranking in itertools.product(synthetic.METHODS, synthetic.RANKINGS):
        at = {"network": 1, "ranked_by": method, "ranking": ranking}
        one, of = data.sel(at), two_layers.sel(at)
        loss, accuracy = of["loss"].values, of["accuracy"].values
        fallen = [step for step in range(10) if accuracy[step] < accuracy[0] - 0.05 - 1e-9]
        assert float(one["removable"].sel(fall=0.05)) == min(fallen, default=10) - 1
        risen = [step for step in range(10) if loss[step] > 2 * loss[0]]
        assert float(one["risen"]) == min(risen, default=10)
        assert float(one["lowest_loss"]) == min(loss) and int(one["lowest_step"]) == loss.argmin()
        regret = [of["change"].values[k] - of["best_change"].values[k] for k in range(8)]
        assert float(one["mean_regret"]) == pytest.approx(sum(regret) / 8, abs=1e-15)
        assert float(one["share_best"]) == sum(r <= 0 for r in regret) / 8
        both = zip(of["predicted"].values, of["change"].values, strict=True)
        signs = [np.sign(a) == np.sign(b) for a, b in both if b != 0]
        assert float(one["sign_agreement"]) == np.mean(signs)
    assert (data["share_best"].sel({"ranked_by": "brute_force", "ranking": "reranked"}) == 1).all()


def test_regret_is_the_cost_beyond_the_cheapest_removal(two_layers):
    data = choices(two_layers)
    assert data.sizes["removal"] == 8
    at = {"network": 1, "ranked_by": 1, "ranking": 0}
    one, of = data.isel(at), two_layers.isel(at)
    regret = (of["change"] - of["best_change"]).values[:8]
    np.testing.assert_allclose(one["total_regret"].values, np.cumsum(np.maximum(regret, 0)), atol=1e-15)
    np.testing.assert_allclose(one["share_best"].values, np.cumsum(of["is_best"].values[:8]) / np.arange(1, 9))
    assert (data["total_regret"].isel({"ranked_by": 0, "ranking": 1}) == 0).all()


def test_scores_that_are_no_changes_have_no_sign():
    paths = synthetic.paths(synthetic.kind((3,)), ("brute_force", "random"))
    signs = summary(paths)["sign_agreement"]
    assert np.isnan(signs.sel({"ranked_by": "random"})).all()
    assert (signs.sel({"ranked_by": "brute_force", "ranking": "reranked"}) == 1).all()


def test_what_is_left_of_each_layer_and_its_mean_place(two_layers):
    data, found = left(two_layers), preference(two_layers)
    assert data["layer"].values.tolist() == ["layers/0", "layers/1"]
    at = {"network": 1, "ranked_by": "first_order", "ranking": "reranked"}
    order = two_layers["order"].sel(at).values
    outer = (order >= 5).tolist()
    expected = [1 - sum(outer[:step]) / 4 for step in range(10)]
    np.testing.assert_allclose(data["left"].sel(at | {"layer": "layers/1"}), expected, atol=1e-15)
    one = found.sel(at)
    np.testing.assert_allclose(one["place"], [np.mean([k / 8 for k in range(9) if outer[k] == y]) for y in (0, 1)])
    assert one["early"].values.tolist() == [1 - sum(outer[:2]) / 2, sum(outer[:2]) / 2]
    np.testing.assert_allclose(one["expected_early"], [5 / 9, 4 / 9])


def test_greedy_paths_beside_the_best_mask_of_every_size():
    networks = synthetic.kind((5,), 3)
    paths, loss = synthetic.paths(networks, rankings=("reranked",)), synthetic.hypercube(networks)["loss"]
    data = greedy_gaps(loss, paths)
    masks = np.array(list(itertools.product((0.0, 1.0), repeat=5)))
    for index, step in itertools.product(range(2), range(6)):
        lowest = min(networks[index].loss(gates) for gates in masks if 5 - gates.sum() == step)
        assert float(data["best"][index, step]) == lowest
    over = ("network", "ranked_by", "ranking", "step")
    np.testing.assert_allclose(data["loss"].transpose(*over), paths["loss"].transpose(*over), rtol=1e-12)
    assert (data["gap"] >= 0).all() and (data["gap"].isel(step=[0, -1]) == 0).all()
    greedy = data["gap"].sel({"ranked_by": "brute_force", "ranking": "reranked"})
    assert (greedy.isel(step=1) == 0).all() and data["nested"].isel(step=0).all()


def test_nodes_that_cancel():
    change = np.array([1.0, 2.0, -1.0, 0.5])
    interaction = np.zeros((4, 4))
    interaction[0, 1] = interaction[1, 0] = -2.0  # together 1, alone 1 and 2
    interaction[0, 3] = interaction[3, 0] = -0.55  # together 0.95, alone 1 and 0.5: less, but by less than a tenth
    undone = cancelling(change, interaction)
    assert undone[0, 1] == 0.5 and undone[0, 3] == pytest.approx(0.05) and undone[1, 3] == -0.25
    assert np.isnan(undone[2]).all() and np.isnan(np.diag(undone)).all()
    data = xr.Dataset(
        {
            "correlation": (("network", "node", "other"), np.eye(4)[None]),
            "interaction": (("network", "node", "other"), np.where(np.eye(4) == 1, np.nan, interaction)[None]),
            "change": (("network", "node"), change[None]),
        },
    )
    found = pair_summary(data).isel(network=0)
    assert np.argwhere(cancels(data.isel(network=0))).tolist() == [[0, 1], [1, 0]]
    assert float(found["costly"]) == 3 / 4 and float(found["cancelling"]) == 2 / 3
    assert float(found["negative"]) == 2 / 6 and float(found["concentrated"]) == 2 / 3.5
    assert np.isnan(found["signed"])  # all correlations alike


def test_correlation_of_pairs_leaves_out_a_node_that_never_varies():
    random = np.random.default_rng(0)
    correlation = random.uniform(-1, 1, (2, 8, 8))
    correlation = (correlation + correlation.swapaxes(1, 2)) / 2
    interaction = correlation**3 + 1
    correlation[:, 3] = correlation[:, :, 3] = np.nan
    dims = ("network", "node", "other")
    found = pair_summary(
        xr.Dataset(
            {"correlation": (dims, correlation), "interaction": (dims, interaction)}
            | {"change": (dims[:2], np.ones((2, 8)))}
        )
    )
    np.testing.assert_allclose(found["signed"], 1)
    above = np.triu_indices(8, 1)
    sizes = _ranks.correlation(abs(correlation[1][above]), abs(interaction[1][above]))
    assert float(found["sizes"][1]) == pytest.approx(float(sizes))


def retrained(never, often):
    """Test accuracies (network, every, method, step) of three methods, twice the same network."""
    values = np.stack([np.stack([never, often])] * 2)
    dims = ("network", "every", "ranked_by", "step")
    coords = {"network": [0, 1], "ranked_by": list(synthetic.METHODS), "every": [0, 5]}
    return retraining_summary(xr.Dataset({"test_accuracy": (dims, values)}, coords=coords))


def test_retraining_that_turns_the_order_of_the_methods_round():
    slope = np.linspace(1, 0.1, 6)
    never = slope + np.array([[0.0], [-0.05], [-0.1]]) * [0, 1, 1, 1, 1, 0]
    found = retrained(never, never[::-1])
    assert found.often == 5 and found.agreement.mean == 0 and found.spread_left.mean == pytest.approx(1)
    same = retrained(never, np.tile(slope, (3, 1)))
    assert same.spread_left.mean == pytest.approx(0, abs=1e-12) and not same.agreement.networks
