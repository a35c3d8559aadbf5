"""The report of the circle study: the loss of a small network under random node removal."""

from os import PathLike
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from analysis import figures, runs
from analysis.reports import circle_tables as tables
from analysis.reports import circle_text as text
from analysis.reports.circle_results import Results, measure
from analysis.reports.page import Block, Command, Page, Picture, Points, Section, Tabular, Text
from analysis.tables import Column, Table

TITLE = "A small network under random node removal"


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure of the study.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By file name.
    """
    losses, full = results.sweep["loss"], results.full_loss
    return {
        "training": figures.training.overview(results.training, full, results.full_accuracy),
        "loss_density": figures.style.figure_of(figures.densities.loss(losses, full)),
        "log_loss_density": figures.style.figure_of(figures.densities.log_loss(losses, full)),
        "leave_one_out": figures.style.figure_of(figures.removal.leave_one_out(results.nodes, full)),
        "log_loss_quantiles": figures.quantiles.panels(losses),
        "spread": figures.spread.overview(results.spread, results.published),
    }


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    rows: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            rows |= _flat(value, f"{prefix}{key}.")
        else:
            rows[prefix + key] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return rows


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')}\u00a0{value}" for key, value in _flat(settings).items())


def _settings_table(name: str, caption: str, settings: dict[str, Any]) -> Table:
    rows = _flat(settings)
    return Table(name, caption, [Column("name", "name", list(rows)), Column("value", "value", list(rows.values()))])


def _result_sections(results: Results, made: dict[str, Table], pictures: dict[str, Path]) -> list[Section]:
    loss: list[Block] = [
        Text(text.loss_shape(results)),
        Picture(
            pictures["loss_density"],
            "Density of the loss at each p (Gaussian kernel of width 0.03 nats; the kernel can reach below "
            "zero, the loss cannot). The line is the loss with every node on.",
        ),
        Tabular(made["loss"], "The masks are independent draws, so the standard error of the mean is sd / √masks."),
        Text(text.masks_summary(results)),
        Tabular(made["masks"]),
    ]
    logs: list[Block] = [
        Text(f"{text.lognormal_verdict(results)} {text.lognormal_departure(results)}"),
        Picture(
            pictures["log_loss_density"],
            "Density of the log loss at each p (solid; Gaussian kernel of width 0.03) with the normal law of "
            "the same mean and standard deviation (dashed).",
        ),
        Tabular(
            made["log_loss"],
            "p-value: Anderson-Darling statistic of the logs with both parameters fitted, by parametric "
            "bootstrap (999 samples, at most 1,000 draws). For n log-normal draws skewness and excess "
            "kurtosis scatter about 0 with standard deviations √(6/n) and √(24/n). The error of the standard "
            "deviation allows for the measured kurtosis.",
        ),
        Picture(
            pictures["log_loss_quantiles"],
            "Log loss against a normal law, both in standard deviations. A log-normal sample stays inside "
            "the grey band everywhere with probability 0.95; points outside it are black.",
            wide=True,
        ),
    ]
    single: list[Block] = [
        Text(text.single_removals(results)),
        Picture(pictures["leave_one_out"], "Loss when one node alone is off, from the costliest node on."),
    ]
    theirs: list[Block] = [
        Text(text.boundary_note(results)),
        Text(text.spread_settings(results)),
        Points([text.published_verdict(results, rule) for rule in dict.fromkeys(results.comparison["boundary"])]),
        Text(text.published_caution(results)),
        Picture(
            pictures["spread"],
            "Networks trained from different seeds: a dot each, a box from quartile to quartile, a thick "
            "line at the median, under both circles; diamonds are the published numbers.",
            wide=True,
        ),
        Tabular(made["published"], f"Published: {results.published.attrs['source']}."),
        Tabular(
            made["spread"],
            "rank: fraction of our networks below the published number. z: its distance from our mean in "
            "standard deviations.",
        ),
    ]
    return [
        Section("The loss", loss),
        Section("The log loss", logs),
        Section("One node at a time", single),
        Section("Beside the published numbers", theirs),
    ]


def _provenance(results: Results, pictures: dict[str, Path]) -> list[Section]:
    run, network = results.run, results.network.attrs
    training: list[Block] = [
        Picture(
            pictures["training"],
            "Training: means over the batches during each epoch, and the trained network on the test set.",
            wide=True,
        ),
        Text(
            f"At the end the loss on the training set is {text.number(float(network['train_loss']))} nats "
            f"and the accuracy {100 * float(network['train_accuracy']):.1f} %."
        ),
        Tabular(_settings_table("settings", "Settings of the study.", run.config)),
    ]
    again: list[Block] = [
        Command(run.command),
        Text(f"Computed on {run.device}. All gates were on during training; a gate multiplies its node's activation."),
        Text(f"Seeds: {_listed(run.seeds)}. Software: {_listed(run.versions)}."),
    ]
    return [Section("Training and settings", training), Section("To do it again", again)]


def page(results: Results, made: dict[str, Table], pictures: dict[str, Path]) -> Page:
    """Put the page together.

    Parameters
    ----------
    results : Results
    made : dict of str to Table
        The tables, by name.
    pictures : dict of str to pathlib.Path
        The PNG files of the figures, by name.

    Returns
    -------
    analysis.reports.page.Page
    """
    rule = str(results.task.attrs["boundary"])
    short = Points(
        [
            text.loss_summary(results),
            text.lognormal_verdict(results),
            text.published_verdict(results, rule),
            text.counts(results),
        ]
    )
    return Page(
        title=TITLE,
        lead=text.lead(results),
        sections=[
            Section("In short", [short]),
            *_result_sections(results, made, pictures),
            *_provenance(results, pictures),
        ],
        footer="Tables (LaTeX, CSV), numbers.tex and figures (PDF, PNG) lie beside this page.",
    )


def write(folder: str | PathLike[str]) -> Path:
    r"""Write tables, macros, figures and the page of a circle study.

    Parameters
    ----------
    folder : str or path
        The run folder. ``tables/*.tex`` and ``*.csv``, ``numbers.tex``, ``figures/*.pdf`` and ``*.png``, and
        ``report.html`` are written into it. Two calls on one store write the same bytes.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    FileNotFoundError
        If there is no run in the folder.
    ValueError
        If the store cannot be read or is no circle study.
    """
    run = runs.open_run(folder)
    if run.study != "circle":
        raise ValueError(f"folder: expected a run of the study 'circle', got a run of {run.study!r} in {folder}")
    results = measure(run)
    made = tables.all_tables(results)
    for table in made.values():
        table.write(run.folder / "tables")
    tables.numbers(results).write(run.folder / "numbers.tex")
    pictures = {
        name: figures.style.save(figure, run.folder / "figures", name)[1] for name, figure in draw(results).items()
    }
    return page(results, made, pictures).write(run.folder / "report.html")
