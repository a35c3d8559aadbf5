"""Tables of networks stopped early, of larger networks once pruned, and of budgets of memory."""

from collections.abc import Sequence

from analysis.intervals import Interval, interval
from analysis.tables import Column, Table, pair
from sweeps._studies.shrinking.measures import Results
from sweeps._studies.shrinking.measures.budgets import TRAINED, sources, within_budget
from sweeps._studies.shrinking.measures.early import FIRST, accuracy_change, error_change
from sweeps._studies.shrinking.names import METHODS, method_name


def early(results: Results) -> Table | None:
    """Make the table of networks stopped early; None where there are none."""
    if not results.early:
        return None
    rows = [(one, method) for one in (*results.early, results.networks["1"]) for method in METHODS]
    changes: list[Column] = []
    for share in FIRST:
        found = [interval(error_change(one, method, share)) for one, method in rows]
        percent = f"{100 * share:g}\u00a0%"
        changes += pair(f"error_{100 * share:g}", f"error at {percent} (%)", found, decimals=1, factor=100)
    accuracy = [interval(accuracy_change(one, method, FIRST[1])) for one, method in rows]
    return Table(
        "early",
        "Networks of one layer whose training ended early, and to the end, re-ranked: accuracy at the start; nodes "
        "that go before it falls by more than one percentage point; change of the error, as a share of it, when so "
        "many of the nodes are gone; change of the accuracy. ±: half the 95 % interval over networks.",
        [
            Column("epochs", "epochs", [int(one.attrs["epochs"]) for one, _ in rows]),
            Column("method", "method", [method_name(method) for _, method in rows]),
            *pair("accuracy", "accuracy (%)", [one.start("accuracy") for one, _ in rows], decimals=1, factor=100),
            *pair(
                "removable", "nodes that go", [interval(one.removable(m) * one.nodes) for one, m in rows], decimals=1
            ),
            *changes,
            *pair(
                "accuracy_change", f"accuracy at {100 * FIRST[1]:g}\u00a0% (points)", accuracy, decimals=2, factor=100
            ),
        ],
    )


def larger(results: Results) -> Table | None:
    """Make the table of networks pruned to a size beside networks trained at it; None where there are none."""
    data = results.budgets
    if data is None:
        return None
    rows = [
        (size, source, place)
        for size in range(data.sizes["budget"])
        for source in (TRAINED, *sources(data))
        for place in (0, 1)
    ]

    def of(name: str) -> list[Interval]:
        found = data[name].transpose("budget", "source", "trained_on", "network")
        return [interval(found[size].sel(source=source)[place].values) for size, source, place in rows]

    return Table(
        "larger",
        "Networks of one layer at the same sizes: trained at that size, or pruned to it by brute force, re-ranked; as "
        f"they are, and trained on for {int(data.attrs['epochs'])} epochs. Error (per example) and accuracy on the "
        "training and the test set. ±: half the 95 % interval over networks.",
        [
            Column("nodes", "nodes", [int(data["nodes"][size]) for size, _, _ in rows]),
            Column("bytes", "bytes at most", [int(data["budget"][size]) for size, _, _ in rows]),
            Column("source", "from", [one if one == TRAINED else f"{one} nodes" for _, one, _ in rows]),
            Column("trained_on", "trained on", [place == 1 for _, _, place in rows]),
            *pair("loss", "error", of("loss"), decimals=4),
            *pair("test_loss", "test error", of("test_loss"), decimals=4),
            *pair("accuracy", "accuracy (%)", of("accuracy"), decimals=1, factor=100),
            *pair("test_accuracy", "test accuracy (%)", of("test_accuracy"), decimals=1, factor=100),
        ],
    )


def memory(results: Results) -> Table | None:
    """Make the table of test accuracy within each budget, by each way to get there; None where there is none."""
    data = results.budgets
    if data is None:
        return None
    budgets = data["budget"].values
    rows: dict[str, Sequence[Interval]] = {}
    for key in ("1", "wide", "2"):
        for network in results.only(key):
            found = within_budget(network, budgets).sel(ranking="reranked")
            methods = network.methods if key == "1" else ["brute_force"]
            for method in methods:
                values = found.sel({"ranked_by": method}).transpose("budget", "network").values
                nodes = "-".join(map(str, network.hidden))
                rows[f"{nodes} nodes, pruned: {method_name(method)}"] = [interval(one) for one in values]
    source = sources(data)[0]
    for place, words in enumerate(("trained at this size", f"{source} nodes, pruned: brute force, trained on")):
        one = data["test_accuracy"].isel(trained_on=place).sel(source=TRAINED if place == 0 else source)
        rows[words] = [interval(column) for column in one.transpose("budget", "network").values]
    columns = [Column("way", "network", list(rows))]
    for place, budget in enumerate(budgets):
        own = [row[place] for row in rows.values()]
        columns += pair(f"bytes_{int(budget)}", f"{int(budget):,} bytes (%)", own, decimals=1, factor=100)
    return Table(
        "memory",
        "Test accuracy of the largest network of each path, re-ranked, that fits into so many bytes, four a parameter; "
        "without retraining where not said otherwise. ±: half the 95 % interval over networks.",
        columns,
    )


def size_tables(results: Results) -> list[Table]:
    """Make those of the tables that the run has numbers for."""
    return [table for table in (early(results), larger(results), memory(results)) if table is not None]
