"""The deviations of the nodes: how many are zero, and where the removed ones end."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from sweeps._studies.spiral.measures import Results
from sweeps._studies.spiral.names import CHOSEN


def deviations(results: Results) -> Figure:
    """Draw the nodes of every layer in the order of their deviation, a line a network; grey: those removed for it."""
    nodes = results.nodes
    layers = results.constant["layer"].values
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.4, 1, len(layers))
        for number, (ax, layer) in enumerate(zip(axes, layers, strict=True), start=1):
            members = nodes.isel(node=nodes["layer"].values == layer)
            # The setting "share" removes as many nodes of a layer from every network.
            gone = int((~members["keep"].sel(choice=CHOSEN).isel(network=0)).sum())
            _layer(ax, np.sort(members["deviation"].transpose("network", "node").values, axis=1), gone)
            ax.set_title(f"hidden layer {number}")
        axes[0].set_ylabel("s.d. of the activation")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=3)
        style.letter(axes)
    return figure


def _layer(ax: Axes, deviation: np.ndarray, gone: int) -> None:
    place = np.arange(1, deviation.shape[1] + 1)
    others: dict[str, Any] = {"color": style.GREY, "linewidth": 0.6, "alpha": 0.6, "zorder": 2}
    for number, values in enumerate(deviation[1:]):
        ax.plot(place, values, label=None if number else "the others", **others)
    ax.plot(place, deviation[0], color=style.BLUE, linewidth=1.5, zorder=3, label="network 0")
    ax.axvspan(0.5, gone + 0.5, color=style.LIGHT_GREY, alpha=0.6, linewidth=0, zorder=0, label="removed")
    ax.set_xlim(0.5, len(place) + 0.5)
    ax.set_ylim(bottom=-0.02 * max(float(deviation.max()), 1e-9))
    ax.set_xlabel("node, by deviation")
