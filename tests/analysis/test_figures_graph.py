"""The drawing of a network: what is drawn is what the network and its gates say."""

import sys

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from analysis import perceptron
from analysis.figures import graph, style
from tests.analysis.synthetic_network import stored

pytest.importorskip("networkx")
NET = perceptron.from_dataset(stored())  # 2-4-3-2


def lines(ax):
    return [one for one in ax.collections if isinstance(one, LineCollection)]


def nodes(ax):
    return [one for one in ax.collections if not isinstance(one, LineCollection)]


def test_every_weight_is_an_edge_as_wide_as_it_is_large():
    ax = Figure().subplots()
    assert graph.network(stored(), ax=ax) is ax
    columns = graph.positions([2, 4, 3, 2])
    for layer, (kernel, found) in enumerate(zip(NET.kernels, lines(ax), strict=True)):
        segments, widths, colors = found.get_segments(), found.get_linewidths(), found.get_colors()
        assert len(segments) == kernel.size
        low, high = graph.WIDTHS
        for segment, width, color in zip(segments, widths, colors, strict=True):
            one = np.flatnonzero((columns[layer] == segment[0]).all(axis=1)).item()
            other = np.flatnonzero((columns[layer + 1] == segment[1]).all(axis=1)).item()
            weight = kernel[one, other]
            assert width == pytest.approx(low + (high - low) * abs(weight) / np.abs(kernel).max())
            assert tuple(color[:3]) == to_rgba(style.BLUE if weight > 0 else style.VERMILLION)[:3]


def test_gates_show_on_nodes_and_edges():
    gates = [1, 0, 0.5, 1, 1, 1, 0]
    ax = graph.network(NET, gates)
    faces = [float(one[0]) for one in nodes(ax)[1].get_facecolors()]
    assert faces[0] == 0 and faces[1] == 1 and 0.3 < faces[2] < 0.7
    # Two of four nodes keep their weight whole, one half of it; of three nodes one receives none.
    assert [len(one.get_segments()) for one in lines(ax)] == [2 * 3, 3 * 2, 2 * 2]
    carried = np.abs(NET.kernels[1] * np.array([1, 0, 0.5, 1])[:, None] * [1, 1, 0])
    widths = np.sort(lines(ax)[1].get_linewidths())
    low, high = graph.WIDTHS
    np.testing.assert_allclose(widths, np.sort(low + (high - low) * carried[carried > 0] / carried.max()))


def test_only_the_strongest_edges_of_a_layer_are_drawn():
    ax = graph.network(NET, most=5)
    assert [len(one.get_segments()) for one in lines(ax)] == [5, 5, 5]
    assert lines(graph.network(NET, np.zeros(7))) == []


def test_layers_are_columns_with_the_first_node_on_top():
    columns = graph.positions([2, 9, 1])
    for place, column in enumerate(columns):
        assert (column[:, 0] == place).all()
        assert (np.diff(column[:, 1]) < 0).all()
        assert column[:, 1].mean() == pytest.approx(0)
    assert columns[1][0, 1] == 1 and columns[1][-1, 1] == -1


def test_an_overview_explains_what_is_there():
    figure = graph.overview(NET, {"all": np.ones(7), "some": [1, 0, 1, 1, 1, 1, 1]})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "on",
        "off",
        "weight above 0",
        "weight below 0",
    ]
    assert [ax.get_title("left") for ax in figure.axes] == ["(a) all", "(b) some"]
    partial = graph.overview(NET, {"some": [0.5] * 7})
    assert "partly on" in [text.get_text() for text in partial.legends[0].get_texts()]


def test_errors_say_what_was_expected(monkeypatch):
    with pytest.raises(ValueError, match=r"gates must have shape \(7,\), one gate a node, got \(2,\)"):
        graph.network(NET, [1, 0])
    with pytest.raises(ValueError, match="gates must be numbers between 0 and 1, got 2.0 among them"):
        graph.network(NET, [2] * 7)
    with pytest.raises(ValueError, match="most must be at least 1, got 0"):
        graph.network(NET, most=0)
    with pytest.raises(ValueError, match="gates must be one vector or more"):
        graph.overview(NET, {})
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match=r"pip install 'gatesweep\[graph\]'"):
        graph.network(NET)
