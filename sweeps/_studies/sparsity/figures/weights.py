"""Weight and node pruning at equal numbers of weights."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from analysis.figures import _axes, style
from analysis.figures._curves import accuracy_axis, banded
from sweeps._studies.sparsity.figures import looks
from sweeps._studies.sparsity.measures import KIND_NAMES, KINDS, EqualWeights, square_law


def law(equal: EqualWeights, ax: Axes | None = None) -> Axes:
    """Draw which share of the weights goes with a share of the nodes.

    Parameters
    ----------
    equal : EqualWeights
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    percent = np.linspace(0, 100, 201)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        measured = 100 * equal.measured.mean("network")
        ax.plot(percent, 100 * square_law(percent / 100), color=style.GREY, linestyle=(0, (5, 1.5)), linewidth=0.9,
                label=r"$1-(1-k)^2$")  # fmt: skip
        ax.plot(percent, percent, color=style.GREY, linestyle=(0, (1.2, 1.2)), linewidth=0.9, label=r"$k$")
        ax.plot(measured["percent"], measured, color=looks.KIND_COLORS["units"], label="this network")
        looks.sparsity_axis(ax, "nodes that go (%)")
        ax.set_ylim(0, 102)
        ax.yaxis.set_major_locator(MultipleLocator(20))
        ax.set_ylabel("prunable weights that go (%)")
        ax.legend(loc="lower right")
    return ax


def overview(equal: EqualWeights) -> Figure:
    """Draw both published ways against the weights that stay, their difference, and the weights that go with the nodes.

    Parameters
    ----------
    equal : EqualWeights

    Returns
    -------
    matplotlib.figure.Figure
    """
    curves = equal.curves.assign_coords(gone=100 - equal.curves["gone"])
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.5, 1, 3)
        law(equal, axes[0])
        for kind in KINDS:
            one = curves["accuracy"].sel(kind=kind, drop=True).transpose("network", "gone")
            banded(axes[1], one, KIND_NAMES[kind], ranged=True, zorder=3, **looks.KINDS[kind])
        banded(axes[2], curves["difference"].transpose("network", "gone"), ranged=True, color=style.BLACK)
        accuracy_axis(axes[1])
        axes[1].legend(loc="lower left")
        looks.points_axis(axes[2], "weights less nodes (points)")
        for ax in axes[1:]:
            looks.left_axis(ax, 100 - equal.until)
        style.letter(axes)
    return figure
