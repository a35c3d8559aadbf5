"""A network drawn as a graph with its gates: layers as columns, numbered nodes, the strongest weights as edges."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import BoundaryNorm, Colormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from analysis import _checks, perceptron
from analysis._errors import InputError
from analysis.figures import _axes, _graph_layout, _names, style
from analysis.figures._graph_layout import SLOT, SQUARES, Column, Floats, curve, height, places, squares
from analysis.perceptron import Perceptron

__all__ = ["Panel", "network", "overview"]

#: Nodes of a layer that are drawn one by one, and edges between two layers, at most.
_NODES, _EDGES = 20, 40
#: Widths of an edge of no size and of the strongest edge of a figure, in points.
_WIDTHS = (0.3, 2.2)
#: Steps of a scale of colours, at most.
_STEPS = 8
#: Shapes of roles, and their sizes.
_SHAPES = {"o": 1.0, "s": 0.86, "D": 0.74, "h": 1.05, "p": 1.05, "8": 1.0}
_COLORS = (style.SKY, style.ORANGE, style.GREEN, style.PINK, style.BLUE, style.VERMILLION)
_PLAIN, _OFF = "#D0D0D0", "#B5B5B5"
_SIGNS: dict[bool, Any] = {True: (style.BLUE, "-"), False: (style.VERMILLION, (0, (3, 1.2)))}
_SMALL: Any = {"ha": "center", "fontsize": 6.5}


class Panel(NamedTuple):
    """One network of a figure.

    Attributes
    ----------
    network : Perceptron or xarray.Dataset
        The network, or a run's group ``network``.
    gates : array_like, (nodes,), optional
        How far the gate of each node is open, from 0 to 1, layer after layer; all on when left out.
    values : array_like, (nodes,), optional
        Numbers, or names of roles, that give hidden nodes their colour.

    See Also
    --------
    overview : Draws panels.

    Examples
    --------
    >>> from analysis import figures
    >>> kernels = np.ones((2, 3)), np.ones((3, 1))
    >>> net = Perceptron(kernels, (np.zeros(3), np.zeros(1)), "relu", "identity")
    >>> figures.graph.Panel(net, gates=[1, 0, 1]).gates
    [1, 0, 1]
    """

    network: Perceptron | xr.Dataset
    gates: Any = None
    values: Any = None


class _Read(NamedTuple):
    """A panel that was checked; gates and values by layer, inputs and outputs too."""

    network: Perceptron
    levels: list[Floats]
    values: list[np.ndarray] | None


class _Looks(NamedTuple):
    """What all panels of a figure share."""

    columns: list[Column]
    most: int
    largest: float
    roles: list[str]
    scale: ScalarMappable | None
    names: tuple[Sequence[str], Sequence[str]]


def _read(panel: Panel) -> _Read:
    net = perceptron.from_dataset(panel.network) if isinstance(panel.network, xr.Dataset) else panel.network
    _checks.instance("network", net, Perceptron, see="perceptron.from_dataset")
    gates = np.ones(net.nodes) if panel.gates is None else _checks.gates("gates", panel.gates, net.nodes)
    _checks.finite_numbers("gates", gates, 0, 1)
    levels = [np.ones(len(net.kernels[0])), *_graph_layout.by_layer(net, gates), np.ones(net.kernels[-1].shape[1])]
    if panel.values is None:
        return _Read(net, levels, None)
    values = np.asarray(panel.values)
    if values.dtype.kind != "U":
        values = _checks.finite_numbers("values", values)
    if values.shape != (net.nodes,):
        raise InputError(f"values must have shape ({net.nodes},), one value a node, got {values.shape}")
    return _Read(net, levels, _graph_layout.by_layer(net, values))


def _scale(values: Sequence[np.ndarray], cmap: Colormap | None) -> ScalarMappable | None:
    """One scale of colours for the numbers of all panels, in steps, with 0 in the middle if it lies between them."""
    numbers = [one for one in values if one.dtype.kind != "U"]
    if not numbers:
        return None
    low, high = min(one.min() for one in numbers), max(one.max() for one in numbers)
    if low < 0 < high:
        low, high, cmap = -max(-low, high), max(-low, high), cmap or style.HELPS.reversed()
    ends = MaxNLocator(_STEPS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    cmap = cmap or colormaps["cividis_r"]
    return ScalarMappable(BoundaryNorm(ends, cmap.N), cmap)


def _ends(names: Sequence[Sequence[str] | None], panel: _Read) -> tuple[Sequence[str], Sequence[str]]:
    found = []
    for side, given, level in zip(("inputs", "outputs"), names, (panel.levels[0], panel.levels[-1]), strict=True):
        found.append([] if given is None else _checks.names(side, given, len(level)))
    return found[0], found[1]


def _looks(panels: Sequence[_Read], cmap: Colormap | None, inputs: Any, outputs: Any, shown: int, most: int) -> _Looks:
    shown, most = _checks.whole("shown", shown, 1), _checks.whole("most", most, 1)
    if len({tuple(map(len, one.levels)) for one in panels}) > 1:
        raise InputError("panels must be networks of one structure; draw others in figures of their own")
    values = [layer for one in panels if one.values is not None for layer in one.values]
    scale = _scale(values, cmap)
    roles = [] if scale else list(dict.fromkeys(role for layer in values for role in layer.tolist()))
    if len(roles) > len(_SHAPES):
        raise InputError(f"values must be {len(_SHAPES)} roles or fewer, got {len(roles)}")
    columns = _graph_layout.columns(
        [_graph_layout.importance(one.network, one.values if scale else None) for one in panels], shown
    )
    largest = max(np.abs(kernel).max() for one in panels for kernel in one.network.kernels)
    return _Looks(columns, most, float(largest) or 1.0, roles, scale, _ends((inputs, outputs), panels[0]))


def _edges(ax: Axes, panel: _Read, looks: _Looks, layer: int) -> None:
    """Draw the strongest edges between two layers: those that a gate cuts first, in grey."""
    rows, columns = looks.columns[layer].drawn, looks.columns[layer + 1].drawn
    heights = places(looks.columns)[layer : layer + 2]
    kernel = panel.network.kernels[layer]
    # A node that is off passes nothing on, so its incoming edges are cut as well.
    carried = kernel * panel.levels[layer][:, None] * (panel.levels[layer + 1] > 0)
    drawn = np.ix_(rows, columns)
    for weights, cut in ((np.where(carried == 0, kernel, 0)[drawn], True), (carried[drawn], False)):
        left, right = _graph_layout.edges(np.abs(weights), looks.most // 2 if cut else looks.most)
        if not left.size:
            continue
        found = weights[left, right]
        paths = [curve((layer, heights[0][i]), (layer + 1, heights[1][j])) for i, j in zip(left, right, strict=True)]
        share = np.abs(found) / looks.largest
        ax.add_collection(
            PathCollection(
                paths,
                facecolors="none",
                edgecolors=style.LIGHT_GREY if cut else [_SIGNS[weight > 0][0] for weight in found],
                linewidths=0.5 if cut else _WIDTHS[0] + (_WIDTHS[1] - _WIDTHS[0]) * share,
                linestyles=[_SIGNS[weight > 0][1] for weight in found],
                capstyle="butt",
                zorder=1 if cut else 2,
            )
        )
    text = f"{min(looks.most, np.count_nonzero(carried[drawn]))} of\n{np.count_nonzero(carried):,}\nedges"
    below = ScaledTranslation(0, -2 / 72, _axes.figure_of(ax).dpi_scale_trans)
    ax.text(layer + 0.5, 0, text, transform=ax.get_xaxis_transform() + below, va="top", linespacing=0.95, **_SMALL)


def _faces(values: np.ndarray | None, count: int, looks: _Looks) -> tuple[np.ndarray, list[str]]:
    """Colours and shapes of nodes that are on."""
    if values is None:
        return np.tile(to_rgb(_PLAIN), (count, 1)), ["o"] * count
    if looks.scale is not None:
        return looks.scale.to_rgba(values.astype(float))[:, :3], ["o"] * count
    roles = [looks.roles.index(role) for role in values]
    return np.array([to_rgb(_COLORS[role]) for role in roles]), [list(_SHAPES)[role] for role in roles]


def _markers(
    ax: Axes, layer: int, heights: Floats, gates: Floats, faces: np.ndarray, shape: str, diameter: float
) -> None:
    place, area = np.full(len(gates), layer), (_SHAPES[shape] * diameter) ** 2
    look: dict[str, Any] = {"marker": shape, "zorder": 3}
    whole, rings = np.where((gates == 1)[:, None], faces, 1.0), [style.BLACK if gate else _OFF for gate in gates]
    ax.scatter(place, heights, area, whole, edgecolors=rings, linewidths=0.5, **look)
    partly = (gates > 0) & (gates < 1)
    ax.scatter(place[partly], heights[partly], area * gates[partly], faces[partly], linewidths=0, **look)


def _nodes(ax: Axes, panel: _Read, looks: _Looks, layer: int, diameter: float) -> None:
    """Draw nodes: what fills a ring is as large as the gate; one that is off is a grey ring."""
    column, level = looks.columns[layer], panel.levels[layer]
    hidden = 0 < layer < len(panel.levels) - 1
    values = panel.values[layer - 1] if hidden and panel.values is not None else None
    faces, shapes = _faces(values, len(level), looks)
    heights = places(looks.columns)[layer]
    for shape in dict.fromkeys(shapes):
        some = np.array([shapes[node] == shape for node in column.drawn], bool)
        _markers(ax, layer, heights[some], level[column.drawn][some], faces[column.drawn][some], shape, diameter)
    for node, y in zip(column.drawn, heights, strict=True):
        dark = level[node] == 1 and faces[node] @ (0.299, 0.587, 0.114) < 0.5
        color = "white" if dark else style.BLACK if level[node] else "#9A9A9A"
        size = diameter * (0.58 if node < 100 else 0.46)
        ax.text(layer, y, str(node), ha="center", va="center_baseline", fontsize=size, color=color, zorder=5)
    if len(column.rest):
        _rest(ax, looks, level, faces, layer)
    for side, names in zip((0, -1), looks.names, strict=True):
        if names and layer == range(len(panel.levels))[side]:
            _name_ends(ax, looks, names, layer, diameter)


def _name_ends(ax: Axes, looks: _Looks, names: Sequence[str], layer: int, diameter: float) -> None:
    """Name inputs on their left, outputs on their right."""
    side = 1 if layer else -1
    for node, y in zip(looks.columns[layer].drawn, places(looks.columns)[layer], strict=True):
        at = (side * (0.6 * diameter + 1), 0)
        look: dict[str, Any] = {"ha": "left" if layer else "right", "va": "center_baseline", "fontsize": 7}
        ax.annotate(_names.as_is(names[node], most=16), (layer, y), at, textcoords="offset points", **look)


def _rest(ax: Axes, looks: _Looks, level: Floats, faces: np.ndarray, layer: int) -> None:
    """Draw the nodes that have no place of their own as small squares, and count them."""
    column = looks.columns[layer]
    rest, bottom = column.rest, -height(column) / 2
    off = np.count_nonzero(level[rest] == 0)
    words = f"and {len(rest):,} more" + (f",\n{off:,} off" if off else "")
    top = bottom + height(column) - len(column.drawn) - 0.3
    # Long words would run into those of the next of many columns.
    small = _SMALL if len(looks.columns) < 6 else _SMALL | {"fontsize": 5.2}
    ax.text(layer, bottom + 0.7, words, va="center", linespacing=0.9, **small)
    if len(rest) > SQUARES:
        return
    across, pitch = squares(len(rest))
    x, y = np.arange(len(rest)) % across, np.arange(len(rest)) // across
    # Inches from the place below the last node.
    place: Any = ax.transData  # Any transform does, though the type says an affine one.
    moved = _axes.figure_of(ax).dpi_scale_trans + ScaledTranslation(layer, top, place)
    on = level[rest] > 0
    look: dict[str, Any] = {"marker": "s", "transform": moved, "clip_on": False, "zorder": 3, "linewidths": 0.3}
    offsets = (x - (min(across, len(rest)) - 1) / 2) * pitch, -y * pitch
    side = (0.72 * pitch * 72) ** 2
    ax.scatter(offsets[0][on], offsets[1][on], side, faces[rest][on], edgecolors=style.GREY, **look)
    ax.scatter(offsets[0][~on], offsets[1][~on], side, "white", edgecolors=_OFF, **look)


def _draw(ax: Axes, panel: _Read, looks: _Looks) -> None:
    last, rows = len(panel.levels) - 1, max(map(height, looks.columns))
    inches = ax.get_window_extent().height / _axes.figure_of(ax).dpi
    diameter = 0.84 * 72 * min(SLOT, inches / rows)
    ax.set(xlim=(-0.3, last + 0.3), ylim=(-rows / 2 - 0.1, rows / 2 + 0.1))
    for layer in range(last):
        _edges(ax, panel, looks, layer)
    for layer in range(last + 1):
        _nodes(ax, panel, looks, layer, diameter)
    ax.set_xticks(range(last + 1), [_head(layer, last, level) for layer, level in enumerate(panel.levels)])
    ax.set_yticks([])
    ax.xaxis.tick_top()
    ax.tick_params(axis="x", length=0, labelsize=7)
    ax.spines[:].set_visible(False)


def _head(layer: int, last: int, level: Floats) -> str:
    name = "inputs" if layer == 0 else "outputs" if layer == last else f"hidden {layer}"
    on = np.count_nonzero(level)
    return f"{name}\n{len(level):,}" if on == len(level) else f"{name}\n{on:,} of {len(level):,}"


def _key(panels: Sequence[_Read], looks: _Looks) -> list[Line2D]:
    """Explain what is there: roles, gates, signs and widths."""
    ring: dict[str, Any] = {"marker": "o", "markersize": 5, "linestyle": "", "markeredgewidth": 0.5}
    gates = np.concatenate([level for one in panels for level in one.levels])
    found = [
        Line2D(
            [],
            [],
            **(ring | {"marker": list(_SHAPES)[place]}),
            color=_COLORS[place],
            markeredgecolor=style.BLACK,
            label=_names.entry(role),
        )
        for place, role in enumerate(looks.roles)
    ]
    if ((gates > 0) & (gates < 1)).any():
        found.append(
            Line2D([], [], **ring, fillstyle="bottom", color=style.GREY, markerfacecoloralt="white", label="partly on")
        )
    if (gates == 0).any():
        found.append(Line2D([], [], **ring, markerfacecolor="white", markeredgecolor=_OFF, label="off, with its edges"))
    for above, words in ((True, "weight above 0"), (False, "below 0")):
        color, dashes = _SIGNS[above]
        found.append(Line2D([], [], color=color, linestyle=dashes, linewidth=1.3, label=words))
    for share in (0.2, 1.0):
        width = _WIDTHS[0] + (_WIDTHS[1] - _WIDTHS[0]) * share
        label = f"size {share * looks.largest:.2g}"
        found.append(Line2D([], [], color=style.BLACK, linewidth=width, label=label))
    return found


def network(
    network: Perceptron | xr.Dataset,
    *,
    gates: Any = None,
    values: Any = None,
    quantity: str = "",
    cmap: Colormap | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    shown: int = _NODES,
    most: int = _EDGES,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw a network with its gates.

    Parameters
    ----------
    network : Perceptron or xarray.Dataset
        Or a run's group ``network``.
    gates : array_like, (nodes,), optional
        From 0 to 1, layer after layer; all on when left out.
    values : array_like, (nodes,), optional
        Numbers, or names of roles (str, six at most), that give hidden nodes their colour.
    quantity : str
        What the numbers are, with their unit.
    cmap : matplotlib.colors.Colormap, optional
        For numbers.
    inputs, outputs : sequence of str, optional
        Names, beside the nodes.
    shown : int
        Nodes of a layer that are drawn one by one, at most: those of the largest absolute value or, without numbers,
        of the largest weights in and out. The others are small squares, in order of their number, and counted.
    most : int
        Edges between two layers, at most: the strongest of each node first, then the second strongest, ...
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Edges are as wide as the weight times the gate of the node that it leaves, blue and whole above zero, red and
        dashed below. A node is filled as far as its gate is open; one that is off is grey, with its edges.

    Raises
    ------
    TypeError
        If the network is neither a Perceptron nor a Dataset, or gates or values are of another kind.
    ValueError
        If gates, values or names have another shape, gates lie outside [0, 1], there are more than six roles, or
        `shown` or `most` is below 1.

    See Also
    --------
    overview : Several networks, or masks of one, side by side.
    analysis.balance.roles : Names of roles for `values`.

    Examples
    --------
    >>> from analysis import figures
    >>> kernels = np.array([[1.0, -1.0, 0.5], [0.5, 1.0, -1.0]]), np.array([[1.0], [-2.0], [0.5]])
    >>> net = Perceptron(kernels, (np.zeros(3), np.zeros(1)), "relu", "identity")
    >>> ax = figures.graph.network(net, gates=[1, 0, 1])
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['inputs\n2', 'hidden 1\n2 of 3', 'outputs\n1']
    """
    panel = _read(Panel(network, gates, values))
    looks = _looks([panel], cmap, inputs, outputs, shown, most)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE + 0.4, height=_inches(looks))
        _draw(ax, panel, looks)
        # Below the three lines of text on the edges.
        below = ax.transAxes + ScaledTranslation(0, -26 / 72, _axes.figure_of(ax).dpi_scale_trans)
        place: dict[str, Any] = dict(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below)
        ax.legend(handles=_key([panel], looks), ncols=3, fontsize=7, **place)
        _bar([ax], looks, quantity)
    return ax


def _inches(looks: _Looks) -> float:
    """Height of a figure: the columns, their heads, and the key."""
    return max(map(height, looks.columns)) * SLOT + 1.3


def _bar(axes: Sequence[Axes], looks: _Looks, label: str) -> None:
    if looks.scale is not None:
        _axes.colour_bar(looks.scale, axes, label, fraction=0.03, pad=0.01, aspect=30, shrink=0.8)


def overview(
    panels: Mapping[str, Panel],
    *,
    quantity: str = "",
    cmap: Colormap | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    shown: int = _NODES,
    most: int = _EDGES,
) -> Figure:
    """Draw networks of one structure side by side, with the same nodes and one scale of colours and widths.

    Parameters
    ----------
    panels : mapping of str to Panel
        Networks of one structure with their gates and values, by title.
    quantity : str
        What the values are, for the scale of colours; with their unit.
    cmap : matplotlib.colors.Colormap, optional
        Colours of numbers; when left out blue to yellow about 0, or from light to dark where none is below 0.
    inputs, outputs : sequence of str, optional
        Names, in order.
    shown : int
        Nodes of a layer that are drawn one by one, at most.
    most : int
        Edges between two layers, at most.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a network, and one key for all.

    Raises
    ------
    TypeError
        If a network is neither a Perceptron nor a Dataset, or gates or values are of another kind.
    ValueError
        If there are no panels or their sizes differ; gates, values or names have another shape, gates lie outside [0,
        1], there are more than six roles, or `shown` or `most` is below 1.

    See Also
    --------
    network : One network.

    Examples
    --------
    >>> from analysis import figures
    >>> kernels = np.ones((2, 3)), np.ones((3, 1))
    >>> net = Perceptron(kernels, (np.zeros(3), np.zeros(1)), "relu", "identity")
    >>> figure = figures.graph.overview({"whole": Panel(net), "one off": Panel(net, gates=[1, 0, 1])})
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['(a) whole', '(b) one off']
    """
    if not panels:
        raise InputError("panels must be one or more, got none")
    read = [_read(one) for one in panels.values()]
    looks = _looks(read, cmap, inputs, outputs, shown, most)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, _inches(looks) + 0.1, 1, len(read))
        for ax, title, one in zip(axes, panels, read, strict=True):
            _draw(ax, one, looks)
            ax.set_title(title)
        style.letter(axes)
        _bar(axes, looks, quantity)
        figure.legend(handles=_key(read, looks), loc="outside lower center", ncols=6)
    return figure
