"""The same sweep on many trained networks: one number a network, their spread, and the published numbers in it."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import stats

from analysis import _checks, lognormal
from sweeps._studies.circle import published

#: The statistics that were published, and what to call them.
LABELS = {
    "mean_loss": "mean loss",
    "mean_log_loss": "mean log loss",
    "sd_log_loss": "sd of log loss",
    "full_loss": "full-network loss",
}
_DRAWS = ("chain", "draw")


def statistics(spread: xr.Dataset) -> xr.Dataset:
    """Reduce the draws of every network to one number each.

    Parameters
    ----------
    spread : xarray.Dataset
        With `loss` (boundary, network, probability, chain, draw), `full_loss` and `full_accuracy` (boundary, network).

    Returns
    -------
    xarray.Dataset
        Over (boundary, network, probability): `mean_loss` and `skewness`, over the finite losses; `mean_log_loss`,
        `sd_log_loss` (divisor n) and `ks_distance` from the log-normal law of best fit, over the finite losses above 0;
        the counts `draws`, `nonpositive` (finite losses that are 0 or below) and `nonfinite`. `full_loss` and
        `full_accuracy` as they came. A statistic of no draws is NaN.

    Raises
    ------
    TypeError
        If `spread` is no Dataset or its losses are no real numbers.
    ValueError
        If a variable or a dimension is missing.
    """
    _checks.dataset_with("spread", spread, ("loss", "full_loss"), ("boundary", "network", "probability", *_DRAWS))
    loss = spread["loss"]
    loss = loss.copy(data=_checks.real_numbers("spread.loss", loss))
    finite = abs(loss) < np.inf  # False for NaN
    usable = finite & (loss > 0)
    log_loss = loss.where(usable)
    log_loss = log_loss.copy(data=np.log(log_loss.values))
    result = xr.Dataset(
        {
            "mean_loss": loss.where(finite).mean(_DRAWS),
            "skewness": _skewness(loss.where(finite)),
            "mean_log_loss": log_loss.mean(_DRAWS),
            "sd_log_loss": _moment(log_loss, 2) ** 0.5,
            "ks_distance": _ks_distance(loss),
            "draws": finite.sum(_DRAWS) + (~finite).sum(_DRAWS),
            "nonpositive": (finite & ~usable).sum(_DRAWS),
            "nonfinite": (~finite).sum(_DRAWS),
        }
    )
    return result.assign(
        {name: spread[name].astype(np.float64) for name in ("full_loss", "full_accuracy") if name in spread}
    )


def _moment(values: xr.DataArray, power: int) -> xr.DataArray:
    # Not DataArray.std: NumPy's nanstd warns where every value is NaN, which is an answer here.
    return ((values - values.mean(_DRAWS)) ** power).mean(_DRAWS)


def _skewness(values: xr.DataArray) -> xr.DataArray:
    variance = _moment(values, 2)
    return _moment(values, 3) / variance.where(variance > 0) ** 1.5


def _ks_distance(loss: xr.DataArray) -> xr.DataArray:
    def distance(values: npt.NDArray[np.float64]) -> float:
        return lognormal.fit(values, resamples=0).ks_distance

    return xr.apply_ufunc(distance, loss, input_core_dims=[list(_DRAWS)], vectorize=True)


def compare(statistics: xr.Dataset) -> pd.DataFrame:
    """Say where each published number falls in the spread of trained networks.

    Parameters
    ----------
    statistics : xarray.Dataset
        What `statistics` returns.

    Returns
    -------
    pandas.DataFrame
        A row for each boundary rule, quantity and probability that both have. Columns: `boundary`, `quantity` (a key
        of `LABELS`), `probability` (NaN for the full network), `published`, `networks` (how many have a finite value),
        `min`, `q25`, `median`, `q75`, `max` of ours, `rank` (fraction of our networks below the published value, ties
        counted half; it moves in steps of 1 / networks), `z` (distance from our mean in standard deviations, divisor
        n - 1) and `inside` (between our smallest and largest).

    Notes
    -----
    If the published network were one more draw from the same population as our n networks, each of its numbers would
    fall outside our range with probability 2 / (n + 1): see `chance_outside`. The numbers of one network go up and
    down together, so several outside are far from independent evidence.
    """
    theirs, rows = published.circle(), []
    for boundary in map(str, statistics["boundary"].values):
        for quantity in LABELS:
            ours = statistics[quantity].sel(boundary=boundary)
            for p in ours["probability"].values if "probability" in ours.dims else [np.nan]:
                values = ours if np.isnan(p) else ours.sel(probability=p)
                value = published_at(theirs, quantity, p)
                if np.isfinite(value):
                    head = {"boundary": boundary, "quantity": quantity, "probability": float(p)}
                    rows.append(head | _place(value, values.values))
    return pd.DataFrame(rows)


def published_at(theirs: xr.Dataset, quantity: str, p: float = np.nan) -> float:
    """Return a published number, at one probability if it has any; NaN where none was published."""
    if "probability" not in theirs[quantity].dims:
        return float(theirs[quantity])
    near = np.flatnonzero(np.isclose(theirs["probability"], p))
    return float(theirs[quantity].isel(probability=near[0])) if near.size else float("nan")


def _place(value: float, ours: npt.NDArray[np.float64]) -> dict[str, Any]:
    known = ours[np.isfinite(ours)]
    row: dict[str, Any] = {"published": value, "networks": known.size}
    if known.size == 0:
        nan = float("nan")
        return row | dict.fromkeys(("min", "q25", "median", "q75", "max", "rank", "z"), nan) | {"inside": False}
    for name, q in (("min", 0), ("q25", 0.25), ("median", 0.5), ("q75", 0.75), ("max", 1)):
        row[name] = float(np.quantile(known, q))
    row["rank"] = stats.percentileofscore(known, value, kind="mean") / 100
    sd = float(known.std(ddof=1)) if known.size > 1 else 0.0
    row["z"] = (value - float(known.mean())) / sd if sd > 0 else float("nan")
    row["inside"] = bool(known.min() <= value <= known.max())
    return row


class Place(NamedTuple):
    """Where the published numbers fall among our networks that learned one of the circles.

    Attributes
    ----------
    boundary : str
        The circle of the published "text" or "code".
    inside, total, networks : int
        Published numbers within the range of our networks; all of them; our networks.
    outside : list of (str, float)
        Quantity and probability of the numbers outside; NaN for the full network.
    far : tuple of (str, float) or None
        The number that is farthest from our mean, in standard deviations.
    farthest : float
        That distance; NaN where no number has one.
    """

    boundary: str
    inside: int
    total: int
    networks: int
    outside: list[tuple[str, float]]
    far: tuple[str, float] | None
    farthest: float


def places(comparison: pd.DataFrame) -> list[Place]:
    """Count the published numbers inside the range of our networks, for each circle, and pick the farthest one."""
    found = []
    for boundary, frame in comparison.groupby("boundary", sort=False):
        numbers = [(str(row.quantity), float(row.probability)) for row in frame.itertuples()]
        inside, distance = frame["inside"].to_numpy(bool), frame["z"].abs().to_numpy()
        outside = [one for one, within in zip(numbers, inside, strict=True) if not within]
        far = numbers[int(np.nanargmax(distance))] if np.isfinite(distance).any() else None
        farthest = float(np.nanmax(distance)) if far else float("nan")
        networks = int(frame["networks"].max())
        found.append(Place(str(boundary), int(inside.sum()), len(frame), networks, outside, far, farthest))
    return found


def between(comparison: pd.DataFrame) -> tuple[int, int]:
    """Count the published numbers between the medians of the networks of both circles, and all of them."""
    groups = comparison.groupby(["quantity", "probability"], dropna=False)
    low, high, theirs = groups["median"].min(), groups["median"].max(), groups["published"].first()
    return int(((low <= theirs) & (theirs <= high)).sum()), len(theirs)


def chance_outside(networks: int) -> float:
    """Give the probability that one more network of the same population falls outside our range.

    Parameters
    ----------
    networks : int
        How many networks span the range, 1 or more.

    Returns
    -------
    float
        2 / (networks + 1), at most 1: of `networks` + 1 exchangeable numbers each is equally likely to be
        the smallest, and the largest.

    Raises
    ------
    ValueError
        If `networks` is below 1.
    """
    return min(1.0, 2 / (_checks.whole("networks", networks, 1) + 1))
