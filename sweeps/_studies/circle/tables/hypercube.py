"""Tables of flip paths and of the whole hypercube."""

import numpy as np
import xarray as xr

from analysis._formatting import listed_nodes, short_labels
from analysis.tables import Column, Table
from sweeps._studies.circle.measures.hypercube import CubeResults, HypercubeResults, PathResults

#: Orders beyond the one at which this share of the variance is reached are left out of the table.
SHOWN = 0.999


def flip_paths(paths: PathResults, cube: CubeResults | None) -> Table:
    """Make the table of covariances by the number of flips."""
    data = paths.sampled

    def both(name: str, header: str) -> Column:
        # That of a mask with itself is 1: its error is that of rounding.
        known = data[f"{name}_error"].values
        return Column(name, header, data[name].values, errors=[error if error > 1e-9 else None for error in known])

    columns = [
        Column("flips", "flips", data["distance"].values),
        both("from_start", "with the start"),
        both("from_end", "with the end"),
        Column("reversal_standard_errors", "difference in s.e.", data["reversal_standard_errors"].values, decimals=1),
        both("correlation_from_start", "correlation with the start"),
        both("by_distance", "all pairs of steps"),
    ]
    if cube is not None and paths.comparison is not None:
        columns += [
            Column("exact", "exact", cube.by_distance[: paths.steps], decimals=4),
            Column(
                "exact_standard_errors",
                "pairs less exact in s.e.",
                paths.comparison["distance_standard_errors"].values,
                decimals=1,
            ),
        ]
    return Table(
        "flip_paths",
        "Covariance of the log losses of two masks on a flip path, by the number of flips between them. Standard "
        "errors are from whole paths, by the jackknife.",
        columns,
    )


def inside(probabilities: list[float]) -> list[float]:
    """Return the probabilities at which masks vary, and 0.5 in any case."""
    return list(dict.fromkeys([*(p for p in probabilities if 0 < p < 1), 0.5]))


def orders(cube: CubeResults, probabilities: list[float]) -> Table:
    """Make the table of the variance by order, for several probabilities."""
    shares = {p: cube.shares(p) for p in sorted(inside(probabilities))}
    last = max(int(np.searchsorted(np.cumsum(one), SHOWN)) for one in shares.values())
    kept = slice(1, max(2, min(last, cube.nodes) + 1))
    return Table(
        "orders",
        "Share of the variance of the log loss in every order, in per cent: in what single nodes, pairs, triples, ... "
        "do when every node is on with probability p. Exact.",
        [
            Column("order", "order", np.arange(cube.nodes + 1)[kept]),
            *(Column(f"p_{p:g}", f"p = {p:g}", 100 * one[kept], decimals=2) for p, one in shares.items()),
        ],
    )


def moments(data: xr.Dataset) -> Table:
    """Make the table of exact moments beside the sampled means."""
    rows = data.stack(row=("quantity", "probability"))
    names = {
        "exact_mean": "exact mean",
        "exact_sd": "exact sd",
        "exact_skewness": "skewness",
        "exact_excess_kurtosis": "excess kurtosis",
    }
    return Table(
        "exact_moments",
        "Moments over all masks, weighted by their probability, without sampling error, and the means of the sampled "
        "masks beside them.",
        [
            Column("quantity", "quantity", rows["quantity"].values.tolist()),
            Column("probability", "p", rows["probability"].values, digits=None),
            *(Column(name, header, rows[name].values) for name, header in names.items()),
            Column("sampled_mean", "sampled mean", rows["sampled_mean"].values, errors=rows["sampled_error"].values),
            Column("standard_errors", "less exact in s.e.", rows["standard_errors"].values, decimals=1),
        ],
    )


def nodes(cube: CubeResults) -> Table:
    """Make the table of what every node is worth, the most useful one first."""
    names, head = short_labels(list(cube.labels))
    order = np.argsort(cube.worth["shapley"].values, kind="stable")
    columns = {
        "shapley": ("Shapley", cube.worth["shapley"].values),
        "banzhaf": ("Banzhaf", cube.worth["banzhaf"].values),
        "sobol_first": ("Sobol, first", cube.worth["sobol_first"].values),
        "sobol_total": ("Sobol, total", cube.worth["sobol_total"].values),
        "alone": ("off alone", cube.alone),
    }
    return Table(
        "node_values",
        "What every node is worth in log loss, exact: Shapley and Banzhaf value (mean change when it goes on), its "
        "Sobol indices at p = 0.5, and the change when it alone goes off.",
        [
            Column("node", f"node ({head})" if head else "node", [names[node] for node in order]),
            *(Column(key, header, values[order], decimals=3) for key, (header, values) in columns.items()),
        ],
    )


def node_estimates(data: xr.Dataset) -> Table:
    """Make the table of what the flip paths say every node is worth, the most useful one first."""
    names, head = short_labels([str(label) for label in data["node"].values])
    order = np.argsort(data["banzhaf"].values, kind="stable")
    headers = {"banzhaf": "Banzhaf", "sobol_total": "Sobol, total"}
    return Table(
        "node_estimates",
        "What every node is worth in log loss, estimated from flip paths: Banzhaf value (mean change when it goes on) "
        "and total Sobol index at p = 0.5. Standard errors are from whole paths.",
        [
            Column("node", f"node ({head})" if head else "node", [names[node] for node in order]),
            *(
                Column(key, header, data[key].values[order], errors=data[f"{key}_error"].values[order])
                for key, header in headers.items()
            ),
        ],
    )


def sizes(cube: CubeResults) -> Table:
    """Make the table of the best mask of every size and of greedy removal."""
    names, _ = short_labels(list(cube.labels))
    on = np.arange(cube.nodes + 1)
    off = [[names[node] for node in range(cube.nodes) if not mask >> node & 1] for mask in cube.best.mask]
    return Table(
        "best_masks",
        "The lowest loss of any mask with so many nodes on, which nodes are off in it, and the loss that greedy "
        "removal reaches with as many on.",
        [
            Column("on", "nodes on", on),
            Column("best", "lowest loss", np.exp(cube.best.value)),
            Column("greedy", "greedy", np.exp(cube.greedy.value[::-1])),
            Column("gap", "gap in log loss", cube.greedy.gap[::-1], decimals=3),
            Column("off", "nodes off", [listed_nodes(one) if one else "none" for one in off]),
        ],
    )


def all_tables(results: HypercubeResults, probabilities: list[float]) -> list[Table]:
    """Make every table that the results allow."""
    cube = results.cube
    made = [] if results.paths is None else [flip_paths(results.paths, cube)]
    if cube is not None and results.moments is not None:
        made += [moments(results.moments), orders(cube, probabilities), nodes(cube), sizes(cube)]
    if results.estimates is not None:
        made.append(node_estimates(results.estimates))
    return made
