"""One kind of networks of the study: their paths and what they say."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from analysis.intervals import Interval, interval
from sweeps._studies.shrinking.measures.layers import preference
from sweeps._studies.shrinking.measures.paths import DROPS, Floats, summary
from sweeps._studies.shrinking.names import macro_prefix, network_name


@dataclass(frozen=True)
class Network:
    """Networks of one kind, which differ in the seed: their removal paths, and the numbers of these.

    Attributes
    ----------
    key : str
        Number of hidden layers, or "small", "cross_entropy", "regression".
    data : xarray.Dataset
        What the store has of them: parameters, `loss`, `accuracy`, `test_loss`, `test_accuracy` (network,); sizes,
        criterion, unit, ... as attributes.
    paths : xarray.Dataset, (network, ranked_by, ranking, step or removal)
    """

    key: str
    data: xr.Dataset
    paths: xr.Dataset

    @cached_property
    def summary(self) -> xr.Dataset:
        """Numbers of the paths, (network, ranked_by, ranking); see `measures.paths.summary`."""
        return summary(self.paths)

    @cached_property
    def layers(self) -> xr.Dataset:
        """Which layers go first, (network, ranked_by, ranking, layer); see `measures.layers.preference`."""
        return preference(self.paths)

    @property
    def attrs(self) -> dict[str, Any]:
        """What the store says of them: sizes, criterion, unit, ..."""
        return self.data.attrs

    @property
    def name(self) -> str:
        """What the kind is called."""
        return network_name(self.key)

    @property
    def prefix(self) -> str:
        """First words of its macros."""
        return macro_prefix(self.key)

    @property
    def count(self) -> int:
        """Number of networks of this kind."""
        return int(self.paths.sizes["network"])

    @property
    def methods(self) -> list[str]:
        """The methods that nodes were removed by."""
        return [str(method) for method in self.paths["ranked_by"].values]

    @property
    def rankings(self) -> list[str]:
        """The rankings that nodes were removed by."""
        return [str(ranking) for ranking in self.paths["ranking"].values]

    @property
    def nodes(self) -> int:
        """Number of hidden nodes."""
        return int(self.paths.sizes["removal"])

    @property
    def unit(self) -> str:
        """Unit of the loss."""
        return str(self.attrs["unit"])

    @property
    def criterion(self) -> str:
        """Name of the loss in words."""
        return str(self.attrs["criterion"]).replace("_", " ")

    @property
    def hidden(self) -> list[int]:
        """Numbers of nodes of the hidden layers."""
        return [int(size) for size in self.attrs["sizes"][1:-1]]

    def start(self, name: str) -> Interval:
        """Return the mean over the networks of loss, accuracy, test loss or test accuracy with all nodes on."""
        return interval(self.data[name].values)

    def values(self, name: str, method: str, ranking: str = "reranked", **where: Any) -> Floats:
        """Return one number of the summary of each network."""
        # As a dict: `sel` has an argument of its own named method.
        found = self.summary[name].sel({"ranked_by": method, "ranking": ranking, **where})
        return found.values.astype(np.float64)

    def number(self, name: str, method: str, ranking: str = "reranked", **where: Any) -> Interval:
        """Return the mean of one number of the summary over the networks."""
        return interval(self.values(name, method, ranking, **where))

    def removable(self, method: str, ranking: str = "reranked", fall: float = DROPS[0]) -> Floats:
        """Return the share of the nodes that go before each network's accuracy falls by more than `fall`."""
        return self.values("removable", method, ranking, fall=fall) / self.nodes

    def curves(self, name: str, method: str, ranking: str = "reranked") -> xr.DataArray:
        """Return loss, accuracy or test accuracy along the paths, (network, step)."""
        return self.paths[name].sel({"ranked_by": method, "ranking": ranking}, drop=True).transpose("network", "step")
