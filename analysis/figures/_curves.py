"""Axes of losses and shares, and curves of several networks with their intervals, for figures of any study."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

from analysis.figures import style
from analysis.intervals import band

#: A loss that spans more than this is drawn on a logarithmic axis.
SPAN = 8.0


def loss_axis(ax: Axes, values: Any, label: str) -> None:
    """Scale and name a vertical axis of losses."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known) & (known > 0)]
    if known.size and known.max() > SPAN * known.min():
        ax.set_yscale("log")
        plain_powers(ax)
    else:
        ax.set_ylim(bottom=0)
    ax.set_ylabel(label)


def plain_powers(ax: Axes) -> None:
    """Write the ticks of a logarithmic axis as plain numbers, where they are short."""
    low, high = ax.get_ylim()
    few = np.log10(high / low) < 2.2
    ax.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0) if few else (1.0,)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    ax.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


def _plain(value: float) -> str:
    return f"{value:g}" if 1e-3 <= value < 1e5 else rf"$10^{{{round(np.log10(value))}}}$" if value > 0 else ""


def accuracy_axis(ax: Axes, label: str = "accuracy (%)") -> None:
    """Write shares along the vertical axis in per cent."""
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    ax.set_ylabel(label)


def chance(ax: Axes, level: float, name: str = "chance") -> None:
    """Draw what guessing gives."""
    ax.axhline(level, color=style.GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1, label=name)


def banded(
    ax: Axes, values: xr.DataArray, label: str = "", ranged: bool = False, alpha: float = 0.3, **line: Any
) -> Line2D:
    """Draw curves of several networks: the mean, its 95 % t-interval at every point, and their range if asked.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    values : xarray.DataArray, (network, along)
        With the coordinate `along`.
    label : str
        Of the mean.
    ranged : bool
        Whether the range over the networks is drawn, as a lighter band.
    alpha : float
        How dark the band of the interval is.
    **line
        Options of the mean's line; the bands have its colour.

    Returns
    -------
    matplotlib.lines.Line2D
        The mean.
    """
    found = band(values)
    (along,) = found.dims
    place = found[along].values
    (mean,) = ax.plot(place, found["mean"], label=label or None, **line)
    options: dict[str, Any] = {"color": mean.get_color(), "linewidth": 0, "zorder": mean.get_zorder() - 0.5}
    if (found["high"] > found["low"]).any():
        if ranged:
            ax.fill_between(place, found["least"], found["most"], alpha=0.13, **options)
        ax.fill_between(place, found["low"], found["high"], alpha=alpha, **options)
    return mean
