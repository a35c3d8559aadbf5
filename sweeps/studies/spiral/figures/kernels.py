"""The main kernels: one network's weights against another's, correlations, and how far weights went."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.density import kde
from analysis.errors import InputError
from analysis.figures import style
from sweeps.studies.spiral.claims import PUBLISHED_PEAK
from sweeps.studies.spiral.measures.moves import FEWEST

#: The close-up reaches so many times the largest of what is to be seen in it.
ZOOM = 1.15


class Pair(NamedTuple):
    """The weights that stay of two networks, each (weights,).

    Attributes
    ----------
    first, second : numpy.ndarray
        Of the trained network, and of the one pruned first.
    start : numpy.ndarray
        What both started from.
    alike : numpy.ndarray of bool
        Weights that moved by the preferred distance in both.
    """

    first: np.ndarray
    second: np.ndarray
    start: np.ndarray
    alike: np.ndarray


_KINDS = {
    "moved otherwise": style.SKY,
    "moved by the preferred distance in both": style.VERMILLION,
    "equal to the start in both": style.BLACK,
}


def scatter(ax: Axes, pair: Pair, limit: float, size: float) -> None:
    """Draw the weights of one network against those of another, with the diagonal.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    pair : Pair
    limit : float
        Both axes reach from -limit to limit.
    size : float
        Of the points, in square points.
    """
    still = (pair.first == pair.start) & (pair.second == pair.start)
    many = pair.first.size > 1000
    ax.plot([-limit, limit], [-limit, limit], color=style.GREY, linewidth=0.6, zorder=1)
    for zorder, (some, color) in enumerate(
        zip((~still & ~pair.alike, pair.alike & ~still, still), _KINDS.values(), strict=True)
    ):
        ax.scatter(
            pair.first[some],
            pair.second[some],
            s=size,
            color=color,
            alpha=0.7,
            linewidths=0,
            rasterized=many,
            zorder=2 + zorder,
        )
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))


def against(pairs: Mapping[str, Pair], peak: float = float("nan")) -> Figure:
    """Draw the kernel of a network that was pruned first against that of the trained one, whole and close up.

    Parameters
    ----------
    pairs : mapping of str to Pair
        By title.
    peak : float
        The distance that weights prefer to move, if there is one: the close-up has room for it.

    Returns
    -------
    matplotlib.figure.Figure
        A row a pair: whole, and close up.

    Raises
    ------
    ValueError
        If there are no pairs.
    """
    if not pairs:
        raise InputError("pairs: expected one or more, got none")
    with style.context():
        figure, axes = style.new_figure(5.6, 2.75 * len(pairs) + 0.2, len(pairs), 2)
        for row, (title, pair) in enumerate(pairs.items()):
            values = [np.asarray(one, float) for one in pair[:3]]
            largest, _, initial = (float(np.abs(one).max(initial=0.0)) for one in (values[:2], values[1], values[2]))
            near = ZOOM * (initial + (peak if np.isfinite(peak) else 0.0))
            for ax, limit, size in zip(
                axes[2 * row : 2 * row + 2], (1.05 * largest or 1.0, near or 1.0), (2.5, 5.0), strict=True
            ):
                scatter(ax, pair, limit, size)
                ax.set(xlabel="weight, trained", ylabel="weight, pruned first")
            axes[2 * row].set_title(title)
            axes[2 * row + 1].set_title("close up")
        handles = [
            Line2D([], [], color=color, marker="o", markersize=3.5, linestyle="", label=label)
            for label, color in reversed(_KINDS.items())
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3, handletextpad=0.1, columnspacing=1.0)
        style.letter(axes)
    return figure


def _marks(marked: float) -> list[tuple[float, str, Any]]:
    """Distances to mark, with their looks: the published one, and another if it is known."""
    found: list[tuple[float, str, Any]] = [(PUBLISHED_PEAK, style.ORANGE, (0, (1, 1)))]
    return found + ([(marked, style.GREEN, (0, (4, 2)))] if np.isfinite(marked) else [])


def changes(
    values: Mapping[str, Sequence[Any]], colors: Mapping[str, str], width: float, marked: float = float("nan")
) -> Figure:
    """Draw the density of how far weights went from their start, a line a network.

    Parameters
    ----------
    values : mapping of str to sequence of array_like
        By title: of every network, the changes of the weights that moved. The first network is drawn thick.
    colors : mapping of str to str
        By title.
    width : float
        Standard deviation of the kernel.
    marked : float
        A distance to mark on both sides of zero, if known.

    Returns
    -------
    matplotlib.figure.Figure
        Dotted: the published size of the changes; dashed: the marked one.

    Raises
    ------
    ValueError
        If there is nothing to draw.
    """
    if not values:
        raise InputError("values: expected one panel or more, got none")
    shown = np.concatenate([np.ravel(one) for some in values.values() for one in some] or [np.zeros(0)])
    # The few that went furthest are left out, so that the others can be told apart.
    limit = max(float(np.quantile(np.abs(shown), 0.95)) if shown.size else 0.0, 1.5 * PUBLISHED_PEAK)
    with style.context():
        figure, axes = style.new_figure(
            style.DOUBLE if len(values) > 1 else style.SINGLE, 2.4, 1, len(values), sharey=True
        )
        for ax, (title, some) in zip(axes, values.items(), strict=True):
            for number in reversed(range(len(some))):
                if np.size(some[number]) < FEWEST:
                    continue
                estimate = kde(some[number], width)
                inside = np.abs(estimate.grid) <= limit
                step = max(int(inside.sum()) // 1200, 1)  # more points than a printed line can show
                ax.plot(
                    estimate.grid[inside][::step],
                    estimate.density[inside][::step],
                    color=colors[title] if number == 0 else style.GREY,
                    linewidth=1.4 if number == 0 else 0.5,
                    alpha=1.0 if number == 0 else 0.5,
                )
            for place, color, dashes in _marks(marked):
                for at in (-place, place):
                    ax.axvline(at, color=color, linewidth=0.9, linestyle=dashes, zorder=0.5)
            ax.set(xlim=(-limit, limit), xlabel="change from the start", title=title)
            ax.set_ylim(bottom=0)
        axes[0].set_ylabel("density")
        names = ("published", "one gradient at the first step, by Adam")
        lines = [
            Line2D([], [], color=color, linewidth=0.9, linestyle=dashes, label=f"{name}: ±{place:.3g}")
            for name, (place, color, dashes) in zip(names, _marks(marked), strict=False)
        ]
        figure.legend(handles=lines, loc="outside upper center", ncols=2)
        style.letter(axes)
    return figure
