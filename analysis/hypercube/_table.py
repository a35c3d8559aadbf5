"""The table of a function on the N-cube: its checks, and the sums over masks that all the rest is made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis import _checks
from analysis._errors import InputError
from analysis._samples import ROUNDINGS

Floats = npt.NDArray[np.float64]

#: Advice for a table that is not whole.
SAMPLED = "for sampled masks see analysis.hypercube.estimates"


def checked(values: Any, name: str = "values") -> Floats:
    """Return a table as float64, checked to hold one finite number for each mask.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        Entry m belongs to the mask in which node i is on when bit i of m is 1.
    name : str
        The argument's name, for the message.

    Returns
    -------
    numpy.ndarray of float64, (2**N,)
        A copy.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If there is more or less than one dimension, the length is not a power of two, or a value is not finite.
    """
    table = _checks.real_numbers(name, values)
    if table.ndim != 1:
        raise InputError(
            f"{name} must have shape (2**N,), one number for each mask, got shape {table.shape}; {SAMPLED}"
        )
    if table.size.bit_count() != 1:
        raise InputError(f"{name} must be 2**N numbers, one for each mask of N nodes, got {table.size}; {SAMPLED}")
    finite = np.isfinite(table)
    if not finite.all():
        bad = table.size - int(np.count_nonzero(finite))
        first = int(np.argmin(finite))
        raise InputError(
            f"{name} must be finite numbers, got {bad} of {table.size} that are not, the first at mask {first}"
        )
    return table


def checked_probability(probability: Any, *, inside: bool = False) -> Floats:
    """Return one probability or several as a float64 array of the same shape.

    Parameters
    ----------
    probability : array_like
        Between 0 and 1.
    inside : bool
        Whether 0 and 1 themselves are refused.

    Returns
    -------
    numpy.ndarray of float64

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If one lies outside.
    """
    chances = _checks.real_numbers("probability", probability)
    # NaN fails this condition, and is refused as well.
    right = (chances > 0) & (chances < 1) if inside else (chances >= 0) & (chances <= 1)
    if not right.all():
        limits = "above 0 and below 1" if inside else "between 0 and 1"
        raise InputError(f"probability must be {limits}, got {chances[~right].flat[0]:g}")
    return chances


def nodes_of(table: npt.NDArray[Any]) -> int:
    """Return N for a table of 2**N entries."""
    return int(table.size).bit_length() - 1


def rounding(table: Floats) -> float:
    """Return the standard deviation below which a table is constant but for rounding, as `analysis._samples` has it."""
    return ROUNDINGS * float(np.finfo(np.float64).eps) * float(np.abs(table).max())


def sizes(nodes: int) -> npt.NDArray[np.uint8]:
    """Return the number of nodes on in every mask, (2**nodes,)."""
    return np.bitwise_count(np.arange(2**nodes, dtype=np.uint32))


def by_size(table: Floats, reduce: Callable[..., Floats] = np.add, empty: float = 0.0) -> Floats:
    """Reduce a table over the masks of each size.

    Parameters
    ----------
    table : numpy.ndarray of float64, (2**N,)
    reduce : numpy.ufunc
        Of two arguments, such as `numpy.add` or `numpy.minimum`.
    empty : float
        What the reduction of nothing is.

    Returns
    -------
    numpy.ndarray of float64, (N+1,)
        At s what the masks with s nodes on reduce to.

    Notes
    -----
    The cube is folded along its last node, again and again: row s of the array holds what masks of the remaining
    nodes are worth together with s of the folded ones. That takes about 4 * 2**N additions, needs no table of sizes,
    and adds up pairwise, so that rounding grows with N rather than with 2**N.
    """
    rows = table[np.newaxis]
    while rows.shape[1] > 1:
        off, on = np.split(rows, 2, axis=1)
        rows = np.empty((off.shape[0] + 1, off.shape[1]))
        rows[:-1], rows[-1] = off, empty
        reduce(rows[1:], on, out=rows[1:])
    return rows[:, 0].copy()


def sums_with(table: Floats) -> Floats:
    """Return for each node the sum of a table over the masks with this node on, (N,)."""
    sums = np.empty(nodes_of(table))
    for node in reversed(range(sums.size)):
        off, on = np.split(table, 2)
        sums[node] = on.sum()
        table = off + on
    return sums


def sums_with_both(table: Floats) -> Floats:
    """Return for each pair of nodes the sum of a table over the masks with both on, (N, N), symmetric, 0 diagonal."""
    sums = np.zeros((nodes_of(table),) * 2)
    for node in reversed(range(len(sums))):
        off, on = np.split(table, 2)
        sums[node, :node] = sums[:node, node] = sums_with(on)
        table = off + on
    return sums
