"""Derived variables: the log loss and its gradient follow from loss and gradient, masks from their bits.

In memory they are made when they are read, and kept once they have been read whole. A store holds the log loss, for
whoever opens it with xarray alone, and masks; the gradient of the log loss, as large as all the rest, is left out, and
added again by all that reads a store here.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

#: The variable that a store leaves out.
LEFT_OUT = "log_loss_gradient"
#: The attribute of a group in a store that lists what is left out, and, in memory, the encoding of what will be.
MARK = "derived"
#: In this order, where they are there.
NAMES = ("gates", "loss", "log_loss", "loss_gradient", "log_loss_gradient")
ATTRIBUTES = {
    "log_loss": dict(long_name="natural logarithm of the mean loss"),
    LEFT_OUT: dict(long_name="d log loss / d gate", units="1"),
}


def with_logs(data: xr.Dataset) -> xr.Dataset:
    """Add log loss and its gradient to a sweep that has loss and gradient.

    Parameters
    ----------
    data : xarray.Dataset
        With ``loss``, and ``loss_gradient`` or not.

    Returns
    -------
    xarray.Dataset
        ``log_loss`` is -inf for a loss of zero and NaN for a negative loss; ``log_loss_gradient`` is the gradient
        divided by the loss, NaN where that is not positive. What is there already stays.
    """
    loss = data["loss"].variable
    found: dict[Any, Any] = dict(data.data_vars)
    if "log_loss" not in data:
        units = {"units": f"log {loss.attrs['units']}"} if "units" in loss.attrs else {}
        found["log_loss"] = _variable(log, [loss], loss, ATTRIBUTES["log_loss"] | units)
    if "loss_gradient" in data and LEFT_OUT not in data:
        gradient = data["loss_gradient"].variable
        found[LEFT_OUT] = _variable(_relative, [loss, gradient], gradient, ATTRIBUTES[LEFT_OUT])
        found[LEFT_OUT].encoding[MARK] = True
    order = [name for name in NAMES if name in found] + [name for name in found if name not in NAMES]
    return xr.Dataset({name: found[name] for name in order}, data.coords, data.attrs)


def stored(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset as a store holds it: without what is left out, which the attribute ``derived`` lists."""
    names = [str(name) for name, variable in data.data_vars.items() if variable.encoding.get(MARK)]
    return data.drop_vars(names).assign_attrs({MARK: names} if names else {})


def opened(data: xr.Dataset) -> xr.Dataset:
    """Return the group of a store with what was left out."""
    if MARK not in data.attrs:
        return data
    attributes = {name: value for name, value in data.attrs.items() if name != MARK}
    return with_logs(data).drop_attrs(deep=False).assign_attrs(attributes)


def masks(words: np.ndarray, dims: tuple[str, ...], nodes: int) -> xr.Variable:
    """Return masks that are kept as bits.

    Parameters
    ----------
    words : array of uint32, (..., ceil(nodes / 32))
        Node i is bit i % 32 of word i // 32.
    dims : tuple of str
        Names of the axes of the masks, the nodes' last.
    nodes : int
        Number of nodes.

    Returns
    -------
    xarray.Variable
        Of booleans, (..., nodes).
    """
    held = xr.Variable((*dims[:-1], f"{dims[-1]} word"), words)
    like = xr.Variable(dims, np.broadcast_to(np.False_, (*words.shape[:-1], nodes)))
    return _variable(partial(unpacked, nodes=nodes), [held], like)


def unpacked(words: np.ndarray, nodes: int) -> np.ndarray:
    """Return masks from their bits, (..., words) of uint32 -> (..., nodes) of bool."""
    octets = np.ascontiguousarray(words, "<u4").view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=nodes, bitorder="little").view(bool)


def log(loss: np.ndarray) -> np.ndarray:
    """Return the natural logarithm, -inf of zero and NaN of negative numbers."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(loss)


def _relative(loss: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    divisor = np.where(loss > 0, loss, np.nan)[..., None]
    with np.errstate(over="ignore", invalid="ignore"):
        return gradient / divisor


def _variable(
    function: Callable[..., np.ndarray],
    sources: list[xr.Variable],
    like: xr.Variable,
    attributes: Mapping[str, Any] | None = None,
) -> xr.Variable:
    lazy = indexing.LazilyIndexedArray(Derived(function, sources, like.dims, like.shape, like.dtype))
    # As xarray does with what it opens: kept once read, and changed in memory alone.
    kept: Any = Kept(lazy)
    return xr.Variable(like.dims, indexing.CopyOnWriteArray(kept), attributes)


class Kept(indexing.MemoryCachedArray):
    """An array that is kept once it is read.

    Where axes change places, all is read at once, and where several are indexed together, what is chosen: xarray would
    list where every number lies, which takes more memory, and then chooses no single one of them.
    """

    def transpose(self, order: Any) -> Any:
        """Return the array with its axes in another order."""
        self.get_duck_array()
        return self.array.transpose(order)

    def _vindex_get(self, indexer: Any) -> Any:
        return indexing.as_indexable(np.asarray(self.array.vindex[indexer]))


class Derived(BackendArray):
    """An array that is computed from others when it is read.

    Parameters
    ----------
    function : callable
        Parts of the sources -> the same part of the result.
    sources : list of xarray.Variable
        Of their axes, those that the result has are cut before the function, its others after.
    dims, shape, dtype
        Of the result.
    """

    def __init__(
        self,
        function: Callable[..., np.ndarray],
        sources: list[xr.Variable],
        dims: tuple[Any, ...],
        shape: tuple[int, ...],
        dtype: Any,
    ):
        self.function, self.sources, self.dims, self.shape, self.dtype = function, sources, dims, shape, dtype

    def __getitem__(self, key: Any) -> Any:
        """Return the part that a key of xarray's indexing chooses."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._part)

    def _part(self, key: tuple[Any, ...]) -> np.ndarray:
        # The function needs the axes that a number takes, and NumPy moves axes where numbers stand beside a list.
        numbers = [isinstance(one, int | np.integer) for one in key]
        kept = [
            slice(one % size, one % size + 1) if is_number else one
            for size, one, is_number in zip(self.shape, key, numbers, strict=True)
        ]
        chosen = dict(zip(self.dims, kept, strict=True))
        parts = [source.isel({dim: chosen[dim] for dim in source.dims if dim in chosen}) for source in self.sources]
        cut = {dim for source in self.sources for dim in source.dims}
        rest = tuple(slice(None) if dim in cut else one for dim, one in chosen.items())
        values = self.function(*(part.values for part in parts))[rest]
        return values[tuple(0 if is_number else slice(None) for is_number in numbers)]
