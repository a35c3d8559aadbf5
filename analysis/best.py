"""The masks of lowest loss that a sweep has seen, from its draws or from its summary.

They are a by-product of a sweep. To search for small networks that lose little, see ``sweeps.ranking`` and
``sweeps.pruning``.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _checks, _samples
from analysis._errors import InputError

__all__ = ["best_masks"]

#: Draws that are sorted at a time, from the lowest loss on, until there are enough distinct masks.
_BLOCK = 4096

_Found = tuple[npt.NDArray[np.float64], npt.NDArray[Any]]


def best_masks(sweep: xr.Dataset, *, dim: str | None = None, count: int = 5) -> xr.Dataset:
    """Find the distinct masks of lowest loss that a sweep has seen.

    The lowest loss of a random sample only bounds the lowest of all masks from above; `analysis.hypercube.best_masks`
    finds that in a whole hypercube.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `loss`, and with `gates` (..., node) unless it is a whole hypercube, `loss` (mask,), with a coordinate
        `node`; or the summary of a sweep.
    dim : str or None
        The dimension that is kept, such as "probability"; every other one is pooled. None pools everything.
    count : int
        Masks wanted, 1 or more. A summary holds a fixed number of them for each of its parts.

    Returns
    -------
    xarray.Dataset, (dim, rank)
        `loss`, in its own unit and ascending, and `gates` (dim, rank, node), which are 1 where the node is on; rank 1
        is the best. Where there are fewer masks of a finite loss than `count`, `loss` is NaN and the gates are 0.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset.
    ValueError
        If `count` is not positive, a variable or a dimension is missing, or the gates are not known.

    See Also
    --------
    analysis.hypercube.best_masks : The best mask of every size, from the losses of all masks.
    analysis.hypercube.greedy_removal : Where removing one node after another ends up.

    Examples
    --------
    >>> from analysis import best
    >>> masks = [[True, True], [True, False], [True, True]]
    >>> sweep = xr.Dataset({"loss": ("draw", [0.2, 0.1, 0.2]), "gates": (("draw", "node"), masks)})
    >>> found = best.best_masks(sweep, count=2)
    >>> found["loss"].values.tolist(), found["gates"].values.tolist()
    ([0.1, 0.2], [[True, False], [True, True]])
    """
    count = _checks.whole("count", count, 1)
    held = _samples.is_summary(sweep)
    _checks.dataset_with("sweep", sweep, ("best_loss", "best_gates") if held else ("loss",), ("node",))
    find = _of_summary if held else _of_draws
    found = [find(part, count) for part in _samples.parts(sweep, dim, "sweep")]
    nodes = sweep.sizes["node"]
    loss = np.full((len(found), count), np.nan)
    gates = np.zeros((len(found), count, nodes), found[0][1].dtype)
    for index, (lowest, masks) in enumerate(found):
        loss[index, : len(lowest)], gates[index, : len(lowest)] = lowest, masks
    over = () if dim is None else (dim,)
    keep: Any = 0 if dim is None else slice(None)
    coords = {name: sweep[name].values for name in (*over, "node") if name in sweep.coords}
    return xr.Dataset(
        {"loss": ((*over, "rank"), loss[keep]), "gates": ((*over, "rank", "node"), gates[keep])},
        coords={**coords, "rank": np.arange(1, count + 1)},
    )


def _of_summary(part: xr.Dataset, count: int) -> _Found:
    gates = part["best_gates"].transpose(..., "rank", "node").values.reshape(-1, part.sizes["node"])
    loss = part["best_loss"].transpose(..., "rank").values.ravel().astype(np.float64)
    order = np.argsort(loss, kind="stable")
    order = _distinct(gates, order[np.isfinite(loss[order])])[:count]
    return loss[order], gates[order]


def _of_draws(part: xr.Dataset, count: int) -> _Found:
    over = part["loss"].dims
    loss = _checks.real_numbers("sweep.loss", part["loss"]).ravel()
    if "gates" in part:
        masks = np.asarray(part["gates"].transpose(*over, "node")).reshape(loss.size, -1)
    elif over == ("mask",) and loss.size == 2 ** part.sizes["node"]:
        masks = None
    else:
        raise InputError(f"sweep must have the variable 'gates' or a whole hypercube, got {list(part.data_vars)}")

    def gates_of(draws: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        # Mask number m has node i on when bit i of m is 1.
        return masks[draws] if masks is not None else (draws[:, None] >> np.arange(part.sizes["node"])) & 1 == 1

    order = np.argsort(loss, kind="stable")
    order = order[np.isfinite(loss[order])]
    best = order[:0]
    for start in range(0, order.size, _BLOCK):
        best = np.concatenate([best, order[start : start + _BLOCK]])
        best = best[_distinct(gates_of(best), np.arange(best.size))]
        if best.size >= count:
            break
    best = best[:count]
    return loss[best], gates_of(best)


def _distinct(gates: npt.NDArray[Any], order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Keep the first of equal masks, `order` naming rows of `gates`."""
    _, first = np.unique(gates[order], axis=0, return_index=True)
    return order[np.sort(first)]
