"""The masks of three nodes as the corners of a cube, and one flip path across it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from analysis import _checks
from analysis._errors import InputError
from analysis.figures import _axes, style

__all__ = ["path"]

#: Where each node's edge leads in the plane: right, up, and to the back.
_EDGES = np.array([[1.0, 0.0], [0.0, 1.0], [0.52, 0.36]])
#: The path; the rest of the drawing is black and grey, so no other colour can be mistaken for it.
_RED = "#C8201E"
#: Where the label of each corner stands, in points from it: away from all edges that meet there.
_LABELS = {
    (0, 0, 0): (-5, -9),
    (1, 0, 0): (5, -9),
    (0, 1, 0): (-14, 3),
    (1, 1, 0): (-13, 8),
    (0, 0, 1): (14, 8),
    (1, 0, 1): (13, -3),
    (0, 1, 1): (-5, 6),
    (1, 1, 1): (5, 6),
}


def _place(corner: Sequence[int]) -> np.ndarray:
    return np.asarray(corner) @ _EDGES


def path(*, start: Sequence[int] = (0, 1, 0), order: Sequence[int] = (0, 2, 1), ax: Axes | None = None) -> Axes:
    """Draw a cube whose corners are the masks of three nodes, and a flip path from one corner to the opposite one.

    Parameters
    ----------
    start : sequence of int, (3,)
        Gate of each node at the start: 0 or 1.
    order : sequence of int, (3,)
        The nodes 0, 1 and 2 in the order in which they are flipped.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Without axis lines. Corners are labelled with the gates of nodes 0, 1 and 2, in this order, and one
        edge of each direction with the node that it flips.

    Raises
    ------
    TypeError
        If `start` or `order` are not numbers.
    ValueError
        If `start` is no mask of three nodes, or `order` no order of them.

    See Also
    --------
    analysis.figures.paths.along : The loss along real paths.

    Examples
    --------
    >>> from analysis import figures
    >>> ax = figures.cube.path(start=(0, 0, 0), order=(0, 1, 2))
    >>> [text.get_text() for text in ax.texts][3:6]
    ['000', '100', '010']
    """
    gates, nodes = (_checks.real_numbers(name, some) for name, some in (("start", start), ("order", order)))
    if gates.shape != (3,) or not set(gates.tolist()) <= {0, 1}:
        raise InputError(f"start must be three gates, each 0 or 1, got {start}")
    if sorted(nodes.ravel().tolist()) != [0, 1, 2]:
        raise InputError(f"order must be the nodes 0, 1 and 2 in some order, got {order}")
    corners = [tuple(gates.astype(int).tolist())]
    for node in nodes.ravel():
        corners.append(tuple(gate ^ (i == node) for i, gate in enumerate(corners[-1])))
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.6)
        _edges(ax)
        for corner, shift in _LABELS.items():
            on_path = corner in corners
            color = _RED if on_path else style.BLACK
            ax.plot(*_place(corner), "o", color=color, markersize=5 if on_path else 4, zorder=3)
            ax.annotate(
                "".join(map(str, corner)),
                tuple(_place(corner)),
                shift,
                textcoords="offset points",
                ha="center",
                va="center",
                color=color,
                fontsize=10,
                fontweight="bold" if corner in (corners[0], corners[-1]) else "normal",
            )
        for one, other in zip(corners[:-1], corners[1:], strict=True):
            arrow = FancyArrowPatch(
                tuple(_place(one)),
                tuple(_place(other)),
                arrowstyle="-|>",
                mutation_scale=13,
                color=_RED,
                linewidth=2.2,
                shrinkA=3,
                shrinkB=4,
                zorder=2,
            )
            ax.add_patch(arrow)
        ax.set_aspect("equal")
        ax.set_xlim(-0.28, 1.72)
        ax.set_ylim(-0.28, 1.55)
        ax.set_axis_off()
    return ax


def _edges(ax: Axes) -> None:
    """Draw the twelve edges, those behind the cube dashed, and name the node that each direction flips."""
    for corner in _LABELS:
        for node in range(3):
            if corner[node]:
                continue
            end = tuple(1 if i == node else gate for i, gate in enumerate(corner))
            hidden = (0, 0, 1) in (corner, end)  # the only corner that a solid cube would hide
            line = np.stack([_place(corner), _place(end)], axis=1)
            ax.plot(*line, color=style.GREY, linewidth=0.9, linestyle=(0, (3, 2)) if hidden else "-", zorder=1)
    named: dict[str, Any] = {"color": style.GREY, "fontsize": 8, "ha": "center", "va": "center"}
    ax.text(0.5, -0.09, "node 0", **named)
    ax.text(-0.09, 0.5, "node 1", rotation=90, **named)
    slope = float(np.degrees(np.arctan2(_EDGES[2, 1], _EDGES[2, 0])))
    ax.text(1.32, 0.10, "node 2", rotation=slope, **named)
