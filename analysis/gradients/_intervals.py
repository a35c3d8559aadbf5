"""Intervals of the moments of gate gradients, by a bootstrap of whole draws."""

from typing import Any

import numpy as np
import xarray as xr

from analysis import _checks
from analysis.gradients._sums import MOMENTS, STATES, Floats, checked, moments, part_of

#: Most bundles of draws that the bootstrap samples from; fewer draws are sampled one by one.
BUNDLES = 2**14


def bootstrap(
    sweep: xr.Dataset, *, variable: str = "loss_gradient", resamples: int = 999, seed: int = 0, level: float = 0.95
) -> xr.Dataset:
    """Give percentile intervals of the moments of gate gradients by a bootstrap of whole draws.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `variable` and boolean `gates` (probability, ..., node).
    variable : {"loss_gradient", "log_loss_gradient"}
        Gate gradients of the loss, in its unit, or of its logarithm.
    resamples : int
        Bootstrap samples, 1 or more. The time is proportional to them; fewer make the ends of the intervals uncertain.
    seed : int
        Seed of the bootstrap.
    level : float
        Probability that an interval is to cover, between 0 and 1.

    Returns
    -------
    xarray.Dataset
        `mean`, `sd`, `skewness`, `excess_kurtosis` (probability, bound) of all entries, and `state_mean`, `state_sd`
        (probability, bound, state); bound "low" and "high". NaN where a bootstrap sample does not determine it.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, the gradients are no real numbers, or the gates not boolean.
    ValueError
        If `variable` is unknown, a variable or a dimension is missing, `sweep` is a summary, `resamples` is below 1, or
        `level` is not between 0 and 1.

    See Also
    --------
    statistics : The moments, with standard errors.

    Notes
    -----
    A draw is taken or left with all its entries, which are correlated; its sums of powers stand for it. Beyond 16,384
    draws neighbours are put into bundles, which are as independent as the draws are, so that the work is bounded.

    References
    ----------
    A. C. Davison, D. V. Hinkley (1997), Bootstrap Methods and their Application, sections 3.8 and 5.3,
    doi:10.1017/CBO9780511802843.

    Examples
    --------
    >>> from analysis import gradients
    >>> dims = ("probability", "draw", "node")
    >>> values = np.random.default_rng(0).normal(size=(1, 50, 2))
    >>> sweep = xr.Dataset({"loss_gradient": (dims, values), "gates": (dims, values > 0)}, {"probability": [0.5]})
    >>> found = gradients.bootstrap(sweep, variable="loss_gradient", resamples=99, seed=0)
    >>> low, high = found["mean"].sel(probability=0.5).values
    >>> bool(low < values.mean() < high)
    True
    """
    resamples, seed = _checks.whole("resamples", resamples, 1), _checks.whole("seed", seed)
    level = _checks.level(level)
    checked(sweep, variable)
    pooled: list[Floats] = []
    by_state: list[Floats] = []
    for index in range(sweep.sizes["probability"]):
        part = part_of(sweep, variable, index)
        drawn = _resampled(part.by_draw, resamples, np.random.default_rng([seed, index]))
        for rows, found in ((pooled, moments(drawn.sum(axis=1))), (by_state, moments(drawn))):
            found[..., 0] += part.centre
            rows.append(np.quantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0))
    variables: dict[str, Any] = {}
    for column, key in enumerate(MOMENTS):
        variables[key] = (("probability", "bound"), np.array(pooled)[..., column])
    for column, key in enumerate(MOMENTS[:2]):
        variables[f"state_{key}"] = (("probability", "bound", "state"), np.array(by_state)[..., column])
    coords = {"probability": sweep["probability"], "bound": ["low", "high"], "state": list(STATES)}
    return xr.Dataset(variables, coords=coords, attrs={"name": variable, "level": level, "resamples": resamples})


def _resampled(by_draw: Floats, resamples: int, random: np.random.Generator) -> Floats:
    """Return the sums of bootstrap samples, (resamples, state, power)."""
    if not len(by_draw):
        return np.zeros((resamples, *by_draw.shape[1:]))
    starts = np.linspace(0, len(by_draw), min(len(by_draw), BUNDLES), endpoint=False).astype(np.int64)
    sums = np.add.reduceat(by_draw, starts, axis=0).reshape(len(starts), -1)
    drawn = np.empty((resamples, sums.shape[1]))
    for row in range(resamples):
        drawn[row] = np.bincount(random.integers(len(sums), size=len(sums)), minlength=len(sums)) @ sums
    return drawn.reshape(resamples, *by_draw.shape[1:])
