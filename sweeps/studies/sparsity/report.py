"""The report of the sparsity study: how much of a network can be pruned."""

from collections.abc import Mapping
from functools import partial
from os import PathLike
from pathlib import Path

from matplotlib.figure import Figure

from analysis import figures, runs
from analysis.reports import sections
from analysis.reports._old_page import Block, Page, Picture, Points, Section, Tabular, Text
from analysis.reports._old_writing import publish
from analysis.reports.wording import settings_table
from analysis.tables import Table
from sweeps.studies.sparsity import answers as claims
from sweeps.studies.sparsity import figures as own
from sweeps.studies.sparsity import measures as sparsity
from sweeps.studies.sparsity import numbers as tables
from sweeps.studies.sparsity import text
from sweeps.studies.sparsity.results import Results, measure

TITLE = "How much of a network can be pruned"

Pictures = Mapping[str, Path]
Tables = Mapping[str, Table]


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure that the store allows.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By file name.
    """
    of, last = own, results.last
    drawn = {
        "curves": of.curves.overview(last, results.unit, results.sizes[-1]),
        "plateaus": figures.style.figure_of(of.plateaus.ends(results.numbers, sparsity.methods(results.curves))),
        "equal_weights": of.weights.overview(results.equal),
    }
    if len(results.epochs) > 1:
        drawn["epochs"] = of.curves.lengths(results.curves)
    if any(len(sparsity.methods(last, kind, "layer")) > 1 for kind in sparsity.KINDS):
        drawn["heuristics"] = of.curves.heuristics(last)
    if any(one.scope != "layer" for one in sparsity.methods(last)):
        drawn["scopes"] = of.curves.scopes(last)
    if results.layers is not None and any(one.scope != "layer" for one in sparsity.methods(results.layers)):
        drawn["layers"] = of.layers.overview(results.layers, results.sizes)
    if results.finetuned is not None:
        drawn["finetuned"] = of.finetuned.overview(last, results.finetuned)
    if results.cost is not None:
        drawn["cost"] = of.cost.overview(results.cost)
    drawn["training"] = figures.training.overview(
        results.training.mean("network"),
        float(last["loss"].sel({"pruned_by": sparsity.PUBLISHED["weights"], "percent": 0}).mean()),
        float(results.numbers["start"].sel({"pruned_by": sparsity.PUBLISHED["weights"]}).mean()),
        results.unit,
    )
    return drawn


def _curves(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    caption = (
        f"Accuracy and loss on the test set, smallest weights and units of smallest norm zeroed within each layer, "
        f"after {results.epochs[-1]} epochs. Marks: the published sparsities. {text.BAND} Chance: guessing among "
        f"{results.sizes[-1]} classes; a network that passes nothing on names the same class for all, and its accuracy "
        "is that class's share of the test set."
    )
    return [
        Section(
            "Accuracy and loss against sparsity",
            [
                Text(" ".join(one for one in (text.ends(results), text.at_published_ends(results)) if one)),
                Picture(pictures["curves"], caption, True),
                Tabular(made["curves"]),
            ],
        ),
        Section(
            "Where each plateau ends",
            [
                Text(text.rule(results)),
                Picture(
                    pictures["plateaus"],
                    "End of the plateau for every way of pruning, with the 95 % t-interval over networks; open marks: "
                    "the same for other falls. Grey: the published ends.",
                    wide=True,
                ),
                Tabular(made["plateaus"]),
            ],
        ),
    ]


def _equal(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    caption = (
        "(a) Prunable weights that go with so many of the units. (b) Accuracy against the prunable weights that stay. "
        f"(c) The difference, paired by network. {text.BAND}"
    )
    said = [Text(text.law(results)), Text(text.equal(results)), Text(claims.verdict(results.claims["equal_weights"]))]
    blocks: list[Block] = [*said, Picture(pictures["equal_weights"], caption, True), Tabular(made["equal_weights"])]
    return [Section("At equal numbers of weights", blocks)]


def _epochs(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if "epochs" not in pictures:
        return [Section("Training for longer", [Text("This run has one length of training.")])]
    said = " ".join(claims.verdict(results.claims[name]) for name in ("epochs_accuracy", "epochs_end"))
    caption = (
        f"Accuracy after each length of training (above), and its difference to that after {results.epochs[-1]} "
        "epochs, paired by network (below); bands: 95 % t-intervals."
    )
    note = "The largest difference is the largest of many, and so overstates what other networks would show there."
    return [
        Section(
            "Training for longer",
            [Text(said), Picture(pictures["epochs"], caption, True), Tabular(made["epochs"], note)],
        )
    ]


def _heuristics(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if "heuristics" not in pictures:
        return []
    caption = (
        "Other heuristics within each layer (above), and their differences to the published one (black), paired by "
        "network (below). Weights left, units right; bands: 95 % t-intervals, each by itself."
    )
    meaning = (
        "First and second order predict, and brute force measures, what one unit's removal does to the training loss, "
        "all other units on: those whose removal should lower the loss most go first, not those that do least. A "
        "unit's gradient is that of its gate, a weight's its own, by size."
    )
    blocks: list[Block] = [
        Text(text.heuristics(results)),
        Text(meaning),
        Picture(pictures["heuristics"], caption, True),
    ]
    return [Section("By which heuristic", [*blocks, Tabular(made["heuristics"])] if "heuristics" in made else blocks)]


def _scopes(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    blocks: list[Block] = []
    if "scopes" in pictures:
        caption = (
            "The published heuristics, ranked within each layer or over all layers: as they are (raw), or after each "
            "layer's own scale is taken out (normalised). Below: differences to ranking within each layer."
        )
        blocks += [Points(text.scopes(results)), Picture(pictures["scopes"], caption, True), Tabular(made["scopes"])]
    if "layers" in pictures:
        caption = "What global pruning leaves of each layer; dotted: within each layer. Bands: 95 % t-intervals."
        blocks += [Points(text.layers(results)), Picture(pictures["layers"], caption, True)]
    if "layers" in made:
        blocks.append(Tabular(made["layers"]))
    return [Section("Within each layer, or over all", blocks)] if blocks else []


def _finetuned(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    blocks: list[Block] = [Text(text.finetuned(results))]
    if "finetuned" in pictures:
        caption = (
            "Above: the published ways before and after fine-tuning under the masks. Below: the test error "
            "of all heuristics after it, on a logarithmic axis. Bands: 95 % t-intervals over networks."
        )
        blocks += [Text(claims.verdict(results.claims["evened"])), Picture(pictures["finetuned"], caption, True)]
        blocks.append(Tabular(made["finetuned"]))
    return [Section("After fine-tuning", blocks)]


def _cost(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if "cost" not in pictures or results.cost is None:
        return []
    said = " ".join(claims.answer(results.claims[name], results) for name in ("zeroed", "removed"))
    device = results.cost.attrs.get("device", "an unknown device")
    caption = (
        f"Time of a forward pass over {results.cost.attrs.get('examples', 'the')} examples on {device}, median and "
        f"range of {results.cost.attrs['repeats']} repeats, and bytes of the parameters."
    )
    note = "One network: the range is over repeats and says nothing of other machines, sizes or batch sizes."
    return [
        Section("What it saves", [Text(said), Picture(pictures["cost"], caption, True), Tabular(made["cost"], note)])
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
    short = [text.tally(results), text.ends(results), text.equal(results), text.heuristics(results)]
    short += [text.at_published_ends(results), text.differences_of_setting(results)]
    joined = (
        "A claim with several parts holds where all do, does not hold where none does, holds partly where they differ, "
        "and is undecided where an interval crosses the bound of its rule and no part says otherwise. All intervals "
        "are over networks that differ in the seed; data and split are the same. Those of different claims are not "
        "corrected for one another."
    )
    parts = [_curves, _equal, _epochs, _heuristics, _scopes, _finetuned, _cost]
    trained = "Training: means over the batches during each epoch and over networks, and the test set at the end."
    return Page(
        title=TITLE,
        lead=text.lead(results),
        sections=[
            Section("In short", [Points([one for one in short if one]), Tabular(made["claims"], joined)]),
            Section(
                "The claims, one by one",
                [Points([claims.answer(claim, results) for claim in results.claims.values()])],
            ),
            *(section for part in parts for section in part(results, made, pictures)),
            Section(
                "The networks and the settings",
                [
                    Text(f"{text.training(results)} The task: {sections.task_in_words(results.task)}."),
                    Picture(pictures["training"], trained, True),
                    Tabular(settings_table("settings", "Settings.", results.run.config)),
                ],
            ),
            sections.again(
                results.run,
                "At sparsity k, floor(k n) of the n weights or units that are ranked together go; of equal scores the "
                "first goes.",
            ),
        ],
        footer=sections.FOOTER,
    )


def write(folder: str | PathLike[str]) -> Path:
    r"""Write tables, macros, figures and the page of a sparsity study.

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
        If the store cannot be read or is no sparsity study.
    """
    run = runs.open_run(folder, study="sparsity")
    results = measure(run)
    made = tables.all_tables(results)
    return publish(run.folder, made, tables.numbers(results), draw(results), partial(page, results, made))
