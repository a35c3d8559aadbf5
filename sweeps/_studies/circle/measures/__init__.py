"""The results of a circle study: everything its report says, computed once from the store."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from analysis import _samples, balance, density, families, lognormal, perceptron, removal, runs
from analysis._reports import plane
from analysis._reports.results import SweepResults
from sweeps._studies.circle import published
from sweeps._studies.circle.measures import gradients, hypercube, many, networks
from sweeps._studies.circle.measures.gradients import GradientResults
from sweeps._studies.circle.measures.hypercube import CubeResults, HypercubeResults
from sweeps._studies.circle.measures.many import ManyResults
from sweeps._studies.circle.measures.networks import Place

#: A difference of scores of families counts from so many standard errors on.
STANDARD_ERRORS = 2.0


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
    gradients : GradientResults
        Distributions of the gate gradients.
    hypercube : HypercubeResults
        Flip paths and the whole cube.
    many : ManyResults
        What the networks of the spread say that learned the same circle.
    roles : xarray.Dataset, (node,)
        What `analysis.balance.roles` says of this network's nodes.
    balance : xarray.Dataset or None
        What `analysis.balance.explain` says of its log loss; None where not all masks are known.
    """

    nodes: xr.Dataset
    published: xr.Dataset
    spread: xr.Dataset
    comparison: pd.DataFrame
    families: xr.Dataset | None
    gradients: GradientResults
    hypercube: HypercubeResults
    many: ManyResults
    roles: xr.Dataset
    balance: xr.Dataset | None

    @property
    def boundary(self) -> str:
        """Which circle this run's network learned, that of the published text or of the published code."""
        return str(self.task.attrs["boundary"])

    @property
    def alike(self) -> xr.Dataset:
        """The networks of the spread under this run's boundary rule, (network[, probability])."""
        return self.spread.sel(boundary=self.boundary)

    @property
    def published_probabilities(self) -> list[float]:
        """Our probabilities for which there are published numbers."""
        return [p for p in self.probabilities if np.isclose(self.published["probability"], p).any()]

    @property
    def places(self) -> list[Place]:
        """Where the published numbers fall among our networks, for each circle."""
        return networks.places(self.comparison)

    @property
    def middle(self) -> float:
        """The probability at which families of laws are drawn."""
        return self.probabilities[len(self.probabilities) // 2]


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
    spread = networks.statistics(run.group("spread"))
    losses, fits = removal.statistics(sweep), lognormal.fit_each(sweep)
    task, network, training = (run.group(name) for name in ("task", "network", "training"))
    walked = hypercube.measure(run, sweep, losses, fits)
    labels = [str(label) for label in sweep["node"].values]
    roles = balance.roles(perceptron.from_dataset(network), task["test_inputs"].values)
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
        plane=plane.measure(network, task, training, labels, chosen(sweep, walked.cube)),
        published=published.circle(),
        spread=spread,
        comparison=networks.compare(spread),
        families=compared_families(sweep),
        gradients=gradients.measure(sweep, None if walked.cube is None else walked.cube.loss),
        hypercube=walked,
        many=many.measure(run, task, str(task.attrs["boundary"])),
        roles=roles,
        balance=None if walked.cube is None else balance.explain(walked.cube.log_loss, roles),
    )


def ranked_families(comparison: xr.Dataset) -> dict[str, dict[str, list[float]]]:
    """Sort families of laws by whether they predict held-out losses better or worse than the log-normal law, or alike.

    Parameters
    ----------
    comparison : xarray.Dataset, (probability, family)
        What `compared_families` returns; the first family is the log-normal law.

    Returns
    -------
    dict of str to dict of str to list of float
        For "better", "worse" and "alike" (within two standard errors), the probabilities by family.
    """
    found: dict[str, dict[str, list[float]]] = {"better": {}, "worse": {}, "alike": {}}
    for p in map(float, comparison["probability"].values):
        for family in map(str, comparison["family"].values[1:]):
            one = comparison.sel(probability=p, family=family)
            error = float(one["difference_error"])
            ratio = float(one["difference"]) / error if error > 0 else 0.0
            group = "better" if ratio > STANDARD_ERRORS else "worse" if ratio < -STANDARD_ERRORS else "alike"
            found[group].setdefault(family, []).append(p)
    return found


def compared_families(sweep: xr.Dataset) -> xr.Dataset | None:
    """Compare families of laws at every probability; None where that cannot be done at each."""
    parts = _samples.parts(sweep, "probability")
    if not all(map(families.comparable, parts)):
        return None
    found = [families.compare(part) for part in parts]
    return xr.concat(found, "probability").assign_coords(probability=sweep["probability"].values)


def chosen(sweep: xr.Dataset, cube: CubeResults | None) -> dict[str, npt.NDArray[np.bool_]]:
    """Return masks worth a picture: the best one of half the size and its opposite, if known, and a draw."""
    nodes = sweep.sizes["node"]
    found: dict[str, npt.NDArray[np.bool_]] = {}
    if cube is not None:
        half = nodes // 2
        best = (int(cube.best.mask[half]) >> np.arange(nodes)) & 1 == 1
        found |= {f"best {half} on": best, "its opposite": ~best}
    drawn = sweep["gates"].isel({dim: 0 for dim in sweep["loss"].dims if dim != "probability"})
    nearest = int(np.abs(sweep["probability"].values - 0.5).argmin())
    gates = drawn.isel(probability=nearest).values.astype(bool)
    found[f"a draw, $p$ = {float(sweep['probability'][nearest]):g}"] = gates
    if cube is None:
        found["its opposite"] = ~gates
    return found
