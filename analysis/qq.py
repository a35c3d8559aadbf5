"""Quantile-quantile points of log losses against a normal law, with a simultaneous band.

The band holds all points of a normal sample at once with the stated probability, so a single point outside says that
the law fails, and where.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from analysis import _checks, _samples
from analysis._errors import InputTypeError

__all__ = ["NormalQuantiles", "normal_band", "normal_quantiles"]

#: Points at most: a band for more of them is slow to simulate and cannot be seen in a figure.
_SAMPLE = 1000
#: Simulated samples behind a band.
_RESAMPLES = 999

_Floats = npt.NDArray[np.float64]


class NormalQuantiles(NamedTuple):
    """Standardised log losses in ascending order, beside what a normal law would give.

    Attributes
    ----------
    expected : numpy.ndarray, (points,)
        Quantiles of the standard normal law at the median ranks.
    observed : numpy.ndarray, (points,)
        Standardised log losses, ascending, in units of their standard deviation.
    lower, upper : numpy.ndarray, (points,)
        Ends of the band, in the same unit: a normal sample stays inside at all points at once with probability `level`.
    level : float
        That probability.
    usable, nonpositive, nonfinite : int
        Losses that have a logarithm (of them at most 1,000 are points), losses that are 0 or below, and
        losses that are NaN or infinite.
    """

    expected: _Floats
    observed: _Floats
    lower: _Floats
    upper: _Floats
    level: float
    usable: int
    nonpositive: int
    nonfinite: int


def normal_band(count: int, *, level: float = 0.95, resamples: int = _RESAMPLES) -> tuple[_Floats, _Floats]:
    r"""Compute the simultaneous band of a standardised normal sample, sorted.

    Parameters
    ----------
    count : int
        Size of the sample, 3 or more.
    level : float
        Probability that a whole normal sample stays inside, between 0 and 1.
    resamples : int
        Simulated samples that calibrate the band, 1 or more; their seed is fixed. Few make the band's level uncertain.

    Returns
    -------
    lower : numpy.ndarray of float64, (count,)
        Lower end of the band, ascending, in units of the sample's standard deviation (divisor `count`).
    upper : numpy.ndarray of float64, (count,)
        Upper end.

    Raises
    ------
    ValueError
        If `count` or `level` is out of range.

    See Also
    --------
    normal_quantiles : Sets losses beside the band.

    Notes
    -----
    The i-th smallest of n uniform numbers has a Beta(i, n + 1 - i) law. The band takes the quantiles gamma and 1 -
    gamma of that law at every i, carried over to the normal scale, with one gamma for all points, found by simulation
    so that a fraction `level` of samples, each standardised by its own mean and standard deviation, stays inside
    everywhere. So the band allows both for many points and for fitted parameters, and it is as watchful in the tails as
    in the middle.

    References
    ----------
    S. Aldor-Noiman, L. D. Brown, A. Buja, W. Rolke, R. A. Stine (2013), The power to see: a new graphical
    test of normality, doi:10.1080/00031305.2013.847865.

    Examples
    --------
    >>> from analysis import qq
    >>> lower, upper = qq.normal_band(5)
    >>> bool((lower < upper).all()), lower.shape
    (True, (5,))
    """
    return _band(_checks.whole("count", count, 3), _checks.level(level), _checks.whole("resamples", resamples, 1))


@lru_cache(maxsize=32)
def _band(count: int, level: float, resamples: int) -> tuple[_Floats, _Floats]:
    simulated = np.sort(np.random.default_rng(0).standard_normal((resamples, count)), axis=1)
    simulated -= simulated.mean(axis=1, keepdims=True)
    simulated /= simulated.std(axis=1, keepdims=True)
    rank = np.arange(1, count + 1)
    below = special.betainc(rank, count + 1 - rank, special.ndtr(simulated))
    worst = np.minimum(below, 1 - below).min(axis=1)
    gamma = float(np.quantile(worst, 1 - level))
    law = stats.beta(rank, count + 1 - rank)
    lower, upper = special.ndtri(law.ppf(gamma)), special.ndtri(law.isf(gamma))
    lower.flags.writeable = upper.flags.writeable = False  # the cache hands out the same arrays again
    return lower, upper


def normal_quantiles(loss: Any, *, level: float = 0.95) -> NormalQuantiles:
    """Set the log losses against the quantiles of a normal law.

    Parameters
    ----------
    loss : array_like or xarray.DataArray, (...)
        Independent draws of a loss, not of its logarithm; all dimensions are pooled. The band is for draws, so a
        summary will not do.
    level : float
        Probability that a log-normal sample lies inside the band everywhere, between 0 and 1.

    Returns
    -------
    NormalQuantiles
        With no points if fewer than 3 losses have a logarithm or the logs are all equal. Of more than 1,000
        draws a fixed random subset is taken.

    Raises
    ------
    TypeError
        If the losses are not real numbers, or a summary of them.
    ValueError
        If `level` is not between 0 and 1.

    See Also
    --------
    normal_band : The band alone.
    analysis.figures.quantiles.normal : Draws the points.

    Examples
    --------
    >>> from analysis import qq
    >>> found = qq.normal_quantiles(np.exp([0.0, 2.0, 1.0, -1.0, 0.0]))
    >>> found.observed.round(2).tolist(), found.usable
    ([-1.37, -0.39, -0.39, 0.59, 1.57], 5)
    """
    level = _checks.level(level)
    if _samples.is_summary(loss):
        raise InputTypeError("loss must be draws, got a summary, which holds none")
    sample = _samples.log_losses(loss)
    logs, usable, missing = sample.values, sample.count, (sample.nonpositive, sample.nonfinite)
    if usable > _SAMPLE:
        logs = np.random.default_rng(0).choice(logs, size=_SAMPLE, replace=False)
    if usable < 3 or sample.shape.sd == 0:
        none = np.empty(0)
        return NormalQuantiles(none, none, none, none, level, usable, *missing)
    rank = np.arange(1, logs.size + 1)
    expected = special.ndtri(special.betaincinv(rank, logs.size + 1 - rank, 0.5))
    lower, upper = normal_band(logs.size, level=level)
    observed = np.sort((logs - logs.mean()) / logs.std())
    return NormalQuantiles(expected, observed, lower, upper, level, usable, *missing)
