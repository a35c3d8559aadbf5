"""Which nodes belong to which layer, in the order in which the layers come up in the gate vector."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _checks
from analysis._errors import InputError


class Groups(NamedTuple):
    """The layers of a sweep, and which of its nodes belong to them; `groups` reads them.

    Attributes
    ----------
    names : list of str, (layers,)
        In the order in which they first come up among the nodes, not in that of the alphabet.
    layer : numpy.ndarray of int, (nodes,)
        Number of each node's layer.
    labels : list of str, (nodes,)
        Full names of the nodes, such as ``conv2 channel 5``.
    """

    names: list[str]
    layer: npt.NDArray[np.intp]
    labels: list[str]

    @property
    def sizes(self) -> npt.NDArray[np.intp]:
        """Number of nodes of each layer, (layers,)."""
        return np.bincount(self.layer, minlength=len(self.names))

    @property
    def short(self) -> list[str]:
        """Names of the nodes within their layers, such as ``channel 5``, (nodes,)."""
        return [
            label.removeprefix(self.names[layer]).strip() or label
            for label, layer in zip(self.labels, self.layer, strict=True)
        ]

    @property
    def kinds(self) -> list[str]:
        """What each node is, such as ``channel``, (nodes,); empty where its name does not say."""
        return [name.rpartition(" ")[0] for name in self.short]

    def of(self, layer: int) -> npt.NDArray[np.intp]:
        """Find the nodes of one layer.

        Parameters
        ----------
        layer : int
            Number of the layer, from 0.

        Returns
        -------
        numpy.ndarray of int, (members,)
            Places in the gate vector, ascending.
        """
        return np.flatnonzero(self.layer == layer)

    def sums(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Sum values over the nodes of each layer.

        Parameters
        ----------
        values : numpy.ndarray, (..., nodes)
            Numbers or booleans, in any unit.

        Returns
        -------
        numpy.ndarray of float64, (..., layers)
            In the unit of the values.
        """
        order = np.argsort(self.layer, kind="stable")
        if (np.diff(order) != 1).any():  # else a copy would be for nothing
            values = values[..., order]
        starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        total: npt.NDArray[np.float64] = np.add.reduceat(values, starts, axis=-1, dtype=np.float64)
        return total


def groups(data: xr.Dataset, *, called: str = "data") -> Groups:
    """Read the layers of labelled nodes.

    Parameters
    ----------
    data : xarray.Dataset
        With the dimension `node` and along it the coordinates `node` (names) and `layer` (what each belongs to), as
        every sweep has them.
    called : str
        What messages call the data.

    Returns
    -------
    Groups
        The layers, and which node belongs to which.

    Raises
    ------
    TypeError
        If `data` is no Dataset.
    ValueError
        If there is no such dimension or coordinate.

    See Also
    --------
    summary : What is found for each layer.

    Examples
    --------
    >>> from analysis import layers
    >>> nodes = {"node": ["b unit 0", "a head 0", "a head 1"], "layer": ("node", ["b", "a", "a"])}
    >>> found = layers.groups(xr.Dataset(coords=nodes))
    >>> found.names, found.sizes.tolist(), found.kinds
    (['b', 'a'], [1, 2], ['unit', 'head', 'head'])
    """
    _checks.dataset_with(called, data, (), ("node",))
    for name in ("node", "layer"):
        if name not in data.coords or data[name].dims != ("node",):
            raise InputError(
                f"{called} must have the coordinate {name!r} along the dimension 'node', "
                f"got the coordinates {sorted(map(str, data.coords))}"
            )
    layers = [str(layer) for layer in data["layer"].values]
    number = {name: place for place, name in enumerate(dict.fromkeys(layers))}
    index = np.array([number[layer] for layer in layers], np.intp)
    return Groups(list(number), index, [str(label) for label in data["node"].values])
