"""Probability densities by a Gaussian kernel of fixed width, fast enough for millions of draws.

The width is fixed and not fitted to each sample, so that curves in one figure are smoothed alike.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from analysis import _checks, _samples
from analysis._errors import InputError, InputTypeError
from analysis._samples import Sample

__all__ = ["WIDTH", "Density", "kde", "kernel_width"]

#: Standard deviation of the kernel, in the unit of the values, unless another is asked for.
WIDTH = 0.03
#: A kernel is this many bins of a summary wide, at least; it bounds the error of the bins, see `kde`.
_BINS_PER_WIDTH = 4
#: Grid points at least, and at most.
_BINS, _MOST_BINS = 2**14, 2**22
#: The grid reaches this many kernel widths beyond the data: the kernel has fallen to 1e-14 of its peak there.
_MARGIN = 8
#: Grid points per kernel width, at least; it bounds the error of the binning, see `kde`.
_RESOLUTION = 100


class Density(NamedTuple):
    """A probability density on an even grid.

    It unpacks as ``grid, density``; ``density.sum() * (grid[1] - grid[0])`` is 1 but for what lies outside.

    Attributes
    ----------
    grid : numpy.ndarray of float64, (points,)
        Evenly spaced points, in the unit of the values.
    density : numpy.ndarray of float64, (points,)
        Probability density at each point, per unit of the values; never negative.
    """

    grid: npt.NDArray[np.float64]
    density: npt.NDArray[np.float64]


def _clean_values(values: Any) -> npt.NDArray[np.float64]:
    cleaned = _checks.real_numbers("values", values).ravel()
    if cleaned.size == 0:
        raise InputError("values must be one or more numbers, got none")
    bad = int(np.count_nonzero(~np.isfinite(cleaned)))
    if bad:
        raise InputError(
            f"values must be finite numbers, got {bad} of {cleaned.size} that are not; "
            "leave them out and report how many"
        )
    return cleaned


def _clean_weights(weights: Any, count: int) -> npt.NDArray[np.float64]:
    if weights is None:
        return np.full(count, 1 / count)
    cleaned = _checks.real_numbers("weights", weights).ravel()
    if cleaned.size != count:
        raise InputError(f"weights must be one for each of the {count} values, got {cleaned.size}")
    if not (np.all(np.isfinite(cleaned)) and np.all(cleaned >= 0) and cleaned.sum() > 0):
        raise InputError("weights must be finite numbers, none negative, with a sum above 0")
    return cleaned / cleaned.sum()


def _grid(low: float, high: float, width: float) -> tuple[npt.NDArray[np.float64], float]:
    low, high = low - _MARGIN * width, high + _MARGIN * width
    with np.errstate(over="ignore"):
        wanted = _RESOLUTION * ((high - low) / width)
    if not 0 < wanted < np.inf:  # a width that is lost beside the values, or the values beside it
        raise InputError(f"width must be one that fits values from {low:g} to {high:g}, got {width:g}")
    bins = max(_BINS, 2 ** int(np.ceil(np.log2(wanted))))
    if bins > _MOST_BINS:
        least = _RESOLUTION * (high - low) / _MOST_BINS
        raise InputError(f"width must be {least:.3g} or more for values that span so far, got {width}")
    grid, spacing = np.linspace(low, high, bins, retstep=True)
    return grid, float(spacing)


def kde(values: Any, width: float = WIDTH, *, weights: Any = None) -> Density:
    r"""Estimate a probability density with a Gaussian kernel of fixed standard deviation.

    Parameters
    ----------
    values : array_like or xarray.DataArray
        Finite real numbers of any shape and unit; all dimensions are pooled. Non-finite ones are refused rather than
        dropped, because the caller has to say how many there were.
    width : float
        Standard deviation of the kernel, in the unit of the values. It is fixed, so that densities in one figure are
        smoothed alike; the curve's variance is that of the values plus its square. A narrow kernel shows the noise of
        few draws as bumps, a wide one fills the gaps between modes. `kernel_width` chooses one.
    weights : array_like, (...), optional
        Probability of each value up to a common factor, one for each; equal when left out.

    Returns
    -------
    Density
        On ``2**14`` points or more from 8 widths below the smallest value to 8 widths above the largest; it
        integrates to 1. The number of points doubles until 100 or more lie in one width.

    Raises
    ------
    TypeError
        If values or weights are not real numbers.
    ValueError
        If there is no value, a value is not finite, `width` is not above 0 or would need more than ``2**22``
        points, or the weights do not fit.

    See Also
    --------
    kernel_width : Chooses a width for several samples.
    analysis.hypercube.distribution : Values and weights of all masks.
    analysis.figures.densities.log_loss : Draws densities of a sweep.

    Notes
    -----
    The estimate is

        f(x) = sum_i w_i exp(-(x - x_i)^2 / (2 h^2)) / (h sqrt(2 pi))

    Each value is shared between its two neighbouring grid points (linear binning), and the histogram is multiplied by
    the kernel's Fourier transform. Linear binning is the only approximation. With grid spacing d it errs by at most
    ``d^2 / 8 * max |f''|``, which is ``(d / h)^2 / 8``, or 1.25e-5, of one kernel's peak.

    The summary of a sweep adds the error of its bins, of width w, since all draws of a bin count at its centre. It is
    at most ``w / 2 * max |K'|``, which is ``(w / h) / (2 sqrt(e))`` of one kernel's peak, however the draws lie in
    their bins, and ``(w / h)^2 / 24`` if they spread evenly over each. With h = 0.03 and bins of 1/256 that is 4 % and
    0.07 %.

    References
    ----------
    M. P. Wand (1994), Fast computation of multivariate kernel estimators,
    doi:10.1080/10618600.1994.10474656.

    Examples
    --------
    >>> from analysis import density
    >>> grid, height = density.kde([0.1, 0.12, 0.4], width=0.03)
    >>> round(float(height.sum() * (grid[1] - grid[0])), 6), round(float(height.max()), 2)
    (1.0, 8.39)
    """
    width = _checks.positive("width", width)
    inside = 1.0
    if isinstance(values, Sample):
        if weights is not None:
            raise InputError("weights must be left out beside a sample, which has its own")
        inside = values.counts.sum() / max(values.count, 1)
        values, weights = values.values, values.counts
    cleaned = _clean_values(values)
    share = _clean_weights(weights, cleaned.size)
    grid, spacing = _grid(cleaned.min(), cleaned.max(), width)

    position = (cleaned - grid[0]) / spacing  # the margins keep it inside
    left = position.astype(np.int64)
    right_part = position - left
    histogram = np.bincount(left, share * (1 - right_part), grid.size)
    histogram += np.bincount(left + 1, share * right_part, grid.size)

    # The convolution is circular; what wraps round has crossed both margins and is below 1e-50.
    frequency = np.fft.rfftfreq(grid.size, spacing)
    smooth = np.fft.irfft(np.fft.rfft(histogram) * np.exp(-2 * (np.pi * frequency * width) ** 2), grid.size)
    return Density(grid, inside * np.maximum(smooth, 0) / spacing)


def _sample(values: Any) -> Sample:
    if isinstance(values, Sample):
        return values
    if not hasattr(values, "dims") and np.ndim(values) == 0:
        raise InputTypeError(f"samples must be arrays of numbers, one a sample, got {_checks.shown(values)}")
    return _samples.losses(values, "samples")


def kernel_width(samples: Iterable[Any]) -> float:
    """Choose one kernel width for several samples that are to be compared in one figure.

    Parameters
    ----------
    samples : iterable of array_like or xarray.DataArray
        Samples in one unit, each of any shape; values that are not finite are left out.

    Returns
    -------
    float
        In the unit of the values: 0.03, if it is between a fiftieth and a third of the smallest standard
        deviation among them, and otherwise a tenth of that, to one digit. Never less than four bins of a summary, nor
        less than `kde` has grid points for.

    Raises
    ------
    TypeError
        If a sample is not of real numbers, or is one number.

    See Also
    --------
    kde : Takes the width.
    analysis.gradients.kernel_width : The same for gate gradients.

    Examples
    --------
    >>> from analysis import density
    >>> density.kernel_width([[0.1, 0.2, 0.6], [1.0, 2.0, 3.0]]), density.kernel_width([[1.0, 2.0, 9.0]])
    (0.03, 0.4)
    """
    found = [_sample(one) for one in samples]
    spreads = [sample.shape.sd for sample in found if sample.shape.sd > 0]
    smallest = min(spreads, default=10 * WIDTH)
    width = WIDTH if smallest / 50 <= WIDTH <= smallest / 3 else float(f"{smallest / 10:.1g}")
    bins = [_BINS_PER_WIDTH * sample.width for sample in found]
    # The margins of the grid take 2 * MARGIN widths of what the points can span.
    reach = _MOST_BINS / _RESOLUTION - 2 * _MARGIN - 1
    spans = [float(np.ptp(sample.values)) / reach for sample in found if sample.values.size]
    return max([width, *bins, *spans])
