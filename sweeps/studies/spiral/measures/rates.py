"""How everything depends on the learning rate: silent nodes, what pruning costs, and the preferred distance."""

import numpy as np
import xarray as xr

from analysis import _validate
from analysis.intervals import Interval, interval
from sweeps.studies.spiral.measures.moves import peak

#: Width of the kernel of densities of distances, in learning rates.
WIDTH = 0.5
#: Per network and learning rate, without kinds and with them.
OF_FULL, OF_PRUNED = ("accuracy", "reshuffled_agreement", "unmoved"), ("pruned_accuracy", "first_accuracy")


def checked(rates: xr.Dataset) -> xr.Dataset:
    """Return a run's group ``rates``, checked, with the learning rates in ascending order.

    Raises
    ------
    TypeError
        If it is no Dataset.
    ValueError
        If a variable or a dimension is missing.
    """
    needed = (*OF_FULL, "dead", "moved", *OF_PRUNED, "pruned_agreement", "first_agreement", "mutual_agreement")
    _validate.dataset_with("rates", rates, needed, ("learning_rate", "network", "layer", "kind", "distance"))
    return rates.sortby("learning_rate")


def mean(rates: xr.Dataset, name: str, **where: str) -> list[Interval]:
    """Give the mean over networks of one variable, for each learning rate.

    Parameters
    ----------
    rates : xarray.Dataset
    name : str
        A variable with networks and learning rates.
    **where : str
        Labels of the other dimensions.

    Returns
    -------
    list of Interval
    """
    values = rates[name].sel(where).transpose("learning_rate", "network").values
    return [interval(row.astype(np.float64)) for row in values]


def difference(rates: xr.Dataset, one: str, other: str, **where: str) -> list[Interval]:
    """Give the mean of one variable less another, paired by network, for each learning rate."""
    # That of the full networks has no kinds.
    at = [{dim: label for dim, label in where.items() if dim in rates[name].dims} for name in (one, other)]
    both = [rates[name].sel(some).astype(np.float64) for name, some in zip((one, other), at, strict=True)]
    values = (both[0] - both[1]).transpose("learning_rate", "network").values
    return [interval(row) for row in values]


def peaks(rates: xr.Dataset) -> np.ndarray:
    """Find the preferred distance of every network at every learning rate.

    Parameters
    ----------
    rates : xarray.Dataset
        `moved` (learning_rate, network, distance): counts; `distance` in learning rates.

    Returns
    -------
    numpy.ndarray, (learning_rate, network)
        In learning rates; NaN where there is none, see `sweeps.studies.spiral.measures.moves.peak`.
    """
    counts = rates["moved"].transpose("learning_rate", "network", "distance").values.astype(np.int64)
    distance = rates["distance"].values.astype(np.float64)
    found = [peak(np.repeat(distance, one), WIDTH).at for one in counts.reshape(-1, distance.size)]
    return np.array(found).reshape(counts.shape[:2])
