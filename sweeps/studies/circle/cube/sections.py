"""The parts of a page on flip paths and on the whole hypercube."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from analysis import figures
from analysis.reports._old_page import Block, Picture, Section, Tabular, Text
from analysis.tables import Table
from sweeps.studies.circle.cube import text
from sweeps.studies.circle.cube.results import CubeResults, HypercubeResults, PathResults


def draw(results: HypercubeResults, sweep: xr.Dataset, losses: xr.Dataset, width: float) -> dict[str, Figure]:
    """Draw the figures that the results allow, by file name.

    Parameters
    ----------
    results : HypercubeResults
    sweep : xarray.Dataset
        The Bernoulli sweep of the same network.
    losses : xarray.Dataset, (probability,)
        Its statistics.
    width : float
        Of the kernel of the densities of log losses.
    """
    drawn: dict[str, Figure] = {}
    cube = results.cube
    if results.paths is not None:
        exact = None if cube is None else cube.by_distance[: results.paths.steps]
        drawn["cube_path"] = figures.style.figure_of(figures.cube.path())
        drawn["flip_paths"] = figures.paths.overview(results.paths.sampled, exact)
    if cube is not None:
        sampled = losses.rename(mean_loss="mean", sd_loss="sd")[["mean", "sd"]]
        unit = figures.style.unit_of(sweep)
        drawn |= {
            "exact_density": figures.style.figure_of(
                figures.densities.log_loss_against_exact(sweep, cube.log_loss, width)
            ),
            "spectrum": figures.spectrum.overview(cube.log_loss, cube.loss, sampled, unit),
            "exact_masks": figures.masks.overview(cube.log_loss, cube.labels),
        }
    return drawn


def sections(results: HypercubeResults, made: Mapping[str, Table], pictures: Mapping[str, Path]) -> list[Section]:
    """Put the sections together that the results allow.

    Parameters
    ----------
    results : HypercubeResults
    made : mapping of str to Table
    pictures : mapping of str to pathlib.Path
    """
    found = []
    if results.paths is not None:
        found.append(Section("Across the hypercube", _of_paths(results.paths, results.cube, made, pictures)))
    blocks: list[Block]
    if results.cube is not None:
        blocks = _of_cube(results.cube, results, made, pictures)
    elif results.estimates is not None:
        blocks = [Text(f"{results.missing} {text.estimated(results.estimates)}"), Tabular(made["node_estimates"])]
    else:
        blocks = [Text(results.missing)]
    found.append(Section("All masks, without sampling error" if results.cube else "All masks, estimated", blocks))
    return found


def _of_paths(
    paths: PathResults, cube: CubeResults | None, made: Mapping[str, Table], pictures: Mapping[str, Path]
) -> list[Block]:
    exact = " The dashed line is exact, from all masks." if cube is not None else ""
    verdicts = [text.reversal(paths), text.against_exact(paths)]
    return [
        Text(text.explanation(paths.steps - 1)),
        Picture(pictures["cube_path"], "The cube of three nodes: corners are masks, in red a flip path."),
        Text(text.decay(paths)),
        Picture(
            pictures["flip_paths"],
            "(a) Covariance of the log loss between the steps of a flip path. (b) Covariance of the start with what "
            "lies so many flips ahead, and of the end with what lies so many before it; bands are 1.96 standard "
            f"errors.{exact}",
            wide=True,
        ),
        Text(" ".join(verdict for verdict in verdicts if verdict)),
        Text(text.opposite(cube, paths)),
        Tabular(made["flip_paths"], "s.e.: standard errors."),
    ]


def _of_cube(
    cube: CubeResults, results: HypercubeResults, made: Mapping[str, Table], pictures: Mapping[str, Path]
) -> list[Block]:
    assert results.moments is not None
    probabilities = [float(p) for p in results.moments["probability"].values]
    sentences: dict[str, Any] = {
        "moments": text.moments(results.moments),
        "spectrum": " ".join(one for one in (text.additivity(cube), text.biased(cube, probabilities)) if one),
        "masks": " ".join(one for one in (text.optimum(cube), text.worth(cube), text.pairs(cube)) if one),
    }
    return [
        Text(
            f"All {cube.loss.size:,} masks were evaluated, so the numbers of this section have no sampling error. "
            f"{sentences['moments']}"
        ),
        Picture(
            pictures["exact_density"],
            "Density of the log loss: sampled masks in colour, all masks weighted by their probability dashed; one "
            "kernel for both.",
        ),
        Tabular(made["exact_moments"], "s.e.: standard errors."),
        Text(sentences["spectrum"]),
        Picture(
            pictures["spectrum"],
            "Left: share of the variance of the log loss in what so many nodes do together, every node on with "
            "probability 0.5. Right: the loss against the probability that a node stays, from the one table of all "
            "masks, with sampled means and standard deviations.",
            wide=True,
        ),
        Tabular(made["orders"]),
        Text(sentences["masks"]),
        Picture(
            pictures["exact_masks"],
            "Left: the best and the worst mask of every size, the mean of all, and where greedy removal lands. Right: "
            "what every node is worth; a bar below zero is a node that lowers the loss.",
            wide=True,
        ),
        Tabular(made["best_masks"]),
        Tabular(made["node_values"]),
    ]
