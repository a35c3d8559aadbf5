"""How a way of pruning looks in every figure of the study, and the axes of the figures."""

from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullLocator

from analysis.figures import style

KIND_COLORS = {"weights": style.BLUE, "units": style.VERMILLION}
SCOPES: dict[str, dict[str, Any]] = {
    "layer": {"color": style.BLACK, "linestyle": "-"},
    "global_raw": {"color": style.BLUE, "linestyle": (0, (5, 1.5))},
    "global_normalised": {"color": style.VERMILLION, "linestyle": (0, (3, 1, 1, 1))},
}
_COLORS = {
    "activation": style.PINK,
    "gradient": style.SKY,
    "first_order": style.VERMILLION,
    "second_order": style.GREEN,
    "brute_force": style.BLUE,
}


def heuristic(by: str) -> dict[str, Any]:
    """Return the options of a heuristic's line: the published one black, random choice grey and dotted."""
    if by in ("magnitude", "norm"):
        return {"color": style.BLACK, "linewidth": 1.6, "zorder": 4}
    if by == "random":
        return {"color": style.GREY, "linestyle": (0, (1.2, 1.2)), "zorder": 2}
    dashes = {"second_order": (0, (5, 1.5)), "gradient": (0, (3, 1, 1, 1))}
    return {"color": _COLORS[by], "linestyle": dashes.get(by, "-"), "zorder": 3}


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


def entries(ax: Axes) -> dict[str, Any]:
    """Return the labelled artists of axes by label, for a legend."""
    handles, labels = ax.get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))
