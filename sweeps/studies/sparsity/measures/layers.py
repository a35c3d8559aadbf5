"""From which layers global pruning takes: what is left of each, and which are emptied."""

import numpy as np
import xarray as xr

from analysis import _validate
from analysis.intervals import Interval, interval


def left_at(layers: xr.Dataset, method: str, percent: float) -> dict[str, Interval]:
    """Say what is left of each layer at one sparsity, mean over networks.

    Parameters
    ----------
    layers : xarray.Dataset
        `left` (pruned_by, network, percent, layer): share of each layer that stays.
    method : str
    percent : float

    Returns
    -------
    dict of str to Interval
        By layer; shares.

    Raises
    ------
    TypeError
        If `layers` is no Dataset.
    ValueError
        If a variable or a dimension is missing.
    """
    _validate.dataset_with("layers", layers, ("left",), ("pruned_by", "network", "percent", "layer"))
    one = layers["left"].sel({"pruned_by": method, "percent": percent}).transpose("layer", "network")
    return {str(layer): interval(values) for layer, values in zip(one["layer"].values, one.values, strict=True)}


def emptied(layers: xr.Dataset, method: str) -> tuple[np.ndarray, list[str]]:
    """Find where the first layer is empty, network by network: from there on no input reaches the outputs.

    Parameters
    ----------
    layers : xarray.Dataset
        As for `left_at`.
    method : str

    Returns
    -------
    percent : numpy.ndarray of float64, (networks,)
        The first percentage of those evaluated at which a layer is empty; NaN where none ever is.
    names : list of str
        The layers that are the first to be empty in any network, in order.

    Raises
    ------
    TypeError, ValueError
        As `left_at` does.
    """
    _validate.dataset_with("layers", layers, ("left",), ("pruned_by", "network", "percent", "layer"))
    one = layers["left"].sel({"pruned_by": method}).sortby("percent").transpose("network", "percent", "layer")
    empty = np.asarray(one.values <= 0)
    first = np.argmax(empty.any(axis=2), axis=1)
    ever = np.asarray(empty.any(axis=(1, 2)))
    which = [empty[network, place] for network, place in enumerate(first) if ever[network]]
    names = [str(name) for at, name in enumerate(one["layer"].values) if any(row[at] for row in which)]
    return np.where(ever, one["percent"].values.astype(np.float64)[first], np.nan), names
