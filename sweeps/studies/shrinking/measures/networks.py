"""One network of the study: its paths and what they say."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import xarray as xr

from sweeps.studies.shrinking.measures.layers import preference
from sweeps.studies.shrinking.measures.paths import DROPS, summary
from sweeps.studies.shrinking.names import macro_prefix, network_name


@dataclass(frozen=True)
class Network:
    """A network, its removal paths, and their numbers.

    Attributes
    ----------
    key : str
        Number of its hidden layers, or "small", "cross_entropy", "regression".
    attrs : dict
        What the store says of it: sizes, criterion, unit, loss, accuracy, ...
    paths : xarray.Dataset, (ranked_by, ranking, step or removal)
    """

    key: str
    attrs: dict[str, Any]
    paths: xr.Dataset

    @cached_property
    def summary(self) -> xr.Dataset:
        """Numbers of the paths, (ranked_by, ranking); see `measures.paths.summary`."""
        return summary(self.paths)

    @cached_property
    def layers(self) -> xr.Dataset:
        """Which layers go first, (ranked_by, ranking, layer); see `measures.layers.preference`."""
        return preference(self.paths)

    @property
    def name(self) -> str:
        """What it is called."""
        return network_name(self.key)

    @property
    def prefix(self) -> str:
        """First words of its macros."""
        return macro_prefix(self.key)

    @property
    def methods(self) -> list[str]:
        """The methods that its nodes were removed by."""
        return [str(method) for method in self.paths["ranked_by"].values]

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

    @property
    def classes(self) -> bool:
        """Whether it tells classes apart, and has an accuracy."""
        return bool(self.attrs["accuracy"] >= 0)

    def number(self, name: str, method: str, ranking: str = "reranked", **where: Any) -> float:
        """Return one number of the summary."""
        # As a dict: `sel` has an argument of its own named method.
        return float(self.summary[name].sel({"ranked_by": method, "ranking": ranking, **where}))

    def p_value(self, method: str) -> float:
        """Return the chance that a random order treats the layers as unequally as the re-ranked one of a method."""
        return float(self.layers["p_value"].sel({"ranked_by": method, "ranking": "reranked"}))

    def removable(self, method: str, ranking: str = "reranked", fall: float = DROPS[0]) -> float:
        """Count the removals before the accuracy falls by more than `fall`; NaN without an accuracy."""
        return self.number("removable", method, ranking, fall=fall)
