"""The sentences of the relevance report beside its claims; every number in them comes from the data."""

from collections import Counter

import numpy as np

from analysis.intervals import interval
from analysis.reports.wording import capitalised, enumerate_words, number, percent, whole
from sweeps.studies.relevance.claims import UNDECIDED
from sweeps.studies.relevance.measures import deletion, ledger, names_of, nodes
from sweeps.studies.relevance.names import keys, measure_name
from sweeps.studies.relevance.results import Results
from sweeps.studies.relevance.tables import printed_method
from sweeps.studies.shrinking.claims import FAILS, HOLDS, OPEN, PARTLY
from sweeps.studies.sparsity.answers import said

BAND = "Bands: 95 % t-intervals over images, at each point by itself."


def lead(results: Results) -> str:
    """Say what was asked."""
    shape = enumerate_words(results.layers) if results.layers else "unknown layers"
    return (
        "Which inputs does a decision come from? Relevance goes backwards through a network by one rule for each kind "
        "of layer; the rules compose into the methods of the literature. The study follows “Visualizing Neural "
        "Networks, how to blame the bias”: biases are inputs of value 1 and have relevance of their own. Here on "
        f"{results.task_name}, with a network of {shape}."
    )


def tally(results: Results) -> str:
    """Count the verdicts."""
    found = Counter(claim.verdict for claim in results.claims.values())
    words = {
        HOLDS: ("holds", "hold"),
        PARTLY: ("holds partly", "hold partly"),
        FAILS: ("does not hold", "do not hold"),
        UNDECIDED: ("is undecided", "are undecided"),
        OPEN: ("was not measured", "were not measured"),
    }
    parts = [f"{found[one]} {word[found[one] > 1]}" for one, word in words.items() if found[one]]
    return f"Of {len(results.claims)} claims {enumerate_words(parts)} here, by rules that are stated with each."


def network(results: Results) -> str:
    """Describe the network that is explained."""
    attributes = results.network.attrs
    parts = []
    if "parameters" in attributes:
        parts.append(f"{whole(int(attributes['parameters']))} parameters")
    if "epochs" in attributes:
        parts.append(f"{attributes['epochs']} epochs of training")
    if "test_accuracy" in attributes:
        parts.append(f"accuracy {percent(float(attributes['test_accuracy']))} on the test set")
    if "test_loss" in attributes:
        parts.append(f"loss {number(float(attributes['test_loss']), digits=3)} there")
    of = f": {enumerate_words(parts)}" if parts else ""
    return (
        f"One network is explained{of}. What its images say holds for this network; other seeds were not trained, so "
        "intervals over images do not cover what another network would show."
    )


def same(results: Results) -> str:
    """Say which methods give the same heat maps."""
    groups = [group for group in results.same if len(group) > 1]
    if not groups:
        return "No two methods give the same heat maps."
    parts = [enumerate_words([results.names[key] for key in group]) for group in groups]
    activations = [layer for layer in results.layers if layer in ("relu", "tanh", "sigmoid", "gelu", "softplus")]
    reason = (
        ": with relu as the only nonlinearity the slope is the gradient, and with biases as inputs the normalised rule "
        "is the slope rule times the activation"
        if set(activations) == {"relu"} and any({"slope", "lrp"} & set(group) for group in groups)
        else ""
    )
    return f"The same maps come from {'; and from '.join(parts)}{reason}."


def ledger_said(results: Results) -> str:
    """Say how much the biases take, and where most of it."""
    if "ledger" not in results.groups:
        return "No ledger was kept in this run."
    shares = ledger.shares(results["ledger"])
    parts = [part for part in keys(shares, "part") if part.startswith("biases of")]
    known = [key for key in keys(shares) if np.isfinite(shares.sel({"attributed_by": key}).values).all()]
    own = [key for key in known if key in results.conserving]
    key = printed_method(results)
    text = []
    if key in known and parts:
        biases = {part: float(shares.sel({"attributed_by": key, "part": part})) for part in parts}
        largest = max(biases, key=lambda part: abs(biases[part]))
        text.append(
            f"By {results.names[key]} the biases take {percent(sum(biases.values()))} of the output in the mean, most "
            f"of it those of {largest.removeprefix('biases of ')} ({percent(biases[largest])})."
        )
    if len(own) > 1 and parts:
        taken = {one: float(shares.sel({"attributed_by": one, "part": parts}).sum()) for one in own}
        low, high = min(taken, key=lambda one: taken[one]), max(taken, key=lambda one: taken[one])
        if taken[high] - taken[low] > 1e-4:
            text.append(
                f"Among the methods that promise to conserve relevance this goes from {_share(taken[low])} by "
                f"{results.names[low]} to {_share(taken[high])} by {results.names[high]}."
            )
    others = {
        one: float(shares.sel({"attributed_by": one, "part": "not conserved"}))
        for one in known
        if one not in results.conserving
    }
    if others:
        far = max(others, key=lambda one: abs(others[one]))
        text.append(
            f"Of the methods that promise nothing, {results.names[far]} is farthest from conserving: inputs and biases "
            f"together have {number(1 - others[far], digits=3)} times what came in."
        )
    text.append(
        "Shares are ratios of means over the test images; the store holds no spread over images, so they have no "
        "interval. Methods that compare with a baseline receive the output less the baseline’s, and biases cancel."
    )
    return " ".join(text)


def _share(value: float) -> str:
    return percent(value).replace("-", "−")


def deletion_rule(results: Results) -> str:
    """Say how deletion is measured."""
    data = results["deletion"]
    size, orders = data.attrs.get("region"), data.attrs.get("random_orders")
    of = f"of {size} × {size} pixels" if size and int(size) > 1 else "of one pixel" if size else ""
    drawn = f" Random order: the mean of {orders} orders." if orders else ""
    return (
        f"Regions {of}, {deletion.regions(data)} an image, are replaced one after the other, the most relevant first "
        f"or the least, by {enumerate_words(results.replacements)}; the probability is that of the class named at "
        "first. Three areas over the axis, each the better the larger: over the curve that starts with the most "
        "relevant, from its start; under the curve that starts with the least relevant; and between the two curves, by "
        f"which the methods are ranked: random order has none in the mean.{drawn} A method that gives no signs "
        "cannot put what speaks against a class last."
    ).replace("Regions ,", "Regions,")


def deletion_said(results: Results) -> str:
    """Say which methods are best by deletion, and which are not told apart from them."""
    parts = []
    for name in results.replacements:
        pairs = results.pairs[name]
        if not pairs.names:
            continue
        assert results.scores is not None
        best = pairs.names[0]
        area = interval(results.scores["between"].sel({"attributed_by": best, "replacement": name}).values)
        group = next((group for group in results.same if best in group), [best])
        alike = [key for key in pairs.names[1:] if not pairs.apart[0, pairs.names.index(key)] and key not in group]
        twins = [results.names[key] for key in group if key != best and key in pairs.names]
        text = f"by {name} {results.names[best]} has the largest area between the curves, {said(area, 3)}"
        text += f", with {enumerate_words(twins)}, whose maps are the same" if twins else ""
        if np.isfinite(pairs.half).all():
            text += (
                f"; not told apart from it: {enumerate_words([results.names[key] for key in alike])}" if alike else ""
            )
        else:
            text += "; one image tells no two methods apart"
        parts.append(f"{capitalised(text)}.")
    return " ".join(parts)


def baselines(results: Results) -> str:
    """Say where the methods rank that compare with what is put in place of a region; nothing without two of each."""
    with_ = {name: f"deeplift_{name}" for name in results.replacements}
    if len(with_) < 2 or any(key not in results.pairs[name].names for key in with_.values() for name in with_):
        return ""
    parts = []
    for key in with_.values():
        places = [f"{results.pairs[name].names.index(key) + 1} by {name}" for name in with_]
        parts.append(f"{results.names[key]} is at rank {enumerate_words(places)}")
    own = [results.pairs[name].names.index(key) for name, key in with_.items()]
    other = [results.pairs[name].names.index(key) for key in with_.values() for name in with_ if with_[name] != key]
    if max(own) < min(other):
        end = "Deletion favours the method that compares with what is put in place: it measures the baseline, too."
    else:
        end = "A method that compares with what is put in place is not always ahead of one that does not."
    return f"{capitalised('; '.join(parts))}, of {len(results.order)}. {end}"


def nodes_said(results: Results) -> str:
    """Say which measure of nodes goes best with removal."""
    if results.correlation is None:
        return "No nodes were compared in this run."
    data, parts = results["nodes"], []
    names = names_of(data, "measure")
    for reference in nodes.references(data):
        if reference == "gate_gradient":
            continue
        found = {key: nodes.mean_of(results.correlation, key, reference) for key in nodes.relevances(data)}
        found = {key: one for key, one in found.items() if one.networks}
        if not found:
            continue
        best, worst = max(found, key=lambda key: found[key].mean), min(found, key=lambda key: found[key].mean)
        text = f"with {measure_name(reference)} the relevance of the highest rank correlation is {names[best]}, "
        text += f"ρ {said(found[best], 2)}"
        if worst != best:
            text += f", that of the lowest {names[worst]}, ρ {said(found[worst], 2)}"
        own = nodes.mean_of(results.correlation, "gate_gradient", reference) if "gate_gradient" in names else None
        text += f"; the gate gradient has {said(own, 2)}" if own is not None and own.networks else ""
        parts.append(f"{capitalised(text)}.")
    return " ".join(parts)


def nodes_rule(results: Results) -> str:
    """Say what the signs mean, and of what relevance is."""
    attributes = results["nodes"].attrs
    convention = str(attributes.get("convention", "positive: the node helps"))
    of = f" Relevance is of the {attributes['relevance_of']}." if "relevance_of" in attributes else ""
    return (
        f"One number a node, {convention}.{of} A node counts with its mean over the test set. The gate gradient and "
        "removal are of the loss, relevance of an output: an output that is large already gains nothing in loss, so "
        "the two can differ where the network is sure."
    )
