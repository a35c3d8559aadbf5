"""What pruning saves: parameters, bytes and time of a forward pass, units zeroed or removed."""

import numpy as np
import xarray as xr

from analysis import _validate
from analysis.errors import InputError

HOW = ("zeroed", "removed")


def cost_summary(cost: xr.Dataset) -> xr.Dataset:
    """Reduce repeated timings to median and range.

    Parameters
    ----------
    cost : xarray.Dataset
        `seconds` (how, percent, repeat); `parameters`, `nonzero` and `bytes` (how, percent); how: "zeroed", "removed".

    Returns
    -------
    xarray.Dataset, (how, percent)
        The three counts as they came; `median`, `least`, `most`, in seconds; `of_full`: the median over that of the
        zeroed network at 0 per cent.

    Raises
    ------
    TypeError
        If `cost` is no Dataset.
    ValueError
        If a variable or a dimension is missing, there is not both of zeroed and removed, or no 0 per cent.
    """
    counts = ("parameters", "nonzero", "bytes")
    _validate.dataset_with("cost", cost, ("seconds", *counts), ("how", "percent", "repeat"))
    there = [str(how) for how in cost["how"].values]
    if set(there) != set(HOW):
        raise InputError(f"cost: expected how to be {list(HOW)}, got {there}")
    data = cost.sel(how=list(HOW)).sortby("percent")
    if float(data["percent"][0]) != 0:
        raise InputError(f"cost: expected percentages from 0 on, got {data['percent'].values.tolist()}")
    seconds = data["seconds"].transpose("how", "percent", "repeat").values.astype(np.float64)
    median = np.median(seconds, axis=-1)
    over = ("how", "percent")
    return xr.Dataset(
        {
            **{name: data[name].transpose(*over) for name in counts},
            "median": (over, median),
            "least": (over, seconds.min(axis=-1)),
            "most": (over, seconds.max(axis=-1)),
            "of_full": (over, median / median[0, 0]),
        },
        attrs=cost.attrs | {"repeats": data.sizes["repeat"]},
    )
