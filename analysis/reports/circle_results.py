"""The results of a circle study: everything its report says, computed once from the store."""

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from analysis import density, lognormal, published, removal, runs, spread
from analysis.reports import cube_results
from analysis.reports.cube_results import HypercubeResults
from analysis.reports.sweep_results import SweepResults


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
    hypercube : HypercubeResults
        Flip paths and the whole cube.
    """

    nodes: xr.Dataset
    published: xr.Dataset
    spread: xr.Dataset
    comparison: pd.DataFrame
    hypercube: HypercubeResults


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
    return Results(
        run=run,
        task=run.group("task"),
        network=run.group("network"),
        training=run.group("training"),
        sweep=sweep,
        losses=losses,
        fits=fits,
        nodes=removal.leave_one_out(run.group("sweeps/leave_one_out")),
        best=None,
        # The widths that the study was published with.
        loss_width=density.WIDTH,
        log_loss_width=density.WIDTH,
        published=published.circle(),
        spread=many,
        comparison=published.compare(many),
        hypercube=cube_results.measure(run, sweep, losses, fits),
    )
