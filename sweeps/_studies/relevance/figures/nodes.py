"""Relevance of hidden nodes beside the effect of their removal: rank correlations, and the nodes themselves."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures import _axes, _names, style
from analysis.intervals import interval
from sweeps._studies.relevance.figures import looks
from sweeps._studies.relevance.names import keys


def correlations(correlation: xr.DataArray, names: Mapping[str, str], ax: Axes | None = None) -> Axes:
    """Draw the rank correlation of every two measures, mean over networks, as a map with numbers.

    Parameters
    ----------
    correlation : xarray.DataArray, (measure, other, network)
    names : mapping of str to str
        What the measures are called.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    measures = keys(correlation, "measure")
    each = correlation.transpose("measure", "other", "network").values
    means = np.array([[interval(values).mean for values in row] for row in each])
    with style.context():
        ax = _axes.axes_or_new(ax, width=5.8, height=4.4)
        image = ax.imshow(means, cmap=looks.SIGNED, vmin=-1, vmax=1)
        for (row, column), value in np.ndenumerate(means):
            if np.isfinite(value):
                ax.text(column, row, f"{value:.2f}".replace("-", "−"), ha="center", va="center", fontsize=6.5,
                        color="white" if abs(value) > 0.72 else style.BLACK)  # fmt: skip
        labels = looks.named(measures, names)
        ax.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor", fontsize=7.5)
        ax.set_yticks(range(len(labels)), labels, fontsize=7.5)
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        _axes.figure_of(ax).colorbar(image, ax=ax, shrink=0.7, label="mean rank correlation over networks")
    return ax


def pair(nodes: xr.Dataset, across: str, along: str, names: Mapping[str, str], ax: Axes | None = None) -> Axes:
    """Draw one measure against another, a point a node; the first network stands out.

    Parameters
    ----------
    nodes : xarray.Dataset
        `value` (measure, network, node), `unit` (measure,).
    across, along : str
        Measures of the horizontal and the vertical axis.
    names : mapping of str to str
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    x, y = (nodes["value"].sel(measure=key).transpose("network", "node").values for key in (across, along))
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.6)
        ax.axhline(0, color=style.LIGHT_GREY, linewidth=0.6, zorder=1)
        ax.axvline(0, color=style.LIGHT_GREY, linewidth=0.6, zorder=1)
        if len(x) > 1:
            ax.plot(x[1:].ravel(), y[1:].ravel(), "o", color=style.GREY, markersize=2.6, alpha=0.35,
                    markeredgewidth=0, linestyle="", label="other networks", zorder=2)  # fmt: skip
        ax.plot(x[0], y[0], "D", color=style.BLUE, markersize=3.2, linestyle="", markeredgewidth=0,
                label="first network", zorder=3)  # fmt: skip
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.set(xlabel=_with_unit(nodes, across, names), ylabel=_with_unit(nodes, along, names))
    return ax


def _with_unit(nodes: xr.Dataset, key: str, names: Mapping[str, str]) -> str:
    (name,) = looks.named([key], names)
    return f"{name} ({_names.as_is(nodes['unit'].sel(measure=key).item())})"


def panels(
    nodes: xr.Dataset, shown: list[tuple[str, str]], names: Mapping[str, str], correlation: xr.DataArray
) -> Figure:
    """Draw several pairs, each with its mean rank correlation.

    Parameters
    ----------
    nodes : xarray.Dataset
    shown : list of (str, str)
        Measures of the horizontal and the vertical axis.
    names : mapping of str to str
    correlation : xarray.DataArray, (measure, other, network)

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE * columns / 3, 0.3 + 2.1 * rows, rows, columns)
        for ax, (across, along) in zip(axes, shown, strict=False):
            pair(nodes, across, along, names, ax)
            mean = interval(correlation.sel(measure=along, other=across).values).mean
            ax.set_title(f"mean ρ = {mean:.2f}".replace("-", "−"))
        for ax in axes[len(shown) :]:
            ax.set_axis_off()
        handles, labels = axes[0].get_legend_handles_labels()
        if len(labels) > 1:
            figure.legend(handles, labels, loc="outside upper right", ncols=2)
        style.letter(axes[: len(shown)])
    return figure
