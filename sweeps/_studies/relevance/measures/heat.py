"""Heat maps in numbers: which methods give the same map, and how alike the others are."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _checks
from sweeps._studies.relevance.names import keys

#: Two methods are the same where no pixel of any image differs by more than this, over the largest of both in size.
SAME = 1e-3

Floats = npt.NDArray[np.float64]


def _maps(heat: xr.Dataset) -> Floats:
    values = heat["relevance"].values.astype(np.float64)
    flat: Floats = values.reshape(*values.shape[:2], -1)
    return flat


def differences(heat: xr.Dataset) -> xr.DataArray:
    """Give the largest difference of every two methods at any pixel of any image.

    Parameters
    ----------
    heat : xarray.Dataset
        `relevance` (attributed_by, image, row, column).

    Returns
    -------
    xarray.DataArray, (attributed_by, other)
        Over the largest relevance of both, in size; 0 of two that are all 0.
    """
    maps, names = _maps(heat), keys(heat)
    found = np.zeros((len(names), len(names)))
    sizes = np.abs(maps).max(axis=(1, 2))
    for one in range(len(names)):
        for other in range(one):
            scale = max(sizes[one], sizes[other])
            apart = np.abs(maps[one] - maps[other]).max()
            found[one, other] = found[other, one] = apart / scale if scale > 0 else 0.0
    return xr.DataArray(found, dims=("attributed_by", "other"), coords={"attributed_by": names, "other": names})


def groups(heat: xr.Dataset, tolerance: float = SAME) -> list[list[str]]:
    """Put the methods together that give the same maps.

    Parameters
    ----------
    heat : xarray.Dataset
    tolerance : float
        See `SAME`.

    Returns
    -------
    list of list of str
        Each method once, in the store's order; those of a group are all the same as its first.
    """
    apart = differences(heat)
    found: list[list[str]] = []
    for key in keys(heat):
        group = next((group for group in found if float(apart.loc[group[0], key]) <= tolerance), None)
        if group is None:
            found.append([key])
        else:
            group.append(key)
    return found


def correlations(heat: xr.Dataset) -> xr.DataArray:
    """Give the correlation of every two methods' maps over the pixels, mean over the images.

    Parameters
    ----------
    heat : xarray.Dataset

    Returns
    -------
    xarray.DataArray, (attributed_by, other)
        Images in which one of the two maps is constant are left out; NaN where none is left.
    """
    maps, names = _maps(heat), keys(heat)
    centred = maps - maps.mean(axis=2, keepdims=True)
    norm = np.sqrt(np.square(centred).sum(axis=2, keepdims=True))
    # A constant map has no direction; what rounding leaves of one is none either.
    flat = norm <= 1e-9 * np.abs(maps).max(axis=2, keepdims=True)
    scaled = np.where(flat, np.nan, centred / np.where(flat, 1.0, norm))
    each = np.einsum("aip,bip->abi", scaled, scaled)
    known = np.isfinite(each)
    count = known.sum(axis=2)
    mean = np.where(count > 0, np.where(known, each, 0).sum(axis=2) / np.maximum(count, 1), np.nan)
    return xr.DataArray(mean, dims=("attributed_by", "other"), coords={"attributed_by": names, "other": names})


def of_each_class(heat: xr.Dataset, most: int = 10) -> list[int]:
    """Choose images that show different classes: the first of each class, classes in order.

    Parameters
    ----------
    heat : xarray.Dataset
        `target` (image,).
    most : int

    Returns
    -------
    list of int
        Numbers of images.
    """
    targets, most = heat["target"].values, _checks.whole("most", most, 1)
    return [int(np.flatnonzero(targets == kind)[0]) for kind in np.unique(targets)][:most]
