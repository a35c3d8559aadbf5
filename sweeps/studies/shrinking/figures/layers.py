"""Which layer goes first: what is left of each against the nodes removed."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import _validate
from analysis.errors import InputError
from analysis.figures import style
from sweeps.studies.shrinking.figures import looks, removal
from sweeps.studies.shrinking.measures import layer_name, method_name


def left(data: xr.Dataset, method: str, ranking: str = "reranked", ax: Axes | None = None) -> Axes:
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

    Raises
    ------
    TypeError
        If `data` is no Dataset.
    ValueError
        If a variable, the method or the ranking is not there.
    """
    _validate.dataset_with("data", data, ("left", "low", "high", "nodes"), ("ranked_by", "ranking", "layer", "step"))
    for name, value in (("ranked_by", method), ("ranking", ranking)):
        if value not in data[name].values:
            raise InputError(f"{name}: expected one of {data[name].values.tolist()}, got {value!r}")
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
        looks.accuracy_axis(ax, "left of the layer (%)")
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

    Raises
    ------
    TypeError, ValueError
        As `left` does.
    """
    _validate.dataset_with("data", data, ("left",), ("ranked_by",))
    methods = [method for method in removal.in_order(data["ranked_by"].values.tolist()) if method in looks.MAIN]
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, len(methods), sharey=True)
        for method, ax in zip(methods, axes, strict=True):
            left(data, method, ranking, ax)
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
