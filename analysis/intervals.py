"""Means with t-intervals: of one number a network, or one an image, and of one a pair of networks.

Masks of one network tell about that network, however many they are. What is said of networks of a kind needs several,
trained from different seeds, and an interval over them.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats

from analysis import _checks, _jackknife
from analysis._errors import InputError, InputTypeError
from analysis._formatting import format_number

__all__ = ["LEVEL", "NO_INTERVAL", "Interval", "band", "half_width", "interval", "over_pairs"]

#: Probability that an interval is to cover.
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over networks and how far it is known; the same for images, or whatever else is independent.

    No tuple, so that no field can be read by its position.

    Attributes
    ----------
    mean : float
        Mean over the networks of which the number is known, in its unit; NaN where there are none.
    half : float
        Half the width of the t-interval about the mean, in the same unit; NaN for fewer than two networks.
    networks : int
        Number of networks of which the number is known.
    least, most : float
        Range over the networks; NaN where it is not known.
    error : float
        Standard error of the mean; NaN for fewer than two networks.

    See Also
    --------
    interval : Makes one from numbers.

    Examples
    --------
    >>> from analysis import intervals
    >>> found = intervals.Interval(mean=2.0, half=0.5, networks=8)
    >>> found.low, found.high, found.known
    (1.5, 2.5, True)
    """

    mean: float
    half: float
    networks: int
    least: float = float("nan")
    most: float = float("nan")
    error: float = float("nan")

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
        """Return the interval in another unit.

        Parameters
        ----------
        factor : float
            Above 0; 100 turns shares into per cent.

        Returns
        -------
        Interval
            Mean, half width, range and error, each times the factor.
        """
        return Interval(
            self.mean * factor,
            self.half * factor,
            self.networks,
            self.least * factor,
            self.most * factor,
            self.error * factor,
        )

    def negated(self) -> "Interval":
        """Return the interval of minus the numbers."""
        return replace(self, mean=-self.mean, least=-self.most, most=-self.least)

    def text(self, decimals: int = 1, unit: str = "", signed: bool = False) -> str:
        """Write the mean and half the width of its interval, or say that there is none.

        Parameters
        ----------
        decimals : int
            Digits behind the point.
        unit : str
            Stands behind the number; nothing for an empty one.
        signed : bool
            Whether a mean above zero has a plus.

        Returns
        -------
        str
            With spaces that do not break, so that no line ends within the number.

        Examples
        --------
        >>> Interval(71.234, 1.5, 5).text(unit="%").replace("\u00a0", " ")
        '71.2 ± 1.5 %'
        >>> Interval(2.0, float("nan"), 1).text()
        '2.0 (no interval)'
        >>> Interval(-0.004, 0.1, 5).text().replace("\u00a0", " ")
        '0.0 ± 0.1'
        """
        if not self.networks:
            return "not known"
        rounded = round(self.mean, decimals) + 0.0  # which makes 0 of -0
        mean = format_number(rounded, decimals=decimals, style="html")
        mean = f"+{mean}" if signed and rounded > 0 else mean
        unit = f"\u00a0{unit}" if unit else ""
        return f"{mean}\u00a0±\u00a0{self.half:.{decimals}f}{unit}" if self.known else f"{mean}{unit} (no interval)"


#: Of a number that no network has.
NO_INTERVAL = Interval(float("nan"), float("nan"), 0)


def interval(values: Any, *, level: float = LEVEL) -> Interval:
    r"""Give the mean of one number a network, with its t-interval.

    Parameters
    ----------
    values : array_like, (networks,)
        Independent numbers in any unit; those that are not finite are left out.
    level : float
        Probability that the interval is to cover, between 0 and 1.

    Returns
    -------
    Interval
        In the unit of the values; without a half width for fewer than two of them.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If `level` is not between 0 and 1, or the values are not a list.

    See Also
    --------
    over_pairs : Of numbers of pairs.
    band : At every point of curves.

    Notes
    -----
    Half the width is ``t * s / sqrt(n)``, with the quantile t of Student's law of n - 1 degrees of freedom and the
    standard deviation s of divisor n - 1. It covers what it should where the numbers are normal, and nearly so where
    they are not far from it. It speaks of other networks of the same kind, not of other data.

    Examples
    --------
    >>> from analysis import intervals
    >>> found = intervals.interval([1.0, 2.0, 3.0])
    >>> found.mean, round(found.half, 3), found.networks
    (2.0, 2.484, 3)
    """
    level = _checks.level(level)
    numbers = _checks.real_numbers("values", values)
    if numbers.ndim != 1:
        raise InputError(f"values must be one number a network, got shape {numbers.shape}")
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return NO_INTERVAL
    error = float(known.std(ddof=1) / np.sqrt(known.size)) if known.size > 1 else float("nan")
    return _student(float(known.mean()), error, known, known.size, level)


@cache
def half_width(count: int, *, level: float = LEVEL) -> float:
    """Give half the width of a t-interval, in standard errors of the mean.

    Parameters
    ----------
    count : int
        Number of independent numbers that the mean is over.
    level : float
        Probability that the interval is to cover, between 0 and 1.

    Returns
    -------
    float
        The quantile of Student's law: 1.96 for many numbers, more for few; NaN for fewer than two.

    See Also
    --------
    interval : Multiplies it by the standard error.

    Examples
    --------
    >>> from analysis import intervals
    >>> round(intervals.half_width(8), 3), round(intervals.half_width(1000), 3)
    (2.365, 1.962)
    """
    return float(stats.t.ppf((1 + level) / 2, count - 1)) if count > 1 else float("nan")


def _student(mean: float, error: float, values: npt.NDArray[np.float64], count: int, level: float) -> Interval:
    return Interval(
        mean, half_width(count, level=level) * error, count, float(values.min()), float(values.max()), error
    )


def over_pairs(matrix: Any) -> Interval:
    r"""Give the mean over pairs of different networks, with an interval that allows for pairs that share one.

    Parameters
    ----------
    matrix : array_like, (networks, networks)
        One number for each pair of networks, in any unit, such as the correlation of their losses; symmetric. The
        diagonal is ignored.

    Returns
    -------
    Interval
        In the unit of the numbers; without an error for fewer than three networks.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the matrix is not square.

    See Also
    --------
    interval : Of one number a network.

    Notes
    -----
    The standard error is the jackknife's: with the mean m_i over the pairs without network i, and the mean m of these,

        sqrt((n - 1) / n * sum_i (m_i - m)^2)

    The pairs themselves are not independent.

    Examples
    --------
    >>> from analysis import intervals
    >>> found = intervals.over_pairs([[1.0, 0.2, 0.3], [0.2, 1.0, 0.4], [0.3, 0.4, 1.0]])
    >>> round(found.mean, 3), round(found.error, 3), found.networks
    (0.3, 0.115, 3)
    """
    values = _checks.real_numbers("matrix", matrix)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise InputError(f"matrix must have shape (networks, networks), got {values.shape}")
    count, nan = len(values), float("nan")
    if count < 2:
        return Interval(nan, nan, count)
    apart = ~np.eye(count, dtype=bool)
    off = np.where(apart, values, 0.0)
    mean = float(off.sum() / (count * (count - 1)))
    if count < 3:
        return _student(mean, nan, values[apart], count, LEVEL)
    without = (off.sum() - off.sum(axis=0) - off.sum(axis=1)) / ((count - 1) * (count - 2))
    error = float(_jackknife.error([without - without.mean()], count))
    return _student(mean, error, values[apart], count, LEVEL)


def band(values: xr.DataArray, *, level: float = LEVEL) -> xr.Dataset:
    """Give the mean over networks at every point of curves, with t-intervals and ranges.

    Parameters
    ----------
    values : xarray.DataArray, (network, along)
        Curves, one a network, in any unit; ``along`` is the other dimension, such as `step`.
    level : float
        Probability that each interval is to cover, at each point by itself. A whole curve leaves the band more often.

    Returns
    -------
    xarray.Dataset
        In the unit of the curves, each (along,): `mean`, the ends `low` and `high` of its interval, and `least` and
        `most` of the networks.

    Raises
    ------
    TypeError
        If the values are no DataArray.
    ValueError
        If there is no dimension "network" or more than one other.

    See Also
    --------
    interval : At one point.

    Examples
    --------
    >>> from analysis import intervals
    >>> curves = xr.DataArray([[1.0, 2.0], [3.0, 2.0]], dims=("network", "step"))
    >>> found = intervals.band(curves)
    >>> found["mean"].values.tolist(), found["most"].values.tolist()
    ([2.0, 2.0], [3.0, 2.0])
    """
    if not isinstance(values, xr.DataArray):
        raise InputTypeError(f"values must be an xarray.DataArray, got {type(values).__name__}")
    if values.ndim != 2 or "network" not in values.dims:
        raise InputError(f"values must have the dimensions 'network' and one other, got {values.dims}")
    (along,) = (dim for dim in values.dims if dim != "network")
    found = [interval(column, level=level) for column in values.transpose(along, "network").values]
    named = {name: (along, [getattr(one, name) for one in found]) for name in ("mean", "low", "high", "least", "most")}
    coords = {along: values[along].values} if along in values.coords else {}
    return xr.Dataset(named, coords=coords)
