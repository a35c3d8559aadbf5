"""Numbers of a curve against the nodes removed: where it first falls or rises, its mean height, its wrong way.

They make one number of a removal path, ``sweeps.ranking.removal_path``, so that criteria can be compared over many
networks. All work on the last axis of an array.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from analysis import _checks

__all__ = ["ROUNDING", "first_above", "mean_height", "removable", "wrong_way"]

_Floats = npt.NDArray[np.float64]
#: Differences of shares below this are rounding: shares are multiples of one example.
ROUNDING = 1e-9


def removable(accuracy: Any, drop: float) -> _Floats:
    """Count the removals before a curve first falls by more than `drop` below its start.

    Parameters
    ----------
    accuracy : array_like, (..., steps)
        Shares from 0 to 1 after 0, 1, ... removals.
    drop : float
        A share, 0 or above: 0.01 is one percentage point, and 0 allows no loss of accuracy at all.

    Returns
    -------
    numpy.ndarray of float64, (...,)
        Whole numbers from 0 to steps - 1; NaN where a value before the fall is not known. A later recovery does not
        count.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If `drop` is negative.

    See Also
    --------
    first_above : The same question of a loss.
    mean_height : One number for the whole curve.

    Examples
    --------
    >>> from analysis import curves
    >>> float(curves.removable([1.0, 0.99, 0.995, 0.9, 1.0], drop=0.01))
    2.0
    """
    values, drop = _checks.real_numbers("accuracy", accuracy), _checks.number("drop", drop, 0)
    fallen = ~(values >= values[..., :1] - drop - ROUNDING)  # NaN counts as fallen, and is sorted out below
    first = np.where(fallen.any(axis=-1), fallen.argmax(axis=-1), values.shape[-1])
    at = np.minimum(first, values.shape[-1] - 1)[..., None]
    known = ~np.isnan(np.take_along_axis(values, at, axis=-1)[..., 0])
    return np.where(known, first - 1.0, np.nan)


def first_above(loss: Any, factor: float) -> _Floats:
    """Find after how many removals a curve first exceeds `factor` times its start.

    Parameters
    ----------
    loss : array_like, (..., steps)
        Losses after 0, 1, ... removals, 0 or above. A start of 0 is exceeded by every loss above 0.
    factor : float
        Above 0: 2 for the step at which the loss has doubled. Below 1 the start itself exceeds it.

    Returns
    -------
    numpy.ndarray of float64, (...,)
        Whole numbers; infinite where it never does, NaN where the start is not known.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If `factor` is not above 0.

    See Also
    --------
    removable : The same question of an accuracy.

    Examples
    --------
    >>> from analysis import curves
    >>> float(curves.first_above([0.1, 0.15, 0.3, 0.1], factor=2))
    2.0
    """
    values, factor = _checks.real_numbers("loss", loss), _checks.positive("factor", factor)
    above = values > factor * values[..., :1]
    first = np.where(above.any(axis=-1), above.argmax(axis=-1).astype(float), np.inf)
    return np.where(np.isnan(values[..., 0]), np.nan, first)


def mean_height(curve: Any, *, along: Any = None) -> _Floats:
    r"""Give the area under a curve over the length of its axis: its mean height.

    It compares curves over the whole range of removals, where a single threshold would look at one point only.

    Parameters
    ----------
    curve : array_like, (..., steps)
        Two values or more, in any unit.
    along : array_like, (..., steps), optional
        Rising; where the points lie on the axis. By default 0, 1, ..., the number of removals.

    Returns
    -------
    numpy.ndarray of float64, (...,)
        In the unit of the curve; NaN where the axis has no length.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If `along` does not fit the curve.

    See Also
    --------
    removable, first_above : Where a curve crosses a threshold.

    Notes
    -----
    By the trapezoidal rule; for N steps of one it is

        1/N * sum_{k=1..N} (y_{k-1} + y_k) / 2

    Examples
    --------
    >>> from analysis import curves
    >>> float(curves.mean_height([1.0, 1.0, 0.0], along=[0, 50, 100]))
    0.75
    """
    values = _checks.real_numbers("curve", curve)
    if along is None:
        return np.asarray((values[..., 1:] + values[..., :-1]).mean(axis=-1) / 2)
    place = _checks.real_numbers("along", along)
    area, length = np.trapezoid(values, place, axis=-1), place[..., -1] - place[..., 0]
    return np.divide(area, length, out=np.full(np.shape(area), np.nan), where=length > 0)


def wrong_way(curve: Any, rising: bool) -> _Floats:
    """Give the share of all movement of a curve that goes against its direction.

    Parameters
    ----------
    curve : array_like, (..., steps)
        Two values or more, in any unit.
    rising : bool
        Whether it should rise, as a loss does when nodes go, or fall, as an accuracy does.

    Returns
    -------
    numpy.ndarray of float64, (...,)
        0 for a monotone curve, 0.5 for one that ends where it started; NaN for one that never moves.

    Raises
    ------
    TypeError
        If the values are not real numbers.

    See Also
    --------
    mean_height : How high the curve lies.

    Examples
    --------
    >>> from analysis import curves
    >>> round(float(curves.wrong_way([1.0, 0.5, 0.75, 0.0], rising=False)), 3)
    0.167
    """
    steps = np.diff(_checks.real_numbers("curve", curve), axis=-1)
    total = np.abs(steps).sum(axis=-1)
    wrong = np.maximum(-steps if rising else steps, 0).sum(axis=-1)
    return np.divide(wrong, total, out=np.full_like(total, np.nan), where=total > 0)
