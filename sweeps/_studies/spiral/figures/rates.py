"""What depends on the learning rate: constant nodes, accuracies, and how far weights go."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.intervals import Interval
from sweeps._studies.spiral.figures.looks import COLORS, DASHED
from sweeps._studies.spiral.measures import adam, rates
from sweeps._studies.spiral.names import ARM_NAMES, NODES

#: Distances, in learning rates, that the histograms are drawn to.
FAR = 12.0
_LAYERS = ((style.BLACK, "o", "-"), (style.GREY, "s", "--"), (style.PINK, "^", ":"))
_ARMS = {"pruned": ("o", ":"), "finetuned": ("^", "--"), "prune_first": ("s", "-.")}


def overview(data: xr.Dataset) -> Figure:
    """Draw constant nodes, accuracies and distances against the learning rate.

    Parameters
    ----------
    data : xarray.Dataset
        `measures.rates.Rates.data`.

    Returns
    -------
    matplotlib.figure.Figure
        With 95 % intervals of the means; the distances are pooled over networks.
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.6, 2, 2)
        constant, distances, *accuracies = axes
        _constant(constant, data)
        _histograms(distances, data)
        for ax, (kind, words) in zip(accuracies, NODES.items(), strict=True):
            _accuracies(ax, data, kind)
            ax.set_title(f"{words} removed")
            ax.sharey(accuracies[0])
        constant.legend(loc="upper left")
        handles, labels = accuracies[0].get_legend_handles_labels()
        figure.legend(handles, labels, title="(c), (d)", title_fontsize=8, loc="outside lower center", ncols=4)
        style.letter(axes)
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
        _line(ax, data, rates.each(data["constant"], layer=layer), **look)
    ax.set(ylabel="share of constant nodes", ylim=(-0.03, 1.03))


def _accuracies(ax: Axes, data: xr.Dataset, kind: str) -> None:
    full: dict[str, Any] = {"color": style.BLACK, "marker": "D", "linestyle": "-", "label": "trained"}
    _line(ax, data, rates.each(data["trained"]), 0.88, **full)
    for place, (arm, (marker, dashes)) in enumerate(_ARMS.items()):
        look = {"color": COLORS[kind], "marker": marker, "linestyle": dashes, "label": ARM_NAMES[arm]}
        _line(ax, data, rates.each(data["accuracy"], arm=arm, kind=kind), 0.96 + 0.08 * place, **look)
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
    """Draw a row for each learning rate, each as high as its highest bin."""
    edges = np.append(0.0, data["distance"].values + np.diff(data["distance"].values).mean() / 2)
    rows = data["moved"].sum("network").transpose("learning_rate", "distance").values
    for place, some in enumerate(rows):
        height = 0.85 * some / max(some.max(), 1)
        ax.stairs(place + height, edges, baseline=place, color=style.BLUE, linewidth=0.9)
    once = adam.single_gradient()
    ax.axvline(once, color=style.GREEN, linewidth=0.9, linestyle=DASHED, zorder=0.5)
    ax.text(once + 0.2, len(rows) - 0.05, f"one gradient: {once:.2f}", color=style.GREEN, fontsize=8, va="bottom")
    ax.set_yticks(range(len(rows)), [f"{rate:g}" for rate in data["learning_rate"].values])
    ax.set(xlim=(0, FAR), ylim=(-0.1, len(rows) + 0.35), xlabel="distance (learning rates)", ylabel="learning rate")
