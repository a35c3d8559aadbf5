"""Exact moments and distributions of a table when each node is on with probability p, for every p from one table."""

from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

from analysis import _checks
from analysis._errors import InputError
from analysis.hypercube._table import Floats, by_size, checked, checked_probability, nodes_of, rounding, sizes


class Moments(NamedTuple):
    """Moments under Bernoulli(p): numbers for one p, arrays of the shape of p for several.

    Attributes
    ----------
    mean : float or numpy.ndarray of float64
        In the unit of the values.
    variance : float or numpy.ndarray of float64
        In its square, of the whole population; exactly 0 where the values are equal but for rounding.
    skewness, excess_kurtosis : float or numpy.ndarray of float64
        Standardised; NaN where the variance is 0.
    """

    mean: Any
    variance: Any
    skewness: Any
    excess_kurtosis: Any


class Distribution(NamedTuple):
    """A discrete distribution.

    Attributes
    ----------
    values : numpy.ndarray of float64, (points,)
        Ascending, in the unit of the table: every entry of it, or the centre of every bin that is not empty.
    weights : numpy.ndarray of float64, (points,)
        Probability of each; they sum to 1.
    width : float
        Width of a bin; 0 where the values are the entries themselves.
    """

    values: Floats
    weights: Floats
    width: float


def mean_by_size(values: Any) -> Floats:
    """Average a table over the masks of each size.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.

    Returns
    -------
    numpy.ndarray of float64, (N+1,)
        At s the mean over the masks with s nodes on, in the unit of the values.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, or a value is not finite.

    See Also
    --------
    best_masks, worst_masks : The ends of each size in place of the mean.
    moments : The mean over all masks, whatever their size.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.mean_by_size([1.0, 2.0, 3.0, 4.0]).tolist()
    [1.0, 2.5, 4.0]
    """
    table = checked(values)
    return by_size(table) / _masks_of_size(nodes_of(table))


def _masks_of_size(nodes: int) -> Floats:
    return special.comb(nodes, np.arange(nodes + 1))


def _chance_of_size(nodes: int, probability: Floats) -> Floats:
    """Probability of each number of nodes on, (..., nodes + 1)."""
    return stats.binom.pmf(np.arange(nodes + 1), nodes, probability[..., np.newaxis])


def moments(values: Any, probability: Any = 0.5) -> Moments:
    r"""Compute mean, variance, skewness and excess kurtosis under Bernoulli(p), without sampling error.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    probability : float or array_like
        Probability p that a node is on, between 0 and 1; or an array of them, whose size hardly changes the time. At 0
        and 1 there is one mask, and no variance.

    Returns
    -------
    Moments
        Numbers for one probability, arrays of the shape of `probability` for several.

    Raises
    ------
    TypeError
        If the values or the probabilities are not real numbers.
    ValueError
        If the length is not a power of two, a value is not finite, or a probability lies outside [0, 1].

    See Also
    --------
    distribution : The whole distribution.
    mean_derivative : How the mean changes with the probability.
    analysis.lognormal.fit : Of sampled masks.

    Notes
    -----
    All masks with s nodes on have one probability, so the table is read once, for the mean m_s and the central moments
    c_{j,s} of each size. The moments for any p are those of a mixture of the N + 1 sizes, with the weights
    ``w_s = C(N, s) p^s (1 - p)^(N - s)`` and ``d_s = m_s - m``:

        m = sum_s w_s m_s
        E (f - m)^j = sum_s w_s sum_{l=0..j} C(j, l) c_{l,s} d_s^(j - l)

    Central moments inside each size keep the digits that powers about a common origin would lose near p = 0 and 1.

    Examples
    --------
    >>> from analysis import hypercube
    >>> mean, variance, skewness, excess_kurtosis = hypercube.moments([0.0, 1.0], probability=0.2)
    >>> round(mean, 6), round(variance, 6), round(skewness, 6), round(excess_kurtosis, 6)
    (0.2, 0.16, 1.5, 0.25)
    """
    table, chances = checked(values), checked_probability(probability)
    nodes = nodes_of(table)
    weight = _chance_of_size(nodes, chances)
    masks = _masks_of_size(nodes)
    size_mean = by_size(table) / masks
    deviation = table - size_mean[sizes(nodes)]
    square = deviation**2  # products, because a power of 3 or 4 is many times slower
    powers = (square, square * deviation, square**2)
    inside = [np.ones(nodes + 1), np.zeros(nodes + 1)] + [by_size(power) / masks for power in powers]

    mean = np.sum(weight * size_mean, axis=-1)
    shift = size_mean - mean[..., np.newaxis]
    variance, third, fourth = (
        np.sum(weight * sum(special.comb(j, part) * inside[part] * shift ** (j - part) for part in range(j + 1)), -1)
        for j in (2, 3, 4)
    )
    varies = variance > rounding(table) ** 2
    variance = np.where(varies, variance, 0.0)
    scale = np.sqrt(np.where(varies, variance, np.nan))
    result = Moments(mean, variance, third / scale**3, fourth / scale**4 - 3)
    return result if chances.ndim else Moments(*map(float, result))


def mean_derivative(values: Any, probability: Any) -> Any:
    r"""Compute the derivative with respect to p of the mean under Bernoulli(p).

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    probability : float or array_like
        Probability p that a node is on, between 0 and 1; or many of them, of any shape.

    Returns
    -------
    float or numpy.ndarray of float64, (...)
        In the unit of the values.

    Raises
    ------
    TypeError
        If the values or the probabilities are not real numbers.
    ValueError
        If the length is not a power of two, a value is not finite, or a probability lies outside [0, 1].

    See Also
    --------
    moments : The mean itself.
    analysis.gradients.slope_check : Holds mean gate gradients to this.

    Notes
    -----
    By the Margulis-Russo formula it is the sum of the mean effects of switching one node on,

        d/dp E_p f = sum_i E_p [f(i on) - f(i off)]

    and as the mean is a polynomial in Bernstein's form, it is, with the means m_s of `mean_by_size`,

        N sum_s C(N - 1, s) p^s (1 - p)^(N - 1 - s) (m_{s+1} - m_s)

    At p = 0.5 it is the sum of the Banzhaf values.

    References
    ----------
    R. O'Donnell (2014), Analysis of Boolean Functions, section 8.4, doi:10.1017/CBO9781139814782.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.mean_derivative([0.0, 0.0, 0.0, 1.0], 0.25)  # the mean is p^2
    0.5
    """
    chances = checked_probability(probability)
    step = np.diff(mean_by_size(values))
    slope = step.size * np.sum(_chance_of_size(step.size - 1, chances) * step, axis=-1)
    return slope if chances.ndim else float(slope)


def distribution(values: Any, probability: float = 0.5, *, width: float | None = None) -> Distribution:
    """Give the exact distribution of the values under Bernoulli(p).

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    probability : float
        Probability p that a node is on, between 0 and 1.
    width : float, optional
        Width of the bins of a histogram, in the unit of the values; edges are multiples of it. Without it every mask
        keeps its own value.

    Returns
    -------
    Distribution
        Its cumulative sum of the weights is the distribution function. Made for
        ``analysis.density.kde(found.values, weights=found.weights)``, which takes a histogram much faster; it says what
        bins cost.

    Raises
    ------
    TypeError
        If the values or the probability are not real numbers.
    ValueError
        If the length is not a power of two, a value is not finite, there are several probabilities or one outside [0,
        1], or `width` is not above 0 or so small that bins cannot be told apart.

    See Also
    --------
    moments : Four numbers in place of a distribution.
    analysis.density.kde : Makes a smooth density of it.

    Examples
    --------
    >>> from analysis import hypercube
    >>> found = hypercube.distribution([3.0, 1.0, 1.0, 2.0], probability=0.5, width=2.0)
    >>> found.values.tolist(), found.weights.round(6).tolist()
    ([1.0, 3.0], [0.5, 0.5])
    """
    table, chance = checked(values), checked_probability(probability)
    if chance.ndim:
        raise InputError(f"probability must be one number, got shape {chance.shape}")
    nodes = nodes_of(table)
    weight = (_chance_of_size(nodes, chance) / _masks_of_size(nodes))[sizes(nodes)]
    if width is None:
        order = np.argsort(table)
        return Distribution(table[order], weight[order], 0.0)
    width = _checks.positive("width", width)
    place = np.floor(table / width)
    if np.abs(place).max() > 1 / np.finfo(np.float64).eps:
        raise InputError(f"width must be more than the rounding of the values, got {width:g}")
    first, last = float(place.min()), float(place.max())
    if last - first < 8 * place.size:
        held = np.bincount((place - first).astype(np.int64), weight).astype(np.float64)
        bins = np.flatnonzero(held)
        return Distribution(((first + bins + 0.5) * width).astype(np.float64), held[bins], width)
    bins, index = np.unique(place, return_inverse=True)  # slow, but of any reach
    centres = ((bins + 0.5) * width).astype(np.float64)
    return Distribution(centres, np.bincount(index, weight, bins.size).astype(np.float64), width)
