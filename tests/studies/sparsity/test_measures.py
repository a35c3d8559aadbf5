"""Numbers of pruning curves against plain loops and closed forms, and at their edges."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from sweeps._studies.sparsity import measures as sparsity
from sweeps._studies.sparsity.figures import looks
from sweeps._studies.sparsity.measures import connections, overfitting, plateaus
from tests.studies.sparsity import synthetic


@pytest.fixture(scope="module")
def curves():
    return synthetic.curves()


@pytest.fixture(scope="module")
def summary(curves):
    return sparsity.summary(curves)


def plain_end(percent, accuracy, drop):
    level = accuracy[0] - drop
    for i in range(1, len(percent)):
        if accuracy[i] < level - 1e-9:
            share = (accuracy[i - 1] - level) / (accuracy[i - 1] - accuracy[i])
            return percent[i - 1] + share * (percent[i] - percent[i - 1])
    return np.inf


def test_ends_against_a_plain_loop():
    random = np.random.default_rng(1)
    percent = np.sort(random.choice(100, 12, replace=False)).astype(float)
    accuracy = 1 - np.cumsum(random.uniform(-0.01, 0.03, (40, 12)), axis=1)
    for drop in sparsity.DROPS:
        found = plateaus.end(percent, accuracy, drop)
        np.testing.assert_allclose(found, [plain_end(percent, row, drop) for row in accuracy], rtol=1e-12)
        again = plateaus.lasting(percent, accuracy, drop)
        # From the far end, the first point that is not below is where the curve left for good.
        for row, value in zip(accuracy, again, strict=True):
            above = [i for i in range(12) if row[i] >= row[0] - drop - 1e-9]
            if above[-1] == 11:
                assert value == np.inf
            else:
                assert percent[above[-1]] <= value <= percent[above[-1] + 1]
        assert (again >= found).all()


def test_a_curve_that_recovers_falls_first_and_for_good():
    percent, accuracy = [0, 10, 20, 30, 40], [0.9, 0.88, 0.9, 0.9, 0.86]
    assert float(plateaus.end(percent, accuracy, 0.01)) == pytest.approx(5)
    assert float(plateaus.lasting(percent, accuracy, 0.01)) == pytest.approx(32.5)
    assert float(plateaus.end(percent, accuracy, 0.05)) == np.inf


def test_ends_at_their_edges():
    assert np.isnan(plateaus.end([0, 50], [np.nan, np.nan], 0.01))
    assert np.isnan(plateaus.end([0, 50, 99], [1.0, np.nan, 0.5], 0.01))
    assert float(plateaus.end([0, 50, 99], [1.0, 0.5, np.nan], 0.01)) == pytest.approx(1)
    # 8 of 9 examples right, then 7: a fall by one ninth is not more than one ninth, whatever the rounding
    assert float(plateaus.end([0, 50], np.array([8, 7]) / 9, 1 / 9)) == np.inf
    with pytest.raises(ValueError, match="drop must be above 0, got 0"):
        plateaus.end([0, 1], [1.0, 0.0], 0)


def test_the_summary_against_plain_loops(curves, summary):
    percent = curves["percent"].values
    for method in ("weights_magnitude_layer", "units_brute_force_layer"):
        for network in range(curves.sizes["network"]):
            at = {"pruned_by": method, "epochs": 20, "network": network}
            accuracy = curves["accuracy"].sel(at).values
            one = summary.sel(at)
            for drop in sparsity.DROPS:
                assert float(one["end"].sel(fall=drop)) == pytest.approx(plain_end(percent, accuracy, drop))
            area = sum(
                (percent[i + 1] - percent[i]) * (accuracy[i] + accuracy[i + 1]) / 2 for i in range(len(percent) - 1)
            )
            assert float(one["mean_accuracy"]) == pytest.approx(area / 99)
            assert float(one["start"]) == accuracy[0]


def test_what_was_not_evaluated_is_not_known_and_what_never_falls_ends_last(summary, curves):
    assert summary["end"].sel({"pruned_by": "units_random_layer", "epochs": 5}).isnull().all()
    flat = curves.isel(epochs=[2]).copy(deep=True)
    flat["accuracy"][0] = 0.9
    one = sparsity.summary(flat).isel({"pruned_by": 0, "epochs": 0})
    assert (one["end"] == 99).all() and not one["fallen"].any() and not one["recovers"].any()


def test_methods_in_order_and_by_name(curves):
    found = sparsity.methods(curves, "units")
    assert found[0].published and found[-1].by == "random" and len(found) == 10
    assert [one.scope for one in sparsity.methods(curves, "weights", "global_raw")] == ["global_raw"]
    assert found[0].name == "nodes, norm of incoming weights" and found[0].key == "units_norm_layer"
    by, scope = (sparsity.compared(curves, "weights", across) for across in ("by", "scope"))
    assert [one.by for one in by] == ["magnitude", "gradient", "random"]
    assert [one.scope for one in scope] == ["layer", "global_raw", "global_normalised"]


def test_differences_are_paired_by_network(summary):
    last = sparsity.at_last(summary)["mean_accuracy"]
    one, other = (last.sel({"pruned_by": key}).values for key in synthetic.MAIN)
    each = [a - b for a, b in zip(one, other, strict=True)]
    found = sparsity.paired(last, *synthetic.MAIN)
    assert found.mean == pytest.approx(np.mean(each)) and (found.least, found.most) == (min(each), max(each))
    assert sparsity.less_published(last, "units")["units_random_layer"].mean < -0.1
    assert set(sparsity.differences(last, "units", "scope")) == {
        "units_norm_global_raw",
        "units_norm_global_normalised",
    }


def test_heuristics_are_ranked(summary):
    mean = sparsity.at_last(summary)["mean_accuracy"]
    weights, units = (sparsity.ranking(mean, kind) for kind in sparsity.KINDS)
    assert weights.best.published and not weights.alike and not weights.worse
    assert units.best.by == "brute_force" and len(units.less_random) == 7
    turned = sparsity.ranking(mean.copy(data=-mean.values), "weights")
    assert turned.best.by == "random" and [one.by for one in turned.worse] == ["magnitude", "gradient"]


def test_the_square_law_and_the_inputs_that_stay():
    assert sparsity.square_law(np.array([0.0, 0.5, 1.0])).tolist() == [0, 0.75, 1]
    for share in (0.0, 0.3, 0.5, 0.95):
        found = sparsity.weights_gone(synthetic.SIZES, share)
        assert found == pytest.approx(1 - synthetic.left("units", round(100 * share)), abs=1e-12)
        assert share <= found + 0.02 and found <= float(sparsity.square_law(share)) + 1e-12
    # One layer between many others: the inputs matter less and less
    assert sparsity.weights_gone([1, 1000, 1000, 10], 0.5) == pytest.approx(0.75, abs=1e-3)


def made_equal(weights, units, left):
    """Two methods, one network: accuracy on percentages, and what units leave."""
    percent = np.arange(0, 100)
    accuracy = np.stack([weights(percent / 100), units(percent / 100)])[:, None]
    stays = np.stack([1 - percent / 100, left(percent / 100)])[:, None]
    return xr.Dataset(
        {
            name: (("pruned_by", "network", "percent"), values)
            for name, values in (("accuracy", accuracy), ("left", stays))
        },
        coords={"pruned_by": list(sparsity.PUBLISHED.values()), "network": [0], "percent": percent},
    )


def test_curves_that_depend_on_the_weights_alone_are_equal_at_equal_weights():
    data = made_equal(lambda k: 1 - k**4, lambda k: 1 - (1 - (1 - k) ** 2) ** 4, lambda k: (1 - k) ** 2)
    found = sparsity.at_equal_weights(data)
    # Both are drawn through points of the same curve; between them it bends by less than this.
    assert np.abs(found.curves["difference"]).max() < 1e-3
    assert found.until == pytest.approx(99)
    ends = found.numbers["end"].sel(fall=0.01).values.ravel()
    np.testing.assert_allclose(ends, 100 * 0.01**0.25, atol=0.05)
    np.testing.assert_allclose(found.numbers["mean_accuracy"].values.ravel(), 1 - 0.99**4 / 5, atol=1e-3)
    equal_percent = sparsity.summary(data)["end"].sel(fall=0.01).values.ravel()
    assert equal_percent[0] - equal_percent[1] > 10


def test_an_axis_of_one_point_is_drawn():
    ax = Figure().subplots()
    looks.left_axis(ax, 100.0)
    assert ax.get_xlim() == (100, 99)


def test_the_largest_difference_is_where_it_is():
    data = xr.DataArray(np.zeros((3, 4)), dims=("network", "percent"), coords={"percent": [0, 10, 20, 30]})
    data[:, 2] = [-0.1, -0.2, -0.3]
    where, found = sparsity.largest_difference(data)
    assert where == 20 and found.mean == pytest.approx(-0.2)


def test_layers_that_are_emptied():
    data = synthetic.layers(networks=2)
    key = "weights_magnitude_global_raw"
    percent, names = sparsity.emptied(data, key)
    left = data["left"].sel({"pruned_by": key, "network": 0}).values
    expected = min(p for p, row in zip(data["percent"].values, left, strict=True) if (row <= 0).any())
    assert percent.tolist() == [expected] * 2 and names == ["layers/0"]
    percent, names = sparsity.emptied(data, "weights_magnitude_layer")
    assert np.isnan(percent).all() and names == []
    assert sparsity.left_at(data, key, 50)["layers/0"].mean == pytest.approx(0.4)
    found = {one.method.key: one for one in sparsity.extremes(data)}
    assert found.keys() == {one for one in synthetic.KEYS if "global" in one}
    assert (found[key].percent, found[key].least[0], found[key].most[0]) == (80, "layers/0", "layers/2")


def test_the_cost_is_a_median_with_its_range():
    data = synthetic.cost()
    found = sparsity.cost_summary(data)
    seconds = sorted(data["seconds"].sel(how="removed", percent=90).values)
    one = found.sel(how="removed", percent=90)
    assert [float(one[name]) for name in ("least", "median", "most")] == [seconds[0], seconds[3], seconds[-1]]
    assert float(found["of_full"].sel(how="zeroed", percent=0)) == 1 and found.attrs["repeats"] == 7


def test_norms_imply_what_dealing_out_relative_sizes_gives():
    random = np.random.default_rng(0)
    kernel = random.standard_t(4, (60, 12)) * np.linspace(0.5, 2, 12)
    norms = np.linalg.norm(kernel, axis=0)
    pool, found = (np.abs(kernel) / norms).ravel(), np.zeros(12)
    for _ in range(400):
        dealt = random.choice(pool, kernel.shape) * norms
        bound = np.sort(dealt.ravel())[-7]
        found += (dealt >= bound).sum(axis=0)
    counts = connections.implied(kernel)
    # 1 % of 720 is 7. The error of a mean of 400 such counts is below sqrt(7 / 400) = 0.13.
    assert counts.sum() == pytest.approx(7, abs=0.5) and np.abs(counts - found / 400).max() < 0.5
    # Equal norms imply equal counts, up to one weight of the pool.
    assert np.ptp(connections.implied(kernel / norms)) < 0.1


def test_crucial_connections_and_the_nodes_of_equal_norm_without(tmp_path):
    tree = synthetic.make_tree(networks=1)
    network, task = tree["networks"].to_dataset().isel(epochs=-1), tree["task"].to_dataset()
    found = sparsity.crucial(network, tree["connections"].to_dataset(), task)
    kernels = [network[f"layers.{at}.kernel"].values[0].astype(float) for at in range(4)]
    shares, gates = [], {"with": [], "without": []}
    for kernel in kernels[:-1]:
        norms, size = np.linalg.norm(kernel, axis=0), kernel.shape[1]
        weak = np.argsort(norms)[: size // 2]
        cut = sorted(np.abs(kernel).ravel())[-round(0.01 * kernel.size)]
        strong = [(np.abs(kernel[:, node]) >= cut).sum() for node in range(size)]
        shares.append(sum(strong[node] for node in weak) / sum(strong))
        on = {name: np.ones(size) for name in gates}
        for one, other in connections.pairs(norms, np.array(strong) > 0, weak):
            assert strong[one] and not strong[other] and abs(norms[one] / norms[other] - 1) < 0.06
            on["with"][one] = on["without"][other] = 0
        for name, own in on.items():
            gates[name].append(own)
    assert found.layers["magnitude"].values[0] == pytest.approx(shares)
    assert found.shares["magnitude"].sel(gone=50).item() == pytest.approx(np.mean(shares))
    for name, own in gates.items():
        assert own[0].sum() + own[1].sum() + own[2].sum() == 50 - found.harm["pairs"].item() < 50
        values = task["test_inputs"].values.astype(float)
        for kernel, gate in zip(kernels[:-1], own, strict=True):
            values = np.maximum(values @ kernel, 0) * gate
        right = (values @ kernels[-1]).argmax(axis=1) == task["test_targets"].values
        assert found.harm["accuracy"].sel(nodes=name).item() == pytest.approx(right.mean())
    assert found.check["correlation"].item() == pytest.approx(1)


def test_changes_of_networks_that_overfit_are_paired_with_the_unpruned():
    data = synthetic.overfitting(networks=3)
    case = overfitting.Case("units", "noisy", True)
    (change,) = (one for one in overfitting.changes(data, case) if one.percent == 60)
    own = data.sel(tuned=1, labels="noisy", percent=[0, 60]).sel({"pruned_by": "units_norm_layer"})
    test = own["test"].values[:, 1] - own["test"].values[:, 0]
    gap = (own["train"] - own["test"]).values
    assert (
        change.test.mean == pytest.approx(test.mean()) and change.test.half > sparsity.overfitting.interval(test).half
    )
    assert change.gap.mean == pytest.approx((gap[:, 1] - gap[:, 0]).mean())
    flipped = data["flipped"].sel(tuned=1, labels="noisy").sel({"pruned_by": "units_norm_layer"}).values
    ends = [plain_end(data["percent"].values, row, 0.1) for row in flipped]
    assert overfitting.lost(data, case, "flipped") == pytest.approx(ends)


def test_figures_show_four_heuristics_at_most(summary):
    mean = sparsity.at_last(summary)["mean_accuracy"]
    assert [one.by for one in sparsity.shown(mean, "units")] == ["norm", "brute_force", "activation", "random"]
    assert [one.by for one in sparsity.shown(mean, "weights")] == ["magnitude", "gradient", "random"]
