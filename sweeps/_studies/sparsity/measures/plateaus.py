"""Where the plateau of an accuracy curve ends: the first fall below its start, and the last."""

from typing import Any

import numpy as np
import numpy.typing as npt

from analysis import _checks
from analysis.curves import ROUNDING

Floats = npt.NDArray[np.float64]


def end(along: Any, accuracy: Any, drop: float) -> Floats:
    """Find where a curve first falls by more than `drop` below its start, by linear interpolation.

    Parameters
    ----------
    along : array_like, (..., points)
        Rising, for example per cent of the weights gone; broadcast against `accuracy`.
    accuracy : array_like, (..., points)
        Shares from 0 to 1.
    drop : float
        A share above 0: 0.01 is one percentage point.

    Returns
    -------
    numpy.ndarray of float64, (...,)
        In the unit of `along`; infinite where the curve never falls so far, NaN where a value before the fall is not
        known. A later recovery does not count: see `lasting`.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If `drop` is not above 0.

    Examples
    --------
    >>> float(end([0, 50, 90, 99], [1.0, 1.0, 0.98, 0.5], 0.01))
    70.0
    """
    place, values, level = _checked(along, accuracy, drop)
    below = ~(values >= level - ROUNDING)  # NaN counts as below; the crossing then is NaN
    return _crossing(place, values, level, np.where(below.any(axis=-1), below.argmax(axis=-1), values.shape[-1]))


def lasting(along: Any, accuracy: Any, drop: float) -> Floats:
    """Find from where on a curve stays more than `drop` below its start, by linear interpolation.

    Parameters
    ----------
    along, accuracy, drop
        As for `end`.

    Returns
    -------
    numpy.ndarray of float64, (...,)
        As `end` gives it where the curve falls once; beyond it where the curve recovers. Infinite where its last value
        is not below, NaN where the values there are not known.

    Raises
    ------
    TypeError, ValueError
        As `end` does.

    Examples
    --------
    >>> float(lasting([0, 10, 20, 30, 40], [1.0, 0.98, 1.0, 1.0, 0.98], 0.01))
    35.0
    """
    place, values, level = _checked(along, accuracy, drop)
    above = ~(values < level - ROUNDING)
    return _crossing(place, values, level, values.shape[-1] - above[..., ::-1].argmax(axis=-1))


def _checked(along: Any, accuracy: Any, drop: float) -> tuple[Floats, Floats, Floats]:
    """Return the places and the values, of one shape, and how low a value is below the drop."""
    values = _checks.real_numbers("accuracy", accuracy)
    place = np.broadcast_to(_checks.real_numbers("along", along), values.shape)
    return place, values, values[..., :1] - _checks.positive("drop", drop)


def _crossing(place: Floats, values: Floats, level: Floats, first: npt.NDArray[np.intp]) -> Floats:
    """Interpolate between the point `first`, the first one below, and the one before it."""
    points = values.shape[-1]
    at = np.clip(first, 1, points - 1)[..., None]
    before, after = (np.take_along_axis(values, index, axis=-1)[..., 0] for index in (at - 1, at))
    start, stop = (np.take_along_axis(place, index, axis=-1)[..., 0] for index in (at - 1, at))
    height = before - after
    share = np.divide(before - level[..., 0], height, out=np.full(height.shape, np.nan), where=height > 0)
    found = start + np.clip(share, 0, 1) * (stop - start)
    return np.where(np.isnan(level[..., 0]), np.nan, np.where(first >= points, np.inf, found))
