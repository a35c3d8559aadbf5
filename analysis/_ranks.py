"""Rank correlation of two lists of numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis import _checks

Floats = npt.NDArray[np.float64]


def standardised(values: Any) -> Floats:
    """Return ranks along the last axis, shifted and scaled so that they sum to 0 and their squares to 1.

    Parameters
    ----------
    values : array_like, (..., n)
        Equal values share their mean rank. Values that are not finite have no rank.

    Returns
    -------
    numpy.ndarray of float64, (..., n)
        0 where a value has no rank, and where all values that have one are equal.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    """
    numbers = _checks.real_numbers("values", values)
    known = np.isfinite(numbers)
    ranks = stats.rankdata(np.where(known, numbers, np.nan), axis=-1, nan_policy="omit")
    # The mean of the ranks 1 to n is (n + 1) / 2, ties or not.
    centred = np.where(known, ranks - (known.sum(axis=-1, keepdims=True) + 1) / 2, 0.0)
    size = np.sqrt(np.square(centred).sum(axis=-1, keepdims=True))
    return np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)


def correlation(one: Any, other: Any) -> Floats:
    """Return Spearman's rank correlation along the last axis, over the pairs that are both finite.

    Parameters
    ----------
    one, other : array_like, (..., n)
        Equal values share their mean rank.

    Returns
    -------
    numpy.ndarray of float64, (...,)
        NaN where fewer than two pairs are finite, or one side is constant.

    Raises
    ------
    TypeError
        If the values are not real numbers.

    Examples
    --------
    >>> float(correlation([1, 2, 3, 4], [1, 10, 1000, 100]))
    0.8
    """
    first, second = _checks.real_numbers("one", one), _checks.real_numbers("other", other)
    known = np.isfinite(first) & np.isfinite(second)
    first, second = (standardised(np.where(known, values, np.nan)) for values in (first, second))
    varies = first.any(axis=-1) & second.any(axis=-1)
    return np.where(varies, np.clip((first * second).sum(axis=-1), -1, 1), np.nan)
