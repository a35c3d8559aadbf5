"""The sentences of the shrinking report beside its claims; every number in them comes from the data."""

from collections import Counter

import numpy as np

from analysis.reports.wording import enumerate_words, number, percent
from sweeps.studies.shrinking import claims
from sweeps.studies.shrinking.measures import DROPS, METHODS, Network, method_name, network_name
from sweeps.studies.shrinking.measures.paths import TOLERATED
from sweeps.studies.shrinking.results import Results

#: Accuracies that the paper started from, by number of hidden layers, all on MNIST.
PUBLISHED_ACCURACY = {1: ("784-100-10", 0.998), 2: ("784-50-50-10", 1.0)}
CAUTION = (
    "All rankings and verdicts are of removal without retraining, unless it is said: what the trained network can lose "
    "as it is. How well a network does after retraining is another question; the literature finds the two weakly "
    "related (“Is Oracle Pruning the True Oracle?”, arXiv 2412.00143)."
)


def lead(results: Results) -> str:
    """Say what was asked."""
    return (
        "Nodes of trained networks were switched off one after the other until none was left. Which one next? Brute "
        "force measures what each removal does to the loss and takes the cheapest; first and second order predict it "
        "from derivatives at the node's gate. Nodes are ranked once, or again after each removal. The study follows "
        "Wolfe, Sharma and Raj, “The Incredible Shrinking Neural Network” (2016), through what they left for later; "
        f"here on {results.task_name}."
    )


def tally(results: Results) -> str:
    """Count the verdicts."""
    found = Counter(claim.verdict for claim in results.claims.values())
    parts = [
        f"{found[verdict]} {word}"
        for verdict, word in (
            (claims.HOLDS, "hold"),
            (claims.PARTLY, "hold partly"),
            (claims.FAILS, "do not hold"),
            (claims.OPEN, "were not measured"),
        )
        if found[verdict]
    ]
    return f"Of {len(results.claims)} claims {enumerate_words(parts)} here, by rules that are stated with each."


def accuracies(results: Results) -> str:
    """Hold the accuracies that networks start from against the published ones."""
    said, differ = [], False
    for depth, (shape, theirs) in PUBLISHED_ACCURACY.items():
        if depth in results.depths:
            network = results.depths[depth]
            ours, test = float(network.attrs["accuracy"]), float(network.attrs["test_accuracy"])
            # Published to three digits.
            differ |= not abs(ours - theirs) < 0.0005
            said.append(
                f"{ours:.3f} on the examples of the ranking and {test:.3f} on the test set with "
                f"{network_name(str(depth))} (published: {theirs:.3f}, {shape} on MNIST)"
            )
    if not said:
        return "The networks that the paper reports on are not in this run."
    other = "" if "mnist" in results.task_name.lower() else f" The task differs: ours is {results.task_name}."
    end = "They are not those of the paper." if differ else "They are those of the paper."
    return f"Our accuracies at the start are {enumerate_words(said)}. {end}{other}"


def removable(network: Network) -> str:
    """Say how far each method gets in one network, re-ranked and ranked once."""
    parts = []
    for ranking, words in (("reranked", "ranked again after each removal"), ("single_pass", "ranked once")):
        counts = {method: network.number("removable", method, ranking, fall=DROPS[0]) for method in METHODS}
        if not any(np.isnan(list(counts.values()))):
            named = [f"{count:.0f} by {method_name(method)}" for method, count in counts.items()]
            parts.append(f"{words}, {enumerate_words(named)}")
    if not parts:
        return ""
    best = network.number("lowest_loss", "brute_force")
    step = network.number("lowest_step", "brute_force")
    start = float(network.attrs["loss"])
    lower = (
        f" By brute force the loss first falls, from {number(start, digits=3)} to {number(best, digits=3)} after "
        f"{step:.0f} removals: some nodes do harm."
        if step > 0
        else " By brute force no removal brings the loss below its start."
    )
    return (
        f"Of {network.nodes} nodes, before the accuracy falls by more than one percentage point, can go: "
        f"{'; '.join(parts)}.{lower}"
    )


def comparison(network: Network) -> str:
    """Say how the methods that are there for comparison do, re-ranked; empty where there are none."""
    others = [str(method) for method in network.summary["ranked_by"].values if method not in METHODS]
    mean = {method: network.number("mean_loss", method) for method in [*METHODS, *others]}
    if not others or any(np.isnan(list(mean.values()))):
        return ""
    named = [f"{method_name(method)} {number(mean[method], digits=3)}" for method in sorted(mean, key=mean.__getitem__)]
    return f"The mean {network.criterion} over all removals, re-ranked, from the lowest: {', '.join(named)}."


def surfaces(results: Results, key: str) -> str:
    """Say how far the two predictions at gain 0 are from the measured loss, over the choices shown."""
    data = results.surfaces[key]
    gain = data["gain"].values
    at = {name: data[name].isel(gain=int(np.argmin(np.abs(gain)))) for name in ("loss", "first_order", "second_order")}
    on = data["loss"].isel(gain=int(np.argmin(np.abs(gain - 1))))
    change = abs(at["loss"] - on)
    parts = []
    for name in ("first_order", "second_order"):
        error = abs(at[name] - at["loss"])
        share = float((error / change.where(change > 0)).median())
        parts.append(f"{percent(share, 0)} of it ({method_name(name)})")
    return (
        f"With {network_name(key)}, over the {data['removed'].size} choices of each method that are "
        f"drawn, the predicted change at gain 0 misses the true one in the median by {enumerate_words(parts)}."
    )


def layers(results: Results) -> str:
    """Say which layers go in an order that chance does not explain, in all networks of several layers."""
    found, tests = [], 0
    for network in results.depths.values():
        p_values = network.layers["p_value"].sel(ranking="reranked")
        for method in METHODS if network.layers.sizes["layer"] > 1 else ():
            tests += 1
            p_value = float(p_values.sel({"ranked_by": method}))
            if p_value < claims.LEVEL:
                found.append(
                    f"{method_name(method)} with {network_name(network.key)} (p = {number(p_value, digits=2)})"
                )
    if not tests:
        return ""
    named = enumerate_words(found) if found else "none"
    return (
        f"Of all {tests} re-ranked orders, those that treat the layers so unequally that a random order does it with a "
        f"chance below {claims.LEVEL:g}: {named}; about {claims.LEVEL * tests:.1f} are expected by chance alone."
    )


def pairs(results: Results) -> str:
    """Say what pairs of nodes show."""
    parts = []
    for key, one in results.pair_summaries.items():
        text = (
            f"With {network_name(key)}, {percent(one.negative, 0)} of the interactions are below zero: both nodes "
            "together cost less than the sum."
        )
        if np.isfinite(one.signed):
            relation = (
                "the more alike, the more they back each other up" if one.signed > 0 else "like nodes cancel more"
            )
            weak = " (not told apart from chance)" if one.signed_p_value >= claims.LEVEL else f": {relation}"
            text += (
                f" Interaction and correlation of the activations have the rank correlation "
                f"{number(one.signed, decimals=2)}, p = {number(one.signed_p_value, digits=2)} by Mantel's test{weak}."
            )
        parts.append(text)
    return " ".join(parts)


def choices(network: Network) -> str:
    """Say how often single choices of the Taylor methods are the best."""
    parts = [
        f"{method_name(method)} in {percent(network.number('share_best', method), 0)} of the choices (rank correlation "
        f"of predicted and true change {number(network.number('spearman', method), decimals=2)}, the sign right in "
        f"{percent(network.number('sign_agreement', method), 0)})"
        for method in claims.TAYLOR
    ]
    return f"Re-ranked, with {network_name(network.key)}, no removal would have been cheaper: {enumerate_words(parts)}."


def optimum(results: Results) -> str:
    """Say how far greedy brute force is from the best mask of every size."""
    assert results.gaps is not None
    data = results.gaps
    one = data.sel({"ranked_by": "brute_force", "ranking": "reranked"})
    gap, inner = one["gap"].values, one["is_optimal"].values[1:-1]
    worst = int(gap.argmax())
    reached, sizes = int(inner.sum()), inner.size
    nested = int(data["nested"].values[1:-1].sum())
    text = (
        f"All {2 ** (data.sizes['step'] - 1):,} masks of the small network were evaluated. Greedy brute force, "
        f"re-ranked, has the best mask at {reached} of {sizes} sizes"
    )
    if gap[worst] > 0:
        best = float(data["best"].values[worst])
        times = f", {number(float(one['loss'][worst]) / best, digits=3)} times as high" if best > 0 else ""
        text += (
            f"; its loss is {number(float(gap[worst]), digits=3)} above the best at most, after {worst} removals{times}"
        )
    return (
        f"{text}. At {nested} of {sizes} sizes the best mask is one removal away from the best mask before it; at the "
        "others no order of removals could have both."
    )


def other_criteria(results: Results) -> str:
    """Say how far brute force gets with another criterion or task."""
    parts = []
    for key, network in results.others.items():
        count = network.number("removable", "brute_force", fall=DROPS[0])
        if np.isnan(count):
            count = network.number("cheap", "brute_force")
            parts.append(
                f"In the {network_name(key)} ({network.attrs['task']}) brute force, re-ranked, removes {count:.0f} of "
                f"{network.nodes} nodes before the loss is above {TOLERATED:g} times its start."
            )
        else:
            beside = results.depths.get(1)
            theirs = "" if beside is None else f"; by {beside.criterion} it is "
            theirs += "" if beside is None else f"{beside.number('removable', 'brute_force', fall=DROPS[0]):.0f}"
            parts.append(
                f"Trained on and ranked by {network.criterion}, brute force removes {count:.0f} of {network.nodes} "
                f"nodes before the accuracy falls by more than one percentage point{theirs}. The two networks differ, "
                "not only the criterion."
            )
        parts.append(
            f"Of the choices of second order {percent(network.number('share_best', 'second_order'), 0)} are the best."
        )
    return " ".join(parts)


def retraining(results: Results) -> str:
    """Say what retraining brings, and whether it smooths the curve of brute force."""
    assert results.retrained is not None and results.retraining is not None
    data, often = results.retrained.data, results.retrained.often
    if not often:
        return "Nothing was retrained in this run."
    never, with_it = (data.sel({"ranked_by": "brute_force", "every": every}) for every in (0, often))
    counts = [int(one["removable"].sel(fall=DROPS[0])) for one in (never, with_it)]
    rough = [float(one["wrong_way"]) for one in (never, with_it)]
    smoother = "smoother" if rough[1] < rough[0] else "not smoother"
    epochs = int(results.retraining.attrs.get("epochs", 0))
    for_long = f" for {epochs} epoch{'' if epochs == 1 else 's'}" if epochs else ""
    return (
        f"Retrained{for_long} after every {often} removals, brute force removes {counts[1]} nodes before the test "
        f"accuracy falls by more than one percentage point, and {counts[0]} without. The paper expected a smooth "
        f"curve: it is {smoother}, with {percent(rough[1], 0)} of its movement upwards against {percent(rough[0], 0)}."
    )


def one_of_each(results: Results) -> str:
    """Say what one network of each kind can show."""
    return (
        "There is one trained network of each kind. Networks from other seeds may answer otherwise, most of all where "
        "a number is close to the bound of its rule."
    )
