"""The mean gate gradient against how the mean loss changes with the probability that a node stays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis import _checks, _jackknife, hypercube, removal
from analysis._errors import InputError
from analysis.gradients._moments import of_summary
from analysis.gradients._sums import Part, blocks, checked, part_of, share
from analysis.hypercube import _table


def slope_check(
    sweep: xr.Dataset, *, cube_loss: Any = None, probabilities: Sequence[float] | None = None
) -> xr.Dataset:
    r"""Compare what the mean gate gradient predicts with how the mean loss changes with the probability of nodes.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `loss` (probability, ...) and, over the same draws, `loss_gradient` and boolean `gates`; or its summary.
    cube_loss : array_like, (2**N,), optional
        The loss of every mask; mask number m has node i on when bit i of m is 1.
    probabilities : sequence of float, (3,), optional
        Low, middle, high, all of the sweep; when left out the lowest, the highest, and the one nearest to midway.

    Returns
    -------
    xarray.Dataset
        In the unit of the loss, each with its `..._error`, and with the attributes `low`, `middle`, `high` and `nodes`:

        - `predicted`: nodes x (high - low) x mean gradient at the middle
        - `change`: mean loss at high less that at low
        - `standard_errors`: the first less the second, in standard errors of the difference
        - `tangent`, `trapezoid` (probability,): two slopes of the mean loss, nodes x mean gradient, and see below
        - with `cube_loss` the exact `slope` (probability,), `exact_predicted`, which is (high - low) x `slope` at the
          middle, and `exact_change`

        Of a summary the errors of what pools gradients are NaN.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, its values are no real numbers, or the gates not boolean.
    ValueError
        If a variable or a dimension is missing, there are fewer than three probabilities or those named are not
        among them in ascending order, or `cube_loss` is of another number of nodes.

    See Also
    --------
    analysis.hypercube.mean_derivative : The exact slope.
    statistics : The mean gradient, with its spread.

    Notes
    -----
    The exact statement (Margulis, Russo; see `analysis.hypercube.mean_derivative`) is

        d/dp E_p L = sum_i E_p [L(i on) - L(i off)]

    A gate gradient is the tangent at one end of each of these differences, so `predicted` is another number than
    `change` unless L is affine in every gate, and the mean loss no more than quadratic in p. The gate of a node is
    independent of all others, so the mean tangents at both ends of the same differences are those where it is off and
    where it is on. The trapezoidal rule takes the mean of both, with the gate gradient dL_i of node i,

        sum_i (E_p [dL_i | i off] + E_p [dL_i | i on]) / 2

    and is exact for L quadratic in every gate. The tangent weighs them with 1 - p and p: both agree at p = 0.5.
    Its error is by linearisation, from whole draws; draws of different probabilities are independent.

    Examples
    --------
    >>> from analysis import gradients
    >>> gates = np.random.default_rng(0).random((3, 40, 2)) < np.array([0.25, 0.5, 0.75])[:, None, None]
    >>> dims = ("probability", "draw", "node")
    >>> sweep = xr.Dataset({"gates": (dims, gates)}, {"probability": [0.25, 0.5, 0.75]})
    >>> sweep["loss"] = (dims[:2], 4 + gates @ [-1.0, -2.0])  # so that both gradients are known
    >>> sweep["loss_gradient"] = (dims, np.broadcast_to([-1.0, -2.0], gates.shape))
    >>> found = gradients.slope_check(sweep)
    >>> round(float(found["predicted"]), 3), bool(abs(found["standard_errors"]) < 3)
    (-1.5, True)
    """
    held = checked(sweep, "loss_gradient")
    cube_loss = None if cube_loss is None else _table.checked(cube_loss, "cube_loss")
    chosen = _chosen(sweep["probability"].values, probabilities)
    nodes = sweep.sizes["node"]
    rows = [
        _summary_slopes(sweep.isel(probability=index)) if held else _slopes(part_of(sweep, "loss_gradient", index))
        for index in range(sweep.sizes["probability"])
    ]
    losses = removal.losses(sweep)
    chances = sweep["probability"].values.astype(np.float64)
    low, middle, high = chosen
    reach = chances[high] - chances[low]
    predicted, predicted_error = reach * rows[middle][0], reach * rows[middle][1]
    change = float(losses["mean_loss"][high] - losses["mean_loss"][low])
    change_error = float(np.hypot(*losses["mean_loss_error"].values[[high, low]]))
    error = float(np.hypot(predicted_error, change_error))
    data: dict[str, Any] = dict(
        predicted=predicted, predicted_error=predicted_error, change=change, change_error=change_error
    )
    data["standard_errors"] = (predicted - change) / error if error > 0 else float("nan")
    for column, key in enumerate(("tangent", "tangent_error", "trapezoid", "trapezoid_error")):
        data[key] = ("probability", [row[column] for row in rows])
    if cube_loss is not None:
        if cube_loss.size != 2**nodes:
            raise InputError(f"cube_loss must be 2**{nodes} values, one for each mask, got {cube_loss.size}")
        slope = hypercube.mean_derivative(cube_loss, chances)
        ends = hypercube.moments(cube_loss, probability=chances[[high, low]]).mean
        data["slope"] = ("probability", slope)
        data |= dict(exact_predicted=reach * slope[middle], exact_change=ends[0] - ends[1])
    named = dict(low=float(chances[low]), middle=float(chances[middle]), high=float(chances[high]), nodes=nodes)
    return xr.Dataset(data, coords={"probability": sweep["probability"]}, attrs=named)


def _chosen(chances: Any, wanted: Sequence[float] | None) -> list[int]:
    if wanted is None:
        order = np.argsort(chances)
        if order.size < 3:
            raise InputError(f"sweep must have three probabilities or more, got {np.asarray(chances).tolist()}")
        midway = (chances[order[0]] + chances[order[-1]]) / 2
        inside = order[1:-1]
        return [int(order[0]), int(inside[np.argmin(np.abs(chances[inside] - midway))]), int(order[-1])]
    wanted = np.ravel(_checks.real_numbers("probabilities", wanted)).tolist()
    found = [np.flatnonzero(np.isclose(chances, p)) for p in wanted]
    if len(found) != 3 or not all(one.size for one in found) or not wanted[0] < wanted[1] < wanted[2]:
        raise InputError(f"probabilities must be three of {np.asarray(chances).tolist()}, ascending, got {wanted}")
    return [int(one[0]) for one in found]


def _slopes(part: Part) -> tuple[float, float, float, float]:
    """Tangent and trapezoidal slope of the mean loss, each with its error."""
    nodes = part.values.shape[1]
    pooled = part.by_draw.sum(axis=1)
    tangent, tangent_error = part.centre + float(share(pooled.sum(axis=0))), float(_jackknife.of_sums(share, pooled))
    count, means = part.by_node[..., 0], share(part.by_node)
    weight = 0.5 / np.where(count > 0, count, np.nan)
    square, total = 0.0, 0.0
    for rows in blocks(len(part.values)):
        values, on = part.values[rows].astype(np.float64) - part.centre, part.on[rows]
        gained = np.where(on, weight[1] * (values - means[1]), weight[0] * (values - means[0]))
        of_draw = np.where(np.isfinite(values), gained, 0).sum(axis=1)
        square, total = square + float(of_draw @ of_draw), total + float(of_draw.sum())
    draws = len(pooled)
    error = np.sqrt(max(square - total**2 / max(draws, 1), 0) * draws / (draws - 1)) if draws > 1 else np.nan
    trapezoid = nodes * part.centre + float(means.mean(axis=0).sum())
    return nodes * tangent, nodes * tangent_error, trapezoid, float(error if np.isfinite(trapezoid) else np.nan)


def _summary_slopes(part: xr.Dataset) -> tuple[float, float, float, float]:
    found = of_summary(part, "loss_gradient")
    means = found["node_mean"]
    return means.shape[1] * found["mean"], float("nan"), float(means.mean(axis=0).sum()), float("nan")
