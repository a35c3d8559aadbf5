"""Accuracy, loss and agreement of every arm, and what bias compensation changes: dots with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.errors import InputError
from analysis.figures import style
from analysis.intervals import Interval
from sweeps.studies.spiral.figures import looks


class Dot(NamedTuple):
    """One mean with its interval.

    Attributes
    ----------
    row : str
        Where it stands.
    look : str
        Key of the looks it is drawn with.
    interval : Interval
    """

    row: str
    look: str
    interval: Interval


#: Loss beyond so many times the smallest is drawn on a logarithmic axis.
SPAN = 8.0


def _panel(ax: Axes, dots: Sequence[Dot], rows: list[str], seen: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    looks_here = [look for look in seen if any(dot.look == look for dot in dots)]
    offsets = dict(zip(looks_here, _offsets(len(looks_here)), strict=True))
    for look in looks_here:
        these = [dot for dot in dots if dot.look == look]
        alone = [sum(other.row == dot.row for other in dots) == 1 for dot in these]
        at = [rows.index(dot.row) + (0 if only else offsets[look]) for dot, only in zip(these, alone, strict=True)]
        values = np.array([dot.interval[:4] for dot in these], float)
        entries[look] = looks.dots(ax, at, values[:, 0], values[:, 2], values[:, 3], **seen[look])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_yticks(range(len(rows)), [style.as_is(row, style.PHRASE) for row in rows])
    ax.tick_params(axis="y", length=0)
    for row in range(0, len(rows), 2):
        ax.axhspan(row - 0.5, row + 0.5, color="#F4F4F4", zorder=0, linewidth=0)
    return entries


def _offsets(count: int) -> np.ndarray:
    return (np.arange(count) - (count - 1) / 2) * min(0.26, 0.7 / max(count, 1))


def panels(
    values: Mapping[str, Sequence[Dot]],
    labels: Mapping[str, str],
    seen: Mapping[str, dict[str, Any]],
    zero: bool = False,
) -> Figure:
    """Draw several quantities side by side, the same rows in each.

    Parameters
    ----------
    values : mapping of str to sequence of Dot
        By quantity.
    labels : mapping of str to str
        Of the horizontal axes, by quantity.
    seen : mapping of str to dict
        How each look is drawn, in the order of the legend: options of `looks.dots`.
    zero : bool
        Whether a line marks zero.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is nothing to draw.
    """
    rows = list(dict.fromkeys(dot.row for dots in values.values() for dot in dots))
    if not rows:
        raise InputError("values: expected one dot or more, got none")
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 0.75 + 0.235 * len(rows), 1, len(values), sharey=True)
        entries: dict[str, Any] = {}
        for ax, (name, dots) in zip(axes, values.items(), strict=True):
            entries |= _panel(ax, dots, rows, seen)
            ax.set_xlabel(labels[name])
            if zero:
                ax.axvline(0, color=style.GREY, linewidth=0.7, zorder=0.5)
            else:
                _logarithmic(ax, name, dots)
            ax.spines["left"].set_visible(False)
            ax.label_outer(remove_inner_ticks=False)
        order = [look for look in seen if look in entries]
        if len(seen) > 1:  # one look needs no name
            figure.legend(
                [entries[look] for look in order],
                list(map(style.as_is, order)),
                loc="outside upper center",
                ncols=min(len(order), 4),
            )
        style.letter(axes)
    return figure


def _logarithmic(ax: Axes, name: str, dots: Sequence[Dot]) -> None:
    known = np.array([dot.interval.mean for dot in dots])
    known = known[np.isfinite(known) & (known > 0)]
    if name == "loss" and known.size and known.max() > SPAN * known.min():
        ax.set_xscale("log")
        # An interval may reach below zero, which a logarithmic axis has no place for.
        ax.set_xlim(left=known.min() / 2)
