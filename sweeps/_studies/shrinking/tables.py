"""Tables of the shrinking study."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from analysis import claims as claims_module
from analysis.claims import Claim
from analysis.intervals import NO_INTERVAL, Interval, interval
from analysis.tables import Column, Table, pair
from sweeps._studies.shrinking.measures import Network, Results
from sweeps._studies.shrinking.measures.paths import DROPS, TOLERATED
from sweeps._studies.shrinking.names import (
    LEVEL_NAMES,
    METHODS,
    RANKING_NAMES,
    READ_NAMES,
    STAND_IN_NAMES,
    method_name,
    network_name,
)
from sweeps._studies.shrinking.size_tables import size_tables


class Row(NamedTuple):
    """What a row of a table is about."""

    network: Network
    ranking: str
    method: str


def _rows(networks: Iterable[Network], main: bool, ranking: str | None = None) -> list[Row]:
    """List the rows of a table; `main` leaves out the methods that are there for comparison."""
    return [
        Row(network, one, method)
        for network in networks
        for one in network.rankings
        for method in network.methods
        if (ranking is None or one == ranking) and (not main or method in METHODS)
    ]


def _named(rows: list[Row]) -> list[Column]:
    named = [
        Column("network", "network", [row.network.name for row in rows]),
        Column("ranking", "ranking", [RANKING_NAMES[row.ranking] for row in rows]),
        Column("method", "method", [method_name(row.method) for row in rows]),
    ]
    # A column of one value says nothing in print that the caption does not.
    return [column for column in named if len(set(column.values)) > 1 or column.key == "method"]


def _numbers(rows: list[Row], name: str, **where: Any) -> list[Interval]:
    return [row.network.number(name, row.method, row.ranking, **where) for row in rows]


def networks(results: Results) -> Table:
    """Make the table of the networks."""
    found = list(results.networks.values())

    def mean(name: str, decimals: int, factor: float = 1.0, unit: str = "") -> list[Column]:
        header = f"{name.replace('_', ' ')}{unit}"
        return pair(name, header, [network.start(name) for network in found], decimals=decimals, factor=factor)

    return Table(
        "networks",
        "The networks with every node on: loss and accuracy on the examples by which nodes are ranked, and on the test "
        "set. ±: half the 95 % interval of the mean over the networks of a kind.",
        [
            Column("network", "network", [network.name for network in found]),
            Column("count", "number", [network.count for network in found]),
            Column("hidden", "hidden nodes", ["-".join(map(str, network.hidden)) for network in found]),
            Column("task", "task", [str(network.attrs["task"]) for network in found]),
            Column("criterion", "criterion", [network.criterion for network in found]),
            *mean("loss", 4),
            *mean("test_loss", 4),
            *mean("accuracy", 2, 100, " (%)"),
            *mean("test_accuracy", 2, 100, " (%)"),
        ],
    )


def removal(name: str, caption: str, rows: list[Row]) -> Table:
    """Make a table of how far each method gets."""
    near, far = (f"{100 * drop:g}\u00a0point{'s' if drop > 0.01 else ''}" for drop in DROPS)
    columns = [
        (f"removable at {near}", "removable", {"fall": DROPS[0]}, 1, 1.0),
        (f"at {far}", "removable", {"fall": DROPS[1]}, 1, 1.0),
        (f"test, {near}", "test_removable", {"fall": DROPS[0]}, 1, 1.0),
        (f"loss below ×\u00a0{TOLERATED:g}", "cheap", {}, 1, 1.0),
        ("mean loss", "mean_loss", {}, 3, 1.0),
        ("mean accuracy (%)", "mean_accuracy", {}, 1, 100.0),
    ]
    made = _named(rows)
    for number, (header, key, where, decimals, factor) in enumerate(columns):
        found = _numbers(rows, key, **where)
        # Without any accuracy, as in a regression alone, its columns are left out.
        if any(one.networks for one in found):
            made += pair(f"{key}_far" if number == 1 else key, header, found, decimals=decimals, factor=factor)
    return Table(name, caption, made)


def choices(results: Results) -> Table:
    """Make the table of how good single choices are."""
    rows = _rows(results.networks.values(), main=True, ranking="reranked")
    return Table(
        "choices",
        "Choices one by one, re-ranked: the share than which no removal was cheaper, the rank correlation "
        "(Spearman) of predicted and true change of the loss along the path, and the share of removals whose change "
        "has the predicted sign. ±: half the 95 % interval over networks.",
        [
            *_named(rows),
            *pair("share_best", "the best (%)", _numbers(rows, "share_best"), decimals=1, factor=100),
            *pair("spearman", "rank correlation", _numbers(rows, "spearman"), decimals=2),
            *pair("sign_agreement", "sign right (%)", _numbers(rows, "sign_agreement"), decimals=0, factor=100),
        ],
    )


def layers(results: Results) -> Table | None:
    """Make the table of which layer goes first; None where no network has several."""
    rows = _rows(results.several, main=True, ranking="reranked")
    if not rows:
        return None
    widest = max(len(row.network.hidden) for row in rows)

    def of(row: Row, name: str, layer: int) -> Interval:
        data = row.network.layers[name].sel({"ranked_by": row.method, "ranking": row.ranking})
        return interval(data.isel(layer=layer).values) if layer < data.sizes["layer"] else NO_INTERVAL

    columns = _named(rows)
    for layer in range(widest):
        columns += pair(
            f"layer_{layer + 1}", f"layer {layer + 1}", [of(row, "place", layer) for row in rows], decimals=2
        )
    expected = [100 * float(row.network.layers["expected_early"][-1]) for row in rows]
    return Table(
        "layers",
        "Which layer goes first, re-ranked: mean place of the nodes of each layer in the order of removals, from 0 for "
        "the first to 1 for the last (0.5 in a random order), the outer layer being the last; and the share of the "
        "outer layer in the first quarter of the removals, beside that in a random order. ±: half the 95 % interval "
        "over networks.",
        [
            *columns,
            *pair("early", "outer early (%)", [of(row, "early", -1) for row in rows], decimals=0, factor=100),
            Column("expected_early", "random (%)", expected, decimals=0),
        ],
    )


def optimum(results: Results) -> Table | None:
    """Make the table of the best mask of every size; None where not all masks were evaluated."""
    data = results.gaps
    if data is None:
        return None
    one = data.sel(ranking="reranked")

    def along(values: Any) -> list[Interval]:
        return [interval(column) for column in values.transpose("step", "network").values.astype(float)]

    columns = [
        Column("removed", "nodes removed", one["step"].values),
        *pair("best", "best loss", along(one["best"]), decimals=3),
    ]
    for method in METHODS:
        gap = along(one["gap"].sel({"ranked_by": method}))
        columns += pair(f"gap_{method}", f"gap, {method_name(method)}", gap, decimals=4)
    nested = 100 * one["nested"].mean("network").values
    columns.append(Column("nested", "one removal from the last (%)", nested, decimals=0))
    return Table(
        "optimum",
        "The lowest loss of any mask with so many nodes off, how much more each method's path has there (re-ranked), "
        "and for how many of the networks the best mask is reached from the best one before it by one removal. ±: half "
        "the 95 % interval over networks.",
        columns,
    )


def pairs(results: Results) -> Table:
    """Make the table of pairs of nodes."""
    found = results.pair_summaries

    def mean(key: str, header: str, decimals: int = 2, factor: float = 1.0) -> list[Column]:
        return pair(
            key, header, [interval(one[key].values) for one in found.values()], decimals=decimals, factor=factor
        )

    return Table(
        "pairs",
        "Nodes and pairs of nodes: nodes whose removal alone raises the loss; the share of these with a partner that "
        "cancels them (both together cost at least a tenth less than the costlier alone); what the costliest fifth of "
        "the nodes has of the summed cost; the share of interactions below zero; the rank correlation of interaction "
        "with the correlation of activations, and of their sizes. ±: half the 95 % interval over networks.",
        [
            Column("network", "network", [network_name(key) for key in found]),
            *mean("costly", "costly nodes (%)", 0, 100),
            *mean("cancelling", "of these cancelled (%)", 0, 100),
            *mean("concentrated", "costliest fifth (%)", 0, 100),
            *mean("negative", "interactions below 0 (%)", 0, 100),
            *mean("signed", "correlation"),
            *mean("sizes", "of sizes"),
        ],
    )


def retraining(results: Results) -> Table | None:
    """Make the table of removal with retraining; None where there is none."""
    one = results.retrained
    if one is None:
        return None
    data = one.data
    rows = [(int(every), str(method)) for every in data["every"].values for method in data["ranked_by"].values]

    def of(name: str, **where: Any) -> list[Interval]:
        return [interval(one.values(name, method, every, **where)) for every, method in rows]

    return Table(
        "retraining",
        "Removal with retraining, on the test set: removals before the accuracy falls by more than one percentage "
        "point and five, its mean, and the share of its movement that goes upwards. ±: half the 95 % interval over "
        "networks.",
        [
            Column("every", "retrained after every", ["never" if not every else f"{every}" for every, _ in rows]),
            Column("method", "method", [method_name(method) for _, method in rows]),
            *pair("removable", "removable at 1\u00a0point", of("removable", fall=DROPS[0]), decimals=1),
            *pair("removable_far", "at 5\u00a0points", of("removable", fall=DROPS[1]), decimals=1),
            *pair("mean", "mean accuracy (%)", of("mean_test_accuracy"), decimals=1, factor=100),
            *pair("wrong_way", "upwards (%)", of("wrong_way"), decimals=1, factor=100),
        ],
    )


def replacing(results: Results) -> Table | None:
    """Make the table of every choice with everything that takes over; None where there is none."""
    found = results.replacing
    if found is None:
        return None
    near, far = (f"{100 * drop:g}\u00a0point{'s' if drop > 0.01 else ''}" for drop in DROPS)
    numbers = (
        ("removable", f"removable at {near}", "removable", DROPS[0], 1, 1.0),
        ("removable_far", f"at {far}", "removable", DROPS[1], 1, 1.0),
        ("test_removable", f"test, {near}", "test_removable", DROPS[0], 1, 1.0),
        ("mean_loss", "mean loss", "mean_loss", DROPS[0], 3, 1.0),
        ("mean_accuracy", "mean accuracy (%)", "mean_accuracy", DROPS[0], 1, 100.0),
    )
    columns = [
        Column("stand_in", "takes over", [STAND_IN_NAMES.get(way.stand_in, way.stand_in) for way in found.ways]),
        Column("choice", "goes next", [method_name(way.choice) for way in found.ways]),
    ]
    for key, header, name, fall, decimals, factor in numbers:
        columns += pair(
            key, header, [found.mean(way, name, fall) for way in found.ways], decimals=decimals, factor=factor
        )
    return Table(
        "replacing",
        "What takes over from a node that goes, and which node goes next: nodes that go before the accuracy first "
        "falls by so many percentage points, on the examples of the ranking and on the test set, and the means of loss "
        "and accuracy over all removals. ±: half the 95 % interval over networks.",
        columns,
    )


def cascade(results: Results) -> Table | None:
    """Make the table of Cascade Correlation beside pruning; None where there is none."""
    rows = [(one, name, direct) for one in results.grown.values() for name in one.names for direct in READ_NAMES]
    if not rows:
        return None
    levels = [one.level(name, direct) for one, name, direct in rows]
    return Table(
        "cascade",
        "Nodes that pruning by brute force leaves, and nodes that Cascade Correlation needs to come as far in training "
        "error or accuracy, with outputs that read inputs and nodes, as published, or nodes alone. "
        "Reached: networks that came as far; the others count with one node more than they were given. ±: half the "
        "95 % interval over networks.",
        [
            Column("task", "task", [one.task for one, _, _ in rows]),
            Column("equal", "equal", [LEVEL_NAMES[name] for _, name, _ in rows]),
            Column("reads", "outputs read", [READ_NAMES[direct] for _, _, direct in rows]),
            *pair("pruned", "nodes left", [level.nodes_left for level in levels]),
            *pair("grown", "nodes needed", [level.nodes_needed for level in levels]),
            Column("reached", "reached", [f"{level.reached} of {len(level.grown)}" for level in levels]),
            *pair("ratio", "ratio", [level.ratio for level in levels], decimals=2),
            *pair("parameters", "ratio of parameters", [level.parameter_ratio for level in levels], decimals=2),
        ],
    )


_REMOVABLE = (
    "Nodes that can be removed before the accuracy first falls by more than one percentage point and five, on the "
    "examples of the ranking, and by one on the test set; removals before the loss is above {tolerated:g} times its "
    "start; and the means of loss and accuracy over all removals. ±: half the 95 % interval over networks."
)


def all_tables(results: Results, claims: Mapping[str, Claim]) -> list[Table]:
    """Make every table of the study.

    Parameters
    ----------
    results : Results
    claims : mapping of str to analysis.claims.Claim

    Returns
    -------
    list of Table
    """
    caption = _REMOVABLE.format(tolerated=TOLERATED)
    made: list[Table | None] = [
        claims_module.table(claims, "Claims of the paper, and of the literature on retraining, and whether they hold."),
        networks(results),
        removal("removal", caption, _rows(results.paper, main=False)),
        choices(results),
        layers(results),
        optimum(results),
        pairs(results),
        retraining(results),
        replacing(results),
        cascade(results),
    ]
    if len(results.depths) > 1:
        made.append(removal("depths", f"{caption} Re-ranked.", _rows(results.depths, main=True, ranking="reranked")))
    if results.others:
        made.append(removal("criteria", caption, _rows(results.others, main=True)))
    return [table for table in made if table is not None] + size_tables(results)
