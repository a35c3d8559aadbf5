"""Crucial connections in weak nodes: where they are, what they are worth, and a ranking that looks for them."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from analysis.figures import style
from analysis.figures._curves import banded
from analysis.intervals import interval
from sweeps._studies.sparsity.figures import looks
from sweeps._studies.sparsity.measures import PUBLISHED, Connections
from sweeps._studies.sparsity.measures.connections import WEAK

#: By what connections are crucial: label and line.
_LINES = {
    "magnitude": ("by magnitude", {"color": style.BLACK, "linestyle": looks.DASHES[0]}),
    "implied": ("as the norms imply", {"color": style.ORANGE, "linestyle": looks.DASHES[1]}),
    "loss": ("by change of the loss", {"color": style.BLUE, "linestyle": looks.DASHES[3]}),
}


def overview(found: Connections, last: xr.Dataset) -> Figure:
    """Draw where crucial connections are, the accuracy without nodes that have them, and the ranking by the largest.

    Parameters
    ----------
    found : Connections
    last : xarray.Dataset
        `accuracy` (pruned_by, network, percent) after the longest training.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.5, 1, 3)
        _shares(found.shares, axes[0])
        _pairs(found.harm, axes[1])
        key = "units_largest_layer"
        if key in last["pruned_by"].values:
            accuracy = last["accuracy"].transpose("pruned_by", "network", "percent")
            less = accuracy.sel({"pruned_by": key}, drop=True) - accuracy.sel(
                {"pruned_by": PUBLISHED["units"]}, drop=True
            )
            banded(axes[2], less, color=style.BLACK)
        looks.points_axis(axes[2], "largest less norm (points)")
        looks.sparsity_axis(axes[2], "nodes that go (%)")
        style.letter(axes)
    return figure


def _shares(shares: xr.Dataset, ax: Axes) -> None:
    ax.plot([0, 100], [0, 1], color=style.GREY, linewidth=0.7, linestyle=looks.DASHES[2])
    ax.annotate("chance", (40, 0.4), xytext=(-3, 2), textcoords="offset points", ha="right", fontsize=7)
    for name, (label, look) in _LINES.items():
        banded(ax, shares[name].transpose("network", "gone"), label, **look)
    ax.axvline(100 * WEAK, color=style.LIGHT_GREY, linewidth=0.7, zorder=0)
    looks.sparsity_axis(ax, "nodes that go (%)")
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_locator(MultipleLocator(0.2))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    ax.set_ylabel("crucial connections that go (%)")
    ax.legend(loc="upper left", handlelength=2.6, fontsize=7)


def _pairs(harm: xr.Dataset, ax: Axes) -> None:
    """Join the two accuracies of each network; beside them, the means with their intervals."""
    both = harm["accuracy"].transpose("nodes", "network").sel(nodes=["without", "with"]).values
    ax.plot([0, 1], both, color=style.GREY, linewidth=0.6, marker="o", markersize=2.6, zorder=2)
    for place, values in zip((-0.15, 1.15), both, strict=True):
        one = interval(values)
        ax.errorbar(place, one.mean, yerr=one.half if one.known else None, fmt="D", color=style.BLACK, markersize=4,
                    elinewidth=1.2, capsize=2.5, zorder=3)  # fmt: skip
    ax.set_xlim(-0.5, 1.5)
    ax.set_xticks([0, 1], ["without crucial", "with crucial"])
    ax.set_xlabel("connections of the weak nodes off")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))
    ax.set_ylabel("accuracy (%)" if np.isfinite(both).any() else "accuracy (no pairs)")
