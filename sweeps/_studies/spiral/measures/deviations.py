"""What the nodes of smallest deviation are: how many are constant, and what the removed ones had of the variance."""

import numpy as np
import xarray as xr


def constant(nodes: xr.Dataset) -> xr.DataArray:
    """Share of each layer's nodes whose activation is the same for every training example.

    Parameters
    ----------
    nodes : xarray.Dataset
        `deviation` (network, node), with the coordinate `layer` along `node`.

    Returns
    -------
    xarray.DataArray, (layer, network)
    """
    found = (nodes["deviation"] == 0).groupby("layer").mean("node").transpose("layer", "network")
    # Groups are sorted by name, in which layer 10 comes before layer 2.
    return found.sel(layer=list(dict.fromkeys(nodes["layer"].values.tolist())))


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
        share of the largest of all. The two shares are NaN where no node varies.
    """
    gone, deviation = ~nodes["keep"], nodes["deviation"].astype(np.float64)
    square = deviation**2
    total, top = square.sum("node"), deviation.max("node")
    largest = deviation.where(gone).max("node")
    return xr.Dataset(
        {
            "constant": (gone & (deviation == 0)).sum("node") / gone.sum("node"),
            "variance": square.where(gone).sum("node") / total.where(total > 0),
            "largest": largest,
            "largest_share": largest / top.where(top > 0),
        }
    ).transpose("choice", "network")
