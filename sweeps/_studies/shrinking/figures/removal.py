"""Error and accuracy against the nodes removed, by each method, ranked once and again after each removal."""

from collections.abc import Sequence
from typing import Literal

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import _axes, _curves, _names, style
from sweeps._studies.shrinking.figures import looks
from sweeps._studies.shrinking.names import METHODS, RANKING_NAMES, in_order, method_name

Name = Literal["loss", "accuracy", "test_accuracy"]


def curve(
    paths: xr.Dataset,
    name: Name = "loss",
    ranking: str = "reranked",
    label: str = "loss (nats)",
    ax: Axes | None = None,
    methods: Sequence[str] | None = None,
) -> Axes:
    """Draw one quantity against the nodes removed, a line for each method.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths: `name` (network, ranked_by, ranking, step).
    name : {"loss", "accuracy", "test_accuracy"}
        Which quantity.
    ranking : {"single_pass", "reranked"}
        Whether nodes were ranked once or again after each removal.
    label : str
        Label of the axis of losses, with its unit.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.
    methods : sequence of str, optional
        Which methods; those of the paper and random choices when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Means over the networks, with 95 % intervals as bands. A loss that spans more than a factor of 8 has a
        logarithmic axis.
    """
    data = paths[name].sel(ranking=ranking)
    found = in_order(data["ranked_by"].values.tolist())
    chosen = [one for one in found if one in (methods or (*METHODS, "random"))]
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        for method in chosen:
            values = data.sel({"ranked_by": method}, drop=True).drop_vars("ranking", errors="ignore")
            _curves.banded(ax, values, _names.entry(method_name(method)), alpha=0.2, **looks.line(method))
        looks.removed_axis(ax, data.sizes["step"] - 1)
        if name == "loss":
            _curves.loss_axis(ax, paths["loss"].mean("network"), label)
        else:
            _curves.accuracy_axis(ax, "accuracy (%)" if name == "accuracy" else "test accuracy (%)")
    return ax


def overview(paths: xr.Dataset, label: str, methods: Sequence[str] | None = None) -> Figure:
    """Draw error and accuracy side by side, ranked once above and re-ranked below.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths: `loss` and `accuracy` (network, ranked_by, ranking, step).
    label : str
        Label of the axis of losses, with its unit.
    methods : sequence of str, optional
        As for `curve`.

    Returns
    -------
    matplotlib.figure.Figure
        Without accuracies, as in a regression, the rankings side by side.
    """
    names: list[Name] = ["loss"] if paths["accuracy"].isnull().all() else ["loss", "accuracy"]
    rankings = [str(one) for one in paths["ranking"].values]
    with style.context():
        if len(names) == 1:
            figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, len(rankings), sharey=True)
        else:
            figure, axes = style.new_figure(style.DOUBLE, 0.4 + 2.15 * len(rankings), len(rankings), 2, sharex=True)
        panels = [(ranking, name) for ranking in rankings for name in names]
        for ax, (ranking, name) in zip(axes, panels, strict=True):
            curve(paths, name, ranking, label, ax, methods)
            ax.set_title(RANKING_NAMES[ranking])
            if len(names) == 2 and ranking != rankings[-1]:
                ax.set_xlabel("")
        for ax in axes[1:] if len(names) == 1 else ():
            ax.set_ylabel("")
        looks.legend(figure, axes[0])
        style.letter(axes)
    return figure
