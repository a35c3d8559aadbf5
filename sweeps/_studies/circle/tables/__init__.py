"""Tables of the circle study, beside those of any sweep."""

import numpy as np
import xarray as xr

from analysis._reports import tables
from analysis.tables import Column, Table
from sweeps._studies.circle.measures import Results
from sweeps._studies.circle.measures.networks import LABELS, published_at
from sweeps._studies.circle.tables import balance, gradients, hypercube


def published_beside_ours(results: Results) -> Table:
    """Make the table of the published numbers beside those of the network of this run."""
    sources = {
        "mean_loss": (results.losses, "mean_loss", "mean_loss_error"),
        "mean_log_loss": (results.fits, "mu", "mu_error"),
        "sd_log_loss": (results.fits, "sigma", "sigma_error"),
    }
    rows: list[tuple[str, float, float, float, float]] = []
    for quantity, (data, key, error) in sources.items():
        for index, p in enumerate(results.probabilities):
            theirs = published_at(results.published, quantity, p)
            if np.isfinite(theirs):
                rows.append((quantity, p, theirs, float(data[key][index]), float(data[error][index])))
    theirs = float(results.published["full_loss"])
    rows.append(("full_loss", float("nan"), theirs, results.full_loss, float("nan")))
    quantity_, p_, theirs_, ours, errors = zip(*rows, strict=True)
    return Table(
        "published",
        "Published numbers beside those of the one network of this run. The standard errors are those of the "
        "masks drawn; they do not cover how networks differ.",
        [
            Column("quantity", "quantity", [LABELS[key] for key in quantity_]),
            Column("probability", "p", p_, digits=None),
            Column("published", "published", theirs_, decimals=4),
            Column("ours", "this network", ours, errors=errors),
        ],
    )


def spread(results: Results) -> Table:
    """Make the table of where the published numbers fall among the trained networks."""
    frame = results.comparison
    columns = [
        Column("boundary", "circle", frame["boundary"].tolist()),
        Column("quantity", "quantity", [LABELS[key] for key in frame["quantity"]]),
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
            Column("score", "score", rows["score"].values, errors=rows["score_error"].values),
            Column(
                "difference",
                "less log-normal",
                rows["difference"].values,
                errors=[error if error > 0 else None for error in rows["difference_error"].values],
                decimals=1,
            ),
        ],
    )


def all_tables(results: Results) -> list[Table]:
    """Make every table of the study."""
    made = [*tables.all_tables(results), published_beside_ours(results), spread(results)]
    if results.families is not None:
        made.append(families(results.families))
    made += [*gradients.all_tables(results.gradients), *balance.all_tables(results)]
    return made + hypercube.all_tables(results.hypercube, results.probabilities)
