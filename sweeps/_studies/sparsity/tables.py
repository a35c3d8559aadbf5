"""Tables of the sparsity study."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analysis._reports.wording import counted
from analysis.intervals import NO_INTERVAL, Interval, interval
from analysis.tables import Column, Table, pair
from sweeps._studies.sparsity import further_tables
from sweeps._studies.sparsity.claims import PUBLISHED_PERCENT, points
from sweeps._studies.sparsity.measures import (
    DROPS,
    KIND_NAMES,
    KINDS,
    MAIN_DROP,
    PUBLISHED,
    Method,
    Results,
    compared,
    largest_difference,
    layer_name,
    left_at,
    less_published,
    mean_of,
    methods,
)

#: At so many per cent a table says what is left of each layer.
LAYERS_AT = (50, 80, 95)


def all_tables(results: Results) -> list[Table]:
    """Make every table of the study but that of the claims."""
    makers = (curves, plateaus, equal, epochs, heuristics, scopes, layers, finetuned, cost, *further_tables.MAKERS)
    return [table for make in makers if (table := make(results)) is not None]


def curves(results: Results) -> Table:
    """Make the table of the curves at the published sparsities."""
    data = results.last.transpose("pruned_by", "percent", "network")
    data = data.sel(percent=[percent for percent in data["percent"].values if percent in PUBLISHED_PERCENT])

    def each(values: xr.DataArray) -> list[Interval]:
        return [interval(row) for row in values.values]

    of = {kind: data.sel({"pruned_by": PUBLISHED[kind]}, drop=True) for kind in KINDS}
    columns = [Column("percent", "sparsity (%)", data["percent"].values)]
    for kind, one in of.items():
        name = KIND_NAMES[kind]
        columns += pair(f"{kind}_accuracy", f"{name}: accuracy (%)", each(one["accuracy"]), decimals=2, factor=100)
        columns += pair(f"{kind}_loss", f"{name}: loss ({results.unit})", each(one["loss"]), decimals=3)
    difference = of["weights"]["accuracy"] - of["units"]["accuracy"]
    columns += pair("difference", "weights less nodes (points)", each(difference), decimals=2, factor=100)
    left = [100 * one.mean for one in each(of["units"]["left"])]
    columns.append(Column("weights_left", "weights that stay under node pruning (%)", left, decimals=1))
    return Table(
        "curves",
        f"Weight and node pruning as published, after {counted(results.epochs[-1], 'epoch')}, on the test set: means "
        f"over {counted(results.networks, 'network')} and half-widths of their 95 % t-intervals (±).",
        columns,
    )


def plateaus(results: Results) -> Table:
    """Make the table of the ends of all plateaus."""
    numbers, found = results.numbers, methods(results.curves)

    def each(name: str, drop: float = MAIN_DROP) -> list[Interval]:
        return [mean_of(numbers[name].sel(fall=drop), one.key) for one in found]

    def counts(values: xr.DataArray) -> list[int]:
        return [int(values.sel({"pruned_by": one.key, "fall": MAIN_DROP}).sum()) for one in found]

    main = each("end")
    columns = [
        *named(found),
        *pair("end", f"end at {points(MAIN_DROP)} (%)", main),
        Column("least", "least", [one.least for one in main], decimals=1),
        Column("most", "most", [one.most for one in main], decimals=1),
        *pair("lasting", "lasting end (%)", each("lasting")),
        Column("recover", "recover", counts(numbers["recovers"])),
    ]
    never = counts(~numbers["fallen"])
    if any(never):
        columns.append(Column("never", "never fall", never))
    for drop in DROPS[1:]:
        columns += pair(f"end_{1000 * drop:g}_permille", f"at {points(drop)} (%)", each("end", drop))
    return Table(
        "plateaus",
        f"Sparsity at which the test accuracy first falls by more than a number of percentage points below that of the "
        f"unpruned network: means over {results.networks} networks, half-widths of 95 % t-intervals (±), and the range "
        "over the networks. Lasting: from there on it stays below; recover: networks in which the two differ.",
        columns,
    )


def named(found: Sequence[Method], by: bool = True, scope: bool = True) -> list[Column]:
    """Make the columns that name ways of pruning."""
    columns = [Column("kind", "kind", [one.kind_name for one in found])]
    if by:
        columns.append(Column("by", "by", [one.by_name for one in found]))
    if scope:
        columns.append(Column("scope", "ranked", [one.scope_name for one in found]))
    return columns


def epochs(results: Results) -> Table | None:
    """Make the table of the lengths of training."""
    if len(results.epochs) < 2:
        return None
    last, rows = results.epochs[-1], [(kind, count) for kind in KINDS for count in results.epochs]
    start, end, change, largest, place = [], [], [], [], []
    for kind, count in rows:
        numbers = results.summary.sel({"pruned_by": PUBLISHED[kind], "fall": MAIN_DROP})
        curve = results.curves["accuracy"].sel({"pruned_by": PUBLISHED[kind]})
        start.append(interval(numbers["start"].sel(epochs=count).values))
        end.append(interval(numbers["end"].sel(epochs=count).values))
        where, most = largest_difference(curve.sel(epochs=count) - curve.sel(epochs=last))
        moved = interval((numbers["end"].sel(epochs=count) - numbers["end"].sel(epochs=last)).values)
        change.append(moved if count != last else NO_INTERVAL)
        largest.append(most if count != last else NO_INTERVAL)
        place.append(where if count != last else np.nan)
    return Table(
        "epochs",
        f"Pruned after each length of one and the same training: accuracy of the unpruned network, end of the plateau "
        f"at {points(MAIN_DROP)}, how far it is from that after {last} epochs (paired by network), and the largest "
        "difference of the mean accuracies at any sparsity, with where it is; ± is half of a 95 % t-interval.",
        [
            Column("kind", "kind", [KIND_NAMES[kind] for kind, _ in rows]),
            Column("epochs", "epochs", [count for _, count in rows]),
            *pair("accuracy", "unpruned (%)", start, decimals=2, factor=100),
            *pair("end", "end (%)", end),
            *pair("moved", f"less that after {last}", change),
            *pair("largest", "largest difference (points)", largest, decimals=2, factor=100),
            Column("at", "at sparsity (%)", place, decimals=0),
        ],
    )


def equal(results: Results) -> Table:
    """Make the table of weights against units, at equal sparsity and at equal numbers of weights."""
    against, number = [], []
    found: dict[str, list[Interval]] = {"weights": [], "units": [], "difference": []}
    for name, numbers in (("sparsity", _by_kind(results.numbers)), ("weights gone", results.equal.numbers)):
        rows = [(f"end of plateau at {points(drop)} (%)", numbers["end"].sel(fall=drop), 1) for drop in DROPS]
        rows.append(("mean accuracy (%)", numbers["mean_accuracy"], 100))
        for title, values, factor in rows:
            against.append(name)
            number.append(title)
            weights, units = (values.sel(kind=kind).values for kind in KINDS)
            for key, one in zip(found, (weights, units, weights - units), strict=True):
                found[key].append(interval(one).times(factor))
    columns = [Column("against", "against", against), Column("number", "number", number)]
    for key, intervals in found.items():
        columns += pair(key, KIND_NAMES.get(key, key), intervals)
    return Table(
        "equal_weights",
        "Weight against node pruning, at equal sparsity (per cent of the weights, per cent of the nodes) and at equal "
        f"shares of the prunable weights gone (up to {results.equal.until:.1f} %): means over networks, ± half of "
        "95 % t-intervals; differences are paired by network.",
        columns,
    )


def _by_kind(numbers: xr.Dataset) -> xr.Dataset:
    """Return the numbers of the published ways by kind, as those at equal numbers of weights are."""
    chosen = numbers.sel({"pruned_by": [PUBLISHED[kind] for kind in KINDS]})
    return chosen.swap_dims(pruned_by="kind")


_PAIRED = (
    "Differences to the published one, paired by network: the intervals of one kind and column cover together with "
    "probability 0.95 (Bonferroni)"
)


def heuristics(results: Results) -> Table:
    """Make the table of the heuristics within each layer, the best first."""
    return _compared(
        results,
        "heuristics",
        "Heuristics within each layer, by mean accuracy over all sparsities (the area under the curve). "
        f"{_PAIRED}, without that of random choice, which has its own.",
        "by",
    )


def scopes(results: Results) -> Table:
    """Make the table of what is ranked together."""
    return _compared(results, "scopes", f"The published heuristics, by what is ranked together. {_PAIRED}.", "scope")


def _compared(results: Results, name: str, caption: str, across: str) -> Table:
    mean, end = results.numbers["mean_accuracy"], results.numbers["end"].sel(fall=MAIN_DROP)
    rows: list[Method] = []
    for kind in KINDS:
        found = compared(results.curves, kind, across)
        rows += sorted(found, key=lambda one: -mean_of(mean, one.key).mean)

    def less(values: xr.DataArray) -> list[Interval]:
        gaps = {key: gap for kind in KINDS for key, gap in less_published(values, kind, across).items()}
        return [gaps.get(one.key, NO_INTERVAL) for one in rows]

    return Table(
        name,
        caption,
        [
            *named(rows, by=across == "by", scope=across == "scope"),
            *pair("mean", "mean accuracy (%)", [mean_of(mean, one.key) for one in rows], decimals=2, factor=100),
            *pair("mean_gap", "mean less the published", less(mean), decimals=2, factor=100),
            *pair("end", f"end at {points(MAIN_DROP)} (%)", [mean_of(end, one.key) for one in rows]),
            *pair("end_gap", "end less the published", less(end)),
        ],
    )


def layers(results: Results) -> Table | None:
    """Make the table of what global pruning leaves of each layer."""
    data = results.layers
    at = [percent for percent in LAYERS_AT if percent in data["percent"].values]
    if not at:
        return None
    names = [str(name) for name in data["layer"].values]
    rows = [(one, name) for one in methods(data) if one.scope != "layer" for name in names]
    columns = [
        *named([one for one, _ in rows], by=False),
        Column("layer", "layer", [layer_name(name, one.kind, results.sizes) for one, name in rows]),
    ]
    for percent in at:
        left = [left_at(data, one.key, percent)[name] for one, name in rows]
        columns += pair(f"left_{percent}", f"left at {percent} % (%)", left, decimals=1, factor=100)
    return Table(
        "layers",
        "What global pruning leaves of each layer: means over networks, ± half of 95 % t-intervals. Within each layer, "
        "the same share is left of all, up to rounding.",
        columns,
    )


def finetuned(results: Results) -> Table | None:
    """Make the table of fine-tuning."""
    if results.finetuned is None:
        return None
    data, before, after = results.finetuned
    found = methods(data)

    def each(values: xr.DataArray) -> list[Interval]:
        return [mean_of(values, one.key) for one in found]

    def less(values: xr.DataArray) -> list[Interval]:
        gaps: dict[str, Interval] = {}
        for kind in KINDS:
            gaps |= less_published(values, kind) | less_published(values, kind, "scope")
        return [gaps.get(one.key, NO_INTERVAL) for one in found]

    was, now = before["mean_accuracy"], after["mean_accuracy"]
    return Table(
        "finetuned",
        f"Before and after fine-tuning (epochs under the masks: {data.attrs['epochs']}): end "
        f"of the plateau at {points(MAIN_DROP)}, mean accuracy, and how far it is from that of the published heuristic "
        "(paired; Bonferroni over the heuristics and over the scopes of a kind, random choice by itself). Both at "
        "the same few sparsities, interpolated linearly between them, each against its own network at 0 %, after as "
        "much training.",
        [
            *named(found, scope=len({one.scope for one in found}) > 1),
            *pair("end_before", "end before (%)", each(before["end"].sel(fall=MAIN_DROP))),
            *pair("end_after", "end after (%)", each(after["end"].sel(fall=MAIN_DROP))),
            *pair("mean_after", "mean accuracy after (%)", each(now), decimals=2, factor=100),
            *pair("gained", "gained (points)", each(now - was), decimals=2, factor=100),
            *pair("gap_before", "mean less the published, before", less(was), decimals=2, factor=100),
            *pair("gap_after", "and after", less(now), decimals=2, factor=100),
        ],
    )


def cost(results: Results) -> Table:
    """Make the table of the cost."""
    data = results.cost
    there, gone = data.sel(how="zeroed"), data.sel(how="removed")

    def times(one: xr.Dataset, how: str) -> list[Column]:
        return [
            Column(f"{how}_{name}", f"{how}: {header}", (1e3 * one[name]).values, digits=3)
            for name, header in (("median", "ms"), ("least", "least"), ("most", "most"))
        ]

    return Table(
        "cost",
        f"Nodes zeroed and removed, one network: parameters, bytes, and the time of a forward pass over "
        f"{data.attrs['examples']} examples, median and range of {data.attrs['repeats']} repeats.",
        [
            Column("percent", "sparsity (%)", data["percent"].values),
            Column("nonzero", "zeroed: not zero", there["nonzero"].values),
            Column("zeroed_bytes", "zeroed: bytes", there["bytes"].values),
            Column("parameters", "removed: parameters", gone["parameters"].values),
            Column("removed_bytes", "removed: bytes", gone["bytes"].values),
            *times(there, "zeroed"),
            *times(gone, "removed"),
            Column("ratio", "zeroed / removed", (there["median"] / gone["median"]).values, decimals=2),
        ],
    )
