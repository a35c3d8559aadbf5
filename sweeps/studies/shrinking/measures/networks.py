"""One network of the study: its paths and what they say."""

from dataclasses import dataclass
from typing import Any

import xarray as xr

from sweeps.studies.shrinking.measures.layers import preference
from sweeps.studies.shrinking.measures.paths import summary

#: The methods of the paper, and the two ways to rank.
METHODS = ("brute_force", "first_order", "second_order")
RANKINGS = ("single_pass", "reranked")
#: Keys of the networks that the paper reports on: one hidden layer, and two.
PAPER = ("1", "2")


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
    summary : xarray.Dataset, (ranked_by, ranking)
        What `sweeps.studies.shrinking.measures.summary` makes of the paths.
    layers : xarray.Dataset, (ranked_by, ranking, layer)
        What `sweeps.studies.shrinking.measures.preference` makes of them.
    """

    key: str
    attrs: dict[str, Any]
    paths: xr.Dataset
    summary: xr.Dataset
    layers: xr.Dataset

    @property
    def nodes(self) -> int:
        """Number of hidden nodes."""
        return int(self.paths.sizes["removal"])

    @property
    def unit(self) -> str:
        """Unit of the loss."""
        return str(self.attrs.get("unit") or "nats")

    @property
    def criterion(self) -> str:
        """Name of the loss in words."""
        return str(self.attrs["criterion"]).replace("_", " ")

    @property
    def hidden(self) -> list[int]:
        """Numbers of nodes of the hidden layers."""
        return [int(size) for size in self.layers["nodes"].values]

    def number(self, name: str, method: str, ranking: str = "reranked", **where: Any) -> float:
        """Return one number of the summary; NaN where there is no such path."""
        data = self.summary[name]
        if method not in data["ranked_by"].values or ranking not in data["ranking"].values:
            return float("nan")
        # As a dict: `sel` has an argument of its own named method.
        return float(data.sel({"ranked_by": method, "ranking": ranking, **where}))


def measured_network(key: str, attrs: dict[str, Any], paths: xr.Dataset) -> Network:
    """Make the numbers of one network's paths.

    Parameters
    ----------
    key : str
    attrs : dict
    paths : xarray.Dataset

    Returns
    -------
    Network

    Raises
    ------
    TypeError
        If `paths` is no Dataset.
    ValueError
        If it lacks a variable or a dimension.
    """
    return Network(key, attrs, paths, summary(paths), preference(paths))
