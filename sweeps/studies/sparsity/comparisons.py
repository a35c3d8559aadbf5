"""Tables of the sparsity study that compare ways of pruning: heuristics, scopes, fine-tuning, cost."""

import numpy as np
import xarray as xr

from analysis.tables import Column, Table
from sweeps.studies.sparsity.answers import points
from sweeps.studies.sparsity.claims import differences
from sweeps.studies.sparsity.measures import (
    KINDS,
    MAIN_DROP,
    Interval,
    Method,
    interval,
    layer_name,
    left_at,
    methods,
    paired,
    scope_name,
)
from sweeps.studies.sparsity.results import Results
from sweeps.studies.sparsity.tables import NO_INTERVAL, named, of, pair

#: At so many per cent a table says what is left of each layer.
LAYERS_AT = (50, 80, 95)


def _compared(results: Results, name: str, caption: str, across: str) -> Table | None:
    summary = results.numbers
    rows: list[Method] = []
    gaps: dict[str, dict[str, Interval]] = {"mean_accuracy": {}, "end": {}}
    for kind in KINDS:
        own = next(one for one in methods(results.curves, kind) if one.published)
        shown = [
            one
            for one in methods(results.curves, kind)
            if (one.scope == own.scope if across == "by" else one.by == own.by)
        ]
        mean = {one.key: of(summary, "mean_accuracy", one.key).mean for one in shown}
        rows += sorted(shown, key=lambda one: -np.nan_to_num(mean[one.key], nan=-1.0))  # noqa: B023
        gaps["mean_accuracy"] |= differences(summary, kind, "mean_accuracy", across)
        gaps["end"] |= differences(summary.sel(fall=MAIN_DROP), kind, "end", across)
        for one in shown:
            if one.by == "random" and across == "by":
                gaps["mean_accuracy"][one.key] = interval(paired(summary["mean_accuracy"], one.key, own.key))
                gaps["end"][one.key] = interval(paired(summary["end"].sel(fall=MAIN_DROP), one.key, own.key))
    if len(rows) <= len(KINDS):
        return None
    shown_by = named(rows)
    return Table(
        name,
        caption,
        [
            shown_by[0],
            shown_by[1 if across == "by" else 2],
            *pair("mean", "mean accuracy (%)", [of(summary, "mean_accuracy", one.key) for one in rows], 2, 100),
            *pair(
                "mean_gap",
                "less the published",
                [gaps["mean_accuracy"].get(one.key, NO_INTERVAL) for one in rows],
                2,
                100,
            ),
            *pair("end", f"end at {points(MAIN_DROP)} (%)", [of(summary, "end", one.key, MAIN_DROP) for one in rows]),
            *pair("end_gap", "less the published", [gaps["end"].get(one.key, NO_INTERVAL) for one in rows]),
        ],
    )


_PAIRED = (
    "Differences to the published one, paired by network: the intervals of one kind and column cover together with "
    "probability 0.95 (Bonferroni)"
)


def heuristics(results: Results) -> Table | None:
    """Make the table of the heuristics within each layer, the best first."""
    return _compared(
        results,
        "heuristics",
        "Heuristics within each layer, by mean accuracy over all sparsities (the area under the curve). "
        f"{_PAIRED}, without that of random choice, which has its own.",
        "by",
    )


def scopes(results: Results) -> Table | None:
    """Make the table of what is ranked together."""
    return _compared(results, "scopes", f"The published heuristics, by what is ranked together. {_PAIRED}.", "scope")


def layers(results: Results) -> Table | None:
    """Make the table of what global pruning leaves of each layer."""
    data = results.layers
    if data is None:
        return None
    found = [one for one in methods(data) if one.scope != "layer"]
    at = [percent for percent in LAYERS_AT if percent in data["percent"].values]
    if not found or not at:
        return None
    names = [str(name) for name in data["layer"].values]
    rows = [(one, name) for one in found for name in names]
    columns = [
        Column("kind", "kind", [one.kind for one, _ in rows]),
        Column("scope", "ranked", [scope_name(one.scope) for one, _ in rows]),
        Column("layer", "layer", [layer_name(name, one.kind, results.sizes) for one, name in rows]),
    ]
    for percent in at:
        left = {one.key: left_at(data, one.key, percent) for one in found}
        of = [left[one.key][name] for one, name in rows]
        columns += pair(f"left_{percent}", f"left at {percent} % (%)", of, 1, 100)
    return Table(
        "layers",
        "What global pruning leaves of each layer: means over networks, ± half of 95 % t-intervals. Within each layer, "
        "the same share is left of all, up to rounding.",
        columns,
    )


def finetuned(results: Results) -> Table | None:
    """Make the table of fine-tuning."""
    after, before = results.finetuned_summary, results.before
    if after is None or before is None or results.finetuned is None:
        return None
    found = methods(results.finetuned)
    keys = [one.key for one in found]
    gaps: dict[str, dict[str, Interval]] = {"before": {}, "after": {}}
    for kind in KINDS:
        random = [one.key for one in methods(results.finetuned, kind, "layer") if one.by == "random"]
        own = [one.key for one in methods(results.finetuned, kind) if one.published]
        for when, summary in (("before", before), ("after", after)):
            gaps[when] |= differences(summary, kind) | differences(summary, kind, across="scope")
            gaps[when] |= {key: interval(paired(summary["mean_accuracy"], key, one)) for key in random for one in own}
    gained = [
        interval((after["mean_accuracy"] - before["mean_accuracy"]).sel({"pruned_by": key}).values) for key in keys
    ]
    return Table(
        "finetuned",
        f"Before and after fine-tuning (epochs under the masks: {results.finetuned.attrs.get('epochs', 'some')}): end "
        f"of the plateau at {points(MAIN_DROP)}, mean accuracy, and how far it is from that of the published heuristic "
        "(paired; Bonferroni over the heuristics and over the scopes of a kind, random choice by itself). Both at "
        "the same few sparsities, interpolated linearly between them, each against its own network at 0 %, after as "
        "much training.",
        [
            *named(found, scope=len({one.scope for one in found}) > 1),
            *pair("end_before", "end before (%)", [of(before, "end", key, MAIN_DROP) for key in keys]),
            *pair("end_after", "after", [of(after, "end", key, MAIN_DROP) for key in keys]),
            *pair("mean_after", "mean accuracy after (%)", [of(after, "mean_accuracy", key) for key in keys], 2, 100),
            *pair("gained", "gained (points)", gained, 2, 100),
            *pair(
                "gap_before",
                "less the published, before",
                [gaps["before"].get(key, NO_INTERVAL) for key in keys],
                2,
                100,
            ),
            *pair("gap_after", "after", [gaps["after"].get(key, NO_INTERVAL) for key in keys], 2, 100),
        ],
    )


def cost(results: Results) -> Table | None:
    """Make the table of the cost."""
    data = results.cost
    if data is None:
        return None
    there, gone = data.sel(how="zeroed"), data.sel(how="removed")

    def times(one: xr.Dataset, how: str) -> list[Column]:
        return [
            Column(f"{how}_{name}", header, (1e3 * one[name]).values, digits=3)
            for name, header in (("median", f"{how}: ms"), ("least", "least"), ("most", "most"))
        ]

    return Table(
        "cost",
        f"Units zeroed and removed, one network: parameters, bytes, and the time of a forward pass over "
        f"{data.attrs.get('examples', 'the')} examples, median and range of {data.attrs['repeats']} repeats.",
        [
            Column("percent", "sparsity (%)", [int(percent) for percent in data["percent"].values]),
            Column("nonzero", "zeroed: not zero", there["nonzero"].values.astype(int)),
            Column("zeroed_bytes", "zeroed: bytes", there["bytes"].values.astype(int)),
            Column("parameters", "removed: parameters", gone["parameters"].values.astype(int)),
            Column("removed_bytes", "removed: bytes", gone["bytes"].values.astype(int)),
            *times(there, "zeroed"),
            *times(gone, "removed"),
            Column("ratio", "zeroed / removed", (there["median"] / gone["median"]).values, decimals=2),
        ],
    )
