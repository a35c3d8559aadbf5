"""Figures of the input plane: what is drawn is what the maps hold."""

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from analysis import perceptron, plane
from analysis.figures import plane as figures
from analysis.figures import style
from tests.analysis.synthetic_network import stored

TASK = xr.Dataset(
    {"test_inputs": (("test_example", "feature"), [[0.1, 0.2], [0.9, 0.9]]), "test_targets": ("test_example", [0, 1])},
    attrs={"name": "circle", "radius": 0.8},
)


@pytest.fixture(scope="module")
def maps():
    grid = plane.grid(points=9)
    return plane.maps(perceptron.from_dataset(stored()), grid, classes=plane.true_classes(TASK, grid))


def test_certainty(maps):
    ax = figures.certainty(maps, task=TASK)
    np.testing.assert_array_equal(ax.images[0].get_array(), maps.certainty)
    # Pixels are centred on their points.
    assert ax.images[0].get_extent() == [-2.25, 2.25, -2.25, 2.25]
    assert ax.patches[0].get_radius() == 0.8
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[0.1, 0.2]], [[0.9, 0.9]]]
    assert ax.get_xlabel() == "first input"


def test_loss_is_cut_off_below(maps):
    ax = figures.loss(maps, task=TASK)
    assert ax.images[0].get_array().min() >= figures.LOWEST_LOSS
    assert ax.figure.axes[1].get_ylabel() == "loss (nats)"


def test_overview_has_letters(maps):
    assert [ax.get_title("left") for ax in figures.overview(maps, task=TASK).axes[:2]] == ["(a)", "(b)"]


def test_a_panel_for_each_node_on_one_scale(maps):
    figure = figures.nodes(maps, labels=[f"layers/0 unit {node}" for node in range(7)], task=TASK, columns=3)
    panels = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title("left") for ax in panels] == [f"node {node}" for node in range(7)]
    for node, ax in enumerate(panels):
        np.testing.assert_array_equal(ax.images[0].get_array(), maps.gate_gradient[node])
    assert len({ax.images[0].get_clim() for ax in panels}) == 1
    low, high = panels[0].images[0].get_clim()
    assert low == -high
    # Blue, more blue than red, is below zero: there the node helps.
    blue, yellow = style.HELPS(0.0), style.HELPS(1.0)
    assert blue[2] > blue[0] and yellow[0] > yellow[2]


def test_a_panel_for_each_mask(maps):
    figure = figures.masks({"full": maps, "again": maps}, task=TASK)
    assert [ax.get_title("left") for ax in figure.axes[:2]] == ["full", "again"]


def test_an_animation_has_a_frame_an_epoch(maps, tmp_path):
    frames = [maps.assign_coords(epoch=epoch).assign(certainty=maps.certainty**epoch) for epoch in (1, 2, 4)]
    path = figures.animation(frames, tmp_path / "new" / "training.gif", task=TASK)
    with Image.open(path) as film:
        shown = []
        for number in range(film.n_frames):
            film.seek(number)
            shown.append(np.asarray(film.convert("L"), float))
    assert len(shown) == 3
    left, _, right = np.split(shown[0], [60, 330], axis=1)
    for frame in shown:
        # Labels, ticks and the bar of colours stand still, and nothing is cut at an edge.
        np.testing.assert_array_equal(frame[40:, :60], left[40:])
        np.testing.assert_array_equal(frame[:, 330:], right)
        assert min(edge.min() for edge in (frame[0], frame[-1], frame[:, 0], frame[:, -1])) > 250


def test_errors_say_what_was_expected(maps, tmp_path):
    with pytest.raises(ValueError, match="labels must be one for each of the 7 nodes, got 2"):
        figures.nodes(maps, labels=["one", "two"])
    with pytest.raises(ValueError, match="maps must be one mask or more"):
        figures.masks({})
    with pytest.raises(ValueError, match=r"path: a .gif file, got 1 and film.mov"):
        figures.animation([maps], tmp_path / "film.mov")
    with pytest.raises(ValueError, match="certainty"):
        figures.certainty(maps.drop_vars("certainty"))
