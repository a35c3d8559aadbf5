"""Flip paths in the report of a sweep: the loss along the paths, and how far the paths remember their start."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import figures, paths
from analysis.figures import _axes
from analysis.numbers import Numbers
from analysis.tables import Column, Table

#: Rows of the table of covariances, at most.
ROWS = 41
#: Quantiles of the loss at each step.
LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class WalkResults:
    """What a sweep of flip paths shows.

    Attributes
    ----------
    steps : xarray.Dataset, (step,)
        Of the finite losses at each step: `mean`, its standard error `error`, and `low`, `middle` and `high`, the
        quantiles `LEVELS`, in the unit of the loss.
    mean_error : float
        Standard error of the mean loss of all masks, from whole paths of finite losses; NaN for fewer than two.
    covariance : xarray.Dataset or None
        What `analysis.paths.covariance` says of the log loss; None for fewer than three paths with all logarithms, and
        where the loss does not vary at the start.
    """

    steps: xr.Dataset
    mean_error: float
    covariance: xr.Dataset | None


def measure(sweep: xr.Dataset) -> WalkResults:
    """Measure the draws of a sweep of flip paths, `loss` (..., step)."""
    loss = sweep["loss"].transpose(..., "step").values.reshape(-1, sweep.sizes["step"]).astype(np.float64)
    whole = loss[np.isfinite(loss).all(axis=1)]
    error = whole.mean(axis=1).std(ddof=1) / np.sqrt(len(whole)) if len(whole) > 1 else float("nan")
    usable = whole[(whole > 0).all(axis=1)]
    varies = len(usable) >= 3 and np.ptp(usable[:, 0]) > 0
    return WalkResults(_by_step(loss), float(error), paths.covariance(sweep["log_loss"]) if varies else None)


def _by_step(loss: np.ndarray) -> xr.Dataset:
    names = ("mean", "error", "low", "middle", "high")
    found = np.full((len(names), loss.shape[1]), np.nan)
    for step, column in enumerate(loss.T):
        values = column[np.isfinite(column)]
        if values.size:
            error = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.nan
            found[:, step] = values.mean(), error, *np.quantile(values, LEVELS)
    return xr.Dataset(
        {name: ("step", row) for name, row in zip(names, found, strict=True)}, {"step": np.arange(loss.shape[1])}
    )


def draw(results: WalkResults | None, full_loss: float, unit: str) -> dict[str, Figure]:
    """Draw the loss along the paths and the covariances, by file name."""
    if results is None:
        return {}
    along = _axes.figure_of(figures.paths.along(results.steps, full_loss=full_loss, unit=unit))
    drawn = {"along_paths": along}
    return drawn if results.covariance is None else drawn | {"flip_paths": figures.paths.overview(results.covariance)}


def table(data: xr.Dataset) -> Table:
    """Make the table of covariances by the number of flips; of many flips, some that are evenly apart."""
    flips = data.sizes["distance"]
    rows = data.isel(distance=np.unique(np.linspace(0, flips - 1, min(flips, ROWS)).round().astype(int)))
    columns = [
        Column(name, header, rows[name].values, errors=rows[f"{name}_error"].values)
        for name, header in (
            ("from_start", "with the start"),
            ("from_end", "with the end"),
            ("correlation_from_start", "correlation with the start"),
        )
    ]
    return Table(
        "flip_paths",
        "Covariance of the log losses of the start, and of the end, of a flip path with the mask that lies so many "
        "flips away. Standard errors are from whole paths, by the jackknife.",
        [Column("flips", "flips", rows["distance"].values), *columns],
    )


def add_numbers(n: Numbers, results: WalkResults | None, unit: str) -> None:
    """Add how the loss changes along the paths, and how far they remember their start."""
    if results is None:
        return
    for name, step in (("start", 0), ("end", -1)):
        one = results.steps.isel(step=step)
        n.add(f"mean loss at the {name}", float(one["mean"]), float(one["error"]), comment=unit)
    data = results.covariance
    if data is None:
        return
    n.add("paths", int(data["paths"]))
    n.add("paths left out", int(data["left_out"]), comment="with a loss that has no logarithm")
    n.add("path first insignificant", float(data["first_insignificant"]), digits=None, comment="flips")
    n.add("path correlation after one flip", float(data["correlation_from_start"][1]), digits=2)
    value, error = (float(data[f"opposite_correlation{end}"]) for end in ("", "_error"))
    n.add("path correlation of the ends", value, error)
