"""How far the weights of the main kernels went from their start, and whether they prefer a distance."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis.density import kde
from sweeps._studies.spiral.measures.kernels import Kernels
from sweeps._studies.spiral.names import kinds_of

Floats = npt.NDArray[np.float64]
#: A peak of a density: how far the density falls before it, and how high it is at least, as shares of the peak and of
#: the density's maximum. Without the second, every ripple far out would be one.
VALLEY, HEIGHT = 0.5, 0.25
#: How near to a distance counts as moved by it, as a share of it.
NEAR = 0.1
#: The density of fewer weights is not estimated.
FEWEST = 20
#: Which changes the peaks are of.
SIGNS = {"all": 0, "increases": 1, "decreases": -1}


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


def moves(kernels: Kernels, arm: str, network: int, choices: Sequence[int] = ()) -> Floats:
    """Return how far weights went from their start, without those that never moved.

    Parameters
    ----------
    kernels : Kernels
    arm : str
        "trained" or "reshuffled", without choices; with them "prune_first", or "difference" for the trained less the
        pruned-first weights, without those equal in both.
    network : int
    choices : sequence of int
        Numbers of choices, pooled; only weights that stay count.

    Returns
    -------
    numpy.ndarray of float64, (moved,)
    """
    parts = []
    for choice in choices:
        trained, first = kernels.pair("prune_first", choice, network)
        parts.append(trained - first if arm == "difference" else first - kernels.start(choice, network))
    if not choices:
        parts = [(kernels.full[arm][network] - kernels.full["initial"][network].astype(np.float64)).ravel()]
    found = np.concatenate(parts)
    return found[found != 0]


def all_moves(kernels: Kernels) -> dict[str, list[Floats]]:
    """Return how far weights went, of every network, by source: arms, "prune_first KIND" and "difference KIND"."""
    networks = range(kernels.kept.shape[1])
    found = {arm: [moves(kernels, arm, network) for network in networks] for arm in ("trained", "reshuffled")}
    for arm in ("prune_first", "difference"):
        for kind, names in kinds_of(kernels.choices).items():
            choices = [kernels.choices.index(name) for name in names]
            found[f"{arm} {kind}"] = [moves(kernels, arm, network, choices) for network in networks]
    return found


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
    start = kernels.start(choice, network)
    one, other = (weights - start for weights in kernels.pair("prune_first", choice, network))
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
    found = np.full(kernels.kept.shape[:2], np.nan)
    for network, at in enumerate(np.asarray(peaks, float)):
        for choice in range(len(found)):
            if np.isfinite(at):
                found[choice, network] = moved_alike(kernels, choice, network, float(at)).mean()
    return xr.DataArray(found, {"choice": np.array(kernels.choices, object)}, ("choice", "network"))


def peak(changes: Any, width: float) -> Peak:
    """Find the size that changes prefer, away from zero.

    Parameters
    ----------
    changes : array_like, (moved,)
        Signed; their sizes are looked at.
    width : float
        Standard deviation of the kernel.

    Returns
    -------
    Peak
        The highest maximum of the density of the sizes before which, between zero and it, the density is at some point
        no more than `VALLEY` of its height, if it reaches `HEIGHT` of the density's maximum. NaN where there is none,
        or fewer than `FEWEST` changes.

    Notes
    -----
    Sizes are reflected at zero, so that the density does not fall there only because there are none below.
    """
    values = np.abs(np.asarray(changes, np.float64))
    nothing = Peak(float("nan"), float("nan"))
    if values.size < FEWEST:
        return nothing
    estimate = kde(np.concatenate([values, -values]), width=width)
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


def peaks(changes: dict[str, list[Floats]], width: float) -> xr.DataArray:
    """Find where the density of the sizes of changes peaks.

    Parameters
    ----------
    changes : dict of str to list of numpy.ndarray
        What `all_moves` returns.
    width : float
        Standard deviation of the kernel.

    Returns
    -------
    xarray.DataArray, (source, of, network)
        `of` as in `SIGNS`; NaN where there is no peak.
    """
    found = [
        [[peak(one[one * sign > 0] if sign else one, width).at for one in some] for sign in SIGNS.values()]
        for some in changes.values()
    ]
    return xr.DataArray(found, {"source": list(changes), "of": list(SIGNS)}, ("source", "of", "network"))
