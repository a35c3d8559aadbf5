"""What the whole cube says: variance by order, covariance by distance, and moments against p."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from analysis import _checks, hypercube
from analysis.figures import _axes, _names, style

__all__ = ["against_probability", "covariance_by_distance", "overview", "variance_by_order"]

#: Orders are shown up to the one at which this share of the variance is reached.
_SHOWN = 0.999
#: Probabilities at which the exact curves are computed.
_POINTS = 199
_DOTS: dict[str, Any] = {"markersize": 3.2, "capsize": 2.5, "linewidth": 1.0, "zorder": 3}


def variance_by_order(
    values: Any, *, probability: float = 0.5, quantity: str = "log loss", ax: Axes | None = None
) -> Axes:
    """Draw the share of the variance in every order as a bar, even orders in one colour and odd ones in another.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    probability : float
        Probability that a node is on, above 0 and below 1.
    quantity : str
        What the values are, for the label of the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Orders up to the one at which 99.9 % of the variance is reached.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If their number is no power of two, one is not finite, or `probability` is not inside (0, 1).

    See Also
    --------
    analysis.hypercube.variance_by_order : The numbers.

    Examples
    --------
    >>> from analysis import figures
    >>> ax = figures.spectrum.variance_by_order([0.0, 1.0, 2.0, 5.0], probability=0.5)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['odd order (92.9%)', 'even order (7.1%)']
    """
    weights = hypercube.variance_by_order(values, probability=probability)
    total = weights.sum()
    shares = weights / total if total > 0 else weights
    last = int(np.searchsorted(np.cumsum(shares), _SHOWN)) if total > 0 else weights.size - 1
    orders = np.arange(1, min(max(last, 1), weights.size - 1) + 1)
    entries: dict[str, Any] = {}
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.3)
        for name, color, parity in (("odd order", style.VERMILLION, 1), ("even order", style.BLUE, 0)):
            some = orders[orders % 2 == parity]
            if some.size:
                bars = ax.bar(some, shares[some], 0.72, color=color)
                entries[f"{name} ({shares[1:][np.arange(1, shares.size) % 2 == parity].sum():.1%})"] = bars
                labels = [f"{share:.1%}" if share >= 5e-4 else "<0.1%" for share in shares[some]]
                ax.bar_label(bars, labels, fontsize=7, padding=1)
        _axes.legend_above(ax, entries, columns=2)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.margins(y=0.1)
        ax.set_ylim(bottom=0)
        ax.set(xlabel="order (nodes that act together)", ylabel=f"share of the variance\nof the {quantity}")
    return ax


def covariance_by_distance(values: Any, *, quantity: str = "log loss", ax: Axes | None = None) -> Axes:
    """Draw the covariance of two masks against the number of nodes in which they differ, and their correlation.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    quantity : str
        What the values are, for the label of the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Covariance on the left, correlation on the right, one curve for both.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If their number is no power of two, or one is not finite.

    See Also
    --------
    analysis.hypercube.covariance_by_distance : The numbers.
    analysis.figures.paths.ends : The same along sampled paths.

    Examples
    --------
    >>> from analysis import figures
    >>> figures.spectrum.covariance_by_distance([0.0, 1.0, 2.0, 5.0]).get_xlabel()
    'nodes in which two masks differ'
    """
    by_distance = hypercube.covariance_by_distance(values)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.3)
        ax.axhline(0, color=style.GREY, linewidth=0.6, zorder=0.5)
        ax.plot(np.arange(by_distance.size), by_distance, "o-", markersize=2.8, color=style.BLUE)
        variance = by_distance[0]
        if variance > 0:
            right = ax.secondary_yaxis("right", functions=(lambda y: y / variance, lambda y: y * variance))
            right.set_ylabel("correlation")
            right.spines["right"].set_visible(True)
        ax.annotate(
            "opposite\nmask",
            (by_distance.size - 1, by_distance[-1]),
            xytext=(0, 6),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=8,
            linespacing=0.9,
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.set_xlim(-0.4, by_distance.size - 0.6)
        ax.set(xlabel="nodes in which two masks differ", ylabel=f"covariance of the {quantity}")
    return ax


def against_probability(
    values: Any, *, sampled: xr.Dataset | None = None, quantity: str = "log loss", ax: Axes | None = None
) -> Axes:
    """Draw the exact mean against the probability that a node is on, with a band of one standard deviation.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    sampled : xarray.Dataset, (probability,), optional
        `mean` and `sd` of sampled masks, drawn as points with whiskers of one standard deviation.
    quantity : str
        What the values are, with a unit if they have one, such as ``"loss (nats)"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        From probability 0, where only the empty mask counts, to 1, where only the whole network does.

    Raises
    ------
    TypeError
        If the values are not real numbers, or `sampled` is no Dataset.
    ValueError
        If their number is no power of two, one is not finite, or `sampled` lacks a variable.

    See Also
    --------
    analysis.hypercube.moments : The curve.

    Examples
    --------
    >>> from analysis import figures
    >>> sampled = xr.Dataset({"mean": ("probability", [1.9]), "sd": ("probability", [1.8])}, {"probability": [0.5]})
    >>> ax = figures.spectrum.against_probability([0.0, 1.0, 2.0, 5.0], sampled=sampled, quantity="loss (nats)")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['mean, exact', 'mean ± sd, exact', 'sampled']
    """
    chance = np.linspace(0, 1, _POINTS + 2)
    exact = hypercube.moments(values, probability=chance)
    sd = np.sqrt(exact.variance)
    entries: dict[str, Any] = {}
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.4)
        (entries["mean, exact"],) = ax.plot(chance, exact.mean, color=style.BLUE)
        entries["mean ± sd, exact"] = ax.fill_between(
            chance, exact.mean - sd, exact.mean + sd, color=style.BLUE, alpha=0.18, linewidth=0
        )
        if sampled is not None:
            _checks.dataset_with("sampled", sampled, ("mean", "sd"), ("probability",))
            entries["sampled"] = ax.errorbar(
                sampled["probability"], sampled["mean"], sampled["sd"], fmt="o", color=style.VERMILLION, **_DOTS
            )
        _axes.legend_above(ax, entries, columns=3)
        ax.set_xlim(0, 1)
        ax.set(xlabel="probability $p$ that a node is on", ylabel=quantity)
    return ax


def overview(log_loss: Any, loss: Any, *, sampled: xr.Dataset | None = None, unit: str = "nats") -> Figure:
    """Draw the variance of the log loss by order, and the loss against the probability, side by side.

    Parameters
    ----------
    log_loss, loss : array_like or xarray.DataArray, (2**N,)
        The values at each mask; mask number m has node i on when bit i of m is 1.
    sampled : xarray.Dataset, (probability,), optional
        `mean` and `sd` of the loss of sampled masks.
    unit : str
        Unit of the loss.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels.

    Raises
    ------
    TypeError
        If the values are not real numbers, or `sampled` is no Dataset.
    ValueError
        If their number is no power of two, one is not finite, or `sampled` lacks a variable.

    See Also
    --------
    variance_by_order, against_probability : The panels.

    Examples
    --------
    >>> from analysis import figures
    >>> loss = np.array([1.0, 2.0, 2.0, 5.0])
    >>> [ax.get_title(loc="left") for ax in figures.spectrum.overview(np.log(loss), loss).axes]
    ['(a)', '(b)']
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.5, 1, 2)
        variance_by_order(log_loss, ax=axes[0])
        against_probability(loss, sampled=sampled, quantity=f"loss ({_names.as_is(unit)})", ax=axes[1])
        style.letter(axes)
    return figure
