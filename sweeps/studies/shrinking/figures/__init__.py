"""Figures of the shrinking study: one module a kind, and which of them a run gets."""

from matplotlib.figure import Figure

from analysis.figures import style
from sweeps.studies.shrinking.figures import choices, layers, networks, pairs, removal, surfaces
from sweeps.studies.shrinking.measures import Network, Results
from sweeps.studies.shrinking.measures.layers import left

__all__ = ["choices", "draw", "layers", "networks", "pairs", "removal", "surfaces"]


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure that the run allows.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By file name.
    """
    one = results.networks["1"]
    drawn = {
        f"removal_{network.key}": removal.overview(network.paths, _label(network))
        for network in (*results.paper, *results.others)
    }
    drawn |= {"choices": choices.overview(one.paths, one.unit), "changes": choices.predictions(one.paths, one.unit)}
    for key, data in results.surfaces.items():
        drawn[f"surfaces_{key}"] = surfaces.overview(data, _label(results.networks[key]))
        drawn[f"predictions_{key}"] = surfaces.predictions(data, _label(results.networks[key]))
    for key, data in results.pairs.items():
        drawn[f"pairs_{key}"] = pairs.overview(data, results.networks[key].unit)
    if "2" in results.networks:
        drawn["layers"] = layers.overview(left(results.networks["2"].paths))
    if len(results.depths) > 1:
        drawn["depths"] = networks.depths(results.depths, _label(one))
    if results.gaps is not None:
        small = results.networks["small"]
        drawn["optimum"] = networks.optimum(results.gaps, _label(small), f"above the best ({style.as_is(small.unit)})")
    if results.retraining is not None:
        drawn["retraining"] = networks.retraining(results.retraining)
    return drawn


def _label(network: Network) -> str:
    return f"{style.as_is(network.criterion)} ({style.as_is(network.unit)})"
