"""Gate gradients at one probability: reading them, and sums of powers of every draw."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _checks, _samples
from analysis._errors import InputError, InputTypeError

Floats = npt.NDArray[np.float64]

NAMES = ("loss_gradient", "log_loss_gradient")
STATES = ("off", "on")
MOMENTS = ("mean", "sd", "skewness", "excess_kurtosis")
#: Draws that are worked on at a time; it bounds the memory.
ROWS = 2**14


class Part(NamedTuple):
    """The entries at one probability, of the draws that have a finite one.

    Attributes
    ----------
    values : numpy.ndarray, (draws, nodes)
        As stored.
    on : numpy.ndarray of bool, (draws, nodes)
        Whether the node is on.
    centre : float
        Mean of all finite entries, but for rounding.
    by_draw : numpy.ndarray of float64, (draws, state, power)
        Sums over the finite entries of a draw of powers 0 to 4 of entry less `centre`.
    by_node : numpy.ndarray of float64, (state, node, power)
        The same sums over the draws.
    nonfinite : int
        Entries that are not finite, those of draws that were left out as well.
    """

    values: npt.NDArray[Any]
    on: npt.NDArray[np.bool_]
    centre: float
    by_draw: Floats
    by_node: Floats
    nonfinite: int


def checked(sweep: Any, name: str) -> bool:
    """Check the sweep, and tell whether it is a summary."""
    _checks.one_of("variable", name, NAMES)
    held = _samples.is_summary(sweep)
    needed = [f"{name}_{part}" for part in ("count", "mean", "variance")] + ["draws"] if held else [name, "gates"]
    _checks.dataset_with("sweep", sweep, needed, ("probability", "node"))
    if not held and sweep["gates"].dtype != np.bool_:
        raise InputTypeError(f"gates must be boolean masks, got dtype {sweep['gates'].dtype}")
    return held


def entries(sweep: xr.Dataset, variable: str, index: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Read the gate gradients at one probability.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `variable` and boolean `gates` (probability, ..., node).
    variable : {"loss_gradient", "log_loss_gradient"}
        Gate gradients of the loss, in its unit, or of its logarithm.
    index : int
        Which probability, by its place in the sweep.

    Returns
    -------
    values : numpy.ndarray, (draws, nodes)
        In the unit of the loss, or of its logarithm; as stored, also those that are not finite.
    on : numpy.ndarray of bool, (draws, nodes)
        Whether the node is on.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, the gradients are no real numbers, or the gates not boolean.
    ValueError
        If `variable` is unknown, a variable or a dimension is missing, or `sweep` is a summary, which has no entries.

    See Also
    --------
    statistics : Their moments.
    analysis.figures.gradients.density : Draws their density.

    Examples
    --------
    >>> from analysis import gradients
    >>> dims = ("probability", "draw", "node")
    >>> values, on = [[[0.1, -0.2], [0.3, 0.4]]], [[[True, False], [True, True]]]
    >>> sweep = xr.Dataset({"loss_gradient": (dims, values), "gates": (dims, on)})
    >>> values, on = gradients.entries(sweep, variable="loss_gradient", index=0)
    >>> values[on].tolist()
    [0.1, 0.3, 0.4]
    """
    if checked(sweep, variable):
        raise InputError("sweep must be draws, got a summary, which does not keep them")
    index = _checks.whole("index", index, 0, sweep.sizes["probability"] - 1)
    part = sweep[[variable, "gates"]].isel(probability=index).transpose(..., "node")
    nodes = sweep.sizes["node"]
    values = part[variable].values.reshape(-1, nodes)
    _checks.real_numbers(f"sweep.{variable}", values[:1])
    return values, part["gates"].values.reshape(-1, nodes)


def blocks(size: int) -> Iterator[slice]:
    """Cut `size` draws into slices of `ROWS` draws at most."""
    return (slice(start, start + ROWS) for start in range(0, size, ROWS))


def part_of(sweep: xr.Dataset, name: str, index: int) -> Part:
    """Read the entries at one probability and sum them up; the arguments are those of `entries`."""
    values, on = entries(sweep, name, index)
    finite = np.isfinite(values)
    nonfinite = finite.size - int(np.count_nonzero(finite))
    if nonfinite:
        kept = finite.any(axis=1)
        values, on, finite = values[kept], on[kept], finite[kept]
    centre = float(np.sum(values, where=finite, dtype=np.float64) / max(int(np.count_nonzero(finite)), 1))
    by_draw, by_node = np.zeros((len(values), 2, 5)), np.zeros((2, values.shape[1], 5))
    for rows in blocks(len(values)):
        deviation = np.where(finite[rows], values[rows].astype(np.float64) - centre, 0)
        for state, chosen in enumerate((finite[rows] & ~on[rows], finite[rows] & on[rows])):
            power = chosen.astype(np.float64)
            for order in range(5):
                by_draw[rows, state, order] = power.sum(axis=1)
                by_node[state, :, order] += power.sum(axis=0)
                power *= deviation
    return Part(values, on, centre, by_draw, by_node, nonfinite)


def moments(sums: Floats) -> Floats:
    """Return mean less centre, sd (divisor n), skewness and excess kurtosis, (..., 4), from sums of powers, (..., 5).

    Powers are about a centre close to the mean, so that little is lost when they are moved to the mean itself.
    """
    count = np.where(sums[..., :1] > 0, sums[..., :1], np.nan)
    mean, second, third, fourth = np.moveaxis(sums[..., 1:] / count, -1, 0)
    variance = second - mean**2
    variance = np.where(variance > _samples.ROUNDINGS * np.finfo(np.float64).eps * second, variance, 0 * second)
    square = np.where(variance > 0, variance, np.nan)
    skewness = (third - 3 * mean * second + 2 * mean**3) / square**1.5
    kurtosis = (fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4) / square**2 - 3
    return np.stack([mean, np.sqrt(variance), skewness, kurtosis], axis=-1)


def share(sums: Floats) -> Floats:
    """Return sum number 1 divided by sum number 0, (...), from sums (..., 2 or more); NaN where the latter is 0."""
    return np.divide(sums[..., 1], sums[..., 0], out=np.full_like(sums[..., 0], np.nan), where=sums[..., 0] > 0)
