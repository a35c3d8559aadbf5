"""What the nodes of smallest deviation are: how many are constant, and what the removed ones had of the variance."""

import numpy as np
import xarray as xr

from analysis import _validate


def constant(nodes: xr.Dataset) -> xr.DataArray:
    """Count the nodes whose activation is the same for every training example.

    Parameters
    ----------
    nodes : xarray.Dataset
        `deviation` (network, node), with the coordinate `layer` along `node`.

    Returns
    -------
    xarray.DataArray, (layer, network)
        Share of the layer's nodes whose deviation is exactly zero.

    Raises
    ------
    TypeError, ValueError
        If `nodes` is no Dataset or lacks a variable.
    """
    _validate.dataset_with("nodes", nodes, ("deviation",), ("network", "node"))
    zero = nodes["deviation"].transpose("node", "network").values == 0
    layers = list(dict.fromkeys(nodes["layer"].values.tolist()))
    shares = [zero[nodes["layer"].values == layer].mean(axis=0) for layer in layers]
    return xr.DataArray(np.array(shares), {"layer": np.array(layers, object)}, ("layer", "network"))


def removed(nodes: xr.Dataset) -> xr.Dataset:
    """Describe what each choice removes.

    Parameters
    ----------
    nodes : xarray.Dataset
        `keep` (network, choice, node), `deviation` (network, node).

    Returns
    -------
    xarray.Dataset, (choice, network)
        `constant`: share of the removed nodes whose deviation is exactly zero; `variance`: share of the sum of the
        nodes' variances that is theirs; `largest`: the largest deviation among them, and `largest_share`: that as a
        share of the largest of all. NaN where nothing is removed, or no node varies.

    Raises
    ------
    TypeError, ValueError
        If `nodes` is no Dataset or lacks a variable.
    """
    _validate.dataset_with("nodes", nodes, ("keep", "deviation"), ("network", "choice", "node"))
    gone = ~nodes["keep"].transpose("choice", "network", "node").astype(bool)
    deviation = nodes["deviation"].astype(np.float64)
    square = deviation**2
    count = gone.sum("node").astype(np.float64)
    count = count.where(count > 0)
    total, top = square.sum("node"), deviation.max("node")
    largest = deviation.where(gone).max("node")
    return xr.Dataset(
        {
            "constant": (gone & (deviation == 0)).sum("node") / count,
            "variance": square.where(gone).sum("node") / total.where(total > 0),
            "largest": largest,
            "largest_share": largest / top.where(top > 0),
        }
    ).transpose("choice", "network")
