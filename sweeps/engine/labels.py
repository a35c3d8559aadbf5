"""Labels: names, units and coordinates of a sweep's dataset.

With ``keep="summary"`` the dataset has the design's axes but for the last, and

- ``draws``, ``nonpositive``, ``nonfinite``: numbers of masks: all, of loss zero or less, of a loss that is not finite
- for q in ``loss`` (of finite losses) and ``log_loss`` (of positive ones): ``q_count``, ``q_mean``, ``q_variance``
  (divisor n - 1), ``q_skewness`` and ``q_excess_kurtosis`` (of the sample, as moments of it)
- ``loss_histogram`` over ``loss_bin`` and ``log_loss_histogram`` over ``log_loss_bin``: numbers of masks; the
  coordinates are the centres of the bins, ``..._below`` and ``..._above`` count what fell outside
- ``loss_gradient_count``, ``..._mean``, ``..._variance`` over (``state``, ``node``), and the same of
  ``log_loss_gradient``: moments of gate gradients where the node is off and where it is on
- ``best_loss``, ``best_draw``, ``best_gates`` over ``rank``: the distinct masks of lowest loss, and the draw that
  found each first
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr

from sweeps.engine import summaries
from sweeps.masks.designs import Design
from sweeps.objective import Objective

LONG_NAMES = {
    "loss": "mean loss",
    "log_loss": "natural logarithm of the mean loss",
    "loss_gradient": "d loss / d gate",
    "log_loss_gradient": "d log loss / d gate",
    "gates": "gate: 1 on, 0 off",
}


def inner_name(axes: Mapping[str, int]) -> str:
    """Name of the axis of gates; a leave-one-out sweep already has an axis called node."""
    return "gate" if "node" in axes else "node"


def inner_dims(objective: Objective, design: Design, axes: Mapping[str, int], number: int) -> tuple[str, ...]:
    """Names of a variable's axes within a draw, of which there are so many."""
    names = tuple(design.inner(len(objective.nodes)))
    return (*names, inner_name(axes))[:number]


def coordinates(objective: Objective, design: Design, axes: Mapping[str, int]) -> xr.Dataset:
    """Return a dataset of coordinates alone."""
    sizes = {**axes, **design.inner(len(objective.nodes))}
    found: dict[str, Any] = {name: np.arange(size) for name, size in sizes.items() if name in ("chain", "draw", "step")}
    found |= design.coordinates()
    for name in {inner_name(axes), *({"node"} & set(axes))}:
        found[name] = np.asarray(objective.nodes, object)
        found["layer" if name == "node" else f"{name}_layer"] = (name, np.asarray(objective.layers, object))
    return xr.Dataset(coords=found)


def attributes_of(name: str, unit: str) -> dict[str, str]:
    """Long name and units of a variable, as CF conventions and plotting libraries expect them."""
    units = {"loss": unit, "log_loss": f"log {unit}", "loss_gradient": unit}.get(name, "1")
    return dict(long_name=LONG_NAMES[name], units=units)


def of_draws(
    objective: Objective, design: Design, axes: Mapping[str, int], values: Mapping[str, np.ndarray]
) -> xr.Dataset:
    """Label values of leading shape (total,) with the design's axes."""
    data = coordinates(objective, design, axes)
    for name, array in values.items():
        dims = (*axes, *inner_dims(objective, design, axes, array.ndim - 1))
        data[name] = (dims, array.reshape(*axes.values(), *array.shape[1:]), attributes_of(name, objective.unit))
    return data


def of_summary(
    objective: Objective,
    design: Design,
    axes: Mapping[str, int],
    streams: Sequence[summaries.Batch],
    top: float,
) -> xr.Dataset:
    """Label the merged summaries of a sweep's streams.

    Parameters
    ----------
    objective, design, axes : of the sweep
    streams : one merged summary a stream
    top : end of the histogram of the loss
    """
    outer = dict(list(axes.items())[:-1])

    def stacked(*parts: np.ndarray) -> np.ndarray:
        return np.stack(parts).reshape((*outer.values(), *np.shape(parts[0])))

    whole = jax.tree.map(stacked, *streams)
    values: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in ("draws", "nonpositive", "nonfinite"):
        values[name] = (tuple(outer), getattr(whole, name))
    for name in ("loss", "log_loss"):
        for moment, array in _shape_of(getattr(whole, name)).items():
            values[f"{name}_{moment}"] = (tuple(outer), array)
        histogram = getattr(whole, f"{name}_histogram")
        values[f"{name}_histogram"] = ((*outer, f"{name}_bin"), histogram[..., 1:-1])
        values[f"{name}_below"] = (tuple(outer), histogram[..., 0])
        values[f"{name}_above"] = (tuple(outer), histogram[..., -1])
        spread = getattr(whole, f"{name}_gradient")
        if spread is not None:
            states = (*outer, "state", "node")
            number = spread.number
            values[f"{name}_gradient_count"] = (states, number)
            values[f"{name}_gradient_mean"] = (states, spread.mean)
            values[f"{name}_gradient_variance"] = (states, _ratio(spread.m2, number - 1))
    for name, array in whole.best._asdict().items():
        values[f"best_{name}"] = ((*outer, "rank", *(["node"] if name == "gates" else [])), array)
    data = xr.Dataset(values)
    # Of the outer axes alone: numbers of draws would take more memory than the summary.
    found = coordinates(objective, design, outer)
    data = data.assign_coords({name: found[name] for name in found.coords if set(found[name].dims) <= set(data.dims)})
    return data.assign_coords(
        node=np.asarray(objective.nodes, object),
        layer=("node", np.asarray(objective.layers, object)),
        state=np.asarray(["off", "on"], object),
        rank=np.arange(summaries.BEST),
        loss_bin=_centres(0.0, top, summaries.LOSS_BINS),
        log_loss_bin=_centres(summaries.LOG_LOW, summaries.LOG_HIGH, summaries.LOG_BINS),
    )


def _shape_of(moments: summaries.Moments) -> dict[str, np.ndarray]:
    number, mean, m2, m3, m4 = (np.asarray(part) for part in moments)
    variance = _ratio(m2, number)
    return dict(
        count=number,
        mean=mean,
        variance=_ratio(m2, number - 1),
        skewness=_ratio(_ratio(m3, number), variance**1.5),
        excess_kurtosis=_ratio(_ratio(m4, number), variance**2) - 3,
    )


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Quotient, NaN where it is not defined."""
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan)


def _centres(low: float, high: float, bins: int) -> np.ndarray:
    return low + (np.arange(bins) + 0.5) * (high - low) / bins
