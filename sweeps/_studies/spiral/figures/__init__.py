"""The figures and films of the study "train first, or prune first?", by file name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from sweeps._studies.spiral.figures import curves, deviations, graphs, kernels, outcomes, pictures, rates, roles
from sweeps._studies.spiral.measures import Results


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure: that of the learning rates where they were measured.

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
        "roles": roles.roles(results),
        "training": curves.training(results),
        "graph": graphs.trained_and_pruned(results),
    }
    if results.rates is not None:
        made["rates"] = rates.overview(results.rates.data)
    return made


def films(results: Results) -> dict[str, Callable[[Path], Path]]:
    """Return what writes each film to a path."""
    return {f"film_{name}": partial(pictures.film, results, name) for name in results.films}
