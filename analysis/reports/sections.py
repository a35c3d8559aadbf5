"""The parts of a page that every report of a sweep has in common."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from analysis import figures
from analysis.reports import sweep_text as text
from analysis.reports.page import Block, Command, Picture, Section, Tabular, Text
from analysis.reports.sweep_results import SweepResults
from analysis.reports.wording import listed, number, percent, settings_table
from analysis.tables import Table

FOOTER = "Tables (LaTeX, CSV), numbers.tex and figures (PDF, PNG) lie beside this page."


def draw(results: SweepResults) -> dict[str, Figure]:
    """Draw the figures of a sweep that its results allow, by file name."""
    full, sweep = results.full_loss, results.sweep
    drawn = {"training": figures.training.overview(results.training, full, results.full_accuracy, results.unit)}
    if results.design != "LeaveOneOut":  # a bar for each of a few nodes says more than a density of them
        density_of = figures.densities
        drawn |= {
            "loss_density": figures.style.figure_of(density_of.loss(sweep, full, results.loss_width)),
            "log_loss_density": figures.style.figure_of(density_of.log_loss(sweep, full, results.log_loss_width)),
        }
    if results.nodes is not None:
        drawn["leave_one_out"] = figures.style.figure_of(figures.removal.leave_one_out(results.nodes, full))
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


def of_single_removals(pictures: dict[str, Path]) -> Block:
    """Show what single nodes are worth."""
    return Picture(pictures["leave_one_out"], "Loss when one node alone is off, from the costliest node on.")


def _trained(results: SweepResults) -> str:
    network = results.network.attrs
    loss = f"At the end the loss on the training set is {number(float(network['train_loss']))} {results.unit}"
    if "train_accuracy" not in network:
        return f"{loss}."
    return f"{loss} and the accuracy {percent(float(network['train_accuracy']))}."


def _task(results: SweepResults) -> str:
    return listed({key: value for key, value in results.task.attrs.items() if key != "complete"})


def provenance(results: SweepResults, pictures: dict[str, Path], settings: Mapping[str, Any]) -> list[Section]:
    """Tell how the network was trained, with which settings, and how to do it again."""
    run, attributes = results.run, results.sweep.attrs
    training: list[Block] = [
        Picture(
            pictures["training"],
            "Training: means over the batches during each epoch, and the trained network on the test set.",
            wide=results.full_accuracy is not None,
        ),
        Text(f"{_trained(results)} The task: {_task(results)}."),
        Tabular(settings_table("settings", "Settings.", settings)),
    ]
    plan = f" Plan of evaluation: {attributes['plan']}." if "plan" in attributes else ""
    precision = f" Precision of matrix products: {attributes['precision']}." if "precision" in attributes else ""
    again: list[Block] = [
        Command(run.command),
        Text(
            f"Computed on {run.device}. All gates were on during training; a gate multiplies its node's activation."
            f"{plan}{precision}"
        ),
        Text(f"Seeds: {listed(run.seeds)}. Software: {listed(run.versions)}."),
    ]
    return [Section("Training and settings", training), Section("To do it again", again)]
