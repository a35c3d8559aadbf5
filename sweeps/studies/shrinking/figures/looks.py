"""How a method looks in every figure of removal paths, and the axis of removed nodes."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from sweeps.studies.shrinking.names import METHODS

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


def line(method: str) -> dict[str, Any]:
    """Return the options of a method's line; those for comparison are thin and dotted."""
    main = method in METHODS
    dashes = (0, (5, 1.5)) if method == "second_order" else "-" if main else (0, (1.5, 1.2))
    return {
        "color": _COLORS.get(method, style.BLACK),
        "linewidth": 1.3 if main else 0.8,
        "linestyle": dashes,
        "zorder": 3 if main else 2,
    }


def removed_axis(ax: Axes, nodes: int) -> None:
    """Count removed nodes along the horizontal axis."""
    ax.set_xlim(0, nodes)
    ax.set_xlabel("nodes removed")


def legend(figure: Figure, ax: Axes, columns: int = 4) -> None:
    """Put the legend of one panel above the figure."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), columns))
