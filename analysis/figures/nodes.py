"""What each node is worth, layer by layer: every single removal, and a heat map of layers of one kind."""

from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from analysis import _checks, layers, removal
from analysis._formatting import off_of, short_paths
from analysis.figures import _axes, _names, _rows, style

__all__ = ["NARROW", "effects", "grid"]

#: More nodes than this are points in a strip for each layer, fewer are bars with their names.
_NAMED = 40
#: Letters of a layer's name above the bars of its nodes, at most.
_HEAD = 44
#: Cells of a heat map hold their numbers where they are so wide, in inches; rows of more nodes get a wide figure.
_CELL, NARROW = 0.2, 12
#: In a large heat map the largest values, a share of all, have the last colour, so that few do not pale the rest.
_CLIPPED, _LARGE = 0.005, 400
#: The axis of changes is stretched about 0 where the largest change is more than this many times the median.
_STRETCHED = 30.0
_RISES, _FALLS = style.BLUE, style.VERMILLION
_Quantity = Literal["loss", "log_loss"]


def effects(
    sweep: xr.Dataset, *, variable: _Quantity = "loss", full_loss: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what the loss changes by when each node alone goes off, layer below layer.

    Parameters
    ----------
    sweep : xarray.Dataset
        A leave-one-out sweep with the coordinates `node` and `layer`, in the unit that its attributes state.
    variable : {"loss", "log_loss"}
        Whose change.
    full_loss : float, optional
        Loss with every node on; the attribute of the sweep when left out.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure, as high as the layers need, when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Up to 40 nodes are bars with their names. More are points, a strip for each layer, whose vertical scatter
        is as wide as they are dense and says nothing else; a black line at the median, and the name of the costliest
        node of the layer. The axis is linear about 0 and logarithmic farther out where the largest change is more than
        30 times the median one. A cross stands for nodes without a finite value.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset or its losses are no real numbers.
    ValueError
        If `variable` is unknown, a variable or a coordinate is missing, or there is no full loss.

    See Also
    --------
    grid : A heat map of nodes of one kind.
    analysis.figures.layers.summary : A row a layer.
    analysis.removal.leave_one_out : The numbers.

    Examples
    --------
    >>> from analysis import figures
    >>> nodes = {"node": ["a unit 0", "a unit 1", "b head 0"], "layer": ("node", ["a", "a", "b"])}
    >>> sweep = xr.Dataset({"loss": ("node", [0.5, 0.3, 0.2])}, coords=nodes)
    >>> ax = figures.nodes.effects(sweep, variable="loss", full_loss=0.25)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['unit 0', 'unit 1', 'head 0']
    """
    found, change = layers.groups(sweep, called="sweep"), _changes(sweep, variable, full_loss)
    draw = _bars if change.size <= _NAMED else _strips
    with style.context():
        ax = draw(found, change, ax)
        entries: dict[str, Any] = {}
        for name, color, chosen in (("loss rises", _RISES, change > 0), ("loss falls", _FALLS, change <= 0)):
            if chosen.any():
                entries[name] = Line2D([], [], color=color, marker="s", markersize=5, linestyle="")
        if draw is _strips:
            entries["median"] = Line2D([], [], color=style.BLACK, marker="|", markersize=8, linestyle="")
        _axes.legend_above(ax, entries, columns=3, right=True)
        ax.set_xlabel(_rows.of_change(variable, sweep))
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    return ax


def _changes(sweep: xr.Dataset, quantity: str, full_loss: float | None) -> np.ndarray:
    _checks.one_of("variable", quantity, ("loss", "log_loss"))
    nodes = removal.leave_one_out(sweep, full_loss=full_loss)
    changes: np.ndarray = nodes["change" if quantity == "loss" else "log_change"].values
    return changes


def _colors(change: np.ndarray) -> np.ndarray:
    return np.where(change > 0, _RISES, _FALLS)


def _bars(found: layers.Groups, change: np.ndarray, ax: Axes | None) -> Axes:
    # One line for each node, one for the name of each layer, and half of one between layers.
    place = np.arange(change.size) + 1.5 * found.layer + 1.0
    heads = [float(place[found.of(layer)[0]]) - 1 for layer in range(len(found.names))]
    ax = _axes.axes_or_new(ax, width=style.SINGLE, height=0.75 + 0.135 * float(place[-1] + 1))
    known = np.isfinite(change)
    ax.barh(place[known], change[known], 0.72, color=_colors(change[known]))
    for at in place[~known]:
        ax.text(0, at, "×", ha="center", va="center_baseline")
    ax.axvline(0, color=style.BLACK, linewidth=0.6)
    ax.margins(x=0.04)
    for name, at in zip(found.names, heads, strict=True):
        ax.text(
            *(0.0, at),
            _names.as_is(name, most=_HEAD),
            transform=ax.get_yaxis_transform(),
            ha="left",
            va="center_baseline",
            fontsize=7.5,
            fontweight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )
    ax.set_yticks(place, [_names.as_is(name) for name in found.short])
    ax.tick_params(axis="y", labelsize=7)
    ax.set_ylim(float(place[-1]) + 0.8, -0.8)
    return ax


def _scatter(places: np.ndarray, reach: float = 0.34) -> np.ndarray:
    """Spread points about their row, wider where they are dense; equal points give equal places."""
    if places.size < 2 or np.ptp(places) == 0:
        return np.zeros(places.size)
    count, edges = np.histogram(places, min(60, max(8, places.size // 6)))
    dense = np.interp(places, (edges[1:] + edges[:-1]) / 2, count / count.max())
    # Multiples of the golden ratio fill an interval evenly after any number of points.
    turn = np.empty(places.size)
    turn[np.argsort(places, kind="stable")] = (np.arange(1, places.size + 1) * 0.6180339887) % 1 - 0.5
    return np.asarray(2 * reach * dense * turn)


def _stretch(ax: Axes, values: np.ndarray, linear: float) -> None:
    """Scale the horizontal axis by the area hyperbolic sine: linear up to `linear`, logarithmic beyond."""
    ax.set_xscale("asinh", linear_width=linear)
    low, high = float(values.min()), float(values.max())
    steps = [step * 10.0**power for power in range(-30, 31) for step in (1, 2, 5)]
    powers = [tick for tick in steps[::3] if 3 * linear <= tick <= max(high, -low)]
    finer = [tick for tick in steps if 1.5 * linear <= tick <= max(high, -low)]
    ticks = powers if len(powers) > 1 else finer
    ticks = ticks[:: max(1, -(-len(ticks) // 2))]  # two on either side are what a narrow figure has room for
    ax.xaxis.set_major_locator(FixedLocator([-t for t in ticks if -t >= low] + [0.0] + [t for t in ticks if t <= high]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    ax.xaxis.set_minor_locator(NullLocator())


def _name(ax: Axes, name: str, at: float, row: int) -> None:
    ax.annotate(
        _names.as_is(name),
        (at, row),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=6.5,
        color=style.GREY,
        clip_on=False,
    )


def _strips(found: layers.Groups, change: np.ndarray, ax: Axes | None) -> Axes:
    rows = len(found.names)
    ax = _axes.axes_or_new(ax, width=style.SINGLE, height=_rows.rows_height(rows))
    known = np.abs(change[np.isfinite(change) & (change != 0)])
    if known.size and known.max() > _STRETCHED * np.median(known):
        _stretch(ax, change[np.isfinite(change)], 2 * float(np.median(known)))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5))
    for row in range(rows):
        members = found.of(row)
        values = change[members]
        finite = np.isfinite(values)
        size = 9.0 if members.size <= 30 else 4.0 if members.size <= 200 else 1.6
        ax.scatter(
            values[finite],
            row + _scatter(ax.xaxis.get_transform().transform(values[finite])),
            s=size,
            c=_colors(values[finite]),
            alpha=0.9 if members.size <= 30 else 0.55,
            linewidths=0,
            rasterized=change.size > 2000,  # a PDF of thousands of points is slow to show
        )
        if not finite.all():
            ax.text(0, row, f"× {np.count_nonzero(~finite):,}", ha="center", va="center", fontsize=7)
        if finite.any():
            ax.vlines(float(np.median(values[finite])), row - 0.36, row + 0.36, color=style.BLACK, linewidth=1.1)
            best = members[finite][np.argmax(values[finite])]
            if rows <= _NAMED:
                _name(ax, found.short[best], float(change[best]), row)
    ax.axvline(0, color=style.GREY, linewidth=0.6, zorder=0.5)
    ax.margins(x=0.05)
    _rows.layer_axis(ax, found.names, found.sizes.tolist())
    return ax


def grid(
    sweep: xr.Dataset,
    *,
    kind: str | None = None,
    variable: _Quantity = "loss",
    full_loss: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a heat map of single removals: a row for each layer, a column for each of its nodes.

    Parameters
    ----------
    sweep : xarray.Dataset
        A leave-one-out sweep with the coordinates `node` and `layer`, in the unit that its attributes state.
    kind : str, optional
        Which nodes: those of this kind, such as ``head``, ``channel`` or the name of a tie. It can be left out where
        all nodes are of one.
    variable : {"loss", "log_loss"}
        Whose change.
    full_loss : float, optional
        Loss with every node on; the attribute of the sweep when left out.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure, as high as the layers need, when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Layers in the order of the gate vector, from the top down. Blue where the network needs the node, yellow where
        it does better without; white is 0. Layers of fewer nodes than others end in grey, and so is a node without a
        finite value. Cells hold their numbers where there is room, in the unit of the colour bar.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset or its losses are no real numbers.
    ValueError
        If `kind` is none of the sweep's or has to be named, `variable` is unknown, a variable or a coordinate is
        missing, or there is no full loss.

    See Also
    --------
    effects : Bars and points, with the names.

    Examples
    --------
    >>> from analysis import figures
    >>> nodes = {"node": ["a head 0", "a head 1", "b head 0"], "layer": ("node", ["a", "a", "b"])}
    >>> sweep = xr.Dataset({"loss": ("node", [0.5, 0.3, 0.2])}, coords=nodes)
    >>> ax = figures.nodes.grid(sweep, kind="head", full_loss=0.25)
    >>> ax.get_xlabel(), ax.images[0].get_array().shape
    ('head that is off', (2, 2))
    """
    found, change = layers.groups(sweep, called="sweep"), _changes(sweep, variable, full_loss)
    kinds = list(dict.fromkeys(found.kinds))
    if kind is not None or len(kinds) != 1:
        _checks.one_of("kind", kind, kinds)
    is_shown = np.array([kind in (None, its) for its in found.kinds])
    chosen, sizes = np.unique(found.layer[is_shown], return_counts=True)
    table = np.full((len(chosen), max(sizes)), np.nan)
    for row, (layer, size) in enumerate(zip(chosen, sizes, strict=True)):
        table[row, :size] = change[is_shown & (found.layer == layer)]
    rows, columns = table.shape
    clipped = table.size > _LARGE
    limit = float(np.nanquantile(np.abs(table), 1 - _CLIPPED * clipped)) if np.isfinite(table).any() else 0.0
    limit = limit or 1.0
    power = 3 * int(np.floor(np.log10(limit) / 3))
    table, limit = table / 10.0**power, limit / 10.0**power
    names, head = short_paths([found.names[layer] for layer in chosen])
    word = kind if kind is not None else kinds[0] or "node"
    with style.context():
        width = style.SINGLE if columns <= NARROW else style.DOUBLE
        ax = _axes.axes_or_new(ax, width=width, height=min(8.0, 1.05 + max(0.5, 0.24 * rows)))
        ax.set_facecolor(style.LIGHT_GREY)
        image = ax.imshow(
            table, cmap=style.HELPS.reversed(), vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest"
        )
        if float(_axes.figure_of(ax).get_size_inches()[0]) * ax.get_position().width >= _CELL * columns and rows <= 30:
            _write(ax, table, limit)
        label = _scaled(_rows.of_change(variable, sweep), power)
        extend = "both" if clipped else "neither"
        bar = _axes.colour_bar(image, ax, label, location="top", aspect=40, pad=0.03, extend=extend)
        bar.ax.tick_params(labelsize=7)
        every = -(-rows // 40)
        ax.set_yticks(range(0, rows, every), [_names.as_is(name) for name in names[::every]])
        ax.xaxis.set_major_locator(MaxNLocator(min(columns, 32), integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        ax.set_xlim(-0.5, columns - 0.5)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(xlabel=f"{_names.as_is(word)} that is {off_of(sweep)}", ylabel=_rows.layer_label(head))
    return ax


def _scaled(label: str, power: int) -> str:
    """Put a power of ten in front of the unit of a label, or behind one without a unit."""
    if power == 0:
        return label
    factor = rf"$10^{{{power}}}$"
    return label.replace("(", f"({factor} ", 1) if "(" in label else f"{label} ({factor})"


def _write(ax: Axes, table: np.ndarray, limit: float) -> None:
    colors = style.HELPS.reversed()
    decimals = 0 if limit >= 99.5 else 1 if limit >= 9.95 else 2
    written = [f"{np.round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−") for value in table.ravel()]
    size = 6.5 if max(map(len, written)) < 5 else 5.6
    for (row, column), text in zip(np.ndindex(*table.shape), written, strict=True):
        value = table[row, column]
        if np.isfinite(value):
            light = np.dot(colors(0.5 + 0.5 * value / limit)[:3], (0.299, 0.587, 0.114)) > 0.5
            color = style.BLACK if light else "white"
            ax.text(column, row, text, ha="center", va="center_baseline", fontsize=size, color=color)
