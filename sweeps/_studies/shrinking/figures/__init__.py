"""Figures of the shrinking study: one module a kind, and which of them a run gets."""

from matplotlib.figure import Figure

from analysis.figures import _names
from sweeps._studies.shrinking.figures import (
    cascade,
    choices,
    graphs,
    layers,
    networks,
    pairs,
    removal,
    replacing,
    sizes,
    surfaces,
)
from sweeps._studies.shrinking.measures import Network, Results
from sweeps._studies.shrinking.measures.layers import left
from sweeps._studies.shrinking.measures.paths import DROPS
from sweeps._studies.shrinking.names import METHODS

__all__ = [
    *("cascade", "choices", "draw", "graphs", "layers", "networks", "pairs", "removal", "replacing", "sizes"),
    "surfaces",
]


#: The network of a kind that is drawn where a picture holds only one.
SHOWN = 0


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
    if others := [method for method in one.methods if method not in (*METHODS, "random")]:
        drawn["criteria_1"] = removal.overview(one.paths, _label(one), ("brute_force", *others))
    drawn["choices"] = choices.overview(one.paths, one.unit)
    drawn["changes"] = choices.predictions(one.paths.isel(network=SHOWN), one.unit)
    drawn["graph"] = graphs.before_and_after(one, SHOWN, DROPS[0])
    for key, data in results.surfaces.items():
        shown, label = data.isel(network=SHOWN), _label(results.networks[key])
        drawn[f"surfaces_{key}"] = surfaces.overview(shown, label)
        drawn[f"predictions_{key}"] = surfaces.predictions(shown, label)
    for key, data in results.pairs.items():
        drawn[f"pairs_{key}"] = pairs.overview(data.isel(network=SHOWN), results.networks[key].unit)
    if "2" in results.networks:
        drawn["layers"] = layers.overview(left(results.networks["2"].paths))
    if len(results.depths) > 1:
        drawn["depths"] = networks.depths(results.depths, _label(one))
    if results.gaps is not None:
        small = results.networks["small"]
        drawn["optimum"] = networks.optimum(results.gaps, _label(small), f"above the best ({_names.as_is(small.unit)})")
    if results.early:
        drawn["early"] = sizes.early([*results.early, one])
    if results.budgets is not None:
        drawn["larger"] = sizes.larger(results.budgets)
        drawn["memory"] = sizes.memory([one, *results.only("wide"), *results.only("2")], results.budgets)
    if results.retraining is not None:
        drawn["retraining"] = networks.retraining(results.retraining)
    if results.replacing is not None:
        drawn["replacing"] = replacing.overview(results.replacing, _label(one))
    if "1" in results.grown:
        drawn["cascade"] = cascade.overview(results.grown["1"], results.grown.get("regression"), _label(one))
    return drawn


def _label(network: Network) -> str:
    return f"{_names.as_is(network.criterion)} ({_names.as_is(network.unit)})"
