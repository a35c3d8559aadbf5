"""Tables of the relevance study."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis import claims as claims_module
from analysis.claims import Claim
from analysis.intervals import NO_INTERVAL, Interval, interval
from analysis.tables import Column, Table, pair
from sweeps._studies.relevance.measures import deletion, demonstrations, gamed, ledger, nodes, supervised
from sweeps._studies.relevance.names import keys, name_of, names_of
from sweeps._studies.relevance.results import Results

#: The method whose ledger is printed.
PRINTED = "lrp"


def all_tables(results: Results, claims: dict[str, Claim]) -> list[Table]:
    """Make every table of the study.

    Parameters
    ----------
    results : Results
    claims : dict of str to Claim

    Returns
    -------
    list of Table
    """
    caption = (
        "Claims and whether they hold here. From: “Visualizing Neural Networks, how to blame the bias”, and what that "
        "leaves open (ours)."
    )
    made = [claims_module.table(claims, caption), shown_ledger(results), totals(results)]
    made += [ranking(results, name) for name in results.replacements]
    made += [deletion_pairs(results)] if results.pairs else []
    made += [consistency(results["consistency"]), constants(results["constants"])]
    if results.correlation is not None:
        made += [node_correlations(results, results.correlation), *node_gaps(results, claims["node_relevance"])]
    if results.chosen is not None:
        made += [at_chosen(results, results.chosen), gains(results, results.chosen), inside(results, results.chosen)]
        made += [every_measure(results), gaming(results, results.chosen, claims["gamed"]), strengths(results)]
        made += gamed_tables(results, claims["gamed_somewhere"])
    return made


def shown_ledger(results: Results) -> Table:
    """Make the ledger of the shown image by one method, as `sweeps.relevance` prints it."""
    one = results["ledger"].sel({"attributed_by": PRINTED})
    one = one.sel(step=np.isfinite(one["shown_received"]))
    columns = [Column("step", "step", keys(one, "step"))]
    for name in ledger.FIELDS:
        form: dict[str, Any] = {"digits": 2} if name == "error" else {"decimals": 5}
        # Adding 0 makes 0 of -0.
        columns.append(Column(name, name.replace("_", " "), one[f"shown_{name}"].values + 0.0, **form))
    return Table(
        "ledger_shown",
        f"The ledger of the shown image by {results.names[PRINTED]}, from the output to the inputs: what each "
        "step received, and where it went. Inputs: passed on to what the step reads.",
        columns,
    )


def totals(results: Results) -> Table:
    """Make the table of what became of the output, by method."""
    data = results["ledger"]
    shares, worst, there = ledger.shares(data), ledger.worst(results["conservation"]), keys(data)
    parts = {"inputs": shares.sel(part="inputs"), "biases": ledger.biases_by_layer(shares).sum("layer")}
    parts |= {name: shares.sel(part=name) for name in ("offsets", "absorbed", "not conserved")}
    if not parts["offsets"].any():
        del parts["offsets"]
    columns = [
        Column("method", "method", [results.names[key] for key in there]),
        Column("promises", "promises", [key in results.conserving for key in there]),
        Column("received", "received (mean)", data["received"].sel(step=ledger.TOTAL).values, decimals=3),
    ]
    columns += [
        Column(name.replace(" ", "_"), f"{name} (%)", 100 * values.values + 0.0, decimals=2)
        for name, values in parts.items()
    ]
    columns += [
        Column("worst", "largest error", [worst[key].error if key in worst else np.nan for key in there], digits=2),
        Column("worst_step", "at", [worst[key].step if key in worst else "" for key in there]),
    ]
    return Table(
        "ledger",
        "What became of the relevance that came in at the output: shares of the means over the test images. Promises: "
        "whether it is to conserve relevance. The "
        "largest error, of any step and any image, is over the size of that image's output.",
        columns,
    )


def ranking(results: Results, replacement: str) -> Table:
    """Make the table that ranks the methods by deletion with one replacement."""
    assert results.scores is not None
    one, pairs = results.scores.sel(replacement=replacement), results.pairs[replacement]
    order, over = pairs.names, deletion.against(one["between"])

    def areas(name: str) -> list[Interval]:
        return [interval(one[name].sel({"attributed_by": key}).values) for key in order]

    return Table(
        f"deletion_{replacement}",
        f"Methods ranked by deletion, regions replaced by {replacement}, over {one.sizes['example']} images; areas in "
        "units of probability (0 to 1), larger is better. ±: half of 95 % t-intervals over images; of the differences "
        "to random order, paired by image, they hold together over the methods (Bonferroni). Better, worse than: how "
        "many methods it is told apart from (Bonferroni over all pairs).",
        [
            Column("method", "method", [results.names[key] for key in order]),
            *pair("between", "area between", areas("between"), decimals=3),
            *pair("fall", "over, most first", areas("fall"), decimals=2),
            *pair("stay", "under, least first", areas("stay"), decimals=2),
            *pair("over_random", "less random", [over.get(key, NO_INTERVAL) for key in order], decimals=3),
            Column("beats", "better than", [pairs.beats(key) for key in order]),
            Column("beaten", "worse than", [pairs.beaten_by(key) for key in order]),
        ],
    )


def deletion_pairs(results: Results) -> Table:
    """Make the table of all pairs of methods, for the files beside the page."""
    each = [
        (name, pairs, one, other)
        for name, pairs in results.pairs.items()
        for one in range(len(pairs.names))
        for other in range(one + 1, len(pairs.names))
    ]
    return Table(
        "deletion_pairs",
        "Every two methods, area between of the first less the second, image by image: mean, half of its interval "
        "(95 % together over all pairs, Bonferroni), and whether they are told apart.",
        [
            Column("replacement", "replacement", [name for name, *_ in each]),
            Column("first", "first", [results.names[pairs.names[one]] for _, pairs, one, _ in each]),
            Column("second", "second", [results.names[pairs.names[other]] for _, pairs, _, other in each]),
            Column("difference", "difference", [p.difference[one, other] for _, p, one, other in each], decimals=4),
            Column("half_width", "±", [pairs.half[one, other] for _, pairs, one, other in each], decimals=4),
            Column("apart", "told apart", [pairs.apart[one, other] for _, pairs, one, other in each]),
        ],
    )


def consistency(data: xr.Dataset) -> Table:
    """Make the table of matrix rules beside nonlinearity rules under scaling."""
    found = demonstrations.pairs(data)
    return Table(
        "consistency",
        "Scaling: by which factor each rule multiplies relevance on its way back through b = αa, α = "
        f"{float(data.attrs['alpha']):g}, as a 1 × 1 matrix and as a nonlinearity. Consistent where both are the same.",
        [
            Column("matrix", "matrix rule", [one.matrix for one in found]),
            Column("nonlinearity", "nonlinearity rule", [one.nonlinearity for one in found]),
            Column("matrix_factor", "factor, matrix", [one.matrix_factor for one in found], digits=3),
            Column("nonlinearity_factor", "factor, nonlinearity", [one.nonlinearity_factor for one in found], digits=3),
            Column("consistent", "consistent", [one.agree for one in found]),
            Column("published", "published", [one.published for one in found]),
        ],
    )


def constants(data: xr.Dataset) -> Table:
    """Make the table of maximum rules beside nonlinearity rules under maxima with constants."""
    columns = [Column("maximum", "maximum rule", [name_of(name) for name in keys(data, "maximum")])]
    for name in keys(data, "nonlinearity"):
        columns.append(Column(name, name, data["difference"].sel(nonlinearity=name).values, decimals=3))
    return Table(
        "constants",
        "Maxima with a constant: the largest difference of what a takes of max(a, c), by a maximum rule (rows) and by "
        "a nonlinearity rule (columns). Zero: the two agree.",
        columns,
    )


def node_correlations(results: Results, correlation: xr.DataArray) -> Table:
    """Make the table of rank correlations of node measures with removal."""
    data = results["nodes"]
    names = names_of(data, "measure")
    measures = sorted(names, key=lambda key: key in nodes.OTHERS)
    columns = [
        Column("measure", "measure", [names[key] for key in measures]),
        Column("unit", "unit", [str(data["unit"].sel(measure=key).item()) for key in measures]),
    ]
    for reference in nodes.REFERENCES:
        found = [NO_INTERVAL if key == reference else nodes.mean_of(correlation, key, reference) for key in measures]
        columns += pair(reference, f"ρ with {name_of(reference)}", found, decimals=2)
    return Table(
        "nodes",
        f"Spearman’s rank correlation over the {data.sizes['node']} hidden nodes of a network, mean over "
        f"{data.sizes['network']} networks, ± half of its 95 % t-interval.",
        columns,
    )


def node_gaps(results: Results, claim: Claim) -> list[Table]:
    """Make the table of how far relevances are ahead of the gate gradient, where that is known."""
    names, columns = names_of(results["nodes"], "measure"), []
    for reference, gaps in claim.values.items():
        found = [gaps.get(key, NO_INTERVAL) for key in results.relevances]
        columns += pair(reference, f"with {name_of(reference)}", found, decimals=2)
    if not columns:
        return []
    caption = (
        "Rank correlation less that of the gate gradient, paired by network, mean over "
        f"{results['nodes'].sizes['network']} networks, ± half of its 95 % t-interval (Bonferroni over the relevances)."
    )
    return [
        Table(
            "node_gaps", caption, [Column("measure", "measure", [names[key] for key in results.relevances]), *columns]
        )
    ]


def _trainings(results: Results) -> Column:
    return Column("training", "training", list(results.trainings.values()))


def _in_percent(name: str, title: str, values: xr.DataArray) -> list[Column]:
    """Make the columns of a share (training, network)."""
    return pair(
        name, title, [interval(row) for row in values.transpose("training", "network").values], decimals=1, factor=100
    )


def at_chosen(results: Results, numbers: xr.Dataset) -> Table:
    """Make the table of the trainings at their chosen strengths."""
    columns = [_trainings(results), Column("strength", "λ", list(results.strengths.values()), digits=None)]
    titles = {"train": "accuracy: training", "right": "right patch", "clean": "clean", "misleading": "misleading"}
    for name, title in titles.items():
        columns += _in_percent(f"accuracy_{name}", f"{title} (%)", numbers[f"accuracy_{name}"])
    return Table(
        "supervised",
        f"Trainings at their chosen strengths, {numbers.sizes['network']} networks each: means, ± half of 95 % "
        "t-intervals over networks.",
        columns,
    )


def gains(results: Results, numbers: xr.Dataset) -> Table:
    """Make the table of what the trainings gain on misleading images."""
    columns = [_trainings(results)]
    trainings = [key for key in results.trainings if key != supervised.PLAIN]
    for base in (supervised.PLAIN, supervised.PENALTY):
        found = supervised.gains(numbers, "accuracy_misleading", base, trainings)
        rows = [found.get(key, NO_INTERVAL) for key in results.trainings]
        columns += pair(f"over_{base}", f"less {results.trainings[base]} (points)", rows, decimals=1, factor=100)
    return Table(
        "gains",
        "Accuracy on misleading images at the chosen strengths, less that of two trainings, paired by network: means, "
        "± half of intervals that cover 95 % together in each column (Bonferroni).",
        columns,
    )


def inside(results: Results, numbers: xr.Dataset) -> Table:
    """Make the table of where relevance lies at the chosen strengths, by the trained measure and by another."""
    columns = [_trainings(results)]
    for name in _named(numbers, "inside", "other_inside"):
        words = name.replace("other_inside", "other measure").replace("inside", "trained measure").replace("_", ", ")
        columns += _in_percent(name, f"{words} (%)", numbers[name])
    return Table(
        "inside",
        "Share of what counts that lies inside the true region, by the measure that is trained and by one that is not, "
        "at the chosen strengths: means over networks, ± half of 95 % t-intervals.",
        columns,
    )


def _named(data: xr.Dataset, *starts: str) -> Sequence[str]:
    return sorted(str(name) for name in data.data_vars if str(name).startswith(starts))


def strengths(results: Results) -> Table:
    """Make the table of all strengths, for the files beside the page."""
    data = results["supervised"]
    rows = [(key, strength) for key in results.trainings for strength in supervised.tried(data, key)]
    columns = [
        Column("training", "training", [results.trainings[key] for key, _ in rows]),
        Column("strength", "λ", [strength for _, strength in rows], digits=None),
    ]
    for name in _named(data, "accuracy", "inside", "other_inside"):
        found = [interval(data[name].sel(training=key, strength=strength).values) for key, strength in rows]
        columns += pair(name, f"{name.replace('_', ' ')} (%)", found, decimals=1, factor=100)
    return Table(
        "strengths",
        "Every training at every strength: means over networks, ± half of 95 % t-intervals, each by itself.",
        columns,
    )


def gaming(results: Results, numbers: xr.Dataset, claim: Claim) -> Table:
    """Make the table of what the trainings left outside, and of the reliance on the patch, at the chosen strengths."""
    titles = {
        "trained": "outside, trained measure (%)",
        "other": "outside, other measure (%)",
        "reliance": "reliance on the patch (points)",
    }
    columns = [_trainings(results)]
    for name, values in supervised.left_outside(numbers).items():
        columns += _in_percent(name, titles[name], values)
    for name in titles:
        found = [claim.values[key][name] if key in claim.values else NO_INTERVAL for key in results.trainings]
        columns += pair(
            f"{name}_bound", f"{titles[name].partition(' (')[0]}: less bound", found, decimals=1, factor=100
        )
    columns.append(Column("gamed", "gamed", [claim.cases.get(key, "–") for key in results.trainings]))
    return Table(
        "gaming",
        "Whether the measure is gamed, at the chosen strengths: what counts outside of the region, by the trained "
        "measure and by the other, and reliance on the patch (accuracy where it tells the class less that where it "
        "misleads); less bound: less half of plain training’s, network by network. Means over networks, ± half of "
        "95 % t-intervals.",
        columns,
    )


#: What shows how a measure is gamed: heading, decimals and factor, by variable of `measures.gamed.seen`.
_SEEN = {
    "amount": ("relevance inside (logits)", 1, 1),
    "cancelling": ("of it cancels (%)", 0, 100),
    "others": ("patch through other outputs (%)", 0, 100),
    "biases": ("in biases (%)", 1, 100),
    "alone": ("right without the digit (%)", 0, 100),
}


def gamed_tables(results: Results, claim: Claim) -> list[Table]:
    """Make the tables of how the measure is gamed: at the strongest strengths at which it is, and at all."""
    verdicts = {key: part["verdicts"] for key, part in claim.values.items()}
    plain = [(supervised.PLAIN, results.strengths[supervised.PLAIN])]
    every = plain + [(key, strength) for key, each in verdicts.items() for strength in each]
    caption = (
        "on test images with the right patch; means over networks, ± half of 95 % t-intervals, each by itself. "
        "Outside: share of the trained measure outside of the region, and of what the margin loses without each pixel. "
        "Relevance inside is the right output’s by the slope rule, in size. Through other outputs: of what the patch "
        "adds to the margin, the part that it takes from the mean of the other outputs. Right without the digit: "
        "accuracy with background in its place."
    )
    words = f"All trainings by relevance at every strength, {caption}"
    made = [_seen("gamed_strengths", words, results, every, verdicts)]
    if results.gamed:
        rows = plain + list(results.gamed.items())
        words = f"Trainings at the strongest strength at which they game their measure, {caption}"
        made.append(_seen("gamed", words, results, rows, {}))
    return made


def _seen(
    name: str,
    caption: str,
    results: Results,
    rows: list[tuple[str, float]],
    verdicts: Mapping[str, Mapping[float, str]],
) -> Table:
    data, found = results["supervised"], gamed.seen(results["supervised"])

    def of(values: xr.DataArray) -> list[Interval]:
        return [interval(values.sel(training=key, strength=strength).values) for key, strength in rows]

    columns = [
        Column("training", "training", [results.trainings[key] for key, _ in rows]),
        Column("strength", "λ", [strength for _, strength in rows], digits=None),
        *pair("outside", "outside, trained (%)", of(1 - data[supervised.TRAINED]), decimals=1, factor=100),
        *pair("occlusion", "outside, occlusion (%)", of(data["outside_occlusion_margin"]), decimals=1, factor=100),
    ]
    for key, (title, decimals, factor) in _SEEN.items():
        columns += pair(key, title, of(found[key]), decimals=decimals, factor=factor)
    if verdicts:
        columns.append(Column("gamed", "gamed", [verdicts.get(key, {}).get(strength, "–") for key, strength in rows]))
    return Table(name, caption, columns)


def every_measure(results: Results) -> Table:
    """Make the table of where relevance lies by every measure, whichever of them was trained."""
    data = results["supervised_measures"]
    columns = [
        _trainings(results),
        Column("own", "own measure", [name_of(str(key)) for key in data["trained_measure"].values]),
    ]
    for measure in keys(data, "measure"):
        columns += _in_percent(measure, f"{name_of(measure)} (%)", data["inside"].sel(measure=measure))
    return Table(
        "measures",
        "Share that lies inside the true region by each of the measures, whichever was trained, at the chosen "
        "strengths: means over networks, ± half of 95 % t-intervals.",
        columns,
    )
