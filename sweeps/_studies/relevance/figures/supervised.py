"""Training by relevance: accuracy against strength, the trained measure against another, examples, history."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures import _axes, _names, style
from analysis.figures._curves import accuracy_axis, chance, loss_axis
from analysis.intervals import band, interval
from sweeps._studies.relevance.figures import looks
from sweeps._studies.relevance.measures.supervised import OTHER, PLAIN, TRAINED, relevance_trainings, reliance
from sweeps._studies.relevance.names import keys

#: Trainings that have lines; the others stand in the tables.
LINES = (PLAIN, "gradient_penalty", "relevance_slope", "relevance_all_amount", "replaced")


def strengths(data: xr.Dataset, values: xr.DataArray, chosen: Mapping[str, float], ax: Axes | None = None) -> Axes:
    """Draw a share against the strength of the added term, a line for each training.

    Parameters
    ----------
    data : xarray.Dataset
        The trainings and their strengths.
    values : xarray.DataArray, (training, strength, network)
        The shares.
    chosen : mapping of str to float
        Chosen strengths: a ring with the 95 % t-interval.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Means over networks; plain training as a line across, with the band of its interval.
    """
    others = relevance_trainings(data)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
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


def overview(data: xr.Dataset, names: Mapping[str, str], chosen: Mapping[str, float]) -> Figure:
    """Draw accuracy, reliance on the patch and the measures against strength, and against the trained measure.

    Parameters
    ----------
    data : xarray.Dataset
        All strengths; the attribute `chance` is what guessing gives.
    names : mapping of str to str
    chosen : mapping of str to float

    Returns
    -------
    matplotlib.figure.Figure
        Three rows; in the second and third, the right panel is against the trained measure, at every strength.
    """
    data = data.sel(training=[key for key in keys(data, "training") if key in LINES])
    trained, other, relied = data[TRAINED], data[OTHER], reliance(data)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 6.65, 3, 2)
        for ax, name in zip(axes, ("clean", "misleading"), strict=False):
            strengths(data, data[f"accuracy_{name}"], chosen, ax).set_title(f"{name} test images")
            ax.set_ylabel("accuracy (%)")
            chance(ax, data.attrs["chance"])
        strengths(data, trained, chosen, axes[2]).set_title("test images, right patch")
        axes[2].set_ylabel("inside, trained measure (%)")
        against(data, trained, other, chosen, axes[3]).set_title("both measures")
        axes[3].plot([0, 1], [0, 1], color=style.GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
        axes[3].set_ylabel("inside, other measure (%)")
        strengths(data, relied, chosen, axes[4]).set_title("reliance on the patch")
        against(data, trained, relied, chosen, axes[5]).set_title("reliance on the patch")
        for ax in axes[4:6]:
            ax.set_ylabel("reliance (points)")
        handles, labels = entries(data, names)
        handles.append(Line2D([], [], color=style.GREY, linewidth=0.7, linestyle=(0, (1, 2))))
        figure.legend(handles, [*labels, "chance"], loc="outside upper center", ncols=4, columnspacing=1.2)
        style.letter(axes)
    return figure


def entries(data: xr.Dataset, names: Mapping[str, str], ring: str = "chosen") -> tuple[list[Line2D], list[str]]:
    """Return the entries of a legend: the trainings, and what a ring is."""
    others = relevance_trainings(data)
    found = {
        _names.as_is(names[key], most=_names.PHRASE): Line2D([], [], **looks.training(key, others))
        for key in keys(data, "training")
    }
    found[ring] = Line2D([], [], marker="o", markersize=6.5, markerfacecolor="none", color=style.BLACK, linestyle="")
    return list(found.values()), list(found)


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
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
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
        `pixel` and `region` (which, row, column), and `relevance` (training, which, row, column).
    names : mapping of str to str
        What the trainings are called.

    Returns
    -------
    matplotlib.figure.Figure
        Each map has its own scale. Green: the region.
    """
    # The store has the region as an image of its own, too.
    which = [one for one in keys(data, "which") if one != "region"]
    trainings = keys(data, "training")
    columns = 1 + len(trainings)
    width = min(style.DOUBLE, 0.7 + 1.15 * columns)
    size, letters = (8.0, 16) if columns < 7 else (6.5, 11)
    with style.context():
        figure, axes = style.new_figure(
            width, 0.9 + (width / columns + 0.1) * len(which), len(which), columns, gridspec_kw={"wspace": 0.02}
        )
        for row, kind in enumerate(which):
            one = data.sel(which=kind).transpose("training", "row", "column")
            pixel = one["pixel"].values
            first, *others = axes[row * columns : (row + 1) * columns]
            looks.picture(first, pixel)
            first.set_title("" if row else "image", fontsize=size)
            first.set_ylabel(_names.as_is(kind), fontsize=8)
            for ax, key in zip(others, trainings, strict=True):
                looks.heat_map(ax, one["relevance"].sel(training=key), pixel)
                ax.set_title("" if row else looks.wrapped(names[key], letters), fontsize=size)
            for ax in (first, *others):
                region(ax, one["region"].values.astype(float))
        looks.scale_bar(figure, axes)
    return figure


def region(ax: Axes, inside: npt.NDArray[np.float64]) -> None:
    """Draw the border of the marked region."""
    # Borders run between pixels: a blown-up mask has them there.
    fine = np.pad(np.kron(inside, np.ones((8, 8))), 1)
    rows, columns = ((np.arange(length) - 0.5) / 8 - 0.5 for length in fine.shape)
    ax.contour(columns, rows, fine, [0.5], colors=[style.GREEN], linewidths=0.9)


def history(data: xr.Dataset, names: Mapping[str, str]) -> Figure:
    """Draw loss, the trained measure and clean accuracy during training, at the chosen strengths.

    Parameters
    ----------
    data : xarray.Dataset
        `loss`, `inside`, `accuracy_clean` (training, epoch).
    names : mapping of str to str

    Returns
    -------
    matplotlib.figure.Figure
    """
    labels = {
        "loss": "loss (nats)",
        "inside": "|relevance| inside (%)",
        "accuracy_clean": "accuracy, clean (%)",
    }
    others = relevance_trainings(data)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.4, 1, len(labels))
        for ax, (name, label) in zip(axes, labels.items(), strict=True):
            for key in (key for key in keys(data, "training") if key in LINES):
                ax.plot(data["epoch"], data[name].sel(training=key), label=_names.entry(names[key]),
                        **looks.training(key, others))  # fmt: skip
            if name == "loss":
                loss_axis(ax, data[name], label)
            else:
                accuracy_axis(ax, label)
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        handles, names_shown = axes[0].get_legend_handles_labels()
        figure.legend(handles, names_shown, loc="outside upper center", ncols=4, columnspacing=1.2)
        style.letter(axes)
    return figure
