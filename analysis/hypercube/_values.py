"""What a node is worth: Shapley and Banzhaf values, pair interactions, Sobol indices, all read off the spectrum."""

from typing import Any, Literal, NamedTuple

import numpy as np

from analysis import _checks
from analysis.hypercube._spectrum import variance_by_order
from analysis.hypercube._table import Floats, checked, nodes_of, sizes, sums_with, sums_with_both
from analysis.hypercube._transform import biased, walsh


def banzhaf(values: Any) -> Floats:
    r"""Compute the Banzhaf value of every node: the mean effect of switching it on, over all masks of the others.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.

    Returns
    -------
    numpy.ndarray of float64, (N,)
        In the unit of the values; below 0 for a node that lowers the loss when it goes ON.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, or a value is not finite.

    See Also
    --------
    shapley : Every size of the other nodes' mask counts the same.
    interaction : Of pairs.
    analysis.hypercube.estimates.along_paths : From sampled masks.

    Notes
    -----
    With the coefficients c of `walsh`, over all masks S of the other nodes,

        b_i = 2^(1 - N) sum_S [f(S and i) - f(S)] = -2 c({i})

    It is the slope of the additive function of best fit over uniform masks.

    References
    ----------
    J. F. Banzhaf (1965), Weighted voting doesn't work: a mathematical analysis, Rutgers Law Review 19, 317-343.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.banzhaf([0.0, 1.0, 2.0, 5.0]).tolist()
    [2.0, 3.0]
    """
    coefficients = walsh(values)
    return -2 * coefficients[2 ** np.arange(nodes_of(coefficients))]


def shapley(values: Any) -> Floats:
    r"""Compute the Shapley value of every node: its mean effect when nodes are switched on one by one in random order.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.

    Returns
    -------
    numpy.ndarray of float64, (N,)
        In the unit of the values; below 0 for a node that lowers the loss when it goes ON. They sum to the value with
        every node on less that with every node off.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, or a value is not finite.

    See Also
    --------
    banzhaf : Every mask of the other nodes counts the same.
    analysis.hypercube.estimates.shapley : From sampled masks.
    analysis.figures.masks.node_values : Draws both.

    Notes
    -----
    Over all masks S of the other nodes, with ``|S|`` of them on, and second by Owen,

        v_i = sum_S |S|! (N - 1 - |S|)! / N! [f(S and i) - f(S)]
            = int_0^1 E_p [f(i on) - f(i off)] dp

    On the diagonal of the cube a Walsh product of order k is ``(1 - 2p)^k``, and so, with the coefficients c of
    `walsh`, over the sets S that hold node i and an odd number of nodes,

        v_i = -2 sum_S c(S) int_0^1 (1 - 2p)^(|S| - 1) dp = -2 sum_{|S| odd} c(S) / |S|

    References
    ----------
    - L. S. Shapley (1953), A value for n-person games, doi:10.1515/9781400881970-018.
    - G. Owen (1972), Multilinear extensions of games, doi:10.1287/mnsc.18.5.64.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.shapley([0.0, 1.0, 2.0, 5.0]).tolist()
    [2.0, 3.0]
    """
    coefficients = walsh(values)
    order = np.arange(nodes_of(coefficients) + 1)
    share = np.where(order % 2 == 1, -2 / np.maximum(order, 1), 0.0)
    return sums_with(coefficients * share[sizes(order[-1])])


def interaction(values: Any, *, index: Literal["banzhaf", "shapley"] = "banzhaf") -> Floats:
    r"""Compute the interaction of every pair of nodes: how the effect of one depends on whether the other is on.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    index : {"banzhaf", "shapley"}
        The Banzhaf interaction index, where every mask of the other nodes counts the same, or the Shapley interaction
        index, where every size of the mask of the other nodes does.

    Returns
    -------
    numpy.ndarray of float64, (N, N)
        In the unit of the values, symmetric, the diagonal 0. Of a loss, above 0 for two nodes that stand in for each
        other (the second helps less once the first is on) and below 0 for two that need each other.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, a value is not finite, or `index` is unknown.

    See Also
    --------
    banzhaf, shapley : What single nodes are worth.

    Notes
    -----
    Both are means of the second difference over masks S of the other nodes,

        D_ij f(S) = f(S and i, j) - f(S and i) - f(S and j) + f(S)

    With the coefficients c of `walsh`, the Banzhaf index B and the Shapley index V are, as for `shapley`,

        B_ij = 2^(2 - N) sum_S D_ij f(S) = 4 c({i, j})
        V_ij = int_0^1 E_p D_ij f dp = 4 sum_{S holds i and j, |S| even} c(S) / (|S| - 1)

    References
    ----------
    M. Grabisch, M. Roubens (1999), An axiomatic approach to the concept of interaction among players in cooperative
    games, doi:10.1007/s001820050125.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.interaction([0.0, 1.0, 2.0, 5.0]).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    _checks.one_of("index", index, ("banzhaf", "shapley"))
    coefficients = walsh(values)
    nodes = nodes_of(coefficients)
    if index == "banzhaf":
        bit = 2 ** np.arange(nodes)
        pairs = 4 * coefficients[bit[:, np.newaxis] | bit]
        np.fill_diagonal(pairs, 0.0)
        return pairs
    order = np.arange(nodes + 1)
    share = np.where(order % 2 == 0, 4 / np.maximum(order - 1, 1), 0.0)
    return sums_with_both(coefficients * share[sizes(nodes)])


class Sobol(NamedTuple):
    """Sobol indices: shares of the variance; NaN for a constant.

    Attributes
    ----------
    first : numpy.ndarray of float64, (N,)
        What each node does by itself.
    total : numpy.ndarray of float64, (N,)
        What each node has part in; `total` less `first` is its interactions. The sum over nodes is above 1 unless the
        function is additive, because an interaction counts for every node in it.
    """

    first: Floats
    total: Floats


def sobol(values: Any, probability: float = 0.5) -> Sobol:
    r"""Compute the first-order and the total Sobol index of every node under Bernoulli(p).

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    probability : float
        Probability p that a node is on, above 0 and below 1.

    Returns
    -------
    Sobol
        First-order and total indices, shares of the variance from 0 to 1.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, a value is not finite, or p is not inside (0, 1).

    See Also
    --------
    additive_share : The sum of the first-order indices.
    analysis.hypercube.estimates.first_order : The first from sampled masks.
    analysis.hypercube.estimates.along_paths : The total from sampled paths.

    Notes
    -----
    With the coefficients c of `biased` and the variance V, the sum of c(S)^2 over all sets S that are not empty, the
    first-order index S_i and the total index T_i of node i are

        S_i = Var_p E_p[f | m_i] / V = c({i})^2 / V
        T_i = 1 - Var_p E_p[f | m_j, j != i] / V = sum_{S holds i} c(S)^2 / V

    References
    ----------
    - I. M. Sobol (1993), Sensitivity estimates for nonlinear mathematical models, Mathematical Modeling and
    Computational
      Experiment 1, 407-414.
    - T. Homma, A. Saltelli (1996), Importance measures in global sensitivity analysis of nonlinear models,
      doi:10.1016/0951-8320(96)00002-6.

    Examples
    --------
    >>> from analysis import hypercube
    >>> first, total = hypercube.sobol([0.0, 0.0, 0.0, 1.0], probability=0.5)
    >>> first.round(6).tolist(), total.round(6).tolist()
    ([0.333333, 0.333333], [0.666667, 0.666667])
    """
    table = checked(values)
    weights = biased(table, probability) ** 2
    variance = variance_by_order(table, probability=probability).sum()
    scale = variance if variance > 0 else np.nan
    return Sobol(weights[2 ** np.arange(nodes_of(table))] / scale, sums_with(weights) / scale)
