"""The delete-one jackknife: the standard error of a statistic from what it becomes without each draw."""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def error(changes: Iterable[Floats], count: int) -> Floats:
    r"""Compute standard errors from how a statistic changes when each draw is left out.

    Parameters
    ----------
    changes : iterable of numpy.ndarray, (rows, m)
        Changes of m statistics, some of the draws at a time.
    count : int
        Number of draws.

    Returns
    -------
    numpy.ndarray of float64, (m,)

    Notes
    -----
    ``sqrt((n - 1) / n sum_r (t_r - mean t)^2)``. Changes that are small beside the statistic lose no digits.

    References
    ----------
    R. G. Miller (1974), The jackknife - a review, doi:10.1093/biomet/61.1.1.
    """
    total, square = 0.0, 0.0
    for change in changes:
        total = total + change.sum(axis=0)
        square = square + np.sum(change**2, axis=0)
    return np.sqrt((count - 1) / count * np.maximum(square - total**2 / count, 0))


def of_sums(statistic: Callable[[Floats], Floats], sums: Floats) -> Floats:
    """Compute the standard error of a statistic of sums over draws.

    Parameters
    ----------
    statistic : callable
        Of sums (..., k), along leading axes.
    sums : numpy.ndarray of float64, (draws, ..., k)
        The terms of each draw.

    Returns
    -------
    numpy.ndarray of float64
        Of the statistic's shape; NaN for fewer than two draws.
    """
    if len(sums) < 2:
        return np.full(np.shape(statistic(sums.sum(axis=0))), np.nan)
    without = statistic(sums.sum(axis=0) - sums)
    return error([without - without.mean(axis=0)], len(sums))
