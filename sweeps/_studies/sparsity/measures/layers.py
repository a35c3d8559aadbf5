"""From which layers global pruning takes: what is left of each, and which are emptied."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from analysis.intervals import Interval, interval
from sweeps._studies.sparsity.measures.methods import Method, methods


def left_at(layers: xr.Dataset, method: str, percent: float) -> dict[str, Interval]:
    """Return what is left of each layer at one sparsity, mean over networks.

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
    """
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
    """
    one = layers["left"].sel({"pruned_by": method}).transpose("network", "percent", "layer")
    empty = np.asarray(one.values <= 0)
    first = np.argmax(empty.any(axis=2), axis=1)
    ever = np.asarray(empty.any(axis=(1, 2)))
    which = [empty[network, place] for network, place in enumerate(first) if ever[network]]
    names = [str(name) for at, name in enumerate(one["layer"].values) if any(row[at] for row in which)]
    return np.where(ever, one["percent"].values.astype(np.float64)[first], np.nan), names


class Extremes(NamedTuple):
    """Of which layers one way of pruning leaves least and most, and which it empties.

    Attributes
    ----------
    method : Method
    percent : float
        The sparsity at which the layers are compared.
    least, most : (str, Interval)
        The layer of which least, or most, is left there, and its share that stays.
    empty : list of str
        The layers that are the first to be empty in any network.
    empty_from : numpy.ndarray of float64, (networks,)
        See `emptied`.
    """

    method: Method
    percent: float
    least: tuple[str, Interval]
    most: tuple[str, Interval]
    empty: list[str]
    empty_from: np.ndarray


def extremes(layers: xr.Dataset, most: float = 80) -> list[Extremes]:
    """Compare what every global way of pruning leaves of the layers.

    Parameters
    ----------
    layers : xarray.Dataset
        As for `left_at`.
    most : float
        At the highest sparsity in per cent that is not above this.

    Returns
    -------
    list of Extremes
    """
    percent = max(p for p in layers["percent"].values if p <= most)
    found = []
    for one in methods(layers):
        if one.scope != "layer":
            left = sorted(left_at(layers, one.key, percent).items(), key=lambda layer: layer[1].mean)
            first, names = emptied(layers, one.key)
            found.append(Extremes(one, float(percent), left[0], left[-1], names, first))
    return found
