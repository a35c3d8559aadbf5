"""Pairs of nodes: how alike they are, what their joint removal does beyond the sum, and both together."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from analysis.figures import _axes, _names, style
from sweeps._studies.shrinking.measures.pairs import cancels

#: This share of the interactions, the largest, have the last colour, so that the others are not pale.
CLIPPED = 0.01


def alike(correlation: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Order the nodes so that those whose activations are alike stand together, layer by layer.

    Parameters
    ----------
    correlation : numpy.ndarray, (nodes, nodes)
        Of the activations; NaN counts as 0.
    layer : numpy.ndarray, (nodes,)
        Name of each node's layer.

    Returns
    -------
    numpy.ndarray of int, (nodes,)
        By average linkage of 1 - |correlation|.
    """
    order: list[int] = []
    for name in dict.fromkeys(layer.tolist()):
        members = np.flatnonzero(layer == name)
        if members.size > 2:
            near = np.abs(np.nan_to_num(correlation[np.ix_(members, members)]))
            distance = 1 - np.minimum((near + near.T) / 2, 1)
            np.fill_diagonal(distance, 0)
            tree = hierarchy.linkage(squareform(distance, checks=False), "average")
            members = members[hierarchy.leaves_list(tree)]
        order += members.tolist()
    return np.array(order)


def _matrix(ax: Axes, values: np.ndarray, limit: float, label: str, ends: list[int], clipped: bool) -> None:
    ax.set_facecolor(style.LIGHT_GREY)
    image = ax.imshow(
        values, cmap=style.HELPS.reversed(), vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest"
    )
    for end in ends:
        ax.axhline(end - 0.5, color=style.BLACK, linewidth=0.5)
        ax.axvline(end - 0.5, color=style.BLACK, linewidth=0.5)
    extend = "both" if clipped else "neither"
    bar = _axes.colour_bar(image, ax, label, location="top", aspect=25, pad=0.03, extend=extend)
    bar.ax.tick_params(labelsize=7)
    bar.ax.locator_params(nbins=5)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set(xlabel="node", ylabel="node")
    ax.spines[:].set_visible(False)


def overview(pairs: xr.Dataset, unit: str) -> Figure:
    """Draw correlations and interactions as matrices, and interaction against correlation.

    Parameters
    ----------
    pairs : xarray.Dataset
        Of one network: `correlation` and `interaction` (node, other), `change` (node,); the coordinate `layer` (node,).
    unit : str
        Unit of the loss.

    Returns
    -------
    matplotlib.figure.Figure
        The nodes of both matrices have the same order: alike ones together, layer by layer, with lines between the
        layers. The points of pairs that cancel each other have a colour of their own.
    """
    correlation, interaction, layer = (pairs[name].values for name in ("correlation", "interaction", "layer"))
    order = alike(correlation, layer)
    ends = np.flatnonzero(layer[order][1:] != layer[order][:-1]) + 1
    above = np.triu_indices(len(layer), 1)
    sizes = np.abs(interaction[above])
    limit = float(np.quantile(sizes, 1 - CLIPPED))
    power = int(np.floor(np.log10(limit))) if limit > 0 and not 0.01 <= limit < 1000 else 0
    scaled = f"({'' if power == 0 else rf'$10^{{{power}}}$ '}{_names.as_is(unit)})"
    mixed = np.ix_(order, order)
    one = correlation[mixed].copy()
    np.fill_diagonal(one, np.nan)  # always 1
    with style.context():
        shares = {"width_ratios": [1, 1, 1.15]}
        figure, axes = style.new_figure(style.DOUBLE, 2.7, 1, 3, gridspec_kw=shares)
        _matrix(axes[0], one, 1.0, "correlation", ends.tolist(), False)
        beyond = interaction[mixed] / 10.0**power
        np.fill_diagonal(beyond, np.nan)
        _matrix(axes[1], beyond, limit / 10.0**power or 1.0, f"interaction {scaled}", ends.tolist(), True)
        axes[1].set_ylabel("")
        undone = cancels(pairs)[above]
        y = interaction[above] / 10.0**power
        kinds = {"other pairs": (~undone, style.GREY, 0.35), "pairs that cancel": (undone, style.ORANGE, 0.9)}
        for chosen, color, alpha in kinds.values():
            axes[2].scatter(
                *(correlation[above][chosen], y[chosen]),
                s=5 if len(y) < 1000 else 2.5,
                color=color,
                alpha=alpha,
                linewidths=0,
                rasterized=len(y) > 2000,
            )
        axes[2].axhline(0, color=style.GREY, linewidth=0.6, zorder=0.5)
        axes[2].axvline(0, color=style.GREY, linewidth=0.6, zorder=0.5)
        axes[2].set(xlabel="correlation of activations", ylabel=f"interaction {scaled}", xlim=(-1.02, 1.02))
        entries = [
            Line2D([], [], color=color, marker="o", markersize=3.5, linestyle="", label=name)
            for name, (_, color, _) in kinds.items()
        ]
        # Inside: above the axes it would push the matrices away from their colour bars.
        axes[2].legend(handles=entries, loc="upper left", handletextpad=0.2)
        style.letter(axes)
    return figure
