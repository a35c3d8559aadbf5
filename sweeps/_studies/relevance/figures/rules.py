"""What the rules do: instability as the stabiliser shrinks, maxima beside slopes, and two forms of a maximum."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import _axes, _names, style
from sweeps._studies.relevance.figures import looks
from sweeps._studies.relevance.measures.demonstrations import largest
from sweeps._studies.relevance.names import keys, name_of

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
        See `sweeps._studies.relevance.measures.demonstrations.largest`.
    dim : {"eps", "difference"}
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Both axes by powers, the horizontal one falling.
    """
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
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


def blip(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the line that jumps over zero, by which the normalised rule divides.

    Parameters
    ----------
    data : xarray.Dataset
        `blip` (value,) and the attribute `eps`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    value, eps = data["value"].values, data.attrs["eps"]
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        ax.plot(value, value, color=style.GREY, linewidth=0.8, linestyle=(0, (1, 1.5)), label="b")
        for side in (value < 0, value >= 0):
            ax.plot(value[side], data["blip"].values[side], color=style.BLUE, label="_")
        # The jump: open where the value is not taken, filled where it is.
        ax.plot([0], [-eps], "o", color=style.BLUE, markersize=3.5, markerfacecolor="white")
        ax.plot([0], [eps], "o", color=style.BLUE, markersize=3.5)
        for sign in (1, -1):
            ax.annotate("ε" if sign > 0 else "−ε", (0, sign * eps), (-5 * sign, 4 * sign), textcoords="offset points",
                        ha="right" if sign > 0 else "left", va="center", fontsize=8)  # fmt: skip
        ax.set(xlabel="b", ylabel="blip(b)")
        ax.set_title("blip(b) = b + ε sign(b)")
    return ax


_ON_COLOURS = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
#: Where the formulas stand, in parts of the largest object, and what they say of the first object's share.
_CASES = {
    (0.5, 0.55): r"$\frac{a_1}{a_1 + a_2}$",
    (-0.5, 0.5): "0",
    (0.5, -0.5): "1",
    (-0.5, -0.55): r"$\frac{1/a_1}{1/a_1 + 1/a_2}$",
}


def radial(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw what the first of two objects takes of their maximum by the radial rule, over the plane of both.

    Parameters
    ----------
    data : xarray.Dataset
        `share` (second, first).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Dotted: rays from zero, along which the share is the same.
    """
    share = data["share"].transpose("second", "first").values
    first, second = (data[name].values.astype(float) for name in ("first", "second"))
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.6)
        image = ax.imshow(share, origin="lower", cmap="cividis", vmin=0, vmax=1,
                          extent=(first[0], first[-1], second[0], second[-1]))  # fmt: skip
        for degrees in (20, 45, 70, 200, 225, 250):
            end = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]) * 1.5 * first[-1]
            ax.plot([0, end[0]], [0, end[1]], color="white", linewidth=0.8, linestyle=(0, (1, 1.5)))
        for (x, y), words in _CASES.items():
            ax.text(x * first[-1], y * second[-1], words, ha="center", va="center", fontsize=11, bbox=_ON_COLOURS)
        ax.set_xlim(first[0], first[-1])
        ax.set_ylim(second[0], second[-1])
        ax.set(xlabel="$a_1$", ylabel="$a_2$")
        _axes.figure_of(ax).colorbar(image, ax=ax, label="share of $a_1$", shrink=0.85)
        ax.set_title("radial maximum")
    return ax


def around(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the share of the first of two objects once around zero, by the radial rule and by the gradient's.

    Parameters
    ----------
    data : xarray.Dataset
        `around` (rule, angle), in degrees.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        for rule, look in zip(keys(data, "rule"), looks.LINES, strict=False):
            ax.plot(data["angle"], data["around"].sel(rule=rule), label=_names.entry(name_of(rule)), **look)
        ax.set_xticks([0, 90, 180, 270, 360])
        ax.set(xlabel="angle of ($a_1$, $a_2$) (degrees)", ylabel="share of $a_1$", ylim=(-0.03, 1.03))
        ax.legend(loc="upper center", bbox_to_anchor=(0.375, 1))
        ax.set_title("once around zero")
    return ax


def drawn(data: xr.Dataset) -> Figure:
    """Draw `blip`, `radial` and `around`, side by side."""
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.35, 1, 3, gridspec_kw={"width_ratios": [1, 1.25, 1.1]})
        for draw, ax in zip((blip, radial, around), axes, strict=True):
            draw(data, ax)
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
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        for rule, values, look in zip(keys(data, "rule"), share, looks.LINES, strict=False):
            ax.plot(data["ratio"], values, label=_names.entry(name_of(rule)), **look)
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
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        width, entries = 0.8 / len(values), {}
        for at, (form, row) in enumerate(zip(keys(data, "form"), values, strict=True)):
            place = np.arange(len(labels)) + width * (at - (len(values) - 1) / 2)
            entries[_names.as_is(name_of(form))] = ax.bar(
                place, row, width=0.92 * width, color=looks.LINES[at]["color"],
                hatch="////" if at else None, edgecolor="white", linewidth=0.3,
            )  # fmt: skip
        ax.axhline(0, color=style.BLACK, linewidth=0.6)
        ax.set_xticks(range(len(labels)), labels)
        ax.set(xlabel="objects", ylabel="share of the relevance")
        _axes.legend_above(ax, entries, columns=1, right=True)
    return ax


def maxima(pair: xr.Dataset, several: xr.Dataset) -> Figure:
    """Draw `two_objects`, and `forms` of both sets of objects, side by side."""
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.4, 1, 3)
        two_objects(pair, axes[0]).set_title("two objects")
        forms(several, "", axes[1]).set_title("all below zero")
        forms(several, "_tied", axes[2]).set_title("two of them tied")
        style.letter(axes)
    return figure
