"""How alike nodes are: correlations of two networks' nodes, and of nodes with themselves against others."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import _axes, style
from sweeps._studies.spiral.measures import Results, learning_rate
from sweeps._studies.spiral.measures.roles import Likeness

_BINS = np.linspace(-1, 1, 41)
_COLORS = colormaps["PuOr_r"]


def roles(results: Results) -> Figure:
    """Draw the correlations of nodes of network 0, and the distributions over all seeds, a row a learning rate.

    The first row is of the run's learning rate, the second of the smallest one, where that was measured.
    """
    rows = {learning_rate(results.run): results.likeness}
    if results.rates is not None:
        rows |= {results.rates.smallest: results.rates.likeness}
    layers = len(results.likeness.matrices)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.35 * len(rows), len(rows), layers + 1)
        for row, (rate, found) in enumerate(rows.items()):
            some = axes[row * (layers + 1) : (row + 1) * (layers + 1)]
            for number, (ax, alike) in enumerate(zip(some, found.matrices, strict=False), start=1):
                image = _matrix(ax, alike)
                ax.set_title(f"rate {rate:g}, layer {number}")
            _distributions(some[-1], found)
            some[-1].set_title(f"rate {rate:g}, all seeds")
        options: dict[str, Any] = dict(location="left", fraction=0.06, pad=0.02, ticks=[-1, 0, 1])
        _axes.colour_bar(image, axes[:: layers + 1], "correlation of activations", **options)
        style.letter(axes)
    return figure


def _matrix(ax: Axes, alike: np.ndarray) -> Any:
    # The frame is that of at least one node, so that a network without any has an empty panel.
    size = max(len(alike), 1)
    extent = (0.5, size + 0.5, size + 0.5, 0.5)
    shown = alike if alike.size else np.full((1, 1), np.nan)
    image = ax.imshow(shown, cmap=_COLORS, vmin=-1, vmax=1, interpolation="nearest", extent=extent)
    ax.set(xlabel="node, pruned first", ylabel="node, trained")
    ticks = sorted({1, (size + 1) // 2, size})
    ax.set_xticks(ticks)
    ax.set_yticks(ticks)
    return image


def _distributions(ax: Axes, found: Likeness) -> None:
    looks: dict[str, dict[str, Any]] = {
        "other nodes": {"color": style.GREY, "linestyle": "--"},
        "same node": {"color": style.VERMILLION},
    }
    top = 0.0
    for (label, look), values in zip(looks.items(), (found.other, found.same), strict=True):
        share = np.histogram(values, _BINS)[0] / max(values.size, 1)
        top = max(top, float(share.max()))
        ax.stairs(share, _BINS, label=label, linewidth=1.3, **look)
    ax.set(xlabel="correlation of activations", ylabel="share of pairs", xlim=(-1, 1), ylim=(0, 1.3 * top or 1))
    ax.legend(loc="upper left", borderaxespad=0)
