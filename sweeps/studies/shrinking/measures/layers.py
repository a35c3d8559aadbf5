"""Which layer goes first: shares that are left, and mean removal ranks beside those of a random order."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats

#: Half the width of an interval that covers with probability 0.95, in standard deviations.
COVERS = 1.96
#: The paper says "at the beginning": here, the first quarter of all removals.
BEGINNING = 0.25


class LayerNodes(NamedTuple):
    """The layers of a network in their order, and to which of them each removal belongs.

    Attributes
    ----------
    names : list of str, (layers,)
    of_removal : numpy.ndarray of int, (ranked_by, ranking, removal)
        Number of the layer of each removed node.
    sizes : numpy.ndarray of int, (layers,)
    """

    names: list[str]
    of_removal: npt.NDArray[np.intp]
    sizes: npt.NDArray[np.intp]


def layer_nodes(paths: xr.Dataset) -> LayerNodes:
    """Read the layers from removal paths, in the order of the gate vector."""
    # Every path removes every node, so the first of them names the layers in the order of the nodes.
    layer = paths["layer"].values
    names = [str(name) for name in dict.fromkeys(layer[0, 0][np.argsort(paths["order"].values[0, 0])])]
    number = {name: place for place, name in enumerate(names)}
    of_removal = np.array([number[str(name)] for name in layer.ravel()], np.intp).reshape(layer.shape)
    return LayerNodes(names, of_removal, np.bincount(of_removal[0, 0], minlength=len(names)))


def left(paths: xr.Dataset) -> xr.Dataset:
    """Follow which share of each layer is left, step by step.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths, `order` and `layer` (ranked_by, ranking, removal) among them.

    Returns
    -------
    xarray.Dataset
        `left` (ranked_by, ranking, layer, step), the share of the layer's nodes that are still on; `nodes` (layer,);
        `low` and `high` (layer, step), between which a random order leaves it with probability 0.95 at each step.

    Notes
    -----
    After k removals in random order the number of nodes left of a layer of n among N is hypergeometric.
    """
    found = layer_nodes(paths)
    total = int(found.sizes.sum())
    gone = np.cumsum(found.of_removal[..., None, :] == np.arange(len(found.names))[:, None], axis=-1)
    gone = np.concatenate([np.zeros_like(gone[..., :1]), gone], axis=-1)
    step, size = np.arange(total + 1), found.sizes[:, None]
    low, high = (stats.hypergeom.ppf(q, total, size, total - step) / size for q in (0.025, 0.975))
    return xr.Dataset(
        {
            "left": (("ranked_by", "ranking", "layer", "step"), 1 - gone / size),
            "low": (("layer", "step"), low),
            "high": (("layer", "step"), high),
            "nodes": ("layer", found.sizes),
        },
        coords={**{name: paths[name].values for name in ("ranked_by", "ranking")}, "layer": found.names, "step": step},
    )


def preference(paths: xr.Dataset, permutations: int = 9999, seed: int = 0) -> xr.Dataset:
    r"""Compare the order in which layers go with a random order.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths, `order` and `layer` (ranked_by, ranking, removal) among them.
    permutations : int
        Random orders that the p-value is from.
    seed : int
        Of these orders.

    Returns
    -------
    xarray.Dataset
        - `mean_rank` (ranked_by, ranking, layer): mean place in the order, 1 for the first removal; a random order has
          it within an interval about `expected_rank` (), (N + 1) / 2, that ends at `mean_rank_high` (layer,), with
          probability 0.95
        - `p_value` (ranked_by, ranking): chance that mean ranks of a random order scatter as much about it
        - `early` (ranked_by, ranking, layer): nodes of the layer among the first `beginning` () removals;
          `expected_early` (layer,); `early_p_value`: chance that a random order has as many of them or more

    Notes
    -----
    The statistic is that of Kruskal and Wallis, :math:`\sum_l n_l (\bar r_l - (N + 1) / 2)^2`, and the p-value
    (1 + orders that reach it) / (1 + orders). The p-value says how unusual one order would be if nodes were picked
    blindly. The nodes are those of one trained network and their removals depend on one another: it says nothing of
    other networks.

    References
    ----------
    W. H. Kruskal, W. A. Wallis (1952), Use of ranks in one-criterion variance analysis, doi:10.2307/2280779.
    """
    found = layer_nodes(paths)
    sizes, total = found.sizes, int(found.sizes.sum())
    member = found.of_removal[..., None, :] == np.arange(len(sizes))[:, None]
    mean_rank = member @ np.arange(1.0, total + 1) / sizes
    middle = (total + 1) / 2
    sd = np.sqrt((total - sizes) * (total + 1) / (12 * sizes))
    reference = _scatter_of_random_orders(sizes, permutations, seed)
    scatter = (sizes * (mean_rank - middle) ** 2).sum(axis=-1)
    # Equal but for rounding counts as reached.
    reached = (reference[:, None, None] >= scatter * (1 - 1e-9)).sum(axis=0)
    beginning = max(1, round(BEGINNING * total))
    early = member[..., :beginning].sum(axis=-1)
    over = ("ranked_by", "ranking")
    return xr.Dataset(
        {
            "mean_rank": ((*over, "layer"), mean_rank),
            "mean_rank_high": ("layer", middle + COVERS * sd),
            "expected_rank": ((), middle),
            "p_value": (over, (1 + reached) / (1 + permutations)),
            "early": ((*over, "layer"), early),
            "expected_early": ("layer", beginning * sizes / total),
            "early_p_value": ((*over, "layer"), stats.hypergeom.sf(early - 1, total, sizes, beginning)),
            "beginning": ((), beginning),
        },
        coords={**{name: paths[name].values for name in over}, "layer": found.names},
    )


def _scatter_of_random_orders(sizes: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """Statistic of random orders, (permutations,)."""
    total = int(sizes.sum())
    ranks = np.random.default_rng(seed).permuted(np.tile(np.arange(1.0, total + 1), (permutations, 1)), axis=1)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    means = np.add.reduceat(ranks, starts, axis=1) / sizes
    return np.asarray((sizes * (means - (total + 1) / 2) ** 2).sum(axis=1))
