"""How a way of pruning looks in every figure of the study, and the axes of the figures."""

from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullLocator

from analysis.figures import style

#: Lines that differ in more than their colour, in the order of a list.
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (3, 1, 1, 1)), (0, (8, 2, 1, 2)), (0, (2.5, 2.5)))
KIND_COLORS = {"weights": style.BLUE, "units": style.VERMILLION}
KINDS: dict[str, dict[str, Any]] = {
    "weights": {"color": style.BLUE, "linestyle": DASHES[0]},
    "units": {"color": style.VERMILLION, "linestyle": DASHES[1]},
}
SCOPES: dict[str, dict[str, Any]] = {
    "layer": {"color": style.BLACK, "linestyle": DASHES[0]},
    "global_raw": {"color": style.BLUE, "linestyle": DASHES[1]},
    "global_normalised": {"color": style.VERMILLION, "linestyle": DASHES[3]},
}
_HEURISTICS = {
    "activation": (style.PINK, DASHES[1]),
    "gradient": (style.SKY, DASHES[3]),
    "first_order": (style.VERMILLION, DASHES[5]),
    "second_order": (style.GREEN, DASHES[1]),
    "brute_force": (style.BLUE, DASHES[3]),
    "largest": (style.ORANGE, DASHES[4]),
    "random": (style.GREY, DASHES[2]),
}


def heuristic(by: str) -> dict[str, Any]:
    """Return the options of a heuristic's line: the published one black and solid, random choice grey and dotted."""
    if by in ("magnitude", "norm"):
        return {"color": style.BLACK, "linewidth": 1.6, "zorder": 4}
    color, dashes = _HEURISTICS[by]
    return {"color": color, "linestyle": dashes, "zorder": 2 if by == "random" else 3}


def shade(place: int, count: int) -> str:
    """Return the colour of one of several in an order, from light to black."""
    if count <= 3:
        return (style.SKY, style.BLUE, style.BLACK)[place + 3 - count]
    return style.BLACK if place == count - 1 else to_hex(colormaps["cividis_r"](0.15 + 0.6 * place / max(count - 1, 1)))


def alpha_of(lines: int) -> float:
    """Return how dark bands are, so that several over one another can be told apart."""
    return 0.3 if lines < 4 else 0.15


def sparsity_axis(ax: Axes, label: str = "sparsity (%)") -> None:
    """Count per cent along the horizontal axis."""
    ax.set_xlim(0, 100)
    ax.xaxis.set_major_locator(MultipleLocator(20))
    ax.set_xlabel(label)


def left_axis(ax: Axes, least: float) -> None:
    """Write shares of weights that stay along the horizontal axis, in per cent: logarithmic, falling to the right."""
    ax.set_xscale("log")
    ax.set_xlim(100, min(least, 99.0))  # all of them stay where nothing was pruned: no axis has one point
    ax.set_xticks([tick for tick in (100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1) if tick >= least * 0.999])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("prunable weights that stay (%)")


def points_axis(ax: Axes, label: str) -> None:
    """Write differences of accuracy along the vertical axis in percentage points, about a line at zero."""
    ax.axhline(0, color=style.GREY, linewidth=0.7, zorder=1)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}".replace("-", "−")))
    ax.set_ylabel(label)


def error_axis(ax: Axes, least: float, label: str = "test error (%)") -> None:
    """Write shares of wrong answers along the vertical axis in per cent, logarithmic, down to `least`."""
    ax.set_ylim(least, 1.0)  # first: a logarithm of no positive value has no limits of its own
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylabel(label)
