"""The same study on many trained networks: their statistics, and the published values among them."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import _validate
from analysis.errors import InputError
from analysis.figures import style
from sweeps.studies.circle import spread as statistics_of

#: Statistics with a panel each, and their axis labels.
PANELS = {
    "mean_loss": "mean loss (nats)",
    "mean_log_loss": "mean log loss",
    "sd_log_loss": "sd of log loss",
    "full_loss": "full-network loss (nats)",
}
_COLORS = (style.BLUE, style.ORANGE)
_PUBLISHED: dict[str, Any] = {"marker": "D", "markersize": 4.2, "color": style.BLACK, "linestyle": "none"}


def _jitter(count: int) -> np.ndarray:
    # A low-discrepancy sequence: as even as random jitter is not, and the same every time.
    return (np.arange(1, count + 1) * 0.6180339887498949) % 1 - 0.5


def _strip(ax: Axes, place: float, values: np.ndarray, width: float, color: str, label: str) -> None:
    known = values[np.isfinite(values)]
    if not known.size:
        return
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    x = place + 0.6 * width * _jitter(known.size)
    ax.plot(x, known, "o", color=color, markersize=2.4, alpha=0.55, markeredgewidth=0, label=label)
    ax.bar(place, high - low, width, low, facecolor="none", edgecolor=color, linewidth=0.9, zorder=3)
    ax.plot([place - width / 2, place + width / 2], [middle, middle], color=color, linewidth=1.6, zorder=3)


def statistic(statistics: xr.Dataset, name: str, published: xr.Dataset | None = None, ax: Axes | None = None) -> Axes:
    """Draw one statistic of every network: a dot each, a box from quartile to quartile, a line at the median.

    Parameters
    ----------
    statistics : xarray.Dataset
        What `analysis.spread.statistics` returns; `name` ([boundary,] network[, probability]).
    name : str
        Which statistic; one of `PANELS`.
    published : xarray.Dataset, optional
        Published values in the form of `analysis.published.circle`, drawn as diamonds.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `name` is unknown.
    """
    if name not in PANELS:
        raise InputError(f"name: expected one of {list(PANELS)}, got {name!r}")
    data = _validate.dataset_with("statistics", statistics, (name,), ("network",))[name]
    rules = [str(rule) for rule in data["boundary"].values] if "boundary" in data.dims else [""]
    places = [f"{p:g}" for p in data["probability"].values] if "probability" in data.dims else ["all on"]
    width = 0.7 / len(rules)
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE / 1.6, 2.4)
        for number, rule in enumerate(rules):
            one = data.sel(boundary=rule) if rule else data
            for place in range(len(places)):
                values = (one.isel(probability=place) if "probability" in data.dims else one).values
                at = place + (number - (len(rules) - 1) / 2) * width
                label = (f"ours, circle as in {rule}" if rule else "ours") if place == 0 else "_"
                _strip(ax, at, values, 0.82 * width, _COLORS[number % len(_COLORS)], label)
        if published is not None and name in published:
            marks = published[name]
            if "probability" in data.dims:
                marks = marks.reindex(probability=data["probability"], method="nearest", tolerance=1e-6)
            y = np.atleast_1d(marks.values)
            ax.plot(np.arange(len(places)), y, label="published", zorder=4, **_PUBLISHED)
        ax.set_xticks(range(len(places)), places)
        ax.set_xlim(-0.6, len(places) - 0.4)
        ax.set(xlabel="probability $p$ that a node stays" if len(places) > 1 else "", ylabel=PANELS[name])
    return ax


def overview(spread: xr.Dataset, published: xr.Dataset | None = None) -> Figure:
    """Draw mean loss, mean log loss, its standard deviation, and the full network's loss, side by side.

    Parameters
    ----------
    spread : xarray.Dataset
        The draws of every network, or what `analysis.spread.statistics` made of them.
    published : xarray.Dataset, optional
        Published values, drawn as diamonds.

    Returns
    -------
    matplotlib.figure.Figure
    """
    _validate.dataset_with("spread", spread, (), ("network",))
    statistics = spread if "mean_loss" in spread else statistics_of.statistics(spread)
    names = [name for name in PANELS if name in statistics]
    with style.context():
        shares = {"width_ratios": [1.0 if name != "full_loss" else 0.55 for name in names]}
        figure, axes = style.new_figure(style.DOUBLE, 2.7, 1, len(names), gridspec_kw=shares)
        for name, ax in zip(names, axes, strict=True):
            statistic(statistics, name, published, ax)
            ax.set_xlabel("")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.supxlabel("probability $p$ that a node stays", fontsize=9)
        legend = figure.legend(handles, labels, loc="outside upper center", ncols=3)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1)
        style.letter(axes)
    return figure
