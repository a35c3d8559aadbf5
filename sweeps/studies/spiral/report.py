"""The report of the spiral study: whether pruning commutes with training."""

from collections.abc import Mapping
from functools import partial
from os import PathLike
from pathlib import Path

from analysis import runs
from analysis.figures.graph import EDGES
from analysis.reports import sections
from analysis.reports._old_page import Block, Page, Picture, Points, Section, Tabular, Text
from analysis.reports._old_writing import publish
from analysis.reports.wording import percent, settings_table
from analysis.tables import Table
from sweeps.studies.spiral import answers as claims
from sweeps.studies.spiral import drawn as figures
from sweeps.studies.spiral import kernels as words
from sweeps.studies.spiral import tables, text
from sweeps.studies.spiral.measures import nodes_name
from sweeps.studies.spiral.measures.moves import NEAR
from sweeps.studies.spiral.results import Results, density_width, measure

TITLE = "Train first, or prune first?"
#: What each film shows.
FILMS = {
    "trained": "Training of the full network.",
    "finetuned_random": "Fine-tuning after random nodes were removed from the trained network.",
    "prune_first_random": "Training after the same random nodes were removed.",
    "finetuned_chosen": "Fine-tuning after the nodes of smallest deviation were removed from the trained network.",
    "prune_first_chosen": "Training after the nodes of smallest deviation were removed.",
}

Pictures = Mapping[str, Path]
Tables = Mapping[str, Table]


def _pictures(results: Results, pictures: Pictures) -> Section:
    with_it = "with bias compensation" if results.compensation == "with" else "without bias compensation"
    caption = (
        f"Probability of class 1 over the plane, network 0, {with_it}, with test accuracy and loss, and training "
        "examples by class; black: where the network changes its mind. (a) Trained. (b), (c), (d) Random nodes "
        "removed: after training, then fine-tuned, and removed before training. (e) The control: trained from the same "
        "start with another order of the examples. (f), (g), (h) The same with the nodes of smallest deviation."
    )
    if len(results.kinds) != 2:
        caption = f"Probability of class 1 over the plane, network 0, {with_it}, with test accuracy and loss."
    blocks: list[Block] = [Text(text.trainings(results)), Picture(pictures["pictures"], caption, wide=True)]
    if "pictures_without" in pictures:
        said = "The same without bias compensation; the data are left out."
        blocks.append(Picture(pictures["pictures_without"], said, wide=True))
    return Section("The pictures", blocks)


def _outcomes(results: Results, made: Tables, pictures: Pictures) -> Section:
    caption = (
        "Mean over seeds with 95 % intervals, of test accuracy and loss and of agreement with the full trained network "
        "of the same seed; of other seeds, with theirs. An interval of a loss may reach below zero, where a "
        "logarithmic axis ends."
    )
    return Section(
        "What each order gives",
        [
            Text(text.outcomes(results)),
            Text(text.agreement(results)),
            Picture(pictures["outcomes"], caption, wide=True),
            Tabular(made["outcomes"], tables.errors(results)),
        ],
    )


def _commuting(results: Results, made: Tables) -> Section:
    return Section(
        "Does pruning commute with training?",
        [
            Text(f"{text.commuting(results)} {text.without_failures(results)}".rstrip()),
            Text(text.rules()),
            Tabular(made["commuting"], tables.errors(results)),
        ],
    )


def _kernels(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    first = (
        "The main kernel of network 0, weights that stay: pruned first against trained, whole to the left and close up "
        "to the right, with the diagonal. Black: weights that training moved in neither. Red: weights that moved by "
        f"the preferred distance, within {percent(NEAR, 0)}, the same way in both."
    )
    second = "Correlations of the weights that stay (a), and of their changes from the start (b), with 95 % intervals."
    third = (
        "Density of the changes of the main kernel's weights that moved (Gaussian kernel of width "
        f"{density_width(results.run):g}); network 0 thick, the others grey."
    )
    return [
        Section(
            "The main kernels against each other",
            [
                Text(words.kernels(results)),
                Picture(pictures["kernels"], first),
                Text(words.diagonal(results)),
                Picture(pictures["correlations"], second, wide=True),
                Tabular(made["correlations"], tables.errors(results)),
                Tabular(made["unmoved"], tables.errors(results)),
            ],
        ),
        Section(
            "How far the weights went",
            [
                Text(words.peaks(results)),
                Text(words.single_gradient(results)),
                Picture(pictures["changes"], third, wide=True),
                Tabular(made["peaks"], tables.errors(results)),
            ],
        ),
    ]


def _rates(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if "rates" not in pictures:
        return []
    seeds = 0 if results.rates is None else results.rates.sizes["network"]
    caption = (
        f"Against the learning rate, mean of {seeds} seeds with 95 % intervals: (a) share of nodes that are constant "
        "on the training data; (b) test accuracy of the full network, of the pruned one and of the one pruned first. "
        "(c) Distance of the main kernel's moved weights from their start, in learning rates, all seeds together; "
        "dashed: what Adam makes of one gradient at the first step."
    )
    blocks: list[Block] = [Text(one) for one in words.rates(results)]
    blocks += [Picture(pictures["rates"], caption, wide=True), Tabular(made["rates"], tables.errors(results, seeds))]
    return [Section("What the learning rate does", blocks)]


def _compensation(results: Results, made: Tables, pictures: Pictures) -> Section:
    blocks: list[Block] = [Text(text.compensation(results))]
    if "compensation" in pictures:
        caption = "With bias compensation less without, paired by seed and choice, with 95 % intervals."
        blocks += [
            Picture(pictures["compensation"], caption, wide=True),
            Tabular(made["compensation"], tables.errors(results)),
        ]
    return Section("With and without bias compensation", blocks)


def _deviations(results: Results, made: Tables, pictures: Pictures) -> Section:
    caption = (
        "Standard deviation of each node's activation over the training data in the trained networks, in ascending "
        "order, a line a network; shaded: the nodes removed for it."
    )
    return Section(
        "What the nodes of smallest deviation were",
        [
            Text(text.deviations(results)),
            Picture(pictures["deviations"], caption, wide=True),
            Tabular(made["deviations"], tables.errors(results)),
        ],
    )


def _training(results: Results, pictures: Pictures) -> list[Section]:
    blocks: list[Block] = []
    if "training" in pictures:
        caption = (
            "Training loss by epoch, the median of the seeds and the middle half of them. (a) From the start: the full "
            "network in two orders of the examples, and pruned first. (b) Fine-tuning after pruning; dashed the median "
            "of the trained full networks. Choices of one kind are averaged within a seed."
        )
        blocks.append(Picture(pictures["training"], caption, wide=True))
    for name in results.films:
        blocks.append(Picture(pictures[f"film_{name}"], f"Film, network 0: {FILMS[name]}"))
    return [Section("Training curves and films", blocks)] if blocks else []


def _graph(results: Results, pictures: Pictures) -> Section:
    if "graph" not in pictures:
        said = (
            "The drawing needs NetworkX, which is not installed: pip install 'gatesweep[graph]', then write the report "
            "again."
        )
        return Section("The network as a graph", [Text(said)])
    named = " and ".join(nodes_name(kind) for kind in results.kinds)
    caption = (
        f"Network 0, trained: all gates on, then off for {named}. Edges are as wide as the weight is large, against "
        f"the largest of their layer; of each layer the {EDGES} strongest are drawn. Nodes that are off have no edges."
    )
    return Section("The network as a graph", [Picture(pictures["graph"], caption, wide=True)])


def page(results: Results, made: Mapping[str, Table], pictures: dict[str, Path]) -> Page:
    """Put the page together.

    Parameters
    ----------
    results : Results
    made : mapping of str to Table
        The tables, by name.
    pictures : dict of str to pathlib.Path
        The PNG and GIF files, by name.

    Returns
    -------
    analysis.reports.page.Page
    """
    found = [text.commuting(results), text.without_failures(results), text.silent(results), words.distance(results)]
    notes = [claims.tally(results), *(one for one in found if one), text.INTERVALS, text.caution(results)]
    if count := results.unknown():
        notes.append(
            f"{count:,} accuracies and losses of the run are not finite. A seed of which one is needed is left out of "
            "that mean."
        )
    note = "A claim is undecided where its interval reaches to both sides of the bound of its rule."
    return Page(
        title=TITLE,
        lead=text.lead(results),
        sections=[
            Section("In short", [Points(notes), Tabular(made["claims"], note)]),
            Section(
                "The claims, one by one", [Points([claims.answer(one, results) for one in results.claims.values()])]
            ),
            _pictures(results, pictures),
            _outcomes(results, made, pictures),
            _commuting(results, made),
            _deviations(results, made, pictures),
            *_kernels(results, made, pictures),
            *_rates(results, made, pictures),
            _compensation(results, made, pictures),
            *_training(results, pictures),
            _graph(results, pictures),
            Section(
                "Settings",
                [
                    Text(f"The task: {sections.task_in_words(results.task)}."),
                    Tabular(settings_table("settings", "Settings.", results.run.config)),
                ],
            ),
            sections.again(results.run, "Removed nodes have no weights, no bias and no activation."),
        ],
        footer=sections.FOOTER,
    )


def write(folder: str | PathLike[str]) -> Path:
    r"""Write tables, macros, figures, films and the page of a spiral study.

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
        If the store cannot be read or is no spiral study.
    """
    run = runs.open_run(folder, study="spiral")
    results = measure(run)
    made = tables.all_tables(results)
    drawn, films = figures.draw(results), figures.films(results)
    return publish(run.folder, made, tables.numbers(results), drawn, partial(page, results, made), films)
