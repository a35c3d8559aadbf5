"""The figures of the circle study: many networks with the published values among them, gate gradients, the cube."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import _checks, figures, hypercube
from analysis._errors import InputError
from analysis._reports import sweep
from analysis.balance import BIAS, SLICING
from analysis.figures import _axes, _names, style
from analysis.intervals import interval
from sweeps._studies.circle import graphs
from sweeps._studies.circle.measures import Results
from sweeps._studies.circle.measures.gradients import LABELS, GradientResults
from sweeps._studies.circle.measures.many import CHANCES, ManyResults
from sweeps._studies.circle.measures.parts import contributions

#: Statistics with a panel each, and their axis labels.
PANELS = {
    "mean_loss": "mean loss (nats)",
    "mean_log_loss": "mean log loss",
    "sd_log_loss": "sd of log loss",
    "full_loss": "full-network loss (nats)",
}
_LOOKS = ((style.BLUE, "o"), (style.ORANGE, "^"))
_PUBLISHED: dict[str, Any] = {"marker": "D", "markersize": 4.2, "color": style.BLACK, "linestyle": "none"}


def _jitter(count: int) -> np.ndarray:
    # A low-discrepancy sequence: as even as random jitter is not, and the same every time.
    return (np.arange(1, count + 1) * 0.6180339887498949) % 1 - 0.5


def _strip(ax: Axes, place: float, values: np.ndarray, width: float, color: str, marker: str, label: str) -> None:
    known = values[np.isfinite(values)]
    if not known.size:
        return
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    x = place + 0.6 * width * _jitter(known.size)
    ax.plot(x, known, marker, color=color, markersize=2.4, alpha=0.55, markeredgewidth=0, label=label)
    ax.bar(place, high - low, width, low, facecolor="none", edgecolor=color, linewidth=0.9, zorder=3)
    ax.plot([place - width / 2, place + width / 2], [middle, middle], color=color, linewidth=1.6, zorder=3)


def statistic(statistics: xr.Dataset, name: str, published: xr.Dataset | None = None, ax: Axes | None = None) -> Axes:
    """Draw one statistic of every network: a dot each, a box from quartile to quartile, a line at the median.

    Parameters
    ----------
    statistics : xarray.Dataset
        What `measures.networks.statistics` returns; `name` (boundary, network[, probability]).
    name : str
        Which statistic; one of `PANELS`.
    published : xarray.Dataset, optional
        Published values in the form of `published.circle`, drawn as diamonds.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `name` is unknown.
    """
    if name not in PANELS:
        raise InputError(f"name must be one of {list(PANELS)}, got {name!r}")
    data = _checks.dataset_with("statistics", statistics, (name,), ("boundary", "network"))[name]
    rules = [str(rule) for rule in data["boundary"].values]
    places = [f"{p:g}" for p in data["probability"].values] if "probability" in data.dims else ["all on"]
    width = 0.7 / len(rules)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE / 1.6, height=2.4)
        for number, rule in enumerate(rules):
            one = data.sel(boundary=rule)
            for place in range(len(places)):
                values = (one.isel(probability=place) if "probability" in data.dims else one).values
                at = place + (number - (len(rules) - 1) / 2) * width
                label = f"ours, circle as in {rule}" if place == 0 else "_"
                _strip(ax, at, values, 0.82 * width, *_LOOKS[number % len(_LOOKS)], label)
        if published is not None and name in published:
            marks = published[name]
            if "probability" in data.dims:
                marks = marks.reindex(probability=data["probability"], method="nearest", tolerance=1e-6)
            y = np.atleast_1d(marks.values)
            ax.plot(np.arange(len(places)), y, label="published", zorder=4, **_PUBLISHED)
        ax.set_xticks(range(len(places)), places)
        ax.set_xlim(-0.6, len(places) - 0.4)
        ax.set(xlabel="probability $p$ that a node stays" if len(places) > 1 else "", ylabel=PANELS[name])
    return ax


def networks(statistics: xr.Dataset, published: xr.Dataset | None = None) -> Figure:
    """Draw mean loss, mean log loss, its standard deviation, and the full network's loss, side by side.

    Parameters
    ----------
    statistics : xarray.Dataset
        What `measures.networks.statistics` returns.
    published : xarray.Dataset, optional
        Published values, drawn as diamonds.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style.context():
        shares = {"width_ratios": [1.0 if name != "full_loss" else 0.55 for name in PANELS]}
        figure, axes = style.new_figure(style.DOUBLE, 2.7, 1, len(PANELS), gridspec_kw=shares)
        for name, ax in zip(PANELS, axes, strict=True):
            statistic(statistics, name, published, ax)
            ax.set_xlabel("")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.supxlabel("probability $p$ that a node stays", fontsize=9)
        legend = figure.legend(handles, labels, loc="outside upper center", ncols=3)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1)
        style.letter(axes)
    return figure


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure of the study, by file name."""
    drawn = sweep.draw(results)
    if results.families is not None:
        losses = results.sweep["loss"].sel(probability=results.middle)
        drawn["families"] = figures.families.overview(losses, results.families, width=results.log_loss_width)
    drawn["log_loss_quantiles"] = figures.quantiles.panels(results.sweep["loss"])
    drawn["spread"] = networks(results.spread, results.published)
    drawn["roles"] = graphs.roles(results)
    return drawn | _gradients(results.gradients, results.sweep) | _hypercube(results) | _many(results)


def _many(results: Results) -> dict[str, Figure]:
    """Draw what all masks of many networks say: the rise of the mean loss, and the balance of the nodes."""
    cube, cubes, own = results.hypercube.cube, results.many.cubes, results.balance
    if cubes is None or cube is None or own is None or results.many.nodes is None:
        return {}
    found = {key: interval(values) for key, values in contributions(cubes).items()}
    one = {key: float(value) for key, value in contributions(own).items()}
    return {
        "rise": rise(results.many, cube.loss, results.unit),
        "balance": figures.balance.overview(cube.log_loss, results.roles, found, one),
    }


def rise(many: ManyResults, loss: Any, unit: str) -> Figure:
    """Draw how the mean loss rises and falls with p, and what the first node does.

    Parameters
    ----------
    many : ManyResults
        With nodes and cubes.
    loss : numpy.ndarray, (2**N,)
        Of every mask of this run's network.
    unit : str
        Of the loss.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 2.5, 1, 2, gridspec_kw={"width_ratios": [1.5, 1]})
        ax, curves = axes[0], many.curves
        lines = ax.plot(CHANCES, curves.T, color=style.GREY, linewidth=0.5, alpha=0.5)
        (mean,) = ax.plot(CHANCES, curves.mean(axis=0), color=style.BLACK, linewidth=1.6, linestyle=(0, (4, 2)))
        own = hypercube.moments(loss, probability=CHANCES).mean
        (this,) = ax.plot(CHANCES, own, color=style.BLUE)
        top = int(np.argmax(own))
        (peak,) = ax.plot(CHANCES[top], own[top], "v", color=style.BLUE, markersize=5, markeredgecolor=style.BLACK)
        entries = {
            "networks": lines[0],
            "their mean": mean,
            "this network": this,
            f"peak, p = {CHANCES[top]:.3g}": peak,
        }
        _axes.legend_above(ax, entries, columns=2)
        ax.set_xlim(0, 1)
        ax.set(xlabel="probability $p$ that a node is on", ylabel=f"mean loss ({_names.as_is(unit)})")
        for place, (role, color, marker) in enumerate(((BIAS, style.VERMILLION, "^"), (SLICING, style.BLUE, "o"))):
            _strip(axes[1], place, many.alone_by_role(role).values, 0.6, color, marker, role)
        axes[1].axhline(0, color=style.BLACK, linewidth=0.6)
        axes[1].set_xticks([0, 1], ["bias", "slicing"])
        axes[1].set_xlim(-0.6, 1.6)
        axes[1].set(
            xlabel="the one node that is on", ylabel=f"loss less that of\nthe empty network ({_names.as_is(unit)})"
        )
        style.letter(axes)
    return figure


def _gradients(results: GradientResults, draws: xr.Dataset) -> dict[str, Figure]:
    drawn: dict[str, Figure] = {}
    widths = {name: float(data.attrs["width"]) for name, data in results.statistics.items()}
    for name, width in widths.items():
        drawn[f"{name}_density"] = _axes.figure_of(figures.gradients.density(draws, variable=name, width=width))
    with style.context():
        both, axes = style.new_figure(style.DOUBLE, 2.6, 1, 2)
    for ax, (name, width) in zip(axes, widths.items(), strict=True):
        figures.gradients.by_state(draws, variable=name, probability=results.shown, width=width, ax=ax)
    style.letter(axes)
    drawn["gradient_states"] = both
    for name in LABELS:
        most = figures.gradients.MOST
        chosen = np.sort(np.argsort(-np.nan_to_num(results.strength(name), nan=-1), kind="stable")[:most])
        drawn[f"{name}_nodes"] = figures.gradients.by_node(
            draws, variable=name, probability=results.shown, nodes=chosen.tolist()
        )
    return drawn


def _hypercube(results: Results) -> dict[str, Figure]:
    paths, cube = results.hypercube.paths, results.hypercube.cube
    drawn: dict[str, Figure] = {}
    if paths is not None:
        exact = None if cube is None else cube.by_distance[: paths.steps]
        drawn["cube_path"] = _axes.figure_of(figures.cube.path())
        drawn["flip_paths"] = figures.paths.overview(paths.sampled, exact=exact)
    if cube is not None:
        sampled = results.losses.rename(mean_loss="mean", sd_loss="sd")[["mean", "sd"]]
        ax = figures.densities.log_loss_against_exact(results.sweep, cube.log_loss, width=results.log_loss_width)
        drawn["exact_density"] = _axes.figure_of(ax)
        drawn["spectrum"] = figures.spectrum.overview(cube.log_loss, cube.loss, sampled=sampled, unit=results.unit)
        drawn["exact_masks"] = figures.masks.overview(cube.log_loss, labels=cube.labels)
    return drawn
