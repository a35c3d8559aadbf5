"""The report of a configured sweep: one network, one design, its draws or a summary of them."""

from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from analysis import runs
from analysis.numbers import Numbers
from analysis.reports import plane, sections
from analysis.reports import sweep_tables as tables
from analysis.reports import sweep_text as text
from analysis.reports._old_page import Block, Page, Points, Section, Tabular
from analysis.reports._old_writing import publish
from analysis.reports.plane import PlaneResults
from analysis.reports.sweep_results import SweepResults, measure
from analysis.reports.wording import enumerate_words, whole
from analysis.tables import Table

_TITLES = {
    "Bernoulli": "random masks",
    "FixedSize": "random masks of fixed size",
    "Hypercube": "all masks",
    "LeaveOneOut": "single removals",
}


# Settings of a sweep that say nothing about these designs.
_UNUSED = {
    "Bernoulli": ("on",),
    "FixedSize": ("probability",),
    "Hypercube": ("probability", "on", "draws", "chains", "seed"),
    "LeaveOneOut": ("probability", "on", "draws", "chains", "seed"),
}


def title(results: SweepResults) -> str:
    """Say what was swept, and claim nothing."""
    kind = _TITLES.get(results.design, "chosen masks")
    return f"Loss of {text.network_in_words(results)} over {kind} ({results.task_name})"


def _masks_in_words(results: SweepResults) -> str:
    nodes, draws = results.node_count, results.losses["draws"].values
    total, each = whole(int(draws.sum())), whole(int(draws[0]))
    chances = enumerate_words([f"{p:g}" for p in results.probabilities])
    return {
        "Bernoulli": f"every one of its {nodes} gated nodes stayed with probability p, independently of the others, "
        f"for p\u00a0=\u00a0{chances}: {each} masks{' each' if len(draws) > 1 else ''}",
        "FixedSize": f"{total} masks were drawn with {results.on if results.design == 'FixedSize' else ''} of its "
        f"{nodes} gated nodes on, every such mask equally likely",
        "Hypercube": f"all {total} masks of its {nodes} gated nodes were evaluated, each once",
        "LeaveOneOut": f"each of its {nodes} gated nodes was switched off alone",
    }.get(results.design, f"{total} given gate vectors of its {nodes} gated nodes were evaluated")


def lead(results: SweepResults) -> str:
    """Say what was done and what was kept."""
    kept = " Moments, histograms and the best masks were kept, not the draws." if results.summary else ""
    return (
        f"{text.training_in_words(results)} Then {_masks_in_words(results)}. The loss of each mask is the mean over "
        f"{text.examples_in_words(results)}, in {results.unit}.{kept}"
    )


def settings(results: SweepResults) -> dict[str, Any]:
    """Give the settings of the run, but for those of other designs."""
    config = results.run.config
    unused = _UNUSED.get(results.design, ())
    return config | {"sweep": {key: value for key, value in config.get("sweep", {}).items() if key not in unused}}


def page(
    results: SweepResults, over_plane: PlaneResults | None, made: dict[str, Table], pictures: dict[str, Path]
) -> Page:
    """Put the page together.

    Parameters
    ----------
    results : SweepResults
    over_plane : PlaneResults or None
        The network over its input plane, if it has two inputs.
    made : dict of str to Table
        The tables, by name.
    pictures : dict of str to pathlib.Path
        The PNG files of the figures, by name.

    Returns
    -------
    analysis.reports.page.Page
    """
    single = results.design == "LeaveOneOut"
    found = text.single_removals(results) if single else text.lognormal_departure(results)
    short = [text.loss_summary(results), found, text.counts(results)]
    if results.best is not None:
        short.insert(2, text.best_summary(results))
    parts = [Section("In short", [Points(short)])]
    if results.nodes is not None:
        bars: list[Block] = [*sections.of_single_removals(results, pictures), Tabular(made["leave_one_out"])]
        parts.append(Section("One node at a time", bars))
    parts += sections.of_layers(results, made, pictures)
    parts.append(Section("The loss", sections.of_loss(results, made, pictures)))
    parts.append(Section("The log loss", sections.of_log_loss(results, made, pictures)))
    which: list[Block] = [Tabular(made[name]) for name in ("masks", "best_masks") if name in made]
    if which:
        parts.append(Section("The masks", which))
    parts += plane.section(over_plane, pictures)
    parts += sections.provenance(results, made, pictures, settings(results))
    return Page(title(results), lead(results), parts, sections.FOOTER)


def write(folder: str | PathLike[str]) -> Path:
    r"""Write tables, macros, figures and the page of a configured sweep.

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
        If the store cannot be read or is no configured sweep.
    """
    run = runs.open_run(folder, study="sweep")
    results = measure(run)
    made = tables.all_tables(results)
    # Named by task and design, so that several sweeps fit into one paper.
    macros = tables.add_numbers(Numbers(f"{results.task_name} {results.design}"), results)
    lowest = {}
    if results.best is not None:
        lowest["lowest seen"] = results.best["gates"].isel({results.dim: -1, "rank": 0}).values
    over_plane = plane.measure(
        results.network, results.task, results.training, [str(label) for label in results.sweep["node"].values], lowest
    )
    drawn = sections.draw(results) | plane.draw(over_plane)
    return publish(run.folder, made, macros, drawn, partial(page, results, over_plane, made), plane.films(over_plane))
