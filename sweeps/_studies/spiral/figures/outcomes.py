"""Means with intervals as dots: accuracy, loss and agreement, what compensation changes, correlations of kernels."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures._curves import SPAN
from analysis.intervals import NO_INTERVAL, Interval
from sweeps._studies.spiral.figures.looks import COLORS, MARKERS
from sweeps._studies.spiral.measures import Results
from sweeps._studies.spiral.measures.kernels import PAIRS
from sweeps._studies.spiral.measures.outcomes import mean
from sweeps._studies.spiral.names import ARM_NAMES, ARMS, NODES

LABELS = {"accuracy": "test accuracy", "loss": "test loss (nats)", "agreement": "agreement with trained"}
_WHOLE = "nothing removed"
_COMPENSATED = {"with": "with bias compensation", "without": "without"}
#: Distance of two dots of one row.
_APART = 0.26


class Dot(NamedTuple):
    """One mean with its interval.

    Attributes
    ----------
    row : str
        Where it stands.
    look : str
        Which of the looks it is drawn with.
    found : Interval
    """

    row: str
    look: str
    found: Interval


def outcomes(results: Results) -> Figure:
    """Draw accuracy, loss and agreement of every arm, with and without compensation."""

    def dots(measure: str) -> list[Dot]:
        full = ("trained", "reshuffled", "others")
        # The agreement of a network with itself is no result; of different seeds there is the agreement only.
        left_out = "trained" if measure == "agreement" else "others"
        found = [NO_INTERVAL if arm == left_out else results.reference(measure, arm) for arm in full]
        return [Dot(ARM_NAMES[arm], _WHOLE, one) for arm, one in zip(full, found, strict=True)] + [
            Dot(f"{kind}, {words}", look, results.outcome(measure, arm, kind, which))
            for kind, (arm, words), (which, look) in product(NODES, ARMS.items(), _COMPENSATED.items())
        ]

    looks: dict[str, dict[str, Any]] = {
        _WHOLE: {"color": style.BLACK, "fmt": "D"},
        _COMPENSATED["with"]: {"color": style.BLUE},
        _COMPENSATED["without"]: {"color": style.ORANGE, "fmt": "s", "markersize": 3.2},
    }
    return panels({label: dots(measure) for measure, label in LABELS.items()}, looks)


def compensation(results: Results) -> Figure:
    """Draw what bias compensation changes."""
    values = {
        f"{label.replace(' with trained', '')}:\nwith − without": [
            Dot(f"{kind}, {words}", "", results.compensated(measure, arm, kind))
            for kind, (arm, words) in product(NODES, ARMS.items())
        ]
        for measure, label in LABELS.items()
    }
    return panels(values, {"": {"color": style.BLUE}}, zero=True)


def correlations(results: Results) -> Figure:
    """Draw the correlations of the main kernels, of weights and of changes."""
    values = {
        f"correlation of {of}": [
            Dot(words, f"{NODES[kind]} removed", mean(results.correlations, pair=pair, of=of, kind=kind))
            for (pair, words), kind in product(PAIRS.items(), NODES)
        ]
        for of in ("weights", "changes")
    }
    looks = {f"{NODES[kind]} removed": {"color": color, "fmt": MARKERS[kind]} for kind, color in COLORS.items()}
    return panels(values, looks, zero=True)


def panels(values: Mapping[str, Sequence[Dot]], looks: Mapping[str, Mapping[str, Any]], zero: bool = False) -> Figure:
    """Draw several quantities side by side, the same rows in each.

    Parameters
    ----------
    values : mapping of str to sequence of Dot
        By the label of the horizontal axis.
    looks : mapping of str to mapping
        By name: options of `matplotlib.axes.Axes.errorbar`. One look alone has no legend.
    zero : bool
        Whether a line marks zero.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = list(dict.fromkeys(dot.row for dots in values.values() for dot in dots))
    with style.context():
        height = 0.75 + 0.235 * len(rows)
        figure, axes = style.new_figure(style.DOUBLE, height, 1, len(values), sharey=True)
        for ax, (label, dots) in zip(axes, values.items(), strict=True):
            entries = [_dots(ax, dots, rows, look, options) for look, options in looks.items()]
            ax.set_xlabel(label)
            if zero:
                ax.axvline(0, color=style.GREY, linewidth=0.7, zorder=0.5)
            elif label == LABELS["loss"]:
                _logarithmic(ax, dots)
            _rows(ax, rows)
        if len(looks) > 1:
            figure.legend(entries, list(looks), loc="outside upper center", ncols=len(looks))
        style.letter(axes)
    return figure


def _dots(ax: Axes, dots: Sequence[Dot], rows: list[str], look: str, options: Mapping[str, Any]) -> Any:
    """Draw the dots of one look; those of one row stand side by side."""
    these = [dot for dot in dots if dot.look == look]
    places = []
    for dot in these:
        beside = [other.look for other in dots if other.row == dot.row]
        places.append(rows.index(dot.row) + _APART * (beside.index(look) - (len(beside) - 1) / 2))
    return ax.errorbar(
        [dot.found.mean for dot in these],
        places,
        xerr=np.nan_to_num([dot.found.half for dot in these]),
        **{"fmt": "o", "markersize": 3.4, "elinewidth": 1.0, "capsize": 0, "linestyle": "none", **options},
    )


def _rows(ax: Axes, rows: list[str]) -> None:
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(axis="y", length=0)
    for row in range(0, len(rows), 2):
        ax.axhspan(row - 0.5, row + 0.5, color="#F4F4F4", zorder=0, linewidth=0)
    ax.spines["left"].set_visible(False)
    ax.label_outer(remove_inner_ticks=False)


def _logarithmic(ax: Axes, dots: Sequence[Dot]) -> None:
    known = np.array([dot.found.mean for dot in dots])
    known = known[np.isfinite(known) & (known > 0)]
    if known.size and known.max() > SPAN * known.min():
        ax.set_xscale("log")
        # An interval may reach below zero, which a logarithmic axis has no place for.
        ax.set_xlim(left=known.min() / 2)
