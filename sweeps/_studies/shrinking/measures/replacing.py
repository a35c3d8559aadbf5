"""Whether correlations improve the choice of the next node, and what it is worth that others take over from it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from analysis import curves
from analysis.intervals import Interval, interval
from sweeps._studies.shrinking.measures.paths import DROPS


class Way(NamedTuple):
    """A way to remove nodes.

    Attributes
    ----------
    choice : str
        By what the next node is chosen.
    stand_in : str
        What takes over from it.
    """

    choice: str
    stand_in: str


#: The paper's idea: one node of the most correlated pair goes, and the other takes over.
CORRELATED = Way("correlation", "partner")
#: Brute force as everywhere else in this study.
PLAIN = Way("brute_force", "nothing")


@dataclass(frozen=True)
class Replacing:
    """Removals in which others take over.

    Attributes
    ----------
    paths : xarray.Dataset
        `loss`, `accuracy`, `test_accuracy` (stand_in, choice, network, step).
    """

    paths: xr.Dataset

    @cached_property
    def summary(self) -> xr.Dataset:
        """Numbers of each path, (stand_in, choice, network).

        `removable`, `test_removable` (..., fall): removals before the accuracy first falls by more than `fall`, on the
        examples of the ranking and on the test set; `mean_loss`, `mean_accuracy`: areas under the curves over the
        number of nodes.
        """
        over = ("stand_in", "choice", "network")
        data = self.paths.transpose(*over, "step", ...)
        loss, accuracy, test = (data[name].values.astype(float) for name in ("loss", "accuracy", "test_accuracy"))
        found: dict[str, Any] = {
            "mean_loss": (over, curves.mean_height(loss)),
            "mean_accuracy": (over, curves.mean_height(accuracy)),
        }
        for name, curve in (("removable", accuracy), ("test_removable", test)):
            found[name] = ((*over, "fall"), np.stack([curves.removable(curve, drop) for drop in DROPS], -1))
        return xr.Dataset(found, {**{name: data[name].values for name in over}, "fall": list(DROPS)})

    @property
    def ways(self) -> list[Way]:
        """Every way, by what takes over."""
        return [
            Way(str(choice), str(stand_in))
            for stand_in in self.paths["stand_in"].values
            for choice in self.paths["choice"].values
        ]

    @property
    def nodes(self) -> int:
        """Number of hidden nodes."""
        return int(self.paths.sizes["step"]) - 1

    @property
    def networks(self) -> int:
        """Number of networks."""
        return int(self.paths.sizes["network"])

    def values(self, way: Way, name: str = "removable", fall: float = DROPS[0]) -> xr.DataArray:
        """One number of a way, (network,)."""
        data = self.summary[name].sel(way._asdict())
        return data.sel(fall=fall) if "fall" in data.dims else data

    def mean(self, way: Way, name: str = "removable", fall: float = DROPS[0]) -> Interval:
        """Mean over the networks of one number of a way."""
        return interval(self.values(way, name, fall))

    def difference(self, one: Way, other: Way, name: str = "removable", fall: float = DROPS[0]) -> Interval:
        """Mean difference of two ways, paired by network."""
        return interval(self.values(one, name, fall).values - self.values(other, name, fall).values)
