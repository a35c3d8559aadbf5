"""Deletion: the output as regions are replaced, the ranking of the methods, and which of them are told apart."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import _checks
from analysis.figures import _axes, _names, style
from analysis.figures._curves import accuracy_axis, banded
from analysis.intervals import interval
from sweeps._studies.relevance.figures import looks
from sweeps._studies.relevance.measures.deletion import ORDERS, RANDOM, Pairs
from sweeps._studies.relevance.names import keys

_ORDERS = {"most": "most relevant first", "least": "least relevant first"}


def curve(
    deletion: xr.Dataset,
    order: str,
    replacement: str,
    shown: list[str],
    names: Mapping[str, str],
    ax: Axes | None = None,
) -> Axes:
    """Draw the probability of the class named at first against the share of replaced regions.

    Parameters
    ----------
    deletion : xarray.Dataset
        `probability` (attributed_by, order, replacement, example, removed).
    order, replacement : str
    shown : list of str
        Methods with lines of their own; the others are thin and grey, random order is dotted.
    names : mapping of str to str
        What the methods are called.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Means over images with 95 % t-intervals at each point.

    Raises
    ------
    ValueError
        If the order is unknown.
    """
    _checks.one_of("order", order, ORDERS)
    data = deletion["probability"].sel(order=order, replacement=replacement, drop=True)
    # The bands count independent images as networks.
    data = data.rename(example="network").assign_coords(
        removed=100 * data["removed"].values / deletion.attrs["regions"]
    )
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.5)
        for key in keys(deletion):
            values = data.sel({"attributed_by": key}, drop=True).transpose("network", "removed")
            label = _names.entry(names.get(key, key))
            if key == RANDOM:
                banded(ax, values, label, alpha=0.2, color=style.BLACK, linestyle=(0, (1, 1.5)), zorder=4)
            elif key in shown:
                banded(ax, values, label, alpha=0.15, zorder=3, **looks.LINES[shown.index(key)])
            else:
                ax.plot(values["removed"], values.mean("network"), color=style.GREY, linewidth=0.4, alpha=0.7, zorder=2)
        ax.set_xlim(0, 100)
        ax.set_xlabel("regions replaced (%)")
        accuracy_axis(ax, "probability (%)")
        ax.set_title(f"{_ORDERS[order]}; by {_names.as_is(replacement)}")
    return ax


def overview(deletion: xr.Dataset, shown: list[str], names: Mapping[str, str]) -> Figure:
    """Draw both orders under every replacement; the arguments are those of `curve`."""
    replacements = keys(deletion, "replacement")
    shown = shown[: len(looks.LINES)]
    with style.context():
        figure, axes = style.new_figure(
            style.DOUBLE, 0.5 + 2.05 * len(replacements), len(replacements), 2, sharex=True, sharey=True
        )
        for row, replacement in enumerate(replacements):
            for column, order in enumerate(ORDERS):
                ax = curve(deletion, order, replacement, shown, names, axes[2 * row + column])
                if column:
                    ax.set_ylabel("")
                if row < len(replacements) - 1:
                    ax.set_xlabel("")
        handles, labels = axes[0].get_legend_handles_labels()
        if len(keys(deletion)) > len(labels):
            handles.append(Line2D([], [], color=style.GREY, linewidth=0.4))
            labels.append("the others")
        figure.legend(handles, labels, loc="outside upper center", ncols=4, columnspacing=1.2)
        style.letter(axes)
    return figure


def ranking(scores: xr.Dataset, order: list[str], names: Mapping[str, str], name: str = "between") -> Figure:
    """Draw the areas of all methods, a row each, a mark for each replacement.

    Parameters
    ----------
    scores : xarray.Dataset
        `between`, `fall`, `stay` (attributed_by, replacement, example), see `measures.deletion.scores`.
    order : list of str
        Methods, from the top row on.
    names : mapping of str to str
    name : str
        Which area stands in the first panel; the others beside it.

    Returns
    -------
    matplotlib.figure.Figure
        Means over images with 95 % t-intervals; dotted: random order.
    """
    titles = {"between": "area between", "fall": "area over, most first", "stay": "area under, least first"}
    panels = [name, *(other for other in titles if other != name)]
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 0.85 + 0.19 * len(order), 1, len(panels), sharey=True)
        for ax, panel in zip(axes, panels, strict=True):
            for place, replacement in enumerate(keys(scores, "replacement")):
                mark = looks.MARKS[place % len(looks.MARKS)]
                for row, key in enumerate(order):
                    found = interval(scores[panel].sel({"attributed_by": key, "replacement": replacement}).values)
                    ax.errorbar(found.mean, row + 0.28 * (place - 0.5), xerr=found.half if found.known else None,
                                markersize=3.2, elinewidth=1.0, capsize=0, markeredgewidth=0.8,
                                label=None if row else f"by {_names.as_is(replacement)}", **mark)  # fmt: skip
                level = scores[panel].sel({"attributed_by": RANDOM, "replacement": replacement}).mean()
                ax.axvline(float(level), color=mark["color"], linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
            ax.set_title(titles[panel])
            ax.grid(axis="y", color=style.LIGHT_GREY, linewidth=0.4)
            ax.set_axisbelow(True)
            ax.set_xlabel("area (probability)")
        axes[0].set_yticks(range(len(order)), looks.named(order, names))
        axes[0].set_ylim(len(order) - 0.4, -0.6)
        for ax in axes:
            ax.tick_params(axis="y", length=0)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=3)
        style.letter(axes)
    return figure


def apart(pairs: Pairs, names: Mapping[str, str], size: float = 0.0, ax: Axes | None = None) -> Axes:
    """Draw the difference of every two methods; a dot where the interval excludes zero.

    Parameters
    ----------
    pairs : Pairs
        See `sweeps._studies.relevance.measures.deletion.pairs`.
    names : mapping of str to str
    size : float
        Difference at the end of the colours; the largest when left out.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=3.2)
        size = size or float(np.abs(pairs.difference).max(initial=0.0)) or 1.0
        ax.imshow(pairs.difference, cmap=looks.SIGNED, vmin=-size, vmax=size)
        rows, columns = np.nonzero(pairs.apart)
        ax.plot(columns, rows, ".", color=style.BLACK, markersize=2.2, linestyle="")
        _square(ax, looks.named(pairs.names, names))
    return ax


def alike(correlation: xr.DataArray, names: Mapping[str, str], ax: Axes | None = None) -> Axes:
    """Draw the mean correlation of every two methods' heat maps.

    Parameters
    ----------
    correlation : xarray.DataArray, (attributed_by, other)
        See `sweeps._studies.relevance.measures.heat.correlations`.
    names : mapping of str to str
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    with style.context():
        ax = _axes.axes_or_new(ax, width=4.4, height=3.6)
        image = ax.imshow(correlation.values, cmap=looks.SIGNED, vmin=-1, vmax=1)
        _square(ax, looks.named(keys(correlation), names))
        _axes.figure_of(ax).colorbar(image, ax=ax, shrink=0.6, label="mean correlation over pixels")
    return ax


def _square(ax: Axes, labels: list[str]) -> None:
    size = 7 if len(labels) < 20 else 6
    ax.set_xticks(range(len(labels)), labels, rotation=90, fontsize=size)
    ax.set_yticks(range(len(labels)), labels, fontsize=size)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def matrices(pairs: Mapping[str, Pairs], names: Mapping[str, str]) -> Figure:
    """Draw `apart` for every replacement, side by side."""
    with style.context():
        size = max(float(np.abs(one.difference).max(initial=0.0)) for one in pairs.values()) or 1.0
        figure, axes = style.new_figure(style.DOUBLE, 3.9, 1, len(pairs))
        for ax, (replacement, one) in zip(axes, pairs.items(), strict=True):
            apart(one, names, size, ax)
            ax.set_title(f"by {_names.as_is(replacement)}")
        shades = ScalarMappable(Normalize(-size, size), looks.SIGNED)
        figure.colorbar(shades, ax=axes, orientation="horizontal", shrink=0.4, aspect=35,
                        label="row less column (probability)")  # fmt: skip
        style.letter(axes)
    return figure
