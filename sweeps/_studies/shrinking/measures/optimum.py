"""How far greedy removal is from the best mask of every size, of a network small enough for all its masks."""

import numpy as np
import xarray as xr

from analysis import hypercube


def greedy_gaps(loss: xr.DataArray, paths: xr.Dataset) -> xr.Dataset:
    """Compare removal paths with the best mask of every size.

    Parameters
    ----------
    loss : xarray.DataArray, (network, 2**N)
        Loss of every mask; mask number m has node i on when bit i of m is 1.
    paths : xarray.Dataset
        Removal paths of the same networks, `order` (network, ranked_by, ranking, removal) among them.

    Returns
    -------
    xarray.Dataset
        In the loss's unit: `best` (network, step), the lowest loss of any mask with so many nodes off; `loss`
        (network, ranked_by, ranking, step), that of the path's mask, from the same table; `gap`, their difference, 0 or
        above. `is_optimal`: whether the path's mask is one of the best. `nested` (network, step): whether the best mask
        can be reached from the one before it by one removal; where it cannot, no path stays on the best masks, if they
        are the only ones.
    """
    loss = loss.transpose("network", ...)
    return xr.concat(
        [_of_network(loss[index], paths.isel(network=index)) for index in range(loss.sizes["network"])], "network"
    )


def _of_network(loss: xr.DataArray, paths: xr.Dataset) -> xr.Dataset:
    table, nodes = loss.values.astype(float), paths.sizes["removal"]
    best = hypercube.best_masks(table)
    off = np.cumsum(2 ** paths["order"].values.astype(np.int64), axis=-1)
    mask = 2**nodes - 1 - np.concatenate([np.zeros_like(off[..., :1]), off], axis=-1)
    lowest, chosen = best.value[::-1], best.mask[::-1]  # from all on to all off
    nested = np.concatenate([[True], (chosen[1:] & ~chosen[:-1]) == 0])
    over = ("ranked_by", "ranking", "step")
    variables = {
        "best": ("step", lowest),
        "nested": ("step", nested),
        "loss": (over, table[mask]),
        "gap": (over, table[mask] - lowest),
        "is_optimal": (over, table[mask] == lowest),
    }
    return xr.Dataset(variables, {**{name: paths[name].values for name in over[:2]}, "step": np.arange(nodes + 1)})
