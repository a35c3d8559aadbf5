"""The deviations of the nodes: how many are zero, and where the removed ones end."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import _validate
from analysis.figures import style
from sweeps.studies.spiral.measures import CHOSEN


def _layer(ax: Axes, nodes: xr.Dataset, layer: str) -> None:
    members = nodes["layer"].values == layer
    deviation = np.sort(nodes["deviation"].transpose("network", "node").values[:, members], axis=1)
    place = np.arange(1, deviation.shape[1] + 1)
    for row, values in enumerate(deviation[::-1]):
        first = row == len(deviation) - 1
        ax.plot(
            place,
            values,
            color=style.BLUE if first else style.GREY,
            linewidth=1.5 if first else 0.6,
            alpha=1 if first else 0.6,
            label="network 0" if first else "the others" if row == 0 else None,
            zorder=3 if first else 2,
        )
    if CHOSEN in nodes["choice"].values:
        keep = nodes["keep"].sel(choice=CHOSEN).transpose("network", "node").values[:, members].astype(bool)
        gone = np.unique((~keep).sum(axis=1))
        if gone.size == 1 and gone[0] > 0:
            ax.axvspan(0.5, gone[0] + 0.5, color=style.LIGHT_GREY, alpha=0.6, linewidth=0, zorder=0, label="removed")
    ax.set_xlim(0.5, len(place) + 0.5)
    ax.set_ylim(bottom=-0.02 * max(float(deviation.max()), 1e-9))
    ax.set_xlabel("node, by deviation")


def overview(nodes: xr.Dataset) -> Figure:
    """Draw the nodes of every layer in the order of their deviation, a line a network.

    Parameters
    ----------
    nodes : xarray.Dataset
        `deviation` (network, node), `keep` (network, choice, node); the coordinate `layer` along `node`.

    Returns
    -------
    matplotlib.figure.Figure
        Grey: what the choice by smallest deviation removes, where it is as many in every network.

    Raises
    ------
    TypeError, ValueError
        If `nodes` is no Dataset or lacks a variable.
    """
    _validate.dataset_with("nodes", nodes, ("deviation", "keep"), ("network", "node", "choice"))
    layers = list(dict.fromkeys(nodes["layer"].values.tolist()))
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE if len(layers) > 1 else style.SINGLE, 2.4, 1, len(layers))
        for number, (ax, layer) in enumerate(zip(axes, layers, strict=True)):
            _layer(ax, nodes, layer)
            ax.set_title(f"hidden layer {number + 1}")
        axes[0].set_ylabel("s.d. of the activation")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=3)
        style.letter(axes)
    return figure
