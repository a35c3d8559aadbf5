"""What each part of the balance of the nodes adds, of one network or of many."""

import numpy as np
import xarray as xr

from analysis.balance import PARTS, REST
from sweeps._studies.circle.measures.hypercube import Floats

#: All parts together, the rest included.
TOGETHER = "together"


def gains(explained: xr.Dataset) -> dict[str, Floats]:
    """Return the share of the variance that each part adds, the rest, and 1.

    Parameters
    ----------
    explained : xarray.Dataset
        What `analysis.balance.explain` returns, with or without a dimension `network`.
    """
    squared = [explained["r_squared"].sel(part=part).values for part in PARTS]
    added = [after - before for before, after in zip([np.zeros_like(squared[0]), *squared], squared, strict=False)]
    return dict(zip(PARTS, added, strict=True)) | {REST: 1 - squared[-1], TOGETHER: squared[-1] ** 0}


def contributions(explained: xr.Dataset) -> dict[str, Floats]:
    """Return what each part contributes to the correlation of opposites, and the correlation itself; see `gains`."""
    carried = {str(key): explained["carried"].sel(source=key).values for key in explained["source"].values}
    return carried | {TOGETHER: explained["correlation"].values}
