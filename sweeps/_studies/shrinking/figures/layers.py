"""Which layer goes first: what is left of each against the nodes removed."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import _axes, _curves, _names, style
from sweeps._studies.shrinking.figures import looks
from sweeps._studies.shrinking.names import METHODS, layer_name, method_name


def remaining(data: xr.Dataset, method: str, ax: Axes | None = None) -> Axes:
    """Draw the share of each layer that is left, re-ranked.

    Parameters
    ----------
    data : xarray.Dataset
        What `measures.layers.left` returns.
    method : str
        By which nodes were removed.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        A line for each layer, the mean over the networks with its 95 % interval; the grey line is the mean of random
        orders.
    """
    names = [str(layer) for layer in data["layer"].values]
    step = data["step"].values
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        ax.plot(step, 1 - step / step[-1], color=style.GREY, linewidth=0.7, linestyle=(0, (1, 2)), label="random order")
        for number, name in enumerate(names):
            values = data["left"].sel({"ranked_by": method, "ranking": "reranked", "layer": name}, drop=True)
            values = values.drop_vars(["ranking", "layer"], errors="ignore")
            _curves.banded(ax, values, layer_name(name, names), **looks.numbered(number))
        looks.removed_axis(ax, int(step[-1]))
        _curves.accuracy_axis(ax, "left of the layer (%)")
    return ax


def overview(data: xr.Dataset) -> Figure:
    """Draw what is left of each layer, a panel for each method.

    Parameters
    ----------
    data : xarray.Dataset
        What `measures.layers.left` returns.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, len(METHODS), sharey=True)
        for method, ax in zip(METHODS, axes, strict=True):
            remaining(data, method, ax)
            ax.set_title(_names.as_is(method_name(method)))
            ax.label_outer(remove_inner_ticks=False)
        handles, labels = axes[0].get_legend_handles_labels()
        # The random order comes last.
        handles, labels = [*handles[1:], handles[0]], [*labels[1:], labels[0]]
        figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 4))
        style.letter(axes)
    return figure
