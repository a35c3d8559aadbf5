"""Figures of accuracy against sparsity: one module a kind."""

from matplotlib.figure import Figure

from analysis import figures
from analysis.figures import _axes
from sweeps._studies.sparsity.figures import (
    connections,
    cost,
    curves,
    finetuned,
    graphs,
    layers,
    overfitting,
    plateaus,
    reactivated,
    weights,
)
from sweeps._studies.sparsity.measures import PUBLISHED, Results, mean_of, methods

__all__ = [
    *("connections", "cost", "curves", "draw", "finetuned", "graphs", "layers"),
    *("overfitting", "plateaus", "reactivated", "weights"),
]


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure of the study.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By file name; some only where the run measured what they show.
    """
    last, numbers = results.last, results.numbers
    drawn = {
        "curves": curves.overview(last, results.unit, results.sizes[-1]),
        "plateaus": _axes.figure_of(plateaus.ends(numbers, methods(last))),
        "equal_weights": weights.overview(results.equal),
        "heuristics": curves.heuristics(last, numbers["mean_accuracy"]),
        "scopes": curves.scopes(last),
        "layers": layers.overview(results.layers, results.sizes),
        "cost": cost.overview(results.cost),
    }
    if len(results.epochs) > 1:
        drawn["epochs"] = curves.lengths(results.curves)
    if results.finetuned is not None:
        drawn["finetuned"] = finetuned.overview(last, results.finetuned.curves, numbers["mean_accuracy"])
    if results.connections is not None:
        drawn["connections"] = connections.overview(results.connections, last)
        drawn["graph"] = graphs.pruned_both_ways(results.run.group("networks"))
    if results.overfitting is not None:
        drawn["overfitting"] = overfitting.overview(results.overfitting)
    if results.reactivated is not None:
        drawn["reactivated"] = reactivated.overview(results.reactivated)
    loss, accuracy = (
        mean_of(values, PUBLISHED["weights"]).mean for values in (last["loss"].sel(percent=0), numbers["start"])
    )
    drawn["training"] = figures.training.overview(
        results.training.mean("network"), test_loss=loss, test_accuracy=accuracy, unit=results.unit
    )
    return drawn
