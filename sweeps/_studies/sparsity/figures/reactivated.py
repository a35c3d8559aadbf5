"""Retraining pruned networks: what comes back, and what that is worth."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.figures import style
from analysis.intervals import Interval
from sweeps._studies.sparsity.measures import KIND_NAMES, KINDS, ways

_MARKS = (("o", style.BLUE), ("s", style.VERMILLION), ("D", style.BLACK))


def overview(data: xr.Dataset) -> Figure:
    """Draw, for every way but that for good, the share that comes back and the accuracy gained.

    Parameters
    ----------
    data : xarray.Dataset
        `accuracy`, `back` (way, network, percent).

    Returns
    -------
    matplotlib.figure.Figure
        A row for each kind: what is back at the end on the left, and the accuracy less that with what is off for good,
        paired by network, on the right; a mark for each sparsity, with 95 % t-intervals.
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 3.6, 2, 2, sharex="col", sharey="row", height_ratios=[3, 4])
        for row, kind in enumerate(KINDS):
            rows = [way for way in ways.WAYS if way.startswith(kind) and not way.endswith("for_good")]
            left, right = axes[2 * row : 2 * row + 2]
            _marks(left, data, rows, ways.back)
            _marks(right, data, rows, ways.gain)
            left.set_yticks(range(len(rows)), [ways.WAYS[way] for way in rows])
            left.set_ylim(len(rows) - 0.5, -0.5)
            left.axvline(0, color=style.GREY, linewidth=0.7, zorder=1)
            right.axvline(0, color=style.GREY, linewidth=0.7, zorder=1)
            for ax in (left, right):
                ax.set_title(KIND_NAMES[kind])
                ax.tick_params(axis="y", length=0)
                ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}".replace("-", "−")))
        axes[2].set_xlabel("back at the end (%)")
        axes[3].set_xlabel("accuracy less off for good (points)")
        axes[1].legend(loc="best", fontsize=7)
        style.letter(axes)
    return figure


def _marks(
    ax: Axes, data: xr.Dataset, rows: Sequence[str], number: Callable[[xr.Dataset, str, float], Interval]
) -> None:
    percents = data["percent"].values
    for at, percent in enumerate(percents):
        marker, color = _MARKS[at % len(_MARKS)]
        found = [number(data, way, percent) for way in rows]
        place = np.arange(len(rows)) + 0.24 * (at - (len(percents) - 1) / 2)
        error = [one.half if one.known else 0 for one in found]
        ax.errorbar([one.mean for one in found], place, xerr=error, fmt=marker, color=color, markersize=3.6,
                    elinewidth=1, capsize=2, label=f"{percent} % sparsity")  # fmt: skip
