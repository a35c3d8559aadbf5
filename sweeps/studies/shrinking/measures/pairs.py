"""Pairs of nodes: how alike their activations are, and whether their effects on the loss cancel."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import ranks

#: Two nodes cancel where both together cost at most so much of what the costlier of them costs alone.
CANCELLED = 0.9


class PairSummary(NamedTuple):
    """What the pairs of a network's nodes say.

    Attributes
    ----------
    pairs, costly_nodes : int
        Pairs of two nodes, and nodes whose removal alone raises the loss.
    cancelling_pairs, cancelling_nodes : int
        Pairs of costly nodes that cancel, see `cancelling`, and costly nodes with such a partner.
    negative : float
        Share of the pairs whose interaction is below 0.
    signed, sizes : float
        Rank correlation over the pairs of the correlation of activations with the interaction; the same of their
        absolute values.
    signed_p_value, sizes_p_value : float
        Two-sided, by Mantel's test.
    """

    pairs: int
    costly_nodes: int
    cancelling_pairs: int
    cancelling_nodes: int
    negative: float
    signed: float
    sizes: float
    signed_p_value: float
    sizes_p_value: float


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
        `interaction` (node, other), `change` (node,).

    Returns
    -------
    numpy.ndarray of bool, (nodes, nodes)
    """
    undone = cancelling(pairs["change"].values, pairs["interaction"].values)
    return np.nan_to_num(undone, nan=-np.inf) >= 1 - CANCELLED


def pair_summary(pairs: xr.Dataset, permutations: int = 999, seed: int = 0) -> PairSummary:
    """Put the pairs into numbers.

    Parameters
    ----------
    pairs : xarray.Dataset
        `correlation` and `interaction` (node, other), `change` (node,).
    permutations : int
        Of the nodes, for the p-values.
    seed : int
        Of the permutations.

    Returns
    -------
    PairSummary

    Notes
    -----
    Pairs that share a node are not independent of each other. Mantel's test permutes the nodes of one matrix, rows and
    columns together; the p-value is (1 + permutations that reach the correlation's size) / (1 + permutations).

    References
    ----------
    N. Mantel (1967), The detection of disease clustering and a generalized regression approach, Cancer Research 27.
    """
    correlation, interaction, change = (pairs[name].values for name in ("correlation", "interaction", "change"))
    above = np.triu_indices(len(change), 1)
    found = cancels(pairs)
    signed, signed_p = _mantel(correlation, interaction, permutations, seed)
    sizes, sizes_p = _mantel(np.abs(correlation), np.abs(interaction), permutations, seed)
    return PairSummary(
        pairs=len(above[0]),
        costly_nodes=int(np.count_nonzero(change > 0)),
        cancelling_pairs=int(np.count_nonzero(found[above])),
        cancelling_nodes=int(np.count_nonzero(found.any(axis=1))),
        negative=float(np.mean(interaction[above] < 0)),
        signed=signed,
        sizes=sizes,
        signed_p_value=signed_p,
        sizes_p_value=sizes_p,
    )


def _mantel(one: np.ndarray, other: np.ndarray, permutations: int, seed: int) -> tuple[float, float]:
    """Rank correlation of two symmetric matrices above the diagonal, and its p-value; of the nodes known in both."""
    off = ~np.eye(len(one), dtype=bool)
    # A node of constant activation has no correlations: without its row and column the rest is whole.
    known = (np.isfinite(one) | ~off).mean(axis=1) > 0.5
    one, other = one[np.ix_(known, known)], other[np.ix_(known, known)]
    above = np.triu_indices(len(one), 1)
    first, second = ranks.standardised(one[above]), ranks.standardised(other[above])
    if not (first.any() and second.any()):
        return float("nan"), float("nan")
    square = np.zeros_like(other)
    square[above] = second
    square += square.T
    measured = float(first @ second)
    random = np.random.default_rng(seed)
    reached = 0
    for _ in range(permutations):
        order = random.permutation(len(one))
        reached += abs(first @ square[order[above[0]], order[above[1]]]) >= abs(measured) * (1 - 1e-9)
    return measured, float(1 + reached) / (1 + permutations)
