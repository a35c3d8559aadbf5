"""Tables and LaTeX macros of the study "train first, or prune first?"."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from analysis.intervals import LEVEL, Interval, interval
from analysis.numbers import Numbers
from analysis.tables import Column, Table
from sweeps.studies.spiral.answers import TITLES, brief
from sweeps.studies.spiral.measures import CHOSEN, adam, arm_name, arm_short
from sweeps.studies.spiral.measures import rates as of_rates
from sweeps.studies.spiral.measures.compare import ROUTES
from sweeps.studies.spiral.measures.kernels import MOVED, PAIRS
from sweeps.studies.spiral.results import ARMS, Results, learning_rate

_STILL = {arm: arm_name(arm) for arm in MOVED} | {"both": "trained and pruned first", "chance": "by chance"}


def errors(results: Results, seeds: int | None = None) -> str:
    """Say what stands in brackets in the tables of means over all seeds, or over fewer."""
    count = results.networks if seeds is None else seeds
    if count < 2:
        return "There is one seed, and so no standard error."
    reach = float(stats.t.ppf((1 + LEVEL) / 2, count - 1))
    return (
        "In brackets behind a number: its standard error over seeds, in units of the last digits. The 95 % interval "
        f"reaches {reach:.2f} standard errors to both sides, where all {count} seeds are known."
    )


def _mean(key: str, header: str, found: Sequence[Interval], scale: float = 1.0, digits: int = 3) -> Column:
    means, errors = ([scale * getattr(one, name) for one in found] for name in ("mean", "error"))
    return Column(key, header, means, errors, digits=digits)


def _ends(key: str, found: Sequence[Interval], scale: float = 1.0, decimals: int = 1) -> Column:
    """Write intervals as text."""
    texts = [
        f"{scale * one.low:.{decimals}f} to {scale * one.high:.{decimals}f}".replace("-", "−")
        if np.isfinite(one.low)
        else "–"
        for one in found
    ]
    return Column(key, "95 % interval", texts)


def claims(results: Results) -> Table:
    """Make the table of the claims."""
    found = list(results.claims.values())
    return Table(
        "claims",
        "Claims of the publication, and one of ours, answered over all seeds.",
        [
            Column("claim", "claim", [TITLES[claim.name] for claim in found]),
            Column("verdict", "verdict", [claim.verdict for claim in found]),
            Column("measured", "measured", [brief(claim).replace("\u00a0", " ") for claim in found]),
        ],
    )


def outcomes(results: Results) -> Table:
    """Make the table of what each network can do."""
    rows: list[tuple[str, str, str, list[Interval]]] = []
    nothing = interval([])
    for arm in ("initial", "trained", "reshuffled", "others"):
        if arm == "others":
            found = [nothing, nothing, results.reference("agreement", arm)]
        else:
            found = [results.reference(name, arm) for name in ("accuracy", "loss", "agreement")]
        if arm == "trained":
            found[2] = nothing  # with itself
        rows.append((arm_name(arm), "none", "–", found))
    for kind in results.kinds:
        for arm in ARMS:
            for which in results.compensations:
                found = [results.outcome(name, arm, kind, which) for name in ("accuracy", "loss", "agreement")]
                rows.append((arm_name(arm), kind, which, found))
    values = [list(column) for column in zip(*(row[3] for row in rows), strict=True)]
    return Table(
        "outcomes",
        "Accuracy and loss on the test set, and agreement of decisions with the full trained network of the same seed "
        "(of other seeds: with theirs), mean over seeds.",
        [
            Column("network", "network", [row[0] for row in rows]),
            Column("removed", "nodes removed", [row[1] for row in rows]),
            Column("compensation", "compensation", [row[2] for row in rows]),
            _mean("accuracy", "accuracy (%)", values[0], 100),
            _mean("loss", "loss (nats)", values[1]),
            _mean("agreement", "agreement (%)", values[2], 100),
        ],
    )


def commuting(results: Results) -> Table:
    """Make the table of train first against prune first."""
    rows = [
        (kind, route, quantity, results.commuting[kind, route, quantity])
        for kind in results.kinds
        for route in ROUTES
        for quantity in ("accuracy", "decisions", "weights")
    ]
    differences = [row[3].difference for row in rows]
    return Table(
        "commuting",
        "Train first against prune first, paired by seed and choice. Accuracy: train first less prune first, and for "
        "the control the second training of the full network less the first. Decisions: agreement. Weights: "
        "correlation of the changes from the start. The difference is from the control, in accuracy from zero.",
        [
            Column("removed", "nodes removed", [row[0] for row in rows]),
            Column("route", "against", [arm_short(row[1]) for row in rows]),
            Column("quantity", "in", [row[2] for row in rows]),
            _mean("value", "measured", [row[3].value for row in rows]),
            _mean("control", "control", [row[3].control for row in rows]),
            _mean("difference", "difference", differences),
            _ends("difference_interval", differences, 1, 3),
            Column("verdict", "verdict", [row[3].verdict for row in rows]),
        ],
    )


def correlations(results: Results) -> Table:
    """Make the table of correlations of the main kernels."""
    rows = [(kind, pair) for kind in results.kinds for pair in PAIRS]
    weights, changes = ([results.correlation(pair, of, kind) for kind, pair in rows] for of in ("weights", "changes"))
    return Table(
        "correlations",
        "Correlation of the main kernels' weights that stay, and of their changes from the shared start.",
        [
            Column("removed", "nodes removed", [row[0] for row in rows]),
            Column("pair", "pair", [PAIRS[row[1]] for row in rows]),
            _mean("weights", "weights", weights),
            _mean("changes", "changes", changes),
        ],
    )


def unmoved(results: Results) -> Table:
    """Make the table of weights that never moved."""
    rows = [(kind, arm) for kind in results.kinds for arm in _STILL]
    found = [results.still(arm, kind) for kind, arm in rows]
    alike = [interval(results.alike.sel(kind=kind).values) for kind in results.kinds]
    return Table(
        "unmoved",
        "Share of the main kernel's weights that stay which equal their start bit for bit. By chance: the product of "
        "the shares of the two. Last: those that moved by the preferred distance in both.",
        [
            Column("removed", "nodes removed", [*(row[0] for row in rows), *results.kinds]),
            Column("network", "network", [*(_STILL[row[1]] for row in rows), *["moved alike in both"] * len(alike)]),
            _mean("share", "share (%)", [*found, *alike], 100),
            _ends("share_interval", [*found, *alike], 100, 2),
        ],
    )


def peaks(results: Results) -> Table:
    """Make the table of preferred distances."""
    sources = list(results.peaks)
    by_sign = [[interval(results.peaks[source][row]) for source in sources] for row in range(3)]

    def named(source: str) -> str:
        arm, _, kind = source.partition(" ")
        name = "trained less pruned first" if arm == "difference" else arm_name(arm)
        return f"{name}, {kind}" if kind else name

    return Table(
        "peaks",
        "Preferred distance of the main kernel's weights from their start: where the density of the sizes peaks, mean "
        "over the networks that have a peak, and their number. Last: of the differences of two networks.",
        [
            Column("network", "network", [named(source) for source in sources]),
            _mean("all", "all", by_sign[0]),
            Column("networks", "networks", [one.networks for one in by_sign[0]]),
            _mean("increases", "increases", by_sign[1]),
            Column("networks_up", "networks", [one.networks for one in by_sign[1]]),
            _mean("decreases", "decreases", by_sign[2]),
            Column("networks_down", "networks", [one.networks for one in by_sign[2]]),
        ],
    )


def compensation(results: Results) -> Table | None:
    """Make the table of what bias compensation changes, where both are there."""
    if len(results.compensations) < 2:
        return None
    rows = [(kind, arm) for kind in results.kinds for arm in ARMS]
    values = {
        name: [results.compensated(name, arm, kind) for kind, arm in rows] for name in ("accuracy", "loss", "agreement")
    }
    return Table(
        "compensation",
        "With bias compensation less without, paired by seed and choice.",
        [
            Column("removed", "nodes removed", [row[0] for row in rows]),
            Column("network", "network", [arm_name(row[1]) for row in rows]),
            _mean("accuracy", "accuracy (points)", values["accuracy"], 100),
            _ends("accuracy_interval", values["accuracy"], 100, 2),
            _mean("loss", "loss (nats)", values["loss"]),
            _mean("agreement", "agreement (points)", values["agreement"], 100),
        ],
    )


def deviations(results: Results) -> Table:
    """Make the table of what was removed."""
    kinds = list(results.kinds)

    def of(name: str) -> list[Interval]:
        return [interval(results.removed[name].sel(kind=kind).values) for kind in kinds]

    return Table(
        "deviations",
        "What the removed nodes were in the trained network: the share that is constant on the training data, their "
        "share of the sum of the activations' variances, and the largest standard deviation among them, as a share of "
        "the largest of all.",
        [
            Column("removed", "nodes removed", kinds),
            _mean("constant", "constant (%)", of("constant"), 100),
            _ends("constant_interval", of("constant"), 100),
            _mean("variance", "share of variance (%)", of("variance"), 100),
            _mean("largest", "largest deviation", of("largest")),
            _mean("largest_share", "as share of all (%)", of("largest_share"), 100),
        ],
    )


def rates(results: Results) -> Table | None:
    """Make the table of what depends on the learning rate, where it was measured."""
    data = results.rates
    if data is None:
        return None
    peaks = [interval(row) for row in of_rates.peaks(data)]
    columns = [
        Column("learning_rate", "learning rate", data["learning_rate"].values.tolist(), digits=None),
        _mean("accuracy", "trained (%)", of_rates.mean(data, "accuracy"), 100),
    ]
    for place, layer in enumerate(data["layer"].values.tolist()):
        found = of_rates.mean(data, "dead", layer=layer)
        columns.append(_mean(f"constant_{place + 1}", f"constant, layer {place + 1} (%)", found, 100))
    for kind in data["kind"].values.tolist():
        for name, said in (("pruned_accuracy", "pruned"), ("first_accuracy", "pruned first")):
            found = of_rates.mean(data, name, kind=kind)
            columns.append(_mean(f"{kind}_{name}", f"{kind}, {said} (%)", found, 100))
    columns += [
        _mean("peak", "peak (rates)", peaks),
        Column("peak_networks", "with peak", [one.networks for one in peaks]),
    ]
    return Table(
        "rates",
        "By learning rate: test accuracy of the trained, the pruned and the pruned-first networks, share of constant "
        "nodes, and the preferred distance of the main kernel's weights, in learning rates, with the number of seeds "
        "that have one.",
        columns,
    )


def all_tables(results: Results) -> dict[str, Table]:
    """Make every table of the study, by name."""
    made = [claims, outcomes, commuting, correlations, unmoved, peaks, compensation, deviations, rates]
    return {table.name: table for make in made if (table := make(results)) is not None}


def numbers(results: Results) -> Numbers:
    """Collect every number that a paper on the study would quote."""
    macros = Numbers("spiral")

    def add(name: str, found: Interval) -> None:
        macros.add(name, found.mean, found.error, digits=3)
        for end in ("low", "high"):
            macros.add(f"{name} {end}", getattr(found, end), digits=3, comment="end of the 95 % interval")

    macros.add("networks", results.networks)
    for measure in ("accuracy", "loss", "agreement"):
        for arm in ("trained", "reshuffled"):
            if (measure, arm) != ("agreement", "trained"):
                add(f"{arm} {measure}", results.reference(measure, arm))
        for kind in results.kinds:
            for arm in ARMS:
                for which in results.compensations:
                    add(f"{kind} {arm} {which} {measure}", results.outcome(measure, arm, kind, which))
    add("others agreement", results.reference("agreement", "others"))
    for (kind, route, quantity), one in results.commuting.items():
        add(f"{kind} {route} {quantity} difference", one.difference)
        macros.add(f"{kind} {route} {quantity} verdict", one.verdict)
    for kind in results.kinds:
        for pair in PAIRS:
            for of in ("weights", "changes"):
                add(f"{kind} {pair} {of} correlation", results.correlation(pair, of, kind))
        for arm in _STILL:
            add(f"{kind} {arm} unmoved", results.still(arm, kind))
    for source, values in results.peaks.items():
        add(f"{source} peak", interval(values[0]))
    macros.add("single gradient", adam.single_gradient(), comment="in learning rates")
    if (rate := learning_rate(results.run)) is not None:
        macros.add("single gradient distance", adam.single_gradient() * rate)
    if CHOSEN in results.kinds:
        add("removed constant", interval(results.removed["constant"].sel(kind=CHOSEN).values))
    if results.rates is not None:
        for rate, row in zip(results.rates["learning_rate"].values, of_rates.peaks(results.rates), strict=True):
            found = interval(row)
            macros.add("peak in learning rates", found.mean, found.error, rate=f"{float(rate):g}")
    for name, claim in results.claims.items():
        macros.add(f"claim {name}", claim.verdict)
    return macros
