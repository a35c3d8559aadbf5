"""The results of a circle study: everything its report says, computed once from the store."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from analysis import density, families, lognormal, removal, runs, samples
from analysis.reports import plane
from analysis.reports.plane import PlaneResults
from analysis.reports.sweep_results import SweepResults
from sweeps.studies.circle import published, spread
from sweeps.studies.circle.cube import results as cube_results
from sweeps.studies.circle.cube.results import CubeResults, HypercubeResults
from sweeps.studies.circle.gradients import results as gradient_results
from sweeps.studies.circle.gradients.results import GradientResults


@dataclass(frozen=True)
class Results(SweepResults):
    """The Bernoulli sweep of one network, beside many networks and the published numbers.

    Attributes
    ----------
    nodes : xarray.Dataset, (node,)
        What each node is worth when it alone goes off.
    published : xarray.Dataset
        The published numbers.
    spread : xarray.Dataset
        Statistics of every network, under both boundary rules.
    comparison : pandas.DataFrame
        Where the published numbers fall in the spread.
    families : xarray.Dataset or None, (probability, family)
        How well families of laws predict held-out losses; None where there are too few losses or they are all equal.
    gradients : GradientResults or None
        Distributions of the gate gradients; None where the sweep has none.
    hypercube : HypercubeResults
        Flip paths and the whole cube.
    plane : PlaneResults
        The network over its input plane; None where there are not two inputs.
    """

    nodes: xr.Dataset
    published: xr.Dataset
    spread: xr.Dataset
    comparison: pd.DataFrame
    families: xr.Dataset | None
    gradients: GradientResults | None
    hypercube: HypercubeResults
    plane: PlaneResults | None


def measure(run: runs.Run) -> Results:
    """Compute the results of a circle study.

    Parameters
    ----------
    run : analysis.runs.Run
        A run of the study "circle".

    Returns
    -------
    Results

    Raises
    ------
    ValueError
        If the store lacks a group or a variable.
    """
    sweep = run.group("sweeps/bernoulli", on_disk=("loss_gradient", "log_loss_gradient"))
    many = spread.statistics(run.group("spread"))
    losses, fits = removal.statistics(sweep), lognormal.fit_each(sweep)
    task, network, training = (run.group(name) for name in ("task", "network", "training"))
    walked = cube_results.measure(run, sweep, losses, fits)
    return Results(
        run=run,
        task=task,
        network=network,
        training=training,
        sweep=sweep,
        losses=losses,
        fits=fits,
        nodes=removal.leave_one_out(run.group("sweeps/leave_one_out")),
        layers=None,
        best=None,
        # The widths that the study was published with.
        loss_width=density.WIDTH,
        log_loss_width=density.WIDTH,
        published=published.circle(),
        spread=many,
        comparison=published.compare(many),
        families=_families(sweep),
        gradients=gradient_results.measure(
            sweep, None if walked.cube is None else walked.cube.loss, published.circle_gradients()
        ),
        hypercube=walked,
        plane=plane.measure(
            network, task, training, [str(label) for label in sweep["node"].values], chosen(sweep, walked.cube)
        ),
    )


def _families(sweep: xr.Dataset) -> xr.Dataset | None:
    parts = samples.parts(sweep, "probability")
    if not all(map(families.comparable, parts)):
        return None
    found = [families.compare(part) for part in parts]
    return xr.concat(found, "probability").assign_coords(probability=sweep["probability"].values)


def chosen(sweep: xr.Dataset, cube: CubeResults | None) -> dict[str, npt.NDArray[np.bool_]]:
    """Return masks worth a picture: the best and the greedy one of half the size, if known, and a draw."""
    nodes = sweep.sizes["node"]
    found: dict[str, npt.NDArray[np.bool_]] = {}
    if cube is not None:
        half = nodes // 2
        numbers = {f"best {half} on": cube.best.mask[half], f"greedy, {half} on": cube.greedy.mask[nodes - half]}
        found |= {name: (int(mask) >> np.arange(nodes)) & 1 == 1 for name, mask in numbers.items()}
    drawn = sweep["gates"].isel({dim: 0 for dim in sweep["loss"].dims if dim != "probability"})
    nearest = int(np.abs(sweep["probability"].values - 0.5).argmin())
    gates = drawn.isel(probability=nearest).values.astype(bool)
    found[f"a draw, $p$ = {float(sweep['probability'][nearest]):g}"] = gates
    if cube is None:
        found["its opposite"] = ~gates
    return found
