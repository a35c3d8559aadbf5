"""Tables of single connections, overfitting and retraining; see `tables`."""

from analysis._reports.wording import counted
from analysis.intervals import NO_INTERVAL, interval
from analysis.tables import Column, Table, pair
from sweeps._studies.sparsity.measures import KIND_NAMES, Results, layer_name, overfitting, ways
from sweeps._studies.sparsity.measures.connections import CRUCIAL, WEAK

_HALF = "± is half of a 95 % t-interval over networks"


def connections(results: Results) -> Table | None:
    """Make the table of crucial connections in the weak nodes of each layer."""
    if results.connections is None:
        return None
    layers = results.connections.layers
    each = {
        name: [interval(layers[name].sel(layer=layer).values) for layer in layers["layer"].values]
        for name in ("magnitude", "implied", "loss", "nodes")
    }
    names = [layer_name(f"layers/{layer}", "units", results.sizes) for layer in layers["layer"].values]
    return Table(
        "connections",
        f"Crucial connections, the strongest {100 * CRUCIAL:g} % of the weights into a layer, that lead into weak "
        f"nodes, the {100 * WEAK:g} % with the lowest norms: by magnitude; as the norms imply; by the change of the "
        f"loss without the single weight; and weak nodes that have one or more by magnitude; {_HALF}.",
        [
            Column("layer", "layer", names),
            *pair("magnitude", "in weak nodes, by magnitude (%)", each["magnitude"], decimals=1, factor=100),
            *pair("implied", "as norms imply (%)", each["implied"], decimals=1, factor=100),
            *pair("loss", "by change of the loss (%)", each["loss"], decimals=1, factor=100),
            *pair("nodes", "weak nodes with one or more (%)", each["nodes"], decimals=1, factor=100),
        ],
    )


def overfitted(results: Results) -> Table | None:
    """Make the table of networks that overfit, at the sparsity of the best test accuracy."""
    data = results.overfitting
    if data is None:
        return None
    found = list(overfitting.cases())
    best = [overfitting.best(overfitting.changes(data, case)) for case in found]
    unpruned = {
        name: [interval(case.of(data)[name].sel(percent=0).values) for case in found] for name in ("train", "test")
    }
    lost = {
        what: [
            interval(overfitting.lost(data, case, what)) if case.labels == "noisy" else NO_INTERVAL for case in found
        ]
        for what in ("flipped", "right", "test")
    }
    return Table(
        "overfitting",
        f"Networks trained on {data.attrs['examples']} examples, in the noisy case with "
        f"{counted(data.attrs['flipped'], 'flipped label')}: accuracies unpruned; at the sparsity of the highest mean "
        "test accuracy, the changes of the test accuracy and of the gap between training and test (intervals of all "
        "sparsities of a row together, Bonferroni); and the sparsities at which the share of flipped labels answered "
        f"as given, that of right ones, and the test accuracy have fallen by {100 * overfitting.LOST:g} points; "
        f"{_HALF}.",
        [
            Column("labels", "labels", [case.labels for case in found]),
            Column("kind", "kind", [KIND_NAMES[case.kind] for case in found]),
            Column("tuned", "fine-tuned", [case.tuned for case in found]),
            *pair("train", "train, unpruned (%)", unpruned["train"], decimals=1, factor=100),
            *pair("test", "test, unpruned (%)", unpruned["test"], decimals=1, factor=100),
            Column("best", "best at sparsity (%)", [one.percent for one in best], decimals=0),
            *pair("test_change", "test there (points)", [one.test for one in best], decimals=1, factor=100),
            *pair("gap_change", "gap there (points)", [one.gap for one in best], decimals=1, factor=100),
            *pair("flipped_lost", "flipped lost at (%)", lost["flipped"]),
            *pair("right_lost", "right lost at (%)", lost["right"]),
            *pair("test_lost", "test lost at (%)", lost["test"]),
        ],
    )


def reactivated(results: Results) -> Table | None:
    """Make the table of the ways of retraining."""
    data = results.reactivated
    if data is None:
        return None
    rows = [(way, percent) for way in ways.WAYS for percent in data["percent"].values]
    gained = [NO_INTERVAL if way.endswith("for_good") else ways.gain(data, way, percent) for way, percent in rows]
    return Table(
        "reactivated",
        f"Pruned networks retrained for {counted(data.attrs['epochs'], 'epoch')} in "
        f"{counted(data.attrs['rounds'], 'round')}, with equal sparsity in the last round: test accuracy, how much "
        "more it is than with the same off for good (paired), and the share of what was off at first that is on at the "
        f"end; {_HALF}.",
        [
            Column("kind", "kind", [KIND_NAMES[way.partition("_")[0]] for way, _ in rows]),
            Column("way", "way", [ways.WAYS[way] for way, _ in rows]),
            Column("percent", "sparsity (%)", [percent for _, percent in rows]),
            *pair("accuracy", "accuracy (%)", [ways.accuracy(data, *row) for row in rows], decimals=2, factor=100),
            *pair("gained", "less off for good (points)", gained, decimals=2, factor=100),
            *pair("back", "back at the end (%)", [ways.back(data, *row) for row in rows], decimals=2, factor=100),
        ],
    )


MAKERS = (connections, overfitted, reactivated)
