"""Tables of the shrinking study."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from analysis import claims as claims_module
from analysis.claims import Claim
from analysis.tables import Column, Table
from sweeps.studies.shrinking.measures import Network, Results
from sweeps.studies.shrinking.measures.paths import DROPS, RISEN, TOLERATED
from sweeps.studies.shrinking.names import METHODS, RANKING_NAMES, RANKINGS, method_name, network_name


class Row(NamedTuple):
    """What a row of a table is about."""

    network: Network
    ranking: str
    method: str


def _rows(networks: Iterable[Network], rankings: Iterable[str], main: bool) -> list[Row]:
    """List the rows of a table; `main` leaves out the methods that are there for comparison."""
    return [
        Row(network, ranking, method)
        for network in networks
        for ranking in rankings
        for method in network.methods
        if not main or method in METHODS
    ]


def _named(rows: list[Row]) -> list[Column]:
    named = [
        Column("network", "network", [row.network.name for row in rows]),
        Column("ranking", "ranking", [RANKING_NAMES[row.ranking] for row in rows]),
        Column("method", "method", [method_name(row.method) for row in rows]),
    ]
    # A column of one value says nothing in print that the caption does not.
    return [column for column in named if len(set(column.values)) > 1 or column.key == "method"]


def _numbers(rows: list[Row], name: str, factor: float = 1.0, **where: Any) -> list[float]:
    return [factor * row.network.number(name, row.method, row.ranking, **where) for row in rows]


def networks(results: Results) -> Table:
    """Make the table of the networks."""
    found = list(results.networks.values())

    def share(name: str) -> Column:
        values = [100 * float(network.attrs[name]) for network in found]
        return Column(name, f"{name.replace('_', ' ')} (%)", values, decimals=2)

    return Table(
        "networks",
        "The networks with every node on: loss and accuracy on the examples by which nodes are ranked, and on the test "
        "set.",
        [
            Column("network", "network", [network.name for network in found]),
            Column("hidden", "hidden nodes", ["-".join(map(str, network.hidden)) for network in found]),
            Column("task", "task", [str(network.attrs["task"]) for network in found]),
            Column("criterion", "criterion", [network.criterion for network in found]),
            Column("loss", "loss", [float(network.attrs["loss"]) for network in found], digits=3),
            Column("test_loss", "test loss", [float(network.attrs["test_loss"]) for network in found], digits=3),
            share("accuracy"),
            share("test_accuracy"),
        ],
    )


def removal(name: str, caption: str, rows: list[Row]) -> Table:
    """Make a table of how far each method gets."""
    near, far = (f"{100 * drop:g}" for drop in DROPS)
    columns = [
        *_named(rows),
        Column("removable", f"removable at {near}\u00a0%", _numbers(rows, "removable", fall=DROPS[0]), decimals=0),
        Column("removable_far", f"at {far}\u00a0%", _numbers(rows, "removable", fall=DROPS[1]), decimals=0),
        Column("test_removable", f"test, {near}\u00a0%", _numbers(rows, "test_removable", fall=DROPS[0]), decimals=0),
        Column("cheap", f"loss below ×\u00a0{TOLERATED:g}", _numbers(rows, "cheap"), decimals=0),
        Column("risen", f"above ×\u00a0{RISEN:g} after", _numbers(rows, "risen"), decimals=0),
        Column("mean_loss", "mean loss", _numbers(rows, "mean_loss"), digits=3),
        Column("mean_accuracy", "mean accuracy (%)", _numbers(rows, "mean_accuracy", 100), decimals=1),
    ]
    # Without any accuracy, as in a regression alone, its columns are left out.
    return Table(name, caption, [column for column in columns if not _is_empty(column)])


def _is_empty(column: Column) -> bool:
    return all(isinstance(value, float) and np.isnan(value) for value in column.values)


def choices(results: Results) -> Table:
    """Make the table of how good single choices are."""
    rows = _rows(results.networks.values(), ["reranked"], main=True)
    return Table(
        "choices",
        "Choices one by one, re-ranked: the share than which no removal was cheaper, what a removal cost more than the "
        "cheapest one in the mean, the rank correlation (Spearman) of predicted and true change of the loss, and the "
        "share of removals whose change has the predicted sign.",
        [
            *_named(rows),
            Column("share_best", "the best (%)", _numbers(rows, "share_best", 100), decimals=1),
            Column("mean_regret", "mean regret", _numbers(rows, "mean_regret"), digits=2),
            Column("spearman", "rank correlation", _numbers(rows, "spearman"), decimals=2),
            Column("sign_agreement", "sign right (%)", _numbers(rows, "sign_agreement", 100), decimals=0),
        ],
    )


def layers(results: Results) -> Table | None:
    """Make the table of which layer goes first; None where no network has several."""
    rows = _rows(results.several, ["reranked"], main=True)
    if not rows:
        return None
    found = [row.network.layers.sel({"ranked_by": row.method, "ranking": row.ranking}) for row in rows]
    widest = max(len(row.network.hidden) for row in rows)

    def place(layer: int) -> Column:
        mean = [one["mean_rank"].values for one in found]
        values = [float(one[layer]) if layer < len(one) else float("nan") for one in mean]
        return Column(f"layer_{layer + 1}", f"layer {layer + 1}", values, decimals=1)

    spread = [float((one["mean_rank_high"] - one["expected_rank"]).max()) for one in found]
    return Table(
        "layers",
        "Which layer goes first, re-ranked: mean place in the order of removals of the nodes of each layer, the outer "
        "layer being the last; how far it is from the middle for a random order at most, with probability 0.95; the "
        "p-value of all layers of a network together; and nodes of the outer layer among the first quarter of the "
        "removals beside those of a random order.",
        [
            *_named(rows),
            *(place(layer) for layer in range(widest)),
            Column("middle", "middle", [float(one["expected_rank"]) for one in found], decimals=1),
            Column("spread", "±", spread, decimals=1),
            Column("p_value", "p-value", [float(one["p_value"]) for one in found], digits=2),
            Column("early", "outer early", [int(one["early"][-1]) for one in found]),
            Column("expected_early", "random", [float(one["expected_early"][-1]) for one in found], decimals=1),
        ],
    )


def optimum(results: Results) -> Table | None:
    """Make the table of the best mask of every size; None where not all masks were evaluated."""
    data = results.gaps
    if data is None:
        return None
    one = data.sel(ranking="reranked")
    columns = [
        Column("removed", "nodes removed", one["step"].values),
        Column("best", "best loss", one["best"].values, digits=3),
    ]
    for method in METHODS:
        gap = one["gap"].sel({"ranked_by": method}).values
        columns.append(Column(f"gap_{method}", f"gap, {method_name(method)}", gap, digits=2))
    columns.append(Column("nested", "one removal from the last", one["nested"].values))
    return Table(
        "optimum",
        "The lowest loss of any mask with so many nodes off, how much more each method's path has there (re-ranked), "
        "and whether the best mask is reached from the best one before it by one removal.",
        columns,
    )


def pairs(results: Results) -> Table:
    """Make the table of pairs of nodes."""
    found = results.pair_summaries

    def column(key: str, header: str, **digits: Any) -> Column:
        return Column(key, header, [getattr(one, key) for one in found.values()], **digits)

    return Table(
        "pairs",
        "Pairs of nodes: those that cancel (each alone raises the loss, both together by at least a tenth less than "
        "the costlier alone), nodes that have such a partner, of those whose removal alone raises the loss; the share "
        "of interactions below zero; the rank correlation of interaction with the correlation of activations, and of "
        "their sizes, each with the p-value of Mantel's test.",
        [
            Column("network", "network", [network_name(key) for key in found]),
            column("pairs", "pairs"),
            column("cancelling_pairs", "cancelling"),
            column("cancelling_nodes", "nodes with such"),
            column("costly_nodes", "of nodes"),
            column("negative", "share below 0", decimals=2),
            column("signed", "correlation", decimals=2),
            column("signed_p_value", "p", digits=2),
            column("sizes", "of sizes", decimals=2),
            column("sizes_p_value", "p of sizes", digits=2),
        ],
    )


def retraining(results: Results) -> Table | None:
    """Make the table of removal with retraining; None where there is none."""
    if results.retrained is None:
        return None
    data = results.retrained.data
    rows = [(int(every), str(method)) for every in data["every"].values for method in data["ranked_by"].values]

    def of(name: str, **where: Any) -> list[float]:
        return [float(data[name].sel({"every": every, "ranked_by": method, **where})) for every, method in rows]

    def by_every(name: str) -> list[float]:
        return [float(data[name].sel(every=every)) for every, _ in rows]

    return Table(
        "retraining",
        "Removal with retraining, on the test set: removals before the accuracy falls by more than one percentage "
        "point and five, its mean, the share of its movement that goes upwards; over the methods, the mean distance of "
        "the best from the worst, and how often the better of two is also the better one without retraining.",
        [
            Column("every", "retrained after every", ["never" if not every else f"{every}" for every, _ in rows]),
            Column("method", "method", [method_name(method) for _, method in rows]),
            Column("removable", "removable at 1\u00a0%", of("removable", fall=DROPS[0]), decimals=0),
            Column("removable_far", "at 5\u00a0%", of("removable", fall=DROPS[1]), decimals=0),
            Column("mean", "mean accuracy (%)", [100 * x for x in of("mean_test_accuracy")], decimals=1),
            Column("wrong_way", "upwards", of("wrong_way"), decimals=2),
            Column("spread", "distance (%)", [100 * x for x in by_every("spread")], decimals=1),
            Column("agreement", "same order", by_every("agreement"), decimals=2),
        ],
    )


_REMOVABLE = (
    "Nodes that can be removed before the accuracy first falls by more than one percentage point and five, on the "
    "examples of the ranking, and by one on the test set; removals before the loss is above {tolerated:g} times its "
    "start and after which it is above {risen:g} times (∞: never); and the means of loss and accuracy over all "
    "removals."
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
    caption = _REMOVABLE.format(tolerated=TOLERATED, risen=RISEN)
    made: list[Table | None] = [
        claims_module.table(claims, "Claims of the paper, and of the literature on retraining, and whether they hold."),
        networks(results),
        removal("removal", caption, _rows(results.paper, RANKINGS, main=False)),
        choices(results),
        layers(results),
        optimum(results),
        pairs(results),
        retraining(results),
    ]
    if len(results.depths) > 1:
        made.append(removal("depths", f"{caption} Re-ranked.", _rows(results.depths, ["reranked"], main=True)))
    if results.others:
        made.append(removal("criteria", caption, _rows(results.others, RANKINGS, main=True)))
    return [table for table in made if table is not None]
