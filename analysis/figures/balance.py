"""Whether nodes balance: the log loss by numbers of nodes and by imbalance, and what makes opposites alike."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis import balance
from analysis.figures import _axes, style
from analysis.intervals import Interval

__all__ = ["PARTS", "along_imbalance", "by_numbers", "opposites", "overview"]

#: What the parts of `analysis.balance.explain` are called.
PARTS = {
    "numbers": "numbers on",
    "products": "bias against slices",
    "imbalance": "directions",
    "rest": "rest",
    "together": "together",
}


def by_numbers(values: Any, roles: xr.Dataset, *, quantity: str = "log loss", ax: Axes | None = None) -> Axes:
    """Draw the mean by the numbers of slicing and of bias nodes that are on, as a heat map.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    roles : xarray.Dataset, (node,)
        What `analysis.balance.roles` returns.
    quantity : str
        What the values are, with a unit if they have one, such as ``"loss (nats)"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Bias nodes upwards, slicing nodes to the right. The dashed line joins the masks that keep the whole network's
        proportion of the two.

    See Also
    --------
    analysis.balance.mean_by_numbers : What is drawn.
    overview : With the other two.

    Examples
    --------
    >>> from analysis import figures
    >>> roles = xr.Dataset({"role": ("node", ["slicing", "bias"]), "push": (("node", "feature"), [[1.0], [1.0]])})
    >>> ax = figures.balance.by_numbers([0.0, 1.0, 2.0, 5.0], roles)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('slicing nodes on', 'bias nodes on')
    """
    mean = balance.mean_by_numbers(values, roles)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        image = ax.imshow(mean.values, origin="lower", aspect="auto", cmap="cividis")
        _axes.colour_bar(image, ax, f"mean {quantity}", fraction=0.06, pad=0.03)
        last = mean.sizes["slicing"] - 1, mean.sizes["bias"] - 1
        ax.plot([0, last[0]], [0, last[1]], color="white", linewidth=1.2, linestyle=(0, (4, 2)))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True))
        ax.set(xlim=(-0.5, last[0] + 0.5), ylim=(-0.5, last[1] + 0.5))
        ax.set(xlabel="slicing nodes on", ylabel="bias nodes on")
    return ax


def along_imbalance(values: Any, roles: xr.Dataset, *, quantity: str = "log loss", ax: Axes | None = None) -> Axes:
    """Draw how the values go with the imbalance, once the numbers of nodes are allowed for.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    roles : xarray.Dataset, (node,)
        What `analysis.balance.roles` returns.
    quantity : str
        What the values are, with a unit if they have one, such as ``"loss (nats)"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Means over the masks of a bin with a band of one standard deviation, and the line that was fitted.

    See Also
    --------
    analysis.balance.along_imbalance : What is drawn.
    overview : With the other two.

    Examples
    --------
    >>> from analysis import figures
    >>> roles = xr.Dataset({"role": ("node", ["slicing"] * 2), "push": (("node", "feature"), [[1.0], [-2.0]])})
    >>> figures.balance.along_imbalance([0.0, 1.0, 2.0, 1.0], roles).get_xlabel()
    'imbalance of the directions'
    """
    found = balance.along_imbalance(values, roles)
    x, mean, sd = (found[name].values for name in ("imbalance", "mean", "sd"))
    entries: dict[str, Any] = {}
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        band = ax.fill_between(x, mean - sd, mean + sd, color=style.BLUE, alpha=0.18, linewidth=0)
        (entries["mean"],) = ax.plot(x, mean, "o-", markersize=2.6, color=style.BLUE)
        entries["± sd"] = band
        (entries["fit"],) = ax.plot(x, found["fitted"], color=style.BLACK, linewidth=1.0, linestyle=(0, (4, 2)))
        _axes.legend_above(ax, entries, columns=3)
        ax.set_xlim(left=0)
        ax.set(xlabel="imbalance of the directions", ylabel=f"{quantity}, numbers\nallowed for")
    return ax


def opposites(shares: Mapping[str, Interval], own_shares: Mapping[str, float], *, ax: Axes | None = None) -> Axes:
    """Draw what each part contributes to the correlation of a mask with its opposite.

    Parameters
    ----------
    shares : mapping of str to Interval
        Means over many networks, by keys of `PARTS`: "numbers", "products", "imbalance", "rest", and "together" for the
        correlation itself.
    own_shares : mapping of str to float
        The same of one network.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Bars of the means with whiskers of their intervals, diamonds for the one network, and below a line all together.

    See Also
    --------
    analysis.balance.explain : Gives the parts of one network as `carried`.
    overview : With the other two.

    Examples
    --------
    >>> from analysis import figures
    >>> found = {part: Interval(0.1, 0.02, 8) for part in figures.balance.PARTS}
    >>> ax = figures.balance.opposites(found, dict.fromkeys(found, 0.12))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['numbers on', 'bias against slices', 'directions', 'rest', 'together']
    """
    place = np.arange(len(PARTS))[::-1]
    mean, half = (np.array([getattr(shares[key], name) for key in PARTS]) for name in ("mean", "half"))
    colors = [
        style.BLACK if key == "together" else style.BLUE if mean[i] > 0 else style.VERMILLION
        for i, key in enumerate(PARTS)
    ]
    entries: dict[str, Any] = {}
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        ax.barh(place, mean, 0.6, color=colors, alpha=0.75)
        ax.errorbar(mean, place, xerr=np.nan_to_num(half), fmt="none", ecolor=style.BLACK, capsize=2.5)
        entries["networks"] = Patch(facecolor=style.GREY, alpha=0.75)
        (entries["this network"],) = ax.plot(
            [own_shares[key] for key in PARTS],
            place,
            "D",
            markersize=3.6,
            color=style.ORANGE,
            markeredgecolor=style.BLACK,
            markeredgewidth=0.5,
        )
        ax.axvline(0, color=style.BLACK, linewidth=0.6)
        ax.axhline(0.5, color=style.LIGHT_GREY, linewidth=0.8)
        ax.set_yticks(place, list(PARTS.values()))
        ax.tick_params(axis="y", length=0)
        _axes.legend_above(ax, entries, columns=1)
        ax.set(xlabel="part of the correlation\nof opposites")
    return ax


def overview(
    values: Any,
    roles: xr.Dataset,
    shares: Mapping[str, Interval],
    own_shares: Mapping[str, float],
    *,
    quantity: str = "log loss",
) -> Figure:
    """Draw values by numbers of nodes, along the imbalance, and what makes opposites alike, side by side.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    roles : xarray.Dataset, (node,)
        What `analysis.balance.roles` returns.
    shares : mapping of str to Interval
        Means over many networks, by keys of `PARTS`: "numbers", "products", "imbalance", "rest", and "together" for the
        correlation itself.
    own_shares : mapping of str to float
        The same of one network.
    quantity : str
        What the values are, with a unit if they have one, such as ``"loss (nats)"``.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels of two columns' width.

    See Also
    --------
    by_numbers, along_imbalance, opposites : The panels.

    Examples
    --------
    >>> from analysis import figures
    >>> roles = xr.Dataset({"role": ("node", ["slicing", "bias"]), "push": (("node", "feature"), [[1.0], [1.0]])})
    >>> found = {part: Interval(0.1, 0.02, 8) for part in figures.balance.PARTS}
    >>> figure = figures.balance.overview([0.0, 1.0, 2.0, 5.0], roles, found, dict.fromkeys(found, 0.12))
    >>> [ax.get_title(loc="left") for ax in figure.axes[:3]]
    ['(a)', '(b)', '(c)']
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, 3)
        by_numbers(values, roles, quantity=quantity, ax=axes[0])
        along_imbalance(values, roles, quantity=quantity, ax=axes[1])
        opposites(shares, own_shares, ax=axes[2])
        style.letter(axes)
    return figure
