"""Densities of the loss and of the log loss at each probability that a node stays."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from scipy import stats

from analysis import density, lognormal
from analysis.figures import style

#: Points of a drawn curve; more cannot be told apart in print.
POINTS = 1200


def _labelled_values(values: xr.DataArray, probability: Any) -> tuple[np.ndarray, str]:
    flat = np.asarray(values, dtype=np.float64).ravel()
    finite = flat[np.isfinite(flat)]
    label = f"$p$ = {float(probability):g}"
    if finite.size < flat.size:
        label += f" ({flat.size - finite.size} left out)"
    return finite, label


def _curve(ax: Axes, values: np.ndarray, width: float, color: str, label: str) -> None:
    grid, height = density.kde(values, width)
    x = np.linspace(grid[0], grid[-1], POINTS)
    y = np.interp(x, grid, height)
    shown = np.flatnonzero(y > 1e-4 * y.max())  # the margins of the grid hold nothing
    part = slice(shown[0], shown[-1] + 1)
    ax.plot(x[part], y[part], color=color, label=label)


def _line(ax: Axes, x: float, label: str) -> None:
    ax.axvline(x, color=style.GREY, linewidth=1.0, label=label, zorder=0.5)


def loss(losses: xr.DataArray, full_loss: float | None = None, width: float = 0.03, ax: Axes | None = None) -> Axes:
    """Draw the density of the loss at each probability.

    Parameters
    ----------
    losses : xarray.DataArray, (probability, ...)
        Losses in nats. Non-finite ones have no place on the axis; the legend says how many were left out.
    full_loss : float, optional
        Loss of the network with every node on, drawn as a line.
    width : float
        Standard deviation of the Gaussian kernel, in nats.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.5)
        if full_loss is not None and np.isfinite(full_loss):
            _line(ax, full_loss, "every node on")
        for number, probability in enumerate(losses["probability"].values):
            values, label = _labelled_values(losses.isel(probability=number), probability)
            color = style.CYCLE[number % len(style.CYCLE)]
            if values.size:
                _curve(ax, values, width, color, label)
            else:
                ax.plot([], color=color, label=label)
        ax.set(xlabel="loss (nats)", ylabel="probability density (1/nat)")
        ax.set_ylim(bottom=0)
        _legend_by_probability(ax)
    return ax


def log_loss(losses: xr.DataArray, full_loss: float | None = None, width: float = 0.03, ax: Axes | None = None) -> Axes:
    """Draw the density of the log loss at each probability, with the bell curve of best fit.

    Parameters
    ----------
    losses : xarray.DataArray, (probability, ...)
        Losses in nats, not their logarithms. The legend says how many had no logarithm and were
        left out.
    full_loss : float, optional
        Loss of the network with every node on, drawn as a line at its logarithm.
    width : float
        Standard deviation of the Gaussian kernel, in units of the log loss.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes

    Notes
    -----
    The bell curve has the mean and the standard deviation of the logs (`analysis.lognormal.fit`). It is
    not widened by the kernel; a kernel of a tenth of that standard deviation would widen it by half a per
    cent.
    """
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.5)
        if full_loss is not None and np.isfinite(full_loss) and full_loss > 0:
            _line(ax, float(np.log(full_loss)), "every node on")
        for number, probability in enumerate(losses["probability"].values):
            one = losses.isel(probability=number)
            logs, nonpositive, nonfinite = lognormal.usable_logs(one)
            label = f"$p$ = {float(probability):g}"
            if nonpositive + nonfinite:
                label += f" ({nonpositive + nonfinite} left out)"
            color = style.CYCLE[number % len(style.CYCLE)]
            if not logs.size:
                ax.plot([], color=color, label=label)
                continue
            _curve(ax, logs, width, color, label)
            if logs.size > 1 and not lognormal.is_constant(logs):
                bell = stats.norm(logs.mean(), logs.std())
                x = np.linspace(bell.ppf(5e-4), bell.isf(5e-4), 400)
                ax.plot(x, bell.pdf(x), color=color, linestyle=(0, (4, 2)), linewidth=1.0)
        ax.plot([], color=style.GREY, linestyle=(0, (4, 2)), linewidth=1.0, label="normal, best fit")
        ax.set(xlabel="log loss (natural logarithm of the loss in nats)", ylabel="probability density")
        ax.set_ylim(bottom=0)
        _legend_by_probability(ax)
    return ax


def _legend_by_probability(ax: Axes) -> None:
    """Put the legend above the axes, where no curve can be, the probabilities first."""
    handles, labels = ax.get_legend_handles_labels()
    first = [label.startswith("$p$") for label in labels]
    order = sorted(range(len(labels)), key=lambda i: not first[i])
    lines = {labels[i]: handles[i] for i in order}
    columns = 2 if any("left out" in label for label in labels) else 3
    style.legend_above(ax, lines, columns)
