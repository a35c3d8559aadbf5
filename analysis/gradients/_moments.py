"""Moments, tails and the trough at zero of gate gradients, by state and by node, with errors from whole draws."""

from typing import Any

import numpy as np
import xarray as xr

from analysis import _checks, _jackknife, _samples, density
from analysis.gradients._sums import (
    MOMENTS,
    STATES,
    Floats,
    Part,
    blocks,
    checked,
    entries,
    moments,
    part_of,
    share,
)

#: An entry is in the tails when it is farther from the mean than this many standard deviations.
TAIL = 3.0
_UNKNOWN_TO_A_SUMMARY = (
    *(f"{key}_error" for key in MOMENTS),
    *("skewness", "excess_kurtosis", "tail_share", "tail_share_error", "trough", "trough_error"),
    *("effective_entries", "state_difference_error"),
)


def _difference(sums: Floats) -> Floats:
    """Mean of the nodes that are on less that of those that are off, from sums (..., state, power)."""
    means = share(sums)
    return means[..., 1] - means[..., 0]


def _trough_at(values: Floats, width: float) -> float:
    """Return where the lower of the highest densities on both sides of 0 lies; NaN if all values are on one side."""
    if not values.size or not values.min() < 0 < values.max():
        return float("nan")
    grid, height = density.kde(values, width=width)
    sides = (grid <= 0, grid >= 0)
    peaks = [grid[side][np.argmax(height[side])] for side in sides]
    lower = min(peaks, key=lambda place: float(np.interp(place, grid, height)))
    return float(lower) if np.interp(lower, grid, height) > np.interp(0, grid, height) else 0.0


def _extremes(part: Part, mean: float, sd: float, width: float) -> dict[str, float]:
    """Return the share of entries in the tails and the depth of the trough at 0, each with its error."""
    finite = np.isfinite(part.values)  # every draw has one
    peak = _trough_at(part.values[finite].astype(np.float64), width)
    tails, trough = np.zeros((len(finite), 2)), np.zeros((len(finite), 2))
    tails[:, 0] = finite.sum(axis=1)
    for rows in blocks(len(finite)):
        values = np.where(finite[rows], part.values[rows].astype(np.float64), np.nan)
        tails[rows, 1] = np.count_nonzero(np.abs(values - mean) > TAIL * sd, axis=1)
        for column, place in enumerate((peak, 0.0)):
            trough[rows, column] = np.nansum(np.exp(-(((values - place) / width) ** 2) / 2), axis=1)
    if sd == 0:
        tails[:, 1] = np.nan
    if np.isnan(peak):
        trough[:] = np.nan
    found = {}
    for key, sums in (("tail_share", tails), ("trough", trough)):
        found[key], found[f"{key}_error"] = float(share(sums.sum(axis=0))), float(_jackknife.of_sums(share, sums))
    return found


def _of_draws(part: Part, width: float) -> dict[str, Any]:
    pooled = part.by_draw.sum(axis=1)
    found, errors = moments(pooled.sum(axis=0)), _jackknife.of_sums(moments, pooled)
    row: dict[str, Any] = {"nonfinite": part.nonfinite}
    row |= dict(zip(MOMENTS, found, strict=True)) | {"mean": part.centre + found[0]}
    row |= {f"{key}_error": error for key, error in zip(MOMENTS, errors, strict=True)}
    row |= _extremes(part, row["mean"], row["sd"], width)
    row["effective_entries"] = (row["sd"] / errors[0]) ** 2 if errors[0] > 0 else float("nan")
    row["state_difference"] = float(_difference(part.by_draw.sum(axis=0)))
    row["state_difference_error"] = float(_jackknife.of_sums(_difference, part.by_draw))
    by_state = moments(part.by_draw.sum(axis=0))
    state_error = np.stack([_jackknife.of_sums(moments, part.by_draw[:, state]) for state in range(2)])
    for column, key in enumerate(("mean", "sd")):
        row[f"state_{key}"] = by_state[:, column] + (part.centre if key == "mean" else 0)
        row[f"state_{key}_error"] = state_error[:, column]
    count, by_node = part.by_node[..., 0], moments(part.by_node)
    several = np.where(count > 1, count, np.nan)
    sd, kurtosis = by_node[..., 1], by_node[..., 3]
    # The moments' inequality gives kurtosis >= -2; rounding may fall just below it.
    sd_error = np.where(sd > 0, sd * np.sqrt(np.maximum(2 + kurtosis, 0) / (4 * several)), 0 * several)
    return row | {
        "node_entries": count.astype(np.int64),
        "node_mean": part.centre + by_node[..., 0],
        "node_mean_error": sd / np.sqrt(several - 1),
        "node_sd": sd,
        "node_sd_error": sd_error,
    }


def merged(count: Floats, mean: Floats, square: Floats) -> tuple[Floats, Floats]:
    """Merge means and mean squares of deviations along the first axis; return mean and sd."""
    total = count.sum(axis=0)
    known = np.where(total > 0, total, np.nan)
    centre = np.where(count > 0, count * mean, 0).sum(axis=0) / known
    spread = np.where(count > 0, count * (square + (mean - centre) ** 2), 0).sum(axis=0)
    return centre, np.sqrt(spread / known)


def of_summary(part: xr.Dataset, name: str) -> dict[str, Any]:
    """Read off a summary at one probability what it holds, under the names of `statistics`."""
    count, mean, variance = (
        part[f"{name}_{key}"].transpose(..., "state", "node").values.astype(np.float64)
        for key in ("count", "mean", "variance")
    )
    nodes = count.shape[-1]
    count, mean, variance = (array.reshape(-1, 2, nodes) for array in (count, mean, variance))
    square = np.where(count > 1, variance * (count - 1) / np.maximum(count, 1), 0)  # a single value has none
    node_mean, node_sd = merged(count, mean, square)
    by_node = count.sum(axis=0)
    several = np.where(by_node > 1, by_node, np.nan)
    row: dict[str, Any] = dict.fromkeys(_UNKNOWN_TO_A_SUMMARY, float("nan"))
    moved = [np.moveaxis(array, -1, 1).reshape(-1, 2) for array in (count, mean, square)]
    pooled = merged(*(array.reshape(-1) for array in moved))
    state_mean, state_sd = merged(*moved)
    unknown = np.full(2, np.nan)
    return row | {
        "nonfinite": int(part["draws"].sum()) * nodes - int(count.sum()),
        "mean": float(pooled[0]),
        "sd": float(pooled[1]),
        "state_difference": float(state_mean[1] - state_mean[0]),
        "state_mean": state_mean,
        "state_mean_error": unknown,
        "state_sd": state_sd,
        "state_sd_error": unknown,
        "node_entries": by_node.astype(np.int64),
        "node_mean": node_mean,
        "node_mean_error": node_sd / np.sqrt(several - 1),
        "node_sd": node_sd,
        "node_sd_error": np.full_like(node_sd, np.nan),
    }


def kernel_width(sweep: xr.Dataset, *, variable: str = "loss_gradient") -> float:
    """Choose one kernel width for the densities of gate gradients at all probabilities, by `analysis.density`.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `variable` and boolean `gates` (probability, ..., node).
    variable : {"loss_gradient", "log_loss_gradient"}
        Gate gradients of the loss, in its unit, or of its logarithm.

    Returns
    -------
    float
        In the unit of `variable`; see `analysis.density.kernel_width`.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, the gradients are no real numbers, or the gates not boolean.
    ValueError
        If `variable` is unknown, a variable or a dimension is missing, or `sweep` is a summary, which has no entries.

    See Also
    --------
    analysis.density.kernel_width : The rule.

    Examples
    --------
    >>> from analysis import gradients
    >>> dims = ("probability", "draw", "node")
    >>> values, on = [[[1.0, -2.0], [3.0, 4.0]]], [[[True, False], [True, True]]]
    >>> sweep = xr.Dataset({"loss_gradient": (dims, values), "gates": (dims, on)})
    >>> gradients.kernel_width(sweep, variable="loss_gradient")
    0.2
    """
    checked(sweep, variable)
    return density.kernel_width(
        _samples.losses(entries(sweep, variable, index)[0]) for index in range(sweep.sizes["probability"])
    )


def statistics(sweep: xr.Dataset, *, variable: str = "loss_gradient", width: float | None = None) -> xr.Dataset:
    r"""Summarise the gate gradients at each probability: all entries, by state, and by node and state.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `variable` and boolean `gates` (probability, ..., node), the dimensions in between being independent draws;
        or the summary of such a sweep.
    variable : {"loss_gradient", "log_loss_gradient"}
        Gate gradients of the loss, in its unit, or of its logarithm.
    width : float, optional
        Standard deviation of the Gaussian kernel of the density that the trough is read from, in the unit of
        `variable`; that of `kernel_width` when left out. It is kept as the attribute `width`.

    Returns
    -------
    xarray.Dataset
        Moments are in the unit of `variable`; `..._error` is a standard error; entries that are not finite are left
        out, and of no entry all are NaN. Over (probability,), with all entries pooled:

        - `entries`, `nonfinite`: how many are used, and left out
        - `mean`, `sd` (divisor n), `skewness`, `excess_kurtosis`
        - `tail_share`: the share of entries more than 3 sd from the mean, 0.0027 of a normal law
        - `trough`: how deep the density falls at 0, see below
        - `effective_entries`: how many independent entries would give `mean_error`
        - `state_difference`: mean of nodes that are on less that of nodes that are off

        Over (probability, state), state "off" and "on": `state_entries`, `state_mean`, `state_sd`. Over (probability,
        state, node): `node_entries`, `node_mean`, `node_sd`. A summary gives counts, means and standard deviations, and
        the errors of `node_mean`; what would need its draws is NaN.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, the gradients are no real numbers, or the gates not boolean.
    ValueError
        If `variable` is unknown, a variable or a dimension is missing, or `width` is not above 0.

    See Also
    --------
    bootstrap : Intervals in place of standard errors.
    slope_check : What the mean says about the mean loss.
    analysis.layers.gradients : Layer by layer.

    Notes
    -----
    The N entries of a draw are correlated, the R draws are not. Errors of whatever pools entries of one draw are by
    the jackknife over draws: with the statistic t_r without draw r,

        error^2 = (R - 1) / R sum_r (t_r - mean t_r)^2

    exactly, since each t_r follows from sums of powers less those of draw r. One node in one state has one entry a draw
    at most: ``s / sqrt(n - 1)`` and ``s sqrt((2 + k) / (4 n))`` with the standard deviation s of divisor n and the
    excess kurtosis k, as in `analysis.lognormal.fit`.

    The trough is, of the density f, ``f(0) / min(max f over x <= 0, max f over x >= 0)``: 1 if the density falls from
    0 to one side or to both, 0 if there is no density at 0, and NaN if all entries are on one side of 0. Its error
    takes the place of the maximum as known; chance alone makes the lower maximum a little too high.

    References
    ----------
    B. Efron, C. Stein (1981), The jackknife estimate of variance, doi:10.1214/aos/1176345462.

    Examples
    --------
    >>> from analysis import gradients
    >>> dims = ("probability", "draw", "node")
    >>> values = [[[0.1, -0.2], [0.3, 0.4], [0.4, 0.0]]]
    >>> on = [[[True, False], [True, True], [False, True]]]
    >>> sweep = xr.Dataset({"loss_gradient": (dims, values), "gates": (dims, on)})
    >>> found = gradients.statistics(sweep, variable="loss_gradient")
    >>> found["mean"].values.round(3).tolist(), found["state_mean"].values.round(3).tolist()
    ([0.167], [[0.1, 0.2]])
    """
    held = checked(sweep, variable)
    width = _checks.positive("width", width) if width is not None else float("nan")
    if np.isnan(width) and not held:
        width = kernel_width(sweep, variable=variable)
    rows = []
    for index in range(sweep.sizes["probability"]):
        found = (
            of_summary(sweep.isel(probability=index), variable)
            if held
            else _of_draws(part_of(sweep, variable, index), width)
        )
        by_state = found["node_entries"].sum(axis=1)
        rows.append({"entries": int(by_state.sum()), **found, "state_entries": by_state})
    inner = {"node": ("state", "node"), "state": ("state",)}
    variables: dict[str, Any] = {}
    for key in rows[0]:
        over = () if key.startswith("state_difference") else inner.get(key.partition("_")[0], ())
        variables[key] = (("probability", *over), np.array([row[key] for row in rows]))
    kept = {key: sweep[key] for key in ("probability", "node") if key in sweep.coords}
    return xr.Dataset(variables, coords={**kept, "state": list(STATES)}, attrs={"name": variable, "width": width})
