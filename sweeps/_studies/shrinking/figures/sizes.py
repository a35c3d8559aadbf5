"""Networks whose training ended early, larger networks once pruned, and accuracy within a budget of memory."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.figures import _curves, _names, style
from analysis.intervals import interval
from sweeps._studies.shrinking.figures import looks
from sweeps._studies.shrinking.measures.budgets import TRAINED, bytes_along, sources
from sweeps._studies.shrinking.measures.early import FIRST
from sweeps._studies.shrinking.measures.networks import Network
from sweeps._studies.shrinking.names import METHODS, in_order, method_name

#: Bytes in a kibibyte.
KIB = 1024
MARKERS = "osD^v"


def early(networks: Sequence[Network]) -> Figure:
    """Draw error and accuracy against the nodes removed by brute force, re-ranked, after unlike times of training.

    Parameters
    ----------
    networks : sequence of Network
        Of one layer.

    Returns
    -------
    matplotlib.figure.Figure
        (a) The error over its start, for the first fifth of the removals; the grey band is the paper's 5 to 10 %.
        (b) The accuracy.
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, 2)
        nodes = networks[0].nodes
        shown = max(round(0.2 * nodes), 1)
        axes[0].axvspan(*(share * nodes for share in FIRST), color=style.LIGHT_GREY, alpha=0.6, linewidth=0)
        axes[0].axhline(1, color=style.GREY, linewidth=0.7)
        for number, network in enumerate(networks):
            epochs = int(network.attrs["epochs"])
            label = f"{epochs} epoch{'s' * (epochs != 1)}: {100 * network.start('accuracy').mean:.1f} %"
            loss = network.curves("loss", "brute_force").drop_vars(["ranked_by", "ranking"], errors="ignore")
            part = (loss / loss.isel(step=0, drop=True)).isel(step=slice(shown + 1))
            _curves.banded(axes[0], part, label, alpha=0.2, **looks.numbered(number))
            accuracy = network.curves("accuracy", "brute_force").drop_vars(["ranked_by", "ranking"], errors="ignore")
            _curves.banded(axes[1], accuracy, label, alpha=0.2, **looks.numbered(number))
        looks.removed_axis(axes[0], shown)
        looks.removed_axis(axes[1], nodes)
        axes[0].set_ylabel("error / error at the start")
        _curves.accuracy_axis(axes[1])
        looks.legend(figure, axes[0])
        style.letter(axes)
    return figure


def larger(budgets: xr.Dataset) -> Figure:
    """Draw the test accuracy of networks of each size: trained at that size, or pruned from a larger one.

    Parameters
    ----------
    budgets : xarray.Dataset
        `test_accuracy` (network, source, trained_on, budget), and the coordinate `nodes` (budget,).

    Returns
    -------
    matplotlib.figure.Figure
        (a) As pruned. (b) Trained on for some more epochs.
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.6, 1, 2, sharey=True)
        titles = ("without retraining", f"trained on for {int(budgets.attrs['epochs'])} epochs")
        for place, (ax, title) in enumerate(zip(axes, titles, strict=True)):
            for number, source in enumerate([TRAINED, *sources(budgets)]):
                values = budgets["test_accuracy"].isel(trained_on=place).sel(source=source)
                label = "trained at this size" if source == TRAINED else f"pruned from {source} nodes"
                _points(ax, budgets["nodes"].values, values, label, number)
            _curves.accuracy_axis(ax, "test accuracy (%)" if not place else "")
            _sizes_axis(ax, budgets["nodes"].values, "nodes left")
            ax.set_title(title)
        # What differs is small beside the way to zero.
        axes[0].set_ylim(bottom=max(0.0, float(budgets["test_accuracy"].mean("network").min()) - 0.15))
        looks.legend(figure, axes[0])
        style.letter(axes)
    return figure


def memory(networks: Sequence[Network], budgets: xr.Dataset) -> Figure:
    """Draw the test accuracy against the bytes of a network.

    Parameters
    ----------
    networks : sequence of Network
        Those whose paths are drawn: the first by every method of the paper and random choices, all by brute force.
    budgets : xarray.Dataset
        As for `larger`.

    Returns
    -------
    matplotlib.figure.Figure
        (a) One layer, by method. (b) Several networks by brute force, beside networks trained at their size.
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 3.0, 1, 2, sharey=True)
        first = networks[0]
        for method in [one for one in in_order(first.methods) if one in (*METHODS, "random")]:
            _path(axes[0], first, method, _names.entry(method_name(method)), looks.line(method))
        for number, network in enumerate(networks):
            label = f"{'-'.join(map(str, network.hidden))} nodes, pruned"
            _path(axes[1], network, "brute_force", label, looks.numbered(number))
        ticks = budgets["budget"].values / KIB
        for place, words in enumerate(("trained at this size", "pruned and trained on")):
            source = TRAINED if place == 0 else sources(budgets)[0]
            values = budgets["test_accuracy"].isel(trained_on=place).sel(source=source)
            _points(axes[1], ticks, values, words, len(networks) + place, joined=False)
        for ax in axes:
            _curves.accuracy_axis(ax, "test accuracy (%)" if ax is axes[0] else "")
            _sizes_axis(ax, np.append(ticks, int(bytes_along(first).max()) / KIB), "memory (KiB)")
            ax.legend(loc="lower right")
        style.letter(axes)
    return figure


def _path(ax: Axes, network: Network, method: str, label: str, look: dict[str, object]) -> None:
    """Draw the mean accuracy over networks against the bytes of the mean network at each step."""
    at = {"ranked_by": network.methods.index(method), "ranking": network.rankings.index("reranked")}
    sizes = bytes_along(network)[:, at["ranked_by"], at["ranking"]].mean(axis=0) / KIB
    values = network.curves("test_accuracy", method).drop_vars(["ranked_by", "ranking"], errors="ignore")
    _curves.banded(ax, values.assign_coords(step=sizes), label, alpha=0.2, **look)  # type: ignore[arg-type]


def _points(ax: Axes, along: np.ndarray, values: xr.DataArray, label: str, number: int, joined: bool = True) -> None:
    found = [interval(one) for one in values.transpose("budget", "network").values]
    look = looks.numbered(number) if joined else {"color": looks.numbered(number)["color"], "linestyle": "none"}
    bars = [one.half if one.known else 0.0 for one in found]
    mark = MARKERS[number % len(MARKERS)]
    ax.errorbar(along, [one.mean for one in found], bars, label=label, marker=mark, markersize=4, capsize=2, **look)


def _sizes_axis(ax: Axes, ticks: np.ndarray, label: str) -> None:
    """Give each of some sizes a tick, twice as much a step of equal length."""
    ax.set_xscale("log", base=2)
    ax.set_xlim(0.75 * float(ticks.min()), 1.3 * float(ticks.max()))
    ax.set_xticks(ticks)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    ax.minorticks_off()
    ax.set_xlabel(label)
