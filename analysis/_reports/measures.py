"""Metrics in the report of a sweep: what they are over the masks, beside the loss, and at each probability."""

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from analysis import _derived, _samples, figures
from analysis.numbers import Numbers
from analysis.tables import Column, Table

#: Metrics that a figure shows, at most; the table has all.
MOST = 6
#: Quantiles of a metric over the masks.
LEVELS = (0.05, 0.5, 0.95)
_MOMENTS = ("count", "mean", "variance", "skewness", "excess_kurtosis")

Floats = npt.NDArray[np.float64]


def names(sweep: xr.Dataset) -> list[str]:
    """Return the names of a sweep's metrics, of its draws or its summary."""
    if _samples.is_summary(sweep):
        found = [str(name).removesuffix("_skewness") for name in sweep.data_vars if str(name).endswith("_skewness")]
        return [name for name in found if name not in _derived.NAMES]
    dims = sweep["loss"].dims
    return [str(name) for name, one in sweep.data_vars.items() if one.dims == dims and name not in _derived.NAMES]


def measure(sweep: xr.Dataset, dim: str | None, independent: bool) -> xr.Dataset | None:
    """Summarise the metrics of a sweep.

    Parameters
    ----------
    sweep : xarray.Dataset
        Its draws, or its summary.
    dim : str or None
        The dimension that is kept; every other one is pooled.
    independent : bool
        Whether the masks are independent draws: otherwise there are no standard errors, but for the draws of flip
        paths, which have those of whole paths, and the standard deviation has divisor n.

    Returns
    -------
    xarray.Dataset or None, (metric, row)
        Over the finite values: `mean`, its standard error `error`, `sd`, and `low`, `middle` and `high`, the
        quantiles `LEVELS`, NaN for a summary; `left_out`, how many are not finite. The coordinate `label` (metric,) is
        the metric in words. None where the sweep has no metrics.
    """
    found = names(sweep)
    if not found:
        return None
    of_part = _of_summary if _samples.is_summary(sweep) else _of_draws
    rows = [[of_part(part, name, independent) for part in _samples.parts(sweep, dim)] for name in found]
    values = np.array(rows).transpose(2, 0, 1)
    columns = ("mean", "error", "sd", "low", "middle", "high", "left_out")
    return xr.Dataset(
        {name: (("metric", "row"), column) for name, column in zip(columns, values, strict=True)},
        {"metric": found, "label": ("metric", [_label(sweep, name) for name in found])},
    )


def _label(sweep: xr.Dataset, name: str) -> str:
    """Return a metric in words, with its unit if it has one."""
    unit = str(sweep[name].attrs.get("units", "1")) if name in sweep else "1"
    words = name.replace("_", " ")
    return words if unit in ("1", "metric units") else f"{words} ({unit})"


def _of_draws(part: xr.Dataset, name: str, independent: bool) -> list[float]:
    values = part[name].values.astype(np.float64)
    known = values[np.isfinite(values)]
    if not known.size:
        return [float("nan")] * 6 + [values.size]
    sd = known.std(ddof=int(independent and known.size > 1))
    error = sd / np.sqrt(known.size) if independent else _error_of_paths(part[name])
    return [known.mean(), error, sd, *np.quantile(known, LEVELS), values.size - known.size]


def _error_of_paths(values: xr.DataArray) -> float:
    """Standard error of the mean of flip paths; NaN where there are none."""
    if "step" not in values.dims:
        return float("nan")
    paths = values.transpose(..., "step").values.reshape(-1, values.sizes["step"]).astype(np.float64).mean(axis=1)
    whole = paths[np.isfinite(paths)]
    return float(whole.std(ddof=1) / np.sqrt(whole.size)) if whole.size > 1 else float("nan")


def _of_summary(part: xr.Dataset, name: str, independent: bool) -> list[float]:
    count, mean, variance = (np.ravel(part[f"{name}_{moment}"]).astype(np.float64) for moment in _MOMENTS[:3])
    total, nan = count.sum(), float("nan")
    left_out = float(part["draws"].sum()) - total
    if not total:
        return [nan] * 6 + [left_out]
    centre = float(np.sum(np.where(count > 0, count * mean, 0)) / total)
    square = np.where(count > 1, (count - 1) * variance, 0) + np.where(count > 0, count * (mean - centre) ** 2, 0)
    sd = float(np.sqrt(square.sum() / max(total - independent, 1)))
    return [centre, sd / np.sqrt(total) if independent else nan, sd, nan, nan, nan, left_out]


def draw(results: xr.Dataset | None, sweep: xr.Dataset) -> dict[str, Figure]:
    """Draw the metrics against the loss, and at each probability where there are several, by file name."""
    if results is None:
        return {}
    shown = results.isel(metric=slice(MOST))
    labels = [str(label) for label in shown["label"].values]
    drawn: dict[str, Figure] = {}
    if sweep.sizes.get("probability", 1) > 1:
        places = shown.rename(row="probability").assign_coords(probability=sweep["probability"].values)
        drawn["metrics_by_probability"] = figures.metrics.by_probability(places, labels=labels)
    if not _samples.is_summary(sweep):
        drawn["metrics"] = figures.metrics.against_loss(
            sweep, [str(name) for name in shown["metric"].values], labels=labels
        )
    return drawn


def table(results: xr.Dataset, probabilities: list[float], quantiles: bool) -> Table:
    """Make the table of the metrics, a row for each at each probability."""
    rows = results.sizes["row"]
    flat = {str(name): one.transpose("row", "metric").values.ravel() for name, one in results.items()}
    first = [Column("probability", "p", np.repeat(probabilities, results.sizes["metric"]), digits=None)]
    errors = flat["error"] if np.isfinite(flat["error"]).any() else None
    places = dict(zip(("low", "middle", "high"), LEVELS, strict=True)) if quantiles else {}
    return Table(
        "metrics",
        f"Metrics{' when every node stays with probability p' if probabilities else ''}: mean"
        f"{'' if errors is None else ' with its standard error'}, standard deviation"
        f"{', and quantiles over the masks' if quantiles else ''}.",
        [
            *(first if probabilities else []),
            Column("metric", "metric", [str(label) for label in results["label"].values] * rows),
            Column("mean", "mean", flat["mean"], errors=errors),
            Column("sd", "sd", flat["sd"]),
            *(Column(f"quantile_{100 * q:g}", f"{100 * q:g} %", flat[name]) for name, q in places.items()),
            Column("left_out", "non-finite", flat["left_out"].astype(int)),
        ],
    )


def add_numbers(n: Numbers, results: xr.Dataset | None, probabilities: list[float]) -> None:
    """Add the mean and the standard deviation of every metric."""
    if results is None:
        return
    for name in results["metric"].values:
        words = str(name).replace("_", " ")
        for row in range(results.sizes["row"]):
            one = results.sel(metric=name).isel(row=row)
            at: dict[str, Any] = {"p": probabilities[row]} if probabilities else {}
            label = str(one["label"].item())
            n.add(f"metric {words} mean", float(one["mean"]), float(one["error"]), comment=label, **at)
            n.add(f"metric {words} sd", float(one["sd"]), comment=label, **at)
