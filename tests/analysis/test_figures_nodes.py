"""Figures of nodes by layer: every node is where its change is, names fit, and nothing leaves the picture."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from analysis import layers
from analysis.figures import _names, gradients, nodes, removal, style
from analysis.figures import layers as by_layer
from tests import drawing
from tests.analysis import synthetic_model

LONG = (
    ("encoder/blocks/0/attention", "head", 4),
    ("encoder/blocks/1/attention", "head", 4),
    ("encoder/out", "unit", 3),
)


def names(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def assert_inside(figure, tmp_path):
    style.save(figure, tmp_path, "figure")
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    # Letters are a little wider on the screen than in the files; 0.02 inches are 1.4 points.
    assert box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < width + 0.02 and box.y1 < height + 0.02


def test_few_nodes_are_bars_under_the_names_of_their_layers(tmp_path):
    data = synthetic_model.leave_one_out(LONG)
    data["loss"][5] = np.nan
    ax = nodes.effects(data)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(np.delete(data["loss"].values, 5) - 0.4)
    assert names(ax) == [f"head {i}" for i in range(4)] * 2 + [f"unit {i}" for i in range(3)]
    assert [text.get_text() for text in ax.texts] == ["×", *(name for name, _, _ in LONG)]
    assert ax.get_xlabel() == "change of the loss, node off (nats)"
    assert_inside(ax.figure, tmp_path)


def test_many_nodes_are_points_in_the_strip_of_their_layer(tmp_path):
    layout = (("encoder/blocks/0/attention", "head", 4), ("encoder/blocks/1/mlp", "unit", 900))
    data = synthetic_model.leave_one_out(layout)
    data["loss"][10] = np.inf
    ax = nodes.effects(data, variable="log_loss", ax=Figure(figsize=(3.4, 2.4), layout="constrained").subplots())
    change = np.log(data["loss"].values / 0.4)
    for strip, members in zip(ax.collections[::2], (slice(0, 4), slice(4, None)), strict=True):
        expected = change[members]
        np.testing.assert_allclose(strip.get_offsets()[:, 0], expected[np.isfinite(expected)])
        assert np.abs(strip.get_offsets()[:, 1] - np.round(strip.get_offsets()[:, 1].mean())).max() <= 0.35
    assert names(ax) == ["0/attention (4)", "1/mlp (900)"] and ax.get_ylabel() == "layer enco…blocks/… (nodes)"
    finite = np.where(np.isfinite(change), change, -np.inf)
    assert [text.get_text() for text in ax.texts] == [
        f"head {finite[:4].argmax()}",
        "× 1",
        f"unit {finite[4:].argmax()}",
    ]
    assert ax.get_xscale() == "asinh"
    assert_inside(ax.figure, tmp_path)


def test_a_heat_map_has_a_row_for_each_layer_of_a_kind(tmp_path):
    layout = (*LONG[:1], ("encoder/mid", "unit", 3), ("encoder/blocks/1/attention", "head", 2))
    data = synthetic_model.leave_one_out(layout)
    ax = nodes.grid(data, kind="head")
    table = ax.images[0].get_array()
    change = 1000 * (data["loss"].values - 0.4)
    np.testing.assert_allclose(table[0], change[:4])
    np.testing.assert_allclose(table[1, :2], change[7:])
    assert np.ma.getmaskarray(table)[1, 2:].all() or np.isnan(table[1, 2:]).all()
    low, high = ax.images[0].get_clim()
    assert low == -high == -np.abs(change[[*range(4), 7, 8]]).max()
    written = [text.get_text() for text in ax.texts]
    assert written[0] == f"{change[0]:.0f}".replace("-", "−") and len(written) == 6
    assert ax.get_xlabel() == "head that is off" and names(ax) == ["0/attention", "1/attention"]
    bar = ax.figure.axes[1]
    assert bar.get_xlabel() == "change of the loss, node off ($10^{-3}$ nats)"
    assert_inside(ax.figure, tmp_path)
    with pytest.raises(ValueError, match=r"kind must be one of head, unit, got None"):
        nodes.grid(data)
    wide = nodes.grid(synthetic_model.leave_one_out((("a", "unit", 300), ("b", "unit", 300))))
    assert not wide.texts and wide.figure.get_size_inches()[0] == style.DOUBLE


def test_a_layer_may_have_nodes_of_several_kinds():
    layout = (("blocks/0", "head", 2), ("blocks/0", "unit", 3), ("blocks/1", "head", 2))
    data = synthetic_model.leave_one_out(layout)
    change = 1000 * (data["loss"].values - 0.4)
    np.testing.assert_allclose(nodes.grid(data, kind="head").images[0].get_array(), change[[[0, 1], [5, 6]]])
    np.testing.assert_allclose(nodes.grid(data, kind="unit").images[0].get_array(), change[None, 2:5])


def test_layers_show_spread_or_errors(tmp_path):
    single, drawn = layers.summary(synthetic_model.leave_one_out()), layers.summary(synthetic_model.draws())
    ax = by_layer.summary(single)
    medians = single["change_quantile"].sel(quantile=0.5)
    np.testing.assert_array_equal(ax.get_lines()[0].get_xdata(), medians)
    np.testing.assert_array_equal(ax.get_lines()[1].get_xdata(), single["mean_change"])
    figure = by_layer.overview(drawn)
    left, right = figure.axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["$p$ = 0.5", "$p$ = 0.9"]
    total = drawn["log_loss_gradient_mean"] * drawn["nodes"]
    np.testing.assert_allclose(right.get_lines()[0].get_xdata(), total.isel(probability=0))
    ends = np.array([part[:, 0] for part in left.collections[0].get_segments()])
    half = by_layer._COVERS * drawn["log_loss_gradient_mean_error"].isel(probability=0)
    np.testing.assert_allclose((ends[:, 1] - ends[:, 0]) / 2, half)
    assert_inside(figure, tmp_path)
    with pytest.raises(ValueError, match=r"variable must be one of change, log_change, got 'slope'"):
        by_layer.summary(single, variable="slope")
    with pytest.raises(ValueError, match="per must be one of node, layer, got 'net'"):
        by_layer.summary(drawn, per="net")
    with pytest.raises(ValueError, match="variable must be one of loss, log_loss, got 'sign'"):
        nodes.effects(synthetic_model.leave_one_out(), variable="sign")


def test_older_figures_cope_with_long_names_and_many_nodes(tmp_path):
    ax = removal.leave_one_out(synthetic_model.leave_one_out())
    assert ax.get_xlabel() == "nodes, the costliest first"
    assert all(text.get_text().isdigit() for text in ax.get_xticklabels()[1:-1])
    figure = gradients.by_node(synthetic_model.draws(), variable="log_loss_gradient", nodes=[0, 3, 10])
    assert [ax.get_title(loc="left") for ax in figure.axes][0] == "blocks/0/attention\nhead 0"
    assert_inside(figure, tmp_path)
    few = removal.leave_one_out(synthetic_model.leave_one_out((("a/" * 20, "head", 3), ("b", "unit", 3))))
    assert max(len(text.get_text()) for text in few.get_xticklabels()) == _names.LETTERS


def test_removal_paths_begin_with_all_nodes_on_and_end_with_none():
    steps = {"step": np.arange(4)}
    one = xr.Dataset({"loss": ("step", [0.1, 0.2, 0.4, 3.0], {"units": "bits"})}, steps)
    two = xr.Dataset({"loss": (("step", "network"), np.array([[1, 2], [2, 3], [3, 5], [4, 5.0]]))}, steps)
    ax = removal.paths({"_one": one, "two": two})
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.1, 0.2, 0.4, 3.0], [1.5, 2.5, 4.0, 4.5]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [" _one", "two"]
    assert (ax.get_ylabel(), ax.get_yscale(), ax.get_xlim()) == ("loss (bits)", "log", (0, 3))
    assert len(drawing.bands(ax)) == 1 and drawing.bands(ax)[0] > 0
    shares = xr.Dataset({"accuracy": ("step", [1.0, 0.5])}, {"step": [0, 1]})
    assert removal.paths({"one": shares}, quantity="accuracy").get_ylabel() == "accuracy (%)"
    with pytest.raises(ValueError, match="paths must be one or more, got none"):
        removal.paths({})
    with pytest.raises(ValueError, match=r"paths\['one'\] must have the variable 'loss'"):
        removal.paths({"one": shares})


def test_a_prediction_far_off_leaves_the_measured_loss_in_sight():
    lines = {"loss": [1.0, 2.0, 1.5], "first_order": [-50.0, 0.0, 1.5], "second_order": [99.0, 2.0, 1.5]}
    curve = xr.Dataset({name: ("gain", values) for name, values in lines.items()}, {"gain": [0, 0.5, 1]})
    ax = removal.gain(curve.assign_attrs(node="$x"))
    assert ax.get_ylim() == pytest.approx((0.85, 2.15)) and ax.get_xlabel() == r"gain of \$x"
