"""Figures of the whole cube and of flip paths: what is drawn is what was computed."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from analysis import hypercube
from analysis import paths as statistics
from analysis.figures import _axes, cube, masks, paths, spectrum, style

NODES = 6
RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=2**NODES)
ORDER = RANDOM.permuted(np.tile(np.arange(NODES), (200, 1)), axis=1)
START = RANDOM.integers(0, 2**NODES, (200, 1))
WALKS = np.concatenate([START, START ^ np.bitwise_xor.accumulate(1 << ORDER, axis=1)], axis=1)
SAMPLED = statistics.covariance(VALUES[WALKS])
EXACT = hypercube.covariance_by_distance(VALUES)

DRAWN = {
    "heat map": lambda ax=None: paths.covariance(SAMPLED, ax=ax),
    "exact heat map": lambda ax=None: paths.covariance(statistics.exact(VALUES), ax=ax),
    "ends": lambda ax=None: paths.ends(SAMPLED, exact=EXACT, ax=ax),
    "order": lambda ax=None: spectrum.variance_by_order(VALUES, ax=ax),
    "distance": lambda ax=None: spectrum.covariance_by_distance(VALUES, ax=ax),
    "probability": lambda ax=None: spectrum.against_probability(VALUES, ax=ax),
    "size": lambda ax=None: masks.by_size(VALUES, ax=ax),
    "nodes": lambda ax=None: masks.node_values(VALUES, ax=ax),
    "cube": lambda ax=None: cube.path(ax=ax),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_draws_into_the_given_axes_and_leaves_no_trace(name):
    before = dict(mpl.rcParams)
    ax = Figure().subplots()
    assert DRAWN[name](ax) is ax
    new = DRAWN[name]()
    assert new is not ax and isinstance(new.figure, Figure)
    assert name == "cube" or (new.get_xlabel() and new.get_ylabel())
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_off(name, tmp_path):
    ax = DRAWN[name]()
    figure = _axes.figure_of(ax)
    style.save(figure, tmp_path, "figure")
    box = figure.get_tightbbox()  # in inches
    width, height = figure.get_size_inches()
    assert box.x0 > -0.01 and box.y0 > -0.01 and box.x1 < width + 0.01 and box.y1 < height + 0.01


def test_the_heat_map_is_the_matrix_with_white_at_zero():
    ax = DRAWN["heat map"]()
    image = ax.images[0]
    np.testing.assert_array_equal(image.get_array(), SAMPLED["covariance"])
    low, high = image.get_clim()
    assert low == -high == -np.abs(SAMPLED["covariance"].values).max()
    assert paths.covariance(SAMPLED * 0).images[0].get_clim() == (-1, 1)


def test_both_ends_have_bands_of_their_errors_and_the_exact_curve():
    ax = DRAWN["ends"]()
    lines = {text.get_text(): line for text, line in zip(ax.get_legend().get_texts(), ax.get_lines()[1:], strict=True)}
    assert list(lines) == ["with the start", "with the end", "exact"]
    wanted = (SAMPLED["from_start"], SAMPLED["from_end"], EXACT)
    for line, curve in zip(lines.values(), wanted, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), curve)
    for band, name in zip(ax.collections, ("from_start", "from_end"), strict=True):
        edge = band.get_paths()[0].vertices[:, 1]
        for sign in (-1, 1):
            reach = SAMPLED[name] + sign * 1.96 * SAMPLED[f"{name}_error"]
            assert all(np.abs(edge - y).min() < 1e-12 for y in reach.values)
    assert len(paths.overview(SAMPLED, exact=EXACT).axes) == 3


def test_bars_are_shares_of_the_variance():
    weights = hypercube.variance_by_order(VALUES, probability=0.3)
    ax = spectrum.variance_by_order(VALUES, probability=0.3)
    heights = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in ax.patches}
    assert heights == pytest.approx({k: weights[k] / weights.sum() for k in range(1, NODES + 1)})
    additive = np.bitwise_count(np.arange(8)).astype(float)
    assert [text.get_text() for text in spectrum.variance_by_order(additive).texts] == ["100.0%"]
    assert len(spectrum.variance_by_order(np.ones(8)).patches) == 3


def test_curves_are_exact_and_samples_are_dots():
    ax = DRAWN["distance"]()
    np.testing.assert_array_equal(ax.get_lines()[1].get_ydata(), EXACT)
    assert ax.child_axes[0].get_ylabel() == "correlation"
    assert not spectrum.covariance_by_distance(np.zeros(4)).child_axes
    sampled = xr.Dataset(
        {"mean": ("probability", [0.1, 0.2]), "sd": ("probability", [1.0, 2.0])}, coords={"probability": [0.25, 0.75]}
    )
    ax = spectrum.against_probability(VALUES, sampled=sampled, quantity="loss (nats)")
    chance, mean = ax.get_lines()[0].get_data()
    np.testing.assert_array_equal(mean, hypercube.moments(VALUES, probability=chance).mean)
    assert ax.get_ylabel() == "loss (nats)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["mean, exact", "mean ± sd, exact", "sampled"]
    with pytest.raises(ValueError, match="sampled must have the variable 'sd'"):
        spectrum.against_probability(VALUES, sampled=sampled[["mean"]])


def test_best_and_greedy_masks_are_where_they_should_be():
    ax = DRAWN["size"]()
    curves = {line.get_marker(): line.get_data() for line in ax.get_lines()}
    np.testing.assert_array_equal(curves["o"][1], hypercube.best_masks(VALUES).value)
    np.testing.assert_array_equal(curves["^"][1], hypercube.worst_masks(VALUES).value)
    np.testing.assert_array_equal(curves["s"], (np.arange(NODES, -1, -1), hypercube.greedy_removal(VALUES).value))


def test_bars_of_nodes_are_sorted_and_labelled():
    ax = masks.node_values(VALUES, labels=[f"layers/0 unit {i}" for i in range(NODES)])
    shapley = hypercube.shapley(VALUES)
    order = np.argsort(shapley)
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_array_equal(heights[:NODES], shapley[order])
    np.testing.assert_array_equal(heights[NODES:], hypercube.banzhaf(VALUES)[order])
    assert [text.get_text() for text in ax.get_xticklabels()] == [str(i) for i in order]
    assert ax.get_xlabel() == "node (layers/0 unit)"
    with pytest.raises(ValueError, match="labels must be one for each of the 6 nodes, got 2"):
        masks.node_values(VALUES, labels=["a", "b"])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("start", list(itertools.product((0, 1), repeat=3)))
def test_every_path_across_the_cube_flips_one_node_a_step(start, order):
    ax = cube.path(start=start, order=order)
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    ends = [tuple(np.asarray(arrow._posA_posB).tolist()) for arrow in arrows]
    assert [np.subtract(*end[::-1]).round(9).tolist() for end in ends] == [
        (cube._EDGES[node] * (1 - 2 * start[node])).round(9).tolist() for node in order
    ]
    red = {text.get_text() for text in ax.texts if text.get_color() == cube._RED}
    assert len(red) == 4
    assert {"".join(map(str, start)), "".join(str(1 - gate) for gate in start)} < red


def test_labels_of_the_cube_do_not_overlap_each_other_or_a_corner():
    ax = cube.path()
    figure = _axes.figure_of(ax)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 8 + 3
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    dots = [ax.transData.transform(np.ravel(line.get_data())) for line in ax.get_lines() if line.get_marker() == "o"]
    assert len(dots) == 8
    assert not any(box.contains(*dot) for box in boxes for dot in dots)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0, 1), (0, 1, 2)), r"start must be three gates, each 0 or 1, got \(0, 1\)"),
        (((0, 1, 2), (0, 1, 2)), r"start must be three gates, each 0 or 1, got \(0, 1, 2\)"),
        (((0, 1, 0), (0, 1, 1)), r"order must be the nodes 0, 1 and 2 in some order, got \(0, 1, 1\)"),
    ],
)
def test_paths_that_are_none_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        cube.path(start=arguments[0], order=arguments[1])
