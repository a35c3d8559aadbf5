"""What pruning leaves of each layer, by what is ranked together."""

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.errors import InputError
from analysis.figures import style
from sweeps.studies.sparsity.figures import looks
from sweeps.studies.sparsity.measures import SCOPE_NAMES, layer_name, methods, scope_name


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
        A row for each kind, a column for each scope beside that within each layer, where all layers are the same: the
        grey line.

    Raises
    ------
    ValueError
        If there is no global scope.
    """
    found = [one for one in methods(layers) if one.scope != "layer"]
    if not found:
        raise InputError("layers: expected a global scope, got none")
    order = [*SCOPE_NAMES, *(one.scope for one in found)]
    scopes = sorted({one.scope for one in found}, key=order.index)
    kinds = list(dict.fromkeys(one.kind for one in found))
    names = [str(name) for name in layers["layer"].values]
    with style.context():
        figure, axes = style.new_figure(
            style.DOUBLE, 0.4 + 2.2 * len(kinds), len(kinds), len(scopes), sharex=True, sharey=True
        )
        for one in found:
            ax = axes[kinds.index(one.kind) * len(scopes) + scopes.index(one.scope)]
            data = layers["left"].sel({"pruned_by": one.key})
            ax.plot([0, 100], [1, 0], color=style.GREY, linewidth=0.7, linestyle=(0, (1.2, 1.2)))
            for place, layer in enumerate(names):
                values = data.isel(layer=place).transpose("network", "percent")
                label = style.entry(layer_name(layer, one.kind, sizes))
                looks.banded(ax, values, label, color=style.CYCLE[place % len(style.CYCLE)])
            looks.sparsity_axis(ax, f"sparsity, {one.kind} (%)")
            ax.set_ylim(0, 1.02)
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
            ax.set_title(style.as_is(scope_name(one.scope)))
            if scopes.index(one.scope) == 0:
                ax.set_ylabel(f"{one.kind} that stay (%)")
            # Normalised, the last one, all are near the diagonal: there is room below it.
            if scopes.index(one.scope) == len(scopes) - 1:
                ax.legend(loc="lower left", fontsize=7)
        style.letter(axes)
    return figure
