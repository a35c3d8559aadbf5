"""Means with t-intervals: one number a network, or one an image, independent of each other."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from analysis import _validate

#: Probability that an interval is to cover.
LEVEL = 0.95


class Interval(NamedTuple):
    """A mean over networks and how far it is known; the same for images, or whatever else is independent.

    Attributes
    ----------
    mean : float
        Over the networks of which the number is known; NaN where there are none.
    half : float
        Half the width of the t-interval about the mean; NaN for fewer than two networks.
    networks : int
        Networks of which the number is known.
    least, most : float
        Range over the networks.
    """

    mean: float
    half: float
    networks: int
    least: float
    most: float

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half

    @property
    def known(self) -> bool:
        """Whether there is an interval, and not a mean alone."""
        return bool(np.isfinite(self.half))

    def times(self, factor: float) -> "Interval":
        """Return the interval in another unit; the factor is above 0."""
        return Interval(self.mean * factor, self.half * factor, self.networks, self.least * factor, self.most * factor)


def interval(values: Any, level: float = LEVEL) -> Interval:
    r"""Give the mean of one number a network, with its t-interval.

    Parameters
    ----------
    values : array_like, (networks,)
        Values that are not finite are left out.
    level : float
        Probability that the interval is to cover, between 0 and 1.

    Returns
    -------
    Interval

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If `level` is not between 0 and 1, or the values are not a list.

    Notes
    -----
    Half the width is :math:`t_{n-1} s / \sqrt n` with the standard deviation :math:`s` of divisor :math:`n - 1`. It
    covers what it should where the numbers are normal, and nearly so where they are not far from it.

    Examples
    --------
    >>> found = interval([1.0, 2.0, 3.0])
    >>> found.mean, round(found.half, 3), found.networks
    (2.0, 2.484, 3)
    """
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level}")
    numbers = _validate.real_numbers("values", values)
    if numbers.ndim != 1:
        raise ValueError(f"values: expected one number a network, got shape {numbers.shape}")
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return Interval(np.nan, np.nan, 0, np.nan, np.nan)
    half = float("nan")
    if known.size > 1:
        half = float(stats.t.ppf((1 + level) / 2, known.size - 1) * known.std(ddof=1) / np.sqrt(known.size))
    return Interval(float(known.mean()), half, int(known.size), float(known.min()), float(known.max()))


def band(values: xr.DataArray, level: float = LEVEL) -> xr.Dataset:
    """Give the mean over networks at every point of curves, with t-intervals and ranges.

    Parameters
    ----------
    values : xarray.DataArray, (network, along)
        Curves, one a network.
    level : float
        Probability that each interval is to cover, at each point by itself.

    Returns
    -------
    xarray.Dataset
        `mean`, `low`, `high`, `least`, `most` (along,).

    Raises
    ------
    ValueError
        If there is no dimension "network" or more than one other.
    """
    if values.ndim != 2 or "network" not in values.dims:
        raise ValueError(f"values: expected the dimensions 'network' and one other, got {values.dims}")
    (along,) = (dim for dim in values.dims if dim != "network")
    found = [interval(column, level) for column in values.transpose(along, "network").values]
    named = {name: (along, [getattr(one, name) for one in found]) for name in ("mean", "low", "high", "least", "most")}
    coords = {along: values[along].values} if along in values.coords else {}
    return xr.Dataset(named, coords=coords)
