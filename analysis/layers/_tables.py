"""Tables of layers, and of the nodes that cost most and least."""

from typing import Any

import numpy as np
import xarray as xr

from analysis import _checks, removal
from analysis._errors import InputError
from analysis._formatting import off_of
from analysis.gradients._sums import NAMES
from analysis.tables import Column, Table

#: Nodes named on either side of a table of nodes, unless all of them fit.
MOST = 15


def layer_table(summary: xr.Dataset, *, name: str = "layers") -> Table:
    """Make the table of layers, in the order of the gate vector.

    Parameters
    ----------
    summary : xarray.Dataset, (layer,) or (probability, layer)
        What `analysis.layers.summary` returns.
    name : str
        Name of the table, the stem of its files' names.

    Returns
    -------
    analysis.tables.Table
        A row for each layer, or for each layer at each probability.

    Raises
    ------
    TypeError
        If `summary` is no Dataset.
    ValueError
        If it is no such summary.

    See Also
    --------
    summary : Makes the argument.
    analysis.tables.Table.write : Writes the table.

    Examples
    --------
    >>> from analysis import layers
    >>> nodes = {"node": ["a unit 0", "a unit 1", "b head 0"], "layer": ("node", ["a", "a", "b"])}
    >>> data = layers.summary(xr.Dataset({"loss": ("node", [0.5, 0.3, 0.25])}, coords=nodes), full_loss=0.25)
    >>> layers.layer_table(data).columns[2].values
    [0.15, 0.0]
    """
    _checks.dataset_with("summary", summary, ("nodes",), ("layer",))
    unit = str(summary.attrs.get("unit") or "nats")
    if "mean_change" in summary:
        return Table(name, _REMOVED.format(unit=unit, off=off_of(summary)), _of_removals(summary))
    columns = _of_draws(summary, unit)
    if not columns:
        raise InputError(f"summary must be one by analysis.layers.summary, got the variables {list(summary)}")
    rows = _rows(summary)
    first: list[Column] = []
    if "probability" in summary.dims:
        chances = np.repeat(summary["probability"].values, summary.sizes["layer"])
        first.append(Column("probability", "p", chances, digits=None))
    first += [
        Column("layer", "layer", [str(layer) for _ in range(rows) for layer in summary["layer"].values]),
        Column("nodes", "nodes", np.tile(summary["nodes"].values, rows)),
    ]
    return Table(name, _caption(summary, unit), [*first, *columns])


_REMOVED = (
    "Change of the loss in {unit} when one node alone is {off}, by layer: mean and standard deviation over the layer's "
    "nodes, the largest change and its node, and the share of nodes whose removal lowers the loss."
)


def _of_removals(summary: xr.Dataset) -> list[Column]:
    unknown = summary["unknown"].values
    return [
        Column("layer", "layer", [str(layer) for layer in summary["layer"].values]),
        Column("nodes", "nodes", summary["nodes"].values),
        Column("mean_change", "mean change", summary["mean_change"].values, digits=3),
        Column("sd_change", "sd", summary["sd_change"].values, digits=3),
        Column("largest_change", "largest", summary["largest_change"].values, digits=3),
        Column("largest_node", "by node", _within(summary, "largest_node")),
        Column("mean_log_change", "mean change of log loss", summary["mean_log_change"].values, digits=3),
        Column("share_lowering", "share lowering", summary["share_lowering"].values, decimals=2),
        *([Column("unknown", "without a finite loss", unknown)] if unknown.any() else []),
    ]


def _within(summary: xr.Dataset, name: str) -> list[str]:
    """Names of nodes without that of their layer, which stands in the same row."""
    layers = [str(layer) for layer in summary["layer"].values]
    nodes = [str(node) for node in summary[name].values]
    return [node.removeprefix(layer).strip() or node for node, layer in zip(nodes, layers, strict=True)]


def _of_draws(summary: xr.Dataset, unit: str) -> list[Column]:
    columns = []
    over = [dim for dim in ("probability", "layer") if dim in summary.dims]

    def add(key: str, header: str) -> None:
        values, errors = (summary[part].transpose(*over).values.ravel() for part in (key, f"{key}_error"))
        if np.isfinite(values).any():
            columns.append(Column(key, header, values, errors=errors, digits=3))

    if "slope" in summary:
        add("slope", "slope of log loss")
    for name in reversed(NAMES):
        if f"{name}_mean" in summary:
            of = "log loss" if name == "log_loss_gradient" else f"loss ({unit})"
            add(f"{name}_mean", f"gradient of {of}")
            add(f"{name}_absolute", "its mean size")
    return columns


def _caption(summary: xr.Dataset, unit: str) -> str:
    parts = []
    if "slope" in summary:
        parts.append("the change of the log loss for one more node on (least squares over the draws)")
    if any(f"{name}_mean" in summary for name in NAMES):
        parts.append("mean gate gradients over draws and nodes, and means of their absolute values")
    known = any(error.notnull().any() for name, error in summary.items() if str(name).endswith("_error"))
    return f"Layer by layer: {'; '.join(parts)}.{' In brackets the standard error, from whole draws.' * known}"


def _rows(summary: xr.Dataset) -> int:
    return summary.sizes["probability"] if "probability" in summary.dims else 1


def node_table(
    sweep: xr.Dataset, *, full_loss: float | None = None, most: int = MOST, name: str = "leave_one_out"
) -> Table:
    """Make the table of single removals, the costliest node first; of many nodes only those that cost most and least.

    Parameters
    ----------
    sweep : xarray.Dataset
        A leave-one-out sweep, with the coordinate `node`; or what `analysis.removal.leave_one_out` made of it.
    full_loss : float, optional
        Loss with every node on; the attribute of the sweep when left out.
    most : int
        Number of the costliest and of the cheapest nodes; all nodes where they are at most twice as many.
    name : str
        Name of the table, the stem of its files' names.

    Returns
    -------
    analysis.tables.Table
        A row a node: its label, its loss and the change, in the unit of the loss; with its rank where nodes are left
        out.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset or its losses are no real numbers.
    ValueError
        If a variable is missing, there is no full loss, or `most` is below 1.

    See Also
    --------
    analysis.removal.leave_one_out : The numbers.
    layer_table : Layer by layer.

    Examples
    --------
    >>> from analysis import layers
    >>> sweep = xr.Dataset({"loss": ("node", [0.2, 0.5])}, {"node": ["a unit 0", "a unit 1"]})
    >>> layers.node_table(sweep, full_loss=0.25).columns[0].values
    ['a unit 1', 'a unit 0']
    """
    most = _checks.whole("most", most, 1)
    nodes = removal.leave_one_out(sweep, full_loss=full_loss)
    order = np.argsort(nodes["rank"].values, kind="stable")
    unit, total = str(nodes.attrs.get("unit") or "nats"), order.size
    caption = f"Loss in {unit} with one node {off_of(nodes)}, and its change from the loss with every node on"
    first: list[Column] = []
    if total > 2 * most:
        order = order[nodes["rank"].values[order] > 0]  # those without a finite loss have no place on either side
        order = np.concatenate([order[:most], order[most:][-most:]])
        caption += f": the {most} costliest and the {most} cheapest removals of {total:,}"
        first = [Column("rank", "rank", nodes["rank"].values[order])]
    nodes = nodes.isel(node=order)
    labels: list[Any] = [str(label) for label in nodes["node"].values]
    return Table(
        name,
        f"{caption}.",
        [
            *first,
            Column("node", f"node that is {off_of(nodes)}", labels),
            Column("loss", "loss", nodes["loss"].values),
            Column("change", "change", nodes["change"].values, digits=3),
        ],
    )
