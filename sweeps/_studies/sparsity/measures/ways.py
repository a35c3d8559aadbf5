"""Ways of training a pruned network on: what went stays off for good, or may come back."""

import numpy as np
import xarray as xr

from analysis.intervals import Interval, interval

#: By key, "weights" or "units" and then the way, what it is called.
WAYS = {
    "weights_for_good": "off for good",
    "weights_anew": "chosen anew each round",
    "weights_freed": "zeroed, then all trained",
    "weights_late": "not pruned before the last round",
    "units_for_good": "off for good",
    "units_anew": "chosen anew each round",
    "units_freed": "incoming weights zeroed, then all trained",
    "units_outgoing": "outgoing weights zeroed, then all trained",
    "units_late": "not pruned before the last round",
}
#: The ways that let what went come back.
TEMPORARY = tuple(way for way in WAYS if not way.endswith(("for_good", "late")))


def gain(data: xr.Dataset, way: str, percent: float | None = None) -> Interval:
    """Return the test accuracy less that of what is off for good, paired by network, as a share.

    Parameters
    ----------
    data : xarray.Dataset
        `accuracy` (way, network, percent).
    way : str
        A key of `WAYS`.
    percent : float, optional
        At one sparsity; by default the mean over all.
    """
    kind = way.partition("_")[0]
    difference = data["accuracy"].sel(way=way) - data["accuracy"].sel(way=f"{kind}_for_good")
    return interval(_at(difference, percent))


def back(data: xr.Dataset, way: str, percent: float | None = None) -> Interval:
    """Return the share of what was off at the start that is on at the end; arguments are those of `gain`."""
    return interval(_at(data["back"].sel(way=way), percent))


def accuracy(data: xr.Dataset, way: str, percent: float) -> Interval:
    """Return the test accuracy at the end, as a share."""
    return interval(_at(data["accuracy"].sel(way=way), percent))


def _at(values: xr.DataArray, percent: float | None) -> np.ndarray:
    chosen = values.mean("percent") if percent is None else values.sel(percent=percent)
    return chosen.values.astype(np.float64)
