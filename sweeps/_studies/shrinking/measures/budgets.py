"""Memory: how many bytes a pruned network takes, and how good it is within a budget, by each way to get there."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from sweeps._studies.shrinking.measures.layers import layer_nodes
from sweeps._studies.shrinking.measures.networks import Network

#: Bytes of a parameter, a float32.
FLOAT = 4
#: The source of networks that were not pruned, but trained at their size.
TRAINED = "trained"


def bytes_along(network: Network) -> npt.NDArray[np.int64]:
    """Count the bytes of a network whose removed nodes are taken out, step by step.

    Parameters
    ----------
    network : Network
        Dense layers with biases; a removed node takes its incoming weights, its bias and its outgoing weights along.

    Returns
    -------
    numpy.ndarray of int64, (network, ranked_by, ranking, step)
    """
    found = layer_nodes(network.paths)
    gone = np.cumsum(found.of_removal[..., None] == np.arange(len(found.names)), axis=-2)
    left = found.sizes - np.concatenate([np.zeros_like(gone[..., :1, :]), gone], axis=-2)
    sizes = network.attrs["sizes"]
    ends = [np.full((*left.shape[:-1], 1), size) for size in (sizes[0], sizes[-1])]
    layers = np.concatenate([ends[0], left, ends[1]], axis=-1)
    return FLOAT * ((layers[..., :-1] + 1) * layers[..., 1:]).sum(axis=-1)


def within_budget(network: Network, budgets: npt.ArrayLike) -> xr.DataArray:
    """Return the test accuracy of the largest network of each path that fits into each budget.

    Parameters
    ----------
    network : Network
    budgets : array_like of int
        Bytes.

    Returns
    -------
    xarray.DataArray, (network, ranked_by, ranking, budget)
        NaN where even a network without nodes does not fit.
    """
    sizes, budgets = bytes_along(network), np.asarray(budgets)
    over = ("network", "ranked_by", "ranking")
    accuracy = network.paths["test_accuracy"].transpose(*over, "step").values.astype(float)
    fits = sizes[..., None] <= budgets
    first = fits.argmax(axis=-2)  # removals until it fits
    found = np.take_along_axis(accuracy, first, axis=-1)
    coords = {name: network.paths[name].values for name in over} | {"budget": budgets}
    return xr.DataArray(np.where(fits.any(axis=-2), found, np.nan), coords, (*over, "budget"))


def sources(budgets: xr.Dataset) -> list[str]:
    """Return the numbers of nodes of the networks that were pruned, as texts, from the smallest."""
    return [str(one) for one in budgets["source"].values if one != TRAINED]


def pruned_less_trained(budgets: xr.Dataset, source: str, trained_on: bool) -> xr.DataArray:
    """Return what pruned networks have more in test accuracy than networks trained at that size, seed by seed.

    Parameters
    ----------
    budgets : xarray.Dataset
        `loss`, `accuracy`, `test_loss`, `test_accuracy` (network, source, trained_on, budget).
    source : str
        Nodes of the networks that were pruned.
    trained_on : bool
        Whether both were trained for some epochs more.

    Returns
    -------
    xarray.DataArray, (network, budget)
    """
    one = budgets["test_accuracy"].isel(trained_on=int(trained_on))
    return one.sel(source=source, drop=True) - one.sel(source=TRAINED, drop=True)
