"""Masks and nodes on the whole cube: the best mask of every size against greedy removal, and what nodes are worth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import _checks, hypercube
from analysis._formatting import short_labels
from analysis.figures import _axes, _names, style

__all__ = ["by_size", "node_values", "overview"]


def by_size(values: Any, *, quantity: str = "log loss", ax: Axes | None = None) -> Axes:
    """Draw the best and the worst mask of every size, the mean, and where greedy removal lands.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    quantity : str
        What the values are, with a unit if they have one, such as ``"loss (nats)"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Nodes on to the right; the grey area holds all masks.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If their number is no power of two, or one is not finite.

    See Also
    --------
    analysis.hypercube.best_masks, analysis.hypercube.greedy_removal : What is drawn.

    Examples
    --------
    >>> from analysis import figures
    >>> ax = figures.masks.by_size([0.7, 0.2, 0.4, 0.1], quantity="loss (nats)")
    >>> ax.get_xlabel(), ax.get_ylabel(), len(ax.lines)
    ('nodes on', 'loss (nats)', 4)
    """
    best, worst = hypercube.best_masks(values).value, hypercube.worst_masks(values).value
    greedy = hypercube.greedy_removal(values).value
    on = np.arange(best.size)
    entries: dict[str, Any] = {}
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.6)
        ax.fill_between(on, best, worst, color=style.LIGHT_GREY, alpha=0.5, linewidth=0, zorder=0.5)
        small: dict[str, Any] = {"markersize": 2.8, "linewidth": 1.0}
        (entries["worst"],) = ax.plot(on, worst, "^-", color=style.ORANGE, **small)
        (entries["mean of all"],) = ax.plot(on, hypercube.mean_by_size(values), color=style.GREY, linewidth=1.0)
        (entries["greedy removal"],) = ax.plot(on[::-1], greedy, "s-", color=style.VERMILLION, **small)
        (entries["best"],) = ax.plot(on, best, "o-", color=style.BLUE, **small)
        _axes.legend_above(ax, entries, columns=2)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.set_xlim(-0.03 * on[-1] - 0.2, 1.03 * on[-1] + 0.2)
        ax.set(xlabel="nodes on", ylabel=quantity)
    return ax


def node_values(
    values: Any, *, labels: Sequence[Any] | None = None, quantity: str = "log loss", ax: Axes | None = None
) -> Axes:
    """Draw the Shapley and the Banzhaf value of every node as a pair of bars, the lowest Shapley value first.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    labels : sequence of str, (N,), optional
        Names of the nodes in the order of the gate vector; their numbers when left out.
    quantity : str
        What the values are, with a unit if they have one, such as ``"loss (nats)"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Bars below 0 are of nodes that lower the values when they go on.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If their number is no power of two, one is not finite, or there is not one label a node.

    See Also
    --------
    analysis.hypercube.shapley, analysis.hypercube.banzhaf : What is drawn.

    Examples
    --------
    >>> from analysis import figures
    >>> ax = figures.masks.node_values([0.7, 0.2, 0.4, 0.1], labels=["unit 0", "unit 1"])
    >>> ax.get_xlabel(), [label.get_text() for label in ax.get_xticklabels()]
    ('node (unit)', ['0', '1'])
    """
    shapley, banzhaf = hypercube.shapley(values), hypercube.banzhaf(values)
    names, head = short_labels(_checks.names("labels", labels, shapley.size))
    order = np.argsort(shapley, kind="stable")
    place = np.arange(order.size)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.5 + _names.room_for(names))
        entries = {
            "Shapley value": ax.bar(place - 0.2, shapley[order], 0.4, color=style.BLUE),
            "Banzhaf value": ax.bar(place + 0.2, banzhaf[order], 0.4, color=style.SKY),
        }
        ax.axhline(0, color=style.BLACK, linewidth=0.6)
        _axes.legend_above(ax, entries, columns=2)
        shown = [names[node] for node in order]
        _names.name_nodes(ax, shown)
        ax.set(xlabel=_names.of_nodes("node", head), ylabel=f"change of the {quantity}\nwhen the node goes on")
    return ax


def overview(values: Any, *, labels: Sequence[Any] | None = None, quantity: str = "log loss") -> Figure:
    """Draw the masks of every size and the values of the nodes side by side.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    labels : sequence of str, (N,), optional
        Names of the nodes in the order of the gate vector; their numbers when left out.
    quantity : str
        What the values are, with a unit if they have one, such as ``"loss (nats)"``.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If their number is no power of two, one is not finite, or there is not one label a node.

    See Also
    --------
    by_size, node_values : The panels.

    Examples
    --------
    >>> from analysis import figures
    >>> len(figures.masks.overview([0.7, 0.2, 0.4, 0.1], quantity="loss (nats)").axes)
    2
    """
    with style.context():
        names = [] if labels is None else short_labels([str(label) for label in labels])[0]
        figure, axes = style.new_figure(style.DOUBLE, 2.8 + _names.room_for(names), 1, 2)
        by_size(values, quantity=quantity, ax=axes[0])
        node_values(values, labels=labels, quantity=quantity, ax=axes[1])
        style.letter(axes)
    return figure
