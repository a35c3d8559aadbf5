"""How good single choices are: whether they are the best, what they cost, and what was predicted."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis.figures import _axes, _curves, _names, style
from sweeps._studies.shrinking.figures import looks
from sweeps._studies.shrinking.measures.paths import choices
from sweeps._studies.shrinking.names import METHODS, RANKING_NAMES, RANKINGS, in_order, method_name

#: Changes are drawn on a scale that is linear up to this quantile of their sizes and logarithmic beyond.
LINEAR = 0.2


def overview(paths: xr.Dataset, unit: str) -> Figure:
    """Draw the share of choices that were the best so far, and what the others cost in all.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths, see `measures.paths.choices`.
    unit : str
        Unit of the loss.

    Returns
    -------
    matplotlib.figure.Figure
        Re-ranked, means over networks with their 95 % intervals. On the left the share, so far, of choices for which no
        removal was cheaper; on the right the cumulative regret: what the removals so far cost more than the cheapest
        ones at each step would have. Its axis is logarithmic: a line starts at the first regret.
    """
    data = choices(paths).sel(ranking="reranked")
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.5, 1, 2)
        for method in [one for one in in_order(data["ranked_by"].values.tolist()) if one in (*METHODS, "random")]:
            for ax, name in zip(axes, ("share_best", "total_regret"), strict=True):
                one = data[name].sel({"ranked_by": method}, drop=True).drop_vars("ranking", errors="ignore")
                _curves.banded(ax, one, _names.entry(method_name(method)), alpha=0.2, **looks.line(method))
        for ax in axes:
            looks.removed_axis(ax, data.sizes["removal"] + 1)
        _curves.accuracy_axis(axes[0], "choices that are the best (%)")
        if (data["total_regret"] > 0).any():
            axes[1].set_yscale("log", nonpositive="mask")
            _curves.plain_powers(axes[1])
        axes[1].set_ylabel(f"cumulative regret ({_names.as_is(unit)})")
        looks.legend(figure, axes[0])
        style.letter(axes)
    return figure


def predicted(paths: xr.Dataset, method: str, ranking: str, linear: float, ax: Axes | None = None) -> Axes:
    """Draw the predicted change of the loss against the true one, a point for each removal.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths of one network: `predicted` and `change` (ranked_by, ranking, removal).
    method, ranking : str
        Which path.
    linear : float
        The axes are linear up to this change, in the loss's unit, and logarithmic beyond.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Points go from dark to light with the removals. On the grey line, which spans the changes of all paths, the
        prediction is right.
    """
    one = paths.sel({"ranked_by": method, "ranking": ranking})
    change, score = one["change"].values, one["predicted"].values
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.6)
        for axis in ("x", "y"):
            getattr(ax, f"set_{axis}scale")("symlog", linthresh=linear, linscale=0.6)
            getattr(ax, f"{axis}axis").set_minor_locator(NullLocator())
        ax.scatter(change, score, c=np.arange(change.size), cmap="cividis", s=9, linewidths=0)
        every = np.concatenate([paths["change"].values.ravel(), [0.0]])
        low, high = float(every.min()), float(every.max())
        ax.plot([low, high], [low, high], color=style.GREY, linewidth=0.7, zorder=0.5)
        ax.set_xticks(_ticks(low, high, linear))
        ax.set_yticks(_ticks(low, high, linear))
        ax.axhline(0, color=style.LIGHT_GREY, linewidth=0.6, zorder=0.4)
        ax.axvline(0, color=style.LIGHT_GREY, linewidth=0.6, zorder=0.4)
    return ax


def _ticks(low: float, high: float, linear: float) -> list[float]:
    """Zero and on either side of it up to two powers of ten, which leave room for their labels."""
    found = [0.0]
    for sign, end in ((-1, -low), (1, high)):
        top = int(np.floor(np.log10(end))) if end > 0 else -400
        found += [sign * 10.0**power for power in (top, top - 2) if 10.0**power > 5 * linear]
    return sorted(found)


def predictions(paths: xr.Dataset, unit: str) -> Figure:
    """Draw predicted against true change of the loss, a panel for each method and ranking.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths of one network: `predicted` and `change` (ranked_by, ranking, removal).
    unit : str
        Unit of the loss.

    Returns
    -------
    matplotlib.figure.Figure
        Brute force re-ranked is left out: its prediction is the measurement.
    """
    sizes = np.abs(paths["change"].values)
    linear = 10.0 ** np.floor(np.log10(np.quantile(sizes[sizes > 0], LINEAR)))
    panels = [(ranking, method) for ranking in RANKINGS for method in METHODS]
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.6, 2, 3, sharex=True, sharey=True)
        for ax, (ranking, method) in zip(axes, panels, strict=True):
            if (ranking, method) == ("reranked", "brute_force"):
                ax.set_visible(False)
                continue
            predicted(paths, method, ranking, linear, ax)
            ax.set_title(f"{_names.as_is(method_name(method))}, {RANKING_NAMES[ranking]}")
        # Beside the panel that is left out.
        axes[0].tick_params(labelbottom=True)
        axes[4].tick_params(labelleft=True)
        shown = [ax for ax in axes if ax.get_visible()]
        style.letter(shown)
        shades = ScalarMappable(Normalize(0, paths.sizes["removal"] - 1), "cividis")
        options: dict[str, Any] = dict(location="right", aspect=40, pad=0.015, fraction=0.03)
        _axes.colour_bar(shades, axes, "nodes removed before", **options)
        figure.supxlabel(f"true change of the loss ({_names.as_is(unit)})", fontsize=9)
        figure.supylabel(f"predicted change ({_names.as_is(unit)})", fontsize=9)
    return figure
