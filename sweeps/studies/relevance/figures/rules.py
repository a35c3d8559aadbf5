"""What the rules do: instability as the stabiliser goes, maxima against slopes, and two forms of a maximum."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from sweeps.studies.relevance.figures import looks
from sweeps.studies.relevance.measures.demonstrations import only, rules_of

#: What the rules are called, and how they are drawn.
RULE_NAMES = {
    "unblamed": "normalised, biases left out",
    "blamed": "normalised, biases as inputs",
    "normalised": "normalised",
    "slope": "slope",
}
_LOOKS = {
    "unblamed": {**looks.LINES[1], "marker": "s", "markersize": 3.2},
    "normalised": {**looks.LINES[1], "marker": "s", "markersize": 3.2},
    "blamed": {**looks.LINES[2], "marker": "o", "markersize": 2.6},
    # Open and large, for it often lies on the line of the one before.
    "slope": {**looks.LINES[0], "marker": "D", "markersize": 5.5, "markerfacecolor": "none"},
}


def grows(data: xr.Dataset, dim: str, ax: Axes | None = None) -> Axes:
    """Draw the largest relevance against the stabiliser, or against how nearly two inputs cancel.

    Parameters
    ----------
    data : xarray.Dataset
        See `sweeps.studies.relevance.measures.demonstrations.rules_of`.
    dim : {"eps", "difference"}
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Both axes by powers, the horizontal one falling.
    """
    label = {"eps": "stabiliser ε", "difference": "difference of the two inputs"}
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.4)
        along, drawn = data[dim].values.astype(float), []
        for name, rule in rules_of(data).items():
            values = np.abs(data[name].values.astype(float))
            ax.plot(along, values, label=RULE_NAMES[rule], zorder=4 if rule == "slope" else 3, **_LOOKS[rule])
            drawn.append(values)
        ax.set_xscale("log")
        ax.invert_xaxis()
        ax.set_xlabel(label.get(dim, dim))
        unit = " / output" if dim == "eps" else ""
        ax.set_ylabel(f"largest |relevance| of an input{unit}")
        looks.log_axis(ax, np.concatenate(drawn) if drawn else [])
        ax.legend(loc="best")
    return ax


def instability(network: xr.Dataset | None, toy: xr.Dataset | None) -> Figure:
    """Draw the network as the stabiliser goes, and the toy as two inputs cancel, those that are there."""
    shown = [(data, dim) for data, dim in ((network, "eps"), (toy, "difference")) if data is not None]
    titles = {"eps": "the network, all test images", "difference": r"relu($x_1 - x_2 + 1$)"}
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE if len(shown) > 1 else style.SINGLE, 2.5, 1, len(shown))
        for ax, (data, dim) in zip(axes, shown, strict=True):
            grows(data, dim, ax).set_title(titles[dim])
        if len(shown) > 1:
            style.letter(axes)
    return figure


def two_objects(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw what one of two objects takes of their maximum, by each rule, against their ratio.

    Parameters
    ----------
    data : xarray.Dataset
        `share` (rule, ratio).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    share = only(data, "share").transpose("rule", "ratio")
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.4)
        for place, rule in enumerate(share["rule"].values):
            ax.plot(
                data["ratio"],
                share[place],
                label=style.entry(str(rule).replace("_", " ")),
                **looks.LINES[place % len(looks.LINES)],
            )
        ratio = data["ratio"].values.astype(float)
        if (ratio > 0).all():
            ax.set_xscale("log")
        ax.set(xlabel="ratio of the two (both below zero)", ylabel="share of the first")
        if (ratio <= 0).any():
            ax.set_xlabel("ratio of the two")
        ax.set_ylim(bottom=min(0.0, float(share.min())))
        ax.legend(loc="lower right")
    return ax


def forms(data: xr.Dataset, ending: str = "", ax: Axes | None = None) -> Axes:
    """Draw the shares of several objects of a maximum, and of biases, by two ways to compute it.

    Parameters
    ----------
    data : xarray.Dataset
        `share` (form, object), optionally `bias` (form,) and the objects' `value` (object,).
    ending : {"", "_tied"}
        Behind the names of the variables: another set of objects.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    share = (data[f"share{ending}"] if ending else only(data, "share")).transpose("form", "object")
    values, labels = share.values.astype(float), [style.as_is(name) for name in share["object"].values]
    if f"value{ending}" in data:
        labels = [f"{float(value):g}".replace("-", "−") for value in data[f"value{ending}"]]
    if f"bias{ending}" in data:
        values = np.column_stack([values, data[f"bias{ending}"].values])
        labels.append("biases")
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.4)
        width = 0.8 / len(values)
        entries = {}
        for at, (form, row) in enumerate(zip(share["form"].values, values, strict=True)):
            place = np.arange(len(labels)) + width * (at - (len(values) - 1) / 2)
            entries[style.as_is(str(form).replace("_", " "))] = ax.bar(
                place, row, width=0.92 * width, color=looks.LINES[at % len(looks.LINES)]["color"],
                hatch="////" if at else None, edgecolor="white", linewidth=0.3,
            )  # fmt: skip
        ax.axhline(0, color=style.BLACK, linewidth=0.6)
        ax.set_xticks(range(len(labels)), labels)
        ax.set(xlabel="objects", ylabel="share of the relevance")
        style.legend_above(ax, entries, columns=1, right=True)
    return ax


def maxima(pair: xr.Dataset | None, several: xr.Dataset | None) -> Figure:
    """Draw `two_objects` and `forms`, of each set of objects, side by side, those that are there."""
    draw: list[Callable[[Axes], Axes]] = []
    if pair is not None:
        draw.append(lambda ax: two_objects(pair, ax))
    if several is not None:
        draw.append(lambda ax: forms(several, "", ax))
        if "share_tied" in several:
            draw.append(lambda ax: forms(several, "_tied", ax))
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE if len(draw) > 1 else style.SINGLE, 2.4, 1, len(draw))
        for ax, one in zip(axes, draw, strict=True):
            one(ax)
        if len(draw) > 1:
            style.letter(axes)
    return figure
