"""What the whole hypercube and the flip paths of one network say."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import hypercube, paths, runs

Floats = npt.NDArray[np.float64]

#: Where a study puts its flip paths and its whole cube.
PATHS, CUBE = "sweeps/flip_paths", "sweeps/hypercube"
#: Paths that a covariance with its error needs.
FEWEST_PATHS = 3


@dataclass(frozen=True)
class CubeResults:
    """The table of all 2**N losses, and what can be read off it without sampling error.

    Attributes
    ----------
    loss, log_loss : numpy.ndarray of float64, (2**N,)
        At each mask; mask number m has node i on when bit i of m is 1.
    labels : sequence of str, (N,)
        Names of the nodes.
    """

    loss: Floats
    log_loss: Floats
    labels: Sequence[str]

    @property
    def nodes(self) -> int:
        """Number of nodes N."""
        return len(self.labels)

    @cached_property
    def by_distance(self) -> Floats:
        """Covariance of the log losses of two masks that differ in d nodes, (N+1,)."""
        return hypercube.covariance_by_distance(self.log_loss)

    @cached_property
    def opposite(self) -> hypercube.Opposite:
        """How the log losses of a mask and its opposite go together."""
        return hypercube.opposite(self.log_loss)

    def shares(self, probability: float) -> Floats:
        """Share of the log loss's variance in every order under Bernoulli(p), (N+1,); NaN for a constant."""
        weights = hypercube.variance_by_order(self.log_loss, probability=probability)
        return weights / (weights.sum() or np.nan)

    @cached_property
    def worth(self) -> xr.Dataset:
        """What each node is worth, (node,): Shapley, Banzhaf and Sobol of the log loss."""
        first, total = hypercube.sobol(self.log_loss)
        values = dict(
            shapley=hypercube.shapley(self.log_loss),
            banzhaf=hypercube.banzhaf(self.log_loss),
            sobol_first=first,
            sobol_total=total,
        )
        return xr.Dataset({name: ("node", one) for name, one in values.items()}, coords={"node": list(self.labels)})

    @cached_property
    def alone(self) -> Floats:
        """Change of the log loss when a node goes off and all others are on, (N,)."""
        every = self.log_loss.size - 1
        return self.log_loss[every ^ (1 << np.arange(self.nodes))] - self.log_loss[every]

    @cached_property
    def interaction(self) -> Floats:
        """Banzhaf interaction of every pair of nodes, (N, N)."""
        return hypercube.interaction(self.log_loss)

    @cached_property
    def best(self) -> hypercube.MaskOfEachSize:
        """The lowest log loss of every size and its mask."""
        return hypercube.best_masks(self.log_loss)

    @cached_property
    def greedy(self) -> hypercube.GreedyRemoval:
        """Where removing one node after another lands."""
        return hypercube.greedy_removal(self.log_loss)


@dataclass(frozen=True)
class PathResults:
    """Covariance along sampled flip paths, beside the exact one where the whole cube is known.

    Attributes
    ----------
    sampled : xarray.Dataset
        What `analysis.paths.covariance` returns.
    comparison : xarray.Dataset or None
        What `analysis.paths.compare` returns.
    """

    sampled: xr.Dataset
    comparison: xr.Dataset | None

    @property
    def steps(self) -> int:
        """Masks of a path."""
        return self.sampled.sizes["step"]


@dataclass(frozen=True)
class HypercubeResults:
    """Flip paths and cube.

    Attributes
    ----------
    paths : PathResults or None
        None with fewer than `FEWEST_PATHS` paths of known log losses.
    cube : CubeResults or None
    bad : int
        Masks whose loss is zero or not finite, where that is why there is no cube; otherwise the study's limit is.
    estimates : xarray.Dataset or None, (node,)
        Where there is no cube, from the paths: `banzhaf` and `sobol_total` of the log loss with their errors; and from
        the draws whose p is nearest to 0.5 `additive_share`, its error and that p, `probability`.
    moments : xarray.Dataset or None, (quantity, probability)
        `exact_mean`, `exact_sd`, `exact_skewness`, `exact_excess_kurtosis`; `sampled_mean`, its `sampled_error`, and
        `standard_errors`, sampled less exact.
    """

    paths: PathResults | None
    cube: CubeResults | None
    bad: int
    estimates: xr.Dataset | None
    moments: xr.Dataset | None


def measure(run: runs.Run, sweep: xr.Dataset, losses: xr.Dataset, fits: xr.Dataset) -> HypercubeResults:
    """Read the flip paths and the cube of a run, and compare sampled numbers with exact ones.

    Parameters
    ----------
    run : analysis.runs.Run
    sweep : xarray.Dataset
        The Bernoulli sweep of the same network.
    losses, fits : xarray.Dataset, (probability,)
        What `analysis.removal` and `analysis.lognormal` say of it.

    Raises
    ------
    ValueError
        If a group was begun and not finished.
    """
    groups = {node.path.strip("/") for node in run.tree.subtree}
    cube, bad = _cube(run) if CUBE in groups else (None, 0)
    walked = _paths(run, cube)
    exact = None if cube is None else _moments(cube, losses, fits)
    estimates = _estimates(run, sweep) if cube is None and walked is not None else None
    return HypercubeResults(walked, cube, bad, estimates, exact)


def _cube(run: runs.Run) -> tuple[CubeResults | None, int]:
    data = run.group(CUBE)
    loss, log_loss = (data[name].values.astype(np.float64) for name in ("loss", "log_loss"))
    bad = int(np.count_nonzero(~np.isfinite(log_loss)))
    return None if bad else CubeResults(loss, log_loss, [str(label) for label in data["node"].values]), bad


def _paths(run: runs.Run, cube: CubeResults | None) -> PathResults | None:
    log_loss = run.group(PATHS)["log_loss"]
    if int(np.isfinite(log_loss.values).all(axis=log_loss.get_axis_num("step")).sum()) < FEWEST_PATHS:
        return None
    sampled = paths.covariance(log_loss)
    return PathResults(sampled, None if cube is None else paths.compare(sampled, paths.exact(cube.log_loss)))


def _estimates(run: runs.Run, sweep: xr.Dataset) -> xr.Dataset:
    walked = run.group(PATHS)
    found = hypercube.estimates.along_paths(walked["log_loss"], walked["gates"])
    nearest = int(np.abs(sweep["probability"].values - 0.5).argmin())
    p = float(sweep["probability"][nearest])
    if 0 < p < 1:
        draws = sweep.isel(probability=nearest)
        order = hypercube.estimates.first_order(draws["log_loss"], draws["gates"], probability=p)
        shares = {name: order[name] for name in ("additive_share", "additive_share_error")}
        found = found.assign(shares | {"probability": p})
    return found


def _moments(cube: CubeResults, losses: xr.Dataset, fits: xr.Dataset) -> xr.Dataset:
    probability = losses["probability"].values
    sampled = {
        "loss": (losses["mean_loss"], losses["mean_loss_error"]),
        "log loss": (fits["mu"], fits["mu_error"]),
    }
    exact = [hypercube.moments(table, probability=probability) for table in (cube.loss, cube.log_loss)]
    columns: dict[str, Any] = {
        "exact_mean": [one.mean for one in exact],
        "exact_sd": [np.sqrt(one.variance) for one in exact],
        "exact_skewness": [one.skewness for one in exact],
        "exact_excess_kurtosis": [one.excess_kurtosis for one in exact],
        "sampled_mean": [mean.values for mean, _ in sampled.values()],
        "sampled_error": [error.values for _, error in sampled.values()],
    }
    data = xr.Dataset(
        {name: (("quantity", "probability"), np.asarray(values)) for name, values in columns.items()},
        coords={"quantity": list(sampled), "probability": probability},
    )
    known = data["sampled_error"].where(data["sampled_error"] > 0)
    return data.assign(standard_errors=(data["sampled_mean"] - data["exact_mean"]) / known)
