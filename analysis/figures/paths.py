"""Covariance along flip paths: the matrix as a heat map, and the covariance with both ends of the path."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import _checks
from analysis._errors import InputError
from analysis.figures import _axes, _curves, _names, style

__all__ = ["along", "covariance", "ends", "overview"]

#: Below 0 vermillion, 0 white, above 0 blue.
_DIVERGING = LinearSegmentedColormap.from_list("diverging", [style.VERMILLION, "#F7F7F7", style.BLUE])
#: Bands reach this many standard errors to either side: 95 % of a normal law.
_BAND = 1.96


def covariance(result: xr.Dataset | xr.DataArray, *, quantity: str = "log loss", ax: Axes | None = None) -> Axes:
    """Draw the covariance between the steps of a path as a heat map.

    Parameters
    ----------
    result : xarray.Dataset or xarray.DataArray
        What `analysis.paths.covariance` returns, or `analysis.paths.exact`.
    quantity : str
        What the values are, for the label of the colours.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Blue above 0, red below, white at 0. Its figure has a second one, the colour bar.

    Raises
    ------
    TypeError
        If the covariances are not real numbers.
    ValueError
        If they are no matrix.

    See Also
    --------
    ends : Its first and last row, with errors.

    Examples
    --------
    >>> from analysis import figures, paths
    >>> figures.paths.covariance(paths.exact([0.0, 1.0, 1.0, 0.0])).get_xlabel()
    'step of the path (nodes flipped)'
    """
    matrix = result["covariance"] if isinstance(result, xr.Dataset) else result
    values = _checks.real_numbers("result", matrix)
    if values.ndim != 2 or not values.size:
        raise InputError(f"result must have shape (steps, steps), got {values.shape}")
    limit = float(np.abs(values).max()) or 1.0
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.6)  # wide enough for labels beside a square
        # An image of one square a pair of steps; the colours are even about 0, so that white means none.
        image = ax.imshow(values, cmap=_DIVERGING, vmin=-limit, vmax=limit, origin="lower", interpolation="nearest")
        low = min(0.0, float(values.min()))
        bar = _axes.colour_bar(image, ax, f"covariance of the {quantity}", fraction=0.05, pad=0.03)
        bar.ax.set_ylim(low, float(values.max()) or limit)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.spines[:].set_visible(False)
        ax.set(xlabel="step of the path (nodes flipped)", ylabel="step of the path (nodes flipped)")
    return ax


def ends(
    sampled: xr.Dataset, *, exact: Any = None, quantity: str = "log loss", band: float = _BAND, ax: Axes | None = None
) -> Axes:
    """Draw the covariance of each end of a path with what lies a number of flips away.

    Parameters
    ----------
    sampled : xarray.Dataset
        What `analysis.paths.covariance` returns.
    exact : array_like, (distance,), optional
        Exact covariance by distance, as `analysis.hypercube.covariance_by_distance` gives it, drawn as a line.
    quantity : str
        What the values are, for the label of the axis.
    band : float
        Half width of the bands, in standard errors, 0 or above; 1.96 covers 95 % of a normal law at each point.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        In the squared unit of the values. Of paths with a uniform start both curves are one but for sampling error.

    Raises
    ------
    TypeError
        If `sampled` is no Dataset or `exact` not real numbers.
    ValueError
        If a variable is missing, or `band` is negative.

    See Also
    --------
    analysis.paths.covariance : Makes the argument.

    Examples
    --------
    >>> from analysis import figures, paths
    >>> sampled = paths.covariance([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.5]])
    >>> ax = figures.paths.ends(sampled, exact=[0.25, -0.25])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['with the start', 'with the end', 'exact']
    """
    needed = [f"{name}{part}" for name in ("from_start", "from_end") for part in ("", "_error")]
    _checks.dataset_with("sampled", sampled, needed, ("distance",))
    flips, band = sampled["distance"].values, _checks.number("band", band, 0)
    entries: dict[str, Any] = {}
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        ax.axhline(0, color=style.GREY, linewidth=0.6, zorder=0.5)
        for name, label, color, marker in (
            ("from_start", "with the start", style.GREEN, "o"),
            ("from_end", "with the end", style.PINK, "s"),
        ):
            line, error = sampled[name].values, sampled[f"{name}_error"].values
            ax.fill_between(flips, line - band * error, line + band * error, color=color, alpha=0.25, linewidth=0)
            (entries[label],) = ax.plot(flips, line, marker=marker, markersize=2.8, color=color)
        if exact is not None:
            wanted = _checks.real_numbers("exact", exact)
            (entries["exact"],) = ax.plot(
                np.arange(wanted.size), wanted, color=style.BLACK, linewidth=1.0, linestyle=(0, (4, 2))
            )
        _axes.legend_above(ax, entries, columns=3)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.set_xlim(-0.3, flips[-1] + 0.3)
        ax.set(xlabel="nodes flipped in between", ylabel=f"covariance of the {quantity}")
    return ax


def overview(sampled: xr.Dataset, *, exact: Any = None, quantity: str = "log loss") -> Figure:
    """Draw the heat map and both ends side by side.

    Parameters
    ----------
    sampled : xarray.Dataset
        What `analysis.paths.covariance` returns.
    exact : array_like, (distance,), optional
        Exact covariance by distance, as `analysis.hypercube.covariance_by_distance` gives it.
    quantity : str
        What the values are, for the labels.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels.

    Raises
    ------
    TypeError
        If `sampled` is no Dataset or `exact` not real numbers.
    ValueError
        If a variable is missing.

    See Also
    --------
    covariance, ends : The panels.

    Examples
    --------
    >>> from analysis import figures, paths
    >>> sampled = paths.covariance([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.5]])
    >>> [ax.get_title(loc="left") for ax in figures.paths.overview(sampled).axes[:2]]
    ['(a)', '(b)']
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.8, 1, 2)
        covariance(sampled, quantity=quantity, ax=axes[0])
        ends(sampled, exact=exact, quantity=quantity, ax=axes[1])
        legend = axes[1].get_legend()
        if legend is not None:  # out of the way of the letter, to where covariances have died down
            names = [text.get_text() for text in legend.get_texts()]
            handles = [handle for handle in legend.legend_handles if handle is not None]
            axes[1].legend(handles, names, loc="upper right")
        style.letter(axes)
    return figure


def along(steps: xr.Dataset, *, full_loss: float | None = None, unit: str = "nats", ax: Axes | None = None) -> Axes:
    """Draw the loss at each step of the paths: mean, median, and a band from a low to a high quantile.

    Parameters
    ----------
    steps : xarray.Dataset, (step,)
        `mean` over the paths, the quantiles `low` and `high` (5 and 95 %), and the median `middle`, in the unit of the
        loss.
    full_loss : float, optional
        Loss with every node on, drawn as a line.
    unit : str
        Unit of the loss.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        With a logarithmic axis where the losses span more than a factor of 8.

    Raises
    ------
    TypeError
        If `steps` is no Dataset.
    ValueError
        If it lacks a variable or the dimension `step`.

    See Also
    --------
    covariance : How the steps go together.

    Examples
    --------
    >>> from analysis import figures
    >>> sweep = xr.DataArray([[0.2, 0.5, 1.1], [0.3, 0.4, 1.4]], dims=("draw", "step")).assign_coords(step=[0, 1, 2])
    >>> steps = xr.Dataset({"mean": sweep.mean("draw"), "middle": sweep.median("draw")})
    >>> ax = figures.paths.along(steps.assign(low=sweep.min("draw"), high=sweep.max("draw")), full_loss=0.1)
    >>> ax.get_ylabel()
    'loss (nats)'
    """
    _checks.dataset_with("steps", steps, ("mean", "low", "middle", "high"), ("step",))
    step = steps["step"].values
    entries: dict[str, Any] = {}
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        entries["5 to 95 %"] = ax.fill_between(
            step, steps["low"], steps["high"], color=style.BLUE, alpha=0.2, linewidth=0
        )
        (entries["mean"],) = ax.plot(step, steps["mean"], color=style.BLUE)
        (entries["median"],) = ax.plot(step, steps["middle"], color=style.BLUE, linestyle=(0, (1, 1.5)))
        if full_loss is not None and np.isfinite(full_loss):
            entries["every node on"] = ax.axhline(full_loss, color=style.GREY, linewidth=1.0, zorder=0.5)
        _curves.loss_axis(ax, [*steps["low"].values, *steps["high"].values], f"loss ({_names.as_is(unit)})")
        _axes.legend_above(ax, entries, columns=2)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.set_xlim(0, max(step[-1], 1))
        ax.set(xlabel="step of the path (nodes flipped)")
    return ax
