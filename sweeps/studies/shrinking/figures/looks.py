"""How a method looks in every figure of removal paths, and what its axes are called."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

from analysis.figures import style

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
#: The methods that the study is about; the others are drawn thinner.
MAIN = ("brute_force", "first_order", "second_order")
#: A loss that spans more than this is drawn on a logarithmic axis.
SPAN = 8.0


def line(method: str) -> dict[str, Any]:
    """Return the options of a method's line."""
    main = method in MAIN
    dashes = (0, (5, 1.5)) if method == "second_order" else "-" if main else (0, (1.5, 1.2))
    return {
        "color": _COLORS.get(method, style.BLACK),
        "linewidth": 1.3 if main else 0.8,
        "linestyle": dashes,
        "zorder": 3 if main else 2,
    }


def color(method: str) -> str:
    """Return the colour of a method."""
    return _COLORS.get(method, style.BLACK)


def removed_axis(ax: Axes, nodes: int) -> None:
    """Count removed nodes along the horizontal axis."""
    ax.set_xlim(0, nodes)
    ax.set_xlabel("nodes removed")


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
