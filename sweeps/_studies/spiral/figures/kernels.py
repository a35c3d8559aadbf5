"""The main kernels: one network's weights against another's, and how far weights went."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.density import kde
from analysis.figures import style
from sweeps._studies.spiral import measures
from sweeps._studies.spiral.claims import PUBLISHED_PEAK
from sweeps._studies.spiral.figures.looks import COLORS, DASHED, DOTTED, SHORT
from sweeps._studies.spiral.measures import Results, adam
from sweeps._studies.spiral.measures.moves import FEWEST, Floats, moved_alike
from sweeps._studies.spiral.names import NODES

#: The close-up reaches so many times the largest of what is to be seen in it.
ZOOM = 1.15
_GROUPS = {
    "moved otherwise": (style.SKY, "o"),
    "moved by the preferred distance in both": (style.VERMILLION, "^"),
    "equal to the start in both": (style.BLACK, "s"),
}


class Pair(NamedTuple):
    """The weights that stay of two networks, each (weights,).

    Attributes
    ----------
    trained, first : numpy.ndarray
        Of the trained network, and of the one pruned first.
    start : numpy.ndarray
        What both started from.
    alike : numpy.ndarray of bool
        Weights that moved by the preferred distance in both.
    """

    trained: np.ndarray
    first: np.ndarray
    start: np.ndarray
    alike: np.ndarray


def against(results: Results) -> Figure:
    """Draw the kernel of network 0 pruned first against that of the trained one, whole and close up, a row a kind."""
    at = float(results.peaks.sel(source="trained", of="all")[0])
    with style.context():
        figure, axes = style.new_figure(5.6, 2.75 * len(NODES) + 0.2, len(NODES), 2)
        for row, (kind, choices) in enumerate(results.choices.items()):
            pair = _pair(results, choices[0], at)
            whole, close = axes[2 * row : 2 * row + 2]
            largest = max(float(np.abs(one).max()) for one in (pair.trained, pair.first))
            _scatter(whole, pair, 1.05 * largest, 2.5)
            # The close-up has room for the preferred distance, if there is one.
            _scatter(close, pair, ZOOM * (float(np.abs(pair.start).max()) + np.nan_to_num(at)), 5.0)
            whole.set_title(f"{NODES[kind]} removed")
            close.set_title("close up")
        handles = [
            Line2D([], [], color=color, marker=marker, markersize=3.5, linestyle="", label=label)
            for label, (color, marker) in reversed(_GROUPS.items())
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3, handletextpad=0.1, columnspacing=1.0)
        style.letter(axes)
    return figure


def _pair(results: Results, name: str, at: float) -> Pair:
    main = results.kernels
    choice = main.choices.index(name)
    trained, first = main.pair("prune_first", choice, 0)
    return Pair(trained, first, main.start(choice, 0), moved_alike(main, choice, 0, at))


def _scatter(ax: Axes, pair: Pair, limit: float, size: float) -> None:
    """Draw the weights of one network against those of another, with the diagonal, up to a limit."""
    still = (pair.trained == pair.start) & (pair.first == pair.start)
    ax.plot([-limit, limit], [-limit, limit], color=style.GREY, linewidth=0.6, zorder=1)
    groups = (~still & ~pair.alike, pair.alike & ~still, still)
    for zorder, (some, (color, marker)) in enumerate(zip(groups, _GROUPS.values(), strict=True), start=2):
        bigger = size if marker == "o" else 1.6 * size
        look: dict[str, Any] = {"s": bigger, "color": color, "alpha": 0.7, "linewidths": 0, "zorder": zorder}
        look["marker"] = marker
        ax.scatter(pair.trained[some], pair.first[some], rasterized=pair.trained.size > 1000, **look)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ax.set(xlabel="weight, trained", ylabel="weight, pruned first")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))


def changes(results: Results) -> Figure:
    """Draw the density of how far weights went from their start, a line a network, network 0 thick.

    Dotted: the published size of the changes; dashed: how far Adam moves a weight that has one gradient.
    """
    shown = {"full network": results.changes["trained"]}
    shown |= {f"pruned first, {SHORT[kind]}": results.changes[f"prune_first {kind}"] for kind in NODES}
    colors = [style.BLACK, *(COLORS[kind] for kind in NODES)]
    once = adam.single_gradient() * measures.learning_rate(results.run)
    marks = {"published": (PUBLISHED_PEAK, style.ORANGE, DOTTED)}
    marks |= {"one gradient at the first step, by Adam": (once, style.GREEN, DASHED)}
    # The few that went furthest are left out, so that the others can be told apart.
    furthest = np.abs(np.concatenate([one for some in shown.values() for one in some]))
    limit = max(float(np.quantile(furthest, 0.95)) if furthest.size else 0.0, 1.5 * PUBLISHED_PEAK)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.4, 1, len(shown), sharey=True)
        for ax, (title, some), color in zip(axes, shown.items(), colors, strict=True):
            _densities(ax, some, measures.density_width(results.run), limit, color)
            for place, line, dashes in marks.values():
                for at in (-place, place):
                    ax.axvline(at, color=line, linewidth=0.9, linestyle=dashes, zorder=0.5)
            ax.set(xlim=(-limit, limit), xlabel="change from the start", title=title)
            ax.set_ylim(bottom=0)
        axes[0].set_ylabel("density")
        handles = [
            Line2D([], [], color=line, linewidth=0.9, linestyle=dashes, label=f"{name}: ±{place:.3g}")
            for name, (place, line, dashes) in marks.items()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
        style.letter(axes)
    return figure


def _densities(ax: Axes, changes: list[Floats], width: float, limit: float, color: str) -> None:
    first: dict[str, Any] = {"color": color, "linewidth": 1.4, "zorder": 3}
    others: dict[str, Any] = {"color": style.GREY, "linewidth": 0.5, "alpha": 0.5}
    for number, one in enumerate(changes):
        if one.size < FEWEST:
            continue
        estimate = kde(one, width=width)
        inside = np.abs(estimate.grid) <= limit
        step = max(int(inside.sum()) // 1200, 1)  # more points than a printed line can show
        look = others if number else first
        ax.plot(estimate.grid[inside][::step], estimate.density[inside][::step], **look)
