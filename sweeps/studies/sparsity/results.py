"""The results of a sparsity study: everything its report says, computed once from the store."""

from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr

from analysis import runs
from sweeps.studies.shrinking.claims import Claim
from sweeps.studies.sparsity import measures as sparsity
from sweeps.studies.sparsity.claims import all_claims
from sweeps.studies.sparsity.measures import EqualWeights
from sweeps.studies.sparsity.measures.summary import checked, numbered


@dataclass(frozen=True)
class Results:
    """Curves of accuracy against sparsity, and what was measured beside them.

    Attributes
    ----------
    run : analysis.runs.Run
        Where everything comes from.
    task, training : xarray.Dataset
        The task, and the training of the networks.
    curves, summary : xarray.Dataset
        The curves, percentages and epochs rising, and their numbers, one a network.
    equal : EqualWeights
        The two published ways at equal numbers of weights, after the longest training.
    finetuned, finetuned_summary, before : xarray.Dataset or None
        Curves after fine-tuning, their numbers, and the numbers before it at the same percentages; None where nothing
        was fine-tuned.
    layers, cost : xarray.Dataset or None
        What is left of each layer; the cost, medians and ranges.
    claims : mapping of str to Claim
        What was published, answered.
    """

    run: runs.Run
    task: xr.Dataset
    training: xr.Dataset
    curves: xr.Dataset
    summary: xr.Dataset
    equal: EqualWeights
    finetuned: xr.Dataset | None
    finetuned_summary: xr.Dataset | None
    before: xr.Dataset | None
    layers: xr.Dataset | None
    cost: xr.Dataset | None
    claims: Mapping[str, Claim]

    @property
    def last(self) -> xr.Dataset:
        """The curves after the longest training."""
        return sparsity.at_last(self.curves)

    @property
    def numbers(self) -> xr.Dataset:
        """Their numbers."""
        return sparsity.at_last(self.summary)

    @property
    def networks(self) -> int:
        """Number of networks."""
        return int(self.curves.sizes["network"])

    @property
    def epochs(self) -> list[int]:
        """After how many epochs the networks were pruned, rising."""
        return [int(count) for count in self.curves["epochs"].values]

    @property
    def sizes(self) -> list[int]:
        """Inputs, hidden layers, outputs."""
        return [int(size) for size in self.training.attrs["sizes"]]

    @property
    def unit(self) -> str:
        """Unit of the loss."""
        return str(self.training.attrs.get("unit", "nats"))

    @property
    def task_name(self) -> str:
        """Name of the task."""
        return str(self.task.attrs["name"])


def measure(run: runs.Run) -> Results:
    """Compute the results of a sparsity study.

    Parameters
    ----------
    run : analysis.runs.Run
        A run of the study "sparsity".

    Returns
    -------
    Results

    Raises
    ------
    ValueError
        If the store lacks a group, a variable or a published way of pruning.
    """
    curves = checked(run.group("curves"))
    summary = sparsity.summary(curves)
    equal = sparsity.at_equal_weights(sparsity.at_last(curves))
    finetuned, layers, cost = (
        numbered(run.group(name)) if name in run.tree.children else None for name in ("finetuned", "layers", "cost")
    )
    finetuned_summary, before = None, None
    if finetuned is not None:
        finetuned = finetuned.sortby("percent")
        finetuned_summary = sparsity.summary(finetuned)
        same = [percent for percent in finetuned["percent"].values if percent in curves["percent"].values]
        before = sparsity.summary(
            sparsity.at_last(curves).sel({"pruned_by": finetuned["pruned_by"].values, "percent": same})
        )
    costs = None if cost is None else sparsity.cost_summary(cost)
    return Results(
        run=run,
        task=run.group("task"),
        training=run.group("training"),
        curves=curves,
        summary=summary,
        equal=equal,
        finetuned=finetuned,
        finetuned_summary=finetuned_summary,
        before=before,
        layers=layers,
        cost=costs,
        claims=all_claims(curves, summary, equal, finetuned_summary, costs),
    )
