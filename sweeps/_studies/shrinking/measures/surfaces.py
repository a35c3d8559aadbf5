"""How far the two predictions of a node's removal are from the measured loss."""

import numpy as np
import xarray as xr

from analysis.intervals import Interval, interval
from sweeps._studies.shrinking.names import TAYLOR


def missed(surfaces: xr.Dataset) -> dict[str, Interval]:
    """Return by how much each prediction at gain 0 misses the change of the loss, as a share of it.

    Parameters
    ----------
    surfaces : xarray.Dataset
        `loss`, `first_order` and `second_order` (network, ranked_by, removed, gain).

    Returns
    -------
    dict of str to Interval
        By method, over networks, of the median over all choices of all methods that changed the loss.
    """
    off, on = _ends(surfaces)
    change = abs(off["loss"] - on["loss"])
    shares = {name: abs(off[name] - off["loss"]) / change.where(change > 0) for name in TAYLOR}
    return {name: interval(one.median(["ranked_by", "removed"]).values) for name, one in shares.items()}


def own_missed(surfaces: xr.Dataset, method: str) -> Interval:
    """Return by how much a method's prediction misses the change by the nodes that it chose itself, as a share of it.

    Parameters and result are those of `missed`, for the choices and the predictions of one method.
    """
    return missed(surfaces.sel({"ranked_by": [method]}))[method]


def convex(surfaces: xr.Dataset, method: str) -> Interval:
    """Return the share of a method's choices at which the loss is convex where the node is on, over networks."""
    off, _ = _ends(surfaces.sel({"ranked_by": method}))
    return interval((off["second_order"] > off["first_order"]).mean("removed").values)


def _ends(surfaces: xr.Dataset) -> list[xr.Dataset]:
    """Return the surfaces where the node is off, and where it is on."""
    gain = surfaces["gain"].values
    return [surfaces.isel(gain=int(np.abs(gain - at).argmin())) for at in (0, 1)]
