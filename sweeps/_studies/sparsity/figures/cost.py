"""What pruning saves: time of a forward pass, and bytes."""

import xarray as xr
from matplotlib.figure import Figure

from analysis.figures import style
from sweeps._studies.sparsity.figures import looks


def overview(cost: xr.Dataset) -> Figure:
    """Draw time and bytes against sparsity, nodes zeroed and removed.

    Parameters
    ----------
    cost : xarray.Dataset
        What `sweeps._studies.sparsity.measures.cost_summary` returns.

    Returns
    -------
    matplotlib.figure.Figure
        Times are medians over the repeats, with their ranges.
    """
    kilo = 1000.0 if float(cost["bytes"].max()) < 1e6 else 1e6
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.3, 1, 2)
        for how, color, marker in (("zeroed", style.VERMILLION, "s"), ("removed", style.BLUE, "o")):
            one = cost.sel(how=how)
            middle = 1e3 * one["median"].values
            error = [middle - 1e3 * one["least"].values, 1e3 * one["most"].values - middle]
            axes[0].errorbar(one["percent"], middle, yerr=error, fmt=marker + "-", color=color, markersize=3.2,
                             elinewidth=0.8, capsize=1.8, label=how)  # fmt: skip
            axes[1].plot(one["percent"], one["bytes"] / kilo, marker + "-", color=color, markersize=3.2, label=how)
        axes[0].set_ylabel("time of a forward pass (ms)")
        axes[1].set_ylabel(f"parameters ({'kB' if kilo == 1000 else 'MB'})")
        for ax in axes:
            looks.sparsity_axis(ax, "sparsity, nodes (%)")
            ax.set_ylim(bottom=0)
        axes[1].legend(loc="lower left")
        style.letter(axes)
    return figure
