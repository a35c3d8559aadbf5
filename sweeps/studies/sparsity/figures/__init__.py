"""Figures of accuracy against sparsity: one module a kind."""

from matplotlib.figure import Figure

from analysis import figures
from analysis.figures import style
from sweeps.studies.sparsity.figures import cost, curves, finetuned, layers, plateaus, weights
from sweeps.studies.sparsity.measures import PUBLISHED, Results, mean_of, methods

__all__ = ["cost", "curves", "draw", "finetuned", "layers", "plateaus", "weights"]


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure of the study.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By file name; "epochs" and "finetuned" where the run has several lengths of training, and fine-tuning.
    """
    last, numbers = results.last, results.numbers
    drawn = {
        "curves": curves.overview(last, results.unit, results.sizes[-1]),
        "plateaus": style.figure_of(plateaus.ends(numbers, methods(last))),
        "equal_weights": weights.overview(results.equal),
        "heuristics": curves.heuristics(last),
        "scopes": curves.scopes(last),
        "layers": layers.overview(results.layers, results.sizes),
        "cost": cost.overview(results.cost),
    }
    if len(results.epochs) > 1:
        drawn["epochs"] = curves.lengths(results.curves)
    if results.finetuned is not None:
        drawn["finetuned"] = finetuned.overview(last, results.finetuned.curves)
    loss, accuracy = (
        mean_of(values, PUBLISHED["weights"]).mean for values in (last["loss"].sel(percent=0), numbers["start"])
    )
    drawn["training"] = figures.training.overview(results.training.mean("network"), loss, accuracy, results.unit)
    return drawn
