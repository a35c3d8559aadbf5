"""The part of a page on gate gradients."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import figures
from analysis.reports._old_page import Block, Picture, Section, Tabular, Text
from analysis.tables import Table
from sweeps.studies.circle.gradients import text
from sweeps.studies.circle.gradients.results import LABELS, GradientResults


def draw(results: GradientResults | None, sweep: xr.Dataset) -> dict[str, Figure]:
    """Draw the figures that the results allow, by file name.

    Parameters
    ----------
    results : GradientResults or None
        Nothing is drawn without results, nor of a summary.
    sweep : xarray.Dataset
        The Bernoulli sweep that they are of.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
    """
    if results is None or results.summary:
        return {}
    drawn: dict[str, Figure] = {}
    widths = {name: float(data.attrs["width"]) for name, data in results.statistics.items()}
    for name, width in widths.items():
        drawn[f"{name}_density"] = figures.style.figure_of(figures.gradients.density(sweep, name, width))
    with figures.style.context():
        both, axes = figures.style.new_figure(figures.style.DOUBLE, 2.6, 1, 2)
    for ax, (name, width) in zip(axes, widths.items(), strict=True):
        figures.gradients.by_state(sweep, name, results.shown, width, ax)
    drawn["gradient_states"] = both
    for name in LABELS:
        most = figures.gradients.MOST
        chosen = np.sort(np.argsort(-np.nan_to_num(results.strength(name), nan=-1), kind="stable")[:most])
        drawn[f"{name}_nodes"] = figures.gradients.by_node(sweep, name, results.shown, chosen.tolist())
    return drawn


def section(results: GradientResults | None, made: Mapping[str, Table], pictures: Mapping[str, Path]) -> list[Section]:
    """Put the section together that the results allow: one, or none without results.

    Parameters
    ----------
    results : GradientResults or None
    made : mapping of str to Table
    pictures : mapping of str to pathlib.Path

    Returns
    -------
    list of Section
    """
    if results is None:
        return []
    blocks: list[Block] = [Text(text.explanation(results))]
    for name in LABELS:
        blocks += _paragraph(text.moments(results, name), text.tails(results, name), text.trough(results, name))
        if f"{name}_density" in pictures:
            blocks.append(_density(results, name, pictures))
    blocks += _paragraph(text.beside_published(results))
    blocks += [Tabular(made["gradient_moments"], _source(results)), Tabular(made["gradient_shape"])]
    blocks += _paragraph(text.slope(results), text.exact_slope(results))
    if "gradient_slopes" in made:
        blocks.append(Tabular(made["gradient_slopes"]))
    blocks += _paragraph(text.states(results), text.split(results))
    if "gradient_states" in pictures:
        blocks.append(
            Picture(
                pictures["gradient_states"],
                "Density of the gate gradient of the loss (left) and of the log loss (right) at p = "
                f"{results.shown:g}, where the node is on and where it is off.",
                wide=True,
            )
        )
    blocks.append(Tabular(made["gradient_states"], _source(results)))
    blocks += _paragraph(text.nodes(results))
    for name in LABELS:
        if f"{name}_nodes" in pictures:
            blocks.append(
                Picture(
                    pictures[f"{name}_nodes"],
                    f"Density of the {LABELS[name]} at p = {results.shown:g} node by node; all panels have the same "
                    "axes.",
                    wide=True,
                )
            )
        blocks.append(Tabular(made[f"{name}_nodes"]))
    return [Section("Gate gradients", blocks)]


def _density(results: GradientResults, name: str, pictures: Mapping[str, Path]) -> Picture:
    width = float(results.statistics[name].attrs["width"])
    return Picture(
        pictures[f"{name}_density"],
        f"Density of the {LABELS[name]} of all nodes at each p (solid; Gaussian kernel of width {width:.3g}) with the "
        "normal law of the same mean and standard deviation (dashed).",
    )


def _source(results: GradientResults) -> str:
    return "" if results.published is None else f"Published: {results.published.attrs['source']}."


def _paragraph(*sentences: str) -> list[Block]:
    """One paragraph of the sentences that say something; none if there is none."""
    said = " ".join(sentence for sentence in sentences if sentence)
    return [Text(said)] if said else []
