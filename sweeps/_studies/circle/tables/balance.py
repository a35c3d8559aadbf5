"""Tables of what role each node has, and of what the balance of the nodes explains."""

import numpy as np
import xarray as xr

from analysis._formatting import short_labels
from analysis.balance import BIAS
from analysis.figures.balance import PARTS
from analysis.intervals import interval
from analysis.tables import Column, Table
from sweeps._studies.circle.measures import Results
from sweeps._studies.circle.measures.parts import contributions, gains


def roles(of: xr.Dataset) -> Table:
    """Make the table of the role of every node, bias nodes first, then by direction."""
    names, head = short_labels([str(label) for label in of["node"].values])
    push, effect = of["push"].values, of["effect"].values
    bias = of["role"].values == BIAS
    # A slicing node is active on the side that its incoming weights point to.
    angle = np.degrees(np.arctan2(*(push * np.sign(effect)[:, np.newaxis]).T[::-1])) % 360
    order = np.lexsort((angle, ~bias))
    return Table(
        "roles",
        "Role of every node. Bias nodes are active on every test point, slicing nodes on those that lie far in one "
        "direction: angle from the first input's axis, in degrees. Effect: outgoing weight to the outside less that to "
        "the inside; push: length of effect times incoming weights.",
        [
            Column("node", f"node ({head})" if head else "node", [names[node] for node in order]),
            Column("role", "role", of["role"].values[order].tolist()),
            Column("active", "active (%)", 100 * of["active"].values[order], decimals=1),
            Column("angle", "direction (°)", np.where(bias, np.nan, angle)[order], decimals=0),
            Column("effect", "effect", effect[order], decimals=2),
            Column("push", "push", np.linalg.norm(push, axis=1)[order], decimals=2),
        ],
    )


def explained(own: xr.Dataset, many: xr.Dataset | None) -> Table:
    """Make the table of the variance that each part explains, and of what it contributes to the correlation."""
    columns = [Column("part", "part", list(PARTS.values()))]
    for key, header, of in (("gain", "variance (%)", gains), ("carried", "correlation", contributions)):
        scale, decimals = (100.0, 1) if key == "gain" else (1.0, 3)
        columns.append(Column(key, header, [scale * float(of(own)[part]) for part in PARTS], decimals=decimals))
        if many is not None:
            found = [interval(scale * of(many)[part]) for part in PARTS]
            columns.append(Column(f"{key}_mean", f"{header}, networks", [one.mean for one in found], decimals=decimals))
            columns.append(Column(f"{key}_half", f"{header}, ±", [one.half for one in found], decimals=decimals))
    return Table(
        "balance",
        "What the balance of the nodes explains of the log loss over all masks: the numbers of slicing and of bias "
        "nodes that are on; their squares and product; the imbalance of the directions; the rest. Variance: what a "
        "part adds. Correlation: what it contributes to that of a mask with its opposite. ± is half a 95 % interval "
        "over networks.",
        columns,
    )


def all_tables(results: Results) -> list[Table]:
    """Make every table that the results allow."""
    made = [roles(results.roles)]
    if results.balance is not None:
        made.append(explained(results.balance, results.many.cubes))
    return made
