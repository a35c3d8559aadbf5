"""How far the two predictions of a node's removal are from the measured loss."""

import numpy as np
import xarray as xr

from sweeps.studies.shrinking.names import TAYLOR


def missed(surfaces: xr.Dataset) -> dict[str, float]:
    """Return by how much each prediction at gain 0 misses the change of the loss, as a share of it.

    Parameters
    ----------
    surfaces : xarray.Dataset
        `loss`, `first_order` and `second_order` (ranked_by, removed, gain).

    Returns
    -------
    dict of str to float
        By method, the median over all choices of all methods that changed the loss.
    """
    gain = surfaces["gain"].values
    off, on = (surfaces.isel(gain=int(np.abs(gain - at).argmin())) for at in (0, 1))
    change = abs(off["loss"] - on["loss"])
    return {name: float((abs(off[name] - off["loss"]) / change.where(change > 0)).median()) for name in TAYLOR}
