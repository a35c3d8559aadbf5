"""What the networks from other seeds say that learned the same circle: their nodes, gradients, masks and plane."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import stats

from analysis import balance, perceptron, plane, runs
from analysis._reports.plane import COARSE, UNCERTAIN
from sweeps._studies.circle.measures.hypercube import Floats

#: Groups of the store.
WEIGHTS, GRADIENTS, CUBES = "networks/weights", "networks/gradients", "networks/cubes"
#: Probabilities at which the exact curve of the mean loss is computed.
CHANCES = np.linspace(0, 1, 201)
#: Paths whose correlations the source would have resolved, if they are as many as its masks at each p.
PATHS = 1000


@dataclass(frozen=True)
class ManyResults:
    """Numbers of many networks, each over the dimension `network`; a part that the store lacks is None.

    Attributes
    ----------
    nodes : xarray.Dataset, (network, node)
        What `analysis.balance.roles` says of each.
    plane : xarray.Dataset, (network,)
        Shares of the square where the network is uncertain: `area`, and of what lies there `loss` and `gradient`, the
        absolute gate gradients of all nodes.
    gradients : xarray.Dataset
        What `measures.gradients.of_network` says of each.
    both : xarray.Dataset
        The same of the networks under both circles, with a dimension `boundary`.
    cubes : xarray.Dataset
        What `measures.cubes.of_network` says of each.
    """

    nodes: xr.Dataset | None
    plane: xr.Dataset | None
    gradients: xr.Dataset | None
    both: xr.Dataset | None
    cubes: xr.Dataset | None

    def alone_by_role(self, role: str) -> xr.DataArray:
        """Change of the loss when one node of a role goes on in the empty network, mean over them, (network,)."""
        assert self.nodes is not None and self.cubes is not None
        return self.cubes["alone_on"].where(self.nodes["role"] == role).mean("node")

    @property
    def curves(self) -> Floats:
        """Mean loss of each network at each of `CHANCES`, exact, (network, chance)."""
        assert self.cubes is not None
        return self.cubes["mean_loss"].transpose("network", "on").values @ _sizes(self.cubes.sizes["on"] - 1).T

    @property
    def peaks(self) -> Floats:
        """The p at which the mean loss is largest, (network,)."""
        return CHANCES[np.argmax(self.curves, axis=1)]

    @property
    def correlation(self) -> xr.DataArray:
        """Correlation of the log losses of two masks by the number of nodes in which they differ."""
        assert self.cubes is not None
        covariance = self.cubes["covariance"]
        return covariance / covariance.isel(distance=0)

    @property
    def decayed(self) -> Floats:
        """Flips after which so many paths would no longer tell the correlation from 0, (network,); NaN for never."""
        unseen = (abs(self.correlation) < 1.96 / np.sqrt(PATHS)).transpose("network", "distance").values
        return np.where(unseen.any(axis=1), unseen.argmax(axis=1), np.nan)


def _sizes(nodes: int) -> Floats:
    return stats.binom.pmf(np.arange(nodes + 1), nodes, CHANCES[:, np.newaxis])


def measure(run: runs.Run, task: xr.Dataset, boundary: str) -> ManyResults:
    """Read what a run holds of the networks that learned this circle.

    Parameters
    ----------
    run : analysis.runs.Run
    task : xarray.Dataset
        Group of the store; all networks have its test set.
    boundary : str
        "text" or "code".
    """
    groups = {node.path.strip("/") for node in run.tree.subtree}
    both, cubes = (run.group(name) if name in groups else None for name in (GRADIENTS, CUBES))
    gradients = None if both is None else both.sel(boundary=boundary)
    if WEIGHTS not in groups:
        return ManyResults(None, None, gradients, both, cubes)
    weights = run.group(WEIGHTS).sel(boundary=boundary)
    networks = [perceptron.from_dataset(weights.isel(network=index)) for index in range(weights.sizes["network"])]
    nodes = xr.concat([balance.roles(one, task["test_inputs"].values) for one in networks], "network")
    grid = plane.grid(points=COARSE)
    classes = plane.true_classes(task, grid)
    shares = xr.concat([_where_uncertain(plane.maps(one, grid, classes=classes)) for one in networks], "network")
    return ManyResults(nodes, shares, gradients, both, cubes)


def _where_uncertain(maps: xr.Dataset) -> xr.Dataset:
    certainty = maps["certainty"]
    uncertain = (certainty > UNCERTAIN) & (certainty < 1 - UNCERTAIN)
    gradient = abs(maps["gate_gradient"]).sum("node")
    of = {"loss": maps["loss"], "gradient": gradient}
    shares = {name: (one * uncertain).sum() / one.sum() for name, one in of.items()}
    return xr.Dataset(shares | {"area": uncertain.mean()})
