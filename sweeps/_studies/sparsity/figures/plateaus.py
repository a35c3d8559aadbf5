"""Where plateaus end, a row for each way of pruning."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import _axes, style
from sweeps._studies.sparsity.claims import PUBLISHED_ENDS, points
from sweeps._studies.sparsity.figures import looks
from sweeps._studies.sparsity.measures import DROPS, MAIN_DROP, Method, mean_of


def ends(summary: xr.Dataset, shown: Sequence[Method], ax: Axes | None = None) -> Axes:
    """Draw the sparsity at which each way's plateau ends.

    Parameters
    ----------
    summary : xarray.Dataset
        `end` (pruned_by, network, fall) of one length of training, see `measures.summary`.
    shown : sequence of Method
        From the top row on.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        A dot with the 95 % t-interval at the fall of the rule, small open marks at the other falls; the published ends
        as grey bands.
    """
    others = dict(zip(sorted(DROPS[1:]), "<>D", strict=True))
    place = np.arange(len(shown))
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.DOUBLE, height=0.8 + 0.23 * len(shown))
        for row, one in zip(place, shown, strict=True):
            color = looks.KIND_COLORS[one.kind]
            found = {fall: mean_of(summary["end"].sel(fall=fall), one.key) for fall in DROPS}
            main = found[MAIN_DROP]
            ax.errorbar(main.mean, row, xerr=main.half if main.known else None, fmt="o", color=color, markersize=4.2,
                        elinewidth=1.3, capsize=2.5, zorder=3)  # fmt: skip
            for fall, marker in others.items():
                ax.plot(found[fall].mean, row, marker, color="white", markeredgecolor=color, markersize=3.4, zorder=3.5)
        for kind, (low, high) in PUBLISHED_ENDS.items():
            rows = [row for row, one in zip(place, shown, strict=True) if one.kind == kind]
            # A single published number is a line.
            left = high - max(high - low, 0.5)
            ax.fill_betweenx([rows[0] - 0.45, rows[-1] + 0.45], left, high, color=style.LIGHT_GREY, linewidth=0)
        ax.set_yticks(place, [one.name for one in shown])
        ax.set_ylim(len(shown) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        looks.sparsity_axis(ax, "sparsity at which the accuracy first falls (%)")
        ax.grid(axis="x", color=style.LIGHT_GREY, linewidth=0.4)
        ax.set_axisbelow(True)
        _axes.legend_above(ax, _entries(others), columns=2 + len(others), right=True)
    return ax


def _entries(others: dict[float, str]) -> dict[str, Line2D | Patch]:
    main = Line2D([], [], marker="o", color=style.BLACK, markersize=4.2, linewidth=1.3)
    marks = {
        f"by {points(fall)}": Line2D(
            [], [], marker=marker, color="white", markeredgecolor=style.BLACK, markersize=3.4, linestyle=""
        )
        for fall, marker in others.items()
    }
    return {f"by {points(MAIN_DROP)}": main, **marks, "published": Patch(color=style.LIGHT_GREY)}
