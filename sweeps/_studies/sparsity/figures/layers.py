"""What pruning leaves of each layer, by what is ranked together."""

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.figures import _names, style
from analysis.figures._curves import banded
from sweeps._studies.sparsity.figures import looks
from sweeps._studies.sparsity.measures import layer_name, methods


def overview(layers: xr.Dataset, sizes: list[int]) -> Figure:
    """Draw the share of each layer that stays against sparsity, for the global scopes.

    Parameters
    ----------
    layers : xarray.Dataset
        `left` (pruned_by, network, percent, layer).
    sizes : list of int
        Inputs, hidden layers, outputs.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each kind, a column for each scope but that within each layer, in which the same is left of all
        layers: the grey line.
    """
    shown = [one for one in methods(layers) if one.scope != "layer"]
    kinds, scopes = (list(dict.fromkeys(getattr(one, name) for one in shown)) for name in ("kind", "scope"))
    with style.context():
        figure, axes = style.new_figure(
            style.DOUBLE, 0.4 + 2.2 * len(kinds), len(kinds), len(scopes), sharex=True, sharey=True
        )
        for ax, one in zip(axes, shown, strict=True):
            left = layers["left"].sel({"pruned_by": one.key}).transpose("layer", "network", "percent")
            ax.plot([0, 100], [1, 0], color=style.GREY, linewidth=0.7, linestyle=(0, (1.2, 1.2)))
            for place, layer in enumerate(layers["layer"].values):
                label = _names.entry(layer_name(str(layer), one.kind, sizes))
                look = {
                    "color": style.CYCLE[place % len(style.CYCLE)],
                    "linestyle": looks.DASHES[place % len(looks.DASHES)],
                }
                banded(ax, left.isel(layer=place), label, **look)
            looks.sparsity_axis(ax, f"sparsity, {one.kind_name} (%)")
            ax.set_ylim(0, 1.02)
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
            ax.set_title(one.scope_name)
            if one.scope == scopes[0]:
                ax.set_ylabel(f"{one.kind_name} that stay (%)")
            # Under the last scope, normalised, all lines are near the diagonal, so there is room below it.
            if one.scope == scopes[-1]:
                ax.legend(loc="lower left", fontsize=7, handlelength=3.2)
        style.letter(axes)
    return figure
