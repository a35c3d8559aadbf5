"""The drawing of a network: what is drawn is what the network and its gates say."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from analysis import perceptron
from analysis.figures import _graph_drawing, _graph_layout, graph, style
from analysis.figures.graph import Panel
from tests.analysis.synthetic_network import stored

NET = perceptron.from_dataset(stored())  # 2-4-3-2
COLUMNS = [_graph_layout.Column(np.arange(size), np.arange(0)) for size in (2, 4, 3, 2)]


def edges(ax):
    return [one for one in ax.collections if isinstance(one, PathCollection) and len(one.get_paths()[0].vertices) == 4]


def drawn(ax):
    """Every edge: places of its ends, colour, width, dashes."""
    found = {}
    for some in edges(ax):
        looks = zip(some.get_paths(), some.get_linewidths(), some.get_linestyles(), strict=True)
        for number, (path, width, (_, dashes)) in enumerate(looks):
            colors = some.get_edgecolors()
            ends = *path.vertices[0], *path.vertices[-1]
            found[tuple(map(float, ends))] = to_hex(colors[number % len(colors)]).upper(), width, dashes is not None
    return found


def words(ax):
    return [text.get_text() for text in ax.texts]


def ends_of(layer, left, right, columns=COLUMNS):
    heights = _graph_layout.places(columns)
    return float(layer), float(heights[layer][left]), layer + 1.0, float(heights[layer + 1][right])


def test_every_weight_is_an_edge_as_wide_as_it_is_large_and_dashed_below_zero():
    ax = Figure().subplots()
    assert graph.network(stored(), ax=ax) is ax
    found, largest = drawn(ax), max(np.abs(kernel).max() for kernel in NET.kernels)
    assert len(found) == sum(kernel.size for kernel in NET.kernels)
    low, high = _graph_drawing.WIDTHS
    for layer, kernel in enumerate(NET.kernels):
        for (left, right), weight in np.ndenumerate(kernel):
            color, width, dashed = found[ends_of(layer, left, right)]
            assert (color, dashed) == ((style.BLUE, False) if weight > 0 else (style.VERMILLION, True))
            assert width == pytest.approx(low + (high - low) * abs(weight) / largest)


def test_gates_scale_what_leaves_a_node_and_turn_it_grey_with_its_edges():
    gates = [1, 0, 0.5, 1, 1, 1, 0]
    ax = graph.network(NET, gates=gates)
    found, largest = drawn(ax), max(np.abs(kernel).max() for kernel in NET.kernels)
    low, high = _graph_drawing.WIDTHS
    for (left, right), weight in np.ndenumerate(NET.kernels[1]):
        color, width, _ = found[ends_of(1, left, right)]
        if left == 1 or right == 2:
            assert color == style.LIGHT_GREY
        else:
            assert color != style.LIGHT_GREY
            assert width == pytest.approx(low + (high - low) * abs(weight) * gates[left] / largest)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [
        "inputs\n2",
        "hidden 1\n3 of 4",
        "hidden 2\n2 of 3",
        "outputs\n2",
    ]
    # What is on in a node: its area is the gate's share of that of a node that is on.
    areas = np.concatenate([one.get_sizes() for one in ax.collections if one not in edges(ax)])
    assert min(areas) == pytest.approx(max(areas) / 2)
    entries = [text.get_text() for text in ax.get_legend().get_texts()]
    assert entries[:4] == ["partly on", "off, with its edges", "weight above 0", "below 0"]


def test_each_node_keeps_its_strongest_edge_before_any_gets_a_second():
    strength = np.array([[9.0, 8.0, 7.0], [1.0, 2.0, 3.0], [0.5, 0.0, 0.4]])
    left, right = _graph_layout.edges(strength, 5)
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == {(0, 0), (0, 1), (0, 2), (1, 2), (2, 0)}
    assert (np.diff(strength[left, right]) >= 0).all()  # the strongest is drawn last, on top
    assert len(_graph_layout.edges(strength, 99)[0]) == 8  # a zero is no edge
    ax = graph.network(NET, most=4)
    assert sum(len(one.get_paths()) for one in edges(ax)) == 3 * 4
    assert "4 of 12\nedges" in words(ax)
    assert not any("edges" in text for text in words(graph.network(NET)))  # all of them are there


def test_long_layers_show_the_nodes_that_matter_most_and_count_the_others():
    net = stored((3, 30, 2))
    values = np.random.default_rng(0).permutation(30) - 12.0
    ax = graph.network(net, gates=np.arange(30) % 2, values=values, quantity="cost", shown=6)
    most = np.sort(np.argsort(-np.abs(values), kind="stable")[:6])
    numbers = [int(text) for text in words(ax) if text.isdigit()]
    assert numbers == [0, 1, 2, *most, 0, 1]
    rest = np.setdiff1d(np.arange(30), most)
    assert f"and 24 more,\n{np.count_nonzero(rest % 2 == 0)} off" in words(ax)
    squares = [len(one.get_offsets()) for one in ax.collections if one.get_linewidths()[0] == 0.3]
    assert sum(squares) == 24
    assert [one.get_ylabel() for one in ax.figure.axes] == ["", "cost"]


def test_without_values_the_largest_weights_in_and_out_decide():
    kernels = np.ones((1, 3)), np.array([[1.0], [9.0], [5.0]])
    net = perceptron.Perceptron(kernels, (np.zeros(3), np.zeros(1)), "relu", "identity")
    (_, hidden, _) = _graph_layout.columns([_graph_layout.importance(net)], 2)
    assert hidden.drawn.tolist() == [1, 2] and hidden.rest.tolist() == [0]


def test_layers_are_columns_with_the_first_node_on_top():
    for column in _graph_layout.places(COLUMNS):
        assert (np.diff(column) < 0).all()
        assert column.mean() == pytest.approx(0)


def test_panels_share_nodes_roles_and_widths():
    roles = ["bias"] * 3 + ["cut"] * 4
    figure = graph.overview(
        {"all": Panel(NET, None, roles), "some": Panel(stored(seed=1), [1, 0, 1, 1, 1, 1, 1], roles)}
    )
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    largest = max(np.abs(stored(seed=seed)[f"layers.{n}.kernel"]).max() for seed in (0, 1) for n in range(3))
    assert entries == ["bias", "cut", "off, with its edges", "weight above 0", "below 0"] + [
        f"size {share * float(largest):.2g}" for share in (0.2, 1)
    ]
    assert [ax.get_title("left") for ax in figure.axes] == ["(a) all", "(b) some"]


def test_a_large_network_is_a_small_file(tmp_path):
    ax = graph.network(stored((64, 200, 10)), gates=np.arange(200) % 4 > 0, values=np.arange(200.0), quantity="removal")
    assert all(path.stat().st_size < 200_000 for path in style.save(ax.figure, tmp_path, "graph"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"gates": [1, 0]}, r"gates must have shape \(7,\), one gate a node, got \(2,\)"),
        ({"gates": [2] * 7}, "gates must be numbers between 0 and 1, got 2.0 among them"),
        ({"values": [1.0]}, r"values must have shape \(7,\), one value a node, got \(1,\)"),
        ({"values": list("abcdefg")}, "values must be 6 roles or fewer, got 7"),
        ({"outputs": ["in"]}, "outputs must"),
        ({"most": 0}, "most must be at least 1, got 0"),
        ({"shown": 0}, "shown must be at least 1, got 0"),
    ],
)
def test_errors_say_what_was_expected(arguments, words):
    with pytest.raises(ValueError, match=words):
        graph.network(NET, **arguments)


def test_panels_must_be_of_one_structure():
    with pytest.raises(ValueError, match="panels must be one or more, got none"):
        graph.overview({})
    with pytest.raises(ValueError, match="panels must be networks of one structure"):
        graph.overview({"one": Panel(NET), "other": Panel(stored((2, 3, 2)))})


def test_the_legend_leaves_the_words_on_edges_free():
    ax = graph.network(NET, most=4)
    ax.figure.canvas.draw()
    top = ax.get_legend().get_window_extent().y1
    assert all(text.get_window_extent().y0 > top for text in ax.texts if "edges" in text.get_text())
