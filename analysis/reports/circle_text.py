"""The sentences of the circle report; every number and every verdict in them comes from the data."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from analysis import published
from analysis.formatting import format_number
from analysis.lognormal import ks_distance_by_chance
from analysis.reports.circle_results import LEVEL, Results

number = partial(format_number, style="html")


def enumerate_words(words: list[str]) -> str:
    """Join words as a sentence does.

    Examples
    --------
    >>> enumerate_words(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _at(probabilities: Sequence[float]) -> str:
    # Spaces that do not break, so that no line starts with "= 0.5".
    return "p\u00a0=\u00a0" + enumerate_words([f"{p:g}" for p in probabilities])


def _percent(fraction: float, decimals: int = 1) -> str:
    return f"{100 * fraction:.{decimals}f}\u00a0%"


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


def loss_summary(results: Results) -> str:
    """Say what removal does to the loss."""
    means = [
        f"{number(float(mean), float(error))} at {_at([p])}"
        for p, mean, error in zip(
            results.probabilities, results.losses["mean_loss"], results.losses["mean_loss_error"], strict=True
        )
    ]
    return (
        f"With every node on the loss is {number(results.full_loss, digits=3)} nats and the accuracy "
        f"{_percent(results.full_accuracy)} on the test set. Under random removal the mean loss is "
        f"{enumerate_words(means)} (nats; in brackets the standard error in units of the last digit)."
    )


def loss_shape(results: Results) -> str:
    """Say how the loss is spread over the masks."""
    quantiles = results.losses["loss_quantile"]
    median, high = ([number(float(value), digits=3) for value in quantiles.sel(quantile=q)] for q in (0.5, 0.95))
    return (
        f"At {_at(results.probabilities)} the median loss is {enumerate_words(median)} nats, and one mask in twenty "
        f"costs more than {enumerate_words(high)} nats."
    )


def lognormal_verdict(results: Results) -> str:
    """Say whether log-normality is rejected."""
    rejected, untested = results.rejected, results.untested
    kept = [p for p in results.probabilities if p not in rejected and p not in untested]
    parts = []
    if rejected:
        parts.append(f"a log-normal law of the loss is rejected at {_at(rejected)}")
    if kept:
        parts.append(f"{'it' if parts else 'a log-normal law of the loss'} is not rejected at {_at(kept)}")
    if untested:
        parts.append(f"there was nothing to test at {_at(untested)}")
    verdict = "; ".join(parts)
    tests = len(rejected) + len(kept)
    level = f" (level {LEVEL:g}, shared over {tests} test{'s' if tests > 1 else ''})" if tests else ""
    return verdict[0].upper() + verdict[1:] + level + "."


def lognormal_departure(results: Results) -> str:
    """Say how large the departure from a log-normal law is, and what a test cannot show."""
    fits = results.fits
    if len(results.untested) == len(results.probabilities):
        return "No fit has a shape to compare."
    worst = int(np.nanargmax(fits["ks_distance"].values))
    count = int(fits["count"][worst])
    text = (
        f"In size: the fitted and the measured distribution function differ by at most "
        f"{float(fits['ks_distance'][worst]):.3f}, at {_at([results.probabilities[worst]])}"
    )
    if count >= 5:
        text += (
            f" ({count} draws from a log-normal law itself would exceed {ks_distance_by_chance(count):.3f} one "
            "time in twenty)"
        )
    if not results.rejected:
        text += ". Not rejected does not mean proven: these draws show no departure, more of them might"
    return text + "."


def _called(quantity: str, probability: float) -> str:
    return published.LABELS[quantity] + ("" if np.isnan(probability) else f" at {_at([probability])}")


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
        f"and puts 63\u00a0% inside. This run follows the {boundary} (radius {radius:.3f}, {_percent(inside, 0)} "
        "inside). The spread was measured under both rules."
    )


def masks_summary(results: Results) -> str:
    """Say how many masks were distinct and how often the full one came."""
    data = results.losses
    last = int(np.argmax(results.probabilities))
    one = data.isel(probability=last)
    draws, nodes = int(one["draws"]), results.nodes.sizes["node"]
    text = (
        f"At {_at([results.probabilities[last]])} the {draws} draws gave {int(one['distinct_masks'])} "
        f"distinct masks ({float(one['expected_distinct_masks']):.1f} expected). Every one of the {nodes} "
        f"nodes was on {int(one['full_masks'])} times ({float(one['expected_full_masks']):.2f} expected)."
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
    nonpositive = int(results.losses["nonpositive"].sum())
    nonfinite = int(results.losses["nonfinite"].sum())
    total = int(results.losses["draws"].sum())
    if nonpositive == nonfinite == 0:
        text = f"All {total} losses of the sweep are finite and above zero, so none was left out anywhere."
    else:
        text = (
            f"Of the {total} losses of the sweep, {nonpositive} are zero and {nonfinite} are not finite. "
            "Zeros count in the mean loss and have no logarithm; losses that are not finite are left out of "
            "both. The tables give both numbers for each p."
        )
    many = results.spread
    bad = int(many["nonpositive"].sum() + many["nonfinite"].sum())
    of_spread = int(many["draws"].sum())
    return f"{text} In the spread of networks, {bad or 'none'} of {of_spread} losses are zero or not finite."


def single_removals(results: Results) -> str:
    """Say what single nodes are worth."""
    change = results.nodes["change"]
    known = np.isfinite(change.values)
    if not known.any():
        return "No single removal gave a finite loss."
    values, labels = change.values[known], [str(label) for label in change["node"].values[known]]
    worst, least = int(np.argmax(values)), int(np.argmin(np.abs(values)))
    rises = int(np.count_nonzero(values > 0))
    theirs = results.published
    missing = "" if known.all() else f" {int((~known).sum())} removals gave no finite loss."
    raising = (
        f"each of the {values.size} nodes raises" if rises == values.size else f"{rises} of {values.size} nodes raise"
    )
    return (
        f"Switched off alone, {raising} the loss. The largest change is "
        f"{values[worst]:+.3f} nats ({labels[worst]}), the smallest {values[least]:+.4f} "
        f"({labels[least]}).{missing} In the published network one node could go at a cost of "
        f"{float(theirs['smallest_single_removal_loss'] - theirs['full_loss']):+.3f}."
    ).replace("-", "−")


def spread_settings(results: Results) -> str:
    """Say what the networks of the spread have in common and what not, and which of them this run's is."""
    accuracy = results.spread["full_accuracy"]
    networks = results.spread.sizes["network"]
    ours = results.losses["mean_loss"]
    same = results.spread["mean_loss"].sel(boundary=results.task.attrs["boundary"])
    # This run's network is one of them, computed again in another batch: equal but for float32 rounding.
    lower = (same < ours * (1 - 1e-5)).sum("network").values
    ranks = [f"{int(count)} at {_at([p])}" for count, p in zip(lower, results.probabilities, strict=True)]
    return (
        f"{networks} networks were trained under each rule from different seeds (initial weights, training points "
        "and their order), with the masks and the test points the same for all. Their accuracies on the test set "
        f"run from {_percent(float(accuracy.min()))} to {_percent(float(accuracy.max()))}. This run's network is "
        f"one of them; of the {networks} under its rule, {enumerate_words(ranks)} have a lower mean loss."
    )
