"""A network drawn as a graph with its gates: nodes on, off or partly on, edges by weight."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import checks, perceptron
from analysis.errors import InputError, NotInstalledError
from analysis.figures import style
from analysis.perceptron import Perceptron

#: Edges between two layers that are drawn, at most: the strongest.
EDGES = 120
#: Widths of the weakest and of the strongest edge that is drawn, in points.
WIDTHS = (0.15, 1.8)


def _networkx() -> Any:
    try:
        import networkx
    except ImportError as error:
        raise NotInstalledError(
            "networkx is needed for the drawing of a network: pip install 'gatesweep[graph]'"
        ) from error
    return networkx


def positions(sizes: Any) -> list[np.ndarray]:
    """Place the nodes of every layer in a column, evenly, centred.

    Parameters
    ----------
    sizes : sequence of int
        Nodes of every layer, inputs and outputs too.

    Returns
    -------
    list of numpy.ndarray, (nodes, 2)
        By NetworkX's multipartite layout, node 0 at the top; every column from -1 to 1.

    Raises
    ------
    ImportError
        If NetworkX is not installed.
    """
    networkx = _networkx()
    graph = networkx.Graph()
    for layer, size in enumerate(sizes):
        graph.add_nodes_from(((layer, unit) for unit in range(size)), layer=layer)
    placed = networkx.multipartite_layout(graph, subset_key="layer")
    columns = []
    for layer, size in enumerate(sizes):
        found = np.array([placed[layer, unit] for unit in range(size)], float)
        found = found[np.argsort(-found[:, 1], kind="stable")]
        # Long layers fill the height; those of few nodes stand close together in the middle.
        spread = np.ptp(found[:, 1])
        reach = 1.0 if size > 6 else 0.18 * (size - 1)
        found[:, 1] = reach * (found[:, 1] - found[:, 1].mean()) / (spread / 2) if spread > 0 else 0.0
        found[:, 0] = layer
        columns.append(found)
    return columns


def _edges(ax: Axes, kernel: np.ndarray, left: np.ndarray, right: np.ndarray, most: int) -> None:
    strength = np.abs(kernel)
    order = np.argsort(strength, axis=None, kind="stable")[::-1][:most]
    order = order[strength.ravel()[order] > 0][::-1]  # the strongest are drawn last, on top
    if not order.size:
        return
    rows, columns = np.unravel_index(order, kernel.shape)
    share = strength[rows, columns] / strength.max()
    colors = np.where(kernel[rows, columns] > 0, style.BLUE, style.VERMILLION)
    lines = LineCollection(
        list(np.stack([left[rows], right[columns]], axis=1)),
        colors=colors.tolist(),
        linewidths=WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * share,
        alpha=0.55,
        zorder=1,
    )
    ax.add_collection(lines)


def network(net: Perceptron | xr.Dataset, gates: Any = None, most: int = EDGES, ax: Axes | None = None) -> Axes:
    """Draw a network with its gates.

    Parameters
    ----------
    net : Perceptron or xarray.Dataset
        Or a run's group ``network``.
    gates : array_like, (nodes,), optional
        From 0 to 1, layer after layer; all on when left out.
    most : int
        Edges between two layers that are drawn, at most: the strongest, so that large networks stay readable.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Nodes that are on are black, partly on grey by their gate, off white. Edges are as wide as the weight is large,
        against the largest of their layer, blue above zero and red below; those from a node are scaled by its gate, and
        a node that is off has none.

    Raises
    ------
    ImportError
        If NetworkX is not installed.
    ValueError
        If the gates have another shape or lie outside [0, 1], or `most` is below 1.
    """
    if isinstance(net, xr.Dataset):
        net = perceptron.from_dataset(net)
    perceptron.check(net)
    vector = np.ones(net.nodes) if gates is None else checks.gates("gates", gates, net.nodes)
    checks.finite_numbers("gates", vector, 0, 1)
    most = checks.whole("most", most, 1)
    sizes = [len(net.kernels[0]), *(kernel.shape[1] for kernel in net.kernels)]
    places = positions(sizes)
    hidden = np.split(vector, np.cumsum(sizes[1:-1])[:-1])
    levels = [np.ones(sizes[0]), *hidden, np.ones(sizes[-1])]
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 3.2)
        for layer, kernel in enumerate(net.kernels):
            # A node that is off passes nothing on, so its incoming edges are left out as well.
            carried = kernel * levels[layer][:, None] * (levels[layer + 1] > 0)
            _edges(ax, carried, places[layer], places[layer + 1], most)
        size = 26.0 if max(sizes) <= 20 else 9.0
        for place, level in zip(places, levels, strict=True):
            ax.scatter(
                place[:, 0],
                place[:, 1],
                s=size,
                c=[str(0.95 - 0.95 * gate) if 0 < gate < 1 else ("black" if gate else "white") for gate in level],
                edgecolors=[style.BLACK if gate else "#9A9A9A" for gate in level],
                linewidths=0.5,
                zorder=3,
            )
        ax.set(xlim=(-0.15, len(sizes) - 0.85), ylim=(-1.06, 1.06))
        ax.set_xticks(range(len(sizes)), ["inputs", *(f"hidden {n + 1}" for n in range(len(sizes) - 2)), "outputs"])
        ax.set_yticks([])
        ax.tick_params(axis="x", length=0, labelsize=7)
        ax.spines[:].set_visible(False)
    return ax


def _legend(partial: bool) -> list[Line2D]:
    look: dict[str, Any] = {"marker": "o", "markersize": 4, "linestyle": "", "markeredgewidth": 0.5}
    entries = [Line2D([], [], color="black", label="on", **look)]
    if partial:
        entries.append(Line2D([], [], markerfacecolor="0.5", markeredgecolor="black", label="partly on", **look))
    entries.append(Line2D([], [], markerfacecolor="white", markeredgecolor="#9A9A9A", label="off", **look))
    entries += [
        Line2D([], [], color=color, label=label)
        for color, label in ((style.BLUE, "weight above 0"), (style.VERMILLION, "weight below 0"))
    ]
    return entries


def overview(net: Perceptron | xr.Dataset, gates: dict[str, Any], most: int = EDGES) -> Figure:
    """Draw a network under several gate vectors side by side.

    Parameters
    ----------
    net : Perceptron or xarray.Dataset
    gates : dict of str to array_like, (nodes,)
        By title.
    most : int
        As for `network`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError, ValueError
        As `network`; ValueError also if there are no gates.
    """
    if not gates:
        raise InputError("gates must be one vector or more, got none")
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 3.6, 1, len(gates))
        for ax, (title, vector) in zip(axes, gates.items(), strict=True):
            network(net, vector, most, ax)
            ax.set_title(title)
        partial = any(((np.asarray(one) > 0) & (np.asarray(one) < 1)).any() for one in gates.values())
        figure.legend(handles=_legend(partial), loc="outside upper center", ncols=5)
        style.letter(axes)
    return figure
