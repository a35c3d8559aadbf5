"""Which layer goes first: what is left of each against the nodes removed."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import curves, style
from sweeps.studies.shrinking.figures import looks
from sweeps.studies.shrinking.names import METHODS, layer_name, method_name


def remaining(data: xr.Dataset, method: str, ranking: str = "reranked", ax: Axes | None = None) -> Axes:
    """Draw the share of each layer that is left.

    Parameters
    ----------
    data : xarray.Dataset
        What `sweeps.studies.shrinking.measures.left` returns.
    method, ranking : str
        Which path.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        A line for each layer; the grey band holds a layer of a random order with probability 0.95 at each step. It is
        that of the smallest layer, the widest.
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
            values = data["left"].sel({"ranked_by": method, "ranking": ranking, "layer": name})
            color = style.CYCLE[number % len(style.CYCLE)]
            ax.plot(step, values, color=color, label=layer_name(name, names))
        looks.removed_axis(ax, int(step[-1]))
        curves.accuracy_axis(ax, "left of the layer (%)")
    return ax


def overview(data: xr.Dataset, ranking: str = "reranked") -> Figure:
    """Draw what is left of each layer, a panel for each method.

    Parameters
    ----------
    data : xarray.Dataset
        What `sweeps.studies.shrinking.measures.left` returns.
    ranking : {"single_pass", "reranked"}
        Which paths.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, len(METHODS), sharey=True)
        for method, ax in zip(METHODS, axes, strict=True):
            remaining(data, method, ranking, ax)
            ax.set_title(style.as_is(method_name(method)))
            ax.label_outer(remove_inner_ticks=False)
        handles, labels = axes[0].get_legend_handles_labels()
        order = [*range(1, len(labels)), 0]
        figure.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="outside upper center",
            ncols=min(len(order), 4),
        )
        style.letter(axes)
    return figure
