"""What the rules do: instability as the stabiliser shrinks, maxima beside slopes, and two forms of a maximum."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from sweeps.studies.relevance.figures import looks
from sweeps.studies.relevance.measures.demonstrations import largest
from sweeps.studies.relevance.names import keys, name_of

#: What the rules are called, and how they are drawn.
RULE_NAMES = {
    "unblamed": "normalised, biases left out",
    "blamed": "normalised, biases as inputs",
    "slope": "slope",
}
_LOOKS = {
    "unblamed": {**looks.LINES[1], "marker": "s", "markersize": 3.2},
    "blamed": {**looks.LINES[2], "marker": "o", "markersize": 2.6},
    # Open and large, for it often lies on the line of the one before.
    "slope": {**looks.LINES[0], "marker": "D", "markersize": 5.5, "markerfacecolor": "none"},
}


def grows(data: xr.Dataset, dim: str, ax: Axes | None = None) -> Axes:
    """Draw the largest relevance against the stabiliser, or against how nearly two inputs cancel.

    Parameters
    ----------
    data : xarray.Dataset
        See `sweeps.studies.relevance.measures.demonstrations.largest`.
    dim : {"eps", "difference"}
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Both axes by powers, the horizontal one falling.
    """
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.4)
        along, found = data[dim].values.astype(float), largest(data)
        for rule, values in found.items():
            ax.plot(along, values, label=RULE_NAMES[rule], zorder=4 if rule == "slope" else 3, **_LOOKS[rule])
        ax.set_xscale("log")
        ax.invert_xaxis()
        ax.set_xlabel("stabiliser ε" if dim == "eps" else "difference of the two inputs")
        unit = " / output" if dim == "eps" else ""
        ax.set_ylabel(f"largest |relevance| of an input{unit}")
        looks.log_axis(ax, np.concatenate(list(found.values())))
        ax.legend(loc="best")
    return ax


def instability(network: xr.Dataset, toy: xr.Dataset) -> Figure:
    """Draw the network as the stabiliser shrinks, and the toy as two inputs cancel, side by side."""
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.5, 1, 2)
        grows(network, "eps", axes[0]).set_title("the network, all test images")
        grows(toy, "difference", axes[1]).set_title(r"relu($x_1 - x_2 + 1$)")
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
    share = data["share"].transpose("rule", "ratio")
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.4)
        for rule, values, look in zip(keys(data, "rule"), share, looks.LINES, strict=False):
            ax.plot(data["ratio"], values, label=style.entry(name_of(rule)), **look)
        ax.set_xscale("log")
        ax.set(xlabel="ratio of the two (both below zero)", ylabel="share of the first")
        ax.set_ylim(bottom=min(0.0, float(share.min())))
        ax.legend(loc="lower right")
    return ax


def forms(data: xr.Dataset, ending: str = "", ax: Axes | None = None) -> Axes:
    """Draw the shares of several objects of a maximum, and of biases, by two ways to compute it.

    Parameters
    ----------
    data : xarray.Dataset
        `share` (form, object), `bias` (form,) and the objects' `value` (object,).
    ending : {"", "_tied"}
        Behind the names of the variables: another set of objects.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    share = data[f"share{ending}"].transpose("form", "object").values.astype(float)
    values = np.column_stack([share, data[f"bias{ending}"].values])
    labels = [*(f"{float(value):g}".replace("-", "−") for value in data[f"value{ending}"]), "biases"]
    with style.context():
        ax = style.axes_or_new(ax, style.SINGLE, 2.4)
        width, entries = 0.8 / len(values), {}
        for at, (form, row) in enumerate(zip(keys(data, "form"), values, strict=True)):
            place = np.arange(len(labels)) + width * (at - (len(values) - 1) / 2)
            entries[style.as_is(name_of(form))] = ax.bar(
                place, row, width=0.92 * width, color=looks.LINES[at]["color"],
                hatch="////" if at else None, edgecolor="white", linewidth=0.3,
            )  # fmt: skip
        ax.axhline(0, color=style.BLACK, linewidth=0.6)
        ax.set_xticks(range(len(labels)), labels)
        ax.set(xlabel="objects", ylabel="share of the relevance")
        style.legend_above(ax, entries, columns=1, right=True)
    return ax


def maxima(pair: xr.Dataset, several: xr.Dataset) -> Figure:
    """Draw `two_objects`, and `forms` of both sets of objects, side by side."""
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.4, 1, 3)
        two_objects(pair, axes[0])
        forms(several, "", axes[1])
        forms(several, "_tied", axes[2])
        style.letter(axes)
    return figure
