"""How a method looks in every figure of removal paths, and the axis of removed nodes."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from sweeps._studies.shrinking.names import METHODS

_COLORS = {
    "brute_force": style.BLUE,
    "first_order": style.VERMILLION,
    "second_order": style.GREEN,
    "magnitude": style.ORANGE,
    "activation": style.PINK,
    "gradient": style.SKY,
    "random": style.GREY,
    "shapley": style.BLACK,
}


#: Dashes tell the lines of one panel apart without their colour.
DASHES: dict[str, Any] = {
    "brute_force": "-",
    "first_order": (0, (1.2, 1.0)),
    "second_order": (0, (5, 1.5)),
    "magnitude": (0, (5, 1.5)),
    "activation": (0, (1.2, 1.0)),
    "gradient": (0, (6, 1.5, 1.2, 1.5)),
    "random": (0, (6, 1.5, 1.2, 1.5)),
    "shapley": (0, (6, 1.5, 1.2, 1.5)),
}


def line(method: str) -> dict[str, Any]:
    """Return the options of a method's line."""
    main = method in METHODS
    return {
        "color": _COLORS.get(method, style.BLACK),
        "linewidth": 1.3 if main else 1.0,
        "linestyle": DASHES.get(method, "-"),
        "zorder": 3 if main else 2,
    }


#: Dashes of lines that are of no method.
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.0)), (0, (6, 1.5, 1.2, 1.5)), (0, (2.5, 1)))


def numbered(number: int) -> dict[str, Any]:
    """Return colour and dashes of a line that is of no method."""
    return {"color": style.CYCLE[number % len(style.CYCLE)], "linestyle": LINES[number % len(LINES)]}


def removed_axis(ax: Axes, nodes: int) -> None:
    """Count removed nodes along the horizontal axis."""
    ax.set_xlim(0, nodes)
    ax.set_xlabel("nodes removed")


def legend(figure: Figure, ax: Axes, columns: int = 4) -> None:
    """Put the legend of one panel above the figure."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), columns))
