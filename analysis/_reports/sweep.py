"""The report of a sweep: its figures, and the page of `sweeps run`."""

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

from matplotlib.figure import Figure

from analysis import figures, runs
from analysis._places import Address, Place
from analysis._reports import examples, measures, numbers, plane, tables, walks
from analysis._reports.results import LEVEL, SweepResults, measure
from analysis._reports.writing import publish
from analysis.figures import _axes
from analysis.numbers import Numbers

#: Settings of a sweep that say nothing about these designs.
UNUSED = {
    "Bernoulli": ("on",),
    "FixedSize": ("probability",),
    "Hypercube": ("probability", "on", "draws", "chains", "seed"),
    "LeaveOneOut": ("probability", "on", "draws", "chains", "seed"),
}


def draw(results: SweepResults) -> dict[str, Figure]:
    """Draw the figures of a sweep that its results allow, by file name."""
    full, sweep = results.full_loss, results.sweep
    drawn: dict[str, Figure] = {}
    if results.training is not None and "loss" in results.training:
        drawn["training"] = figures.training.overview(
            results.training, test_loss=full, test_accuracy=results.full_accuracy, unit=results.unit
        )
    if results.design != "LeaveOneOut":  # a bar for each of a few nodes says more than a density of them
        density_of = figures.densities
        drawn |= {
            "loss_density": _axes.figure_of(density_of.loss(sweep, full_loss=full, width=results.loss_width)),
            "log_loss_density": _axes.figure_of(
                density_of.log_loss(sweep, full_loss=full, width=results.log_loss_width)
            ),
        }
    if results.nodes is not None:
        strips = results.groups is not None
        ax = (figures.nodes.effects if strips else figures.removal.leave_one_out)(results.nodes, full_loss=full)
        drawn["leave_one_out"] = _axes.figure_of(ax)
        for one in results.maps:
            drawn[one.name] = _axes.figure_of(figures.nodes.grid(results.nodes, kind=one.kind, full_loss=full))
    drawn |= walks.draw(results.walks, full, results.unit)
    if results.layers is not None:
        drawn["layers"] = figures.layers.overview(results.layers)
    drawn |= measures.draw(results.metrics, results.sweep) | examples.draw(results.examples, results.unit)
    return drawn | plane.draw(results.plane)


def facts(results: SweepResults) -> dict[str, Any]:
    """Return what the sentences on a sweep name beside its numbers."""
    return {
        "sweep": results,
        "ps": results.probabilities,
        "unit": results.unit,
        "network": results.network.attrs,
        "level": LEVEL,
    }


def settings(config: Mapping[str, Any], design: str) -> dict[str, Any]:
    """Return the settings of a run without those of other designs."""
    unused = UNUSED.get(design, ())
    return {**config, "sweep": {key: value for key, value in config.get("sweep", {}).items() if key not in unused}}


def write(folder: str | PathLike[str] | Address) -> Place:
    r"""Write tables, macros, figures and the page of a configured sweep.

    Parameters
    ----------
    folder : str or path
        The run folder; see `analysis._reports.writing.publish`. Two calls on one store write the same bytes.

    Returns
    -------
    pathlib.Path or Address
        The page.

    Raises
    ------
    FileNotFoundError
        If there is no run in the folder.
    ValueError
        If the store cannot be read or is no configured sweep.
    """
    return write_results(measure(runs.open_run(folder, study="sweep")))


def write_results(results: SweepResults) -> Place:
    """Write the report of the results of a configured sweep into the folder of its run; return the page."""
    run = replace(results.run, config=settings(results.run.config, results.design))
    # Named by task, or where there is none by folder, and design, so that several sweeps fit into one paper.
    n = Numbers(f"{results.task_name or results.run.folder.name} {results.design}")
    numbers.add(n, results)
    return publish(
        run,
        "analysis._reports:sweep.md.jinja",
        n,
        tables.all_tables(results),
        draw(results),
        films=plane.films(results.plane),
        **facts(results),
    )
