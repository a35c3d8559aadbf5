"""Error and accuracy against the nodes removed, by each method, ranked once and again after each removal."""

from typing import Literal

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import curves, style
from sweeps.studies.shrinking.figures import looks
from sweeps.studies.shrinking.names import RANKING_NAMES, RANKINGS, in_order, method_name

Name = Literal["loss", "accuracy", "test_accuracy"]


def curve(
    paths: xr.Dataset,
    name: Name = "loss",
    ranking: str = "reranked",
    label: str = "loss (nats)",
    ax: Axes | None = None,
) -> Axes:
    """Draw one quantity against the nodes removed, a line for each method.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths: `name` (ranked_by, ranking, step).
    name : {"loss", "accuracy", "test_accuracy"}
        Which quantity.
    ranking : {"single_pass", "reranked"}
        Whether nodes were ranked once or again after each removal.
    label : str
        Label of the axis of losses, with its unit.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Methods that are there for comparison are thin and dotted. A loss that spans more than a factor of 8 has a
        logarithmic axis.
    """
    data = paths[name].sel(ranking=ranking)
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.4)
        for method in in_order(data["ranked_by"].values.tolist()):
            values = data.sel({"ranked_by": method})
            ax.plot(values["step"], values, label=style.entry(method_name(method)), **looks.line(method))
        looks.removed_axis(ax, data.sizes["step"] - 1)
        if name == "loss":
            curves.loss_axis(ax, paths[name], label)
        else:
            curves.accuracy_axis(ax, "accuracy (%)" if name == "accuracy" else "test accuracy (%)")
    return ax


def overview(paths: xr.Dataset, label: str) -> Figure:
    """Draw error and accuracy side by side, ranked once above and re-ranked below.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths: `loss` and `accuracy` (ranked_by, ranking, step).
    label : str
        Label of the axis of losses, with its unit.

    Returns
    -------
    matplotlib.figure.Figure
        Without accuracies, as in a regression, the two rankings side by side.
    """
    names: list[Name] = ["loss"] if paths["accuracy"].isnull().all() else ["loss", "accuracy"]
    with style.context():
        if len(names) == 1:
            figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, 2, sharey=True)
        else:
            figure, axes = style.new_figure(style.DOUBLE, 4.7, 2, 2, sharex=True)
        panels = [(ranking, name) for ranking in RANKINGS for name in names]
        for ax, (ranking, name) in zip(axes, panels, strict=True):
            curve(paths, name, ranking, label, ax)
            ax.set_title(RANKING_NAMES[ranking])
            if len(names) == 2 and ranking != RANKINGS[-1]:
                ax.set_xlabel("")
        if len(names) == 1:
            axes[1].set_ylabel("")
        looks.legend(figure, axes[0], 4 if paths.sizes["ranked_by"] > 5 else 5)
        style.letter(axes)
    return figure
