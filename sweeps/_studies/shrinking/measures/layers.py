"""Which layer goes first: shares that are left, and mean places in the order of removals."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

#: The paper says "at the beginning": here, the first quarter of all removals.
BEGINNING = 0.25


class LayerNodes(NamedTuple):
    """The layers of a network in their order, and to which of them each removal belongs.

    Attributes
    ----------
    names : list of str, (layers,)
    of_removal : numpy.ndarray of int, (network, ranked_by, ranking, removal)
        Number of the layer of each removed node.
    sizes : numpy.ndarray of int, (layers,)
    """

    names: list[str]
    of_removal: npt.NDArray[np.intp]
    sizes: npt.NDArray[np.intp]


def layer_nodes(paths: xr.Dataset) -> LayerNodes:
    """Read the layers from removal paths: `order` (..., removal), and the coordinate `layer` (node,)."""
    layer = [str(name) for name in paths["layer"].values]
    names = list(dict.fromkeys(layer))
    number = np.array([names.index(name) for name in layer], np.intp)
    order = paths["order"].transpose("network", "ranked_by", "ranking", "removal").values.astype(np.intp)
    return LayerNodes(names, number[order], np.bincount(number))


def _coordinates(paths: xr.Dataset) -> dict[str, np.ndarray]:
    return {name: paths[name].values for name in ("network", "ranked_by", "ranking")}


def left(paths: xr.Dataset) -> xr.Dataset:
    """Follow which share of each layer is left, step by step.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths, `order` (network, ranked_by, ranking, removal) among them; the coordinate `layer` (node,).

    Returns
    -------
    xarray.Dataset
        `left` (network, ranked_by, ranking, layer, step), the share of the layer's nodes that are still on.
    """
    found = layer_nodes(paths)
    gone = np.cumsum(found.of_removal[..., None, :] == np.arange(len(found.names))[:, None], axis=-1)
    gone = np.concatenate([np.zeros_like(gone[..., :1]), gone], axis=-1)
    return xr.Dataset(
        {"left": (("network", "ranked_by", "ranking", "layer", "step"), 1 - gone / found.sizes[:, None])},
        _coordinates(paths) | {"layer": found.names, "step": np.arange(int(found.sizes.sum()) + 1)},
    )


def preference(paths: xr.Dataset) -> xr.Dataset:
    """Say how early the layers go.

    Parameters
    ----------
    paths : xarray.Dataset
        As for `left`.

    Returns
    -------
    xarray.Dataset, (network, ranked_by, ranking, layer)
        `place`: mean place of the layer's nodes in the order, from 0 for the first removal to 1 for the last; a random
        order has 0.5 in the mean. `early`: share of the layer among the first quarter of the removals;
        `expected_early` (layer,): that of a random order.

    Notes
    -----
    Nodes of one network depend on one another, so a test within one network would say nothing of others: what counts
    is the mean over networks.
    """
    found = layer_nodes(paths)
    sizes, total = found.sizes, int(found.sizes.sum())
    member = found.of_removal[..., None, :] == np.arange(len(sizes))[:, None]
    beginning = max(1, round(BEGINNING * total))
    over = ("network", "ranked_by", "ranking", "layer")
    return xr.Dataset(
        {
            "place": (over, member @ (np.arange(total) / max(total - 1, 1)) / sizes),
            "early": (over, member[..., :beginning].mean(axis=-1)),
            "expected_early": ("layer", sizes / total),
        },
        _coordinates(paths) | {"layer": found.names},
    )
