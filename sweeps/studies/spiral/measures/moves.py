"""How far the weights of the main kernels went from their start, and whether they prefer a distance."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _validate
from analysis.density import kde
from sweeps.studies.spiral.measures.kernels import Kernels, pair

Floats = npt.NDArray[np.float64]
#: A peak of a density: how far the density falls before it, and how high it is at least, as shares of the peak and of
#: the density's maximum. Without the second, every ripple far out would be one.
VALLEY, HEIGHT = 0.5, 0.25
#: How near to a distance counts as moved by it, as a share of it.
NEAR = 0.1
#: Fewer moved weights have no density worth the name.
FEWEST = 20


class Peak(NamedTuple):
    """A maximum of a density away from zero.

    Attributes
    ----------
    at : float
        Where it is; NaN where there is none.
    valley : float
        Lowest density between zero and it, as a share of its height.
    """

    at: float
    valley: float


def moves(kernels: Kernels, arm: str, network: int, choices: list[int] | None = None) -> Floats:
    """Return how far weights went from their start, without those that never moved.

    Parameters
    ----------
    kernels : Kernels
    arm : str
        Of `MOVED`; or "difference", of the trained less the pruned-first weights, without those equal in both.
    network : int
    choices : list of int, optional
        Numbers of choices, pooled; only weights that stay count. Without, all weights of a full network.

    Returns
    -------
    numpy.ndarray of float64, (moved,)
    """
    start = kernels.full["initial"][network].astype(np.float64)
    if choices is None:
        found = kernels.full[arm][network] - start
        return found[found != 0]
    parts = []
    for choice in choices:
        kept = kernels.kept[choice, network]
        if arm == "difference":
            one, other = pair(kernels, "prune_first", choice, network)
            parts.append(one.astype(np.float64) - other)
        else:
            source = kernels.pruned[arm][choice, network] if arm in kernels.pruned else kernels.full[arm][network]
            parts.append((source - start)[kept])
    found = np.concatenate(parts)
    return found[found != 0]


def moved_alike(kernels: Kernels, choice: int, network: int, at: float) -> npt.NDArray[np.bool_]:
    """Tell which of the weights that stay moved by one distance, in the same direction, in both networks.

    Parameters
    ----------
    kernels : Kernels
    choice, network : int
        Of the trained network and the one pruned first.
    at : float
        The distance; NaN for none.

    Returns
    -------
    numpy.ndarray of bool, (weights,)
        Where both went so far within `NEAR` of it.
    """
    start = kernels.full["initial"][network][kernels.kept[choice, network]].astype(np.float64)
    one, other = (weights - start for weights in pair(kernels, "prune_first", choice, network))
    near = (np.abs(np.abs(one) - at) <= NEAR * at) & (np.abs(np.abs(other) - at) <= NEAR * at)
    return near & (np.sign(one) == np.sign(other))


def alike_shares(kernels: Kernels, peaks: Any) -> xr.DataArray:
    """Share of the weights that stay which moved by the preferred distance in both networks, the same way.

    Parameters
    ----------
    kernels : Kernels
    peaks : array_like, (network,)
        The distance of each network; the share is NaN where it is.

    Returns
    -------
    xarray.DataArray, (choice, network)
    """
    choices, networks = kernels.kept.shape[:2]
    found = np.full((choices, networks), np.nan)
    for network, at in enumerate(np.asarray(peaks, float)):
        for choice in range(choices):
            if np.isfinite(at) and kernels.kept[choice, network].any():
                found[choice, network] = moved_alike(kernels, choice, network, float(at)).mean()
    return xr.DataArray(found, {"choice": np.array(kernels.choices, object)}, ("choice", "network"))


def peak(changes: Any, width: float) -> Peak:
    """Find the size that changes prefer, away from zero.

    Parameters
    ----------
    changes : array_like
        Signed; their sizes are looked at.
    width : float
        Standard deviation of the kernel.

    Returns
    -------
    Peak
        The highest maximum of the density of the sizes before which, between zero and it, the density is at some point
        no more than `VALLEY` of its height, if it reaches `HEIGHT` of the density's maximum. NaN where there is none,
        or fewer than `FEWEST` changes.

    Raises
    ------
    TypeError
        If the changes are not real numbers.

    Notes
    -----
    Sizes are reflected at zero, so that the density does not fall there only because there are none below.
    """
    values, width = np.abs(_validate.real_numbers("changes", changes).ravel()), _validate.positive("width", width)
    values = values[np.isfinite(values)]
    nothing = Peak(float("nan"), float("nan"))
    if values.size < FEWEST:
        return nothing
    estimate = kde(np.concatenate([values, -values]), width)
    inside = estimate.grid >= 0
    grid, height = estimate.grid[inside], estimate.density[inside]
    before = np.minimum.accumulate(height)
    # Of a flat top every point is a maximum: the first is taken.
    rises = np.flatnonzero((height[1:-1] > height[:-2]) & (height[1:-1] >= height[2:])) + 1
    rises = rises[(before[rises] <= VALLEY * height[rises]) & (height[rises] >= HEIGHT * height.max())]
    if not rises.size:
        return nothing
    best = rises[np.argmax(height[rises])]
    return Peak(float(grid[best]), float(before[best] / height[best]))
