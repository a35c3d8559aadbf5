"""Networks of a group of the store, read once and evaluated with NumPy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis.perceptron import Perceptron, activations, from_dataset

Floats = npt.NDArray[Any]


class Networks:
    """Networks by place: of an arm and a number, or of an arm, a choice and a number.

    Parameters
    ----------
    data : xarray.Dataset, (arm, network) or (arm, choice, network)
        Parameters and the attributes of their structure.
    inputs : array_like, (examples, features)
        What the networks are evaluated on.
    """

    def __init__(self, data: xr.Dataset, inputs: Any):
        self.inputs = np.asarray(inputs, np.float64)
        self._dims = [dim for dim in ("arm", "choice", "network") if dim in data.dims]
        self._arms = [str(arm) for arm in data["arm"].values]
        first = from_dataset(data.isel(dict.fromkeys(self._dims, 0)))
        layers = range(len(first.kernels))
        self._kernels = [data[f"layers.{layer}.kernel"].transpose(*self._dims, ...).values for layer in layers]
        self._biases = [data[f"layers.{layer}.bias"].transpose(*self._dims, ...).values for layer in layers]
        self._structure = (first.activation, first.output_activation)
        self._known: dict[tuple[str | int, ...], list[Floats]] = {}

    @property
    def count(self) -> int:
        """How many networks an arm has, of one choice."""
        return int(self._biases[0].shape[len(self._dims) - 1])

    def network(self, arm: str, *place: int) -> Perceptron:
        """Return one network."""
        at = (self._arms.index(arm), *place)
        parts = [tuple(one[at].astype(np.float64) for one in many) for many in (self._kernels, self._biases)]
        return Perceptron(parts[0], parts[1], *self._structure)

    def activations(self, arm: str, *place: int) -> list[Floats]:
        """Return the hidden layers' activations of one network, each (examples, nodes); they are computed once."""
        if (arm, *place) not in self._known:
            found = activations(self.network(arm, *place), self.inputs)
            self._known[arm, *place] = [one.astype(np.float32) for one in found]
        return self._known[arm, *place]


def by_layer(keep: npt.NDArray[np.bool_], like: Sequence[Floats]) -> list[npt.NDArray[np.bool_]]:
    """Cut a mask of all hidden nodes by layers."""
    return np.split(keep, np.cumsum([one.shape[1] for one in like])[:-1])
