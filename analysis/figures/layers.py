"""Layers side by side: what their nodes are worth, their gate gradients, and slopes of the log loss."""

from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis import _checks
from analysis._errors import InputError
from analysis.figures import _axes, _names, _rows, style

__all__ = ["overview", "summary"]

#: What can be drawn of a summary, in the order of preference, and the variable that tells whether it is there.
_QUANTITIES = {
    "change": "change_quantile",
    "log_change": "log_change_quantile",
    "log_loss_gradient": "log_loss_gradient_mean",
    "loss_gradient": "loss_gradient_mean",
    "slope": "slope",
}
#: Half the width of an interval that covers the true value with probability 0.95, in standard errors.
_COVERS = 1.96
_Per = Literal["node", "layer"]


def summary(data: xr.Dataset, *, variable: str | None = None, per: _Per = "node", ax: Axes | None = None) -> Axes:
    """Draw one quantity of every layer, with its spread over nodes or its error.

    Parameters
    ----------
    data : xarray.Dataset, (layer,) or (probability, layer)
        What `analysis.layers.summary` returns.
    variable : {"change", "log_change", "log_loss_gradient", "loss_gradient", "slope"}, optional
        The first of these that the summary holds when left out.
    per : {"node", "layer"}
        Of gradients and slopes: the mean of a node, or its sum over the layer's nodes, as if they shared one gate.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure, as high as the layers need, when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Layers from the top down. Of changes by single removals the median of the nodes (dot), their middle half (thick
        line), from the 5 % to the 95 % quantile (thin line), and their mean (diamond). Of gradients and slopes the
        value with a bar of 1.96 standard errors to either side, a colour for each probability.

    Raises
    ------
    TypeError
        If `data` is no Dataset.
    ValueError
        If `variable` is not in the summary, `per` is unknown, or the summary lacks a quantile.

    See Also
    --------
    overview : Two quantities side by side.
    analysis.figures.nodes.effects : Every node.

    Examples
    --------
    >>> from analysis import figures, layers
    >>> nodes = {"node": ["a unit 0", "a unit 1", "b head 0"], "layer": ("node", ["a", "a", "b"])}
    >>> data = layers.summary(xr.Dataset({"loss": ("node", [0.5, 0.3, 0.25])}, coords=nodes), full_loss=0.25)
    >>> ax = figures.layers.summary(data, variable="change")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['a (2)', 'b (1)']
    """
    _checks.dataset_with("data", data, ("nodes",), ("layer",))
    variable, sizes = _known(data, variable), data["nodes"].values.tolist()
    _checks.one_of("per", per, ("node", "layer"))
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=_rows.rows_height(len(sizes)))
        if variable in ("change", "log_change"):
            entries = _spread(ax, data, variable)
        else:
            entries = _values(ax, data, variable, per)
        ax.axvline(0, color=style.GREY, linewidth=0.6, zorder=0.5)
        _rows.layer_axis(ax, [str(layer) for layer in data["layer"].values], sizes)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(_text(data, variable, per))
        if entries:
            _axes.legend_above(ax, entries, columns=3 if len(entries) == 3 else 2, right=True)
    return ax


def _known(data: xr.Dataset, quantity: str | None) -> str:
    there = [name for name, variable in _QUANTITIES.items() if variable in data]
    return there[0] if there and quantity is None else _checks.one_of("variable", quantity, there)


def _text(data: xr.Dataset, quantity: str, per: str) -> str:
    unit, of = _axes.unit_of(data), " per node on" if per == "node" else ", sum over the layer"
    return {
        "change": _rows.of_change("loss", data),
        "log_change": _rows.of_change("log_loss", data),
        "slope": f"slope of the log loss{of}",
        "loss_gradient": f"gate gradient of the loss ({_names.as_is(unit)}){of if per == 'layer' else ''}",
        "log_loss_gradient": f"gate gradient of the log loss{of if per == 'layer' else ''}",
    }[quantity]


def _spread(ax: Axes, data: xr.Dataset, quantity: str) -> dict[str, Any]:
    found, place = data[f"{quantity}_quantile"], np.arange(data.sizes["layer"])
    levels = found["quantile"].values
    at = {q: np.flatnonzero(np.isclose(levels, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
    if not all(one.size for one in at.values()):
        raise InputError(f"data must have the quantiles {list(at)}, got {levels.tolist()}")
    value = {q: found.transpose("quantile", "layer").values[one[0]] for q, one in at.items()}
    ax.hlines(place, value[0.05], value[0.95], color=style.BLUE, linewidth=1.0)
    ax.hlines(place, value[0.25], value[0.75], color=style.BLUE, linewidth=4.0)
    dot: dict[str, Any] = dict(marker="o", markersize=4.5, color="white", markeredgecolor=style.BLUE, linestyle="")
    diamond: dict[str, Any] = dict(marker="D", markersize=3.6, color=style.ORANGE, linestyle="", zorder=3)
    ax.plot(value[0.5], place, **dot)
    ax.plot(data[f"mean_{quantity}"], place, **diamond)
    return {
        "median": Line2D([], [], **dot),
        "middle half": Line2D([], [], color=style.BLUE, linewidth=4.0),
        "5 to 95 %": Line2D([], [], color=style.BLUE, linewidth=1.0),
        "mean": Line2D([], [], **diamond),
    }


def _values(ax: Axes, data: xr.Dataset, quantity: str, per: str) -> dict[str, Any]:
    key, error = _QUANTITIES[quantity], f"{_QUANTITIES[quantity]}_error"
    chances = [float(p) for p in data["probability"].values] if "probability" in data.dims else [float("nan")]
    factor = data["nodes"].values if per == "layer" else 1
    place, step = np.arange(data.sizes["layer"]), 0.6 / len(chances)
    entries: dict[str, Any] = {}
    for index, p in enumerate(chances):
        one = data.isel(probability=index) if "probability" in data.dims else data
        bars = ax.errorbar(
            factor * one[key].values,
            place + (index - (len(chances) - 1) / 2) * step,
            xerr=_COVERS * factor * np.nan_to_num(one[error].values),
            fmt=style.MARKERS[index % len(style.MARKERS)],
            markersize=3.2,
            elinewidth=1.0,
            color=style.CYCLE[index % len(style.CYCLE)],
        )
        if not np.isnan(p):
            entries[f"$p$ = {p:g}"] = bars
    return entries if len(entries) < 9 else {}


def overview(data: xr.Dataset) -> Figure:
    """Draw a summary whole: of single removals loss and log loss, of draws a node's mean and its sum over the layer.

    Parameters
    ----------
    data : xarray.Dataset, (layer,) or (probability, layer)
        What `analysis.layers.summary` returns.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels with one axis of layers.

    Raises
    ------
    TypeError
        If `data` is no Dataset.
    ValueError
        If it holds no quantity that is drawn, or lacks a quantile.

    See Also
    --------
    summary : One panel.

    Examples
    --------
    >>> from analysis import figures, layers
    >>> nodes = {"node": ["a unit 0", "a unit 1", "b head 0"], "layer": ("node", ["a", "a", "b"])}
    >>> data = layers.summary(xr.Dataset({"loss": ("node", [0.5, 0.3, 0.25])}, coords=nodes), full_loss=0.25)
    >>> [ax.get_title(loc="left") for ax in figures.layers.overview(data).axes]
    ['(a)', '(b)']
    """
    quantity = _known(_checks.dataset_with("data", data, ("nodes",), ("layer",)), None)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, _rows.rows_height(data.sizes.get("layer", 1)), 1, 2, sharey=True)
        if quantity == "change":
            summary(data, variable="change", ax=axes[0])
            summary(data, variable="log_change", ax=axes[1])
        else:
            summary(data, variable=quantity, per="node", ax=axes[0])
            summary(data, variable=quantity, per="layer", ax=axes[1])
        axes[1].set_ylabel("")
        legend = axes[1].get_legend()
        if legend is not None:
            legend.remove()
        style.letter(axes)
    return figure
