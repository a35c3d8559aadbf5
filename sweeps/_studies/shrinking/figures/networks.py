"""Networks side by side: the optimum of every size, deeper networks, and retraining."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import _curves, _names, style
from sweeps._studies.shrinking.figures import looks
from sweeps._studies.shrinking.measures.networks import Network
from sweeps._studies.shrinking.names import METHODS, in_order, method_name


def optimum(data: xr.Dataset, label: str, gap_label: str) -> Figure:
    """Draw re-ranked removal paths beside the best mask of every size, and how far they are from it.

    Parameters
    ----------
    data : xarray.Dataset
        What `measures.optimum.greedy_gaps` returns.
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
        best: dict[str, Any] = {"color": style.BLACK, "linewidth": 0.9, "marker": "s", "markersize": 3.2, "zorder": 4}
        _curves.banded(axes[0], data["best"], "best mask of this size", alpha=0.15, **best)
        chosen = [one for one in in_order(data["ranked_by"].values.tolist()) if one in METHODS]
        for method in chosen:
            one = data.sel({"ranked_by": method, "ranking": "reranked"}, drop=True)
            named = _names.entry(method_name(method))
            _curves.banded(axes[0], one["loss"], named, alpha=0.15, **looks.line(method), **marker)
            _curves.banded(axes[1], one["gap"], alpha=0.15, **looks.line(method), **marker)
        for ax in axes:
            looks.removed_axis(ax, int(step[-1]))
        _curves.loss_axis(axes[0], data["loss"].mean("network"), label)
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
            sizes = f"{network.name}: {'-'.join(map(str, network.hidden))}"
            losses.append(network.curves("loss", "brute_force").mean("network").values)
            for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
                values = network.curves(name, "brute_force").drop_vars(["ranked_by", "ranking"], errors="ignore")
                _curves.banded(ax, values, sizes, alpha=0.2, **looks.numbered(number))
        for ax in axes:
            looks.removed_axis(ax, max(network.nodes for network in networks))
        _curves.loss_axis(axes[0], np.concatenate(losses), label)
        _curves.accuracy_axis(axes[1])
        looks.legend(figure, axes[0], 3)
        style.letter(axes)
    return figure


def retraining(data: xr.Dataset) -> Figure:
    """Draw the test accuracy against the nodes removed, with and without retraining, a panel for each method.

    Parameters
    ----------
    data : xarray.Dataset
        `test_accuracy` (network, every, ranked_by, step).

    Returns
    -------
    matplotlib.figure.Figure
        Means over networks with their 95 % intervals: solid without retraining, dashed after every so many removals.
    """
    methods = in_order(data["ranked_by"].values.tolist())
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, len(methods), sharey=True)
        for method, ax in zip(methods, axes, strict=True):
            _retrained(ax, data["test_accuracy"].sel({"ranked_by": method}, drop=True))
            ax.set_title(_names.as_is(method_name(method)))
            ax.label_outer(remove_inner_ticks=False)
        looks.legend(figure, axes[0])
        style.letter(axes)
    return figure


def _retrained(ax: Axes, accuracy: xr.DataArray) -> None:
    for number, every in enumerate(sorted(int(one) for one in accuracy["every"].values)):
        after = "after every removal" if every == 1 else f"after every {every} removals"
        label = f"retrained {after}" if every else "never retrained"
        _curves.banded(ax, accuracy.sel(every=every, drop=True), label, alpha=0.2, **looks.numbered(number))
    looks.removed_axis(ax, accuracy.sizes["step"] - 1)
    _curves.accuracy_axis(ax, "test accuracy (%)")
