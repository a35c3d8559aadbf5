"""Pairs of nodes: how alike their activations are, and whether their effects on the loss cancel."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _ranks

#: Two nodes cancel where both together cost at most so much of what the costlier of them costs alone.
CANCELLED = 0.9
#: The costliest nodes are this share of all.
FIFTH = 0.2


def cancelling(change: np.ndarray, interaction: np.ndarray) -> npt.NDArray[np.float64]:
    r"""Measure how much of the cost of the costlier node the other one's removal takes back.

    Parameters
    ----------
    change : numpy.ndarray, (nodes,)
        Change of the loss when each node goes off alone.
    interaction : numpy.ndarray, (nodes, nodes)
        Change when both go off, less the two changes.

    Returns
    -------
    numpy.ndarray of float64, (nodes, nodes)
        :math:`1 - (c_i + c_j + I_{ij}) / \max(c_i, c_j)`: above 0 where both together cost less than the costlier
        alone, 1 where they cost nothing. NaN on the diagonal, and unless both alone raise the loss.
    """
    costlier = np.maximum(change[:, None], change[None])
    both = change[:, None] + change[None] + interaction
    costly = (change[:, None] > 0) & (change[None] > 0) & ~np.eye(len(change), dtype=bool)
    return 1 - np.divide(both, costlier, out=np.full(both.shape, np.nan), where=costly)


def cancels(pairs: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Tell which pairs cancel: each node alone raises the loss, both together cost at most `CANCELLED` of the costlier.

    Parameters
    ----------
    pairs : xarray.Dataset
        Of one network: `interaction` (node, other), `change` (node,).

    Returns
    -------
    numpy.ndarray of bool, (nodes, nodes)
    """
    undone = cancelling(pairs["change"].values, pairs["interaction"].values)
    return np.nan_to_num(undone, nan=-np.inf) >= 1 - CANCELLED


def pair_summary(pairs: xr.Dataset) -> xr.Dataset:
    """Put the pairs of each network into numbers.

    Parameters
    ----------
    pairs : xarray.Dataset
        `correlation` and `interaction` (network, node, other), `change` (network, node).

    Returns
    -------
    xarray.Dataset, (network,)
        - `costly`: share of the nodes whose removal alone raises the loss
        - `cancelling`: share of these that have a partner which cancels them, see `cancels`
        - `negative`: share of the pairs whose interaction is below 0
        - `signed`, `sizes`: rank correlation over the pairs of the correlation of activations with the interaction, and
          of their absolute values; NaN where one of them is constant
        - `concentrated`: share of the summed cost of all costly nodes that the costliest fifth of the nodes has
    """
    rows = [_of_network(pairs.isel(network=index)) for index in range(pairs.sizes["network"])]
    return xr.Dataset({name: ("network", [row[name] for row in rows]) for name in rows[0]})


def _of_network(pairs: xr.Dataset) -> dict[str, float]:
    correlation, interaction, change = (pairs[name].values for name in ("correlation", "interaction", "change"))
    above = np.triu_indices(len(change), 1)
    costly = change > 0
    cost = np.sort(np.maximum(change, 0))[::-1]
    found = np.asarray(cancels(pairs).any(axis=1))
    # A node of constant activation has no correlations, and its pairs are left out.
    alike, beyond = correlation[above].astype(float), interaction[above].astype(float)
    return {
        "costly": float(costly.mean()),
        "cancelling": float(found[costly].mean()) if costly.any() else float("nan"),
        "negative": float(np.mean(beyond < 0)),
        "signed": float(_ranks.correlation(alike, beyond)),
        "sizes": float(_ranks.correlation(np.abs(alike), np.abs(beyond))),
        "concentrated": float(cost[: max(1, round(FIFTH * len(cost)))].sum() / cost.sum()) if cost.any() else np.nan,
    }
