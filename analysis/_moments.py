"""Moments: means and sums of powers of deviations of several samples, merged into those of all.

References
----------
P. Pebay (2008), Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical
moments, Sandia report SAND2008-6212.
"""

from typing import Any, NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Number of values, their mean and sums of powers of deviations from the mean.

    Attributes
    ----------
    number, mean, m2, m3, m4 : array
        NumPy's or JAX's, of any common shape; m_k = sum (x - mean)^k.
    """

    number: Any
    mean: Any
    m2: Any
    m3: Any
    m4: Any


def merged(number: Any, mean: Any, m2: Any, m3: Any, m4: Any) -> Moments:
    """Merge moments along their leading axis, in float64.

    Parameters
    ----------
    number, mean, m2, m3, m4 : array_like, (samples, ...)
        As of `Moments`; the mean of a sample without values is ignored.

    Returns
    -------
    Moments
        Of shape (...); the mean is NaN where there are no values.
    """
    count, mean, m2, m3, m4 = (np.asarray(part, np.float64) for part in (number, mean, m2, m3, m4))
    total = count.sum(axis=0)
    mean = np.where(count > 0, mean, 0)
    centre = (count * mean).sum(axis=0) / np.maximum(total, 1)
    shift = np.where(count > 0, mean - centre, 0)
    return Moments(
        total.astype(np.int64),
        np.where(total > 0, centre, np.nan),
        (m2 + count * shift**2).sum(axis=0),
        (m3 + 3 * shift * m2 + count * shift**3).sum(axis=0),
        (m4 + 4 * shift * m3 + 6 * shift**2 * m2 + count * shift**4).sum(axis=0),
    )
