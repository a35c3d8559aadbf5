"""Training by relevance: accuracy against strength, the trained measure against another, examples, history."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures import style
from analysis.intervals import band, interval
from sweeps.studies.relevance.figures import looks
from sweeps.studies.relevance.measures.supervised import PLAIN, measured_on, relevance_trainings, reliance
from sweeps.studies.relevance.names import keys
from sweeps.studies.shrinking.figures.looks import accuracy_axis, loss_axis
from sweeps.studies.sparsity.figures.looks import chance

#: With so many trainings at most there are bands.
FEW = 4
_SETS = {
    "train": "training images",
    "clean": "clean test images",
    "misleading": "misleading test images",
    "right": "test images, right patch",
}


def strengths(
    data: xr.Dataset,
    values: xr.DataArray,
    names: Mapping[str, str],
    chosen: Mapping[str, float],
    ax: Axes | None = None,
) -> Axes:
    """Draw a share against the strength of the added term, a line for each training.

    Parameters
    ----------
    data : xarray.Dataset
        The trainings and their strengths.
    values : xarray.DataArray, (training, strength, network)
        The shares.
    names : mapping of str to str
        What the trainings are called.
    chosen : mapping of str to float
        Chosen strengths: a ring with the 95 % t-interval.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Means over networks; plain training as a line across. Bands of the intervals where there are few trainings.
    """
    others = relevance_trainings(data)
    few = data.sizes["training"] <= FEW
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.4)
        for key in keys(data, "training"):
            found = band(values.sel(training=key, drop=True).transpose("network", "strength"))
            found = found.isel(strength=np.isfinite(found["mean"].values))
            look: dict[str, Any] = looks.training(key, others)
            along = found["strength"].values
            if key == PLAIN and along.size:
                ax.axhline(float(found["mean"][0]), zorder=3, **look)
                if np.isfinite(found["low"][0]):
                    ax.axhspan(float(found["low"][0]), float(found["high"][0]), color=look["color"], alpha=0.13, lw=0)
                continue
            ax.plot(along, found["mean"], marker="o", markersize=2.4, zorder=3, clip_on=False, **look)
            if few and np.isfinite(found["low"]).any():
                ax.fill_between(along, found["low"], found["high"], color=look["color"], alpha=0.18, linewidth=0)
            if key in chosen and chosen[key] in along:
                one = found.sel(strength=chosen[key])
                _ring(ax, chosen[key], float(one["mean"]), look, yerr=float(one["mean"] - one["low"]))
        positive = data["strength"].values[data["strength"].values > 0]
        if positive.size > 1 and positive.max() >= 8 * positive.min():
            ax.set_xscale("log")
        ax.set_xlabel("strength λ")
        accuracy_axis(ax, "share (%)")
    return ax


def _ring(ax: Axes, x: float, y: float, look: dict[str, Any], **errors: float) -> None:
    """Draw a chosen strength, with its interval where it has one."""
    known: dict[str, Any] = {name: error for name, error in errors.items() if np.isfinite(error)}
    ax.errorbar(x, y, fmt="o", markersize=6.5, markerfacecolor="none", markeredgecolor=look["color"], zorder=4,
                color=look["color"], markeredgewidth=1.2, elinewidth=0.9, clip_on=False, **known)  # fmt: skip


def overview(data: xr.Dataset, names: Mapping[str, str], chosen: Mapping[str, float], level: float = 0.0) -> Figure:
    """Draw accuracy, reliance on the patch and the measures against strength, and against the trained measure.

    Parameters
    ----------
    data : xarray.Dataset
        All strengths, see `sweeps.studies.relevance.measures.supervised.checked`.
    names : mapping of str to str
    chosen : mapping of str to float
    level : float
        What guessing gives; 0 for no line.

    Returns
    -------
    matplotlib.figure.Figure
        Three rows where both measures are there: the last column against the trained measure, at every strength.
    """
    measures = measured_on(data)
    others = relevance_trainings(data)
    with style.context():
        rows = 3 if measures is not None else 1
        figure, axes = style.new_figure(style.DOUBLE, 0.5 + 2.05 * rows, rows, 2)
        for ax, name in zip(axes, ("accuracy_clean", "accuracy_misleading"), strict=False):
            strengths(data, data[name], names, chosen, ax)
            ax.set_ylabel("accuracy (%)")
            ax.set_title(_SETS[name.removeprefix("accuracy_")])
            if level:
                chance(ax, level)
        if measures is not None:
            relied = reliance(data)
            of = measures[0].removeprefix("inside_")
            strengths(data, data[measures[0]], names, chosen, axes[2]).set_title(_SETS.get(of, style.as_is(of)))
            axes[2].set_ylabel("inside, trained measure (%)")
            against(data, data[measures[0]], data[measures[1]], chosen, axes[3]).set_title("both measures")
            axes[3].plot([0, 1], [0, 1], color=style.GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
            axes[3].set_ylabel("inside, other measure (%)")
            strengths(data, relied, names, chosen, axes[4]).set_title("reliance on the patch")
            against(data, data[measures[0]], relied, chosen, axes[5]).set_title("reliance on the patch")
            for ax in axes[4:6]:
                ax.set_ylabel("reliance (points)")
        figure.legend(*_entries(data, names, others, level), loc="outside upper center", ncols=4, columnspacing=1.2)
        style.letter(axes)
    return figure


def _entries(
    data: xr.Dataset, names: Mapping[str, str], others: list[str], level: float
) -> tuple[list[Line2D], list[str]]:
    entries = {
        style.as_is(names.get(key, key), style.PHRASE): Line2D([], [], **looks.training(key, others))
        for key in keys(data, "training")
    }
    entries["chosen"] = Line2D(
        [], [], marker="o", markersize=6.5, markerfacecolor="none", color=style.BLACK, linestyle=""
    )
    if level:
        entries["chance"] = Line2D([], [], color=style.GREY, linewidth=0.7, linestyle=(0, (1, 2)))
    return list(entries.values()), list(entries)


def against(
    data: xr.Dataset, across: xr.DataArray, along: xr.DataArray, chosen: Mapping[str, float], ax: Axes | None = None
) -> Axes:
    """Draw a share against the trained measure, a line through the strengths of each training.

    Parameters
    ----------
    data : xarray.Dataset
        The trainings and their strengths.
    across, along : xarray.DataArray, (training, strength, network)
        The trained measure, and what is drawn against it.
    chosen : mapping of str to float
        Chosen strengths: a ring with 95 % t-intervals.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Means over networks; plain training as a square.
    """
    others = relevance_trainings(data)
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.4)
        for key in keys(data, "training"):
            look: dict[str, Any] = looks.training(key, others)
            x, y = (one.sel(training=key, drop=True).mean("network") for one in (across, along))
            ax.plot(x, y, marker="s" if key == PLAIN else "o", markersize=5 if key == PLAIN else 2.4, zorder=3,
                    clip_on=False, **look)  # fmt: skip
            if key in chosen and key != PLAIN:
                one, other = (
                    interval(values.sel(training=key, strength=chosen[key]).values.astype(float))
                    for values in (across, along)
                )
                _ring(ax, one.mean, other.mean, look, xerr=one.half, yerr=other.half)
        ax.set_xlim(0, 1.02)
        accuracy_axis(ax, "share (%)")
        ax.xaxis.set_major_formatter(ax.yaxis.get_major_formatter())
        ax.set_xlabel("inside, trained measure (%)")
    return ax


def examples(data: xr.Dataset, names: Mapping[str, str]) -> Figure:
    """Draw a few images with the region that was marked, and their heat maps after each training.

    Parameters
    ----------
    data : xarray.Dataset
        Images (which, row, column), optionally a `region` (which, row, column) or (row, column), and heat maps
        (training, which, row, column).
    names : mapping of str to str
        What the trainings are called.

    Returns
    -------
    matplotlib.figure.Figure
        Each map has its own scale. Green: the region.
    """
    maps = _of_dims(data, ("training", "which", "row", "column"), ("relevance", "heat"))
    images = _of_dims(data, ("which", "row", "column"), ("pixel", "image", "input"))
    whole = images is not None
    which = [one for one in keys(data, "which") if one != "region"]
    trainings = keys(data, "training") if maps is not None else []
    with style.context():
        columns = int(whole) + len(trainings)
        width = min(style.DOUBLE, 0.7 + 1.15 * columns)
        size, letters = (8.0, 16) if columns < 7 else (6.5, 11)
        figure, axes = style.new_figure(
            width, 0.9 + (width / columns + 0.1) * len(which), len(which), columns, gridspec_kw={"wspace": 0.02}
        )
        for row, kind in enumerate(which):
            place = row * columns
            pixel = images.sel(which=kind).transpose("row", "column").values if images is not None else None
            if pixel is not None:
                looks.picture(axes[place], pixel)
                axes[place].set_title("" if row else "image", fontsize=size)
                _region(axes[place], data, kind)
                place += 1
            for key in trainings:
                assert maps is not None
                looks.heat_map(axes[place], maps.sel(training=key, which=kind).transpose("row", "column"), pixel)
                _region(axes[place], data, kind)
                axes[place].set_title("" if row else looks.wrapped(names.get(key, key), letters), fontsize=size)
                place += 1
            axes[row * columns].set_ylabel(style.as_is(kind.replace("_", " ")), fontsize=8)
        looks.scale_bar(figure, axes)
    return figure


def _of_dims(data: xr.Dataset, dims: tuple[str, ...], preferred: tuple[str, ...]) -> xr.DataArray | None:
    """Return the variable with these dimensions, one of the preferred names if there are several."""
    found = [str(name) for name in data.data_vars if set(data[name].dims) == set(dims) and name != "region"]
    return data[min(found, key=lambda name: name not in preferred)] if found else None


def _region(ax: Axes, data: xr.Dataset, kind: str) -> None:
    """Draw the border of the marked region."""
    if "region" not in data:
        return
    region = data["region"]
    if "which" in region.dims:
        region = region.sel(which=kind)
    inside = region.transpose("row", "column").values.astype(float)
    if np.isfinite(inside).all() and np.ptp(inside) > 0:
        # Borders run between pixels: a blown-up mask has them there.
        fine = np.pad(np.kron(inside, np.ones((8, 8))), 1)
        edge = (np.arange(fine.shape[0]) - 0.5) / 8 - 0.5, (np.arange(fine.shape[1]) - 0.5) / 8 - 0.5
        ax.contour(edge[1], edge[0], fine, [0.5], colors=[style.GREEN], linewidths=0.9)


def history(data: xr.Dataset, names: Mapping[str, str], unit: str = "nats") -> Figure:
    """Draw loss, the trained measure and clean accuracy during training, at the chosen strengths.

    Parameters
    ----------
    data : xarray.Dataset
        `loss`, `inside`, `accuracy_clean` (training, epoch), those that are there.
    names : mapping of str to str
    unit : str
        Of the loss.

    Returns
    -------
    matplotlib.figure.Figure
    """
    labels = {
        "loss": f"loss ({style.as_is(unit)})",
        "inside": "|relevance| inside (%)",
        "accuracy_clean": "accuracy, clean (%)",
    }
    shown = [name for name in labels if name in data]
    others = relevance_trainings(data)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.4, 1, len(shown))
        for ax, name in zip(axes, shown, strict=True):
            for key in keys(data, "training"):
                ax.plot(data["epoch"], data[name].sel(training=key), label=style.entry(names.get(key, key)),
                        **looks.training(key, others))  # fmt: skip
            if name == "loss":
                loss_axis(ax, data[name], labels[name])
            else:
                accuracy_axis(ax, labels[name])
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        handles, names_shown = axes[0].get_legend_handles_labels()
        figure.legend(handles, names_shown, loc="outside upper center", ncols=4, columnspacing=1.2)
        style.letter(axes)
    return figure
