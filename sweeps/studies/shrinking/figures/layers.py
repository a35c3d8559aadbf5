"""Which layer goes first: what is left of each against the nodes removed."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import curves, style
from sweeps.studies.shrinking.figures import looks
from sweeps.studies.shrinking.names import METHODS, layer_name, method_name


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
        A line for each layer; the grey band holds a layer of a random order with probability 0.95 at each step. Bands
        of larger layers are narrower than this one, of the smallest layer.
    """
    names = [str(layer) for layer in data["layer"].values]
    smallest = int(np.argmin(data["nodes"].values))
    step = data["step"].values
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.4)
        band = data.isel(layer=smallest)
        ax.fill_between(
            step, band["low"], band["high"], step="mid", color=style.LIGHT_GREY, alpha=0.7, linewidth=0, label="random"
        )
        for number, name in enumerate(names):
            values = data["left"].sel({"ranked_by": method, "ranking": "reranked", "layer": name})
            color = style.CYCLE[number % len(style.CYCLE)]
            ax.plot(step, values, color=color, label=layer_name(name, names))
        looks.removed_axis(ax, int(step[-1]))
        curves.accuracy_axis(ax, "left of the layer (%)")
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
            ax.set_title(style.as_is(method_name(method)))
            ax.label_outer(remove_inner_ticks=False)
        handles, labels = axes[0].get_legend_handles_labels()
        # The band comes last.
        handles, labels = [*handles[1:], handles[0]], [*labels[1:], labels[0]]
        figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 4))
        style.letter(axes)
    return figure
