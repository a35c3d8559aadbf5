"""Sampled masks with their values: reading them a part at a time, the flips of paths, and jackknife errors."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats

from analysis import _checks, _jackknife
from analysis._errors import InputError, InputTypeError
from analysis._samples import ROUNDINGS
from analysis.hypercube._table import Floats

Bits = npt.NDArray[np.bool_]

#: Gates, or numbers, that are worked on at a time: it bounds the memory, and arrays of this size stay in the cache.
CELLS = 2**18
#: Gates are refused if the share of them that is on has less than this chance: a wrong probability, not bad luck.
LEAST_CHANCE = 1e-12


def paired(values: Any, gates: Any, inner: tuple[str, ...]) -> tuple[Any, Any, Any]:
    """Return values (..., draws, *inner), gates (..., draws, *inner, nodes), not yet read, and the nodes' labels."""
    for name, data in (("values", values), ("gates", gates)):
        if isinstance(data, xr.Dataset):
            raise InputTypeError(f"{name} must be numbers, got an xarray.Dataset; name one of its variables")
        if not isinstance(data, xr.DataArray):
            continue
        if (several := data.sizes.get("probability", 1)) > 1:
            raise InputError(f"{name} must have one probability, got {several}; select one, .isel(probability=0)")
        if not inner and "step" in data.dims:
            raise InputError(f"{name} must be independent draws, got {data.dims}; for paths use along_paths")
        if inner and "step" not in data.dims:
            raise InputError(f"{name} must have the dimension 'step', got {data.dims}")
    if isinstance(values, xr.DataArray) and isinstance(gates, xr.DataArray):
        if {*gates.dims} != {*values.dims, "node"}:
            raise InputError(f"gates must have the dimensions {(*values.dims, 'node')}, got {gates.dims}")
        values = values.transpose(..., *inner)
        gates = gates.transpose(*values.dims, "node")
    values, gates = (
        data if isinstance(data, xr.DataArray) else _checks.array(name, data)
        for name, data in (("values", values), ("gates", gates))
    )
    if values.ndim < 1 + len(inner) or gates.shape[:-1] != values.shape or 0 in gates.shape:
        wanted = f"values of shape ({', '.join(('...', 'draws', *('steps' for _ in inner)))}) and gates (..., nodes)"
        raise InputError(f"gates must be {wanted} for each value, got {values.shape} and {gates.shape}")
    labelled = isinstance(gates, xr.DataArray) and "node" in gates.dims
    return values, gates, gates["node"].values if labelled else np.arange(gates.shape[-1])


def slices(count: int, cells: int) -> Iterator[slice]:
    """Yield slices of `count` rows of `cells` cells each, `CELLS` cells at most."""
    rows = max(1, CELLS // cells)
    return (slice(start, min(start + rows, count)) for start in range(0, count, rows))


def parts(gates: Any, inner: int) -> Iterator[tuple[slice, Bits]]:
    """Yield some masks at a time, (rows, ...) with `inner` dimensions a row, and their places among all rows."""
    lead = gates.shape[: -inner - 1]
    for number, index in enumerate(np.ndindex(*lead)):
        block = gates[index]
        for rows in slices(block.shape[0], int(np.prod(block.shape[1:]))):
            bits = np.asarray(block[rows])
            if bits.dtype.kind not in "biuf":
                raise InputTypeError(f"gates must be zeros and ones, got dtype {bits.dtype}")
            if bits.dtype.kind != "b" and (wrong := bits[(bits != 0) & (bits != 1)]).size:
                raise InputError(f"gates must be zeros and ones, got {wrong.flat[0]:g}")
            first = number * block.shape[0]
            yield slice(first + rows.start, first + rows.stop), bits.astype(bool, copy=False)


def check_share(on: int, count: int, chance: float, where: str = "") -> None:
    """Refuse gates whose share that is on does not fit the probability."""
    if 2 * min(stats.binom.cdf(on, count, chance), stats.binom.sf(on - 1, count, chance)) < LEAST_CHANCE:
        raise InputError(f"gates must have a share near {chance:g} that is on, got {on / count:.4g}{where}")


def finite(loss: Floats, least: int, what: str) -> Bits:
    """Return which rows of (rows, ...) are finite, checked to be `least` or more."""
    right = np.asarray(np.isfinite(loss.reshape(len(loss), -1)).all(axis=1))
    count = int(np.count_nonzero(right))
    if count < least:
        others = right.size - count
        raise InputError(f"values must be {least} or more {what} of finite numbers, got {count} and {others} others")
    return right


def effects(values: Any, gates: Any, least: int) -> tuple[Floats, Floats, Bits, int]:
    """Read whole paths.

    Returns
    -------
    loss : numpy.ndarray of float64, (paths, steps)
        The values of the finite paths.
    effects : numpy.ndarray of float64, (paths, nodes)
        The value with each node on less that with it off, where the path flips it.
    start : numpy.ndarray of bool, (all paths, nodes)
        The first mask of every path.
    left_out : int
        Paths that are not finite.
    """
    steps, nodes = gates.shape[-2:]
    if steps != nodes + 1:
        raise InputError(f"gates must be whole paths, {nodes + 1} steps for {nodes} nodes, got {steps}")
    loss = _checks.real_numbers("values", values).reshape(-1, steps)
    right = finite(loss, least, "paths")
    effect, start = np.empty((len(loss), nodes)), np.empty((len(loss), nodes), bool)
    for rows, bits in parts(gates, 2):
        flipped = bits[:, 1:] != bits[:, :-1]
        if not ((flipped.sum(axis=1) == 1).all() and (flipped.sum(axis=2) == 1).all()):
            raise InputError("gates must be whole paths, one node flipped a step and each node once")
        node, start[rows] = flipped.argmax(axis=2), bits[:, 0]
        with np.errstate(invalid="ignore"):  # infinity less infinity, in a path that is left out
            change = np.diff(loss[rows], axis=1)
        np.put_along_axis(effect[rows], node, change, axis=1)
    effect[start] *= -1  # of a node that goes off
    return loss[right], effect[right], start, int(np.count_nonzero(~right))


def mean(effects: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard error of each column of (rows, m)."""
    n = len(effects)
    centre = effects[0] + np.mean(effects - effects[0], axis=0)
    return centre, _jackknife.error(((centre - effects[rows]) / (n - 1) for rows in slices(n, effects.shape[1])), n)


def variance_without(squares: Floats, variance: float, n: int) -> Floats:
    """Return the variance without each draw, (rows,), from its squared deviation; NaN where the others do not vary."""
    without = variance - (n / (n - 1) * squares - variance) / (n - 2)
    return np.where(without > ROUNDINGS * np.finfo(np.float64).eps * variance, without, np.nan)
