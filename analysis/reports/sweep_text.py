"""The sentences that every report of a sweep may say; each number and verdict in them comes from the data."""

import numpy as np

from analysis.lognormal import ks_distance_by_chance
from analysis.reports.sweep_results import LEVEL, SweepResults
from analysis.reports.wording import at, capitalised, enumerate_words, number, percent, signed, whole


def network_in_words(results: SweepResults) -> str:
    """Name the network: by its sizes, by where it came from, or not at all."""
    attributes = results.network.attrs
    if "sizes" in attributes:
        return f"a {'-'.join(str(int(size)) for size in np.ravel(attributes['sizes']))} network"
    return f"the network {attributes['network']}" if "network" in attributes else "a network"


def training_in_words(results: SweepResults) -> str:
    """Say what the network is, and whether it was trained in this run."""
    attributes = results.network.attrs
    about = [str(attributes["activation"])] if "activation" in attributes else []
    if "parameters" in attributes:
        about.append(f"{whole(int(attributes['parameters']))} parameters")
    name = capitalised(network_in_words(results)) + (f" ({', '.join(about)})" if about else "")
    if results.training is None:
        return f"{name} was taken as it is, on the task {results.task_name}."
    return f"{name} was trained on the task {results.task_name} with all gates on."


def examples_in_words(results: SweepResults) -> str:
    """Say over what the mean of a loss is taken."""
    sizes = results.task.sizes
    text = f"{whole(sizes['test_example'])} test examples" if "test_example" in sizes else "the test set"
    if "test_mask" in results.task:
        kept = results.task["test_mask"].values != 0
        text += f", {whole(int(np.count_nonzero(kept)))} of whose {whole(kept.size)} targets count"
    return text


def layers_summary(results: SweepResults) -> str:
    """Say which layers matter most, of single removals or of draws."""
    data = results.layers
    if data is None:
        return ""
    names = [str(layer) for layer in data["layer"].values]
    if "mean_change" in data:
        values = data["mean_change"].values
        if not np.isfinite(values).any():
            return ""
        most, least = int(np.nanargmax(values)), int(np.nanargmin(values))
        text = (
            f"A node of {names[most]} is worth most on average: without one the loss changes by "
            f"{signed(values[most], '.3g')} {results.unit}; a node of {names[least]} is worth least "
            f"({signed(values[least], '.3g')} {results.unit})."
        )
        narrow = " The nodes of a narrow layer are larger parts of it." if np.ptp(data["nodes"].values) else ""
        return text + narrow
    if "log_loss_gradient_mean" not in data:
        return ""
    row = data.isel(probability=data.sizes["probability"] // 2) if "probability" in data.dims else data
    total = row["log_loss_gradient_mean"].values * row["nodes"].values
    if not np.isfinite(total).any():
        return ""
    most = int(np.nanargmax(np.abs(total)))
    error = float(row["log_loss_gradient_mean_error"][most] * row["nodes"][most])
    where = at([float(row["probability"])]) if "probability" in data.dims else ""
    return (
        f"Summed over the nodes of a layer, the gate gradient of the log loss is largest in size for {names[most]}"
        f"{where}: {number(float(total[most]), error, digits=3)}."
    )


def _over(results: SweepResults) -> str:
    nodes = results.node_count
    return {
        "Bernoulli": "under random removal",
        "Hypercube": f"over all {whole(int(results.losses['draws'].sum()))} masks",
        "LeaveOneOut": "with one node off",
        "FixedSize": f"with {results.on} of {nodes} nodes on" if results.design == "FixedSize" else "",
    }.get(results.design, "over the masks of the sweep")


def loss_summary(results: SweepResults) -> str:
    """Say what removal does to the loss."""
    data, unit = results.losses, results.unit
    means = [
        number(float(mean), float(error)) + at(results.probabilities[row : row + 1])
        for row, (mean, error) in enumerate(zip(data["mean_loss"], data["mean_loss_error"], strict=True))
    ]
    accuracy = results.full_accuracy
    right = "" if accuracy is None else f" and the accuracy {percent(accuracy)}"
    errors = "" if results.population else "; in brackets the standard error in units of the last digit"
    return (
        f"With every node on the loss is {number(results.full_loss, digits=3)} {unit}{right} on the test set. "
        f"{capitalised(_over(results))} the mean loss is {enumerate_words(means)} ({unit}{errors})."
    )


def loss_shape(results: SweepResults) -> str:
    """Say how the loss is spread over the masks."""
    quantiles = results.losses["loss_quantile"]
    median, high = ([number(float(value), digits=3) for value in quantiles.sel(quantile=q)] for q in (0.5, 0.95))
    return capitalised(
        f"{at(results.probabilities)} the median loss is {enumerate_words(median)} {results.unit}, and one mask in "
        f"twenty costs more than {enumerate_words(high)} {results.unit}.".lstrip()
    )


def lognormal_verdict(results: SweepResults) -> str:
    """Say whether log-normality is rejected, or why that is not asked."""
    if results.population:
        return (
            "The sweep holds all masks of its kind, each once. That is the whole population and no sample of it: there "
            "are no standard errors, and a p-value would have no meaning."
        )
    if results.summary:
        return (
            "A summary keeps no draws, so a log-normal law is not tested; how far the losses are from one is measured."
        )
    rejected, untested = results.rejected, results.untested
    kept = ~rejected & ~untested
    parts = []
    if rejected.any():
        parts.append(f"a log-normal law of the loss is rejected{at(results.probabilities_where(rejected))}")
    if kept.any():
        subject = "it" if parts else "a log-normal law of the loss"
        parts.append(f"{subject} is not rejected{at(results.probabilities_where(kept))}")
    if untested.any():
        parts.append(f"there was nothing to test{at(results.probabilities_where(untested))}")
    tests = int((~untested).sum())
    shared = f", shared over {tests} tests" if tests > 1 else ""
    level = f" (level {LEVEL:g}{shared})" if tests else ""
    return capitalised("; ".join(parts)) + level + "."


def lognormal_departure(results: SweepResults) -> str:
    """Say how large the departure from a log-normal law is, and what a test cannot show."""
    fits = results.fits
    if fits["ks_distance"].isnull().all():
        return "No fit has a shape to compare."
    worst = int(np.nanargmax(fits["ks_distance"].values))
    count, missing = int(fits["count"][worst]), float(fits["ks_resolution"][worst])
    text = (
        "The distribution functions of the losses and of the log-normal law of best fit differ by at most "
        f"{float(fits['ks_distance'][worst]):.3f}{at(results.probabilities[worst : worst + 1])}"
    )
    if missing:
        text += f", or by up to {missing:.3f} more, which the bins of the summary hide"
    if count >= 5 and not results.population:
        text += (
            f" ({whole(count)} draws from a log-normal law itself would exceed {ks_distance_by_chance(count):.2g} one "
            "time in twenty)"
        )
    if not results.untested.all() and not results.rejected.any():
        text += ". Not rejected does not mean proven: these draws show no departure, more of them might"
    return text + "."


def counts(results: SweepResults) -> str:
    """Say how many losses were zero or not finite."""
    data = results.losses
    nonpositive, nonfinite, total = (int(data[key].sum()) for key in ("nonpositive", "nonfinite", "draws"))
    if nonpositive == nonfinite == 0:
        return f"All {whole(total)} losses of the sweep are finite and above zero, so none was left out anywhere."
    return (
        f"Of the {whole(total)} losses of the sweep, {whole(nonpositive)} are zero and {whole(nonfinite)} are not "
        "finite. Zeros count in the mean loss and have no logarithm; losses that are not finite are left out of both. "
        "The tables give both numbers."
    )


def single_removals(results: SweepResults) -> str:
    """Say what single nodes are worth, where that was measured."""
    if results.nodes is None:
        return (
            "A summary does not say which loss belongs to which node; the cheapest removals are among the best masks."
        )
    change = results.nodes["change"]
    known = np.isfinite(change.values)
    if not known.any():
        return "No single removal gave a finite loss."
    values, labels = change.values[known], [str(label) for label in change["node"].values[known]]
    worst, least = int(np.argmax(values)), int(np.argmin(np.abs(values)))
    rises = int(np.count_nonzero(values > 0))
    missing = "" if known.all() else f" {int((~known).sum())} removals gave no finite loss."
    raising = (
        f"each of the {values.size} nodes raises" if rises == values.size else f"{rises} of {values.size} nodes raise"
    )
    return (
        f"Switched off alone, {raising} the loss. The largest change is "
        f"{signed(values[worst], '.3f')} {results.unit} ({labels[worst]}), the smallest {signed(values[least], '.4f')} "
        f"({labels[least]}).{missing}"
    )


def best_summary(results: SweepResults) -> str:
    """Say which mask of the sweep has the lowest loss."""
    if results.best is None or results.best["loss"].isnull().all():
        return "No mask of the sweep has a finite loss."
    first = results.best.isel(rank=0)
    row = int(np.nanargmin(first["loss"].values))
    gates = first["gates"].values[row]
    loss = f"{number(float(first['loss'][row]))} {results.unit}{at(results.probabilities[row : row + 1])}"
    if (gates == 1).all():
        return f"The lowest loss in the sweep, {loss}, is that of the mask with every node on."
    return (
        f"The lowest loss in the sweep is {loss}, with {int(np.count_nonzero(gates))} of {gates.size} nodes on; "
        f"with every node on it is {number(results.full_loss)}."
    )
