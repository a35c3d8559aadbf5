"""How arms and choices look in every figure of the study."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from analysis.figures import style
from sweeps.studies.spiral.measures import CHOSEN, RANDOM

_COLORS = {RANDOM: style.VERMILLION, CHOSEN: style.BLUE}
_REST = (style.GREEN, style.PINK, style.ORANGE)


def color(kind: str, kinds: list[str] | None = None) -> str:
    """Return the colour of a kind of choice; of an unknown one by its place among `kinds`."""
    if kind in _COLORS:
        return _COLORS[kind]
    others = [one for one in kinds or [kind] if one not in _COLORS]
    return _REST[others.index(kind) % len(_REST)]


def dots(ax: Axes, rows: Any, points: Any, low: Any, high: Any, **options: Any) -> Any:
    """Draw means as dots with their intervals as lines, one a row; intervals that are not known are left out.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    rows, points, low, high : array_like, (n,)
    **options
        Of the markers.

    Returns
    -------
    matplotlib artist
        For a legend.
    """
    points, low, high = (np.asarray(one, float) for one in (points, low, high))
    reach = np.array([np.nan_to_num(points - low), np.nan_to_num(high - points)])
    look: dict[str, Any] = {
        "fmt": "o",
        "markersize": 3.4,
        "elinewidth": 1.0,
        "capsize": 0,
        "linestyle": "none",
    } | options
    return ax.errorbar(points, rows, xerr=np.maximum(reach, 0), **look)
