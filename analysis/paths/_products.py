"""Sums over flip paths: reading them a part at a time, covariances with their errors, and tests of many at once."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import linalg, stats

from analysis import _checks
from analysis._errors import InputError, InputTypeError

Floats = npt.NDArray[np.float64]

#: Paths that are worked on at a time: it bounds the memory, and arrays of this size stay in the cache.
ROWS = 2**12
#: Directions with less than this share of the largest variance are rounding, also in single precision, and no part of
#: a joint test.
LEAST_VARIANCE = 1e-9


def checked(log_loss: Any) -> Any:
    """Return the paths as an array or DataArray (..., paths, steps), its values not yet read."""
    if isinstance(log_loss, xr.DataArray):
        if "step" not in log_loss.dims:
            raise InputError(f"log_loss must have the dimension 'step', got {log_loss.dims}")
        log_loss = log_loss.transpose(..., "step")
    elif isinstance(log_loss, xr.Dataset):
        raise InputTypeError("log_loss must be numbers, got an xarray.Dataset; name one of its variables")
    else:
        log_loss = _checks.array("log_loss", log_loss)
    if log_loss.ndim < 2 or log_loss.shape[-1] < 2:
        raise InputError(f"log_loss must have shape (paths, steps) with 2 steps or more, got {log_loss.shape}")
    return log_loss


def chunks(log_loss: Any) -> Iterator[tuple[Floats, int]]:
    """Yield some finite paths at a time, (rows, steps) in float64, and how many were left out beside them."""
    for lead in np.ndindex(*log_loss.shape[:-2]):
        block = log_loss[lead]
        for start in range(0, block.shape[0], ROWS):
            rows = _checks.real_numbers("log_loss", block[start : start + ROWS])
            finite = np.isfinite(rows).all(axis=1)
            yield rows[finite], rows.shape[0] - int(np.count_nonzero(finite))


class Products:
    r"""Sums over paths of products of deviations, (m,) a path: a covariance, or several, linear in such products.

    For the estimate ``t = sum_r w_r / (n - 1)`` leaving out path r gives

        t_r = ((n - 1) t - n / (n - 1) w_r) / (n - 2)

    since deviations are then from another mean. The jackknife variance ``(n - 1) / n sum_r (t_r - mean t_r)^2`` is
    therefore ``n / ((n - 1) (n - 2)^2) sum_r (w_r - mean w)^2``, exactly; and likewise for covariances of errors.
    """

    def __init__(self, count: int) -> None:
        self.paths = 0
        self.total, self.square = np.zeros(count), np.zeros((count, count))

    def add(self, products: Floats) -> None:
        """Take in the products of more paths, (rows, m)."""
        self.paths += products.shape[0]
        self.total += products.sum(axis=0)
        self.square += products.T @ products

    @property
    def estimate(self) -> Floats:
        """The covariances, (m,), unbiased."""
        return self.total / (self.paths - 1)

    @property
    def covariance(self) -> Floats:
        """Covariance of their errors, (m, m)."""
        spread = self.square - np.outer(self.total, self.total) / self.paths
        return variance_of_sum(spread, self.paths)

    @property
    def error(self) -> Floats:
        """Their standard errors, (m,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))


def variance_of_sum(spread: Floats, paths: int) -> Floats:
    """Return the jackknife variance of a sum over paths that is divided by their number less 1.

    Takes the sum of squared deviations of its terms, or a matrix of sums of products, for a matrix of covariances.
    """
    return spread * paths / ((paths - 1) * (paths - 2) ** 2)


def in_standard_errors(difference: Floats, error: Floats) -> Floats:
    """Return differences in standard errors; NaN where there is no error."""
    return np.divide(difference, error, out=np.full_like(difference, np.nan), where=error > 0)


class JointTest(NamedTuple):
    """A test of many differences at once, which are correlated with each other.

    Attributes
    ----------
    statistic : float
        Hotelling's T^2: chi-square for many paths; NaN if the paths are too few.
    degrees : int
        Its degrees of freedom: how many of the differences are independent.
    p_value : float
        Probability of as large a statistic by chance.
    """

    statistic: float
    degrees: int
    p_value: float


def joint_test(difference: Floats, covariance: Floats, paths: int, scale: Floats) -> JointTest:
    r"""Test whether differences with an estimated covariance are all 0.

    Parameters
    ----------
    difference : numpy.ndarray of float64, (m,)
    covariance : numpy.ndarray of float64, (m, m)
        Of the errors of the differences, estimated from the paths.
    paths : int
        Their number n.
    scale : numpy.ndarray of float64, (m,)
        Standard error of what is subtracted from each other. A difference whose own error is next to nothing beside
        it is 0 for every path but for rounding, and is left out.

    Returns
    -------
    JointTest

    Notes
    -----
    With m directions ``T^2 (n - m) / (m (n - 1))`` is F(m, n - m), which allows for the covariance being estimated.
    """
    error = np.sqrt(np.maximum(np.diag(covariance), 0))
    used = error > np.sqrt(LEAST_VARIANCE) * scale
    if not used.any():
        return JointTest(float("nan"), 0, float("nan"))
    correlation = covariance[np.ix_(used, used)] / np.outer(error[used], error[used])
    variance, direction = linalg.eigh(correlation)
    kept = variance > LEAST_VARIANCE * variance[-1]
    degrees = int(np.count_nonzero(kept))
    if paths <= degrees + 1:
        return JointTest(float("nan"), degrees, float("nan"))
    along = direction[:, kept].T @ (difference[used] / error[used])
    statistic = float(np.sum(along**2 / variance[kept]))
    scaled = statistic * (paths - degrees) / (degrees * (paths - 1))
    return JointTest(statistic, degrees, float(stats.f.sf(scaled, degrees, paths - degrees)))
