"""How a trained measure is gamed: heat maps of one image by several rules, and what is seen at every strength."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from analysis.figures import style
from sweeps._studies.relevance.figures import looks
from sweeps._studies.relevance.figures.supervised import entries, region, strengths
from sweeps._studies.relevance.measures import gamed
from sweeps._studies.relevance.measures.supervised import PLAIN, TRAINED
from sweeps._studies.relevance.names import keys

#: What maps the right output, and the margin: the right output less the mean of the others.
MAPS = {
    "slope": "slope rule,\nright output",
    "slope_margin": "slope rule,\nmargin",
    "occlusion": "occlusion,\nright output",
    "occlusion_margin": "occlusion,\nmargin",
}
#: Rows and lines at most, beside plain training.
MOST = 4
#: What is drawn against strength: title and label of the axis.
PANELS = {
    "trained": ("by the trained measure", "outside of the region (%)"),
    "occlusion": ("by occlusion of the margin", "outside of the region (%)"),
    "alone": ("without the digit", "right by the patch alone (%)"),
    "amount": ("relevance inside, in size", "relevance (logits)"),
    "cancelling": ("relevance inside", "that cancels (%)"),
    "others": ("what the patch does", "through other outputs (%)"),
}


def maps(data: xr.Dataset, names: Mapping[str, str], at: Mapping[str, float]) -> Figure:
    """Draw one image as plain training sees it and as trainings do that game their measure, by several maps.

    Parameters
    ----------
    data : xarray.Dataset
        `relevance` (training, strength, map, row, column), `pixel` and `region` (row, column).
    names : mapping of str to str
        What the trainings are called.
    at : mapping of str to float
        The strength of each row's training, plain training's first.

    Returns
    -------
    matplotlib.figure.Figure
        Each map has its own scale; above it, the share outside of the region. Green: the region.
    """
    rows = dict(list(at.items())[: 1 + MOST])
    region_, pixel = data["region"].values.astype(float), data["pixel"].values
    with style.context():
        figure, axes = style.new_figure(
            5.4, 0.75 + 1.12 * len(rows), len(rows), 1 + len(MAPS), gridspec_kw={"wspace": 0.02}
        )
        for row, (key, strength) in enumerate(rows.items()):
            first, *others = axes[row * (1 + len(MAPS)) : (row + 1) * (1 + len(MAPS))]
            looks.picture(first, pixel)
            first.set_title("" if row else "image\n", fontsize=7.5)
            words = looks.wrapped(names[key], 13)
            first.set_ylabel(words if key == PLAIN else f"{words}\nλ = {strength:g}", fontsize=7.5, rotation=0,
                             ha="right", va="center")  # fmt: skip
            for ax, (kind, title) in zip(others, MAPS.items(), strict=True):
                values = data["relevance"].sel({"training": key, "strength": strength, "map": kind}).values
                looks.heat_map(ax, values, pixel)
                total = abs(values).sum()
                outside = abs(values[region_ < 0.5]).sum() / total if total else float("nan")
                share = f"{100 * outside:.0f} % outside"
                ax.set_title(share if row else f"{title}\n{share}", fontsize=7.5, loc="center")
            for ax in (first, *others):
                region(ax, region_)
        looks.scale_bar(figure, axes)
    return figure


def mechanism(data: xr.Dataset, names: Mapping[str, str], at: Mapping[str, float], shown: list[str]) -> Figure:
    """Draw what is seen of gaming against the strength.

    Parameters
    ----------
    data : xarray.Dataset
        All strengths.
    names : mapping of str to str
    at : mapping of str to float
        The strongest strength at which each training is gamed: a ring.
    shown : list of str
        Trainings, `MOST` at most; plain training is a line across.

    Returns
    -------
    matplotlib.figure.Figure
        Means over networks; rings with 95 % t-intervals.
    """
    found = gamed.seen(data)
    values = {name: found[name] for name in PANELS if name in found}
    values |= {"trained": 1 - data[TRAINED], "occlusion": data["outside_occlusion_margin"]}
    kept = data.sel(training=[key for key in keys(data, "training") if key in (PLAIN, *shown[:MOST])])
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.6, 2, 3, sharex=True)
        for ax, (name, (title, label)) in zip(axes, PANELS.items(), strict=True):
            strengths(kept, values[name].sel(training=kept["training"]), at, ax).set_title(title)
            ax.set_ylabel(label)
            if name == "amount":
                ax.relim()
                ax.autoscale(axis="y")
                ax.set_ylim(bottom=0)
                ax.yaxis.set_major_formatter("{x:g}")
        for ax in axes[:3]:
            ax.set_xlabel("")
        figure.legend(*entries(kept, names, "strongest that is gamed"), loc="outside upper center", ncols=3)
        style.letter(axes)
    return figure
