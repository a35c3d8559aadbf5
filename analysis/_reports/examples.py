"""Losses of examples in the report of a sweep: which of them the masks change most, and which a node matters for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import figures
from analysis.figures import _axes
from analysis.numbers import Numbers
from analysis.tables import Column, Table

#: Rows of a table of examples, at most.
MOST = 15
#: Numbers that are read at a time.
BLOCK = 2**24


@dataclass(frozen=True)
class ExampleResults:
    """What a sweep that keeps the losses of examples shows of them.

    Attributes
    ----------
    examples : xarray.Dataset, (example,)
        Over the masks whose loss of the example is finite: `mean` and `sd` (divisor n); `full`, with every node on;
        `change`, the mean less that. In the unit of the loss. Examples of which nothing counts are left out.
    nodes : xarray.Dataset or None, (node,)
        Where single nodes are off: `example`, the example whose loss rises most without the node, its `rise`, and
        `share`, that of the examples whose loss rises.
    """

    examples: xr.Dataset
    nodes: xr.Dataset | None


def measure(sweep: xr.Dataset, single: bool) -> ExampleResults | None:
    """Measure the losses of examples, a part at a time; None where the sweep does not keep them.

    Parameters
    ----------
    sweep : xarray.Dataset
    single : bool
        Whether each draw has one node off.
    """
    if "example_loss" not in sweep:
        return None
    counts = np.ones(sweep.sizes["example"], bool) if "counted" not in sweep else sweep["counted"].values > 0
    full = sweep["full_example_loss"].values.astype(np.float64)
    number, total, square = np.zeros((3, full.size))
    by_node = []
    for rows in _blocks(sweep["example_loss"]):
        change = rows - full
        known = np.isfinite(change)
        change = np.where(known, change, 0)
        number, total, square = number + known.sum(0), total + change.sum(0), square + (change**2).sum(0)
        if single:
            by_node.append(_of_nodes(np.where(known & counts, change, -np.inf)))
    with np.errstate(invalid="ignore", divide="ignore"):
        change = total / number
        sd = np.sqrt(np.maximum(square / number - change**2, 0))
    values = dict(mean=full + change, sd=sd, full=full, change=change)
    data = xr.Dataset({key: ("example", one[counts]) for key, one in values.items()})
    data = data.assign_coords(example=sweep["example"].values[counts])
    if not by_node:
        return ExampleResults(data, None)
    place, rise, share = (np.concatenate(parts) for parts in zip(*by_node, strict=True))
    nodes = {"example": sweep["example"].values[place], "rise": rise, "share": share * counts.size / counts.sum()}
    return ExampleResults(data, xr.Dataset({key: ("node", one) for key, one in nodes.items()}, {"node": sweep["node"]}))


def _blocks(losses: xr.DataArray) -> Iterator[np.ndarray]:
    """Yield the losses as arrays (masks, examples) of float64, of about `BLOCK` numbers."""
    losses = losses.transpose(..., "example")
    along = max(losses.dims[:-1], key=lambda dim: losses.sizes[dim])
    step = max(1, BLOCK * losses.sizes[along] // max(losses.size, 1))
    for start in range(0, losses.sizes[along], step):
        part = losses.isel({along: slice(start, start + step)}).values
        yield part.reshape(-1, part.shape[-1]).astype(np.float64)


def _of_nodes(change: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each node the example of the largest change, that change, and the share of examples that change upwards."""
    place = change.argmax(axis=1)
    return place, change[np.arange(len(change)), place], (change > 0).mean(axis=1)


def draw(results: ExampleResults | None, unit: str) -> dict[str, Figure]:
    """Draw the mean loss of each example over the masks against its loss with every node on, by file name."""
    if results is None:
        return {}
    return {"examples": _axes.figure_of(figures.metrics.examples(results.examples, unit=unit))}


def all_tables(results: ExampleResults | None, unit: str) -> list[Table]:
    """Make the table of the examples that change most, and of the nodes where single nodes are off."""
    if results is None:
        return []
    order = np.argsort(-np.nan_to_num(results.examples["change"].values, nan=-np.inf), kind="stable")[:MOST]
    worst = results.examples.isel(example=order)
    made = [
        Table(
            "examples",
            f"The {len(order)} examples whose loss in {unit} rises most over the masks: with every node on, mean and "
            "standard deviation over the masks, and the change of the mean.",
            [
                Column("example", "example", worst["example"].values),
                *(
                    Column(key, header, worst[key].values)
                    for key, header in (("full", "every node on"), ("mean", "mean"), ("sd", "sd"), ("change", "change"))
                ),
            ],
        )
    ]
    if results.nodes is not None:
        made.append(_table_of_nodes(results.nodes, unit))
    return made


def _table_of_nodes(nodes: xr.Dataset, unit: str) -> Table:
    order = np.argsort(-nodes["rise"].values, kind="stable")[:MOST]
    rows = nodes.isel(node=order)
    return Table(
        "examples_of_nodes",
        f"For each of the {len(order)} nodes that matter most to a single example: the example, the change of its loss "
        f"in {unit} without the node, and the share of all examples whose loss rises.",
        [
            Column("node", "node that is off", [str(label) for label in rows["node"].values]),
            Column("example", "example", rows["example"].values),
            Column("rise", "change", rows["rise"].values),
            Column("share", "share that rises", rows["share"].values, decimals=2),
        ],
    )


def add_numbers(n: Numbers, results: ExampleResults | None, unit: str) -> None:
    """Add how many examples there are, how many are worse off, and the one that changes most."""
    if results is None:
        return
    change = results.examples["change"].values
    n.add("examples", change.size)
    n.add("examples whose loss rises", int((change > 0).sum()))
    if np.isfinite(change).any():
        most = int(np.nanargmax(change))
        n.add("most changed example", int(results.examples["example"][most]))
        n.add("most changed example change", float(change[most]), digits=3, comment=unit)
