"""The figures and films of the study "train first, or prune first?", by file name."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from analysis import perceptron
from analysis.figures.graph import overview as graph_overview
from sweeps.studies.spiral.figures import curves, deviations, kernels, outcomes, pictures, rates
from sweeps.studies.spiral.measures import Results


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure: that of the learning rates where they were measured, the graph where NetworkX is installed.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to matplotlib.figure.Figure
    """
    made = {
        "pictures": pictures.published(results),
        "pictures_without": pictures.uncompensated(results),
        "outcomes": outcomes.outcomes(results),
        "kernels": kernels.against(results),
        "correlations": outcomes.correlations(results),
        "changes": kernels.changes(results),
        "compensation": outcomes.compensation(results),
        "deviations": deviations.deviations(results),
        "training": curves.training(results),
    }
    if results.rates is not None:
        made["rates"] = rates.overview(results.rates)
    if has_networkx():
        made["graph"] = _graph(results)
    return made


def films(results: Results) -> dict[str, Callable[[Path], Path]]:
    """Return what writes each film to a path."""
    return {f"film_{name}": partial(pictures.film, results, name) for name in results.films}


def has_networkx() -> bool:
    """Tell whether the drawing of the network can be made."""
    return find_spec("networkx") is not None


def _graph(results: Results) -> Figure:
    net = perceptron.from_dataset(results.full.sel(arm="trained").isel(network=0))
    keep = results.nodes["keep"].isel(network=0)
    gates = {"all nodes on": np.ones(net.nodes)}
    for kind, choices in results.choices.items():
        gates[f"{kind} off"] = keep.sel(choice=choices[0]).values.astype(float)
    return graph_overview(net, gates)
