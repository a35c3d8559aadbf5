"""The tables of the study "train first, or prune first?"."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from analysis.intervals import NO_INTERVAL, Interval, over_pairs
from analysis.tables import Column, Table
from sweeps._studies.spiral.measures import Results, rates, roles
from sweeps._studies.spiral.measures.commuting import MARGINS, ROUTES, in_words
from sweeps._studies.spiral.measures.kernels import MOVED, PAIRS
from sweeps._studies.spiral.measures.moves import SIGNS
from sweeps._studies.spiral.measures.outcomes import mean
from sweeps._studies.spiral.measures.rates import Rates
from sweeps._studies.spiral.names import ARM_NAMES, ARMS, COMPENSATIONS, NODES

_STILL = {arm: ARM_NAMES[arm] for arm in MOVED} | {"both": "trained and pruned first", "chance": "by chance"}


def _mean(key: str, header: str, found: Iterable[Interval], scale: float = 1.0) -> Column:
    scaled = [one.times(scale) for one in found]
    return Column(key, header, [one.mean for one in scaled], errors=[one.error for one in scaled], digits=3)


def _ends(key: str, found: Sequence[Interval], scale: float = 1.0, decimals: int = 1) -> Column:
    """Write intervals as text."""
    texts = [
        f"{scale * one.low:.{decimals}f} to {scale * one.high:.{decimals}f}".replace("-", "−") if one.known else "–"
        for one in found
    ]
    return Column(key, "95 % interval", texts)


def outcomes(results: Results) -> Table:
    """Make the table of what each network can do."""
    # The agreement of a trained network with itself is left out, and what the mean over other seeds would repeat.
    left_out = {("trained", "agreement"), ("others", "accuracy"), ("others", "loss")}
    full, pruned = ("initial", "trained", "reshuffled", "others"), list(product(NODES, ARMS, COMPENSATIONS))

    def of(measure: str) -> list[Interval]:
        whole = [NO_INTERVAL if (arm, measure) in left_out else results.reference(measure, arm) for arm in full]
        return whole + [results.outcome(measure, arm, kind, which) for kind, arm, which in pruned]

    return Table(
        "outcomes",
        "Accuracy and loss on the test set, and agreement of decisions with the full trained network of the same seed "
        "(of other seeds: with theirs), mean over seeds.",
        [
            Column("network", "network", [ARM_NAMES[arm] for arm in (*full, *(arm for _, arm, _ in pruned))]),
            Column("removed", "nodes removed", ["none"] * len(full) + [kind for kind, _, _ in pruned]),
            Column("compensation", "compensation", ["–"] * len(full) + [which for _, _, which in pruned]),
            _mean("accuracy", "accuracy (%)", of("accuracy"), 100),
            _mean("loss", "loss (nats)", of("loss")),
            _mean("agreement", "agreement (%)", of("agreement"), 100),
        ],
    )


def commuting(results: Results) -> Table:
    """Make the table of train first against prune first."""
    rows = list(product(NODES, ROUTES, MARGINS))
    found = [results.commuting[row] for row in rows]
    differences = [one.difference for one in found]
    return Table(
        "commuting",
        "Train first against prune first, paired by seed and choice. Accuracy: train first less prune first, and for "
        "the control the second training of the full network less the first. Decisions: agreement. Weights: "
        "correlation of the changes from the start. The difference is from the control, in accuracy from zero.",
        [
            Column("removed", "nodes removed", [kind for kind, _, _ in rows]),
            Column("route", "against", [ARMS[route] for _, route, _ in rows]),
            Column("quantity", "in", [quantity for _, _, quantity in rows]),
            _mean("value", "measured", [one.value for one in found]),
            _mean("control", "control", [one.control for one in found]),
            _mean("difference", "difference", differences),
            _ends("difference_interval", differences, decimals=3),
            Column("verdict", "verdict", [in_words(one.verdict) for one in found]),
        ],
    )


def correlations(results: Results) -> Table:
    """Make the table of correlations of the main kernels."""
    rows = list(product(NODES, PAIRS))

    def of(name: str) -> list[Interval]:
        return [mean(results.correlations, pair=pair, of=name, kind=kind) for kind, pair in rows]

    return Table(
        "correlations",
        "Correlation of the main kernels' weights that stay, and of their changes from the shared start.",
        [
            Column("removed", "nodes removed", [kind for kind, _ in rows]),
            Column("pair", "pair", [PAIRS[pair] for _, pair in rows]),
            _mean("weights", "weights", of("weights")),
            _mean("changes", "changes", of("changes")),
        ],
    )


def unmoved(results: Results) -> Table:
    """Make the table of weights that never moved, and of those that moved alike."""
    rows = list(product(NODES, _STILL))
    found = [mean(results.unmoved, arm=arm, kind=kind) for kind, arm in rows]
    found += [mean(results.alike, kind=kind) for kind in NODES]
    return Table(
        "unmoved",
        "Share of the main kernel's weights that stay which equal their start bit for bit. By chance: the product of "
        "the shares of the two. Last: those that moved by the preferred distance in both.",
        [
            Column("removed", "nodes removed", [*(kind for kind, _ in rows), *NODES]),
            Column("network", "network", [*(_STILL[arm] for _, arm in rows), *["moved alike in both"] * len(NODES)]),
            _mean("share", "share (%)", found, 100),
            _ends("share_interval", found, 100, 2),
        ],
    )


def peaks(results: Results) -> Table:
    """Make the table of preferred distances."""
    sources = [str(source) for source in results.peaks["source"].values]
    names = ARM_NAMES | {"difference": "trained less pruned first"}
    columns = [
        Column(
            "network", "network", [", ".join([names[arm], *kind]) for arm, *kind in (s.split(" ", 1) for s in sources)]
        )
    ]
    for of in SIGNS:
        found = [mean(results.peaks, source=source, of=of) for source in sources]
        columns += [_mean(of, of, found), Column(f"networks_{of}", f"networks, {of}", [one.networks for one in found])]
    return Table(
        "peaks",
        "Preferred distance of the main kernel's weights from their start: where the density of the sizes peaks, mean "
        "over the networks that have a peak, and their number. Last: of the differences of two networks.",
        columns,
    )


def compensation(results: Results) -> Table:
    """Make the table of what bias compensation changes."""
    rows = list(product(NODES, ARMS))

    def of(measure: str) -> list[Interval]:
        return [results.compensated(measure, arm, kind) for kind, arm in rows]

    return Table(
        "compensation",
        "With bias compensation less without, paired by seed and choice.",
        [
            Column("removed", "nodes removed", [kind for kind, _ in rows]),
            Column("network", "network", [ARM_NAMES[arm] for _, arm in rows]),
            _mean("accuracy", "accuracy (points)", of("accuracy"), 100),
            _ends("accuracy_interval", of("accuracy"), 100, 2),
            _mean("loss", "loss (nats)", of("loss")),
            _mean("agreement", "agreement (points)", of("agreement"), 100),
        ],
    )


def deviations(results: Results) -> Table:
    """Make the table of what was removed."""

    def of(name: str) -> list[Interval]:
        return [mean(results.removed[name], kind=kind) for kind in NODES]

    return Table(
        "deviations",
        "What the removed nodes were in the trained network: the share that is constant on the training data, their "
        "share of the sum of the activations' variances, and the largest standard deviation among them, as a share of "
        "the largest of all.",
        [
            Column("removed", "nodes removed", list(NODES)),
            _mean("constant", "constant (%)", of("constant"), 100),
            _ends("constant_interval", of("constant"), 100),
            _mean("variance", "share of variance (%)", of("variance"), 100),
            _mean("largest", "largest deviation", of("largest")),
            _mean("largest_share", "as share of all (%)", of("largest_share"), 100),
        ],
    )


def _roles_columns(found: Mapping[str, Sequence[Interval]]) -> list[Column]:
    return [
        _mean("nodes", "nodes", found["nodes"]),
        _mean("constant", "constant, first (%)", found["constant"], 100),
        _mean("constant_other", "constant, second (%)", found["constant_other"], 100),
        _mean("same", "same node", found["same"]),
        _mean("other", "other nodes", found["other"]),
        _mean("difference", "difference", found["difference"]),
        _ends("difference_interval", found["difference"], decimals=2),
        _mean("own", "matched with itself (%)", found["own"], 100),
        _mean("chance", "by chance (%)", found["chance"], 100),
    ]


def roles_of_nodes(results: Results) -> Table:
    """Make the table of how alike the nodes of two networks are."""
    rows = list(product(NODES, roles.PAIRS))
    data = results.roles.assign(difference=results.roles["same"] - results.roles["other"])
    found = {name: [mean(one, pair=pair, kind=kind) for kind, pair in rows] for name, one in data.items()}
    return Table(
        "roles",
        "Nodes that stay, in two networks of one start: how many vary on the training data in both, how many of them "
        "are constant in the first and in the second network, the mean correlation of activations of the same node, "
        "and of other nodes of its layer, and how many nodes the best matching pairs with themselves.",
        [
            Column("removed", "nodes removed", [kind for kind, _ in rows]),
            Column("pair", "pair", [roles.PAIRS[pair] for _, pair in rows]),
            *_roles_columns({str(name): some for name, some in found.items()}),
        ],
    )


def _roles_by_rate(found: Rates) -> Table:
    data = found.roles.sel(pair="prune_first", drop=True)
    data = data.assign(difference=data["same"] - data["other"])
    rows = list(product(NODES, data["learning_rate"].values))
    cells = {str(name): [mean(one, kind=kind, learning_rate=rate) for kind, rate in rows] for name, one in data.items()}
    best = [found.strangers.sel(kind=kind, learning_rate=rate) for kind, rate in rows]
    return Table(
        "roles_rates",
        "The same at each learning rate, of the trained network (first) and the one pruned first (second), and how "
        "much higher the correlation of matched nodes is than for networks of two seeds.",
        [
            Column("removed", "nodes removed", [kind for kind, _ in rows]),
            Column("learning_rate", "learning rate", [float(rate) for _, rate in rows], digits=None),
            *_roles_columns(cells),
            _mean("better", "match, above other seeds", [over_pairs(roles.against_strangers(one)) for one in best]),
        ],
    )


def by_rate(results: Results) -> list[Table]:
    """Make the tables of what depends on the learning rate, where that was measured."""
    if results.rates is None:
        return []
    data = results.rates.data
    peaks = rates.each(data["peak"])
    columns = [
        Column("learning_rate", "learning rate", data["learning_rate"].values.tolist(), digits=None),
        _mean("accuracy", "trained (%)", rates.each(data["trained"]), 100),
    ]
    for place, layer in enumerate(data["layer"].values, start=1):
        found = rates.each(data["constant"], layer=layer)
        columns.append(_mean(f"constant_{place}", f"constant, layer {place} (%)", found, 100))
    for kind, (arm, words) in product(NODES, ARMS.items()):
        found = rates.each(data["accuracy"], arm=arm, kind=kind)
        columns.append(_mean(f"{kind}_{arm}".replace(" ", "_"), f"{kind}, {words} (%)", found, 100))
    columns += [
        _mean("peak", "peak (rates)", peaks),
        Column("peak_networks", "with peak", [one.networks for one in peaks]),
    ]
    return [
        Table(
            "rates",
            "By learning rate: test accuracy of the trained networks and of those with nodes removed, share of "
            "constant nodes, and the preferred distance of the main kernel's weights, in learning rates, with the "
            "number of seeds that have one.",
            columns,
        ),
        _roles_by_rate(results.rates),
    ]


def all_tables(results: Results) -> list[Table]:
    """Make every table of the study but that of the claims."""
    made = [outcomes, commuting, correlations, unmoved, peaks, compensation, deviations, roles_of_nodes]
    return [make(results) for make in made] + by_rate(results)
