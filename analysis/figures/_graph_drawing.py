"""Draws networks into axes: edges, nodes with their gates, what has no place of its own, and the key."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from analysis.figures import _axes, _graph_layout, _names, style
from analysis.figures._graph_layout import SLOT, SQUARES, Floats, curve, height, places, squares
from analysis.figures._graph_looks import Looks, Read

#: Widths of an edge of no size and of the strongest edge of a figure, in points.
WIDTHS = (0.3, 2.2)
#: Shapes of roles, and their sizes.
_SHAPES = {"o": 1.0, "s": 0.86, "D": 0.74, "h": 1.05, "p": 1.05, "8": 1.0}
_COLORS = (style.SKY, style.ORANGE, style.GREEN, style.PINK, style.BLUE, style.VERMILLION)
_PLAIN, _OFF = "#D0D0D0", "#B5B5B5"
_SIGNS: dict[bool, Any] = {True: (style.BLUE, "-"), False: (style.VERMILLION, (0, (3, 1.2)))}
#: Columns that leave room for words side by side, at most.
_FEW = 5
_SMALL: Any = {"ha": "center", "fontsize": 6.5}


def _carried(panel: Read, layer: int) -> Floats:
    """Weights times gates: a node that is off passes nothing on, so its inputs are cut, too."""
    return panel.network.kernels[layer] * panel.levels[layer][:, None] * (panel.levels[layer + 1] > 0)


def _drawn(looks: Looks, layer: int) -> Any:
    """Index of the weights between nodes of two layers that are drawn one by one."""
    return np.ix_(looks.columns[layer].drawn, looks.columns[layer + 1].drawn)


def _edges(ax: Axes, panel: Read, looks: Looks, layer: int) -> None:
    """Draw the strongest edges between two layers: those that a gate cuts first, in grey."""
    heights, drawn = places(looks.columns)[layer : layer + 2], _drawn(looks, layer)
    kernel, carried = panel.network.kernels[layer], _carried(panel, layer)
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
                linewidths=0.5 if cut else WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * share,
                linestyles=[_SIGNS[weight > 0][1] for weight in found],
                capstyle="butt",
                zorder=1 if cut else 2,
            )
        )


def words(panel: Read, looks: Looks, layer: int) -> str:
    """Say how many of the edges between two layers are drawn; nothing where all of them are."""
    carried = _carried(panel, layer)
    total = int(np.count_nonzero(carried))
    drawn = min(looks.most, int(np.count_nonzero(carried[_drawn(looks, layer)])))
    # Those of the next of many columns are near.
    gap = "\n" if len(looks.columns) > _FEW else " "
    return f"{drawn:,} of{gap}{total:,}\nedges" if drawn < total else ""


def _count_edges(ax: Axes, panel: Read, looks: Looks, layer: int) -> None:
    if text := words(panel, looks, layer):
        below = ScaledTranslation(0, -2 / 72, _axes.figure_of(ax).dpi_scale_trans)
        place: Any = dict(transform=ax.get_xaxis_transform() + below, va="top", linespacing=0.95)
        ax.text(layer + 0.5, 0, text, **place, **_SMALL)


def _faces(values: np.ndarray | None, count: int, looks: Looks) -> tuple[np.ndarray, list[str]]:
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


def _nodes(ax: Axes, panel: Read, looks: Looks, layer: int, diameter: float) -> None:
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


def _name_ends(ax: Axes, looks: Looks, names: Sequence[str], layer: int, diameter: float) -> None:
    """Name inputs on their left, outputs on their right."""
    side = 1 if layer else -1
    for node, y in zip(looks.columns[layer].drawn, places(looks.columns)[layer], strict=True):
        at = (side * (0.6 * diameter + 1), 0)
        look: dict[str, Any] = {"ha": "left" if layer else "right", "va": "center_baseline", "fontsize": 7}
        ax.annotate(_names.as_is(names[node], most=16), (layer, y), at, textcoords="offset points", **look)


def _rest(ax: Axes, looks: Looks, level: Floats, faces: np.ndarray, layer: int) -> None:
    """Draw the nodes that have no place of their own as small squares, and count them."""
    column = looks.columns[layer]
    rest, bottom = column.rest, -height(column) / 2
    off = np.count_nonzero(level[rest] == 0)
    words = f"and {len(rest):,} more" + (f",\n{off:,} off" if off else "")
    top = bottom + height(column) - len(column.drawn) - 0.3
    # Long words would run into those of the next of many columns.
    small = _SMALL if len(looks.columns) <= _FEW else _SMALL | {"fontsize": 5.2}
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


def draw(ax: Axes, panel: Read, looks: Looks) -> None:
    last, rows = len(panel.levels) - 1, max(map(height, looks.columns))
    inches = ax.get_window_extent().height / _axes.figure_of(ax).dpi
    diameter = 0.84 * 72 * min(SLOT, inches / rows)
    ax.set(xlim=(-0.3, last + 0.3), ylim=(-rows / 2 - 0.1, rows / 2 + 0.1))
    for layer in range(last):
        _edges(ax, panel, looks, layer)
        _count_edges(ax, panel, looks, layer)
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


def key(panels: Sequence[Read], looks: Looks) -> list[Line2D]:
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
        width = WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * share
        label = f"size {share * looks.largest:.2g}"
        found.append(Line2D([], [], color=style.BLACK, linewidth=width, label=label))
    return found
