"""The tables that every report of a sweep may hold."""

import numpy as np
import xarray as xr

from analysis import layers
from analysis._formatting import listed_nodes, short_labels
from analysis._reports import examples, measures, walks
from analysis._reports.results import SweepResults
from analysis.lognormal import RESAMPLES
from analysis.tables import Column, Table

#: Nodes named in a cell, at most.
NAMED = 12


def p_value_text(value: float) -> str:
    """Write a p-value of the bootstrap; the smallest it can give is a bound, not a value."""
    if np.isnan(value):
        return "–"
    least = 1 / (RESAMPLES + 1)
    return f"≤ {least:.3f}" if value <= least * (1 + 1e-9) else f"{value:.3f}"


def _first(results: SweepResults, repeats: int = 1) -> list[Column]:
    """Make the column of the probability, if the design has one."""
    values = np.repeat(results.probabilities, repeats)
    return [Column("probability", "p", values, digits=None)] if results.probabilities else []


def _each(results: SweepResults) -> str:
    return " at each p" if results.probabilities else ""


def losses(results: SweepResults) -> Table:
    """Make the table of the loss."""
    data = results.losses
    quantiles = [
        Column(f"quantile_{100 * q:g}", f"{100 * q:g} %", data["loss_quantile"].sel(quantile=q).values)
        for q in (0.05, 0.5, 0.95)
    ]
    errors = data["mean_loss_error"].values if results.has_errors else None
    masks = " when every node stays with probability p" if results.probabilities else ""
    return Table(
        "loss",
        f"Loss in {results.unit}{masks}: mean{' with its standard error' if results.has_errors else ''}, standard "
        "deviation, and quantiles over the masks.",
        [
            *_first(results),
            Column("draws", "masks", data["draws"].values),
            Column("mean_loss", "mean loss", data["mean_loss"].values, errors=errors),
            Column("sd_loss", "sd", data["sd_loss"].values),
            *quantiles,
            Column("nonpositive", "zero losses", data["nonpositive"].values),
            Column("nonfinite", "non-finite losses", data["nonfinite"].values),
        ],
    )


def log_losses(results: SweepResults) -> Table:
    """Make the table of the log-normal fits."""
    fits = results.fits
    errors = {key: fits[f"{key}_error"].values if results.independent else None for key in ("mu", "sigma")}
    p_values = [Column("p_value", "p-value", [p_value_text(value) for value in fits["p_value"].values])]
    return Table(
        "log_loss",
        f"Log-normal fit{_each(results)}: mean and standard deviation of the log loss"
        f"{' with their standard errors' if results.independent else ''}, and how good the fit is.",
        [
            *_first(results),
            Column("mu", "mean log loss", fits["mu"].values, errors=errors["mu"]),
            Column("sigma", "sd of log loss", fits["sigma"].values, errors=errors["sigma"]),
            Column("ks_distance", "KS distance", fits["ks_distance"].values, decimals=3),
            Column("skewness", "skewness", fits["skewness"].values, decimals=2),
            Column("excess_kurtosis", "excess kurtosis", fits["excess_kurtosis"].values, decimals=2),
            *(p_values if results.tested else []),
            Column("count", "losses fitted", fits["count"].values),
            Column("left_out", "left out", (fits["nonpositive"] + fits["nonfinite"]).values),
        ],
    )


def masks(results: SweepResults) -> Table:
    """Make the table of how often which masks were drawn, of a Bernoulli sweep that holds its draws."""
    data = results.losses
    columns = [*_first(results), Column("draws", "masks", data["draws"].values)]
    for key, header in (("distinct_masks", "distinct"), ("full_masks", "all on"), ("empty_masks", "all off")):
        columns.append(Column(key, header, data[key].values))
        columns.append(Column(f"expected_{key}", f"{header}: expected", data[f"expected_{key}"].values, digits=3))
    return Table(
        "masks",
        "Masks drawn at each p: how many were distinct, and how often every node was on or off, each beside "
        "what is expected of independent draws.",
        columns,
    )


def _gates_in_words(gates: np.ndarray, labels: list[str]) -> str:
    """Name the nodes that are off, or those that are on if they are fewer or in part, with their gates."""
    partial = [f"{label} at {gate:g}" for label, gate in zip(labels, gates, strict=True) if gate not in (0, 1)]
    state = "on" if partial or np.count_nonzero(gates == 1) < np.count_nonzero(gates == 0) else "off"
    named = [label for label, gate in zip(labels, gates, strict=True) if gate == (state == "on")]
    groups = [listed_nodes(named[:NAMED], ", "), ", ".join(partial[: max(NAMED - len(named), 0)])]
    shown = ", ".join(filter(None, groups)) or "none"
    return f"{state}: {shown}" + (", …" if len(named) + len(partial) > NAMED else "")


def best(results: SweepResults, lowest: xr.Dataset) -> Table:
    """Make the table of the masks of lowest loss."""
    labels, head = short_labels([str(label) for label in lowest["node"].values])
    rows, ranks, nodes = lowest["gates"].shape
    loss, gates = lowest["loss"].values.ravel(), lowest["gates"].values.reshape(-1, nodes)
    columns = [
        *_first(results, ranks),
        Column("rank", "rank", np.tile(lowest["rank"].values, rows)),
        Column("loss", "loss", loss),
        Column("nodes_on", "nodes on", np.count_nonzero(gates, axis=1)),
        Column("nodes", f"which ({head})" if head else "which", [_gates_in_words(mask, labels) for mask in gates]),
    ]
    known = np.isfinite(loss)
    kept = [
        Column(c.key, c.header, [v for v, k in zip(c.values, known, strict=True) if k], digits=c.digits)
        for c in columns
    ]
    return Table(
        "best_masks",
        f"The distinct masks of lowest loss (in {results.unit}) that the sweep has seen{_each(results)}, and the nodes "
        "that are off in them, or those that are on where these are fewer.",
        kept,
    )


def sites(results: SweepResults) -> Table:
    """Make the table of where the network is gated."""
    headers = {"source": "nodes of", "kind": "kind", "nodes": "nodes", "reads": "read by"}
    columns = [
        Column(
            key, header, [int(site.get(key, 0)) if key == "nodes" else str(site.get(key, "")) for site in results.sites]
        )
        for key, header in headers.items()
    ]
    return Table("sites", "Where the network is gated, in the order of the gate vector.", columns)


def all_tables(results: SweepResults) -> list[Table]:
    """Make every table that the results allow."""
    made = [losses(results), log_losses(results)]
    if results.metrics is not None:
        made.append(measures.table(results.metrics, results.probabilities, not results.summary))
    made += examples.all_tables(results.examples, results.unit)
    if "distinct_masks" in results.losses:
        made.append(masks(results))
    if results.nodes is not None:
        made.append(layers.node_table(results.nodes))
    if results.walks is not None and results.walks.covariance is not None:
        made.append(walks.table(results.walks.covariance))
    if results.layers is not None:
        made.append(layers.layer_table(results.layers))
    if results.best is not None:
        made.append(best(results, results.best))
    if results.sites:
        made.append(sites(results))
    return made
