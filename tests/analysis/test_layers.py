"""Summaries by layer against plain NumPy, their order, their errors, and the tables made of them."""

import numpy as np
import pytest
import xarray as xr

from analysis import layers
from analysis._formatting import cut_middle, listed_nodes, short_paths
from tests.analysis import synthetic_model

NETWORK = (("stem", "channel", 3), ("blocks_1/attention", "head", 2), ("a", "unit", 7))


@pytest.fixture
def removed():
    return synthetic_model.leave_one_out(NETWORK)


@pytest.fixture
def drawn():
    return synthetic_model.draws(NETWORK)


def of_layer(data, name):
    return np.flatnonzero(data["layer"].values == name)


def test_layers_keep_the_order_in_which_they_come_up(removed):
    mixed = removed.isel(node=[11, 0, 3, 10, 1, 4, 2])
    found = layers.groups(mixed)
    assert found.names == ["a", "stem", "blocks_1/attention"]
    assert found.sizes.tolist() == [2, 3, 2]
    assert found.kinds == ["unit", "channel", "head", "unit", "channel", "head", "channel"]
    assert found.short == ["unit 6", "channel 0", "head 0", "unit 5", "channel 1", "head 1", "channel 2"]
    assert layers.summary(mixed)["layer"].values.tolist() == found.names
    values = np.random.default_rng(0).normal(size=(5, 7))
    expected = np.stack([values[:, found.of(layer)].sum(axis=1) for layer in range(3)], axis=1)
    np.testing.assert_allclose(found.sums(values), expected, rtol=1e-14)
    np.testing.assert_array_equal(
        found.sums(values > 0), [[sum(row[found.of(i)] > 0) for i in range(3)] for row in values]
    )


def test_single_removals_against_plain_numpy(removed):
    removed["loss"][[4, 8]] = [np.nan, 0.0]
    data = layers.summary(removed)
    assert data["nodes"].values.tolist() == [3, 2, 7] and data["unknown"].values.tolist() == [0, 1, 0]
    for name in ("stem", "blocks_1/attention", "a"):
        one, members = data.sel(layer=name), of_layer(removed, name)
        loss = removed["loss"].values[members]
        change = loss[np.isfinite(loss)] - 0.4
        assert float(one["mean_change"]) == pytest.approx(sum(change) / len(change), rel=1e-12)
        assert float(one["sd_change"]) == pytest.approx(
            np.sqrt(np.mean((change - change.mean()) ** 2)), rel=1e-9, abs=1e-15
        )
        assert float(one["largest_change"]) == max(change) and float(one["lowest_change"]) == min(change)
        assert str(one["largest_node"].values) == str(removed["node"].values[members[np.nanargmax(loss)]])
        assert str(one["lowest_node"].values) == str(removed["node"].values[members[np.nanargmin(loss)]])
        assert float(one["share_lowering"]) == np.mean(change < 0)
        np.testing.assert_allclose(one["change_quantile"], np.quantile(change, data["quantile"]))
        logs = np.log(loss[loss > 0] / 0.4)
        assert float(one["mean_log_change"]) == pytest.approx(logs.mean(), rel=1e-9)
    removed["loss"][:3] = np.nan
    empty = layers.summary(removed).isel(layer=0)
    assert int(empty["unknown"]) == 3 and np.isnan(empty["mean_change"]) and str(empty["largest_node"].values) == ""


@pytest.mark.parametrize("name", ["loss_gradient", "log_loss_gradient"])
def test_gradients_against_plain_numpy(drawn, name):
    data = layers.gradients(drawn, variable=name)
    for p, chance in enumerate(drawn["probability"].values):
        for layer in layers.groups(drawn).names:
            values = drawn[name].values[p, 0][:, of_layer(drawn, layer)]
            one = data.sel(probability=chance, layer=layer)
            assert float(one[f"{name}_mean"]) == pytest.approx(values.mean(), rel=1e-12)
            assert float(one[f"{name}_sd"]) == pytest.approx(values.std(), rel=1e-10)
            assert float(one[f"{name}_absolute"]) == pytest.approx(np.abs(values).mean(), rel=1e-12)
            # The nodes of a draw are not independent: the error is that of one mean a draw.
            for key, of_draw in (("mean", values.mean(axis=1)), ("absolute", np.abs(values).mean(axis=1))):
                error = of_draw.std(ddof=1) / np.sqrt(len(of_draw))
                assert float(one[f"{name}_{key}_error"]) == pytest.approx(error, rel=1e-8)
            without = [np.delete(values, draw, axis=0).std() for draw in range(len(values))]
            jackknife = np.sqrt((len(values) - 1) * np.var(without))
            assert float(one[f"{name}_sd_error"]) == pytest.approx(jackknife, rel=1e-6)


def test_entries_that_are_not_finite_are_left_out(drawn, monkeypatch):
    monkeypatch.setattr(layers._draws, "ENTRIES", 100)  # a few draws at a time
    drawn["log_loss_gradient"][0, 0, 0, :2] = [np.nan, np.inf]
    drawn["log_loss_gradient"][0, 0, 1] = np.nan
    one = layers.gradients(drawn).isel(probability=0)
    assert one["log_loss_gradient_nonfinite"].values.tolist() == [5, 2, 7]
    values = drawn["log_loss_gradient"].values[0, 0][:, :3]
    assert float(one["log_loss_gradient_mean"][0]) == pytest.approx(values[np.isfinite(values)].mean(), rel=1e-12)


def test_slopes_are_those_of_least_squares_with_honest_errors(drawn):
    drawn["loss"][0, 0, :2] = [0.0, np.nan]
    data = layers.slopes(drawn)
    for p in range(2):
        loss = drawn["loss"].values[p, 0]
        known = np.isfinite(loss) & (loss > 0)
        gates = drawn["gates"].values[p, 0][known]
        x = np.stack(
            [np.ones(known.sum()), *(gates[:, of_layer(drawn, name)].sum(axis=1) for name, _, _ in NETWORK)], 1
        )
        y = np.log(loss[known])
        fit = np.linalg.lstsq(x, y)[0]
        bread, residual = np.linalg.inv(x.T @ x), y - x @ fit
        covariance = bread @ (x.T @ np.diag(residual**2) @ x) @ bread * len(y) / (len(y) - 4)
        one = data.isel(probability=p)
        np.testing.assert_allclose(one["slope"], fit[1:], rtol=1e-9)
        np.testing.assert_allclose(one["slope_error"], np.sqrt(np.diag(covariance))[1:], rtol=1e-8)
        assert float(one["explained"]) == pytest.approx(1 - residual.var() / y.var(), rel=1e-9)
        assert int(one["fitted"]) == known.sum()
        # A layer that goes on whole lowers the log loss by 0.5; 5 standard errors, 56 draws: false alarm 1e-5.
        assert (np.abs(one["slope"] * one["nodes"] + 0.5) < 5 * one["slope_error"] * one["nodes"]).all()


def test_slopes_that_the_draws_do_not_determine_are_nan(drawn):
    always = drawn.copy(deep=True)
    always["gates"][..., :3] = True
    np.testing.assert_array_equal(np.isnan(layers.slopes(always)["slope"]), [[True, False, False]] * 2)
    fixed = drawn.copy(deep=True)
    fixed["gates"][:] = np.arange(12) < 6
    fixed["gates"].values[:] = np.random.default_rng(0).permuted(fixed["gates"].values, axis=-1)
    assert np.isnan(layers.slopes(fixed)["slope"]).all()
    assert np.isnan(layers.slopes(drawn.isel(draw=slice(3)))["slope"]).all()
    assert np.isnan(layers.slopes(drawn.assign(loss=drawn["loss"] * 0))["slope"]).all()


def test_a_summary_gives_means_and_spreads(drawn):
    gates, values = drawn["gates"].values[:, 0], drawn["log_loss_gradient"].values[:, 0]
    dims, parts = ("probability", "state", "node"), {}
    for key, of in (("count", len), ("mean", np.mean), ("variance", lambda v: v.var(ddof=1))):
        cells = [
            [[of(values[p, gates[p, :, n] == on, n]) for n in range(12)] for on in (False, True)] for p in range(2)
        ]
        parts[f"log_loss_gradient_{key}"] = (dims, np.array(cells, float))
    held = xr.Dataset(
        {
            **parts,
            "draws": ("probability", [60, 60]),
            "loss_histogram": (("probability", "loss_bin"), np.zeros((2, 2))),
        },
        coords={"probability": [0.5, 0.9], **synthetic_model.coordinates(NETWORK)},
    )
    data, expected = layers.summary(held), layers.gradients(drawn)
    for key in ("mean", "sd"):
        np.testing.assert_allclose(data[f"log_loss_gradient_{key}"], expected[f"log_loss_gradient_{key}"], rtol=1e-9)
        assert np.isnan(data[f"log_loss_gradient_{key}_error"]).all()
    assert (data["log_loss_gradient_nonfinite"] == 0).all() and np.isnan(data["log_loss_gradient_absolute"]).all()


def test_the_summary_takes_what_there_is(drawn):
    whole = layers.summary(drawn)
    assert {"slope", "loss_gradient_mean", "log_loss_gradient_mean", "explained"} <= set(whole.data_vars)
    one = drawn.isel(probability=0, drop=True)  # as a design without probabilities
    np.testing.assert_array_equal(layers.summary(one)["slope"], whole["slope"][0])
    assert set(layers.summary(drawn[["loss", "gates"]]).data_vars) == {
        "nodes",
        "slope",
        "slope_error",
        "explained",
        "fitted",
    }


def test_bad_input_is_named(removed, drawn):
    with pytest.raises(
        ValueError, match=r"sweep must have the coordinate 'layer' along the dimension 'node', got .*\['node'\]"
    ):
        layers.summary(removed.drop_vars("layer"))
    with pytest.raises(TypeError, match="sweep must be an xarray.Dataset, got ndarray"):
        layers.summary(np.ones(3))
    with pytest.raises(ValueError, match="full_loss must be a number"):
        layers.summary(removed.drop_attrs())
    with pytest.raises(ValueError, match="quantiles must be numbers between 0 and 1"):
        layers.removals(removed, quantiles=(2,))
    with pytest.raises(ValueError, match="sweep must be single removals, or draws with gates or gate gradients, got"):
        layers.summary(drawn[["loss"]].assign_coords(drawn.coords))
    with pytest.raises(ValueError, match="gates of independent draws, .* got .*'step', 'node'"):
        layers.slopes(drawn.rename(draw="step"))
    with pytest.raises(ValueError, match="variable must be one of .*, got 'gates'"):
        layers.gradients(drawn, variable="gates")
    with pytest.raises(ValueError, match="summary must be one by analysis.layers.summary"):
        layers.layer_table(layers.summary(removed)[["nodes"]])
    with pytest.raises(ValueError, match="most must be at least 1, got 0"):
        layers.node_table(removed, most=0)


class TestTables:
    def test_names_are_escaped_and_rows_are_layers(self, removed, tmp_path):
        table = layers.layer_table(layers.summary(removed))
        latex, csv = (path.read_text(encoding="utf-8") for path in table.write(tmp_path))
        assert r"blocks\_1/attention & \ensuremath{2}" in latex and "blocks_1/attention" in csv
        assert r"\toprule" in latex and "blocks_1" not in latex.partition("\n")[2]
        cells = {column.key: column.values for column in table.columns}
        assert cells["layer"] == ["stem", "blocks_1/attention", "a"]
        assert cells["largest_node"][1] in ("head 0", "head 1") and "unknown" not in cells
        removed["loss"][0] = np.nan
        assert layers.layer_table(layers.summary(removed)).columns[-1].values == [1, 0, 0]

    def test_draws_have_a_row_for_each_probability_and_errors(self, drawn):
        data = layers.summary(drawn)
        columns = {column.key: column for column in layers.layer_table(data).columns}
        assert columns["probability"].values == [0.5] * 3 + [0.9] * 3
        assert columns["layer"].values == [*data["layer"].values] * 2
        np.testing.assert_array_equal(columns["slope"].errors, data["slope_error"].values.ravel())
        assert "probability" not in [c.key for c in layers.layer_table(data.isel(probability=0, drop=True)).columns]

    def test_of_many_nodes_both_ends_are_named(self, removed):
        order = np.argsort(-removed["loss"].values)
        few = {column.key: column.values for column in layers.node_table(removed).columns}
        assert few["node"] == [str(removed["node"].values[node]) for node in order] and "rank" not in few
        removed["loss"][order[5]] = np.nan
        table = layers.node_table(removed, most=2)
        cells = {column.key: column.values for column in table.columns}
        assert cells["rank"] == [1, 2, 10, 11]
        assert cells["node"] == [str(removed["node"].values[node]) for node in order[[0, 1, -2, -1]]]
        assert "the 2 costliest and the 2 cheapest removals of 12" in table.caption
        assert r"\_" in layers.node_table(removed).to_latex()


def test_names_are_shortened_without_confusion():
    assert short_paths(["layers/0", "layers/1"]) == (["layers/0", "layers/1"], "")
    assert short_paths(["net/a/attention_output", "net/a/b"]) == (["attention_output", "b"], "net/a/")
    same = ["x" * 30 + "1" + "y" * 30, "x" * 30 + "2" + "y" * 30]
    assert short_paths(same) == (same, "")
    assert len(cut_middle("a" * 99, 20)) == 20 and cut_middle("abc", 3) == "abc"
    assert listed_nodes(["b head 1", "b head 2", "a unit 0"], ", ") == "b head 1, 2; a unit 0"
