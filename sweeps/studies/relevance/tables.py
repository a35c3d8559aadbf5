"""Tables of the relevance study."""

from collections.abc import Callable
from functools import partial

import numpy as np

from analysis.intervals import Interval, interval
from analysis.tables import Column, Table
from sweeps.studies.relevance import trainings
from sweeps.studies.relevance.answers import OURS, TITLES
from sweeps.studies.relevance.measures import deletion, demonstrations, ledger, names_of, nodes
from sweeps.studies.relevance.names import keys, measure_name
from sweeps.studies.relevance.results import Results
from sweeps.studies.sparsity.tables import NO_INTERVAL, pair

#: The method whose ledger is printed, the first that the store has.
PRINTED = ("lrp", "slope")


def claims(results: Results) -> Table:
    """Make the table of the claims and their answers."""
    found = list(results.claims.values())
    return Table(
        "claims",
        "Claims and whether they hold here. From: “Visualizing Neural Networks, how to blame the bias”, and what that "
        "leaves open (ours).",
        [
            Column("claim", "claim", [TITLES[claim.name] for claim in found]),
            Column("source", "from", ["ours" if claim.name in OURS else "published" for claim in found]),
            Column("verdict", "verdict", [claim.verdict for claim in found]),
        ],
    )


def printed_method(results: Results) -> str | None:
    """Return the method whose ledger is printed: one that conserves, where there is any."""
    if "ledger" not in results.groups:
        return None
    there = keys(results["ledger"])
    preferred = [key for key in (*PRINTED, *results.conserving) if key in there]
    return (preferred or there)[0]


def shown_ledger(results: Results) -> Table | None:
    """Make the ledger of the shown image by one method, as `sweeps.relevance` prints it."""
    key = printed_method(results)
    if key is None or not all(f"shown_{name}" in results["ledger"] for name in ledger.FIELDS):
        return None
    one = results["ledger"].sel({"attributed_by": key})
    steps = [step for step in keys(one, "step") if np.isfinite(float(one["shown_received"].sel(step=step)))]
    if not steps:
        return None
    columns = [Column("step", "step", steps)]
    for name in ledger.FIELDS:
        values = [float(one[f"shown_{name}"].sel(step=step)) + 0.0 for step in steps]
        form = {"digits": 2} if name == "error" else {"decimals": 5}
        columns.append(Column(name, name.replace("_", " "), values, **form))  # type: ignore[arg-type]
    return Table(
        "ledger_shown",
        f"The ledger of the shown image by {results.names.get(key, key)}, from the output to the inputs: what each "
        "step received, and where it went. Inputs: passed on to what the step reads.",
        columns,
    )


def totals(results: Results) -> Table | None:
    """Make the table of what became of the output, by method."""
    if "ledger" not in results.groups:
        return None
    data = results["ledger"].transpose("attributed_by", "step")
    whole, shares = data.sel(step=ledger.TOTAL), ledger.shares(data)
    there = keys(data)
    biases = shares.sel(part=[part for part in keys(shares, "part") if part.startswith("biases of")]).sum("part")
    worst = ledger.worst(results["conservation"]) if "conservation" in results.groups else {}
    known = np.isfinite(shares.sel(part="inputs").values)
    parts = {
        "inputs": shares.sel(part="inputs").values,
        "biases": np.where(known, biases.values, np.nan),
        **{name: shares.sel(part=name).values for name in ("offsets", "absorbed", "not conserved")},
    }
    columns = [
        Column("method", "method", [results.names.get(key, key) for key in there]),
        Column("promises", "promises", [key in results.conserving for key in there]),
        Column("received", "received (mean)", whole["received"].values, decimals=3),
    ]
    if not np.nan_to_num(parts["offsets"]).any():
        del parts["offsets"]
    for name, values in parts.items():
        columns.append(
            Column(name.replace(" ", "_"), f"{name} (%)", [100 * value + 0.0 for value in values], decimals=2)
        )
    if worst:
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

    columns = [
        Column("method", "method", [results.names.get(key, key) for key in order]),
        *pair("between", "area between", areas("between"), 3),
        *pair("fall", "over, most first", areas("fall"), 2),
        *pair("stay", "under, least first", areas("stay"), 2),
    ]
    if over:
        columns += pair("over_random", "less random", [over.get(key, NO_INTERVAL) for key in order], 3)
    if len(order) > 1:
        columns += [
            Column("beats", "better than", [pairs.beaten(key) for key in order]),
            Column("beaten", "worse than", [pairs.better(key) for key in order]),
        ]
    return Table(
        f"deletion_{replacement}",
        f"Methods ranked by deletion, regions replaced by {replacement}, over {results.images} images; areas in units "
        "of probability (0 to 1), larger is better. ±: half of 95 % t-intervals over images; of the differences to "
        "random order, paired by image, they hold together over the methods (Bonferroni). Better, worse than: how many "
        "methods it is told apart from (Bonferroni over all pairs).",
        columns,
    )


def deletion_pairs(results: Results) -> Table | None:
    """Make the table of all pairs of methods, for the files beside the page."""
    rows: list[tuple[str, str, str, float, float, bool]] = []
    for name, pairs in results.pairs.items():
        for one in range(len(pairs.names)):
            for other in range(one + 1, len(pairs.names)):
                first, second = (results.names.get(pairs.names[place], "") for place in (one, other))
                gap, half = float(pairs.difference[one, other]), float(pairs.half[one, other])
                rows.append((name, first, second, gap, half, bool(pairs.apart[one, other])))
    if not rows:
        return None
    return Table(
        "deletion_pairs",
        "Every two methods, area between of the first less the second, image by image: mean, half of its interval "
        "(95 % together over all pairs, Bonferroni), and whether they are told apart.",
        [
            Column("replacement", "replacement", [row[0] for row in rows]),
            Column("first", "first", [row[1] for row in rows]),
            Column("second", "second", [row[2] for row in rows]),
            Column("difference", "difference", [row[3] for row in rows], decimals=4),
            Column("half_width", "±", [row[4] for row in rows], decimals=4),
            Column("apart", "told apart", [row[5] for row in rows]),
        ],
    )


def consistency(results: Results) -> Table | None:
    """Make the table of matrix rules beside nonlinearity rules under scaling."""
    if "consistency" not in results.groups:
        return None
    found = demonstrations.pairs(results["consistency"])
    alpha = results["consistency"].attrs.get("alpha")
    return Table(
        "consistency",
        "Scaling: by which factor each rule multiplies relevance on its way back through b = αa"
        + (f", α = {float(alpha):g}" if alpha is not None else "")
        + ", as a 1 × 1 matrix and as a nonlinearity. Consistent where both are the same.",
        [
            Column("matrix", "matrix rule", [one.matrix for one in found]),
            Column("nonlinearity", "nonlinearity rule", [one.nonlinearity for one in found]),
            Column("matrix_factor", "factor, matrix", [one.factors[0] for one in found], digits=3),
            Column("nonlinearity_factor", "factor, nonlinearity", [one.factors[1] for one in found], digits=3),
            Column("consistent", "consistent", [one.agree for one in found]),
            Column("published", "published", [one.published for one in found]),
        ],
    )


def constants(results: Results) -> Table | None:
    """Make the table of maximum rules beside nonlinearity rules under maxima with constants."""
    if "constants" not in results.groups:
        return None
    data = demonstrations.only(results["constants"], "difference").transpose("maximum", "nonlinearity")
    columns = [
        Column("maximum", "maximum rule", [name.replace("_", " ") for name in keys(results["constants"], "maximum")])
    ]
    for name in keys(results["constants"], "nonlinearity"):
        columns.append(Column(name, name, data.sel(nonlinearity=name).values, decimals=3))
    return Table(
        "constants",
        "Maxima with a constant: the largest difference of what a takes of max(a, c), by a maximum rule (rows) and by "
        "a nonlinearity rule (columns). Zero: the two agree.",
        columns,
    )


def node_table(results: Results) -> Table | None:
    """Make the table of rank correlations of node measures with removal."""
    if results.correlation is None:
        return None
    data, of = results["nodes"], results.correlation
    references, names = nodes.references(data), names_of(data, "measure")
    measures = sorted(keys(data, "measure"), key=lambda key: key in nodes.OTHERS)
    columns = [Column("measure", "measure", [names[key] for key in measures])]
    for reference in references:
        found = [NO_INTERVAL if key == reference else nodes.mean_of(of, key, reference) for key in measures]
        columns += pair(reference, f"ρ with {measure_name(reference)}", found, 2)
    if "unit" in data.coords and data["unit"].dims == ("measure",):
        columns.insert(1, Column("unit", "unit", [str(data["unit"].sel(measure=key).item()) for key in measures]))
    return Table(
        "nodes",
        f"Spearman’s rank correlation over the {data.sizes['node']} hidden nodes of a network, mean over "
        f"{results.node_networks} networks, ± half of its 95 % t-interval.",
        columns,
    )


def node_gaps(results: Results) -> Table | None:
    """Make the table of how far relevances are ahead of the gate gradient."""
    if results.correlation is None:
        return None
    measures, columns = nodes.relevances(results["nodes"]), []
    names = names_of(results["nodes"], "measure")
    for reference in ("brute_force", "shapley"):
        gaps = nodes.ahead(results.correlation, measures, reference)
        if gaps:
            found = [gaps.get(key, NO_INTERVAL) for key in measures]
            columns += pair(reference, f"with {measure_name(reference)}", found, 2)
    if not columns:
        return None
    return Table(
        "node_gaps",
        f"Rank correlation less that of the gate gradient, paired by network, mean over {results.node_networks} "
        "networks, ± half of its 95 % t-interval (Bonferroni over the relevances).",
        [Column("measure", "measure", [names[key] for key in measures]), *columns],
    )


def all_tables(results: Results) -> dict[str, Table]:
    """Make every table of the study, by name."""
    makers: list[Callable[[Results], Table | None]] = [claims, shown_ledger, totals]
    makers += [partial(ranking, replacement=name) for name in results.replacements if results.pairs[name].names]
    makers.append(deletion_pairs)
    makers += [
        consistency,
        constants,
        node_table,
        node_gaps,
        trainings.chosen_table,
        trainings.gain_table,
        trainings.inside_table,
        trainings.measures_table,
        trainings.gaming_table,
    ]
    makers += [trainings.strength_table]
    made = [make(results) for make in makers]
    return {table.name: table for table in made if table is not None}
