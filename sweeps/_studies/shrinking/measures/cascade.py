"""How many nodes Cascade Correlation needs where pruning has come to its smallest network."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import curves
from analysis.intervals import Interval, interval
from sweeps._studies.shrinking.measures.networks import Network
from sweeps._studies.shrinking.measures.paths import DROPS, Floats


def _ratio(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> Floats:
    """One number as a multiple of another; NaN of nothing."""
    return np.divide(one, other, out=np.full(len(one), np.nan), where=other > 0)


@dataclass(frozen=True)
class Level:
    """Nodes and parameters at one level of error or accuracy, network by network.

    Attributes
    ----------
    name : str
        What is equal: "loss" or "accuracy" on the training set, or "test_accuracy".
    pruned, grown : numpy.ndarray of float, (networks,)
        Nodes that pruning leaves, and that Cascade Correlation needs to come as far; one more than it was given where
        it does not.
    pruned_parameters, grown_parameters : numpy.ndarray of float, (networks,)
    most : int
        Nodes that Cascade Correlation was given.
    """

    name: str
    pruned: Floats
    grown: Floats
    pruned_parameters: npt.NDArray[Any]
    grown_parameters: npt.NDArray[Any]
    most: int

    @property
    def reached(self) -> int:
        """Networks in which Cascade Correlation comes as far."""
        return int(np.count_nonzero(self.grown <= self.most))

    @property
    def nodes_left(self) -> Interval:
        """Mean of the nodes that pruning leaves."""
        return interval(self.pruned)

    @property
    def nodes_needed(self) -> Interval:
        """Mean of the nodes that Cascade Correlation needs; where not all came as far, it is this or more."""
        return interval(self.grown)

    @property
    def ratio(self) -> Interval:
        """Nodes of Cascade Correlation as a multiple of those that pruning leaves.

        Where not all came as far, it is this or more.
        """
        return interval(_ratio(self.grown, self.pruned))

    @property
    def parameter_ratio(self) -> Interval:
        """The same of the parameters."""
        return interval(_ratio(self.grown_parameters, self.pruned_parameters))


@dataclass(frozen=True)
class Grown:
    """Networks of Cascade Correlation beside pruned ones of one layer, on the same task.

    Attributes
    ----------
    data : xarray.Dataset
        `loss`, `accuracy`, `test_accuracy` (direct, network, size), `parameters` (direct, size): direct is 1 where
        outputs read the inputs too, as published, and 0 where they read nodes alone.
    pruned : Network
        Their removal paths by brute force, re-ranked.
    """

    data: xr.Dataset
    pruned: Network

    @property
    def task(self) -> str:
        """Name of the task."""
        return str(self.pruned.attrs["task"])

    @property
    def most(self) -> int:
        """Nodes that a network was given."""
        return int(self.data["size"][-1])

    @property
    def has_classes(self) -> bool:
        """Whether the task has classes, and accuracies."""
        return bool(self.pruned.data["accuracy"].notnull().all())

    @property
    def names(self) -> list[str]:
        """What can be equal: the loss, and the accuracies where there are classes."""
        return ["loss", "accuracy", "test_accuracy"] if self.has_classes else ["loss"]

    def parameters_with(self, nodes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Count weights and biases of a pruned network with so many nodes left."""
        inputs, _, outputs = (int(size) for size in self.pruned.attrs["sizes"])
        return nodes * (inputs + 1 + outputs) + outputs

    @property
    def removed(self) -> Floats:
        """Removals before the accuracy, or the loss of a regression, has become too much worse, (networks,)."""
        if self.has_classes:
            return self.pruned.values("removable", "brute_force", fall=DROPS[0])
        return self.pruned.values("cheap", "brute_force")

    def level(self, name: str, direct: int = 1) -> Level:
        """Compare where pruning has come to its smallest network; networks are paired by their number.

        Parameters
        ----------
        name : str
            "loss", "accuracy" or "test_accuracy", in which Cascade Correlation has to come as far.
        direct : int
            Whether its outputs read the inputs too.
        """
        removed = self.removed.astype(int)
        target = self.pruned.curves(name, "brute_force").values[np.arange(len(removed)), removed][:, None]
        data = self.data.sel(direct=direct)
        values = data[name].transpose("network", "size").values
        enough = values <= target if name == "loss" else values >= target - curves.ROUNDING
        needed = np.where(enough.any(axis=1), enough.argmax(axis=1), self.most + 1)
        left = self.pruned.nodes - removed
        parameters = data["parameters"].values[np.minimum(needed, self.most)]
        return Level(
            name,
            left.astype(float),
            needed.astype(float),
            self.parameters_with(left),
            parameters.astype(float),
            self.most,
        )
