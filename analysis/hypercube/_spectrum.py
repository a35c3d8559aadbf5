"""What a spectrum says: variance by order, covariance by distance, the opposite mask, how additive a function is."""

from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from analysis import _checks
from analysis.hypercube._table import Floats, by_size, checked, rounding
from analysis.hypercube._transform import biased, walsh

#: Largest number of nodes whose Krawtchouk polynomials fit into 64-bit integers.
MOST_NODES = 60


def weight_by_order(values: Any) -> Floats:
    r"""Sum the squared Walsh-Hadamard coefficients of each order.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.

    Returns
    -------
    numpy.ndarray of float64, (N+1,)
        At k the weight W_k, the sum of the squared coefficients of all sets of k nodes, in the squared unit of the
        values: at 0 the squared mean, from 1 on the part of the variance in each order at p = 0.5.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, or a value is not finite.

    See Also
    --------
    variance_by_order : The same at any probability, without the mean.
    walsh : The coefficients.

    References
    ----------
    R. O'Donnell (2014), Analysis of Boolean Functions, section 1.4, doi:10.1017/CBO9781139814782.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.weight_by_order([1.0, 2.0, 3.0, 4.0]).tolist()
    [6.25, 1.25, 0.0]
    """
    return by_size(walsh(values) ** 2)


def variance_by_order(values: Any, probability: float = 0.5) -> Floats:
    """Split the variance under Bernoulli(p) into orders.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    probability : float
        Probability p that a node is on, above 0 and below 1.

    Returns
    -------
    numpy.ndarray of float64, (N+1,)
        The sum of the squared coefficients of `biased` at each order, in the squared unit of the values; 0 at order 0,
        so that the sum is the variance. At p = 0.5 it is `weight_by_order` from order 1 on. Exactly 0 throughout for
        values that are equal but for rounding.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, a value is not finite, or p is not inside (0, 1).

    See Also
    --------
    additive_share : Order 1 as a share.
    weight_by_order : The Walsh weights, with the mean.
    analysis.figures.spectrum.variance_by_order : Draws the shares.

    Notes
    -----
    This is the decomposition of the variance by Hoeffding, and by Efron and Stein: order 1 is what single nodes do by
    themselves, order k what k nodes do together and no fewer of them.

    References
    ----------
    B. Efron, C. Stein (1981), The jackknife estimate of variance, doi:10.1214/aos/1176345462.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.variance_by_order([0.0, 0.0, 0.0, 1.0], probability=0.5).tolist()
    [0.0, 0.125, 0.0625]
    """
    table = checked(values)
    weights = by_size(biased(table, probability) ** 2)
    weights[0] = 0.0
    return weights if weights.sum() > rounding(table) ** 2 else np.zeros_like(weights)


def additive_share(values: Any, probability: float = 0.5) -> float:
    """Say how additive a function is: the share of its variance that is of order 1.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    probability : float
        Probability that a node is on, above 0 and below 1.

    Returns
    -------
    float
        From 0 to 1: 1 for a sum of one term a node, which for many nodes is close to normal by the central limit
        theorem; NaN for a constant. It is the squared correlation with the best such sum.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, a value is not finite, or p is not inside (0, 1).

    See Also
    --------
    variance_by_order : The other orders.
    analysis.hypercube.estimates.first_order : The share from sampled masks.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.additive_share([1.0, 2.0, 3.0, 4.0]), round(hypercube.additive_share([0.0, 0.0, 0.0, 1.0]), 3)
    (1.0, 0.667)
    """
    weights = variance_by_order(values, probability=probability)
    variance = weights.sum()
    return float(weights[1] / variance) if variance > 0 else float("nan")


def krawtchouk(nodes: int) -> npt.NDArray[np.int64]:
    r"""Tabulate the Krawtchouk polynomials of the N-cube.

    Parameters
    ----------
    nodes : int
        N, from 0 to 60: larger ones do not fit into 64-bit integers.

    Returns
    -------
    numpy.ndarray of int64, (N+1, N+1)
        At [k, d] the polynomial of order k at distance d, exact.

    Raises
    ------
    TypeError
        If N is no whole number.
    ValueError
        If N is out of range.

    See Also
    --------
    covariance_by_distance : Uses them.

    Notes
    -----
    The polynomial is

        K_k(d; N) = sum_j (-1)^j C(d, j) C(N - d, k - j) = [z^k] (1 - z)^d (1 + z)^(N - d)

    the sum of the products ``prod_{i in S} (-1)^(x_i + y_i)`` over all sets S of k nodes, for two masks x and y that
    differ in d nodes. So ``K_k(0) = C(N, k)``, and ``K_k(d) / C(N, k)`` is the mean of that product.

    References
    ----------
    F. J. MacWilliams, N. J. A. Sloane (1977), The Theory of Error-Correcting Codes, section 5.7.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.krawtchouk(2).tolist()
    [[1, 1, 1], [2, 0, -2], [1, -1, 1]]
    """
    nodes = _checks.whole("nodes", nodes, 0, MOST_NODES)
    one = np.ones(1, np.int64)
    columns = [reduce(np.convolve, [[1, -1]] * d + [[1, 1]] * (nodes - d), one) for d in range(nodes + 1)]
    return np.stack(columns, axis=1)


def covariance_by_distance(values: Any) -> Floats:
    r"""Compute the covariance of the values at two uniform masks that differ in d nodes.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.

    Returns
    -------
    numpy.ndarray of float64, (N+1,)
        At d the covariance of f(x) and f(y), x uniform over all masks and y equal to x with d nodes flipped that are
        chosen at random; in the squared unit of the values. At 0 it is the variance.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, or a value is not finite.

    See Also
    --------
    opposite : The last entry, taken apart.
    analysis.paths.exact : As the covariance matrix of a flip path.

    Notes
    -----
    A product of order k keeps the covariance ``K_k(d) / C(N, k)`` with itself and has none with any other, so

        Cov(d) = sum_{k >= 1} W_k K_k(d; N) / C(N, k)

    with the weights W_k of `weight_by_order` and the polynomials of `krawtchouk`. The steps i and j of a flip path that
    starts at a uniform mask are at distance ``|i - j|``.

    References
    ----------
    R. O'Donnell (2014), Analysis of Boolean Functions, section 2.4, doi:10.1017/CBO9781139814782.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.covariance_by_distance([1.0, 2.0, 3.0, 4.0]).tolist()
    [1.25, 0.0, -1.25]
    """
    weights = weight_by_order(values)
    polynomials = krawtchouk(weights.size - 1)
    mean_product = polynomials / polynomials[:, :1]
    return weights[1:] @ mean_product[1:]


class Opposite(NamedTuple):
    """How the values at a uniform mask and at its opposite, every node flipped, go together.

    Attributes
    ----------
    even : float
        Variance in the orders 2, 4, ...: what stays when every node is flipped.
    odd : float
        Variance in the orders 1, 3, ...: what changes its sign.
    covariance : float
        `even` less `odd`.
    correlation : float
        `covariance` over the variance, `even` plus `odd`; NaN for a constant.
    """

    even: float
    odd: float
    covariance: float
    correlation: float


def opposite(values: Any) -> Opposite:
    r"""Say why a mask and its opposite are correlated: weight of even order less weight of odd order.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.

    Returns
    -------
    Opposite
        In the squared unit of the values, but for the correlation.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, or a value is not finite.

    See Also
    --------
    covariance_by_distance : At every distance.
    analysis.balance.explain : Which nodes the correlation comes from.

    Notes
    -----
    Flipping every node multiplies a product of order k by (-1)^k; so the covariance at distance N is
    ``W_2 + W_4 + ... - W_1 - W_3 - ...`` with the weights of `weight_by_order`.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.opposite([0.0, 1.0, 1.0, 0.0])
    Opposite(even=0.25, odd=0.0, covariance=0.25, correlation=1.0)
    """
    weights = variance_by_order(values)
    even, odd = float(weights[0::2].sum()), float(weights[1::2].sum())
    correlation = (even - odd) / (even + odd) if even + odd > 0 else float("nan")
    return Opposite(even, odd, even - odd, correlation)
