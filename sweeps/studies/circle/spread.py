"""Statistics of the same sweep on many trained networks: one number a network, to see their spread."""

import numpy as np
import xarray as xr

from analysis import _validate


def statistics(spread: xr.Dataset) -> xr.Dataset:
    """Reduce the draws of every network to the statistics that published tables hold.

    Parameters
    ----------
    spread : xarray.Dataset
        With `loss` (..., network, probability, chain, draw), and optionally `full_loss` and `full_accuracy`
        (..., network); any further dimension, such as `boundary`, is kept.

    Returns
    -------
    xarray.Dataset
        Over (..., network, probability): `mean_loss`, over the finite losses; `mean_log_loss` and
        `sd_log_loss` (divisor n), over the finite losses above 0; the counts `draws`, `nonpositive`
        (finite losses that are 0 or below) and `nonfinite`. `full_loss` and `full_accuracy` as they came.
        A statistic of no draws is NaN.

    Raises
    ------
    TypeError
        If `spread` is no Dataset or its losses are no real numbers.
    ValueError
        If a variable or a dimension is missing.
    """
    pooled = ("chain", "draw")
    _validate.dataset_with("spread", spread, ("loss",), ("network", "probability", *pooled))
    loss = spread["loss"]
    loss = loss.copy(data=_validate.real_numbers("spread.loss", loss))
    finite = abs(loss) < np.inf  # False for NaN
    usable = finite & (loss > 0)
    positive = loss.where(usable)
    log_loss = positive.copy(data=np.log(positive.values))
    result = xr.Dataset(
        {
            "mean_loss": loss.where(finite).mean(pooled),
            "mean_log_loss": log_loss.mean(pooled),
            "sd_log_loss": _sd(log_loss, pooled),
            "draws": finite.sum(pooled) + (~finite).sum(pooled),
            "nonpositive": (finite & ~usable).sum(pooled),
            "nonfinite": (~finite).sum(pooled),
        }
    )
    for name in ("full_loss", "full_accuracy"):
        if name in spread:
            result[name] = spread[name].astype(np.float64)
    return result


def _sd(values: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
    # Not DataArray.std: NumPy's nanstd warns where every value is NaN, which is an answer here.
    return ((values - values.mean(dims)) ** 2).mean(dims) ** 0.5
