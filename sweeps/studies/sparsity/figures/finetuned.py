"""Before and after fine-tuning."""

import xarray as xr
from matplotlib.figure import Figure

from analysis.figures import style
from sweeps.studies.shrinking.figures.looks import accuracy_axis
from sweeps.studies.sparsity.figures import looks
from sweeps.studies.sparsity.measures import KINDS, by_name, methods


def overview(before: xr.Dataset, after: xr.Dataset) -> Figure:
    """Draw accuracy before and after fine-tuning, by heuristic within each layer.

    Parameters
    ----------
    before, after : xarray.Dataset
        `accuracy` (pruned_by, network, percent); the methods and percentages of `after` are drawn, those of `before` as
        far as they are there.

    Returns
    -------
    matplotlib.figure.Figure
        The published ways, before (dashed) and after (solid), above; below, every heuristic after fine-tuning, its
        error on a logarithmic axis.
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 5.2, 2, 2, sharey="row")
        for column, kind in enumerate(KINDS):
            shown = methods(after, kind, "layer")
            for one in (one for one in shown if one.published):
                for data, label, dashes in ((before, "before", (0, (4, 2))), (after, "after", "-")):
                    values = data["accuracy"].sel({"pruned_by": one.key}).transpose("network", "percent")
                    values = values.sel(percent=[p for p in values["percent"].values if p in after["percent"].values])
                    color = looks.KIND_COLORS[kind]
                    looks.banded(axes[column], values, f"{kind}, {label}", color=color, linestyle=dashes, marker="o",
                                 markersize=2.6)  # fmt: skip
            for one in shown:
                values = after["accuracy"].sel({"pruned_by": one.key}).transpose("network", "percent")
                looks.banded(
                    axes[2 + column],
                    1 - values,
                    style.entry(by_name(one.by)),
                    alpha=looks.alpha_of(len(shown)),
                    **looks.heuristic(one.by),
                )
            for ax in axes[column::2]:
                looks.sparsity_axis(ax, f"sparsity, {kind} (%)")
            if any(one.published for one in shown):
                axes[column].legend(loc="lower left", handlelength=3.2)
            if shown:
                handles, labels = axes[2 + column].get_legend_handles_labels()
                style.legend_above(axes[2 + column], dict(zip(labels, handles, strict=True)), columns=2)
        accuracy_axis(axes[0])
        error = 1 - after["accuracy"].mean("network")
        # Not down to zero: a logarithm has no such end, and networks may make no error.
        least = float(error.where(error > 0).min())
        looks.error_axis(axes[2], 0.7 * least if least > 0 else 1e-3)
    return figure
