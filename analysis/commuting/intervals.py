"""Means over networks with their 95 % intervals: of one number a network, and of one a pair of networks."""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from analysis import _validate

#: Probability that an interval is to cover.
LEVEL = 0.95


class Interval(NamedTuple):
    """A mean over networks and how well it is known.

    Attributes
    ----------
    mean : float
        In the unit of the values; NaN where no value is known.
    error : float
        Its standard error; NaN for fewer than two networks.
    low, high : float
        Ends of the 95 % interval by Student's t; NaN for fewer than two networks.
    known : int
        Networks whose value is known.
    """

    mean: float
    error: float
    low: float
    high: float
    known: int


def _student(mean: float, error: float, count: int) -> Interval:
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error
    return Interval(mean, error, mean - half, mean + half, count)


def over_networks(values: Any) -> Interval:
    """Give the mean of one number a network, with its t-interval.

    Parameters
    ----------
    values : array_like, (networks,)
        Those that are not finite are left out.

    Returns
    -------
    Interval

    Raises
    ------
    TypeError
        If the values are not real numbers.

    Examples
    --------
    >>> found = over_networks([1.0, 2.0, 3.0])
    >>> found.mean, round(found.error, 4), round(found.low, 3), found.known
    (2.0, 0.5774, -0.484, 3)
    """
    known = _validate.real_numbers("values", values).ravel()
    known = known[np.isfinite(known)]
    nan = float("nan")
    if known.size < 2:
        return Interval(float(known[0]) if known.size else nan, nan, nan, nan, known.size)
    return _student(float(known.mean()), float(known.std(ddof=1) / np.sqrt(known.size)), known.size)


def over_pairs(matrix: Any) -> Interval:
    r"""Give the mean over pairs of different networks, with an interval that allows for pairs that share one.

    Parameters
    ----------
    matrix : array_like, (networks, networks)
        Symmetric; the diagonal is ignored.

    Returns
    -------
    Interval
        Without an error for fewer than three networks.

    Raises
    ------
    TypeError
        If the values are not real numbers.

    Notes
    -----
    The standard error is the jackknife's: with :math:`m_i` the mean over the pairs without network i,
    :math:`\sqrt{(n - 1) / n \sum_i (m_i - \bar m)^2}`. The pairs themselves are not independent.
    """
    values = _validate.real_numbers("matrix", matrix)
    count, nan = len(values), float("nan")
    if count < 2:
        return Interval(nan, nan, nan, nan, count)
    off = np.where(np.eye(count, dtype=bool), 0.0, values)
    mean = float(off.sum() / (count * (count - 1)))
    if count < 3:
        return Interval(mean, nan, nan, nan, count)
    without = (off.sum() - off.sum(axis=0) - off.sum(axis=1)) / ((count - 1) * (count - 2))
    error = float(np.sqrt((count - 1) / count * np.square(without - without.mean()).sum()))
    return _student(mean, error, count)
