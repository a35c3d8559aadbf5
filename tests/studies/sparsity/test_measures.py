"""Numbers of pruning curves against plain loops and closed forms, and at their edges."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from sweeps.studies.sparsity import measures as sparsity
from sweeps.studies.sparsity.figures import looks
from sweeps.studies.sparsity.measures import plateaus
from sweeps.studies.sparsity.measures.summary import checked, largest_difference, mean_height
from tests.studies.sparsity import synthetic


@pytest.fixture(scope="module")
def curves():
    return checked(synthetic.curves())


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
    with pytest.raises(ValueError, match="drop: expected a finite number above 0, got 0"):
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
    assert found[0].published and found[-1].by == "random" and len(found) == 9
    assert [one.scope for one in sparsity.methods(curves, "weights", "global_raw")] == ["global_raw"]
    assert found[0].name == "units, norm of incoming weights"
    assert sparsity.scope_name("mine_own") == "mine own"
    assert sparsity.layer_name("output", "units", [2, 3, 4]) == "output"


def test_a_store_that_lacks_something_is_refused(curves):
    with pytest.raises(ValueError, match="curves: expected the method 'units_norm_layer'"):
        checked(curves.isel({"pruned_by": slice(0, 5)}))
    with pytest.raises(ValueError, match="curves: expected the coordinate 'scope'"):
        checked(curves.drop_vars("scope"))
    with pytest.raises(ValueError, match="curves: expected two percentages or more from 0 on"):
        checked(curves.isel(percent=slice(1, None)))
    with pytest.raises(ValueError, match="curves: expected the kinds"):
        checked(curves.assign_coords(kind=("pruned_by", ["edges"] * curves.sizes["pruned_by"])))
    assert (
        checked(curves.isel(percent=slice(None, None, -1)))["percent"].values.tolist()
        == curves["percent"].values.tolist()
    )


def test_differences_are_paired_by_network(summary):
    last = sparsity.at_last(summary)["mean_accuracy"]
    one, other = sparsity.PUBLISHED["weights"], sparsity.PUBLISHED["units"]
    found = sparsity.paired(last, one, other)
    for network in range(6):
        at = {"network": network}
        assert found[network] == float(last.sel({"pruned_by": one, **at}) - last.sel({"pruned_by": other, **at}))


def test_the_square_law_and_the_inputs_that_stay():
    assert sparsity.square_law([0.0, 0.5, 1.0]).tolist() == [0, 0.75, 1]
    for share in (0.0, 0.3, 0.5, 0.95):
        found = sparsity.weights_gone(synthetic.SIZES, share)
        assert found == pytest.approx(1 - synthetic.left("units", round(100 * share)), abs=1e-12)
        assert share <= found + 0.02 and found <= float(sparsity.square_law(share)) + 1e-12
    # One layer between many others: the inputs matter less and less
    assert sparsity.weights_gone([1, 1000, 1000, 10], 0.5) == pytest.approx(0.75, abs=1e-3)
    with pytest.raises(ValueError, match="sizes: expected inputs, one hidden layer"):
        sparsity.weights_gone([2, 2], 0.5)
    with pytest.raises(ValueError, match="share: expected a number between 0 and 1, got 2"):
        sparsity.weights_gone([2, 2, 2], 2)


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


def test_equal_weights_leaves_out_networks_that_are_not_known():
    data = sparsity.at_last(checked(synthetic.curves(networks=3))).copy(deep=True)
    data["accuracy"][0, 1, 3] = np.nan
    found = sparsity.at_equal_weights(data)
    assert np.isnan(found.curves["difference"].sel(network=1)).all()
    assert np.isfinite(found.curves["difference"].sel(network=[0, 2])).all()
    data["accuracy"][:] = np.nan
    with pytest.raises(ValueError, match="expected a network of which both curves are known"):
        sparsity.at_equal_weights(data)


def test_an_axis_of_one_point_has_no_mean_height_and_is_drawn():
    np.testing.assert_array_equal(mean_height([0], [[1.0], [0.5]]), [np.nan, np.nan])
    ax = Figure().subplots()
    looks.left_axis(ax, 100.0)
    assert ax.get_xlim() == (100, 99)


def test_the_largest_difference_is_where_it_is():
    data = xr.DataArray(np.zeros((3, 4)), dims=("network", "percent"), coords={"percent": [0, 10, 20, 30]})
    data[:, 2] = [-0.1, -0.2, -0.3]
    where, found = largest_difference(data)
    assert where == 20 and found.mean == pytest.approx(-0.2)
    assert np.isnan(largest_difference(data * np.nan)[0])


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


def test_the_cost_is_a_median_with_its_range():
    data = synthetic.cost()
    found = sparsity.cost_summary(data)
    seconds = data["seconds"].sel(how="removed", percent=90).values
    one = found.sel(how="removed", percent=90)
    assert (float(one["least"]), float(one["median"]), float(one["most"])) == (
        min(seconds),
        sorted(seconds)[3],
        max(seconds),
    )
    assert float(found["of_full"].sel(how="zeroed", percent=0)) == 1 and found.attrs["repeats"] == 7
    with pytest.raises(ValueError, match="cost: expected how to be"):
        sparsity.cost_summary(data.sel(how=["zeroed"]))
    with pytest.raises(ValueError, match="cost: expected percentages from 0 on"):
        sparsity.cost_summary(data.isel(percent=slice(1, None)))
