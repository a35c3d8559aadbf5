"""The output of networks over the input plane with the data: a panel each, and films of trainings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import perceptron, plane
from analysis.figures import _axes, style
from analysis.figures.plane import CERTAINTY, animation
from sweeps._studies.spiral.figures.looks import SHORT
from sweeps._studies.spiral.measures import Results
from sweeps._studies.spiral.names import ARMS, COMPENSATED

#: Points a side of the pictures.
POINTS = 121
#: Frames of a film, at most, and points a side of them.
FRAMES, FILM_POINTS = 26, 81
#: Examples of a data set that are drawn, at most: more hide the picture.
EXAMPLES = 400


class Panel(NamedTuple):
    """One network's picture.

    Attributes
    ----------
    title : str
    maps : xarray.Dataset, (y, x)
        What `analysis.plane.maps` returns.
    accuracy, loss : float
        On the test set.
    """

    title: str
    maps: xr.Dataset
    accuracy: float
    loss: float


def published(results: Results) -> Figure:
    """Draw what the publication shows, in its order, and a training in another order of the examples."""
    rows = _pruned(results, COMPENSATED)
    for row, (arm, title) in zip(rows, {"trained": "trained", "reshuffled": "other order"}.items(), strict=True):
        row.insert(0, _panel(results, title, results.full.sel(arm=arm)))
    return gallery(rows, results.task)


def uncompensated(results: Results) -> Figure:
    """Draw the pruned networks without bias compensation."""
    return gallery(_pruned(results, "without"))


def _pruned(results: Results, compensation: str) -> list[list[Panel]]:
    """Make a row a kind: of its first choice, a panel an arm."""
    return [
        [
            _panel(
                results,
                f"{SHORT[kind]}: {words}",
                results.pruned.sel(arm=arm, choice=choices[0], compensation=compensation),
            )
            for arm, words in ARMS.items()
        ]
        for kind, choices in results.choices.items()
    ]


def _panel(results: Results, title: str, data: xr.Dataset) -> Panel:
    first = data.isel(network=0)
    return Panel(title, _maps(results, first, POINTS), float(first["accuracy"]), float(first["loss"]))


def _maps(results: Results, network: xr.Dataset, points: int) -> xr.Dataset:
    """Evaluate a stored network on a grid as wide as the store's."""
    reach = float(np.abs(results.full["x"].values).max())
    return plane.maps(
        perceptron.from_dataset(network.assign_attrs(results.full.attrs)), plane.grid(limit=reach, points=points)
    )


def film(results: Results, name: str, path: Path) -> Path:
    """Write the film of a training: its checkpoints, evenly thinned to `FRAMES` at most."""
    data = results.films[name]
    shown = [
        _maps(results, data.isel(checkpoint=place), FILM_POINTS).assign_coords(epoch=int(data["checkpoint"][place]))
        for place in chosen_frames(data.sizes["checkpoint"])
    ]
    return animation(shown, path, task=results.task.isel(test_example=slice(0, EXAMPLES)))


def chosen_frames(count: int) -> list[int]:
    """Return which of `count` checkpoints are shown: the first, the last, and evenly between.

    Examples
    --------
    >>> chosen_frames(3)
    [0, 1, 2]
    """
    return list(dict.fromkeys(np.linspace(0, count - 1, min(count, FRAMES)).round().astype(int).tolist()))


def _short(value: float) -> str:
    """Write a loss in two digits, a small one with a power of ten."""
    mantissa, _, power = f"{value:.2g}".partition("e")
    return rf"${mantissa}\times10^{{{int(power)}}}$" if power else mantissa


def _draw(ax: Axes, panel: Panel, task: xr.Dataset | None) -> Any:
    """Draw one network's probability of class 1, the line where its decision changes, and training examples."""
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
        _examples(ax, task)
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
    ax.set_title(f"{panel.title}\n{100 * panel.accuracy:.1f} %, loss {_short(panel.loss)}", fontsize=8)
    ax.tick_params(labelsize=7)
    ax.locator_params(nbins=4)
    return image


def _examples(ax: Axes, task: xr.Dataset) -> None:
    points, classes = task["train_inputs"].values[:EXAMPLES], task["train_targets"].values[:EXAMPLES]
    for label, (marker, face) in enumerate((("o", style.VERMILLION), ("s", style.SKY))):
        # White edges: both colours stand out from both ends of the scale.
        ax.plot(
            *points[classes == label].T,
            marker,
            color=face,
            markersize=1.9,
            markeredgewidth=0.25,
            markeredgecolor="white",
            alpha=0.9,
        )


def gallery(rows: Sequence[Sequence[Panel]], task: xr.Dataset | None = None) -> Figure:
    """Draw pictures in rows of one length.

    Parameters
    ----------
    rows : sequence of sequence of Panel
    task : xarray.Dataset, optional
        For the examples.

    Returns
    -------
    matplotlib.figure.Figure
        With letters, row by row, and one scale of colours.
    """
    panels = [panel for row in rows for panel in row]
    columns = len(rows[0])
    with style.context():
        width = (style.DOUBLE - 0.6) / columns
        height = len(rows) * (width + 0.38) + 0.25
        figure, axes = style.new_figure(style.DOUBLE, height, len(rows), columns, sharex=True, sharey=True)
        images = [_draw(ax, panel, task) for ax, panel in zip(axes, panels, strict=True)]
        style.letter(axes)
        for ax in axes:
            ax.title.set_fontsize(8)
        _axes.colour_bar(images[0], axes, "probability of class 1", fraction=0.02, pad=0.01, ticks=[0, 0.5, 1])
        figure.supxlabel("first input", fontsize=9)
        figure.supylabel("second input", fontsize=9)
    return figure
