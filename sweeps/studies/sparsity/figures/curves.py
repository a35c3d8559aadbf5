"""Accuracy and loss against sparsity: the published ways, lengths of training, heuristics, scopes."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import _validate
from analysis.errors import InputError
from analysis.figures import style
from sweeps.studies.shrinking.figures.looks import accuracy_axis, loss_axis
from sweeps.studies.sparsity.claims import PUBLISHED_PERCENT
from sweeps.studies.sparsity.figures import looks
from sweeps.studies.sparsity.measures import KINDS, PUBLISHED, Method, by_name, methods, scope_name


def curve(
    data: xr.Dataset, name: str = "accuracy", unit: str = "nats", classes: int = 0, ax: Axes | None = None
) -> Axes:
    """Draw weight and unit pruning against per cent sparsity, as published.

    Parameters
    ----------
    data : xarray.Dataset
        `name` (pruned_by, network, percent) of one length of training.
    name : {"accuracy", "loss"}
    unit : str
        Of the loss.
    classes : int
        What guessing among so many gives is drawn; 0 for no line.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        The published percentages are marked.

    Raises
    ------
    ValueError
        If `name` is unknown.
    """
    if not _validate.is_among(name, ("accuracy", "loss")):
        raise InputError(f"name: expected 'accuracy' or 'loss', got {_validate.shown(name)}")
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.5)
        drawn = data[name].sel({"pruned_by": [PUBLISHED[kind] for kind in KINDS]})
        for kind, marker in zip(KINDS, "os", strict=True):
            one = drawn.sel({"pruned_by": PUBLISHED[kind]}).transpose("network", "percent")
            color = looks.KIND_COLORS[kind]
            looks.banded(ax, one, kind, ranged=True, color=color, zorder=3)
            ten = one.sel(percent=[p for p in one["percent"].values if p in PUBLISHED_PERCENT]).mean("network")
            ax.plot(ten["percent"], ten, marker, color=color, markersize=3.2, zorder=3.1)
        looks.sparsity_axis(ax)
        if name == "accuracy":
            accuracy_axis(ax)
        else:
            loss_axis(ax, drawn, f"loss ({style.as_is(unit)})")
        if classes:
            looks.chance(ax, 1 / classes if name == "accuracy" else float(np.log(classes)))
        # Curves begin at one end of the axis and end at the other.
        ax.legend(loc="center left")
    return ax


def overview(data: xr.Dataset, unit: str, classes: int) -> Figure:
    """Draw accuracy and loss of the published ways side by side; the arguments are those of `curve`."""
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.7, 1, 2)
        curve(data, "accuracy", classes=classes, ax=axes[0])
        curve(data, "loss", unit, classes, axes[1])
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
                color = looks.shade(place, len(epochs))
                looks.banded(axes[column], each.isel(epochs=place), f"{count} epochs", color=color, zorder=3 + place)
                if place < len(epochs) - 1:
                    difference = each.isel(epochs=place) - each.isel(epochs=-1)
                    looks.banded(axes[2 + column], difference, f"{count} less {epochs[-1]}", color=color)
            axes[column].set_title(kind)
            looks.sparsity_axis(axes[2 + column])
        accuracy_axis(axes[0])
        looks.points_axis(axes[2], "difference (points)")
        looks.points_axis(axes[3], "")
        axes[0].legend(loc="lower left")
        axes[2].legend(loc="best")
        style.letter(axes)
    return figure


def heuristics(data: xr.Dataset) -> Figure:
    """Draw every heuristic within each layer, and how far each is from the published one.

    Parameters
    ----------
    data : xarray.Dataset
        `accuracy` (pruned_by, network, percent) of one length of training.

    Returns
    -------
    matplotlib.figure.Figure
        Weights left, units right; below, the differences, paired by network, without random choice.
    """
    return _compared(data, {kind: methods(data, kind, "layer") for kind in KINDS}, "by")


def scopes(data: xr.Dataset) -> Figure:
    """Draw the published heuristics by what is ranked together; as `heuristics` otherwise."""
    own = {kind: [one.by for one in methods(data, kind) if one.published][0] for kind in KINDS}
    return _compared(
        data, {kind: [one for one in methods(data, kind) if one.by == own[kind]] for kind in KINDS}, "scope"
    )


def _line(one: Method, what: str) -> dict:
    return looks.heuristic(one.by) if what == "by" else looks.SCOPES.get(one.scope, {"color": style.GREEN})


def _compared(data: xr.Dataset, found: dict[str, list[Method]], what: str) -> Figure:
    accuracy = data["accuracy"]
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.9, 2, 2, sharey="row", sharex=True)
        for column, (kind, shown) in enumerate(found.items()):
            published = accuracy.sel({"pruned_by": PUBLISHED[kind]}, drop=True)
            for one in shown:
                values = accuracy.sel({"pruned_by": one.key}, drop=True).transpose("network", "percent")
                label = by_name(one.by) if what == "by" else scope_name(one.scope)
                looks.banded(
                    axes[column], values, style.entry(label), alpha=looks.alpha_of(len(shown)), **_line(one, what)
                )
                if not one.published and one.by != "random":
                    difference = (values - published).transpose("network", "percent")
                    looks.banded(axes[2 + column], difference, alpha=looks.alpha_of(len(shown)), **_line(one, what))
            axes[column].set_title(kind)
            handles, labels = axes[column].get_legend_handles_labels()
            style.legend_above(axes[column], dict(zip(labels, handles, strict=True)), columns=2)
            axes[column].set_title("")
            looks.sparsity_axis(axes[2 + column], f"sparsity, {kind} (%)")
        accuracy_axis(axes[0])
        looks.points_axis(axes[2], "less the published (points)")
        looks.points_axis(axes[3], "")
    return figure
