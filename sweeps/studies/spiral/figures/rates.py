"""What depends on the learning rate: silent nodes, accuracies, and how far weights go."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.plane import CERTAINTY
from analysis.intervals import Interval
from sweeps.studies.spiral.measures import adam, rates

#: Distances, in learning rates, that the histograms are drawn to.
FAR = 12.0
_NAMES = {"chosen": "smallest"}
_KINDS = {"random": style.VERMILLION, "chosen": style.BLUE}


def _lines(ax: Axes, rate: Any, found: Sequence[Interval], shift: float = 1.0, **look: Any) -> None:
    values = np.array([one[:4] for one in found])
    reach = np.maximum(np.nan_to_num(np.array([values[:, 0] - values[:, 2], values[:, 3] - values[:, 0]])), 0)
    # Side by side, so that equal values do not cover each other.
    ax.errorbar(np.asarray(rate) * shift, values[:, 0], yerr=reach, markersize=3.2, elinewidth=0.9, **look)


def _rate_axis(ax: Axes, rate: np.ndarray) -> None:
    ax.set_xscale("log")
    ax.set_xticks(rate, [f"{one:g}" for one in rate])
    ax.minorticks_off()
    ax.set_xlim(rate.min() / 1.6, rate.max() * 1.6)
    ax.set_xlabel("learning rate")


def _histograms(ax: Axes, data: xr.Dataset, rate: np.ndarray) -> None:
    distance = data["distance"].values
    width = float(distance[1] - distance[0]) if distance.size > 1 else 1.0
    counts = data["moved"].transpose("learning_rate", "network", "distance").values.sum(axis=1).astype(float)
    colors = [to_hex(CERTAINTY(place)) for place in np.linspace(0.0, 0.9, len(rate))]
    for one, some, color in zip(rate, counts, colors, strict=True):
        if some.sum():
            ax.plot(distance, some / (some.sum() * width), color=color, linewidth=1.0, label=f"{one:g}")
    once = adam.single_gradient()
    ax.axvline(
        once, color=style.GREEN, linewidth=0.9, linestyle=(0, (4, 2)), zorder=0.5, label=f"one gradient: {once:.2f}"
    )
    ax.set(xlim=(0, FAR), xlabel="distance (learning rates)", ylabel="density")
    # Most distances are rare against the preferred one, at some rates.
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, 0.003), high * 30)  # room for the legend
    ax.legend(loc="upper right", ncols=2, columnspacing=0.8, handlelength=1.2, borderaxespad=0)


def overview(data: xr.Dataset) -> Figure:
    """Draw silent nodes, accuracies and distances against the learning rate.

    Parameters
    ----------
    data : xarray.Dataset
        A run's group ``rates``.

    Returns
    -------
    matplotlib.figure.Figure
        With 95 % intervals of the means; the distances are pooled over networks.

    Raises
    ------
    TypeError, ValueError
        As `sweeps.studies.spiral.measures.rates.checked` does.
    """
    data = rates.checked(data)
    rate = data["learning_rate"].values.astype(float)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 3.0, 1, 3)
        looks = ((style.BLACK, "o", "-"), (style.GREY, "s", "--"), (style.PINK, "^", ":"))
        for place, layer in enumerate(data["layer"].values.tolist()):
            color, marker, dashes = looks[place % len(looks)]
            _lines(
                axes[0],
                rate,
                rates.mean(data, "dead", layer=layer),
                color=color,
                marker=marker,
                linestyle=dashes,
                label=f"hidden layer {place + 1}",
            )
        axes[0].set(ylabel="share of constant nodes", ylim=(-0.03, 1.03))
        _lines(
            axes[1],
            rate,
            rates.mean(data, "accuracy"),
            0.9,
            color=style.BLACK,
            marker="D",
            linestyle="-",
            label="trained",
        )
        for place, kind in enumerate(data["kind"].values.tolist()):
            color = _KINDS.get(kind, style.PINK)
            for name, marker, dashes, said in (
                ("pruned_accuracy", "o", "-", "pruned"),
                ("first_accuracy", "s", "--", "pruned first"),
            ):
                _lines(
                    axes[1],
                    rate,
                    rates.mean(data, name, kind=kind),
                    1 + 0.08 * (place + (marker == "s")),
                    color=color,
                    marker=marker,
                    linestyle=dashes,
                    label=style.entry(f"{_NAMES.get(kind, kind)}, {said}"),
                )
        axes[1].set_ylabel("test accuracy")
        for ax in axes[:2]:
            _rate_axis(ax, rate)
        axes[0].legend(loc="upper left")
        handles, labels = axes[1].get_legend_handles_labels()
        figure.legend(handles, labels, title="accuracy (b)", title_fontsize=8, loc="outside upper center", ncols=5)
        _histograms(axes[2], data, rate)
        style.letter(axes)
    return figure
