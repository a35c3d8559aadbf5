"""Accuracy and loss against sparsity: the published ways, lengths of training, heuristics, scopes."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import _axes, _names, style
from analysis.figures._curves import accuracy_axis, banded, chance, loss_axis
from sweeps._studies.sparsity.claims import PUBLISHED_PERCENT
from sweeps._studies.sparsity.figures import looks
from sweeps._studies.sparsity.measures import KIND_NAMES, KINDS, PUBLISHED, Method, compared, shown


def curve(data: xr.DataArray, ax: Axes | None = None) -> Axes:
    """Draw weight and node pruning against per cent sparsity, as published.

    Parameters
    ----------
    data : xarray.DataArray, (pruned_by, network, percent)
        Accuracies or losses after one length of training.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        The published percentages are marked.
    """
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.5)
        for kind, marker in zip(KINDS, "os", strict=True):
            one = data.sel({"pruned_by": PUBLISHED[kind]}).transpose("network", "percent")
            look = looks.KINDS[kind]
            banded(ax, one, KIND_NAMES[kind], ranged=True, zorder=3, **look)
            marked = one.sel(percent=[p for p in one["percent"].values if p in PUBLISHED_PERCENT]).mean("network")
            ax.plot(marked["percent"], marked, marker, color=look["color"], markersize=3.2, zorder=3.1)
        looks.sparsity_axis(ax)
    return ax


def overview(data: xr.Dataset, unit: str, classes: int) -> Figure:
    """Draw accuracy and loss of the published ways side by side.

    Parameters
    ----------
    data : xarray.Dataset
        `accuracy`, `loss` (pruned_by, network, percent) after one length of training.
    unit : str
        Of the loss.
    classes : int
        What guessing among so many gives is drawn, too.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.7, 1, 2)
        accuracy_axis(curve(data["accuracy"], axes[0]))
        published = data["loss"].sel({"pruned_by": list(PUBLISHED.values())})
        loss_axis(curve(data["loss"], axes[1]), published, f"loss ({_names.as_is(unit)})")
        for ax, level in zip(axes, (1 / classes, np.log(classes)), strict=True):
            chance(ax, float(level))
            # Curves begin at one end of the axis and end at the other.
            ax.legend(loc="center left")
        style.letter(axes)
    return figure


def lengths(data: xr.Dataset) -> Figure:
    """Draw both published ways after each length of training.

    Parameters
    ----------
    data : xarray.Dataset
        `accuracy` (pruned_by, epochs, network, percent).

    Returns
    -------
    matplotlib.figure.Figure
        Accuracy above; below, how far that after fewer epochs is from that after the most, paired by network.
    """
    epochs = data["epochs"].values
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.2, 2, 2, sharey="row", sharex=True)
        for column, kind in enumerate(KINDS):
            each = data["accuracy"].sel({"pruned_by": PUBLISHED[kind]}).transpose("epochs", "network", "percent")
            for place, count in enumerate(epochs):
                look = {
                    "color": looks.shade(place, len(epochs)),
                    "linestyle": looks.DASHES[(len(epochs) - 1 - place) % len(looks.DASHES)],
                }
                banded(axes[column], each.isel(epochs=place), f"{count} epochs", zorder=3 + place, **look)
                if place < len(epochs) - 1:
                    difference = each.isel(epochs=place) - each.isel(epochs=-1)
                    banded(axes[2 + column], difference, f"{count} less {epochs[-1]}", **look)
            axes[column].set_title(KIND_NAMES[kind])
            looks.sparsity_axis(axes[2 + column])
        accuracy_axis(axes[0])
        looks.points_axis(axes[2], "difference (points)")
        looks.points_axis(axes[3], "")
        axes[0].legend(loc="lower left")
        axes[2].legend(loc="best")
        style.letter(axes)
    return figure


def heuristics(data: xr.Dataset, mean: xr.DataArray) -> Figure:
    """Draw heuristics within each layer, and how far each is from the published one.

    Parameters
    ----------
    data : xarray.Dataset
        `accuracy` (pruned_by, network, percent) after one length of training.
    mean : xarray.DataArray, (pruned_by, network)
        Mean accuracies, by which `measures.shown` chooses the heuristics.

    Returns
    -------
    matplotlib.figure.Figure
        Weights left, nodes right; below, the differences, paired by network, without random choice.
    """
    return _compared(data, {kind: shown(mean, kind) for kind in KINDS}, "by")


def scopes(data: xr.Dataset) -> Figure:
    """Draw the published heuristics by what is ranked together; as `heuristics` otherwise."""
    return _compared(data, {kind: compared(data, kind, "scope") for kind in KINDS}, "scope")


def _compared(data: xr.Dataset, found: dict[str, list[Method]], across: str) -> Figure:
    accuracy = data["accuracy"].transpose("pruned_by", "network", "percent")
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.6, 2, 2, sharey="row", sharex=True)
        for column, (kind, several) in enumerate(found.items()):
            published = accuracy.sel({"pruned_by": PUBLISHED[kind]}, drop=True)
            for one in several:
                values = accuracy.sel({"pruned_by": one.key}, drop=True)
                look = looks.heuristic(one.by) if across == "by" else looks.SCOPES[one.scope]
                options = look | {"alpha": looks.alpha_of(len(several))}
                banded(axes[column], values, one.by_name if across == "by" else one.scope_name, **options)
                if not one.published and one.by != "random":
                    banded(axes[2 + column], values - published, **options)
            axes[column].set_title(KIND_NAMES[kind])
            axes[column].legend(loc="lower left", fontsize=7, handlelength=2.8)
            looks.sparsity_axis(axes[2 + column], f"sparsity, {KIND_NAMES[kind]} (%)")
        accuracy_axis(axes[0])
        looks.points_axis(axes[2], "less the published (points)")
        looks.points_axis(axes[3], "")
        style.letter(axes)
    return figure
