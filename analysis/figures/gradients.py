"""Densities of gate gradients: at each probability that a node stays, by state, and node by node."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from analysis import _checks, _samples, gradients, layers
from analysis import density as kernel
from analysis._errors import InputError
from analysis._formatting import short_labels
from analysis._samples import Sample
from analysis.figures import _axes, _look, _names, style

__all__ = ["MOST", "by_node", "by_state", "density"]

#: Points of a drawn curve; more cannot be told apart in print.
_POINTS = 1200
#: Panels beside each other, and nodes that get one, at most.
_COLUMNS, MOST = 5, 40
#: Panels show every peak whole, unless the highest exceeds the upper quartile of the peaks by this factor.
_TALL = 2.0
#: The kernel of one node is wider than that of all nodes, which has more entries, by this factor at most.
_WIDER = 2.0
_STATE_COLORS = {"on": style.BLUE, "off": style.VERMILLION}
_STATE_LINES: dict[str, Any] = {"on": "-", "off": (0, (5, 1, 1, 1))}
_BELL: dict[str, Any] = {"linestyle": (0, (4, 2)), "linewidth": 1.0}


def _texts(sweep: xr.Dataset, name: str) -> tuple[str, str]:
    """Labels of both axes."""
    unit = _names.as_is(_axes.unit_of(sweep))
    if name == "log_loss_gradient":
        return "gate gradient of the log loss, d log loss / d gate", "probability density"
    per = "nat" if unit == "nats" else unit
    return f"gate gradient, d loss / d gate ({unit})", f"probability density (1/{per})"


def _index_of(sweep: xr.Dataset, probability: float) -> int:
    chances, probability = sweep["probability"].values, _checks.number("probability", probability)
    found = np.flatnonzero(np.isclose(chances, probability))
    if not found.size:
        raise InputError(f"probability must be one of {chances.tolist()}, got {probability}")
    return int(found[0])


def _with_missing(label: str, missing: int) -> str:
    return f"{label} ({missing} left out)" if missing else label


def _curve(sample: Sample, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of the density where it is not negligible; none for an empty sample."""
    if not sample.values.size:
        return np.empty(0), np.empty(0)
    grid, height = kernel.kde(sample, width=width)
    shown = np.flatnonzero(height > 1e-4 * height.max())
    x = np.linspace(grid[shown[0]], grid[shown[-1]], _POINTS)
    return x, np.interp(x, grid, height)


def _zero(ax: Axes) -> None:
    ax.axvline(0, color=style.LIGHT_GREY, linewidth=0.8, zorder=0.5)


def density(
    sweep: xr.Dataset, *, variable: str = "loss_gradient", width: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the density of the gate gradients of all nodes, a curve for each probability, with bell curves.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `variable` and boolean `gates` (probability, ..., node), in the unit of the loss that its attributes state.
        The legend says how many entries were not finite and left out.
    variable : {"loss_gradient", "log_loss_gradient"}
        Gate gradients of the loss, in its unit, or of its logarithm.
    width : float, optional
        Standard deviation of the Gaussian kernel, in the unit of `variable`; see `analysis.gradients.kernel_width`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        A curve and a dashed bell for each probability, in one colour, and a line at 0.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, the gradients are no real numbers, or the gates not boolean.
    ValueError
        If `variable` is unknown, a variable or a dimension is missing, `sweep` is a summary, or `width` is not above 0.

    See Also
    --------
    by_state : Nodes that are on and off apart.
    by_node : Each node by itself.

    Notes
    -----
    The bell curve has the mean and the standard deviation of the entries. It is not widened by the kernel.

    Examples
    --------
    >>> from analysis import figures
    >>> dims = ("probability", "draw", "node")
    >>> values = np.random.default_rng(0).normal(size=(1, 20, 2))
    >>> sweep = xr.Dataset({"loss_gradient": (dims, values), "gates": (dims, values > 0)}, {"probability": [0.5]})
    >>> figures.gradients.density(sweep, variable="loss_gradient").get_xlabel()
    'gate gradient, d loss / d gate (nats)'
    """
    width = gradients.kernel_width(sweep, variable=variable) if width is None else _checks.positive("width", width)
    lines: dict[str, Any] = {}
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.5)
        _zero(ax)
        for index, p in enumerate(sweep["probability"].values):
            sample = _samples.losses(gradients.entries(sweep, variable, index)[0])
            look = style.marked(index, _POINTS)
            (lines[_with_missing(f"$p$ = {float(p):g}", sample.nonfinite)],) = ax.plot(*_curve(sample, width), **look)
            if sample.shape.sd > 0:
                bell = stats.norm(sample.shape.mean, sample.shape.sd)
                x = np.linspace(bell.ppf(5e-4), bell.isf(5e-4), 400)
                ax.plot(x, bell.pdf(x), color=look["color"], **_BELL)
        (lines["normal, best fit"],) = ax.plot([], color=style.GREY, **_BELL)
        xlabel, ylabel = _texts(sweep, variable)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.set_ylim(bottom=0)
        _axes.legend_above(ax, lines, 2 if any("left out" in label for label in lines) else 3)
    return ax


def _by_state(sweep: xr.Dataset, name: str, probability: float, nodes: Any = slice(None)) -> dict[str, list[Sample]]:
    """Samples of the nodes that are on and of those that are off: of all nodes together, or of each."""
    values, on = gradients.entries(sweep, name, _index_of(sweep, probability))
    if isinstance(nodes, slice):
        return {"on": [_samples.losses(values[on])], "off": [_samples.losses(values[~on])]}
    return {
        state: [_samples.losses(values[chosen[:, node], node]) for node in nodes]
        for state, chosen in (("on", on), ("off", ~on))
    }


def by_state(
    sweep: xr.Dataset,
    *,
    variable: str = "loss_gradient",
    probability: float = 0.5,
    width: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the density of the gate gradients of the nodes that are on, and of those that are off.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `variable` and boolean `gates` (probability, ..., node), in the unit of the loss that its attributes state.
        The legend says how many entries were not finite and left out.
    variable : {"loss_gradient", "log_loss_gradient"}
        Gate gradients of the loss, in its unit, or of its logarithm.
    probability : float
        At which probability, one of the sweep.
    width : float, optional
        Standard deviation of the Gaussian kernel, in the unit of `variable`; see `analysis.gradients.kernel_width`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Each curve integrates to 1; a line of its colour at its mean.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, the gradients are no real numbers, or the gates not boolean.
    ValueError
        If `variable` is unknown, a variable or a dimension is missing, `sweep` is a summary or has no such probability,
        or `width` is not above 0.

    See Also
    --------
    density : All nodes together, at every probability.
    analysis.gradients.statistics : The means.

    Examples
    --------
    >>> from analysis import figures
    >>> dims = ("probability", "draw", "node")
    >>> values = np.random.default_rng(0).normal(size=(1, 20, 2))
    >>> sweep = xr.Dataset({"loss_gradient": (dims, values), "gates": (dims, values > 0)}, {"probability": [0.5]})
    >>> ax = figures.gradients.by_state(sweep, variable="loss_gradient", probability=0.5)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['node on', 'node off', 'mean']
    """
    width = gradients.kernel_width(sweep, variable=variable) if width is None else _checks.positive("width", width)
    lines: dict[str, Any] = {}
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.5)
        _zero(ax)
        for state, (sample,) in _by_state(sweep, variable, probability).items():
            color = _STATE_COLORS[state]
            (lines[_with_missing(f"node {state}", sample.nonfinite)],) = ax.plot(
                *_curve(sample, width), color=color, linestyle=_STATE_LINES[state]
            )
            if sample.values.size:
                ax.axvline(sample.shape.mean, color=color, zorder=0.6, **_BELL)
        (lines["mean"],) = ax.plot([], color=style.GREY, **_BELL)
        xlabel, ylabel = _texts(sweep, variable)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.set_ylim(bottom=0)
        _axes.legend_above(ax, lines, 2 if any("left out" in label for label in lines) else 3)
    return ax


def _panel_curve(ax: Axes, x: np.ndarray, y: np.ndarray, state: str, top: float) -> None:
    """Draw one curve of a panel; where it leaves the panel, say how high it goes."""
    color = _STATE_COLORS[state]
    ax.plot(x, y, color=color, linewidth=1.0, linestyle=_STATE_LINES[state])
    if y.size and y.max() > top:
        at = float(x[np.argmax(y)])
        ax.plot(at, 0.97 * top, "^", color=color, markersize=3)
        left = state == "off"
        ax.annotate(
            f"{y.max():.3g}",
            (at, 0.97 * top),
            (-4 if left else 4, -1),
            textcoords="offset points",
            color=color,
            fontsize=7,
            ha="right" if left else "left",
            va="center",
        )


def _titles(sweep: xr.Dataset) -> tuple[list[str], str, bool]:
    """Return the titles of all nodes, the part that was cut off in front, and whether the layer has its own line."""
    names = [str(label) for label in sweep["node"].values]
    labels, head = short_labels(names)
    # With nodes of several layers it has, in letters that fit over a panel.
    if head or max(map(len, labels)) <= 12:
        return [_names.as_is(label, most=16) for label in labels], head, False
    if "layer" in sweep.coords:
        found = layers.groups(sweep, called="sweep")
        lines = [(found.names[layer], node) for layer, node in zip(found.layer, found.short, strict=True)]
    else:
        lines = [(label.partition(" ")[0], label.partition(" ")[2]) for label in labels]
    return ["\n".join(_names.as_is(line, most=22) for line in both) for both in lines], "", True


def by_node(
    sweep: xr.Dataset,
    *,
    variable: str = "loss_gradient",
    probability: float = 0.5,
    nodes: Sequence[int] | None = None,
    width: float | None = None,
) -> Figure:
    """Draw a grid of small panels, one a node: densities of its gate gradient where it is on and where it is off.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `variable` and boolean `gates` (probability, ..., node), in the unit of the loss that its attributes state.
        The legend says how many entries were not finite and left out.
    variable : {"loss_gradient", "log_loss_gradient"}
        Gate gradients of the loss, in its unit, or of its logarithm.
    probability : float
        At which probability, one of the sweep.
    nodes : sequence of int, optional
        Which nodes, in which order; the first 40 when left out.
    width : float, optional
        Standard deviation of the Gaussian kernel; when left out that of `density` times the fifth root of the number
        of nodes, as the best width goes with the number of entries, but not more than twice that of `density`.

    Returns
    -------
    matplotlib.figure.Figure
        All panels share both axes, so a weak node is a narrow peak at 0. They are as high as the highest peak, but
        twice what three quarters of the curves stay below at most; a triangle marks a curve that is cut off there,
        with the height of its peak.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, the gradients are no real numbers, or the gates not boolean.
    ValueError
        If `variable` is unknown, a variable or a dimension is missing, `sweep` is a summary or has no such probability,
        there is no such node, or `width` is not above 0.

    See Also
    --------
    by_state : All nodes together.

    Examples
    --------
    >>> from analysis import figures
    >>> dims = ("probability", "draw", "node")
    >>> values = np.random.default_rng(0).normal(size=(1, 20, 2))
    >>> sweep = xr.Dataset({"loss_gradient": (dims, values), "gates": (dims, values > 0)}, {"probability": [0.5]})
    >>> sweep = sweep.assign_coords(node=["unit 0", "unit 1"])
    >>> figure = figures.gradients.by_node(sweep, variable="loss_gradient", probability=0.5)
    >>> len(figure.axes)
    2
    """
    count = _checks.dataset_with("sweep", sweep, (), ("probability", "node")).sizes["node"]
    width = (
        min(count**0.2, _WIDER) * gradients.kernel_width(sweep, variable=variable)
        if width is None
        else _checks.positive("width", width)
    )
    given = range(min(count, MOST)) if nodes is None else np.atleast_1d(_checks.array("nodes", nodes))
    shown = [_checks.whole("nodes", one, 0, count - 1) for one in given]
    if not shown:
        raise InputError(f"nodes must be one or more of 0 to {count - 1}, got none")
    found = _by_state(sweep, variable, probability, shown)
    curves = {state: [_curve(sample, width) for sample in row] for state, row in found.items()}
    peaks = np.array([y.max(initial=0) for row in curves.values() for _, y in row if y.size])
    top = 1.05 * min(peaks.max(), _TALL * float(np.quantile(peaks, 0.75))) if peaks.size else 1.0
    labels, head, several = _titles(sweep)
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with style.context():
        height = 0.75 + (1.25 if several else 1.1) * rows
        figure, axes = style.new_figure(style.DOUBLE, height, rows, columns, sharex=True, sharey=True)
        for panel, (ax, node) in enumerate(zip(axes, shown, strict=False)):
            ax.set_title(labels[node], pad=2, fontsize=7 if several else None)
            _zero(ax)
            for state in _STATE_COLORS:
                _panel_curve(ax, *curves[state][panel], state, top)
            ax.tick_params(labelbottom=panel + columns >= len(shown))  # where no panel is below
        for ax in axes[len(shown) :]:
            ax.remove()
        axes[0].set_ylim(0, top)
        entries = {
            state: Line2D(
                [],
                [],
                color=color,
                linestyle=_STATE_LINES[state],
                label=_with_missing(f"node {state}", sum(s.nonfinite for s in found[state])),
            )
            for state, color in _STATE_COLORS.items()
        }
        if peaks.size and peaks.max() > top:
            entries["cut"] = Line2D(
                [], [], color=style.GREY, marker="^", linestyle="", label="cut off; height of its peak"
            )
        figure.legend(handles=list(entries.values()), loc="outside upper right", ncols=3, borderaxespad=0.3)
        xlabel, ylabel = _texts(sweep, variable)
        figure.supxlabel(xlabel, fontsize=_look.RC["axes.labelsize"])
        figure.supylabel(ylabel, fontsize=_look.RC["axes.labelsize"])
        if head:
            figure.text(
                0.01, 0.985, _names.of_nodes("node", head), ha="left", va="top", fontsize=_look.RC["axes.labelsize"]
            )
    return figure
