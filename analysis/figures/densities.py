"""Densities of the loss and of the log loss, at each probability that a node stays where there are several."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from scipy import stats

from analysis import _checks, _samples, density, hypercube
from analysis._errors import InputError
from analysis._samples import Sample
from analysis.figures import _axes, _names, style

__all__ = ["log_loss", "log_loss_against_exact", "loss"]

#: Points of a drawn curve; more cannot be told apart in print.
_POINTS = 1200
_BELL: dict[str, Any] = {"linestyle": (0, (4, 2)), "linewidth": 1.0}


def _checked(sweep: Any, full_loss: float | None, width: float) -> tuple[float | None, float]:
    _checks.labelled("sweep", sweep)
    full = None if full_loss is None else _checks.number("full_loss", full_loss, finite=False)
    return full, _checks.positive("width", width)


def _parts(sweep: xr.DataArray | xr.Dataset) -> list[tuple[str, xr.DataArray | xr.Dataset]]:
    """Cut a sweep into the parts that get a curve each, with their labels."""
    if "probability" not in sweep.dims:
        return [("masks", sweep)]
    labels = [f"$p$ = {float(p):g}" for p in sweep["probability"].values]
    return list(zip(labels, _samples.parts(sweep, "probability"), strict=True))


def _with_missing(label: str, missing: int) -> str:
    return f"{label} ({missing} left out)" if missing else label


def _curve(ax: Axes, sample: Sample, width: float, number: int, label: str) -> None:
    look = style.marked(number, _POINTS)
    if not sample.values.size:
        ax.plot([], label=label, **look)
        return
    grid, height = density.kde(sample, width=width)
    # The points lie where the density is not negligible: a few far draws must not make the curve coarse.
    shown = np.flatnonzero(height > 1e-4 * height.max())
    x = np.linspace(grid[shown[0]], grid[shown[-1]], _POINTS)
    ax.plot(x, np.interp(x, grid, height), label=label, **look)


def _line(ax: Axes, x: float, label: str) -> None:
    ax.axvline(x, color=style.GREY, linewidth=1.0, label=label, zorder=0.5)


def loss(
    sweep: xr.DataArray | xr.Dataset,
    *,
    full_loss: float | None = None,
    width: float = density.WIDTH,
    ax: Axes | None = None,
) -> Axes:
    """Draw the density of the loss, a curve for each probability.

    Parameters
    ----------
    sweep : xarray.DataArray or xarray.Dataset, ([probability, ]...)
        Losses, a sweep, or the summary of one, in the unit that its attributes state. Non-finite losses have
        no place on the axis; the legend says how many were left out.
    full_loss : float, optional
        Loss of the network with every node on, drawn as a line.
    width : float
        Standard deviation of the Gaussian kernel, in the unit of the loss; `analysis.density.kernel_width` chooses one.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Curves that enclose an area of 1 each, but for the losses that were left out.

    Raises
    ------
    TypeError
        If `sweep` is not labelled, or the losses are no real numbers.
    ValueError
        If `width` is not above 0.

    See Also
    --------
    log_loss : Of the logarithm, beside normal laws.
    analysis.density.kde : The curve itself.

    Examples
    --------
    >>> from analysis import figures
    >>> sweep = xr.Dataset({"loss": ("draw", [0.2, 0.5, 1.1])}, attrs={"unit": "nats"})
    >>> ax = figures.densities.loss(sweep, full_loss=0.1)
    >>> ax.get_xlabel(), len(ax.lines)
    ('loss (nats)', 2)
    """
    full_loss, width = _checked(sweep, full_loss, width)
    unit = _names.as_is(_axes.unit_of(sweep))
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.5)
        if full_loss is not None and np.isfinite(full_loss):
            _line(ax, full_loss, "every node on")
        for number, (label, part) in enumerate(_parts(sweep)):
            sample = _samples.losses(part)
            missing = sample.nonfinite + sample.below + sample.above
            _curve(ax, sample, width, number, _with_missing(label, missing))
        ax.set(xlabel=f"loss ({unit})", ylabel=f"probability density (1/{'nat' if unit == 'nats' else unit})")
        ax.set_ylim(bottom=0)
        _legend(ax)
    return ax


def log_loss(
    sweep: xr.DataArray | xr.Dataset,
    *,
    full_loss: float | None = None,
    width: float = density.WIDTH,
    ax: Axes | None = None,
) -> Axes:
    """Draw the density of the log loss, a curve for each probability, with the bell curve of best fit.

    Parameters
    ----------
    sweep : xarray.DataArray or xarray.Dataset, ([probability, ]...)
        Losses, not their logarithms, a sweep, or the summary of one. The legend says how many had no
        logarithm and were left out.
    full_loss : float, optional
        Loss of the network with every node on, drawn as a line at its logarithm.
    width : float
        Standard deviation of the Gaussian kernel, in units of the log loss.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        A curve and a dashed bell for each probability, in one colour.

    Raises
    ------
    TypeError
        If `sweep` is not labelled, or the losses are no real numbers.
    ValueError
        If `width` is not above 0.

    See Also
    --------
    loss : Of the loss itself.
    log_loss_against_exact : Beside the exact density.
    analysis.figures.quantiles.normal : Shows the tails better.

    Notes
    -----
    The bell curve has the mean and the standard deviation of the logs (`analysis.lognormal.fit`). It is
    not widened by the kernel; a kernel of a tenth of that standard deviation would widen it by half a per
    cent.

    Examples
    --------
    >>> from analysis import figures
    >>> losses = xr.DataArray([[0.2, 0.5, 1.1], [0.1, 0.2, 0.4]], [("probability", [0.5, 0.75]), ("draw", [0, 1, 2])])
    >>> ax = figures.densities.log_loss(losses)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['$p$ = 0.5', '$p$ = 0.75', 'normal, best fit']
    """
    full_loss, width = _checked(sweep, full_loss, width)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.5)
        if full_loss is not None and np.isfinite(full_loss) and full_loss > 0:
            _line(ax, float(np.log(full_loss)), "every node on")
        for number, (label, part) in enumerate(_parts(sweep)):
            sample = _samples.log_losses(part)
            missing = sample.nonpositive + sample.nonfinite + sample.below + sample.above
            _curve(ax, sample, width, number, _with_missing(label, missing))
            if sample.shape.sd > 0:
                bell = stats.norm(sample.shape.mean, sample.shape.sd)
                x = np.linspace(bell.ppf(5e-4), bell.isf(5e-4), 400)
                ax.plot(x, bell.pdf(x), color=style.CYCLE[number % len(style.CYCLE)], **_BELL)
        ax.plot([], color=style.GREY, label="normal, best fit", **_BELL)
        ax.set(xlabel=f"log loss (natural logarithm of the loss in {_names.as_is(_axes.unit_of(sweep))})")
        ax.set(ylabel="probability density")
        ax.set_ylim(bottom=0)
        _legend(ax)
    return ax


def log_loss_against_exact(
    sweep: xr.DataArray | xr.Dataset, values: Any, *, width: float = density.WIDTH, ax: Axes | None = None
) -> Axes:
    """Draw the density of sampled log losses at each probability over the exact one of all masks.

    Parameters
    ----------
    sweep : xarray.DataArray or xarray.Dataset, (probability, ...)
        Losses, not their logarithms, a sweep, or the summary of one.
    values : array_like, (2**N,)
        The log loss at each mask of the same network; mask number m has node i on when bit i of m is 1.
    width : float
        Standard deviation of the Gaussian kernel, of both, in units of the log loss.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Sampled curves in colour, exact ones dashed in black.

    Raises
    ------
    TypeError
        If `sweep` is not labelled, or the losses are no real numbers.
    ValueError
        If the sweep has no dimension `probability`, or the values are no finite table.

    See Also
    --------
    analysis.hypercube.distribution : The exact distribution.

    Examples
    --------
    >>> from analysis import figures
    >>> losses = xr.DataArray([[1.0, 2.0, 2.0, 4.0]], [("probability", [0.5]), ("draw", range(4))])
    >>> ax = figures.densities.log_loss_against_exact(losses, np.log([1.0, 2.0, 2.0, 4.0]), width=0.2)
    >>> ax.get_legend().get_texts()[-1].get_text()
    'all masks, exact'
    """
    _, width = _checked(sweep, None, width)
    if "probability" not in sweep.dims:
        raise InputError(f"sweep must have the dimension 'probability', got {tuple(sweep.dims)}")
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.5)
        for number, (p, (label, part)) in enumerate(zip(sweep["probability"].values, _parts(sweep), strict=True)):
            sample = _samples.log_losses(part)
            missing = sample.nonpositive + sample.nonfinite + sample.below + sample.above
            _curve(ax, sample, width, number, _with_missing(label, missing))
            # Bins of a tenth of the kernel: their error cannot be seen, and a million masks are drawn at once.
            exact = hypercube.distribution(values, probability=float(p), width=width / 10)
            grid, height = density.kde(exact.values, width=width, weights=exact.weights)
            shown = np.flatnonzero(height > 1e-4 * height.max())
            x = np.linspace(grid[shown[0]], grid[shown[-1]], _POINTS)
            ax.plot(x, np.interp(x, grid, height), color=style.BLACK, linewidth=0.8, linestyle=(0, (2, 1.5)))
        ax.plot([], color=style.BLACK, linewidth=0.8, linestyle=(0, (2, 1.5)), label="all masks, exact")
        ax.set(xlabel=f"log loss (natural logarithm of the loss in {_names.as_is(_axes.unit_of(sweep))})")
        ax.set(ylabel="probability density")
        ax.set_ylim(bottom=0)
        _legend(ax)
    return ax


def _legend(ax: Axes) -> None:
    """Put the legend above the axes, where no curve can be, the curves of the sweep first."""
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(
        range(len(labels)), key=lambda i: labels[i] in ("every node on", "normal, best fit", "all masks, exact")
    )
    lines = {labels[i]: handles[i] for i in order}
    columns = 2 if any("left out" in label for label in labels) else 3
    _axes.legend_above(ax, lines, columns)
