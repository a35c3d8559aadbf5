"""The numbers that the sentences on any sweep need, and a paper would quote."""

from typing import Any

import numpy as np
import xarray as xr

from analysis._reports import examples, measures, plane, walks
from analysis._reports.results import SweepResults
from analysis._reports.tables import p_value_text
from analysis.lognormal import ks_distance_by_chance
from analysis.numbers import Numbers

#: Draws from which on chance is said to give a distance from a law.
FEWEST = 5


def add(n: Numbers, results: SweepResults) -> None:
    """Add every number of a sweep."""
    _add_network(n, results)
    for row in range(results.losses["draws"].size):
        at: dict[str, Any] = {"p": results.probabilities[row]} if results.probabilities else {}
        _add_row(n, results, row, at)
    for key in ("draws", "nonpositive", "nonfinite"):
        n.add(f"all {key}", int(results.losses[key].sum()), comment="over the whole sweep")
    _add_departure(n, results)
    if results.best is not None:
        _add_best(n, results, results.best)
    if results.nodes is not None:
        _add_removals(n, results.nodes, results.unit)
    if results.layers is not None:
        _add_layers(n, results, results.layers)
    walks.add_numbers(n, results.walks, results.unit)
    measures.add_numbers(n, results.metrics, results.probabilities)
    examples.add_numbers(n, results.examples, results.unit)
    plane.add_numbers(n, results.plane)


def _add_network(n: Numbers, results: SweepResults) -> None:
    n.add("full loss", results.full_loss, comment=results.unit)
    if results.full_accuracy is not None:
        n.add("full accuracy", results.full_accuracy, digits=3, comment="on the test set")
    n.add("nodes", results.sweep.sizes["node"])
    network = results.network.attrs
    if "parameters" in network:
        n.add("parameters", int(network["parameters"]))
    for key in ("train_loss", "train_accuracy"):
        if key in network:
            n.add(key.replace("_", " "), float(network[key]), comment="on the training set")
    if "test_example" in results.task.sizes:
        n.add("test examples", results.task.sizes["test_example"])
    if "test_mask" in results.task:
        counted = results.task["test_mask"].values != 0
        n.add("targets", counted.size)
        n.add("targets counted", int(np.count_nonzero(counted)))


def _add_row(n: Numbers, results: SweepResults, row: int, at: dict[str, Any]) -> None:
    unit = results.unit
    loss, fit = (data.isel({results.dim: row}) for data in (results.losses, results.fits))
    n.add("masks", int(loss["draws"]), **at)
    n.add("mean loss", float(loss["mean_loss"]), float(loss["mean_loss_error"]), comment=unit, **at)
    n.add("sd loss", float(loss["sd_loss"]), comment=unit, **at)
    n.add("median loss", float(loss["loss_quantile"].sel(quantile=0.5)), digits=3, comment=unit, **at)
    worst = float(loss["loss_quantile"].sel(quantile=0.95))
    n.add("loss exceeded by one in twenty", worst, digits=3, comment=unit, **at)
    n.add("mean log loss", float(fit["mu"]), float(fit["mu_error"]), **at)
    n.add("sd log loss", float(fit["sigma"]), float(fit["sigma_error"]), **at)
    for key in ("ks_distance", "skewness", "excess_kurtosis"):
        n.add(key.replace("_", " "), float(fit[key]), digits=2, comment="of the log loss", **at)
    if results.tested:
        n.add("p value", p_value_text(float(fit["p_value"])), comment="of log-normality", **at)
    for key in ("nonpositive", "nonfinite"):
        n.add(f"{key} losses", int(loss[key]), **at)
    for key in ("distinct_masks", "full_masks", "empty_masks"):
        if key in loss:
            n.add(key.replace("_", " "), int(loss[key]), **at)
            n.add(f"expected {key.replace('_', ' ')}", float(loss[f"expected_{key}"]), digits=3, **at)


def _add_departure(n: Numbers, results: SweepResults) -> None:
    """Add how far the losses are from a log-normal law, where they are farthest."""
    fits = results.fits
    n.add("quantile resolution", float(results.losses["quantile_resolution"].max()), digits=2, comment=results.unit)
    n.add("ks resolution", float(fits["ks_resolution"].max()), digits=2, comment="hidden by the bins at most")
    if fits["ks_distance"].isnull().all():
        return
    worst = int(np.nanargmax(fits["ks_distance"].values))
    one = fits.isel({results.dim: worst})
    n.add("largest ks distance", float(one["ks_distance"]), comment="of the log loss")
    n.add("largest ks distance hidden", float(one["ks_resolution"]), comment="by the bins of the summary")
    n.add("largest ks distance count", int(one["count"]), comment="losses fitted")
    if results.probabilities:
        n.add("largest ks distance p", results.probabilities[worst], digits=None)
    if int(one["count"]) >= FEWEST and results.independent:
        chance = ks_distance_by_chance(int(one["count"]))
        n.add("ks distance by chance", chance, digits=2, comment="exceeded one time in twenty")


def _add_best(n: Numbers, results: SweepResults, best: xr.Dataset) -> None:
    """Add the lowest loss of the sweep and its mask."""
    first = best.isel(rank=0)
    if first["loss"].isnull().all():
        return
    row = int(np.nanargmin(first["loss"].values))
    gates = first["gates"].values[row]
    n.add("lowest loss", float(first["loss"][row]), comment=results.unit)
    n.add("lowest loss nodes on", int(np.count_nonzero(gates)))
    n.add("lowest loss is of the full mask", bool((gates == 1).all()))
    if results.probabilities:
        n.add("lowest loss p", results.probabilities[row], digits=None)


def _add_removals(n: Numbers, nodes: xr.Dataset, unit: str) -> None:
    """Add what single nodes are worth."""
    change = nodes["change"].values
    known = np.isfinite(change)
    n.add("removals with a finite loss", int(known.sum()))
    n.add("removals without a finite loss", int((~known).sum()))
    if not known.any():
        return
    values, labels = change[known], [str(label) for label in nodes["node"].values[known]]
    n.add("removals that raise the loss", int(np.count_nonzero(values > 0)))
    for name, place in (("costliest", int(np.argmax(values))), ("cheapest", int(np.argmin(np.abs(values))))):
        n.add(f"{name} removal", float(values[place]), digits=3, comment=unit)
        n.add(f"{name} node", labels[place])


def _add_layers(n: Numbers, results: SweepResults, data: xr.Dataset) -> None:
    """Add what a paper would quote of each layer; layers go by their numbers, since names may make the same macro."""
    names = [str(name) for name in data["layer"].values]
    n.add("layers", len(names))
    for layer, name in enumerate(names):
        one = data.isel(layer=layer)
        n.add(f"layer {layer} nodes", int(one["nodes"]), comment=name)
        if "mean_change" in one:
            for key in ("mean_change", "largest_change"):
                comment = f"{name}, {results.unit}"
                n.add(f"layer {layer} {key.replace('_', ' ')}", float(one[key]), digits=3, comment=comment)
        for key in ("slope", "log_loss_gradient_mean"):
            for row in range(max(1, len(results.probabilities)) if key in one else 0):
                at: dict[str, Any] = {"p": results.probabilities[row]} if results.probabilities else {}
                value = one.isel(probability=row) if results.probabilities else one
                words = f"layer {layer} {key.replace('_', ' ')}"
                n.add(words, float(value[key]), float(value[f"{key}_error"]), comment=name, **at)
    _add_extremes(n, results, data, names)


def _add_extremes(n: Numbers, results: SweepResults, data: xr.Dataset, names: list[str]) -> None:
    """Add the layers whose nodes are worth most and least, or whose gradient is largest."""
    if "mean_change" in data and np.isfinite(data["mean_change"].values).any():
        values = data["mean_change"].values
        for name, layer in (("most", int(np.nanargmax(values))), ("least", int(np.nanargmin(values)))):
            n.add(f"layer worth {name}", names[layer])
            n.add(f"layer worth {name} change", float(values[layer]), digits=3, comment=results.unit)
    if "log_loss_gradient_mean" in data:
        middle = data.sizes.get("probability", 1) // 2
        row = data.isel(probability=middle) if "probability" in data.dims else data
        total, error = ((row[f"log_loss_gradient_mean{end}"] * row["nodes"]).values for end in ("", "_error"))
        if np.isfinite(total).any():
            most = int(np.nanargmax(np.abs(total)))
            n.add("layer of largest gradient", names[most])
            n.add("largest layer gradient", float(total[most]), float(error[most]), digits=3)
            if results.probabilities:
                n.add("largest layer gradient p", results.probabilities[middle], digits=None)
