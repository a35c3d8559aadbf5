"""Error and accuracy against hidden nodes and parameters: networks that were pruned, and networks that grew."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import _curves, _names, style
from sweeps._studies.shrinking.measures.cascade import Grown

#: Shown of the pruned networks: so many times the nodes that the others grow to.
WIDTH = 1.5
_LOOKS: dict[str, dict[str, Any]] = {
    "pruned by brute force": {"color": style.BLUE, "linestyle": "-"},
    "Cascade Correlation": {"color": style.VERMILLION, "linestyle": (0, (5, 1.5))},
    "the same, outputs read nodes alone": {"color": style.BLACK, "linestyle": (0, (1.2, 1.2))},
}


def overview(classes: Grown, values: Grown | None, label: str) -> Figure:
    """Draw error and accuracy against hidden nodes, and the error against parameters.

    Parameters
    ----------
    classes : Grown
        Of the classification.
    values : Grown or None
        Of the regression; its panel is left out where there is none.
    label : str
        Label of the axis of losses, with its unit.

    Returns
    -------
    matplotlib.figure.Figure
        Means over the networks with 95 % intervals.
    """
    panels: list[tuple[Grown, str, bool]] = [
        (classes, "loss", False),
        (classes, "test_accuracy", False),
        (classes, "loss", True),
    ]
    panels += [(values, "loss", False)] if values is not None else []
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.9, 2, 2)
        for ax in axes[len(panels) :]:
            ax.set_visible(False)
        for ax, (found, name, by_parameters) in zip(axes, panels, strict=False):
            lines = _lines(found, name, by_parameters)
            for line, data in lines.items():
                _curves.banded(ax, data, line, alpha=0.2, **_LOOKS[line])
            _label(ax, found, name, by_parameters, label)
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=3)
        style.letter(axes[: len(panels)])
    return figure


def _lines(found: Grown, name: str, by_parameters: bool) -> dict[str, xr.DataArray]:
    """The curves of a panel, (network, along), by name."""
    pruned = found.pruned.curves(name, "brute_force")
    left = found.pruned.nodes - np.arange(pruned.sizes["step"])
    along = found.parameters_with(left) if by_parameters else left
    lines = {"pruned by brute force": pruned.rename(step="along").assign_coords(along=along)}
    for direct, line in ((1, "Cascade Correlation"), (0, "the same, outputs read nodes alone")):
        data = found.data.sel(direct=direct, drop=True)
        along = data["parameters"].values if by_parameters else data["size"].values
        lines[line] = data[name].drop_vars("size").rename(size="along").assign_coords(along=along)
    return {line: data.transpose("network", "along") for line, data in lines.items()}


def _label(ax: Axes, found: Grown, name: str, by_parameters: bool, label: str) -> None:
    ax.set_title(_names.as_is(found.task))
    ax.set_xlabel("parameters" if by_parameters else "hidden nodes")
    widest = int(min(WIDTH * found.most, found.pruned.nodes))
    ax.set_xlim(0, int(found.parameters_with(np.asarray(widest))) if by_parameters else widest)
    if name == "loss":
        drawn = [found.data["loss"].values.ravel(), found.pruned.curves("loss", "brute_force").values[:, :-1].ravel()]
        _curves.loss_axis(ax, np.concatenate(drawn), f"training {label}")
    else:
        _curves.accuracy_axis(ax, "test accuracy (%)")
