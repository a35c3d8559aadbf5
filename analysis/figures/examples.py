"""Which examples a node matters for: a heat map of nodes and examples, and the examples of a single node."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis import _checks
from analysis._errors import InputError
from analysis._formatting import off_of, short_labels
from analysis.figures import _axes, _names, style

__all__ = ["heat_map", "of_node"]

#: The largest values, a share of all, have the last colour, so that few do not pale the rest.
_CLIPPED = 0.005
#: Rows of a heat map that are named.
_NAMED = 40


def heat_map(effects: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw what each node's being on changes in the loss of each example.

    Parameters
    ----------
    effects : xarray.Dataset
        What `analysis.examples.node_effects` returns, of one probability.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Nodes in the order of the gate vector, from the top down; examples by the sum over nodes, from those that need
        the nodes most. Blue where the loss falls when the node goes on, yellow where it rises, white at 0, grey where
        there is no value.

    Raises
    ------
    TypeError
        If `effects` is no Dataset.
    ValueError
        If it has no `effect` (node, example), or more dimensions.

    See Also
    --------
    of_node : A single row, with errors.

    Examples
    --------
    >>> from analysis import figures
    >>> effects = xr.Dataset({"effect": (("node", "example"), [[-0.5, 0.1], [0.0, -0.2]])}, {"node": ["a 0", "a 1"]})
    >>> effects = effects.assign(node_effect=("node", [-0.2, -0.1]))
    >>> figures.examples.heat_map(effects).get_xlabel()
    'examples, those that need the nodes most first'
    """
    table = _table(effects, "effect")
    table = table[:, np.argsort(np.nansum(table, axis=0), kind="stable")]
    limit = float(np.nanquantile(np.abs(table), 1 - _CLIPPED)) if np.isfinite(table).any() else 0.0
    names, head = short_labels(list(map(str, effects["node"].values)))
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.DOUBLE, height=min(8.0, 1.2 + max(0.6, 0.12 * len(names))))
        ax.set_facecolor(style.LIGHT_GREY)
        limits: dict[str, Any] = dict(vmin=-(limit or 1.0), vmax=limit or 1.0)
        image = ax.imshow(table, cmap=style.HELPS, aspect="auto", interpolation="nearest", **limits)
        bar = _axes.colour_bar(image, ax, _of_change(effects), location="top", aspect=40, pad=0.03, extend="both")
        bar.ax.tick_params(labelsize=7)
        every = -(-len(names) // _NAMED)
        shown = [_names.as_is(name) for name in names[::every]]
        ax.set_yticks(range(0, len(names), every), shown, fontsize=7 if len(names) > 12 else 8)
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(xlabel="examples, those that need the nodes most first", ylabel=_names.of_nodes("node", head))
    return ax


def of_node(effects: xr.Dataset, node: str | int, *, count: int = 10, ax: Axes | None = None) -> Axes:
    """Draw the examples for which a node matters most.

    Parameters
    ----------
    effects : xarray.Dataset
        What `analysis.examples.node_effects` returns, of one probability.
    node : str or int
        Its label, or its place in the gate vector.
    count : int
        Examples, at most.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        The largest changes, whatever their sign, from the top down, with bars of one standard error; beside them the
        numbers of the examples in the batch. Blue where the loss falls when the node goes on, yellow where it rises. A
        dashed line at the change of the mean loss.

    Raises
    ------
    TypeError
        If `effects` is no Dataset.
    ValueError
        If it has no such node, or as `heat_map` does.

    See Also
    --------
    heat_map : All nodes.

    Examples
    --------
    >>> from analysis import figures
    >>> dims, nodes = ("node", "example"), {"node": ["a 0", "a 1"], "example": [0, 1]}
    >>> effects = xr.Dataset({"effect": (dims, [[-0.5, 0.1], [0.0, -0.2]])}, nodes)
    >>> effects = effects.assign(effect_error=(dims, np.full((2, 2), 0.1)), node_effect=("node", [-0.2, -0.1]))
    >>> ax = figures.examples.of_node(effects, node="a 0", count=2)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['0', '1']
    """
    table, errors, count = _table(effects, "effect"), _table(effects, "effect_error"), _checks.whole("count", count, 1)
    labels = list(map(str, effects["node"].values))
    place = _checks.whole("node", node, 0, len(labels) - 1) if not isinstance(node, str) else None
    if place is None:
        place = labels.index(_checks.one_of("node", node, labels))
    change = table[place]
    chosen = np.argsort(np.where(np.isfinite(change), -np.abs(change), np.inf), kind="stable")
    chosen = chosen[: min(count, int(np.isfinite(change).sum()))]
    rows, numbers = np.arange(len(chosen)), effects["example"].values[chosen]
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=1.0 + 0.17 * max(len(chosen), 3))
        colors = style.HELPS(np.where(change[chosen] > 0, 1.0, 0.0))
        ax.barh(rows, change[chosen], 0.7, color=colors)
        ax.errorbar(change[chosen], rows, xerr=errors[place, chosen], fmt="none", ecolor=style.BLACK, elinewidth=0.8)
        ax.axvline(0, color=style.BLACK, linewidth=0.6)
        ax.axvline(float(effects["node_effect"][place]), color=style.BLACK, linewidth=0.8, linestyle="--")
        ax.set_yticks(rows, [str(number) for number in numbers])
        ax.invert_yaxis()
        ax.tick_params(axis="y", length=0)
        _axes.legend_above(
            ax, {"mean loss": Line2D([], [], color=style.BLACK, linewidth=0.8, linestyle="--")}, 1, right=True
        )
        ax.set(xlabel=f"{_names.as_is(labels[place])}\n{_of_change(effects)}", ylabel="example")
    return ax


def _table(effects: xr.Dataset, name: str) -> np.ndarray:
    _checks.dataset_with("effects", effects, (name, "node_effect"), ("node", "example"))
    if effects[name].ndim > 2:
        raise InputError("effects must be of one probability: select one, such as effects.isel(probability=0)")
    return effects[name].transpose("node", "example").values


def _of_change(effects: xr.Dataset) -> str:
    return f"loss with the node on minus {off_of(effects)} ({_names.as_is(_axes.unit_of(effects))})"
