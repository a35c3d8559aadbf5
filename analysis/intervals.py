"""Means with t-intervals: of one number a network, or one an image, and of one a pair of networks."""

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

#: Probability that an interval is to cover.
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over networks and how far it is known; the same for images, or whatever else is independent.

    No tuple, so that no field can be read by its position.

    Attributes
    ----------
    mean : float
        Over the networks of which the number is known; NaN where there are none.
    half : float
        Half the width of the t-interval about the mean; NaN for fewer than two networks.
    networks : int
        Networks of which the number is known.
    least, most : float
        Range over the networks; NaN where it is not known.
    error : float
        Standard error of the mean; NaN for fewer than two networks.
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
        """Return the interval in another unit; the factor is above 0."""
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
def half_width(count: int, level: float = LEVEL) -> float:
    """Return half the width of a t-interval in standard errors of the mean; NaN for fewer than two numbers.

    Parameters
    ----------
    count : int
        Independent numbers that the mean is over.
    level : float
        Probability that the interval is to cover.

    Returns
    -------
    float

    Examples
    --------
    >>> round(half_width(8), 3)
    2.365
    """
    return float(stats.t.ppf((1 + level) / 2, count - 1)) if count > 1 else float("nan")


def _student(mean: float, error: float, values: npt.NDArray[np.float64], count: int, level: float) -> Interval:
    return Interval(mean, half_width(count, level) * error, count, float(values.min()), float(values.max()), error)


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
    ValueError
        If the matrix is not square.

    Notes
    -----
    The standard error is the jackknife's: with :math:`m_i` the mean over the pairs without network i,
    :math:`\sqrt{(n - 1) / n \sum_i (m_i - \bar m)^2}`. The pairs themselves are not independent.
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
    if not isinstance(values, xr.DataArray):
        raise InputTypeError(f"values must be an xarray.DataArray, got {type(values).__name__}")
    if values.ndim != 2 or "network" not in values.dims:
        raise InputError(f"values must have the dimensions 'network' and one other, got {values.dims}")
    (along,) = (dim for dim in values.dims if dim != "network")
    found = [interval(column, level) for column in values.transpose(along, "network").values]
    named = {name: (along, [getattr(one, name) for one in found]) for name in ("mean", "low", "high", "least", "most")}
    coords = {along: values[along].values} if along in values.coords else {}
    return xr.Dataset(named, coords=coords)
