"""Families of laws beside the losses: replicated samples from each fit, and how well each predicts held-out draws."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import _checks, _samples, density, families
from analysis._errors import InputError
from analysis.families import FAMILIES, Law
from analysis.figures import _axes, style

__all__ = ["overview", "replicates", "scores"]

#: Samples drawn from a fitted law, each as large as the data.
_REPLICATES = 30
#: Points of a curve.
_POINTS = 500
_COLORS = dict(zip(FAMILIES, (style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.PINK), strict=True))


def replicates(loss: Any, law: Law, *, width: float = density.WIDTH, seed: int = 0, ax: Axes | None = None) -> Axes:
    """Draw the density of the log losses over those of samples that a fitted law would have given.

    Where the losses' curve leaves the bundle of the samples' curves, the law does not describe them.

    Parameters
    ----------
    loss : array_like, xarray.DataArray or xarray.Dataset
        Draws, as for `analysis.families.fit`.
    law : Law
        What `analysis.families.fit` returns. Of samples with losses of 0 or below, which have no logarithm, the others
        are drawn.
    width : float
        Standard deviation of the Gaussian kernel, in units of the log loss.
    seed : int
        Seed of the samples.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Titled with the family.

    Raises
    ------
    TypeError
        If the losses are no real numbers.
    ValueError
        If no loss is finite and above 0, or `width` is not above 0.

    See Also
    --------
    scores : One number a family in place of a look.
    analysis.families.fit : Fits the law.

    Examples
    --------
    >>> from analysis import families, figures
    >>> loss = np.exp(np.random.default_rng(0).normal(size=50))
    >>> ax = figures.families.replicates(loss, families.fit(loss, family="gamma"), width=0.2, seed=0)
    >>> ax.get_title(loc="left"), len(ax.lines)
    ('gamma', 31)
    """
    width, seed = _checks.positive("width", width), _checks.whole("seed", seed)
    log = _samples.log_losses(loss).values
    if not log.size:
        raise InputError("loss must be finite losses above 0, got none")
    random = np.random.default_rng(seed)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.2)
        low, high = log.min() - 0.5, log.max() + 0.5
        x = np.linspace(low, high, _POINTS)
        for _ in range(_REPLICATES):
            drawn = law.draw(log.size, random)
            # Losses without a logarithm are missing: the curve encloses less than 1.
            kept = np.log(drawn[drawn > 0])
            kept = kept[(kept > low) & (kept < high)]
            if kept.size:
                grid, height = density.kde(kept, width=width)
                height = np.interp(x, grid, height) * kept.size / drawn.size
                ax.plot(x, height, color=_COLORS[law.family], linewidth=0.35, alpha=0.5)
        grid, height = density.kde(log, width=width)
        ax.plot(x, np.interp(x, grid, height), color=style.BLACK, linewidth=1.1)
        ax.set(xlim=(low, high), xlabel="log loss", ylabel="density")
        ax.set_ylim(bottom=0)
        ax.set_title(law.family)
    return ax


def scores(comparison: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw by how much each family predicts held-out draws better than the log-normal, with two standard errors.

    Parameters
    ----------
    comparison : xarray.Dataset, ([probability, ]family)
        What `analysis.families.compare` returns, for one probability or several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        A row a family, a marker for each probability with whiskers of two standard errors; right of 0 the family
        predicts better than the log-normal.

    Raises
    ------
    TypeError
        If `comparison` is no Dataset.
    ValueError
        If it lacks a variable or the dimension `family`.

    See Also
    --------
    analysis.families.compare : Makes the argument.

    Examples
    --------
    >>> from analysis import figures
    >>> family, values = ["log-normal", "normal", "gamma"], {"difference": ("family", [0.0, -0.3, -0.1])}
    >>> comparison = xr.Dataset(values, {"family": family}).assign(difference_error=("family", [0.0, 0.1, 0.05]))
    >>> ax = figures.families.scores(comparison)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['normal', 'gamma']
    """
    _checks.dataset_with("comparison", comparison, ("difference", "difference_error"), ("family",))
    rows = comparison if "probability" in comparison.dims else comparison.expand_dims(probability=[np.nan])
    names = [str(name) for name in rows["family"].values[1:]]
    place = np.arange(len(names))[::-1]
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.2)
        ax.axvline(0, color=style.GREY, linewidth=0.8)
        count = rows.sizes["probability"]
        for index in range(count):
            one = rows.isel(probability=index, family=slice(1, None))
            p = float(one["probability"])
            ax.errorbar(
                one["difference"],
                place + 0.5 * ((count - 1) / 2 - index) / count,
                xerr=2 * one["difference_error"],
                fmt=style.MARKERS[index % len(style.MARKERS)],
                markersize=3,
                capsize=2,
                linewidth=1,
                color=style.CYCLE[index % len(style.CYCLE)],
                label=f"$p$ = {p:g}" if np.isfinite(p) else None,
            )
        ax.set_yticks(place, names)
        ax.set_xlabel("score less the log-normal's\n(nats a draw)")
        if count > 1 or np.isfinite(rows["probability"]).all():
            ax.legend(loc="best", fontsize=7, handletextpad=0.2, borderaxespad=0.1)
    return ax


def overview(loss: Any, comparison: xr.Dataset, *, width: float = density.WIDTH) -> Figure:
    """Draw replicated samples of every family and the scores, six panels.

    Parameters
    ----------
    loss : array_like, xarray.DataArray or xarray.Dataset
        Draws of one probability.
    comparison : xarray.Dataset, ([probability, ]family)
        What `analysis.families.compare` returns.
    width : float
        Standard deviation of the Gaussian kernel, in units of the log loss.

    Returns
    -------
    matplotlib.figure.Figure
        Two rows of three: a panel a family, and the scores.

    Raises
    ------
    TypeError
        If the losses are no real numbers, or `comparison` is no Dataset.
    ValueError
        If there are fewer than 5 usable losses, or `comparison` lacks a variable.

    See Also
    --------
    replicates, scores : The panels.

    Examples
    --------
    >>> from analysis import figures
    >>> loss = np.exp(np.random.default_rng(0).normal(size=20))
    >>> scores = {"difference": ("family", [0.0, -0.3]), "difference_error": ("family", [0.0, 0.1])}
    >>> comparison = xr.Dataset(scores, {"family": ["log-normal", "normal"]})
    >>> figure = figures.families.overview(loss, comparison, width=0.3)
    >>> len(figure.axes)
    6
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.2, 2, 3)
        for ax, family in zip(axes, FAMILIES, strict=False):
            replicates(loss, families.fit(loss, family), width=width, ax=ax)
        top = max(ax.get_ylim()[1] for ax in axes[: len(FAMILIES)])
        for index, ax in enumerate(axes[: len(FAMILIES)]):
            ax.set_ylim(0, top)
            if index % 3:
                ax.set_ylabel("")
        scores(comparison, ax=axes[-1])
        style.letter(axes)
    return figure
