"""Numbers of removal paths against plain NumPy, and at their edges."""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from sweeps.studies.shrinking.measures import greedy_gaps, pair_summary, retraining_summary
from sweeps.studies.shrinking.measures.layers import left, preference
from sweeps.studies.shrinking.measures.pairs import cancelling, cancels
from sweeps.studies.shrinking.measures.paths import choices, summary
from tests.studies.shrinking import synthetic


@pytest.fixture(scope="module")
def two_layers():
    return synthetic.paths(synthetic.Network((5, 4), 1))


def test_the_summary_of_a_path_against_plain_loops(two_layers):
    data = summary(two_layers)
    for method, ranking in itertools.product(synthetic.METHODS, synthetic.RANKINGS):
        at = {"ranked_by": method, "ranking": ranking}
        one, of = data.sel(at), two_layers.sel(at)
        loss, accuracy = of["loss"].values, of["accuracy"].values
        fallen = [step for step in range(10) if accuracy[step] < accuracy[0] - 0.05 - 1e-9]
        assert float(one["removable"].sel(fall=0.05)) == min(fallen, default=10) - 1
        risen = [step for step in range(10) if loss[step] > 2 * loss[0]]
        assert float(one["risen"]) == min(risen, default=np.inf)
        assert float(one["lowest_loss"]) == min(loss) and int(one["lowest_step"]) == loss.argmin()
        regret = [of["change"].values[k] - of["best_change"].values[k] for k in range(8)]
        assert float(one["mean_regret"]) == pytest.approx(sum(regret) / 8, abs=1e-15)
        assert float(one["share_best"]) == sum(r <= 0 for r in regret) / 8
        both = zip(of["predicted"].values, of["change"].values, strict=True)
        signs = [np.sign(a) == np.sign(b) for a, b in both if b != 0]
        assert float(one["sign_agreement"]) == np.mean(signs)
    assert data["share_best"].sel({"ranked_by": "brute_force", "ranking": "reranked"}) == 1


def test_regret_is_the_cost_beyond_the_cheapest_removal(two_layers):
    data = choices(two_layers)
    assert data.sizes["removal"] == 8
    one, of = data.isel({"ranked_by": 1, "ranking": 0}), two_layers.isel({"ranked_by": 1, "ranking": 0})
    regret = (of["change"] - of["best_change"]).values[:8]
    np.testing.assert_allclose(one["total_regret"].values, np.cumsum(np.maximum(regret, 0)), atol=1e-15)
    np.testing.assert_allclose(one["share_best"].values, np.cumsum(of["is_best"].values[:8]) / np.arange(1, 9))
    assert (data["total_regret"].isel({"ranked_by": 0, "ranking": 1}) == 0).all()


def test_scores_that_are_no_changes_have_no_sign():
    paths = synthetic.paths(synthetic.Network((4,)), ("brute_force", "random"))
    signs = summary(paths)["sign_agreement"]
    assert (
        np.isnan(signs.sel({"ranked_by": "random"})).all() and (signs.sel({"ranked_by": "brute_force"})[1] == 1).all()
    )


def test_what_is_left_of_each_layer(two_layers):
    data = left(two_layers)
    assert data["layer"].values.tolist() == ["layers/0", "layers/1"] and data["nodes"].values.tolist() == [5, 4]
    order = two_layers["layer"].sel({"ranked_by": "first_order", "ranking": "reranked"}).values.tolist()
    expected = [1 - order[:step].count("layers/1") / 4 for step in range(10)]
    one = data["left"].sel({"ranked_by": "first_order", "ranking": "reranked", "layer": "layers/1"})
    np.testing.assert_allclose(one, expected, atol=1e-15)
    # the band is hypergeometric: after one removal a layer of 5 among 9 has lost none or one
    assert data["low"].values[0, 1] == 0.8 and data["high"].values[0, 1] == 1


def paths_in_order(order, sizes):
    """Paths that differ in nothing but which nodes they remove; the rest is filled in."""
    count = sum(sizes)
    layer = np.array([f"layers/{n}" for n, size in enumerate(sizes) for _ in range(size)], object)
    base = synthetic.paths(synthetic.Network((2,)))
    shape = {"ranked_by": 3, "ranking": 2}
    data = {name: (("ranked_by", "ranking", "step"), np.ones((3, 2, count + 1))) for name in ("loss", "accuracy")}
    data["test_accuracy"] = data["accuracy"]
    for name in ("predicted", "change", "best", "best_change", "is_best"):
        data[name] = (("ranked_by", "ranking", "removal"), np.ones((3, 2, count)))
    data["order"] = (("ranked_by", "ranking", "removal"), np.tile(order, (*shape.values(), 1)))
    data["layer"] = (("ranked_by", "ranking", "removal"), np.tile(layer[order], (*shape.values(), 1)))
    return xr.Dataset(data, coords={"ranked_by": base["ranked_by"], "ranking": base["ranking"]})


def test_a_preference_for_a_layer_is_found_and_a_mixture_is_not():
    one_by_one = preference(paths_in_order(np.arange(30), (15, 15)))
    assert (one_by_one["p_value"] <= 0.001).all()
    assert one_by_one["mean_rank"].isel({"ranked_by": 0, "ranking": 0}).values.tolist() == [8, 23]
    assert int(one_by_one["beginning"]) == 8 and one_by_one["early"].values[0, 0].tolist() == [8, 0]
    np.testing.assert_allclose(one_by_one["early_p_value"].values[0, 0], [stats.hypergeom.pmf(8, 30, 15, 8), 1])
    in_turn = preference(paths_in_order(np.arange(30).reshape(2, 15).T.ravel(), (15, 15)))
    assert (in_turn["p_value"] > 0.5).all()


def test_the_p_value_of_a_preference_against_all_orders():
    order = np.array([0, 1, 3, 2, 4, 5])
    data = preference(paths_in_order(order, (3, 3)), permutations=19999, seed=1)

    def scatter(member):
        ranks = 1 + np.arange(6)
        return sum(3 * (ranks[member == layer].mean() - 3.5) ** 2 for layer in (0, 1))

    all_scatters = [
        scatter(np.array([node not in first for node in range(6)]) * 1) for first in itertools.combinations(range(6), 3)
    ]
    exact = np.mean(np.array(all_scatters) >= scatter(order >= 3) - 1e-12)
    # 5 standard errors of a share from 19,999 draws: a false alarm in 2 million
    assert abs(float(data["p_value"][0, 0]) - exact) < 5 * np.sqrt(exact * (1 - exact) / 19999) + 1e-4
    # the interval of the mean rank: its standard deviation over all orders
    means = [np.mean(np.array(first) + 1) for first in itertools.combinations(range(6), 3)]
    assert float(data["mean_rank_high"][0]) == pytest.approx(3.5 + 1.96 * np.std(means), rel=1e-12)


def test_greedy_paths_beside_the_best_mask_of_every_size():
    network = synthetic.Network((6,), 3)
    paths, loss = synthetic.paths(network), synthetic.hypercube(network)["loss"]
    data = greedy_gaps(loss, paths)
    masks = np.array(list(itertools.product((0.0, 1.0), repeat=6)))
    for step in range(7):
        assert float(data["best"][step]) == min(network.loss(gates) for gates in masks if 6 - gates.sum() == step)
    np.testing.assert_allclose(data["loss"], paths["loss"].transpose("ranked_by", "ranking", "step"), rtol=1e-12)
    assert (data["gap"] >= 0).all() and (data["gap"].isel(step=[0, -1]) == 0).all()
    greedy = data["gap"].sel({"ranked_by": "brute_force", "ranking": "reranked"})
    assert greedy[1] == 0 and bool(data["nested"][0])


def test_nodes_that_cancel():
    change = np.array([1.0, 2.0, -1.0, 0.5])
    interaction = np.zeros((4, 4))
    interaction[0, 1] = interaction[1, 0] = -2.0  # together 1, alone 1 and 2
    interaction[0, 3] = interaction[3, 0] = -0.55  # together 0.95, alone 1 and 0.5: less, but by less than a tenth
    undone = cancelling(change, interaction)
    assert undone[0, 1] == 0.5 and undone[0, 3] == pytest.approx(0.05) and undone[1, 3] == -0.25
    assert np.isnan(undone[2]).all() and np.isnan(np.diag(undone)).all()
    names = np.array(list("abcd"), object)
    data = xr.Dataset(
        {
            "correlation": (("node", "other"), np.eye(4)),
            "interaction": (("node", "other"), np.where(np.eye(4) == 1, np.nan, interaction)),
            "change": ("node", change),
        },
        coords={"node": names, "other": names},
    )
    found = pair_summary(data)
    assert (found.pairs, found.costly_nodes, found.cancelling_pairs, found.cancelling_nodes) == (6, 3, 1, 2)
    assert np.argwhere(cancels(data)).tolist() == [[0, 1], [1, 0]] and found.negative == 2 / 6
    assert np.isnan(found.signed)  # all correlations alike


def test_the_mantel_test_tells_a_relation_from_none():
    random = np.random.default_rng(0)
    names = np.arange(25)

    def data(interaction, correlation):
        both = {
            name: (("node", "other"), (m + m.T) / 2)
            for name, m in (("correlation", correlation), ("interaction", interaction))
        }
        return xr.Dataset(both | {"change": ("node", np.ones(25))}, coords={"node": names, "other": names})

    correlation = random.uniform(-1, 1, (25, 25))
    correlation[3] = correlation[:, 3] = np.nan  # a node whose activation is constant
    related = pair_summary(data(correlation * 2 + 0.1, correlation))
    assert related.signed == pytest.approx(1) and related.signed_p_value == 1 / 1000
    unrelated = pair_summary(data(random.normal(size=(25, 25)), correlation))
    assert abs(unrelated.signed) < 0.3 and unrelated.signed_p_value > 0.01


def retrained(never, often):
    """Test accuracies (method, every, step) of three methods."""
    values = np.stack([never, often], axis=1)
    dims = ("ranked_by", "every", "step")
    coords = {"ranked_by": list(synthetic.METHODS), "every": [0, 5]}
    return retraining_summary(xr.Dataset({"test_accuracy": (dims, values)}, coords=coords))


def test_retraining_that_turns_the_order_of_the_methods_round():
    slope = np.linspace(1, 0.1, 6)
    never = slope + np.array([[0.0], [-0.05], [-0.1]]) * [0, 1, 1, 1, 1, 0]
    found = retrained(never, never[::-1])
    assert found.often == 5 and found.agreement == 0 and found.spread_left == pytest.approx(1)
    assert found.data["compared"].sel(every=5) == 3 * 4
    same = retrained(never, np.tile(slope, (3, 1)))
    assert same.spread_left == pytest.approx(0, abs=1e-12) and np.isnan(same.agreement)
