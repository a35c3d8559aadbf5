"""Families of laws beside the losses: replicated samples from each fit, and how well each predicts held-out draws."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import _checks, _samples, density, families
from analysis._errors import InputError
from analysis.families import FAMILIES, Law
from analysis.figures import style

#: Samples drawn from a fitted law, each as large as the data.
REPLICATES = 30
#: Points of a curve.
POINTS = 500
_COLORS = dict(zip(FAMILIES, (style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.PINK), strict=True))


def replicates(loss: Any, law: Law, width: float = density.WIDTH, seed: int = 0, ax: Axes | None = None) -> Axes:
    """Draw the density of the log losses over those of samples that a fitted law would have given.

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
        Of the samples.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Titled with the family.
    """
    width, seed = _checks.positive("width", width), _checks.whole("seed", seed)
    log = _samples.log_losses(loss).values
    if not log.size:
        raise InputError("loss must be finite losses above 0, got none")
    random = np.random.default_rng(seed)
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.2)
        low, high = log.min() - 0.5, log.max() + 0.5
        x = np.linspace(low, high, POINTS)
        for _ in range(REPLICATES):
            drawn = law.draw(log.size, random)
            # Losses without a logarithm are missing: the curve encloses less than 1.
            kept = np.log(drawn[drawn > 0])
            kept = kept[(kept > low) & (kept < high)]
            if kept.size:
                grid, height = density.kde(kept, width)
                height = np.interp(x, grid, height) * kept.size / drawn.size
                ax.plot(x, height, color=_COLORS[law.family], linewidth=0.35, alpha=0.5)
        grid, height = density.kde(log, width)
        ax.plot(x, np.interp(x, grid, height), color=style.BLACK, linewidth=1.1)
        ax.set(xlim=(low, high), xlabel="log loss", ylabel="density")
        ax.set_ylim(bottom=0)
        ax.set_title(law.family)
    return ax


def scores(comparison: xr.Dataset, ax: Axes | None = None) -> Axes:
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
    """
    _checks.dataset_with("comparison", comparison, ("difference", "difference_error"), ("family",))
    rows = comparison if "probability" in comparison.dims else comparison.expand_dims(probability=[np.nan])
    names = [str(name) for name in rows["family"].values[1:]]
    place = np.arange(len(names))[::-1]
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.2)
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


def overview(loss: Any, comparison: xr.Dataset, width: float = density.WIDTH) -> Figure:
    """Draw replicated samples of every family and the scores, six panels.

    Parameters
    ----------
    loss : array_like, xarray.DataArray or xarray.Dataset
        Draws of one probability.
    comparison : xarray.Dataset, ([probability, ]family)
        What `analysis.families.compare` returns.
    width : float
        Of the kernel.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.2, 2, 3)
        for ax, family in zip(axes, FAMILIES, strict=False):
            replicates(loss, families.fit(loss, family), width, ax=ax)
        top = max(ax.get_ylim()[1] for ax in axes[: len(FAMILIES)])
        for index, ax in enumerate(axes[: len(FAMILIES)]):
            ax.set_ylim(0, top)
            if index % 3:
                ax.set_ylabel("")
        scores(comparison, axes[-1])
        style.letter(axes)
    return figure
