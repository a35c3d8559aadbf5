"""Samples: one view of the losses of many masks, whether every draw was kept or only a summary of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _checks, _moments
from analysis._errors import InputError

Floats = npt.NDArray[np.float64]
Labelled = TypeVar("Labelled", xr.DataArray, xr.Dataset, Any)

#: Values whose spread is below this many rounding errors have no measurable skewness or kurtosis.
ROUNDINGS = 64


class Shape(NamedTuple):
    """Moments of a sample; those that its values do not determine are NaN.

    Attributes
    ----------
    mean, sd : float
        In the unit of the values; `sd` has divisor `count`, and is exactly 0 for values that are equal but
        for rounding.
    skewness, excess_kurtosis : float
        Standardised; NaN where `sd` is 0.
    """

    mean: float
    sd: float
    skewness: float
    excess_kurtosis: float


@dataclass(frozen=True)
class Sample:
    """The losses, or the log losses, of many masks.

    Attributes
    ----------
    count : int
        Losses that are in the sample.
    shape : Shape
        Their moments: of all of them, also of those outside the histogram of a summary.
    values : numpy.ndarray of float64, (points,)
        Ascending: every loss, or the centre of every bin that is not empty.
    counts : numpy.ndarray of int64, (points,)
        How many losses each value stands for.
    width : float
        Width of a bin; 0 where the values are the losses themselves. A loss lies within half of it of the
        value that stands for it.
    below, above : int
        Losses on either side of the histogram, which no value stands for.
    nonpositive : int
        Finite losses that are 0 or below: part of a sample of losses, left out of one of log losses.
    nonfinite : int
        Losses that are NaN or infinite; left out of both.
    """

    count: int
    shape: Shape
    values: Floats
    counts: npt.NDArray[np.int64]
    width: float
    below: int
    above: int
    nonpositive: int
    nonfinite: int

    @property
    def reached(self) -> npt.NDArray[np.int64]:
        """Losses up to and including each value, (points,)."""
        return self.below + np.cumsum(self.counts)

    def quantile(self, levels: Any) -> Floats:
        """Give quantiles, linear between order statistics as NumPy's are.

        Parameters
        ----------
        levels : array_like, (levels,)
            Between 0 and 1.

        Returns
        -------
        numpy.ndarray of float64, (levels,)
            Off by half of `width` at most. NaN for an empty sample, and for a quantile outside the histogram.
        """
        place = _checks.finite_numbers("levels", levels, 0, 1) * max(self.count - 1, 0)
        reached, values = self.reached, np.append(self.values, np.nan)

        def ranked(rank: npt.NDArray[np.int64]) -> Floats:
            return np.where(rank < self.below, np.nan, values[np.searchsorted(reached, rank, side="right")])

        low = ranked(np.floor(place).astype(np.int64))
        high = ranked(np.ceil(place).astype(np.int64))
        return low + (place - np.floor(place)) * (high - low)

    def distance(self, law: Callable[[Floats], Floats]) -> float:
        """Give the largest distance between the sample's distribution function and a continuous one.

        Parameters
        ----------
        law : callable
            The other distribution function.

        Returns
        -------
        float
            NaN without a value. Exact for draws. Of a histogram it is the distance at the edges of the bins, where
            the sample's distribution function is known: too small by what `law` grows over one bin, at most,
            and by the share of losses outside the histogram.
        """
        if not self.values.size:
            return float("nan")
        reached, half = self.reached, self.width / 2
        over = reached / self.count - law(self.values + half)
        under = law(self.values - half) - (reached - self.counts) / self.count
        return float(max(over.max(), under.max()))


def is_summary(data: Any) -> bool:
    """Tell whether `data` is the summary of a sweep, in place of its draws."""
    return isinstance(data, xr.Dataset) and "loss_histogram" in data


def parts(data: Labelled, dim: str | None, name: str = "data") -> list[Labelled]:
    """Cut labelled draws or a summary along one dimension.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset
    dim : str or None
        The dimension; None leaves `data` whole.
    name : str
        What messages call the data.

    Returns
    -------
    list

    Raises
    ------
    TypeError
        If the data are not labelled.
    ValueError
        If there is no such dimension.
    """
    if dim is None:
        return [data]
    _checks.labelled(name, data)
    _checks.one_of("dim", dim, tuple(map(str, data.dims)))
    return [data.isel({dim: index}) for index in range(data.sizes[dim])]


def losses(data: Any, name: str = "loss") -> Sample:
    """View the finite losses of draws or of a summary.

    Parameters
    ----------
    data : array_like, xarray.DataArray or xarray.Dataset
        Losses of any shape; or a sweep, whose variable `loss` is taken; or the summary of one. All
        dimensions are pooled.
    name : str
        What messages call the data.

    Returns
    -------
    Sample
        Values in the unit of the loss.

    Raises
    ------
    TypeError
        If the losses are not real numbers.
    ValueError
        If a Dataset is neither a sweep nor a whole summary.
    """
    if is_summary(data):
        return _of_summary(data, name, "loss")
    values, nonpositive, nonfinite = _finite(data, name)
    return _of_values(values, ROUNDINGS * np.abs(values).max(initial=0.0), nonpositive, nonfinite)


def log_losses(data: Any, name: str = "loss") -> Sample:
    """View the natural logarithms of the finite losses above 0, of draws or of a summary.

    Parameters
    ----------
    data, name : as for `losses`
        Losses, not their logarithms.

    Returns
    -------
    Sample

    Raises
    ------
    TypeError, ValueError
        As `losses` does.
    """
    if is_summary(data):
        return _of_summary(data, name, "log_loss")
    values, nonpositive, nonfinite = _finite(data, name)
    logs = np.log(values[values > 0])
    # A relative rounding error of the loss is an absolute one of its logarithm.
    return _of_values(logs, ROUNDINGS * np.abs(logs).max(initial=1.0), nonpositive, nonfinite)


def _finite(data: Any, name: str) -> tuple[Floats, int, int]:
    if isinstance(data, xr.Dataset):
        data = _checks.dataset_with(name, data, ("loss",), ())["loss"]
    values = _checks.real_numbers(name, data).ravel()
    finite = values[np.isfinite(values)]
    return finite, int(np.count_nonzero(finite <= 0)), values.size - finite.size


def _of_values(values: Floats, roundings: float, nonpositive: int, nonfinite: int) -> Sample:
    ordered = np.sort(values)
    ones = np.broadcast_to(np.int64(1), ordered.shape)
    shape = _shape(ordered, roundings * float(np.finfo(np.float64).eps))
    return Sample(ordered.size, shape, ordered, ones, 0.0, 0, 0, nonpositive, nonfinite)


def _shape(ordered: Floats, rounding: float) -> Shape:
    nan = float("nan")
    if ordered.size < 2:
        return Shape(float(ordered[0]) if ordered.size else nan, nan, nan, nan)
    mean = float(ordered.mean())
    if ordered[-1] - ordered[0] <= rounding:
        return Shape(mean, 0.0, nan, nan)
    deviation = ordered - mean
    sd = float(np.sqrt(np.mean(deviation**2)))
    deviation /= sd
    square = deviation**2
    return Shape(mean, sd, float(np.mean(square * deviation)), float(np.mean(square**2)) - 3)


def _of_summary(data: xr.Dataset, name: str, quantity: str) -> Sample:
    shape = ("count", "mean", "variance", "skewness", "excess_kurtosis")
    needed = [f"{quantity}_{part}" for part in (*shape, "histogram", "below", "above")]
    _checks.dataset_with(name, data, ("draws", "loss_count", "log_loss_count", *needed), ())
    bins = data[f"{quantity}_bin"].values
    if bins.size < 2:
        raise InputError(f"{name} must have 2 bins or more in {quantity}_bin, got {bins.size}")
    histogram = data[f"{quantity}_histogram"].transpose(..., f"{quantity}_bin").values
    histogram = histogram.reshape(-1, bins.size).sum(axis=0, dtype=np.int64)
    filled = histogram > 0
    total = {
        variable: int(data[variable].sum())
        for variable in ("draws", "loss_count", "log_loss_count", f"{quantity}_below", f"{quantity}_above")
    }
    return Sample(
        count=total[f"{quantity}_count"],
        shape=_pooled(
            *(np.ravel(data[f"{quantity}_{part}"]).astype(np.float64) for part in shape),
            floor=1.0 if quantity == "log_loss" else 0.0,
        ),
        values=bins[filled],
        counts=histogram[filled],
        width=float((bins[-1] - bins[0]) / (bins.size - 1)),
        below=total[f"{quantity}_below"],
        above=total[f"{quantity}_above"],
        nonpositive=total["loss_count"] - total["log_loss_count"],
        nonfinite=total["draws"] - total["loss_count"],
    )


def _pooled(
    count: Floats, mean: Floats, variance: Floats, skewness: Floats, kurtosis: Floats, *, floor: float
) -> Shape:
    """Merge the shapes of several samples, such as chains, each array (samples,)."""
    nan, total = float("nan"), count.sum()
    if total == 0:
        return Shape(nan, nan, nan, nan)
    square = np.where(count > 1, variance * (count - 1) / np.maximum(count, 1), 0)  # a single value has none
    spread = square > 0
    whole = _moments.merged(
        count,
        mean,
        count * square,
        np.where(spread, skewness * count * square**1.5, 0),
        np.where(spread, (kurtosis + 3) * count * square**2, 0),
    )
    centre, sd = float(whole.mean), float(np.sqrt(whole.m2 / total))
    if total < 2:
        return Shape(centre, nan, nan, nan)
    # The device sums a summary up in single precision; `floor` is as in `log_losses`.
    if sd <= ROUNDINGS * float(np.finfo(np.float32).eps) * max(floor, abs(centre)):
        return Shape(centre, 0.0, nan, nan)
    return Shape(centre, sd, float(whole.m3 / total / sd**3), float(whole.m4 / total / sd**4) - 3)
