"""The sentences of the circle report; every number and every verdict in them comes from the data."""

import numpy as np
import xarray as xr

from analysis.reports import sweep_text
from analysis.reports.wording import at, capitalised, enumerate_words, number, percent, whole
from sweeps.studies.circle import published
from sweeps.studies.circle.cube import text as cube_text
from sweeps.studies.circle.results import Results

#: A difference of scores counts from so many standard errors on.
STANDARD_ERRORS = 2.0
_ARTICLES = {"log-normal mixture": "a mixture of two log-normal laws", "normal": "a normal law"}


def lead(results: Results) -> str:
    """Say what was asked."""
    sizes = [int(size) for size in results.network.attrs["sizes"]]
    return (
        f"A network with {enumerate_words([str(size) for size in sizes[1:-1]])} hidden "
        f"{results.network.attrs['activation']} nodes learned whether a point lies outside a circle. Then "
        "every hidden node stayed with probability p, independently of the others, and the loss was measured "
        "for many such masks. How is the loss distributed, is it log-normal, and do we find what was "
        "published?"
    )


def _called(quantity: str, probability: float) -> str:
    return published.LABELS[quantity] + at([] if np.isnan(probability) else [probability])


def published_verdict(results: Results, boundary: str) -> str:
    """Say how many published numbers lie inside the range of the networks trained under one boundary rule."""
    frame = results.comparison[results.comparison["boundary"] == boundary]
    inside, total = int(frame["inside"].sum()), len(frame)
    outside = [_called(row.quantity, row.probability) for row in frame[~frame["inside"].astype(bool)].itertuples()]
    some = "all" if inside == total else ("none" if inside == 0 else str(inside))
    sentence = (
        f"With the circle as in the published {boundary}, {some} of the {total} published numbers lie inside the "
        f"range of our {int(frame['networks'].max())} networks"
    )
    if 0 < inside < total:
        sentence += f"; outside: {enumerate_words(outside)}"
    known = frame[frame["z"].notna()]
    if len(known):
        far = known.loc[known["z"].abs().idxmax()]
        sentence += (
            f". The farthest from our mean, by {number(float(abs(far['z'])), decimals=1)} standard deviations, is the "
            f"{_called(far['quantity'], far['probability'])}"
        )
    return sentence + "."


def published_caution(results: Results) -> str:
    """Say how much, or how little, the comparison with the spread can show."""
    networks = int(results.comparison["networks"].min())
    if networks < 1:
        return "At least one quantity has no network with a finite value to compare with."
    nodes, theirs = results.nodes.sizes["node"], int(results.published.attrs["nodes"])
    different = "" if nodes == theirs else f" And it had {theirs} nodes, while ours have {nodes}."
    return (
        f"One more network of the same kind would have any given number outside the range of {networks} with a "
        f"probability of about {published.chance_outside(networks):.2f}. The numbers of one network depend on one "
        "another, so those outside are not independent evidence. The published network had other masks and "
        f"other test points besides.{different}"
    )


def boundary_note(results: Results) -> str:
    """Tell of the discrepancy between the published text and the published code, and of this run's choice."""
    boundary, radius = results.task.attrs["boundary"], float(results.task.attrs["radius"])
    inside = np.pi * radius**2 / 4  # a circle within the square of area 4
    return (
        "The published text puts the circle at radius √(2/π) ≈ 0.798, so that half of the square lies "
        "inside; the published code compares the squared radius with √(2/π), which makes the radius 0.893 "
        f"and puts 63\u00a0% inside. This run follows the {boundary} (radius {radius:.3f}, {percent(inside, 0)} "
        "inside). The spread was measured under both rules."
    )


def masks_summary(results: Results) -> str:
    """Say how many masks were distinct and how often the full one came."""
    data = results.losses
    last = int(np.argmax(results.probabilities))
    one = data.isel(probability=last)
    draws, nodes = int(one["draws"]), results.nodes.sizes["node"]
    text = (
        f"{capitalised(at([results.probabilities[last]]).lstrip())} the {whole(draws)} draws gave "
        f"{int(one['distinct_masks'])} distinct masks ({float(one['expected_distinct_masks']):.1f} expected). "
        f"Every one of the {nodes} nodes was on {int(one['full_masks'])} times "
        f"({float(one['expected_full_masks']):.2f} expected)."
    )
    theirs = results.published
    if np.isclose(results.probabilities[last], 0.75) and (draws, nodes) == (theirs.draws, theirs.nodes):
        text += (
            f" Published: {int(theirs['distinct_masks'])} distinct masks, all nodes on "
            f"{int(theirs['full_masks'])} times."
        )
    return text


def counts(results: Results) -> str:
    """Say how many losses were zero or not finite."""
    many = results.spread
    bad = int(many["nonpositive"].sum() + many["nonfinite"].sum())
    of_spread = whole(int(many["draws"].sum()))
    return (
        f"{sweep_text.counts(results)} In the spread of networks, {whole(bad) if bad else 'none'} of {of_spread} "
        f"losses {'is' if bad == 1 else 'are'} zero or not finite."
    )


def single_removals(results: Results) -> str:
    """Say what single nodes are worth, here and in the published network."""
    theirs = results.published
    cost = float(theirs["smallest_single_removal_loss"] - theirs["full_loss"])
    return f"{sweep_text.single_removals(results)} In the published network one node could go at a cost of {cost:+.3f}."


def spread_settings(results: Results) -> str:
    """Say what the networks of the spread have in common and what not, and which of them this run's is."""
    accuracy = results.spread["full_accuracy"]
    networks = results.spread.sizes["network"]
    ours = results.losses["mean_loss"]
    same = results.spread["mean_loss"].sel(boundary=results.task.attrs["boundary"])
    # This run's network is one of them, computed again in another batch: equal but for float32 rounding.
    lower = (same < ours * (1 - 1e-5)).sum("network").values
    ranks = [f"{int(count)}{at([p])}" for count, p in zip(lower, results.probabilities, strict=True)]
    return (
        f"{networks} networks were trained under each rule from different seeds (initial weights, training points "
        "and their order), with the masks and the test points the same for all. Their accuracies on the test set "
        f"run from {percent(float(accuracy.min()))} to {percent(float(accuracy.max()))}. This run's network is "
        f"one of them; of the {networks} under its rule, {enumerate_words(ranks)} have a lower mean loss."
    )


def hypercube_in_short(results: Results) -> list[str]:
    """Say what flip paths and the whole cube showed, a sentence each."""
    found = results.hypercube
    if found.cube is None:
        return [found.missing]
    said = (
        cube_text.opposite(found.cube, found.paths),
        cube_text.additivity(found.cube),
        cube_text.optimum(found.cube),
    )
    return [sentence for sentence in said if sentence]


def families_verdict(comparison: xr.Dataset) -> str:
    """Say which families predict held-out losses better or worse than the log-normal, and where that is open."""
    better, worse, undecided = (dict[str, list[float]]() for _ in range(3))
    for p in comparison["probability"].values:
        for family in comparison["family"].values[1:]:
            one = comparison.sel(probability=p, family=family)
            error = float(one["difference_error"])
            ratio = float(one["difference"]) / error if error > 0 else 0.0
            group = better if ratio > STANDARD_ERRORS else worse if ratio < -STANDARD_ERRORS else undecided
            group.setdefault(str(family), []).append(float(p))

    def named(group: dict[str, list[float]]) -> str:
        return enumerate_words([_ARTICLES.get(name, f"a {name} law") + at(where) for name, where in group.items()])

    sentences = []
    if better:
        sentences.append(f"Held-out losses are predicted better than by a log-normal law by {named(better)}")
    if worse:
        sentences.append(f"{'worse' if better else 'Held-out losses are predicted worse than by it'} by {named(worse)}")
    if undecided:
        sentences.append(f"{named(undecided)} cannot be told apart from it (two standard errors)")
    text = capitalised("; ".join(sentences))
    return (
        f"{text}. Of the families tried, the score says which predicts best, not which is true: each is rejected by "
        "some test if there are draws enough."
    )
