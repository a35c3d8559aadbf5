"""The report of the shrinking study: which node to remove next."""

from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from pathlib import Path

from matplotlib.figure import Figure

from analysis import runs
from analysis.figures import style
from analysis.reports import sections
from analysis.reports._old_page import Block, Page, Picture, Points, Section, Tabular, Text
from analysis.reports._old_writing import publish
from analysis.reports.wording import capitalised, settings_table
from analysis.tables import Table
from sweeps.studies.shrinking import answers as claims
from sweeps.studies.shrinking import figures as own
from sweeps.studies.shrinking import measures as shrinking
from sweeps.studies.shrinking import tables, text
from sweeps.studies.shrinking.measures import PAPER, Network, network_name
from sweeps.studies.shrinking.results import Results, measure

TITLE = "Which node to remove next"
#: Networks whose paths are drawn one by one; the deeper ones share a figure.
DRAWN = (*PAPER, "cross_entropy", "regression")

Pictures = Mapping[str, Path]
Tables = Mapping[str, Table]


def _label(network: Network) -> str:
    return f"{style.as_is(network.criterion)} ({style.as_is(network.unit)})"


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
    of, networks = own, results.networks
    drawn: dict[str, Figure] = {}
    for key in DRAWN:
        if key in networks:
            drawn[f"removal_{key}"] = of.removal.overview(networks[key].paths, _label(networks[key]))
    for key, data in results.surfaces.items():
        drawn[f"surfaces_{key}"] = of.surfaces.overview(data, _label(networks[key]))
        drawn[f"predictions_{key}"] = of.surfaces.predictions(data, _label(networks[key]))
    if "2" in networks:
        drawn["layers"] = of.layers.overview(shrinking.left(networks["2"].paths))
    for key, data in results.pairs.items():
        drawn[f"pairs_{key}"] = of.pairs.overview(data, networks[key].unit)
    if "1" in networks:
        drawn["choices"] = of.choices.overview(networks["1"].paths, networks["1"].unit)
        drawn["changes"] = of.choices.predictions(networks["1"].paths, networks["1"].unit)
    if results.gaps is not None:
        small = networks["small"]
        drawn["optimum"] = of.networks.optimum(
            results.gaps, _label(small), f"above the best ({style.as_is(small.unit)})"
        )
    if len(results.depths) > 1:
        drawn["depths"] = of.networks.depths(results.depths, _label(next(iter(results.depths.values()))))
    if results.retraining is not None:
        drawn["retraining"] = of.networks.retraining(results.retraining)
    return drawn


def _paper(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    blocks: list[Block] = []
    for key in PAPER:
        if key in results.networks:
            network = results.networks[key]
            said = [text.removable(network), text.comparison(network)]
            caption = (
                f"{capitalised(network.criterion)} (left) and accuracy (right) on the examples of the ranking against "
                f"the nodes removed, with {network_name(key)} ({'-'.join(map(str, network.hidden))} hidden nodes): "
                "ranked once above, ranked again after each removal below."
            )
            blocks += [Text(" ".join(one for one in said if one)), Picture(pictures[f"removal_{key}"], caption, True)]
    if "removal" in made:
        blocks.append(Tabular(made["removal"], "Means are areas under the curves over the number of nodes."))
    return [Section("Error and accuracy against nodes removed", blocks)] if blocks else []


def _surfaces(results: Results, pictures: Pictures) -> list[Section]:
    blocks: list[Block] = []
    for key in results.surfaces:
        blocks += [
            Text(text.surfaces(results, key)),
            Picture(
                pictures[f"surfaces_{key}"],
                f"Error surfaces with {network_name(key)}: the loss against the gain of the chosen node, from dark to "
                "light with the nodes removed before, in log space (left) and in real space (right). Red: the node is "
                "on; grey: it is off. Dashed: what the method goes by, a line or a parabola through gain 1. Flat is "
                "good: the node does little.",
                wide=True,
            ),
            Picture(
                pictures[f"predictions_{key}"],
                f"The same, single choices with {network_name(key)} close up, each on its own scale: first order is "
                "the tangent at gain 1, second order the parabola.",
                wide=True,
            ),
        ]
    return [Section("Error surfaces", blocks)] if blocks else []


def _layers(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if "layers" not in made:
        return []
    said = [claims.verdict(results.claims[name]) for name in ("taylor_layers", "outer_layer")]
    blocks: list[Block] = [Text(" ".join(one for one in [*said, text.layers(results)] if one))]
    if "layers" in pictures:
        caption = (
            "What is left of each layer with 2 layers, re-ranked. A random order stays in the grey band with "
            "probability 0.95 at each single step, and leaves it more often somewhere along the way."
        )
        blocks.append(Picture(pictures["layers"], caption, wide=True))
    note = (
        "p-values: 9,999 random orders. They say how unusual the order in this one network is, and nothing of others."
    )
    return [Section("Which layer goes first", [*blocks, Tabular(made["layers"], note)])]


def _pairs(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if not results.pairs:
        return []
    blocks: list[Block] = [Text(text.pairs(results))]
    for key in results.pairs:
        caption = (
            f"Pairs of nodes with {network_name(key)}. Left: correlation of their activations; nodes that are alike "
            "stand together, layer by layer. Middle: interaction, the change of the loss when both go off less the two "
            "single changes; blue where both together cost more than the sum, yellow where less. Right: one against "
            "the other; in colour, pairs that cancel each other."
        )
        blocks.append(Picture(pictures[f"pairs_{key}"], caption, wide=True))
    return [Section("Nodes that cancel each other", [*blocks, Tabular(made["pairs"])])]


def _choices(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if "choices" not in pictures:
        return [Section("One choice at a time", [Tabular(made["choices"])])]
    return [
        Section(
            "One choice at a time",
            [
                Text(text.choices(results.networks["1"])),
                Picture(
                    pictures["choices"],
                    "Re-ranked, with 1 layer. (a) Share of the choices so far than which no removal was cheaper. (b) "
                    "What they cost more than the cheapest ones, in all; a line starts at the first such cost, and "
                    "brute force has none.",
                    wide=True,
                ),
                Picture(
                    pictures["changes"],
                    "Predicted against true change of the loss, a point for each removal, from dark to light, with 1 "
                    "layer. Ranked once, predictions are for the whole network, and the change is measured when the "
                    "node goes. On the grey line the prediction is right; near zero the axes are linear. Brute force "
                    "re-ranked is left out: what it predicts is what is measured.",
                    wide=True,
                ),
                Tabular(made["choices"]),
            ],
        )
    ]


def _optimum(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if results.gaps is None:
        return []
    caption = (
        "Small network. (a) Loss along the paths, re-ranked, and the lowest loss of any mask with as many nodes off. "
        "(b) How far each path is above it."
    )
    blocks: list[Block] = [Text(text.optimum(results)), Picture(pictures["optimum"], caption, True)]
    return [Section("Beside the best mask of every size", [*blocks, Tabular(made["optimum"])])]


def _deeper(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if "depths" not in pictures:
        return []
    caption = "Networks with the same number of hidden nodes in 1 to 5 layers, by brute force, re-ranked."
    if list(results.depths) != [1, 2, 3, 4, 5]:
        caption = "Networks of several depths, by brute force, re-ranked."
    blocks: list[Block] = [Text(claims.verdict(results.claims["deeper"]))]
    blocks += [Picture(pictures["depths"], caption, True), Tabular(made["depths"])]
    return [Section("Deeper networks", blocks)]


def _others(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if not results.others:
        return []
    blocks: list[Block] = [Text(text.other_criteria(results))]
    for key, network in results.others.items():
        caption = (
            f"{capitalised(network_name(key))} ({network.attrs['task']}): {network.criterion} against the nodes removed"
        )
        caption += ", and accuracy." if f"removal_{key}" in pictures and network.attrs["accuracy"] >= 0 else "."
        blocks.append(Picture(pictures[f"removal_{key}"], caption, wide=True))
    return [Section("Another criterion, and values in place of classes", [*blocks, Tabular(made["criteria"])])]


def _retraining(results: Results, made: Tables, pictures: Pictures) -> list[Section]:
    if results.retraining is None:
        return [Section("With retraining", [Text("This run has no retraining.")])]
    caption = "Test accuracy against the nodes removed, by each method, re-ranked: with retraining and without."
    blocks: list[Block] = [
        Text(text.retraining(results)),
        Text(claims.answer(results.claims["retraining"], results)),
        Picture(pictures["retraining"], caption, wide=True),
        Tabular(made["retraining"]),
    ]
    return [Section("With retraining", blocks)]


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
    short: list[Block] = [
        Points([text.tally(results), text.CAUTION, text.accuracies(results), text.one_of_each(results)]),
        Tabular(made["claims"], "Verdicts by network where a claim is about networks of one and two layers."),
    ]
    answers = Points([claims.answer(claim, results) for claim in results.claims.values()])
    parts: list[Callable[[Results, Tables, Pictures], list[Section]]] = [_layers, _pairs, _choices, _optimum]
    parts += [_deeper, _others, _retraining]
    activation = next(iter(results.networks.values())).attrs["activation"]
    return Page(
        title=TITLE,
        lead=text.lead(results),
        sections=[
            Section("In short", short),
            Section("The claims, one by one", [answers]),
            *_paper(results, made, pictures),
            *_surfaces(results, pictures),
            *(section for part in parts for section in part(results, made, pictures)),
            Section(
                "The networks and the settings",
                [
                    Text(f"Hidden nodes are {activation}. The task: {sections.task_in_words(results.task)}."),
                    Tabular(made["networks"]),
                    Tabular(settings_table("settings", "Settings.", results.run.config)),
                ],
            ),
            sections.again(
                results.run, "A gate multiplies its node's activation; of equal scores the first node goes."
            ),
        ],
        footer=sections.FOOTER,
    )


def write(folder: str | PathLike[str]) -> Path:
    r"""Write tables, macros, figures and the page of a shrinking study.

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
        If the store cannot be read or is no shrinking study.
    """
    run = runs.open_run(folder, study="shrinking")
    results = measure(run)
    made = tables.all_tables(results)
    return publish(run.folder, made, tables.numbers(results), draw(results), partial(page, results, made))
