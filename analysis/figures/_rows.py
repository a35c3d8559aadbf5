"""Figures with a row for each layer: their height, the axis of layers, and the axis of changes by removals."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from analysis._formatting import off_of, short_paths
from analysis.figures import _axes, _names


def of_change(quantity: str, data: xr.Dataset) -> str:
    """Label of an axis of changes by single removals; short, for names of layers take room beside it."""
    unit, off = _axes.unit_of(data), off_of(data)
    if quantity != "loss":
        return f"change of the log loss, node {off}"
    space = " " if len(unit) + len(off) < 9 else "\n"
    return f"change of the loss, node {off}{space}({_names.as_is(unit)})"


def layer_label(head: str) -> str:
    """Label of an axis of layers whose names lack what all begin with; short, for the axis may be."""
    return f"layer {_names.as_is(head, most=12)}…" if head else "layer"


def layer_axis(ax: Axes, names: Sequence[str], sizes: Sequence[int]) -> None:
    """Put the layers on the vertical axis, from the top down, each with its number of nodes."""
    short, head = short_paths(names)
    rows = len(short)
    height = ax.get_position().height * float(_axes.figure_of(ax).get_size_inches()[1]) / max(rows, 1)
    every = max(1, int(np.ceil(0.11 / height)))
    shown = range(0, rows, every)
    ax.set_yticks(list(shown), [f"{_names.as_is(short[row])} ({sizes[row]:,})" for row in shown])
    ax.tick_params(axis="y", labelsize=7 if rows > 12 else 8)
    ax.set_ylim(rows - 0.4, -0.6)
    ax.set_ylabel(f"{layer_label(head)} (nodes)")


def rows_height(rows: int) -> float:
    """Height in inches of a figure with `rows` layers under each other; it fits on a page."""
    return 0.85 + float(np.clip(0.34 * rows, 0.9, max(5.0, min(7.5, 0.17 * rows))))
