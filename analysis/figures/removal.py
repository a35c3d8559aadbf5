"""What the network loses as nodes go: one alone, one after the other, or one by parts."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from analysis import _checks, removal
from analysis._errors import InputError
from analysis._formatting import off_of, short_labels
from analysis.figures import _axes, _curves, _names, style

__all__ = ["gain", "leave_one_out", "paths"]


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


def paths(
    paths: Mapping[str, xr.Dataset], *, quantity: Literal["loss", "accuracy"] = "loss", ax: Axes | None = None
) -> Axes:
    """Draw the loss, or the accuracy, against the number of nodes removed, a line a removal path.

    Parameters
    ----------
    paths : mapping of str to xarray.Dataset
        By the name in the legend: `loss` and `accuracy` (step,), as ``sweeps.ranking.RemovalPath.to_dataset`` gives
        them; or (network, step) for paths of several networks.
    quantity : {"loss", "accuracy"}
        What is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Of several networks the mean, with its 95 % interval as a band. Losses that span more than a factor of 8 have a
        logarithmic axis.

    Raises
    ------
    TypeError
        If a path is no Dataset.
    ValueError
        If there are no paths, the quantity is unknown, or a path lacks it.

    See Also
    --------
    gain : Why a prediction errs.
    analysis.curves.removable : A number for each path.

    Examples
    --------
    >>> from analysis import figures
    >>> path = xr.Dataset({"loss": ("step", [0.1, 0.2, 0.7])}, {"step": range(3)})
    >>> ax = figures.removal.paths({"brute force": path})
    >>> ax.get_xlabel(), ax.get_ylabel(), ax.get_legend().get_texts()[0].get_text()
    ('nodes removed', 'loss (nats)', 'brute force')
    """
    _checks.one_of("quantity", quantity, ("loss", "accuracy"))
    if not paths:
        raise InputError("paths must be one or more, got none")
    found = {
        name: _checks.dataset_with(f"paths[{name!r}]", one, [quantity], ["step"])[quantity]
        for name, one in paths.items()
    }
    last = max(int(one["step"].max()) for one in found.values())
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        for number, (name, values) in enumerate(found.items()):
            several = values if "network" in values.dims else values.expand_dims("network")
            look = style.marked(number, values.sizes["step"])
            _curves.banded(ax, several.transpose("network", "step"), _names.entry(name), **look)
        ax.set(xlabel="nodes removed", xlim=(0, last))
        if quantity == "loss":
            unit = _names.as_is(_axes.unit_of(next(iter(found.values()))))
            drawn = np.concatenate([line.get_ydata() for line in ax.lines])
            _curves.loss_axis(ax, drawn, f"loss ({unit})")
        else:
            _curves.accuracy_axis(ax)
        ax.legend()
    return ax


def gain(curve: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the loss against the gain of one node, with what a criterion of first and of second order takes it for.

    Parameters
    ----------
    curve : xarray.Dataset
        `loss`, `first_order` and `second_order` (gain,), and the name of the node as attribute `node`, as
        ``sweeps.ranking.GainCurve.to_dataset`` gives them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        A gain of 1 is the node as it is, a gain of 0 the node off, both marked; the vertical axis is that of the
        measured loss, which a prediction may leave.

    Raises
    ------
    TypeError
        If `curve` is no Dataset.
    ValueError
        If it lacks a variable.

    See Also
    --------
    paths : What errors of a prediction cost.

    Examples
    --------
    >>> from analysis import figures
    >>> lines = {name: ("gain", [0.3, 0.1]) for name in ("loss", "first_order", "second_order")}
    >>> figures.removal.gain(xr.Dataset(lines, {"gain": [0.0, 1.0]}, {"node": "layers/0 unit 3"})).get_xlabel()
    'gain of layers/0 unit 3'
    """
    _checks.dataset_with("curve", curve, ("loss", "first_order", "second_order"), ["gain"])
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        for place in (0, 1):
            ax.axvline(place, color=style.LIGHT_GREY, linewidth=0.8, zorder=0)
        looks = {"loss": ("measured", "-"), "first_order": ("first order", (0, (1.2, 1.0)))}
        looks |= {"second_order": ("second order", (0, (5, 1.5)))}
        for color, (name, (label, dashes)) in zip(style.CYCLE, looks.items(), strict=False):
            ax.plot(curve["gain"], curve[name], label=label, color=color, linestyle=dashes)
        losses = curve["loss"].values
        room = 0.15 * np.ptp(losses) or 1.0
        ax.set_ylim(losses.min() - room, losses.max() + room)
        ax.set_xlabel(f"gain of {_names.as_is(curve.attrs.get('node', 'the node'))}")
        ax.set_ylabel(f"loss ({_names.as_is(_axes.unit_of(curve['loss']))})")
        ax.legend()
    return ax
