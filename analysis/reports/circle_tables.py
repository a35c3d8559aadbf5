"""Tables and LaTeX macros of the circle study."""

from typing import Any

import numpy as np

from analysis import published as published_module
from analysis.lognormal import RESAMPLES
from analysis.reports.circle_results import Results
from analysis.tables import Column, Numbers, Table


def p_value_text(value: float) -> str:
    """Write a p-value of the bootstrap; the smallest it can give is a bound, not a value."""
    if np.isnan(value):
        return "–"
    least = 1 / (RESAMPLES + 1)
    return f"≤ {least:.3f}" if value <= least * (1 + 1e-9) else f"{value:.3f}"


def _probability(results: Results) -> Column:
    return Column("probability", "p", results.probabilities, digits=None)


def losses(results: Results) -> Table:
    """Make the table of the loss at each probability."""
    data = results.losses
    quantiles = [
        Column(f"quantile_{100 * q:g}", f"{100 * q:g} %", data["loss_quantile"].sel(quantile=q).values)
        for q in (0.05, 0.5, 0.95)
    ]
    return Table(
        "loss",
        "Loss in nats when every node stays with probability p: mean with its standard error, standard "
        "deviation, and quantiles over the masks.",
        [
            _probability(results),
            Column("draws", "masks", data["draws"].values),
            Column("mean_loss", "mean loss", data["mean_loss"].values, data["mean_loss_error"].values),
            Column("sd_loss", "sd", data["sd_loss"].values),
            *quantiles,
            Column("nonpositive", "zero losses", data["nonpositive"].values),
            Column("nonfinite", "non-finite losses", data["nonfinite"].values),
        ],
    )


def log_losses(results: Results) -> Table:
    """Make the table of the log-normal fits."""
    fits = results.fits
    return Table(
        "log_loss",
        "Log-normal fit at each p: mean and standard deviation of the log loss with their standard errors, "
        "and how good the fit is.",
        [
            _probability(results),
            Column("mu", "mean log loss", fits["mu"].values, fits["mu_error"].values),
            Column("sigma", "sd of log loss", fits["sigma"].values, fits["sigma_error"].values),
            Column("ks_distance", "KS distance", fits["ks_distance"].values, decimals=3),
            Column("skewness", "skewness", fits["skewness"].values, decimals=2),
            Column("excess_kurtosis", "excess kurtosis", fits["excess_kurtosis"].values, decimals=2),
            Column("p_value", "p-value", [p_value_text(value) for value in fits["p_value"].values]),
            Column("count", "losses fitted", fits["count"].values),
            Column("left_out", "left out", (fits["nonpositive"] + fits["nonfinite"]).values),
        ],
    )


def masks(results: Results) -> Table:
    """Make the table of how often which masks were drawn."""
    data = results.losses
    columns = [_probability(results), Column("draws", "masks", data["draws"].values)]
    for key, header in (("distinct_masks", "distinct"), ("full_masks", "all on"), ("empty_masks", "all off")):
        columns.append(Column(key, header, data[key].values))
        columns.append(Column(f"expected_{key}", "expected", data[f"expected_{key}"].values, digits=3))
    return Table(
        "masks",
        "Masks drawn at each p: how many were distinct, and how often every node was on or off, each beside "
        "what is expected of independent draws.",
        columns,
    )


def leave_one_out(results: Results) -> Table:
    """Make the table of single removals, the costliest node first."""
    nodes = results.nodes.isel(node=np.argsort(results.nodes["rank"].values, kind="stable"))
    return Table(
        "leave_one_out",
        "Loss in nats with one node off, and its change from the loss with every node on.",
        [
            Column("node", "node that is off", [str(label) for label in nodes["node"].values]),
            Column("loss", "loss", nodes["loss"].values),
            Column("change", "change", nodes["change"].values, digits=3),
        ],
    )


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
    columns.append(Column("networks", "networks", frame["networks"].tolist()))
    return Table(
        "spread",
        "Where the published numbers fall among networks trained from different seeds, with the circle as in the "
        "published text and as in the published code.",
        columns,
    )


def all_tables(results: Results) -> dict[str, Table]:
    """Make every table of the study, by name."""
    makers = (losses, log_losses, masks, leave_one_out, published_beside_ours, spread)
    return {table.name: table for table in (maker(results) for maker in makers)}


def numbers(results: Results) -> Numbers:
    """Collect every number that a paper on the study would quote."""
    macros = Numbers("circle")
    macros.add("full loss", results.full_loss, comment="nats")
    macros.add("full accuracy", results.full_accuracy, digits=3, comment="on the test set")
    macros.add("nodes", results.nodes.sizes["node"])
    macros.add("networks", results.spread.sizes["network"])
    for index, p in enumerate(results.probabilities):
        loss, fit = results.losses.isel(probability=index), results.fits.isel(probability=index)
        macros.add("masks", int(loss["draws"]), p=p)
        macros.add("mean loss", float(loss["mean_loss"]), float(loss["mean_loss_error"]), p=p, comment="nats")
        macros.add("sd loss", float(loss["sd_loss"]), p=p, comment="nats")
        macros.add("mean log loss", float(fit["mu"]), float(fit["mu_error"]), p=p)
        macros.add("sd log loss", float(fit["sigma"]), float(fit["sigma_error"]), p=p)
        for key in ("ks_distance", "skewness", "excess_kurtosis"):
            macros.add(key.replace("_", " "), float(fit[key]), digits=2, p=p, comment="of the log loss")
        macros.add("p value", p_value_text(float(fit["p_value"])), p=p, comment="of log-normality")
        for key in ("nonpositive", "nonfinite"):
            macros.add(f"{key} losses", int(loss[key]), p=p)
        for key in ("distinct_masks", "full_masks", "empty_masks"):
            macros.add(key.replace("_", " "), int(loss[key]), p=p)
            macros.add(f"expected {key.replace('_', ' ')}", float(loss[f"expected_{key}"]), digits=3, p=p)
    for row in results.comparison.itertuples():
        at: dict[str, Any] = {} if np.isnan(row.probability) else {"p": float(row.probability)}
        name = f"{row.boundary} {row.quantity.replace('_', ' ')}"
        macros.add(f"spread {name} median", row.median, digits=3, **at)
        macros.add(f"spread {name} lowest", row.min, digits=3, **at)
        macros.add(f"spread {name} highest", row.max, digits=3, **at)
        macros.add(f"spread {name} published rank", row.rank, digits=2, **at)
    return macros
