"""The sentences of the page on kernels: how alike they are, how far weights went, and what the learning rate does."""

import numpy as np

from analysis.intervals import Interval, interval
from analysis.reports.wording import enumerate_words, number, percent, whole
from sweeps.studies.spiral.claims import HOLDS, PUBLISHED_PEAK, SINGLE, single_gradient_verdict
from sweeps.studies.spiral.measures import adam, nodes_name
from sweeps.studies.spiral.measures import rates as of_rates
from sweeps.studies.spiral.measures.compare import MARGINS, two_sided
from sweeps.studies.spiral.measures.moves import HEIGHT, NEAR, VALLEY
from sweeps.studies.spiral.results import Results, learning_rate
from sweeps.studies.spiral.text import points, share, value


def kernels(results: Results) -> str:
    """Say how alike the main kernels are."""
    parts = []
    for kind in results.kinds:
        whole_, changes = (results.correlation("prune_first", of, kind) for of in ("weights", "changes"))
        control = results.correlation("reshuffled", "changes", kind)
        parts.append(
            f"With {nodes_name(kind)} removed, the weights that stay correlate by {value(whole_, 2)} between the "
            "trained network and the one pruned first, and their changes from the shared start by "
            f"{value(changes, 2)}; between two trainings in different order the changes correlate by "
            f"{value(control, 2)}."
        )
    start = results.correlation("initial", "weights", next(iter(results.kinds)))
    parts.append(
        f"The trained weights correlate with their own start by {value(start, 2)}: what two networks share through "
        "their start is no finding, so the changes are what counts."
    )
    return " ".join(parts)


def diagonal(results: Results) -> str:
    """Say which weights never moved, and which moved alike."""
    parts = []
    for kind in results.kinds:
        still = {arm: results.still(arm, kind) for arm in ("trained", "prune_first", "both", "chance")}
        alike = _interval(results, kind)
        parts.append(
            f"With {nodes_name(kind)} removed, {share(still['trained'])} of the weights that stay equal their start "
            f"bit for bit after training, {share(still['prune_first'])} if pruned first, and {share(still['both'])} in "
            f"both, against {share(still['chance'])} if the one said nothing of the other."
        )
        if np.isfinite(alike.mean):
            parts.append(
                f"{share(alike)} moved by the preferred distance within {percent(NEAR, 0)}, the same way, in both."
            )
    if np.isfinite(results.alike.values).any():
        parts.append(
            "They lie where the published plots have a dashed diagonal line: the unmoved ones in its middle, those "
            "that moved alike at its ends."
        )
    return " ".join(parts)


def _interval(results: Results, kind: str) -> Interval:
    return interval(results.alike.sel(kind=kind).values)


def peaks(results: Results) -> str:
    """Say how far the weights that moved went, and what distance that is."""
    claim = results.claims["peaks"]
    found, networks = claim.evidence, results.networks
    rule = (
        f"The peak is the highest maximum of the density of the sizes of the changes that stands beyond a valley: the "
        f"density falls to {percent(VALLEY, 0)} of it or lower between zero and it, and it reaches "
        f"{percent(HEIGHT, 0)} of the density's maximum."
    )
    if not found.networks:
        return f"No network prefers a distance. {rule}"
    up, down = (results.peaks["trained"][row] for row in (1, 2))
    said = (
        f"In {whole(found.networks)} of {whole(networks)} full networks the changes of the main kernel's weights have "
        f"a preferred size, {value(found)}; published: about {PUBLISHED_PEAK:g}."
    )
    for name, some in (("increases", up), ("decreases", down)):
        known = some[np.isfinite(some)]
        if known.size:
            said += f" Of {name} alone it is {number(float(known.mean()), digits=3)}, in {whole(known.size)} networks."
    return f"{said} {rule}"


def distance(results: Results) -> str:
    """Say in one sentence how far weights prefer to move; nothing where they do not."""
    found, rate = results.claims["peaks"].evidence, learning_rate(results.run)
    if not found.networks:
        return ""
    said = f"The weights of the main kernel that moved prefer to move by {value(found)} (published: {PUBLISHED_PEAK:g})"
    if rate is None:
        return f"{said}."
    once = number(adam.single_gradient() * rate, digits=3)
    return f"{said}; by Adam at this learning rate, one gradient at the first step and none after moves it by {once}."


def single_gradient(results: Results) -> str:
    """Say what the preferred distance comes from, as far as the data show."""
    rate, once = learning_rate(results.run), adam.single_gradient()
    said = (
        f"Why that distance: Adam, at its usual decay rates, moves a weight that has a gradient at the first step and "
        f"never again by {number(once, digits=3)} learning rates in all, however large the gradient was."
    )
    if rate is None:
        return f"{said} The run states no learning rate to hold this against."
    claim = results.claims["single_gradient"]
    said += (
        f" At the learning rate {rate:g} of this run that is {number(once * rate, digits=3)}. That the peak is "
        f"there (within {percent(SINGLE, 0)}, with its whole interval): {claim.verdict}."
    )
    if results.settled is not None and np.isfinite(results.settled[:2]).all():
        near, further, epoch = results.settled
        said += (
            f" In network 0, {percent(near, 0)} of the weights that moved by the preferred distance have their final "
            f"value, to the last bit, after epoch {epoch} already, and {percent(further, 0)} of those that moved more "
            "than twice as far (one network, so no interval)."
        )
    if claim.verdict == HOLDS:
        said += (
            " The nodes behind these weights fall silent at once, and what is left of the first step's momentum "
            "carries their weights on."
        )
    return said + (
        f" By this account the published {PUBLISHED_PEAK:g} belongs to a learning rate of "
        f"{number(PUBLISHED_PEAK / once, digits=2)}; the publication states neither its optimiser nor its learning "
        "rate."
    )


def rates(results: Results) -> list[str]:
    """Say how everything depends on the learning rate, in paragraphs; nothing where it was not measured."""
    data = results.rates
    if data is None:
        return []
    values = [float(one) for one in data["learning_rate"].values]
    dead = [interval(one) for one in data["dead"].mean("layer").transpose("learning_rate", "network").values]
    said = [
        "The share of nodes that are constant on the training data is "
        + enumerate_words([f"{share(one)} at {rate:g}" for rate, one in zip(values, dead, strict=True)])
        + "."
    ]
    removed = results.run.config.get("share")
    if isinstance(removed, int | float):
        low = data["dead"].mean("network").min("layer")
        enough = [f"{float(rate):g}" for rate in low["learning_rate"].values[low.values >= removed]]
        at = f"at {enumerate_words(enough)}" if enough else "at none of these"
        said.append(
            f"Where fewer than {percent(removed, 0)} of a layer are constant, the nodes of smallest deviation that go "
            f"are not all silent. On average over seeds, there are enough in every layer {at}."
        )
    names = {"random": "random nodes", "chosen": "nodes of smallest deviation"}
    for kind in data["kind"].values.tolist():
        lost = of_rates.difference(data, "pruned_accuracy", "accuracy", kind=kind)
        order = of_rates.difference(data, "pruned_accuracy", "first_accuracy", kind=kind)
        parts = [
            f"at {rate:g} by {points(one)}, and train first less prune first is {points(two)} "
            f"({two_sided(two, MARGINS['accuracy'])})"
            for rate, one, two in zip(values, lost, order, strict=True)
        ]
        said.append(f"Removing {names.get(kind, kind)} after training changes the accuracy {'; '.join(parts)}.")
    parts = []
    for rate, row in zip(values, of_rates.peaks(data), strict=True):
        found = interval(row)
        where = f"{value(found, 2)} in {whole(found.networks)} of {whole(row.size)} seeds" if found.networks else "none"
        parts.append(f"at {rate:g} {where} ({single_gradient_verdict(row.tolist())})")
    said.append(
        f"The preferred distance in learning rates, and whether it is the {number(adam.single_gradient(), digits=3)} "
        f"of a single gradient (within {percent(SINGLE, 0)}): {'; '.join(parts)}. A distance that stays the same in "
        "learning rates is set by the optimiser and not by the task."
    )
    return said
