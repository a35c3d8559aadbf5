"""What depends on the learning rate: constant nodes, accuracies, and how far weights go."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.plane import CERTAINTY
from analysis.intervals import Interval
from sweeps.studies.spiral.figures.looks import COLORS, DASHED, SHORT
from sweeps.studies.spiral.measures import adam, rates

#: Distances, in learning rates, that the histograms are drawn to.
FAR = 12.0
_LAYERS = ((style.BLACK, "o", "-"), (style.GREY, "s", "--"), (style.PINK, "^", ":"))
_ARMS = {"pruned": ("pruned_accuracy", "o", "-"), "pruned first": ("first_accuracy", "s", "--")}


def overview(data: xr.Dataset) -> Figure:
    """Draw constant nodes, accuracies and distances against the learning rate.

    Parameters
    ----------
    data : xarray.Dataset
        A run's group ``rates``.

    Returns
    -------
    matplotlib.figure.Figure
        With 95 % intervals of the means; the distances are pooled over networks.
    """
    with style.context():
        figure, (constant, accuracy, distances) = style.new_figure(style.DOUBLE, 3.0, 1, 3)
        _constant(constant, data)
        _accuracies(accuracy, data)
        _histograms(distances, data)
        constant.legend(loc="upper left")
        handles, labels = accuracy.get_legend_handles_labels()
        figure.legend(handles, labels, title="accuracy (b)", title_fontsize=8, loc="outside upper center", ncols=5)
        style.letter((constant, accuracy, distances))
    return figure


def _constant(ax: Axes, data: xr.Dataset) -> None:
    for place, layer in enumerate(data["layer"].values):
        color, marker, dashes = _LAYERS[place % len(_LAYERS)]
        look: dict[str, Any] = {
            "color": color,
            "marker": marker,
            "linestyle": dashes,
            "label": f"hidden layer {place + 1}",
        }
        _line(ax, data, rates.each(data["dead"], layer=layer), **look)
    ax.set(ylabel="share of constant nodes", ylim=(-0.03, 1.03))


def _accuracies(ax: Axes, data: xr.Dataset) -> None:
    full: dict[str, Any] = {"color": style.BLACK, "marker": "D", "linestyle": "-", "label": "trained"}
    _line(ax, data, rates.each(data["accuracy"]), 0.9, **full)
    for place, (kind, (words, (name, marker, dashes))) in enumerate(product(rates.KINDS, _ARMS.items())):
        look = {"color": COLORS[kind], "marker": marker, "linestyle": dashes, "label": f"{SHORT[kind]}, {words}"}
        _line(ax, data, rates.each(data[name], kind=rates.KINDS[kind]), 1 + 0.08 * place, **look)
    ax.set_ylabel("test accuracy")


def _line(ax: Axes, data: xr.Dataset, found: Sequence[Interval], shift: float = 1.0, **look: Any) -> None:
    """Draw means with intervals along the learning rate, shifted so that equal values do not cover each other."""
    rate = data["learning_rate"].values.astype(float)
    half = np.nan_to_num([one.half for one in found])
    ax.errorbar(rate * shift, [one.mean for one in found], yerr=half, markersize=3.2, elinewidth=0.9, **look)
    ax.set_xscale("log")
    ax.set_xticks(rate, [f"{one:g}" for one in rate])
    ax.minorticks_off()
    ax.set_xlim(rate.min() / 1.6, rate.max() * 1.6)
    ax.set_xlabel("learning rate")


def _histograms(ax: Axes, data: xr.Dataset) -> None:
    distance, counts = data["distance"].values, data["moved"].sum("network").transpose("learning_rate", "distance")
    width = float(distance[1] - distance[0])
    colors = [to_hex(CERTAINTY(place)) for place in np.linspace(0.0, 0.9, len(counts))]
    for rate, some, color in zip(data["learning_rate"].values, counts.values.astype(float), colors, strict=True):
        if some.sum():
            ax.plot(distance, some / (some.sum() * width), color=color, linewidth=1.0, label=f"{rate:g}")
    once = adam.single_gradient()
    look: dict[str, Any] = {"color": style.GREEN, "linewidth": 0.9, "linestyle": DASHED, "zorder": 0.5}
    ax.axvline(once, label=f"one gradient: {once:.2f}", **look)
    ax.set(xlim=(0, FAR), xlabel="distance (learning rates)", ylabel="density")
    # Most distances are rare against the preferred one, at some rates.
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, 0.003), high * 30)  # room for the legend
    ax.legend(loc="upper right", ncols=2, columnspacing=0.8, handlelength=1.2, borderaxespad=0)
