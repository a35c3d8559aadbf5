"""The input plane: certainty, loss, what every node does where, and how the certainty grew in training."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from PIL import Image

from analysis import _checks
from analysis._errors import InputError
from analysis._formatting import short_labels
from analysis.figures import _axes, _names, style

__all__ = [
    "CERTAINTY",
    "CLIPPED",
    "LOSS",
    "LOWEST_LOSS",
    "POINTS",
    "animation",
    "certainty",
    "loss",
    "masks",
    "nodes",
    "overview",
]

#: Navy to yellow, even in lightness, the same to all kinds of colour vision.
CERTAINTY = colormaps["cividis"]
LOSS = colormaps["inferno"]
#: Marker and colour of the points of each of two classes.
POINTS = (("o", style.VERMILLION), ("s", style.SKY))
#: Losses below this are drawn like it: differences among right and certain answers are of no interest.
LOWEST_LOSS = 1e-3
#: Of films: colours, dots per inch, and milliseconds a frame; the last one stays longer.
_COLORS, _FILM_DPI, _FRAME_TIME = 200, 120, 250
#: The largest gate gradients, a share of all, are drawn in the last colour, so that few do not pale the rest.
CLIPPED = 0.01


def _image(ax: Axes, values: xr.DataArray, **options: Any) -> Any:
    x, y = values["x"].values, values["y"].values
    half = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    extent = (x[0] - half[0], x[-1] + half[0], y[0] - half[1], y[-1] + half[1])
    image = ax.imshow(values.values, origin="lower", extent=extent, interpolation="nearest", **options)
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
    return image


def _truth(ax: Axes, task: xr.Dataset | None, data: bool, color: str = "white") -> None:
    """Draw the true boundary, if the task states one, and the test points by class."""
    if task is None:
        return
    if "radius" in task.attrs:
        ax.add_patch(Circle((0, 0), float(task.attrs["radius"]), fill=False, color=color, linewidth=1.0))
    if data:
        points, classes = task["test_inputs"].values, task["test_targets"].values
        for label, (marker, face) in enumerate(POINTS):
            some = points[classes == label]
            ax.plot(*some.T, marker, color=face, markersize=1.6, markeredgewidth=0, alpha=0.8, linestyle="none")


def _bar(ax: Axes, image: Any, label: str, **options: Any) -> None:
    _axes.colour_bar(image, ax, label, fraction=0.05, pad=0.03, **options)


def _decision(ax: Axes, maps: xr.Dataset) -> Any:
    """Draw the line where the decision changes; none where it changes nowhere."""
    values = maps["certainty"].values
    # Without a line there is nothing to draw, of which matplotlib would warn.
    levels = [0.5] if values.min() < 0.5 < values.max() else []
    look: dict[str, Any] = {"colors": [style.BLACK], "linewidths": 0.8, "linestyles": "--"}
    return ax.contour(maps["x"], maps["y"], values, levels, **look)


def certainty(maps: xr.Dataset, *, task: xr.Dataset | None = None, data: bool = True, ax: Axes | None = None) -> Axes:
    """Draw how certain the network is of class 1, with the true boundary and the test points.

    Parameters
    ----------
    maps : xarray.Dataset, (y, x)
        What `analysis.plane.maps` returns.
    task : xarray.Dataset, optional
        A run's group ``task``, for the true boundary (if it has a `radius`) and the test points.
    data : bool
        Whether the test points are drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Blue for class 1, yellow for class 0; the dashed line is where the network decides otherwise.

    Raises
    ------
    TypeError
        If `maps` is no Dataset.
    ValueError
        If it lacks `certainty` or a dimension.

    See Also
    --------
    loss : What the certainty costs where.
    masks : Under several masks.

    Examples
    --------
    >>> from analysis import figures
    >>> maps = xr.Dataset({"certainty": (("y", "x"), [[0.1, 0.9], [0.2, 0.8]])}, {"x": [-1.0, 1.0], "y": [-1.0, 1.0]})
    >>> figures.plane.certainty(maps).get_xlabel()
    'first input'
    """
    _checks.dataset_with("maps", maps, ("certainty",), ("y", "x"))
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.7)
        image = _image(ax, maps["certainty"], cmap=CERTAINTY.reversed(), vmin=0, vmax=1)
        _bar(ax, image, "probability of class 1", ticks=[0, 0.5, 1])
        _truth(ax, task, data)
        _decision(ax, maps)
        ax.set(xlabel="first input", ylabel="second input")
    return ax


def loss(maps: xr.Dataset, *, task: xr.Dataset | None = None, ax: Axes | None = None) -> Axes:
    """Draw the loss of every point of the plane, on a logarithmic scale of colours.

    Parameters
    ----------
    maps : xarray.Dataset, (y, x)
        What `analysis.plane.maps` returns with classes.
    task : xarray.Dataset, optional
        A run's group ``task``, for the true boundary (if it has a `radius`).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Losses below 0.001 have the colour of 0.001.

    Raises
    ------
    TypeError
        If `maps` is no Dataset.
    ValueError
        If it lacks `loss` or a dimension.

    See Also
    --------
    certainty : What the network says.

    Examples
    --------
    >>> from analysis import figures
    >>> maps = xr.Dataset({"loss": (("y", "x"), [[0.1, 0.9], [0.2, 0.8]])}, {"x": [-1.0, 1.0], "y": [-1.0, 1.0]})
    >>> figures.plane.loss(maps).get_ylabel()
    'second input'
    """
    _checks.dataset_with("maps", maps, ("loss",), ("y", "x"))
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.7)
        values = maps["loss"].clip(min=LOWEST_LOSS)
        top = max(float(values.max()), 10 * LOWEST_LOSS)
        image = _image(ax, values, cmap=LOSS, norm=LogNorm(LOWEST_LOSS, top))
        _bar(ax, image, "loss (nats)", extend="min")
        _truth(ax, task, data=False)
        ax.set(xlabel="first input", ylabel="second input")
    return ax


def overview(maps: xr.Dataset, *, task: xr.Dataset | None = None) -> Figure:
    """Draw certainty and loss side by side.

    Parameters
    ----------
    maps : xarray.Dataset, (y, x)
        What `analysis.plane.maps` returns with classes.
    task : xarray.Dataset, optional
        A run's group ``task``, for the true boundary (if it has a `radius`) and the test points.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels.

    Raises
    ------
    TypeError
        If `maps` is no Dataset.
    ValueError
        If it lacks a variable or a dimension.

    See Also
    --------
    certainty, loss : The panels.

    Examples
    --------
    >>> from analysis import figures
    >>> side = {"x": [-1.0, 1.0], "y": [-1.0, 1.0]}
    >>> maps = xr.Dataset({name: (("y", "x"), [[0.1, 0.9], [0.2, 0.8]]) for name in ("certainty", "loss")}, side)
    >>> [ax.get_title(loc="left") for ax in figures.plane.overview(maps).axes[:2]]
    ['(a)', '(b)']
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.8, 1, 2)
        certainty(maps, task=task, ax=axes[0])
        loss(maps, task=task, ax=axes[1])
        style.letter(axes)
    return figure


def masks(maps: Mapping[str, xr.Dataset], *, task: xr.Dataset | None = None, columns: int = 4) -> Figure:
    """Draw the certainty under several masks, a panel each.

    Parameters
    ----------
    maps : mapping of str to xarray.Dataset
        By title what `analysis.plane.maps` returns with the gates of a mask, all on one grid.
    task : xarray.Dataset, optional
        A run's group ``task``, for the true boundary (if it has a `radius`).
    columns : int
        Panels a row, at most; 1 or more.

    Returns
    -------
    matplotlib.figure.Figure
        One scale of colours for all panels.

    Raises
    ------
    TypeError
        If `columns` is no whole number.
    ValueError
        If there is nothing to draw, or `columns` is below 1.

    See Also
    --------
    certainty : One mask, with the test points.

    Examples
    --------
    >>> from analysis import figures
    >>> maps = xr.Dataset({"certainty": (("y", "x"), [[0.1, 0.9], [0.2, 0.8]])}, {"x": [-1.0, 1.0], "y": [-1.0, 1.0]})
    >>> figure = figures.plane.masks({"every node on": maps, "half of them": 1 - maps})
    >>> [ax.get_title(loc="left") for ax in figure.axes[:2]]
    ['every node on', 'half of them']
    """
    if not maps:
        raise InputError("maps must be one mask or more, got none")
    columns = min(_checks.whole("columns", columns, 1), len(maps))
    rows = -(-len(maps) // columns)
    with style.context():
        width = style.DOUBLE / columns
        figure, axes = style.new_figure(
            style.DOUBLE, rows * (width + 0.15) + 0.1, rows, columns, sharex=True, sharey=True
        )
        image: Any = None
        for ax, (title, one) in zip(axes, maps.items(), strict=False):
            image = _image(ax, one["certainty"], cmap=CERTAINTY.reversed(), vmin=0, vmax=1)
            _truth(ax, task, data=False)
            ax.set_title(title)
        for ax in axes[len(maps) :]:
            ax.set_axis_off()
        _axes.colour_bar(image, axes, "probability of class 1", fraction=0.02, pad=0.01, ticks=[0, 0.5, 1])
    return figure


def nodes(
    maps: xr.Dataset, *, labels: Sequence[Any] | None = None, task: xr.Dataset | None = None, columns: int = 5
) -> Figure:
    """Draw where every node helps (blue) and where it hurts (yellow): d loss / d gate at each point, a panel a node.

    Parameters
    ----------
    maps : xarray.Dataset
        What `analysis.plane.maps` returns with classes.
    labels : sequence of str, (nodes,), optional
        Names of the nodes; their numbers when left out.
    task : xarray.Dataset, optional
        A run's group ``task``, for the true boundary (if it has a `radius`).
    columns : int
        Panels a row, at most; 1 or more.

    Returns
    -------
    matplotlib.figure.Figure
        One scale of colours for all nodes, so that a weak node looks weak.

    Raises
    ------
    TypeError
        If `maps` is no Dataset.
    ValueError
        If it lacks `gate_gradient`, there is not one label a node, or `columns` is below 1.

    See Also
    --------
    analysis.plane.maps : Makes the argument.
    analysis.figures.examples.heat_map : The same for examples that are no points of a plane.

    Examples
    --------
    >>> from analysis import figures
    >>> gradient = (("node", "y", "x"), [[[0.1, -0.2], [0.3, 0.0]]])
    >>> maps = xr.Dataset({"gate_gradient": gradient}, {"x": [-1.0, 1.0], "y": [-1.0, 1.0]})
    >>> figures.plane.nodes(maps).axes[0].get_title(loc="left")
    'node 0'
    """
    _checks.dataset_with("maps", maps, ("gate_gradient",), ("node", "y", "x"))
    gradient = maps["gate_gradient"]
    count = gradient.sizes["node"]
    names, _ = short_labels(_checks.names("labels", labels, count))
    limit = float(np.quantile(np.abs(gradient.values), 1 - CLIPPED)) or 1.0
    columns = min(_checks.whole("columns", columns, 1), count)
    rows = -(-count // columns)
    with style.context():
        width = style.DOUBLE / columns
        figure, axes = style.new_figure(
            style.DOUBLE, rows * (width + 0.05) + 0.1, rows, columns, sharex=True, sharey=True
        )
        image: Any = None
        for index, ax in enumerate(axes):
            if index >= count:
                ax.set_axis_off()
                continue
            image = _image(ax, gradient[index], cmap=style.HELPS, vmin=-limit, vmax=limit)
            _truth(ax, task, data=False, color=style.GREY)
            ax.set_title(f"node {_names.as_is(names[index], most=16)}")
        label = "d loss / d gate (nats): helps below 0, hurts above"
        _axes.colour_bar(image, axes, label, fraction=0.02, pad=0.01, extend="both")
    return figure


def animation(maps: Sequence[xr.Dataset], path: str | PathLike[str], *, task: xr.Dataset | None = None) -> Path:
    """Write a GIF of the certainty growing in training, a frame an epoch, with axes that stand still.

    Parameters
    ----------
    maps : sequence of xarray.Dataset, (y, x)
        What `analysis.plane.maps` returns, epoch after epoch, on one grid; the coordinate `epoch`, where there is one,
        is shown.
    path : str or os.PathLike
        Ends in ``.gif``.
    task : xarray.Dataset, optional
        A run's group ``task``, for the true boundary (if it has a `radius`) and the test points.

    Returns
    -------
    pathlib.Path
        The film, a quarter of a second a frame.

    Raises
    ------
    ValueError
        If there is no frame, or the path does not end in ``.gif``.

    See Also
    --------
    certainty : A single frame.

    Examples
    --------
    >>> import tempfile
    >>> from analysis import figures
    >>> maps = xr.Dataset({"certainty": (("y", "x"), [[0.1, 0.9], [0.2, 0.8]])}, {"x": [-1.0, 1.0], "y": [-1.0, 1.0]})
    >>> figures.plane.animation([maps], Path(tempfile.mkdtemp()) / "film.gif").name
    'film.gif'
    """
    path = Path(path)
    if not len(maps) or path.suffix != ".gif":
        raise InputError(f"maps must be one frame or more, and path: a .gif file, got {len(maps)} and {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = list(_frames(maps, task))
    # One palette for all frames: with one each, colours would flicker.
    sheet = Image.fromarray(
        np.concatenate([np.asarray(picture) for picture in pictures[:: max(len(pictures) // 8, 1)]])
    )
    palette = sheet.quantize(_COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    first, *others = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    shown = [_FRAME_TIME] * len(others) + [4 * _FRAME_TIME]
    first.save(path, save_all=True, append_images=others, duration=shown, loop=0)
    return path


def _frames(maps: Sequence[xr.Dataset], task: xr.Dataset | None) -> Iterator[Image.Image]:
    """Draw the frames of a film, all with one layout that depends on nothing in them."""
    with style.context():
        figure, (ax,) = style.new_figure(style.SINGLE, 2.9)
        canvas = FigureCanvasAgg(figure)
        figure.set_dpi(_FILM_DPI)
        certainty(maps[0], task=task, ax=ax)
        figure.set_layout_engine("none")
        bar = figure.axes[1]
        bar.set_box_aspect(None)
        for panel, left, width in ((ax, 0.165, 0.64), (bar, 0.83, 0.03)):
            panel.set_position((left, 0.15, width, 0.64 * style.SINGLE / 2.9))
        image, line = ax.images[0], ax.collections[0]
        for one in maps:
            image.set_data(one["certainty"].values)
            line.remove()
            line = _decision(ax, one)
            ax.set_title(f"epoch {int(one['epoch'])}" if "epoch" in one.coords else "")
            canvas.draw()
            yield Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
