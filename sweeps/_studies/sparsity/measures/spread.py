"""How far apart the networks are under one way of pruning and under another."""

import numpy as np
import numpy.typing as npt

from analysis import _jackknife
from analysis.intervals import NO_INTERVAL, Interval, half_width

Floats = npt.NDArray[np.float64]


def spread_ratio(one: Floats, other: Floats) -> Interval:
    """Logarithm of how many times as far apart networks are under the other way of pruning, with a jackknife interval.

    Parameters
    ----------
    one, other : numpy.ndarray, (networks, percent)
        Accuracies.

    Returns
    -------
    Interval
        Of the logarithm of the ratio of standard deviations over networks, root mean square over the percentages;
        without an interval for two networks, not known for fewer. The range is that of the jackknife's values.
    """
    count = len(one)
    value = _log_ratio(one, other) if count > 1 else np.nan
    if np.isnan(value):
        return NO_INTERVAL
    if count < 3:
        return Interval(value, np.nan, count, value, value)
    without = np.array([_log_ratio(np.delete(one, at, 0), np.delete(other, at, 0)) for at in range(count)])
    error = float(_jackknife.error([without - without.mean()], count))
    return Interval(value, half_width(count) * error, count, float(without.min()), float(without.max()), error)


def _log_ratio(one: Floats, other: Floats) -> float:
    """NaN where the networks of one of the two are all alike."""
    spread = [values.var(axis=0, ddof=1).mean() for values in (one, other)]
    return 0.5 * float(np.log(spread[1] / spread[0])) if min(spread) > 0 else float("nan")
