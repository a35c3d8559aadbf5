"""Tables and LaTeX macros of the circle study, beside those of any sweep."""

from typing import Any

import numpy as np
import xarray as xr

from analysis.numbers import Numbers
from analysis.reports import sweep_tables
from analysis.tables import Column, Table
from sweeps.studies.circle import published as published_module
from sweeps.studies.circle.cube import tables as cube_tables
from sweeps.studies.circle.gradients import tables as gradient_tables
from sweeps.studies.circle.results import Results


def published_beside_ours(results: Results) -> Table:
    """Make the table of the published numbers beside those of the network of this run."""
    sources: dict[str, tuple[Any, str, str | None]] = {
        "mean_loss": (results.losses, "mean_loss", "mean_loss_error"),
        "mean_log_loss": (results.fits, "mu", "mu_error"),
        "sd_log_loss": (results.fits, "sigma", "sigma_error"),
    }
    rows: list[tuple[str, float, float, float, float]] = []
    for quantity, (data, key, error) in sources.items():
        for index, p in enumerate(results.probabilities):
            known = np.flatnonzero(np.isclose(results.published["probability"], p))
            if known.size:
                theirs = float(results.published[quantity][known[0]])
                rows.append((quantity, p, theirs, float(data[key][index]), float(data[error][index])))
    theirs = float(results.published["full_loss"])
    rows.append(("full_loss", float("nan"), theirs, results.full_loss, float("nan")))
    quantity_, p_, theirs_, ours, errors = zip(*rows, strict=True)
    return Table(
        "published",
        "Published numbers beside those of the one network of this run. The standard errors are those of the "
        "masks drawn; they do not cover how networks differ.",
        [
            Column("quantity", "quantity", [published_module.LABELS[key] for key in quantity_]),
            Column("probability", "p", p_, digits=None),
            Column("published", "published", theirs_, digits=None),
            Column("ours", "this network", ours, errors),
        ],
    )


def spread(results: Results) -> Table:
    """Make the table of where the published numbers fall among the trained networks."""
    frame = results.comparison
    columns = [
        Column("boundary", "circle", frame["boundary"].tolist()),
        Column("quantity", "quantity", [published_module.LABELS[key] for key in frame["quantity"]]),
        Column("probability", "p", frame["probability"].tolist(), digits=None),
        Column("published", "published", frame["published"].tolist(), decimals=3),
        Column("rank", "rank", frame["rank"].tolist(), decimals=2),
        Column("z", "z", frame["z"].tolist(), decimals=1),
        Column("inside", "inside", ["yes" if inside else "no" for inside in frame["inside"]]),
    ]
    for key, header in (
        ("min", "lowest"),
        ("q25", "25 %"),
        ("median", "median"),
        ("q75", "75 %"),
        ("max", "highest"),
    ):
        columns.append(Column(key, header, frame[key].tolist(), decimals=3))
    networks = sorted({int(count) for count in frame["networks"]})
    return Table(
        "spread",
        f"Where the published numbers fall among {' to '.join(map(str, networks))} networks trained from different "
        "seeds, with the circle as in the published text and as in the published code.",
        columns,
    )


def families(comparison: xr.Dataset) -> Table:
    """Make the table of how well families of laws predict held-out losses."""
    rows = comparison.stack(row=("probability", "family"))
    return Table(
        "families",
        "Mean log density that each family, fitted to nine tenths of the draws, gives to the losses of the other tenth "
        "(nats a draw), and its difference from that of the log-normal law; higher is better.",
        [
            Column("probability", "p", rows["probability"].values, digits=None),
            Column("family", "family", rows["family"].values.tolist()),
            Column("score", "score", rows["score"].values, rows["score_error"].values),
            Column(
                "difference",
                "less log-normal",
                rows["difference"].values,
                [error if error > 0 else None for error in rows["difference_error"].values],
                decimals=1,
            ),
        ],
    )


def all_tables(results: Results) -> dict[str, Table]:
    """Make every table of the study, by name."""
    made = [published_beside_ours(results), spread(results)]
    if results.families is not None:
        made.append(families(results.families))
    ours = {table.name: table for table in made}
    exact = cube_tables.all_tables(results.hypercube, results.probabilities)
    return sweep_tables.all_tables(results) | ours | gradient_tables.all_tables(results.gradients) | exact


def numbers(results: Results) -> Numbers:
    """Collect every number that a paper on the study would quote."""
    macros = sweep_tables.add_numbers(Numbers("circle"), results)
    macros.add("networks", results.spread.sizes["network"])
    for row in results.comparison.itertuples():
        at: dict[str, Any] = {} if np.isnan(row.probability) else {"p": float(row.probability)}
        name = f"{row.boundary} {row.quantity.replace('_', ' ')}"
        macros.add(f"spread {name} median", row.median, digits=3, **at)
        macros.add(f"spread {name} lowest", row.min, digits=3, **at)
        macros.add(f"spread {name} highest", row.max, digits=3, **at)
        macros.add(f"spread {name} published rank", row.rank, digits=2, **at)
    gradient_tables.add_numbers(macros, results.gradients)
    return cube_tables.add_numbers(macros, results.hypercube, results.probabilities)
