"""What depends on the learning rate: constant nodes, what pruning costs, and the preferred distance."""

import numpy as np
import xarray as xr

from analysis.intervals import Interval, interval
from sweeps.studies.spiral.measures.moves import peak
from sweeps.studies.spiral.names import CHOSEN, RANDOM

#: Width of the kernel of densities of distances, in learning rates.
WIDTH = 0.5
#: What the kinds of choices are called in the store's group.
KINDS = {RANDOM: "random", CHOSEN: "chosen"}


def each(data: xr.DataArray, **where: str) -> list[Interval]:
    """Give the mean over networks at each learning rate, at labels of the other dimensions."""
    return [interval(row) for row in data.sel(where).transpose("learning_rate", "network").values]


def difference(rates: xr.Dataset, one: str, other: str, kind: str) -> list[Interval]:
    """Give the mean of one variable less another, paired by network, at each learning rate, of one of `KINDS`."""
    return each(rates[one].astype(np.float64) - rates[other], kind=KINDS[kind])


def peaks(rates: xr.Dataset) -> xr.DataArray:
    """Find the preferred distance of every network at every learning rate.

    Parameters
    ----------
    rates : xarray.Dataset
        `moved` (learning_rate, network, distance): counts; `distance` in learning rates.

    Returns
    -------
    xarray.DataArray, (learning_rate, network)
        In learning rates; NaN where there is none, see `moves.peak`.
    """
    counts = rates["moved"].transpose("learning_rate", "network", "distance")
    distance = rates["distance"].values.astype(np.float64)
    found = [[peak(np.repeat(distance, one), WIDTH).at for one in row] for row in counts.values.astype(np.int64)]
    return xr.DataArray(found, {"learning_rate": rates["learning_rate"]}, ("learning_rate", "network"))
