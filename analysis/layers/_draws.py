"""What random masks say of each layer: its gate gradients, and the slope of the log loss in its nodes that are on."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from analysis import _checks, _jackknife, _samples
from analysis._errors import InputError, InputTypeError
from analysis.gradients._moments import merged
from analysis.gradients._sums import NAMES, Floats
from analysis.layers._groups import Groups, groups

#: Dimensions that number independent draws, beside `probability`, at each of which there is one row of results.
DRAWS = ("chain", "draw")
#: Entries that are worked on at a time; it bounds the memory.
ENTRIES = 2**22


def gradients(sweep: xr.Dataset, *, variable: str = "log_loss_gradient") -> xr.Dataset:
    r"""Summarise the gate gradients of each layer over independent draws.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `variable` ([probability,] chain, draw, node) and the coordinates `node` and `layer`; or the summary of a
        sweep with its gradients.
    variable : {"loss_gradient", "log_loss_gradient"}
        Gate gradients of the loss, in its unit, or of its logarithm.

    Returns
    -------
    xarray.Dataset, ([probability,] layer)
        Layers in the order of the gate vector. In the unit of `variable`, over all finite entries of a layer's nodes,
        each with its standard error `<variable>_..._error`:

        - `nodes` (layer,): how many the layer has
        - `<variable>_mean`, `<variable>_sd` (divisor n)
        - `<variable>_absolute`: the mean of the absolute values
        - `<variable>_nonfinite`: the entries left out

        A summary gives means and standard deviations; what would need its draws is NaN.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset or the gradients are no real numbers.
    ValueError
        If `variable` is unknown, a variable or a coordinate is missing, or the masks are no independent draws.

    See Also
    --------
    slopes : What more nodes on do, in place of larger gates.
    analysis.gradients.statistics : Of all nodes, and of each.

    Notes
    -----
    Draws are independent of each other, the nodes of a layer within one draw are not. Errors are therefore by the
    jackknife over whole draws (see `analysis.gradients.statistics`). For the mean it is the standard error of the
    draws' layer means, s / sqrt(R) for R draws, and not s / sqrt(R N), which would be too small.

    Examples
    --------
    >>> from analysis import layers
    >>> nodes = {"node": ["a unit 0", "a unit 1", "b unit 0"], "layer": ("node", ["a", "a", "b"])}
    >>> values = [[[0.1, 0.3, -0.2], [0.2, 0.2, -0.4]]]
    >>> sweep = xr.Dataset({"log_loss_gradient": (("chain", "draw", "node"), values)}, coords=nodes)
    >>> found = layers.gradients(sweep, variable="log_loss_gradient")
    >>> found["log_loss_gradient_mean"].values.round(3).tolist()
    [0.2, -0.3]
    """
    _checks.one_of("variable", variable, NAMES)
    found, held = groups(sweep, called="sweep"), _samples.is_summary(sweep)
    needed = [f"{variable}_{part}" for part in ("count", "mean", "variance")] + ["draws"] if held else [variable]
    _checks.dataset_with("sweep", sweep, needed, ("node",))
    if not held:
        _independent(sweep, variable)
    rows = [_of_summary(part, variable, found) if held else _of_draws(part[variable], found) for part in _parts(sweep)]
    return _labelled(sweep, found, {f"{variable}_{key}": [row[key] for row in rows] for key in rows[0]})


def slopes(sweep: xr.Dataset) -> xr.Dataset:
    r"""Fit how the log loss goes with the number of nodes that are on in each layer, over independent draws.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `loss` ([probability,] chain, draw), `gates` (..., node), and the coordinates `node` and `layer`.

    Returns
    -------
    xarray.Dataset, ([probability,] layer)
        Layers in the order of the gate vector:

        - `nodes` (layer,): how many the layer has
        - `slope`, with its standard error `slope_error`: the change of the log loss for one more node on in this layer,
          the numbers in the other layers being equal
        - `explained` ([probability]): the share of the variance of the log loss that the fit explains
        - `fitted` ([probability]): the draws of a finite loss above 0

        NaN for a layer whose number of nodes on never changes; for all, where their numbers add up to the same in every
        draw, as with a fixed number of nodes on, and where there are not more draws than layers.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, or losses or gates are no numbers.
    ValueError
        If a variable or a coordinate is missing, or the masks are no independent draws.

    See Also
    --------
    gradients : Gate gradients by layer.
    analysis.figures.layers.summary : Draws the slopes.

    Notes
    -----
    Least squares with a constant. The log loss scatters unequally about the fit, so the errors are those of the
    sandwich estimator, times ``sqrt(R / (R - L - 1))`` for R draws and L layers. With partial gains the number of
    nodes on is the sum of the gates.

    References
    ----------
    H. White (1980), A heteroskedasticity-consistent covariance matrix estimator, doi:10.2307/1912934.

    Examples
    --------
    >>> from analysis import layers
    >>> nodes = {"node": ["a unit 0", "a unit 1", "b unit 0"], "layer": ("node", ["a", "a", "b"])}
    >>> gates = np.random.default_rng(0).random((1, 20, 3)) < 0.5
    >>> dims, loss = ("chain", "draw", "node"), np.exp(gates @ [-0.5, -0.5, 0.25])
    >>> sweep = xr.Dataset({"loss": (dims[:2], loss), "gates": (dims, gates)}, coords=nodes)
    >>> layers.slopes(sweep)["slope"].values.round(3).tolist()
    [-0.5, 0.25]
    """
    found = groups(sweep, called="sweep")
    _checks.dataset_with("sweep", sweep, ("loss", "gates"), ("node",))
    _independent(sweep, "gates")
    rows = [_slopes(part, found) for part in _parts(sweep)]
    return _labelled(sweep, found, {key: [row[key] for row in rows] for key in rows[0]})


def _independent(sweep: xr.Dataset, name: str) -> None:
    others = [str(dim) for dim in sweep[name].dims if dim not in (*DRAWS, "probability", "node")]
    if others or "node" not in sweep[name].dims:
        raise InputError(
            f"sweep must be {name} of independent draws, with dimensions among probability, chain, draw, and node, "
            f"got {tuple(map(str, sweep[name].dims))}"
        )


def _parts(sweep: xr.Dataset) -> list[xr.Dataset]:
    return _samples.parts(sweep, "probability" if "probability" in sweep.dims else None)


def _labelled(sweep: xr.Dataset, found: Groups, columns: dict[str, list[Any]]) -> xr.Dataset:
    over = ("probability",) if "probability" in sweep.dims else ()
    variables: dict[str, Any] = {"nodes": ("layer", found.sizes)}
    for key, rows in columns.items():
        values = np.array(rows if over else rows[0])
        variables[key] = ((*over, "layer")[: values.ndim], values)
    coords: dict[str, Any] = {"layer": found.names}
    if over and "probability" in sweep.coords:
        coords["probability"] = sweep["probability"].values
    return xr.Dataset(
        variables, coords=coords, attrs={key: sweep.attrs[key] for key in ("unit",) if key in sweep.attrs}
    )


def _blocks(draws: int, nodes: int) -> Iterator[slice]:
    rows = max(1, ENTRIES // max(nodes, 1))
    return (slice(start, start + rows) for start in range(0, draws, rows))


def _table(values: xr.DataArray) -> np.ndarray:
    """Values as (draws, nodes)."""
    array = values.transpose(..., "node").values
    return array.reshape(-1, array.shape[-1])


def _of_draws(values: xr.DataArray, found: Groups) -> dict[str, Any]:
    table = _table(values)
    _checks.real_numbers(str(values.name), table[:1])
    # Number of entries, sum, sum of squares about the layer's mean, and sum of absolute values, of each draw.
    sums = np.zeros((len(table), len(found.names), 4))
    for rows in _blocks(*table.shape):
        finite = np.isfinite(table[rows])
        sums[rows, :, 0] = found.sums(finite)
        sums[rows, :, 1] = found.sums(np.where(finite, table[rows], 0))
    total = sums[..., :2].sum(axis=0)
    centre = np.divide(total[:, 1], total[:, 0], out=np.zeros(len(total)), where=total[:, 0] > 0)
    for rows in _blocks(*table.shape):
        finite = np.isfinite(table[rows])
        entries = np.where(finite, table[rows].astype(np.float64), 0)
        deviation = np.where(finite, entries - centre[found.layer], 0)
        sums[rows, :, 1] = found.sums(deviation)
        sums[rows, :, 2] = found.sums(deviation**2)
        sums[rows, :, 3] = found.sums(np.abs(entries))
    counted = sums[sums[..., 0].any(axis=1)]
    mean, sd, absolute = np.moveaxis(_statistics(counted.sum(axis=0)), -1, 0)
    errors = np.moveaxis(_jackknife.of_sums(_statistics, counted), -1, 0)
    row = dict(mean=centre + mean, sd=sd, absolute=absolute)
    row |= dict(zip(("mean_error", "sd_error", "absolute_error"), errors, strict=True))
    return row | {"nonfinite": (len(table) * found.sizes - sums[..., 0].sum(axis=0)).astype(np.int64)}


def _statistics(sums: Floats) -> Floats:
    """Mean less centre, sd and mean absolute value, (..., 3), from sums (..., 4)."""
    count = np.where(sums[..., :1] > 0, sums[..., :1], np.nan)
    mean, square, absolute = np.moveaxis(sums[..., 1:] / count, -1, 0)
    return np.stack([mean, np.sqrt(np.maximum(square - mean**2, 0)), absolute], axis=-1)


def _of_summary(part: xr.Dataset, name: str, found: Groups) -> dict[str, Any]:
    count, mean, variance = (
        part[f"{name}_{key}"].transpose(..., "node").values.reshape(-1, len(found.labels)).astype(np.float64)
        for key in ("count", "mean", "variance")
    )
    square = np.where(count > 1, variance * (count - 1) / np.maximum(count, 1), 0)  # a single value has none
    unknown = np.full(len(found.names), np.nan)
    row = {key: unknown for key in ("mean_error", "sd_error", "absolute", "absolute_error")}
    pooled = [
        merged(*(array[:, found.of(layer)].ravel() for array in (count, mean, square)))
        for layer in range(len(found.names))
    ]
    row["mean"], row["sd"] = (np.array(column) for column in zip(*pooled, strict=True))
    entries = found.sums(count.sum(axis=0))
    return row | {"nonfinite": (int(part["draws"].sum()) * found.sizes - entries).astype(np.int64)}


def _slopes(part: xr.Dataset, found: Groups) -> dict[str, Any]:
    over = [dim for dim in part["gates"].dims if dim != "node"]
    loss = _checks.real_numbers("sweep.loss", part["loss"].transpose(*over)).ravel()
    gates = _table(part["gates"])
    if gates.dtype.kind not in "biuf":
        raise InputTypeError(f"sweep.gates must be masks or gains, got dtype {gates.dtype}")
    known = np.isfinite(loss) & (loss > 0)
    on = np.concatenate([found.sums(gates[rows]) for rows in _blocks(*gates.shape)])[known]
    layers = len(found.names)
    slope, error = np.full((2, layers), np.nan)
    row: dict[str, Any] = {"slope": slope, "slope_error": error, "explained": np.nan, "fitted": len(on)}
    if not len(on):
        return row
    on, log_loss = on - on.mean(axis=0), np.log(loss[known])
    log_loss -= log_loss.mean()
    varied = np.flatnonzero(np.ptp(on, axis=0) > 0)
    x, freedom = on[:, varied], len(on) - varied.size - 1
    if not varied.size or freedom < 1 or np.linalg.matrix_rank(x) < varied.size:
        return row
    inverse = np.linalg.inv(x.T @ x)
    slope[varied] = inverse @ (x.T @ log_loss)
    residual = log_loss - x @ slope[varied]
    scattered = x * residual[:, None]
    covariance = inverse @ (scattered.T @ scattered) @ inverse * len(x) / freedom
    error[varied] = np.sqrt(np.diagonal(covariance))
    total = float(log_loss @ log_loss)
    row["explained"] = 1 - float(residual @ residual) / total if total > 0 else np.nan
    return row
