"""Quantile-quantile plots of the log loss: how far a log-normal law holds, and where it fails."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import _checks, qq
from analysis._errors import InputError
from analysis.figures import _axes, style

__all__ = ["normal", "panels"]


def normal(loss: xr.DataArray, *, level: float = 0.95, color: str = style.BLUE, ax: Axes | None = None) -> Axes:
    """Draw the standardised log losses against the quantiles of a normal law.

    Parameters
    ----------
    loss : array_like or xarray.DataArray, (...)
        Independent draws of a loss in any unit, not their logarithms; all dimensions are pooled. Losses without a
        logarithm are counted in the plot.
    level : float
        Probability that a whole log-normal sample lies inside the band; see `analysis.qq.normal_band`.
    color : str
        Colour of the points.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Points on the line for a log-normal law; those outside the band are black crosses. Of more than 1,000 draws a
        random subset is shown.

    Raises
    ------
    TypeError
        If the losses are not real numbers, or a summary of them.
    ValueError
        If `level` is not between 0 and 1.

    See Also
    --------
    panels : One for each probability.
    analysis.qq.normal_quantiles : The points.

    Examples
    --------
    >>> from analysis import figures
    >>> ax = figures.quantiles.normal(xr.DataArray(np.exp([0.0, 2.0, 1.0, -1.0, 0.5])))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('normal quantile (sd)', 'log loss, standardised (sd)')
    """
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=style.SINGLE)
        data = qq.normal_quantiles(loss, level=level)
        missing = data.nonpositive + data.nonfinite
        note = f"{missing} of {data.usable + missing} without a logarithm" if missing else ""
        if data.expected.size:
            ax.fill_between(data.expected, data.lower, data.upper, color=style.LIGHT_GREY, linewidth=0, zorder=0.5)
            ends = data.expected[[0, -1]]
            ax.plot(ends, ends, color=style.GREY, linewidth=0.8, zorder=1)
            outside = (data.observed < data.lower) | (data.observed > data.upper)
            ax.plot(data.expected[~outside], data.observed[~outside], ".", color=color, markersize=2.2)
            ax.plot(
                data.expected[outside],
                data.observed[outside],
                "x",
                color=style.BLACK,
                markersize=2.8,
                markeredgewidth=0.5,
            )
            reach = 1.05 * max(3.0, np.abs(data.expected).max(), np.abs(data.observed).max())
            ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
        else:
            note = f"no distribution to show; {note}".rstrip("; ")
        ax.text(0.03, 0.97, note, transform=ax.transAxes, va="top", fontsize=8)
        ax.set_aspect("equal", adjustable="box")
        ax.set(xlabel="normal quantile (sd)", ylabel="log loss, standardised (sd)")
    return ax


def panels(loss: xr.DataArray, *, level: float = 0.95) -> Figure:
    """Draw one quantile-quantile plot for each probability.

    Parameters
    ----------
    loss : xarray.DataArray, (probability, ...)
        Independent draws of a loss in any unit, not their logarithms.
    level : float
        Probability that a whole log-normal sample lies inside the band; see `analysis.qq.normal_band`.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a probability, on one scale.

    Raises
    ------
    TypeError
        If the losses are not labelled, not real numbers, or a summary of them.
    ValueError
        If there is no dimension `probability`, or `level` is not between 0 and 1.

    See Also
    --------
    normal : One panel.

    Examples
    --------
    >>> from analysis import figures
    >>> losses = xr.DataArray(np.exp([[0.0, 2.0, 1.0], [1.0, 0.0, -1.0]]), dims=("probability", "draw"))
    >>> figure = figures.quantiles.panels(losses.assign_coords(probability=[0.5, 0.75]))
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['(a) $p$ = 0.5', '(b) $p$ = 0.75']
    """
    _checks.labelled("loss", loss)
    if "probability" not in loss.dims:
        raise InputError(f"loss must have the dimension 'probability', got {tuple(loss.dims)}")
    with style.context():
        count = loss.sizes["probability"]
        figure, axes = style.new_figure(style.DOUBLE, style.DOUBLE / max(count, 2) + 0.3, 1, count)
        for number, ax in enumerate(axes):
            normal(loss.isel(probability=number), level=level, color=style.CYCLE[number % len(style.CYCLE)], ax=ax)
            ax.set_title(f"$p$ = {float(loss['probability'][number]):g}")
            if number:
                ax.set_ylabel("")
        reach = max(ax.get_xlim()[1] for ax in axes)
        for ax in axes:
            ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
        style.letter(axes)
    return figure
