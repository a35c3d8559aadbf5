"""Metrics of a sweep: each beside the loss of the same mask, and over the probability that a node stays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import _checks, _samples
from analysis.figures import _axes, _names, style

__all__ = ["against_loss", "by_probability", "examples"]

#: Masks that are drawn in one colour, at most.
_POINTS = 1000
#: Masks of which each has a large point, at most.
_FEW = 64
_MARKERS = "os^Dv"
_COLUMNS = 3


def _panels(count: int) -> tuple[Figure, Sequence[Axes]]:
    columns = 2 if count == 4 else min(count, _COLUMNS)
    rows = -(-count // columns)
    width = style.SINGLE if columns == 1 else style.DOUBLE
    figure, axes = style.new_figure(width, 2.4 * rows, rows, columns)
    for ax in axes[count:]:
        ax.remove()
    return figure, axes[:count]


def against_loss(sweep: xr.Dataset, metrics: Sequence[str], *, labels: Sequence[str] | None = None) -> Figure:
    """Draw each metric against the loss, a point for each mask.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `loss` and the metrics, in the same dimensions; of many masks, some that are evenly apart are drawn.
    metrics : sequence of str
        Names of variables, a panel each.
    labels : sequence of str, optional
        What the axes say, with the units; the names when left out.

    Returns
    -------
    matplotlib.figure.Figure
        A colour for each probability, where there are several.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset.
    ValueError
        If it lacks a variable, or there is not one label a metric.

    See Also
    --------
    by_probability : Means over the masks.

    Examples
    --------
    >>> from analysis import figures
    >>> sweep = xr.Dataset({"loss": ("draw", [0.2, 0.5, 1.1]), "accuracy": ("draw", [0.9, 0.8, 0.6])})
    >>> [ax.get_ylabel() for ax in figures.metrics.against_loss(sweep, metrics=["accuracy"]).axes]
    ['accuracy']
    """
    _checks.dataset_with("sweep", sweep, ("loss", *metrics), ())
    several = "probability" in sweep.dims and sweep.sizes["probability"] > 1
    parts = _samples.parts(sweep, "probability" if several else None)
    with style.context():
        figure, axes = _panels(len(metrics))
        for ax, name, label in zip(axes, metrics, labels or metrics, strict=True):
            entries: dict[str, Any] = {}
            for number, part in enumerate(parts):
                loss, values = (part[one].values.ravel() for one in ("loss", name))
                chosen = np.unique(np.linspace(0, loss.size - 1, min(loss.size, _POINTS)).astype(int))
                mark = f"$p$ = {float(part['probability']):g}" if several else "masks"
                (entries[mark],) = ax.plot(
                    *(loss[chosen], values[chosen], _MARKERS[number % len(_MARKERS)]),
                    color=style.CYCLE[number % len(style.CYCLE)],
                    markersize=2.2 if loss.size > _FEW else 4,
                    markeredgewidth=0,
                    alpha=0.5,
                )
            if several and ax is axes[0]:
                _axes.legend_above(ax, entries, columns=3)
            ax.set(xlabel=f"loss ({_names.as_is(_axes.unit_of(sweep))})", ylabel=_names.as_is(label))
    return figure


def by_probability(metrics: xr.Dataset, *, labels: Sequence[str] | None = None) -> Figure:
    """Draw the mean of each metric over the probability that a node stays, with a band of one standard deviation.

    Parameters
    ----------
    metrics : xarray.Dataset, (metric, probability)
        `mean` and `sd` over the masks, each in the unit of the metric.
    labels : sequence of str, optional
        What the axes say, with the units; the names of the metrics when left out.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a metric.

    Raises
    ------
    TypeError
        If `metrics` is no Dataset.
    ValueError
        If it lacks a variable or a dimension.

    See Also
    --------
    against_loss : Mask by mask.

    Examples
    --------
    >>> from analysis import figures
    >>> dims = ("metric", "probability")
    >>> values = {"mean": (dims, [[0.6, 0.7, 0.9]]), "sd": (dims, [[0.2, 0.1, 0.1]])}
    >>> metrics = xr.Dataset(values, {"metric": ["accuracy"], "probability": [0.25, 0.5, 0.75]})
    >>> figures.metrics.by_probability(metrics).axes[0].get_ylabel()
    'accuracy'
    """
    _checks.dataset_with("metrics", metrics, ("mean", "sd"), ("metric", "probability"))
    metrics = metrics.sortby("probability")
    p = metrics["probability"].values
    with style.context():
        figure, axes = _panels(metrics.sizes["metric"])
        for row, ax in enumerate(axes):
            mean, sd = (metrics[name].isel(metric=row).values for name in ("mean", "sd"))
            band = ax.fill_between(p, mean - sd, mean + sd, color=style.BLUE, alpha=0.2, linewidth=0)
            (line,) = ax.plot(p, mean, "o-", color=style.BLUE, markersize=3.5)
            if row == 0:
                _axes.legend_above(ax, {"mean": line, "± sd": band}, columns=2)
            label = labels[row] if labels else metrics["metric"].values[row]
            ax.set(xlabel="probability $p$ that a node stays", ylabel=_names.as_is(label))
    return figure


def examples(data: xr.Dataset, *, unit: str = "nats", ax: Axes | None = None) -> Axes:
    """Draw the mean loss of each example over the masks against its loss with every node on.

    Parameters
    ----------
    data : xarray.Dataset, (example,)
        `full`, the loss with every node on, and `mean` over the masks, in the unit of the loss.
    unit : str
        Unit of the loss.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        A point an example; above the line it loses by the masks.

    Raises
    ------
    TypeError
        If `data` is no Dataset.
    ValueError
        If it lacks a variable or the dimension `example`.

    See Also
    --------
    analysis.figures.examples.heat_map : Which nodes an example needs.

    Examples
    --------
    >>> from analysis import figures
    >>> data = xr.Dataset({"full": ("example", [0.1, 0.3]), "mean": ("example", [0.4, 0.5])})
    >>> figures.metrics.examples(data, unit="nats").get_ylabel()
    'mean loss over the masks (nats)'
    """
    _checks.dataset_with("data", data, ("full", "mean"), ("example",))
    full, mean = data["full"].values, data["mean"].values
    known = np.concatenate([full, mean])
    known = known[np.isfinite(known)]
    ends = [known.min(), known.max()] if known.size else [0.0, 1.0]
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.6)
        (line,) = ax.plot(ends, ends, color=style.GREY, linewidth=1.0, zorder=0.5)
        (dots,) = ax.plot(full, mean, "o", color=style.BLUE, markersize=2.6, markeredgewidth=0, alpha=0.6)
        _axes.legend_above(ax, {"examples": dots, "no change": line}, columns=2)
        words = _names.as_is(unit)
        ax.set(xlabel=f"loss with every node on ({words})", ylabel=f"mean loss over the masks ({words})")
    return ax
