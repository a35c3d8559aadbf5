"""Before and after fine-tuning."""

import xarray as xr
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures._curves import accuracy_axis, banded
from sweeps._studies.sparsity.figures import looks
from sweeps._studies.sparsity.measures import KIND_NAMES, KINDS, PUBLISHED, shown


def overview(before: xr.Dataset, after: xr.Dataset, mean: xr.DataArray) -> Figure:
    """Draw accuracy before and after fine-tuning, by heuristic within each layer.

    Parameters
    ----------
    before, after : xarray.Dataset
        `accuracy` (pruned_by, network, percent); what `after` has is drawn.
    mean : xarray.DataArray, (pruned_by, network)
        Mean accuracies before fine-tuning, by which `measures.shown` chooses the heuristics.

    Returns
    -------
    matplotlib.figure.Figure
        The published ways, before (dashed) and after (solid), above; below, heuristics after fine-tuning, their
        error on a logarithmic axis.
    """
    before = before.sel(percent=after["percent"].values)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 5.2, 2, 2, sharey="row")
        for column, kind in enumerate(KINDS):
            for data, label, dashes in ((before, "before", (0, (4, 2))), (after, "after", "-")):
                values = data["accuracy"].sel({"pruned_by": PUBLISHED[kind]}).transpose("network", "percent")
                banded(axes[column], values, f"{KIND_NAMES[kind]}, {label}", color=looks.KIND_COLORS[kind],
                       linestyle=dashes, marker="o", markersize=2.6)  # fmt: skip
            axes[column].legend(loc="lower left", handlelength=3.2)
            several = [one for one in shown(mean, kind) if one.key in after["pruned_by"].values]
            for one in several:
                values = 1 - after["accuracy"].sel({"pruned_by": one.key}).transpose("network", "percent")
                options = looks.heuristic(one.by) | {"alpha": looks.alpha_of(len(several))}
                banded(axes[2 + column], values, one.by_name, **options)
            axes[2 + column].legend(loc="upper left", handlelength=3.2)
            for ax in axes[column::2]:
                looks.sparsity_axis(ax, f"sparsity, {KIND_NAMES[kind]} (%)")
        accuracy_axis(axes[0])
        error = 1 - after["accuracy"].mean("network")
        # A logarithmic axis does not reach zero, and the networks may make no error at all.
        least = float(error.where(error > 0).min())
        looks.error_axis(axes[2], 0.7 * least if least > 0 else 1e-3)
        style.letter(axes)
    return figure
