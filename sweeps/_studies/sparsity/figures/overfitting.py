"""Pruning networks that overfit: what is memorised, what is learnt, and what holds on the test set."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures._curves import accuracy_axis, banded
from sweeps._studies.sparsity.figures import looks
from sweeps._studies.sparsity.measures import KIND_NAMES, KINDS
from sweeps._studies.sparsity.measures.overfitting import Case

_TEST = ("test set", {"color": style.BLUE, "linestyle": looks.DASHES[0], "marker": "o"})
_RIGHT = {"color": style.BLACK, "linestyle": looks.DASHES[1], "marker": "s"}
_LINES = {
    "right": {
        "train": ("training set", {"color": style.BLACK, "linestyle": looks.DASHES[1], "marker": "s"}),
        "test": _TEST,
    },
    "noisy": {
        "right": ("right labels, fitted", {"color": style.BLACK, "linestyle": looks.DASHES[1], "marker": "s"}),
        "flipped": ("flipped labels, fitted", {"color": style.VERMILLION, "linestyle": looks.DASHES[2], "marker": "D"}),
        "test": _TEST,
    },
}


def overview(data: xr.Dataset) -> Figure:
    """Draw shares answered as given against sparsity.

    Parameters
    ----------
    data : xarray.Dataset
        `test`, `train`, `right`, `flipped` (tuned, pruned_by, labels, network, percent).

    Returns
    -------
    matplotlib.figure.Figure
        Right labels above, noisy ones below; weights and nodes, each without and with fine-tuning.
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.4, 2, 4, sharex=True, sharey=True)
        columns = [(kind, tuned) for kind in KINDS for tuned in (False, True)]
        for row, labels in enumerate(_LINES):
            for column, (kind, tuned) in enumerate(columns):
                ax = axes[4 * row + column]
                _curves(ax, data, Case(kind, labels, tuned))
                ax.set_title(f"{KIND_NAMES[kind]}{', tuned' if tuned else ''}")
                if row:
                    looks.sparsity_axis(ax)
            accuracy_axis(axes[4 * row], f"{labels} labels: as given (%)")
            axes[4 * row + 1].legend(loc="lower left", fontsize=7, handlelength=2.6)
        style.letter(axes)
    return figure


def _curves(ax: Axes, data: xr.Dataset, case: Case) -> None:
    own = case.of(data)
    for name, (label, look) in _LINES[case.labels].items():
        banded(ax, own[name].transpose("network", "percent"), label, markersize=2.4, **look)
