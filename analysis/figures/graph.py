"""A network drawn as a graph with its gates: layers as columns, numbered nodes, the strongest weights as edges."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from analysis._errors import InputError
from analysis.figures import _axes, style
from analysis.figures._graph_drawing import draw, key, words
from analysis.figures._graph_layout import SLOT, height
from analysis.figures._graph_looks import Looks, Panel, looks_of, read
from analysis.perceptron import Perceptron

__all__ = ["Panel", "network", "overview"]

#: Nodes of a layer that are drawn one by one, and edges between two layers, at most.
_NODES, _EDGES = 20, 40


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
    >>> import numpy as np
    >>> from analysis import figures
    >>> kernels = np.array([[1.0, -1.0, 0.5], [0.5, 1.0, -1.0]]), np.array([[1.0], [-2.0], [0.5]])
    >>> net = Perceptron(kernels, (np.zeros(3), np.zeros(1)), "relu", "identity")
    >>> ax = figures.graph.network(net, gates=[1, 0, 1])
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['inputs\n2', 'hidden 1\n2 of 3', 'outputs\n1']
    """
    panel = read(Panel(network, gates, values))
    looks = looks_of([panel], cmap, inputs, outputs, shown, most)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE + 0.4, height=_inches(looks))
        draw(ax, panel, looks)
        # Below the words on the edges.
        lines = max(words(panel, looks, layer).count("\n") + 1 for layer in range(len(looks.columns) - 1))
        below = ax.transAxes + ScaledTranslation(0, -(2 + 8 * lines) / 72, _axes.figure_of(ax).dpi_scale_trans)
        place: dict[str, Any] = dict(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below)
        ax.legend(handles=key([panel], looks), ncols=3, fontsize=7, **place)
        _bar([ax], looks, quantity)
    return ax


def _inches(looks: Looks) -> float:
    """Height of a figure: the columns, their heads, and the key."""
    return max(map(height, looks.columns)) * SLOT + 1.3


def _bar(axes: Sequence[Axes], looks: Looks, label: str) -> None:
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
    >>> import numpy as np
    >>> from analysis import figures
    >>> kernels = np.ones((2, 3)), np.ones((3, 1))
    >>> net = Perceptron(kernels, (np.zeros(3), np.zeros(1)), "relu", "identity")
    >>> figure = figures.graph.overview({"whole": Panel(net), "one off": Panel(net, gates=[1, 0, 1])})
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['(a) whole', '(b) one off']
    """
    if not panels:
        raise InputError("panels must be one or more, got none")
    checked = [read(one) for one in panels.values()]
    looks = looks_of(checked, cmap, inputs, outputs, shown, most)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, _inches(looks) + 0.1, 1, len(checked))
        for ax, title, one in zip(axes, panels, checked, strict=True):
            draw(ax, one, looks)
            ax.set_title(title)
        style.letter(axes)
        _bar(axes, looks, quantity)
        figure.legend(handles=key(checked, looks), loc="outside lower center", ncols=6)
    return figure
