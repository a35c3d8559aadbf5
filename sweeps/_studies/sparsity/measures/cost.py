"""What pruning saves: parameters, bytes and time of a forward pass, nodes zeroed or removed."""

import numpy as np
import xarray as xr


def cost_summary(cost: xr.Dataset) -> xr.Dataset:
    """Reduce repeated timings to median and range.

    Parameters
    ----------
    cost : xarray.Dataset
        `seconds` (how, percent, repeat); `parameters`, `nonzero` and `bytes` (how, percent); how: "zeroed", "removed";
        the percentages rise from 0.

    Returns
    -------
    xarray.Dataset, (how, percent)
        The three counts as they came; `median`, `least`, `most`, in seconds; `of_full`: the median over that of the
        zeroed network at 0 per cent.
    """
    seconds = cost["seconds"].transpose("how", "percent", "repeat").values.astype(np.float64)
    median = np.median(seconds, axis=-1)
    over = ("how", "percent")
    return (
        cost.drop_vars("seconds")
        .assign(
            median=(over, median),
            least=(over, seconds.min(axis=-1)),
            most=(over, seconds.max(axis=-1)),
            of_full=(over, median / median[0, 0]),
        )
        .assign_attrs(repeats=cost.sizes["repeat"])
    )
