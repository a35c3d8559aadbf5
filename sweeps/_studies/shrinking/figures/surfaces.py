"""Error surfaces: the loss against the gain of the node that a method chose, and what the method predicted."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import _axes, _curves, _names, style
from sweeps._studies.shrinking.figures import looks
from sweeps._studies.shrinking.names import METHODS, TAYLOR, method_name

#: Dark for the first removals, light for the last, even in lightness; its palest end would vanish on white.
SHADES = colormaps["viridis"]
LIGHTEST = 0.88
RED = "#C8201E"
#: Single choices of each method that are drawn large.
COLUMNS = 4


def surface(
    surfaces: xr.Dataset, method: str, logarithmic: bool = False, label: str = "loss (nats)", ax: Axes | None = None
) -> Axes:
    """Draw the loss against the gain of each chosen node, a curve for every tenth or so removal.

    Parameters
    ----------
    surfaces : xarray.Dataset
        Of one network: `loss`, `first_order` and `second_order` (ranked_by, removed, gain).
    method : str
        Which method chose.
    logarithmic : bool
        Whether the axis of losses is logarithmic.
    label : str
        Label of that axis, with its unit.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Solid lines are the measured loss, from dark to light with the nodes removed before. Dashed lines are what the
        method predicts: a line for the first order, a parabola for the second. The red line is where the node is on.
    """
    data = surfaces.sel({"ranked_by": method})
    gain, loss = data["gain"].values, data["loss"].values
    predicted = data[method].values if method in TAYLOR else None
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        for row, removed in enumerate(data["removed"].values):
            color = _shade(float(removed), data["removed"].values)
            ax.plot(gain, loss[row], color=color, linewidth=1.2)
            if predicted is not None:
                shown = np.where(predicted[row] > 0, predicted[row], np.nan) if logarithmic else predicted[row]
                ax.plot(gain, shown, color=color, linewidth=0.8, linestyle=(0, (3, 1.5)))
        _node_on(ax, gain)
        # All panels share the range of the losses; predictions may leave it.
        low, high = float(surfaces["loss"].min()), float(surfaces["loss"].max())
        if logarithmic:
            ax.set_yscale("log")
            ax.set_ylim(0.7 * low if low > 0 else 1e-4 * high, 1.4 * high)
            _curves.plain_powers(ax)
        else:
            ax.set_ylim(-0.04 * high, 1.06 * high)
        ax.set(xlabel="gain of the chosen node", ylabel=label)
    return ax


def _shade(removed: float, all_removed: np.ndarray) -> Any:
    return SHADES(LIGHTEST * removed / max(float(np.max(all_removed)), 1.0))


def _node_on(ax: Axes, gain: np.ndarray) -> None:
    ax.axvline(1, color=RED, linewidth=0.9, zorder=1)
    ax.axvline(0, color=style.LIGHT_GREY, linewidth=0.8, zorder=0.5)
    ax.set_xlim(float(gain.min()), float(gain.max()))
    ax.set_xticks([0, 0.5, 1])


def overview(surfaces: xr.Dataset, label: str) -> Figure:
    """Draw the surfaces of every method, in log space on the left and in real space on the right.

    Parameters
    ----------
    surfaces : xarray.Dataset
        Of one network: `loss`, `first_order` and `second_order` (ranked_by, removed, gain).
    label : str
        Label of the axis of losses, with its unit.

    Returns
    -------
    matplotlib.figure.Figure
    """
    removed = surfaces["removed"].values
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 0.7 + 1.95 * len(METHODS), len(METHODS), 2, sharex=True)
        for row, method in enumerate(METHODS):
            for column, logarithmic in enumerate((True, False)):
                ax = axes[2 * row + column]
                surface(surfaces, method, logarithmic, label if column == 0 else "", ax)
                ax.set_title(f"chosen by {_names.as_is(method_name(method))}")
                if row < len(METHODS) - 1:
                    ax.set_xlabel("")
        ends = np.append(removed, 2 * removed[-1] - removed[-2] if removed.size > 1 else removed[-1] + 1)
        shades = [_shade(float(one), removed) for one in removed]
        options: dict[str, Any] = dict(location="right", aspect=50, pad=0.015, fraction=0.03)
        bar = _axes.colour_bar(_mappable(shades, ends), axes, "nodes removed before", **options)
        bar.set_ticks((ends[1:] + ends[:-1]) / 2, labels=[f"{int(one)}" for one in removed])
        bar.ax.tick_params(length=0, labelsize=7)
        entries = [
            Line2D([], [], color=style.GREY, linewidth=1.2, label="measured"),
            Line2D([], [], color=style.GREY, linewidth=0.8, linestyle=(0, (3, 1.5)), label="predicted by the method"),
            Line2D([], [], color=RED, linewidth=0.9, label="node on"),
        ]
        figure.legend(handles=entries, loc="outside upper center", ncols=3)
        style.letter(axes)
    return figure


def _mappable(shades: list[Any], ends: np.ndarray) -> Any:
    return ScalarMappable(BoundaryNorm(ends, len(shades)), ListedColormap(shades))


def predictions(surfaces: xr.Dataset, label: str) -> Figure:
    """Draw single choices large: the measured loss, the line and the parabola through gain 1.

    Parameters
    ----------
    surfaces : xarray.Dataset
        Of one network: `loss`, `first_order` and `second_order` (ranked_by, removed, gain).
    label : str
        Label of the axis of losses, with its unit.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each method that chose, a column for each of up to `COLUMNS` removals, spread evenly over all. Each
        panel has its own scale, that of the measured loss.
    """
    count = surfaces.sizes["removed"]
    chosen = np.unique(np.linspace(0, count - 1, min(COLUMNS, count)).round().astype(int))
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 0.6 + 1.5 * len(METHODS), len(METHODS), len(chosen), sharex=True)
        for number, ax in enumerate(axes):
            method, place = METHODS[number // len(chosen)], chosen[number % len(chosen)]
            _prediction(ax, surfaces.sel({"ranked_by": method}).isel(removed=place))
            first = f"{_names.as_is(method_name(method))}, " if number % len(chosen) == 0 else ""
            ax.set_title(f"{first}{int(surfaces['removed'].values[place])} removed", fontsize=8)
            if number >= len(axes) - len(chosen):
                ax.set_xlabel("gain")
        looks.legend(figure, axes[0])
        figure.supylabel(label, fontsize=9)
        style.letter(axes)
    return figure


def _prediction(ax: Axes, one: xr.Dataset) -> None:
    gain, loss = one["gain"].values, one["loss"].values
    ax.plot(gain, loss, color=style.BLACK, linewidth=1.3, label="measured")
    for method in TAYLOR:
        ax.plot(gain, one[method], **looks.line(method) | {"linewidth": 1.0}, label=method_name(method))
    _node_on(ax, gain)
    low, high = float(loss.min()), float(loss.max())
    room = 0.35 * (high - low) or 0.1 * abs(high) or 1.0
    ax.set_ylim(low - room, high + room)
    ax.tick_params(labelsize=7)
    ax.locator_params(axis="y", nbins=4)
