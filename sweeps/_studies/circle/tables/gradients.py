"""Tables of gate gradients."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis._formatting import short_labels
from analysis.gradients import STATES
from analysis.tables import Column, Table
from sweeps._studies.circle.measures.gradients import LABELS, LEVEL, GradientResults
from sweeps._studies.circle.published import split_quantity

#: Nodes in a table at most, the strongest.
MOST = 40
_ERRORS = "Standard errors are by the jackknife over whole draws"


def _rows(results: GradientResults, key: str) -> list[Any]:
    """Return one variable at every quantity and probability."""
    return [value for data in results.statistics.values() for value in data[key].values]


def _heads(results: GradientResults) -> list[Column]:
    chances = results.probabilities
    return [
        Column("quantity", "quantity", [LABELS[name] for name in results.statistics for _ in chances]),
        Column("probability", "p", [p for _ in results.statistics for p in chances], digits=None),
    ]


def moments(results: GradientResults) -> Table:
    """Make the table of means and standard deviations, beside the published ones."""
    columns = _heads(results)
    for key in ("mean", "sd"):
        columns.append(Column(key, key, _rows(results, key), errors=_rows(results, f"{key}_error")))
        for bound in ("low", "high"):
            ends = [value for data in results.intervals.values() for value in data[key].sel(bound=bound).values]
            columns.append(Column(f"{key}_{bound}", f"{key}: {bound}", ends, decimals=4))
        theirs = [value for name in results.statistics for value in results.theirs(name, key)]
        columns.append(Column(f"published_{key}", f"published {key}", theirs, digits=None))
    return Table(
        "gradient_moments",
        f"Gate gradients of all nodes and draws. {_ERRORS}; low and high are the ends of {100 * LEVEL:g} % bootstrap "
        f"intervals; the loss gradient is in {results.unit}.",
        columns,
    )


def shape(results: GradientResults) -> Table:
    """Make the table of tails and of the trough at 0."""
    tail, tail_error = (100 * np.array(_rows(results, key)) for key in ("tail_share", "tail_share_error"))
    return Table(
        "gradient_shape",
        "Shape of the distribution of gate gradients: a normal law has skewness and excess kurtosis 0 and 0.27 % "
        "beyond 3 standard deviations. The trough is the density at 0 as a share of the lower of the maxima on both "
        "sides; 1 means none.",
        [
            *_heads(results),
            Column("skewness", "skewness", _rows(results, "skewness"), errors=_rows(results, "skewness_error")),
            Column(
                "excess_kurtosis",
                "excess kurtosis",
                _rows(results, "excess_kurtosis"),
                errors=_rows(results, "excess_kurtosis_error"),
            ),
            Column("tail_percent", "beyond 3 sd (%)", tail, errors=tail_error),
            Column("trough", "trough", _rows(results, "trough"), errors=_rows(results, "trough_error")),
            Column("entries", "entries", _rows(results, "entries")),
            Column("effective", "effective", np.round(_rows(results, "effective_entries")), decimals=0),
            Column("nonfinite", "left out", _rows(results, "nonfinite")),
        ],
    )


def states(results: GradientResults) -> Table:
    """Make the table of nodes that are off and nodes that are on."""
    rows: list[dict[str, Any]] = []
    published = results.published
    split, split_at = split_quantity(published), published.attrs["state_probability"]
    for name, data in results.statistics.items():
        for index, p in enumerate(results.probabilities):
            for state, word in enumerate(STATES):
                row = {"quantity": LABELS[name], "probability": p, "state": word}
                for key in ("entries", "mean", "mean_error", "sd", "sd_error"):
                    row[key] = data[f"state_{key}"].values[index, state]
                given = name == split and np.isclose(p, split_at)
                for key in ("mean", "sd"):
                    row[f"published_{key}"] = float(published[f"state_{key}"].sel(state=word)) if given else np.nan
                rows.append(row)

    def column(key: str) -> list[Any]:
        return [row[key] for row in rows]

    columns = [
        Column("quantity", "quantity", column("quantity")),
        Column("probability", "p", column("probability"), digits=None),
        Column("state", "node", column("state")),
        Column("entries", "entries", column("entries")),
    ]
    for key in ("mean", "sd"):
        columns.append(Column(key, key, column(key), errors=column(f"{key}_error")))
        columns.append(Column(f"published_{key}", f"published {key}", column(f"published_{key}"), digits=None))
    return Table("gradient_states", f"Gate gradients where the node is off and where it is on. {_ERRORS}.", columns)


def slopes(results: GradientResults, data: xr.Dataset) -> Table:
    """Make the table of slopes of the mean loss in p."""
    columns = [
        Column("probability", "p", results.probabilities, digits=None),
        Column("tangent", "nodes × mean gradient", data["tangent"].values, errors=data["tangent_error"].values),
        Column("trapezoid", "trapezoidal", data["trapezoid"].values, errors=data["trapezoid_error"].values),
    ]
    if "slope" in data:
        columns.append(Column("slope", "exact", data["slope"].values, decimals=4))
    return Table(
        "gradient_slopes",
        "Derivative of the mean loss with respect to the probability p that a node stays: from the mean gate gradient, "
        "from the means of nodes off and on weighed alike, and exactly from all masks where they are known.",
        columns,
    )


def nodes(results: GradientResults, name: str) -> Table:
    """Make the table of one quantity by node, the strongest first."""
    names, head = short_labels(results.labels)
    strength, data = results.strength(name), results.at_shown(name)
    order: Sequence[int] = np.argsort(-np.nan_to_num(strength, nan=-1), kind="stable")[:MOST].tolist()
    columns = [
        Column("node", f"node ({head})" if head else "node", [names[node] for node in order]),
        Column("strength", "root mean square", strength[order], digits=3),
    ]
    for state, word in enumerate(STATES):
        for key in ("mean", "sd"):
            values, errors = (data[f"node_{part}"].values[state, order] for part in (key, f"{key}_error"))
            columns.append(Column(f"{word}_{key}", f"{word}: {key}", values, errors=errors))
        columns.append(Column(f"{word}_entries", f"{word}: entries", data["node_entries"].values[state, order]))
    few = f" The {MOST} strongest nodes of {len(names)}." if len(names) > MOST else ""
    return Table(
        f"{name}_nodes",
        f"The {LABELS[name]} at p = {results.shown:g} by node, where it is off and where it is on.{few}",
        columns,
    )


def all_tables(results: GradientResults) -> list[Table]:
    """Make every table that the results allow."""
    checked = [] if results.slope is None else [slopes(results, results.slope)]
    return [moments(results), shape(results), states(results), *checked, *(nodes(results, name) for name in LABELS)]
