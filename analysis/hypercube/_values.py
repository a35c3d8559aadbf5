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
    TypeError, ValueError
        As `walsh` does.

    Notes
    -----
    .. math:: \beta_i = 2^{1 - N} \sum_{S \not\ni i} [f(S \cup i) - f(S)] = -2 \hat f(\{i\})

    with the coefficients of `walsh`. It is the slope of the additive function of best fit over uniform masks.

    References
    ----------
    J. F. Banzhaf (1965), Weighted voting doesn't work: a mathematical analysis, Rutgers Law Review 19, 317-343.

    Examples
    --------
    >>> banzhaf([0.0, 1.0, 2.0, 5.0]).tolist()
    [2.0, 3.0]
    """
    coefficients = walsh(values)
    return -2 * coefficients[2 ** np.arange(nodes_of(coefficients))]


def shapley(values: Any) -> Floats:
    r"""Compute the Shapley value of every node: the mean effect of switching it on, nodes coming in random order.

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
    TypeError, ValueError
        As `walsh` does.

    Notes
    -----
    .. math:: \varphi_i = \sum_{S \not\ni i} \frac{|S|! \, (N - 1 - |S|)!}{N!} [f(S \cup i) - f(S)]
        = \int_0^1 E_p [f(i \text{ on}) - f(i \text{ off})] \, dp ,

    the second by Owen. On the diagonal of the cube a Walsh product of order k is :math:`(1 - 2p)^k`, and so

    .. math:: \varphi_i = -2 \sum_{S \ni i} \hat f(S) \int_0^1 (1 - 2p)^{|S| - 1} dp
        = -2 \sum_{S \ni i, \; |S| \text{ odd}} \hat f(S) / |S| .

    References
    ----------
    L. S. Shapley (1953), A value for n-person games, doi:10.1515/9781400881970-018.
    G. Owen (1972), Multilinear extensions of games, doi:10.1287/mnsc.18.5.64.

    Examples
    --------
    >>> shapley([0.0, 1.0, 2.0, 5.0]).tolist()
    [2.0, 3.0]
    """
    coefficients = walsh(values)
    order = np.arange(nodes_of(coefficients) + 1)
    share = np.where(order % 2 == 1, -2 / np.maximum(order, 1), 0.0)
    return sums_with(coefficients * share[sizes(order[-1])])


def interaction(values: Any, index: Literal["banzhaf", "shapley"] = "banzhaf") -> Floats:
    r"""Compute the interaction of every pair of nodes.

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

    Notes
    -----
    Both are means of the second difference
    :math:`\Delta_{ij} f(S) = f(S \cup ij) - f(S \cup i) - f(S \cup j) + f(S)` over masks S of the other nodes. With
    the coefficients of `walsh`, as for `shapley`,

    .. math:: I^B_{ij} = 2^{2 - N} \sum_S \Delta_{ij} f(S) = 4 \hat f(\{i, j\}), \qquad
        I^S_{ij} = \int_0^1 E_p \Delta_{ij} f \, dp
        = 4 \sum_{S \supseteq \{i, j\}, \; |S| \text{ even}} \hat f(S) / (|S| - 1) .

    References
    ----------
    M. Grabisch, M. Roubens (1999), An axiomatic approach to the concept of interaction among players in cooperative
    games, doi:10.1007/s001820050125.

    Examples
    --------
    >>> interaction([0.0, 1.0, 2.0, 5.0]).tolist()
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

    Raises
    ------
    TypeError, ValueError
        As `biased` does.

    Notes
    -----
    With the coefficients of `biased` and the variance :math:`V = \sum_{S \neq \emptyset} \hat f_p(S)^2`,

    .. math:: S_i = \frac{\mathrm{Var}_p \, E_p[f \mid m_i]}{V} = \frac{\hat f_p(\{i\})^2}{V}, \qquad
        T_i = 1 - \frac{\mathrm{Var}_p \, E_p[f \mid m_j, j \neq i]}{V} = \frac1V \sum_{S \ni i} \hat f_p(S)^2 .

    References
    ----------
    I. M. Sobol (1993), Sensitivity estimates for nonlinear mathematical models, Mathematical Modeling and
    Computational Experiment 1, 407-414.
    T. Homma, A. Saltelli (1996), Importance measures in global sensitivity analysis of nonlinear models,
    doi:10.1016/0951-8320(96)00002-6.

    Examples
    --------
    >>> first, total = sobol([0.0, 0.0, 0.0, 1.0])
    >>> first.round(6).tolist(), total.round(6).tolist()
    ([0.333333, 0.333333], [0.666667, 0.666667])
    """
    table = checked(values)
    weights = biased(table, probability) ** 2
    variance = variance_by_order(table, probability).sum()
    scale = variance if variance > 0 else np.nan
    return Sobol(weights[2 ** np.arange(nodes_of(table))] / scale, sums_with(weights) / scale)
