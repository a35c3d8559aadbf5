"""The output of networks over the input plane with the data, a panel each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.errors import InputError
from analysis.figures import style
from analysis.figures.plane import CERTAINTY

#: Examples of the training set that are drawn, at most: more hide the picture.
EXAMPLES = 400


class Panel(NamedTuple):
    """One network's picture.

    Attributes
    ----------
    title : str
    maps : xarray.Dataset, (y, x)
        What `analysis.plane.maps` returns.
    accuracy, loss : float
        On the test set; NaN is left out.
    """

    title: str
    maps: xr.Dataset
    accuracy: float
    loss: float


def _short(value: float) -> str:
    """Write a loss in two digits, a small one with a power of ten."""
    mantissa, _, power = f"{value:.2g}".partition("e")
    return rf"${mantissa}\times10^{{{int(power)}}}$" if power else mantissa


def _caption(panel: Panel) -> str:
    parts = [f"{100 * panel.accuracy:.1f} %"] if np.isfinite(panel.accuracy) else []
    parts += [f"loss {_short(panel.loss)}"] if np.isfinite(panel.loss) else []
    return "\n".join([panel.title, ", ".join(parts)])


def picture(ax: Axes, panel: Panel, task: xr.Dataset | None = None) -> Any:
    """Draw one network's probability of class 1, the line where it changes its mind, and training examples.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    panel : Panel
    task : xarray.Dataset, optional
        With `train_inputs`, `train_targets`.

    Returns
    -------
    matplotlib.image.AxesImage
    """
    maps = panel.maps
    x, y = maps["x"].values, maps["y"].values
    half = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    extent = (x[0] - half[0], x[-1] + half[0], y[0] - half[1], y[-1] + half[1])
    values = maps["certainty"].transpose("y", "x").values
    image = ax.imshow(
        values, origin="lower", extent=extent, interpolation="nearest", cmap=CERTAINTY.reversed(), vmin=0, vmax=1
    )
    if values.min() < 0.5 < values.max():
        ax.contour(x, y, values, [0.5], colors=[style.BLACK], linewidths=0.7)
    if task is not None:
        points, classes = task["train_inputs"].values[:EXAMPLES], task["train_targets"].values[:EXAMPLES]
        for label, (marker, face) in enumerate((("o", style.VERMILLION), ("s", style.SKY))):
            some = points[classes == label]
            # White edges: both colours stand out from both ends of the scale.
            ax.plot(
                *some.T, marker, color=face, markersize=1.9, markeredgewidth=0.25, markeredgecolor="white", alpha=0.9
            )
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
    ax.set_title(_caption(panel), fontsize=8)
    ax.tick_params(labelsize=7)
    ax.locator_params(nbins=4)
    return image


def gallery(rows: Sequence[Sequence[Panel | None]], task: xr.Dataset | None = None) -> Figure:
    """Draw pictures in rows.

    Parameters
    ----------
    rows : sequence of sequences of Panel or None
        None leaves a place empty.
    task : xarray.Dataset, optional
        For the examples.

    Returns
    -------
    matplotlib.figure.Figure
        With letters, row by row, and one scale of colours.

    Raises
    ------
    ValueError
        If there is nothing to draw.
    """
    columns = max((len(row) for row in rows), default=0)
    if not any(panel is not None for row in rows for panel in row):
        raise InputError("rows: expected one picture or more, got none")
    with style.context():
        width = (style.DOUBLE - 0.6) / columns
        figure, axes = style.new_figure(
            style.DOUBLE, len(rows) * (width + 0.38) + 0.25, len(rows), columns, sharex=True, sharey=True
        )
        drawn: list[Axes] = []
        image: Any = None
        for row, panels in enumerate(rows):
            for column in range(columns):
                ax, panel = axes[row * columns + column], panels[column] if column < len(panels) else None
                if panel is None:
                    ax.set_axis_off()
                    continue
                image = picture(ax, panel, task)
                # Where a place beside or below is empty, nothing else names the ticks.
                below = rows[row + 1] if row + 1 < len(rows) else []
                ax.tick_params(
                    labelleft=column == 0 or panels[column - 1] is None,
                    labelbottom=column >= len(below) or below[column] is None,
                )
                drawn.append(ax)
        style.letter(drawn)
        for ax in drawn:
            ax.title.set_fontsize(8)
        bar = figure.colorbar(image, ax=list(axes), fraction=0.02, pad=0.01, ticks=[0, 0.5, 1])
        bar.outline.set_visible(False)  # type: ignore[operator]
        bar.set_label("probability of class 1")
        figure.supxlabel("first input", fontsize=9)
        figure.supylabel("second input", fontsize=9)
    return figure
