"""The report of the circle study: the loss of a small network under random node removal."""

from functools import partial
from os import PathLike
from pathlib import Path

from matplotlib.figure import Figure

from analysis import figures, runs
from analysis.reports import plane, sections, sweep_text
from analysis.reports._old_page import Block, Page, Picture, Points, Section, Tabular, Text
from analysis.reports._old_writing import publish
from analysis.tables import Table
from sweeps.studies.circle import figures as spread_of_networks
from sweeps.studies.circle import tables, text
from sweeps.studies.circle.cube import sections as cube
from sweeps.studies.circle.gradients import sections as gradients
from sweeps.studies.circle.results import Results, measure

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
    drawn = sections.draw(results)
    if results.families is not None:
        middle = results.sweep["loss"].isel(probability=len(results.probabilities) // 2)
        drawn["families"] = figures.families.overview(middle, results.families, results.log_loss_width)
    return drawn | {
        "log_loss_quantiles": figures.quantiles.panels(results.sweep["loss"]),
        "spread": spread_of_networks.overview(results.spread, results.published),
        **gradients.draw(results.gradients, results.sweep),
        **plane.draw(results.plane),
        **cube.draw(results.hypercube, results.sweep, results.losses, results.log_loss_width),
    }


def _result_sections(results: Results, made: dict[str, Table], pictures: dict[str, Path]) -> list[Section]:
    loss: list[Block] = [
        *sections.of_loss(results, made, pictures),
        Text(text.masks_summary(results)),
        Tabular(made["masks"]),
    ]
    logs: list[Block] = [
        *sections.of_log_loss(results, made, pictures),
        Picture(
            pictures["log_loss_quantiles"],
            "Log loss against a normal law, both in standard deviations. A log-normal sample stays inside "
            "the grey band everywhere with probability 0.95; points outside it are black.",
            wide=True,
        ),
    ]
    if results.families is not None:
        middle = results.probabilities[len(results.probabilities) // 2]
        logs += [
            Text(text.families_verdict(results.families)),
            Picture(
                pictures["families"],
                "Would such a law have given such losses? Black: the density of the log losses at "
                f"p = {middle:g}. In colour: samples of as many draws from the law of best fit, one family a panel. "
                "(f) How much better than the log-normal each predicts held-out draws, with two standard errors.",
                wide=True,
            ),
            Tabular(made["families"]),
        ]
    single: list[Block] = [Text(text.single_removals(results)), *sections.of_single_removals(results, pictures)]
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
        *gradients.section(results.gradients, made, pictures),
        *plane.section(results.plane, pictures),
        *cube.sections(results.hypercube, made, pictures),
        Section("Beside the published numbers", theirs),
    ]


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
            sweep_text.loss_summary(results),
            sweep_text.lognormal_verdict(results),
            text.published_verdict(results, rule),
            *text.hypercube_in_short(results),
            text.counts(results),
        ]
    )
    return Page(
        title=TITLE,
        lead=text.lead(results),
        sections=[
            Section("In short", [short]),
            *_result_sections(results, made, pictures),
            *sections.provenance(results, made, pictures, results.run.config),
        ],
        footer=sections.FOOTER,
    )


def write(folder: str | PathLike[str]) -> Path:
    r"""Write tables, macros, figures and the page of a circle study.

    Parameters
    ----------
    folder : str or path
        The run folder; see `analysis.reports.writing.publish`. Two calls on one store write the same bytes.

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
    run = runs.open_run(folder, study="circle")
    results = measure(run)
    made = tables.all_tables(results)
    drawn, films = draw(results), plane.films(results.plane)
    return publish(run.folder, made, tables.numbers(results), drawn, partial(page, results, made), films)
