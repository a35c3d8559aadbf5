"""Networks side by side: the optimum of every size, deeper networks, and retraining."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import curves, style
from sweeps.studies.shrinking.figures import looks
from sweeps.studies.shrinking.measures.networks import Network
from sweeps.studies.shrinking.names import in_order, method_name


def optimum(data: xr.Dataset, label: str, gap_label: str) -> Figure:
    """Draw re-ranked removal paths beside the best mask of every size, and how far they are from it.

    Parameters
    ----------
    data : xarray.Dataset
        What `measures.greedy_gaps` returns.
    label, gap_label : str
        Labels of the axes of losses and of gaps, with their unit.

    Returns
    -------
    matplotlib.figure.Figure
    """
    step = data["step"].values
    marker: dict[str, Any] = {"marker": "o", "markersize": 2.6}
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, 2)
        axes[0].plot(step, data["best"], color=style.BLACK, linewidth=1.0, label="best mask of this size", zorder=4)
        for method in in_order(data["ranked_by"].values.tolist()):
            one = data.sel({"ranked_by": method, "ranking": "reranked"})
            axes[0].plot(step, one["loss"], label=style.entry(method_name(method)), **looks.line(method), **marker)
            axes[1].plot(step, one["gap"], **looks.line(method), **marker)
        for ax in axes:
            looks.removed_axis(ax, int(step[-1]))
        curves.loss_axis(axes[0], data["loss"], label)
        axes[1].set_ylabel(gap_label)
        axes[1].set_ylim(bottom=0)
        looks.legend(figure, axes[0])
        style.letter(axes)
    return figure


def depths(networks: Sequence[Network], label: str) -> Figure:
    """Draw error and accuracy of networks of several depths against the nodes removed by brute force, re-ranked.

    Parameters
    ----------
    networks : sequence of Network
    label : str
        Label of the axis of losses, with its unit.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, 2)
        losses = []
        for number, network in enumerate(networks):
            one = network.paths.sel({"ranked_by": "brute_force", "ranking": "reranked"})
            color = style.CYCLE[number % len(style.CYCLE)]
            sizes = "-".join(map(str, network.hidden))
            losses.append(one["loss"].values)
            for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
                ax.plot(one["step"], one[name], color=color, label=f"{network.name}: {sizes}")
        for ax in axes:
            looks.removed_axis(ax, max(network.nodes for network in networks))
        curves.loss_axis(axes[0], np.concatenate(losses), label)
        curves.accuracy_axis(axes[1])
        looks.legend(figure, axes[0], 3)
        style.letter(axes)
    return figure


def retraining(data: xr.Dataset) -> Figure:
    """Draw the test accuracy against the nodes removed, with and without retraining, a panel for each method.

    Parameters
    ----------
    data : xarray.Dataset
        `test_accuracy` (ranked_by, every, step).

    Returns
    -------
    matplotlib.figure.Figure
        Black without retraining; in colour after every so many removals.
    """
    methods = in_order(data["ranked_by"].values.tolist())
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, len(methods), sharey=True)
        for method, ax in zip(methods, axes, strict=True):
            _retrained(ax, data["test_accuracy"].sel({"ranked_by": method}))
            ax.set_title(style.as_is(method_name(method)))
            ax.label_outer(remove_inner_ticks=False)
        looks.legend(figure, axes[0])
        style.letter(axes)
    return figure


def _retrained(ax: Axes, accuracy: xr.DataArray) -> None:
    colors = iter(style.CYCLE)
    for every in sorted(int(one) for one in accuracy["every"].values):
        values = accuracy.sel(every=every)
        if every == 0:
            ax.plot(values["step"], values, color=style.BLACK, linewidth=1.1, label="never retrained", zorder=3)
        else:
            label = "retrained after every " + ("removal" if every == 1 else f"{every} removals")
            ax.plot(values["step"], values, color=next(colors, style.GREY), linewidth=1.1, label=label)
    looks.removed_axis(ax, accuracy.sizes["step"] - 1)
    curves.accuracy_axis(ax, "test accuracy (%)")
