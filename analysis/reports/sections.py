"""The parts of a page that every report of a sweep has in common."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from analysis import figures, layers
from analysis.reports import sweep_text as text
from analysis.reports._old_page import Block, Command, Picture, Section, Tabular, Text
from analysis.reports.sweep_results import SweepResults
from analysis.reports.wording import listed, number, percent, settings_table
from analysis.runs import Run
from analysis.tables import Table

#: Most nodes of a layer that is drawn in a heat map.
GRID = 64
FOOTER = "Tables (LaTeX, CSV), numbers.tex and figures (PDF, PNG) lie beside this page."


def draw(results: SweepResults) -> dict[str, Figure]:
    """Draw the figures of a sweep that its results allow, by file name."""
    full, sweep = results.full_loss, results.sweep
    drawn: dict[str, Figure] = {}
    if results.training is not None and "loss" in results.training:
        drawn["training"] = figures.training.overview(results.training, full, results.full_accuracy, results.unit)
    if results.design != "LeaveOneOut":  # a bar for each of a few nodes says more than a density of them
        density_of = figures.densities
        drawn |= {
            "loss_density": figures.style.figure_of(density_of.loss(sweep, full, results.loss_width)),
            "log_loss_density": figures.style.figure_of(density_of.log_loss(sweep, full, results.log_loss_width)),
        }
    if results.nodes is not None:
        drawn |= _single_removals(results.nodes, full)
    if results.layers is not None:
        drawn["layers"] = figures.layers.overview(results.layers)
    return drawn


def _grouped(nodes: xr.Dataset) -> layers.Groups | None:
    """Return the layers by which single removals are drawn; None for few nodes of one layer."""
    found = layers.groups(nodes) if "layer" in nodes.coords else None
    few = found is None or (len(found.names) == 1 and len(found.labels) <= figures.style.NAMED)
    return None if few else found


def _grid_names(found: layers.Groups) -> dict[str, str]:
    """File names of the heat maps, by the kind of node: letters and digits of the kind, and a number if need be."""
    names: dict[str, str] = {}
    for kind in dict.fromkeys(found.kinds):
        name = "_".join(["nodes", *re.findall("[A-Za-z0-9]+", kind)])[:60]
        taken = name.lower() in (other.lower() for other in names.values())
        names[kind] = f"{name}_{len(names)}" if taken else name
    return names


def _single_removals(nodes: xr.Dataset, full: float) -> dict[str, Figure]:
    found = _grouped(nodes)
    if found is None:
        return {"leave_one_out": figures.style.figure_of(figures.removal.leave_one_out(nodes, full))}
    drawn = {"leave_one_out": figures.style.figure_of(figures.nodes.effects(nodes, full_loss=full))}
    for kind, name in _grid_names(found).items():
        sizes = found.sizes[[its == kind for its in found.kinds]]
        # One row, or rows of many nodes, say no more than the strips do.
        if kind and sizes.size > 1 and sizes.max() <= GRID:
            drawn[name] = figures.style.figure_of(figures.nodes.grid(nodes, kind, full_loss=full))
    return drawn


def _error_note(results: SweepResults) -> str:
    if results.population:
        note = "All masks of this kind are here, each once: no standard errors; the standard deviation has divisor n."
    elif results.design in ("Bernoulli", "FixedSize"):
        note = "The masks are independent draws, so the standard error of the mean is sd / √masks."
    else:
        note = "The standard error, sd / √masks, holds if the masks are independent draws; the sweep cannot tell."
    resolution = float(results.losses["quantile_resolution"].max())
    return note + (f" Quantiles, from a histogram, are off by {resolution:.2g} at most." if resolution else "")


def _fit_note(results: SweepResults) -> str:
    notes = []
    if results.tested:
        notes.append(
            "p-value: Anderson-Darling statistic of the logs with both parameters fitted, by parametric bootstrap "
            "(999 samples, at most 1,000 draws)."
        )
    missing = float(results.fits["ks_resolution"].max())
    if missing > 0:
        notes.append(f"The KS distance, from a histogram, is too small by {missing:.3f} at most.")
    if not results.population:
        notes.append(
            "For n log-normal draws skewness and excess kurtosis scatter about 0 with standard deviations √(6/n) and "
            "√(24/n). The error of the standard deviation allows for the measured kurtosis."
        )
    return " ".join(notes)


def of_loss(results: SweepResults, made: dict[str, Table], pictures: dict[str, Path]) -> list[Block]:
    """Tell of the loss: its shape, its density, its moments."""
    table = Tabular(made["loss"], _error_note(results))
    if "loss_density" not in pictures:
        return [table]
    of = "the loss at each p" if results.probabilities else "the loss over the masks"
    caption = (
        f"Density of {of} (Gaussian kernel of width {results.loss_width:.3g} {results.unit}; the kernel can reach "
        "below zero, the loss cannot). The line is the loss with every node on."
    )
    return [Text(text.loss_shape(results)), Picture(pictures["loss_density"], caption), table]


def of_log_loss(results: SweepResults, made: dict[str, Table], pictures: dict[str, Path]) -> list[Block]:
    """Tell of the log loss: whether and how far a log-normal law holds."""
    verdict = Text(f"{text.lognormal_verdict(results)} {text.lognormal_departure(results)}")
    table = Tabular(made["log_loss"], _fit_note(results))
    if "log_loss_density" not in pictures:
        return [verdict, table]
    of = "the log loss at each p" if results.probabilities else "the log loss"
    caption = (
        f"Density of {of} (solid; Gaussian kernel of width {results.log_loss_width:.3g}) with the normal law of the "
        "same mean and standard deviation (dashed)."
    )
    return [verdict, Picture(pictures["log_loss_density"], caption), table]


def of_single_removals(results: SweepResults, pictures: dict[str, Path]) -> list[Block]:
    """Show what single nodes are worth: of one layer the costliest first, or layer by layer."""
    found = None if results.nodes is None else _grouped(results.nodes)
    if found is None:
        return [Picture(pictures["leave_one_out"], "Loss when one node alone is off, from the costliest node on.")]
    caption = (
        "Change of the loss when one node alone is off, layer by layer. Of many nodes each is a point, scattered up "
        "and down only to be seen; named is the costliest of its layer. The axis may be stretched about 0."
    )
    blocks: list[Block] = [Picture(pictures["leave_one_out"], caption)]
    for kind, name in _grid_names(found).items():
        if name in pictures:
            caption = (
                f"The same as a map of the layers of {kind}s: blue where the network needs the node, yellow where it "
                "does better without."
            )
            wide = max(found.sizes[[its == kind for its in found.kinds]]) > figures.nodes.NARROW
            blocks.append(Picture(pictures[name], caption, wide))
    return blocks


def of_layers(results: SweepResults, made: dict[str, Table], pictures: dict[str, Path]) -> list[Section]:
    """Compare the layers: one section, or none where there are not several."""
    if results.layers is None:
        return []
    single = "mean_change" in results.layers
    caption = (
        "Change of the loss (left) and of the log loss (right) when a node goes off, over the nodes of each layer."
        if single
        else "Gate gradient of a node of each layer, mean over masks and nodes (left), and its sum over the layer "
        "(right), with 1.96 standard errors."
        if "log_loss_gradient_mean" in results.layers
        else "Slope of the log loss in the number of nodes that are on in each layer (left), and that times the "
        "layer's nodes (right), with 1.96 standard errors."
    )
    note = (
        "Every node is here once: standard deviations have divisor n, and there are no standard errors."
        if single
        else "Nodes of one draw are not independent of each other, draws are: the standard errors are from whole draws."
    )
    said: list[Block] = [Text(sentence) for sentence in [text.layers_summary(results)] if sentence]
    picture = Picture(pictures["layers"], caption, wide=True)
    return [Section("Layer by layer", [*said, picture, Tabular(made["layers"], note)])]


def _trained(results: SweepResults) -> str:
    network = results.network.attrs
    if "train_loss" not in network:
        return ""
    end = "At the end the" if results.training is not None else "The"
    loss = f"{end} loss on the training set is {number(float(network['train_loss']))} {results.unit}"
    if "train_accuracy" not in network:
        return f"{loss}."
    return f"{loss} and the accuracy {percent(float(network['train_accuracy']))}."


def task_in_words(task: xr.Dataset) -> str:
    """List the settings of a task."""
    return listed({key: value for key, value in task.attrs.items() if key != "complete"})


def provenance(
    results: SweepResults, made: Mapping[str, Table], pictures: dict[str, Path], settings: Mapping[str, Any]
) -> list[Section]:
    """Tell how the network was trained, with which settings, and how to do it again."""
    run, attributes = results.run, results.sweep.attrs
    training: list[Block] = []
    if "training" in pictures:
        training.append(
            Picture(
                pictures["training"],
                "Training: means over the batches during each epoch, and the trained network on the test set.",
                wide=results.full_accuracy is not None,
            )
        )
    training.append(Text(f"{_trained(results)} The task: {task_in_words(results.task)}.".strip()))
    if "sites" in made:
        training.append(Tabular(made["sites"]))
    training.append(Tabular(settings_table("settings", "Settings.", settings)))
    plan = f" Plan of evaluation: {attributes['plan']}." if "plan" in attributes else ""
    precision = f" Precision of matrix products: {attributes['precision']}." if "precision" in attributes else ""
    during = "All gates were on during training; " if results.training is not None else "In the sweep "
    heading = "Training and settings" if results.training is not None else "The network and the settings"
    said = f"{during}a gate multiplies its node's activation.{plan}{precision}"
    return [Section(heading, training), again(run, said)]


def again(run: Run, said: str) -> Section:
    """Tell how to do a run again, and on what it was computed; `said` is added to that."""
    return Section(
        "To do it again",
        [
            Command(run.command),
            Text(f"Computed on {run.device}. {said}"),
            Text(f"Seeds: {listed(run.seeds)}. Software: {listed(run.versions)}."),
        ],
    )
