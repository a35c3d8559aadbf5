"""The report of the relevance study: which inputs a decision comes from."""

from collections.abc import Mapping
from functools import partial
from os import PathLike
from pathlib import Path

from analysis import runs
from analysis.reports import sections
from analysis.reports._old_page import Block, Page, Picture, Points, Section, Tabular, Text
from analysis.reports._old_writing import publish
from analysis.reports.wording import number, settings_table
from analysis.tables import Table
from sweeps.studies.relevance import answers as claims
from sweeps.studies.relevance import tables, text, trainings
from sweeps.studies.relevance.drawn import draw
from sweeps.studies.relevance.measures import ledger
from sweeps.studies.relevance.numbers import numbers as macros
from sweeps.studies.relevance.results import Results, measure
from sweeps.studies.shrinking.claims import OPEN

TITLE = "Which inputs a decision comes from"

Pictures = Mapping[str, Path]
Tables = Mapping[str, Table]


def _verdicts(results: Results, *names: str) -> Points:
    return Points([claims.answer(results.claims[name], results) for name in names])


def _heat(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    own = "Each map is on a scale of its own, about zero; its end stands above it. The line is the digit’s outline."
    said: list[Block] = [Text(text.same(results)), _verdicts(results, "one_method")]
    blocks = [
        *said,
        Picture(pictures["heat"], f"One image under all methods, for the class that was named. {own}", True),
    ]
    if "classes" in pictures:
        caption = (
            "An image of each class under a few methods, for the class that was named. Each map is on a scale of its "
            "own, about zero."
        )
        blocks.append(Picture(pictures["classes"], caption, True))
    if "alike" in pictures:
        caption = (
            f"How alike the maps are: correlation over the pixels, mean over {results.heat.sizes['image']} images. "
            "That two methods agree does not say that either is right."
        )
        blocks.append(Picture(pictures["alike"], caption))
    return [Section("One image, all methods", blocks)]


def _ledger(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if "ledger" not in results.groups and "conservation" not in results.groups:
        return []
    blocks: list[Block] = [Text(text.ledger_said(results)), _verdicts(results, "conserved")]
    if "ledger" in pictures:
        caption = (
            "Where the output’s relevance went, means over the test images; dashed: all of it. Above: methods that "
            "promise to conserve relevance; below: the others. Parts below zero stand left of zero; hatched: not "
            "conserved. Longer bars are cut, with their end as a number."
        )
        blocks.append(Picture(pictures["ledger"], caption, True))
    blocks += [Tabular(made[name]) for name in ("ledger", "ledger_shown") if name in made]
    if "conservation" in pictures:
        caption = (
            "The largest error of every step, over all test images, in parts of the output’s size; the network as a "
            f"whole as a diamond, the bound of {number(ledger.TOLERANCE, digits=None)} dashed. Zeros stand at the left "
            "edge."
        )
        blocks.append(Picture(pictures["conservation"], caption, True))
    return [Section("The ledger: what the biases took", blocks)]


def _deletion(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if "deletion" not in pictures:
        return []
    blocks: list[Block] = [
        Text(text.deletion_rule(results)),
        Text(text.deletion_said(results)),
        Picture(
            pictures["deletion"],
            f"Probability of the class named at first, mean over {results.images} images. Lines: the best methods and "
            f"the last one, those with the same maps as one; grey: the others. {text.BAND}",
            True,
        ),
        Picture(
            pictures["ranking"],
            "Areas of all methods, with 95 % t-intervals over images, in the order of the first panel’s mean over the "
            "replacements. Dotted: random order.",
            True,
        ),
        *(Tabular(made[f"deletion_{name}"]) for name in results.replacements if f"deletion_{name}" in made),
        _verdicts(results, "beats_random", "same_ranking"),
        *(Text(said) for said in [text.baselines(results)] if said),
    ]
    if "pairs" in pictures:
        caption = (
            "Every two methods: area between of the row less that of the column, image by image. A dot: told apart, "
            "all pairs together at 95 % (Bonferroni). The numbers: tables/deletion_pairs.csv."
        )
        blocks.append(Picture(pictures["pairs"], caption, True))
    return [Section("Deletion: is what is marked what matters?", blocks)]


def _rules(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    found = []
    if any(name in results.groups for name in ("consistency", "constants", "two_objects", "forms")):
        blocks: list[Block] = [_verdicts(results, "scaling", "constants", "radial", "forms")]
        blocks += [Tabular(made[name]) for name in ("consistency", "constants") if name in made]
        if "maxima" in pictures:
            caption = (
                "What one of two objects takes of their maximum, by the slope of a maximum with a constant and by the "
                "radial rule; and the shares of several objects by the softmax limit and by a chain of relus. Where "
                "shares do not add up to 1, biases take the rest."
            )
            blocks.append(Picture(pictures["maxima"], caption, True))
        found.append(Section("Which rules agree", blocks))
    if "instability" in pictures:
        caption = (
            "The largest relevance of any input. In the network as the stabiliser ε goes, over all test images and the "
            "output’s size; in a toy of two inputs and a bias, as the inputs cancel."
        )
        blocks = [_verdicts(results, "unstable", "blamed"), Picture(pictures["instability"], caption, True)]
        found.append(Section("Instability", blocks))
    return found


def _nodes(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if "nodes" not in pictures:
        return []
    blocks: list[Block] = [
        Text(text.nodes_rule(results)),
        Text(text.nodes_said(results)),
        _verdicts(results, "node_relevance"),
        *(Tabular(made[name]) for name in ("nodes", "node_gaps") if name in made),
        Picture(
            pictures["nodes"],
            "Spearman’s rank correlation of every two measures over the hidden nodes, mean over "
            f"{results.node_networks} networks.",
        ),
    ]
    if "node_pairs" in pictures:
        caption = (
            "A point a node: against what its removal does, the relevances of the highest and of the lowest mean rank "
            "correlation, and the gate gradient."
        )
        blocks.append(Picture(pictures["node_pairs"], caption, True))
    return [Section("Relevance of hidden nodes", blocks)]


def _supervised(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if results.chosen is None or "supervised" not in pictures:
        return []
    blocks: list[Block] = [Text(trainings.setting(results))]
    blocks += [Points(trainings.notes(results))] if trainings.notes(results) else []
    blocks += [Text(trainings.choice(results)), Text(trainings.summary(results)), Text(trainings.looked(results))]
    caption = (
        "Accuracy, the trained measure and reliance on the patch (accuracy where it tells the class less that where it "
        "misleads) against the strength of the added term; and, through all strengths, the measure that was not "
        f"trained and reliance against the trained one. Means over {results.trained_networks} networks; bars and "
        "bands: 95 % t-intervals of each by itself. Gaming is to the right and, in reliance, high."
    )
    blocks += [Picture(pictures["supervised"], caption, True), Tabular(made["supervised"])]
    blocks += [Tabular(made[name]) for name in ("gains", "inside", "measures", "gaming") if name in made]
    blocks.append(_verdicts(results, "helps", "beats_penalty", "gamed", "gamed_somewhere"))
    blocks += [Text(said) for said in [trainings.published(results)] if said]
    if "examples" in pictures:
        caption = "Images and their heat maps after each training, each on a scale of its own. Green: the true region."
        blocks.append(Picture(pictures["examples"], caption, True))
    if "history" in pictures:
        caption = "Training at the chosen strengths, means over networks."
        blocks.append(Picture(pictures["history"], caption, True))
    return [Section("Training relevance into the region", blocks)]


def _short(results: Results, made: Tables) -> Section:
    points = [text.tally(results), text.same(results), text.deletion_said(results)]
    points += [text.nodes_said(results)] if results.correlation is not None else []
    points += [trainings.summary(results), trainings.published(results)] if results.chosen is not None else []
    said = [results.claims[name] for name in ("radial", "unstable")]
    points[2:2] = [f"{claims.verdict(one)} {claims.evidence(one, results)}." for one in said if one.verdict != OPEN]
    joined = (
        "A claim with several parts holds where all do, does not hold where none does, holds partly where they differ, "
        "and is undecided where an interval crosses the bound of its rule. Every rule stands with its claim below; "
        "the intervals of different claims are not corrected for one another."
    )
    return Section("In short", [Points([point for point in points if point]), Tabular(made["claims"], joined)])


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
    parts = [_heat, _ledger, _deletion, _rules, _nodes, _supervised]
    return Page(
        title=TITLE,
        lead=text.lead(results),
        sections=[
            _short(results, made),
            *(section for part in parts for section in part(results, made, pictures)),
            Section(
                "The network and the settings",
                [
                    Text(f"{text.network(results)} The task: {sections.task_in_words(results.task)}."),
                    Tabular(settings_table("settings", "Settings.", results.run.config)),
                ],
            ),
            sections.again(results.run, "Where a figure has no interval, its text says why."),
        ],
        footer=sections.FOOTER,
    )


def write(folder: str | PathLike[str]) -> Path:
    r"""Write tables, macros, figures and the page of a relevance study.

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
        If the store cannot be read or is no relevance study.
    """
    run = runs.open_run(folder, study="relevance")
    results = measure(run)
    made = tables.all_tables(results)
    return publish(run.folder, made, macros(results), draw(results), partial(page, results, made))
