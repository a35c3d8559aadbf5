"""Tables and LaTeX macros of the sparsity study."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analysis.tables import Column, Table
from sweeps.studies.sparsity.answers import OURS, TITLES, points
from sweeps.studies.sparsity.claims import PUBLISHED_PERCENT
from sweeps.studies.sparsity.measures import (
    DROPS,
    KINDS,
    MAIN_DROP,
    PUBLISHED,
    Interval,
    Method,
    by_name,
    interval,
    largest_difference,
    methods,
    scope_name,
)
from sweeps.studies.sparsity.results import Results

NO_INTERVAL = Interval(np.nan, np.nan, 0, np.nan, np.nan)


def pair(key: str, header: str, found: Sequence[Interval], decimals: int = 1, factor: float = 1.0) -> list[Column]:
    """Make a column of means and one of the half-widths of their intervals."""
    scaled = [one.times(factor) for one in found]
    return [
        Column(key, header, [one.mean for one in scaled], decimals=decimals),
        Column(f"{key}_half_width", "±", [one.half for one in scaled], decimals=decimals),
    ]


def of(summary: xr.Dataset, name: str, key: str, fall: float | None = None) -> Interval:
    """Return the mean over networks of one number of one way of pruning."""
    values = summary[name].sel({"pruned_by": key} if fall is None else {"pruned_by": key, "fall": fall})
    return interval(values.values.astype(float))


def claims(results: Results) -> Table:
    """Make the table of the claims and their answers."""
    found = list(results.claims.values())
    return Table(
        "claims",
        "Claims and whether they hold here. Published: “Sparsifying Neural Networks”, one network on MNIST; ours: "
        "what that leaves open.",
        [
            Column("claim", "claim", [TITLES[claim.name] for claim in found]),
            Column("source", "from", ["ours" if claim.name in OURS else "published" for claim in found]),
            Column("verdict", "verdict", [claim.verdict for claim in found]),
        ],
    )


def curves(results: Results) -> Table:
    """Make the table of the curves at the published sparsities."""
    data = results.last
    percents = [percent for percent in data["percent"].values if percent in PUBLISHED_PERCENT]
    columns = [Column("percent", "sparsity (%)", [int(percent) for percent in percents])]

    def at(name: str, key: str) -> list[Interval]:
        values = data[name].sel({"pruned_by": key}).transpose("percent", "network")
        return [interval(values.sel(percent=percent).values) for percent in percents]

    for kind in KINDS:
        columns += pair(f"{kind}_accuracy", f"{kind}: accuracy (%)", at("accuracy", PUBLISHED[kind]), 2, 100)
        columns += pair(f"{kind}_loss", f"loss ({results.unit})", at("loss", PUBLISHED[kind]), 3)
    difference = data["accuracy"].sel({"pruned_by": PUBLISHED["weights"]}, drop=True) - data["accuracy"].sel(
        {"pruned_by": PUBLISHED["units"]}, drop=True
    )
    found = [interval(difference.sel(percent=percent).values) for percent in percents]
    columns += pair("difference", "weights less units (points)", found, 2, 100)
    columns.append(
        Column(
            "weights_left",
            "weights that stay under unit pruning (%)",
            [100 * one.mean for one in at("left", PUBLISHED["units"])],
            decimals=1,
        )
    )
    return Table(
        "curves",
        f"Weight and unit pruning as published, after {results.epochs[-1]} epochs, on the test set: means over "
        f"{results.networks} networks and half-widths of their 95 % t-intervals (±).",
        columns,
    )


def _counts(summary: xr.Dataset, name: str, keys: Sequence[str], negate: bool = False) -> list[int]:
    values = [summary[name].sel({"pruned_by": key, "fall": MAIN_DROP}).values for key in keys]
    return [int(np.sum(~one if negate else one)) for one in values]


def plateaus(results: Results) -> Table:
    """Make the table of the ends of all plateaus."""
    summary, found = results.numbers, methods(results.curves)
    keys = [one.key for one in found]
    main = [of(summary, "end", key, MAIN_DROP) for key in keys]
    columns = [
        *named(found),
        *pair("end", f"end at {points(MAIN_DROP)} (%)", main),
        Column("least", "least", [one.least for one in main], decimals=1),
        Column("most", "most", [one.most for one in main], decimals=1),
        *pair("lasting", "lasting end (%)", [of(summary, "lasting", key, MAIN_DROP) for key in keys]),
        Column("recover", "recover", _counts(summary, "recovers", keys)),
    ]
    never = _counts(summary, "fallen", keys, negate=True)
    if any(never):
        columns.append(Column("never", "never fall", never))
    for drop in DROPS:
        if drop != MAIN_DROP:
            columns += pair(
                f"end_{1000 * drop:g}_permille",
                f"at {points(drop)} (%)",
                [of(summary, "end", key, drop) for key in keys],
            )
    return Table(
        "plateaus",
        f"Sparsity at which the test accuracy first falls by more than a number of percentage points below that of the "
        f"unpruned network: means over {results.networks} networks, half-widths of 95 % t-intervals (±), and the range "
        "over the networks. Lasting: from there on it stays below; recover: networks in which the two differ.",
        columns,
    )


def named(found: Sequence[Method], scope: bool = True) -> list[Column]:
    """Make the columns that name ways of pruning."""
    columns = [
        Column("kind", "kind", [one.kind for one in found]),
        Column("by", "by", [by_name(one.by) for one in found]),
    ]
    return [*columns, Column("scope", "ranked", [scope_name(one.scope) for one in found])] if scope else columns


def epochs(results: Results) -> Table | None:
    """Make the table of the lengths of training."""
    if len(results.epochs) < 2:
        return None
    last, rows = results.epochs[-1], [(kind, count) for kind in KINDS for count in results.epochs]
    start, end, change, largest, place = [], [], [], [], []
    for kind, count in rows:
        one = results.summary.sel({"pruned_by": PUBLISHED[kind], "epochs": count})
        reference = results.summary.sel({"pruned_by": PUBLISHED[kind], "epochs": last})
        curve = results.curves["accuracy"].sel({"pruned_by": PUBLISHED[kind]})
        where, most = largest_difference(curve.sel(epochs=count) - curve.sel(epochs=last))
        start.append(interval(one["start"].values))
        end.append(interval(one["end"].sel(fall=MAIN_DROP).values))
        moved = (one["end"] - reference["end"]).sel(fall=MAIN_DROP).values
        change.append(interval(moved) if count != last else NO_INTERVAL)
        largest.append(most if count != last else NO_INTERVAL)
        place.append(where if count != last else np.nan)
    return Table(
        "epochs",
        f"Pruned after each length of one and the same training: accuracy of the unpruned network, end of the plateau "
        f"at {points(MAIN_DROP)}, how far it is from that after {last} epochs (paired by network), and the largest "
        "difference of the mean accuracies at any sparsity, with where it is; ± is half of a 95 % t-interval.",
        [
            Column("kind", "kind", [kind for kind, _ in rows]),
            Column("epochs", "epochs", [count for _, count in rows]),
            *pair("accuracy", "unpruned (%)", start, 2, 100),
            *pair("end", "end (%)", end),
            *pair("moved", f"less that after {last}", change),
            *pair("largest", "largest difference (points)", largest, 2, 100),
            Column("at", "at sparsity (%)", place, decimals=0),
        ],
    )


def equal(results: Results) -> Table:
    """Make the table of weights against units, at equal sparsity and at equal numbers of weights."""
    own, same = results.numbers, results.equal.numbers
    rows: list[tuple[str, str, list[Interval], float]] = []

    def three(weights: np.ndarray, units: np.ndarray) -> list[Interval]:
        return [interval(weights), interval(units), interval(weights - units)]

    for drop in DROPS:
        ends = own["end"].sel(fall=drop)
        both = [ends.sel({"pruned_by": PUBLISHED[kind]}).values for kind in KINDS]
        rows.append((f"end of plateau at {points(drop)} (%)", "sparsity", three(*both), 1))
        both = [same["end"].sel(kind=kind, fall=drop).values for kind in KINDS]
        rows.append((f"end of plateau at {points(drop)} (%)", "weights gone", three(*both), 1))
    both = [own["mean_accuracy"].sel({"pruned_by": PUBLISHED[kind]}).values for kind in KINDS]
    rows.append(("mean accuracy (%)", "sparsity", three(*both), 100))
    both = [same["mean_accuracy"].sel(kind=kind).values for kind in KINDS]
    rows.append(("mean accuracy (%)", "weights gone", three(*both), 100))
    rows.sort(key=lambda row: row[1] != "sparsity")
    columns = [
        Column("against", "against", [against for _, against, _, _ in rows]),
        Column("number", "number", [name for name, _, _, _ in rows]),
    ]
    for place, (key, header) in enumerate((("weights", "weights"), ("units", "units"), ("difference", "difference"))):
        columns += pair(key, header, [found[place].times(factor) for _, _, found, factor in rows])
    return Table(
        "equal_weights",
        "Weight against unit pruning, at equal sparsity (per cent of the weights, per cent of the units) and at equal "
        f"shares of the prunable weights gone (up to {results.equal.until:.1f} %): means over networks, ± half of "
        "95 % t-intervals; differences are paired by network.",
        columns,
    )
