"""What the network loses when one node alone goes off, a bar a node; for networks of one or two layers."""

from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from analysis import _checks, removal
from analysis._formatting import off_of, short_labels
from analysis.figures import _axes, _names, style

__all__ = ["leave_one_out"]


def leave_one_out(
    sweep: xr.Dataset,
    *,
    full_loss: float | None = None,
    order: Literal["loss", "node"] = "loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss with each node off as a bar that starts at the loss of the full network.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `loss` (node,), in the unit that its attributes state, and the labels of the nodes as coordinate `node`.
    full_loss : float, optional
        Loss with every node on; the attribute of the sweep when left out.
    order : {"loss", "node"}
        Bars from the highest loss to the lowest, or in the order of the gate vector.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Blue bars up where the loss rises without the node, red bars down where it falls; a cross for a node without a
        finite loss. More than 40 nodes are not named.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset or its losses are no real numbers.
    ValueError
        If `order` is unknown, a variable is missing, or there is no full loss.

    See Also
    --------
    analysis.removal.leave_one_out : The numbers.
    analysis.figures.nodes.effects : Of networks of many layers.

    Examples
    --------
    >>> from analysis import figures
    >>> sweep = xr.Dataset({"loss": ("node", [0.2, 0.5])}, {"node": ["unit 0", "unit 1"]})
    >>> ax = figures.removal.leave_one_out(sweep, full_loss=0.25, order="loss")
    >>> ax.get_ylabel(), [label.get_text() for label in ax.get_xticklabels()]
    ('loss (nats)', ['1', '0'])
    """
    _checks.one_of("order", order, ("loss", "node"))
    nodes = removal.leave_one_out(sweep, full_loss=full_loss)
    full = nodes.attrs["full_loss"]
    # A node without a finite loss (rank 0) has no bar; it comes last and is marked.
    rank = np.where(nodes["rank"] == 0, nodes.sizes["node"] + 1, nodes["rank"])
    nodes = nodes.isel(node=np.argsort(rank, kind="stable")) if order == "loss" else nodes
    change = nodes["change"].values
    labels, head = short_labels([str(label) for label in nodes["node"].values])
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4 + _names.room_for(labels))
        place = np.arange(change.size)
        finite = np.isfinite(change)
        entries: dict[str, Any] = {}
        for name, color, chosen in (
            ("loss rises", style.BLUE, change > 0),
            ("loss falls", style.VERMILLION, change <= 0),
        ):
            shown = finite & chosen
            if shown.any():
                entries[name] = ax.bar(place[shown], change[shown], 0.72, full, color=color)
        for i in place[~finite]:
            ax.text(i, full, "×", ha="center", va="bottom")
        line = ax.axhline(full, color=style.BLACK, linewidth=0.8)
        _axes.legend_above(ax, {f"every node on ({full:.3g})": line, **entries}, columns=3)
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, full - 0.03 * (high - low)), high)  # the line of the full loss stays off the axis
        _names.name_nodes(ax, labels)
        is_named = len(labels) <= _names.NAMED or order == "node"
        named = f"node that is {off_of(nodes)}" if is_named else "nodes, the costliest first"
        ax.set(xlabel=_names.of_nodes(named, head), ylabel=f"loss ({_names.as_is(_axes.unit_of(sweep))})")
    return ax
