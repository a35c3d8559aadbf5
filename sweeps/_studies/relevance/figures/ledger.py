"""The ledger: what inputs, biases, offsets and stabilisers take of the output, and the error of each step."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.figures import _axes, _names, style
from sweeps._studies.relevance.figures import looks
from sweeps._studies.relevance.measures.ledger import TOLERANCE
from sweeps._studies.relevance.names import keys

#: Bars end here, in outputs, at the latest; what is longer has its number beside it.
LONGEST = 4.0
_COLORS = {"inputs": style.BLUE, "offsets": style.PINK, "absorbed": style.GREEN, "not conserved": style.LIGHT_GREY}


def part_colors(parts: list[str]) -> dict[str, str]:
    """Return the colour of every part; those of the biases go from light to dark, from the output to the inputs."""
    layers = [part for part in parts if part not in _COLORS]
    return _COLORS | dict(zip(layers, looks.layer_colors(len(layers)), strict=True))


def bars(shares: xr.DataArray, names: Mapping[str, str], colors: Mapping[str, str], ax: Axes | None = None) -> Axes:
    """Draw how each method splits the output.

    Parameters
    ----------
    shares : xarray.DataArray, (attributed_by, part)
        See `sweeps._studies.relevance.measures.ledger.shares`.
    names : mapping of str to str
        What the methods are called.
    colors : mapping of str to str
        By part.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        Positive parts to the right of zero, negative ones to the left; a dot marks their sum, which is 1.
    """
    parts, methods = keys(shares, "part"), keys(shares)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.DOUBLE, height=0.7 + 0.2 * len(methods))
        values = np.nan_to_num(shares.transpose("attributed_by", "part").values)
        right, left = np.maximum(values, 0).sum(axis=1), np.minimum(values, 0).sum(axis=1)
        high = min(max(right.max(initial=1.0), 1.0), LONGEST)
        low = max(left.min(initial=0.0), -LONGEST)
        for row, line in enumerate(values):
            ends = [0.0, 0.0]
            for part, value in zip(parts, line, strict=True):
                side = int(value < 0)
                hatch = "////" if part == "not conserved" else None
                ax.barh(row, value, left=ends[side], height=0.72, color=colors[part], hatch=hatch,
                        edgecolor="white", linewidth=0.3)  # fmt: skip
                ends[side] += value
            for end, limit in ((right[row], high), (left[row], low)):
                if abs(end) > LONGEST:
                    ax.text(limit, row, f" {looks.short(end)} ", va="center", ha="right" if end > 0 else "left",
                            fontsize=7, bbox={"facecolor": "white", "linewidth": 0, "pad": 0.8})  # fmt: skip
        ax.axvline(0, color=style.BLACK, linewidth=0.6, zorder=3)
        ax.axvline(1, color=style.BLACK, linewidth=0.6, linestyle=(0, (2, 1.5)), zorder=3)
        ax.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
        ax.set_yticks(range(len(methods)), looks.named(methods, names))
        ax.set_ylim(len(methods) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel("share of the output’s relevance")
    return ax


def overview(shares: xr.DataArray, names: Mapping[str, str], conserving: list[str]) -> Figure:
    """Draw the methods that promise to conserve relevance, and below them those that do not.

    Parameters
    ----------
    shares : xarray.DataArray, (attributed_by, part)
    names : mapping of str to str
    conserving : list of str
        Keys of those that promise it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    others = [key for key in keys(shares) if key not in conserving]
    found = [part for part in (conserving, others) if part]
    used = [part for part in keys(shares, "part") if (np.abs(shares.sel(part=part).values) > 1e-6).any()]
    colors = part_colors(keys(shares, "part"))
    with style.context():
        rows = [len(part) for part in found]
        figure, axes = style.new_figure(
            style.DOUBLE, 0.55 * len(rows) + 0.45 + 0.19 * sum(rows), len(rows), 1,
            gridspec_kw={"height_ratios": [count + 1.0 for count in rows]},
        )  # fmt: skip
        for ax, part in zip(axes, found, strict=True):
            bars(shares.sel({"attributed_by": part}), names, colors, ax)
            ax.set_title("promise to conserve" if part is conserving else "promise nothing")
        entries = {
            part: Patch(facecolor=colors[part], edgecolor="white", hatch="////" if part == "not conserved" else None)
            for part in used
        }
        figure.legend(
            list(entries.values()), list(map(_names.as_is, entries)), loc="outside upper center",
            ncols=min(4, max(len(entries), 1)), columnspacing=1.2,
        )  # fmt: skip
        if len(found) > 1:
            style.letter(axes)
    return figure


def conservation(data: xr.Dataset, names: Mapping[str, str], ax: Axes | None = None) -> Axes:
    """Draw the largest error of every step over the images, for each method that conserves relevance.

    Parameters
    ----------
    data : xarray.Dataset
        `worst` (attributed_by, step), over the output's size; from the output to the inputs.
    names : mapping of str to str
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        A row a method, a mark a step; errors of zero stand at the left edge.
    """
    values = data["worst"].transpose("attributed_by", "step").values.astype(float)
    methods, steps = keys(data), keys(data, "step")
    positive = values[np.isfinite(values) & (values > 0)]
    floor = 10.0 ** (np.floor(np.log10(positive.min())) - 1) if positive.size else 1e-9
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.DOUBLE, height=0.95 + 0.19 * len(methods))
        colors = looks.layer_colors(max(len(steps) - 1, 1))
        for place, step in enumerate(steps):
            whole = step == "total"
            ax.plot(np.maximum(values[:, place], floor), np.arange(len(methods)), linestyle="",
                    marker="D" if whole else "o", markersize=4.2 if whole else 3.6,
                    color=style.BLUE if whole else colors[place % len(colors)],
                    markeredgecolor=style.BLACK, markeredgewidth=0.3, zorder=4 if whole else 3,
                    label=_names.entry(step))  # fmt: skip
        ax.axvline(TOLERANCE, color=style.VERMILLION, linewidth=1.0, linestyle=(0, (4, 2)), label="bound")
        ax.set_xscale("log")
        ax.set_xlim(floor / 1.5, max(positive.max(initial=0.0), TOLERANCE) * 4)
        ax.set_yticks(range(len(methods)), looks.named(methods, names))
        ax.set_ylim(len(methods) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x", color=style.LIGHT_GREY, linewidth=0.4)
        ax.set_xlabel("largest |error| of any image / size of the output")
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.4, fontsize=7)
    return ax
