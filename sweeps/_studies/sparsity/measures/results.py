"""The results of a sparsity study: everything its report says, computed once from the store."""

from dataclasses import dataclass
from typing import NamedTuple

import xarray as xr

from analysis import runs
from analysis._errors import InputError
from sweeps._studies.sparsity.measures.connections import Connections, crucial
from sweeps._studies.sparsity.measures.cost import cost_summary
from sweeps._studies.sparsity.measures.summary import at_last, summary
from sweeps._studies.sparsity.measures.weights import EqualWeights, at_equal_weights


class Finetuned(NamedTuple):
    """What fine-tuning under the masks does to the networks.

    Attributes
    ----------
    curves : xarray.Dataset
        `accuracy` (pruned_by, network, percent) after it.
    before, after : xarray.Dataset
        Numbers of the curves, see `summary`, at the percentages of `curves`.
    """

    curves: xr.Dataset
    before: xr.Dataset
    after: xr.Dataset


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
        The curves, and their numbers, one a network.
    equal : EqualWeights
        The two published ways at equal numbers of weights, after the longest training.
    finetuned : Finetuned or None
        None where nothing was fine-tuned.
    layers, cost : xarray.Dataset
        What is left of each layer; the cost, medians and ranges.
    connections : Connections or None
        Crucial connections in weak nodes; None where the store has no weights.
    outputs, reactivated, overfitting : xarray.Dataset or None
        Accuracies with the weights to the outputs pruned, too; of networks retrained in every way; of networks that
        overfit. None where they were not measured.
    """

    run: runs.Run
    task: xr.Dataset
    training: xr.Dataset
    curves: xr.Dataset
    summary: xr.Dataset
    equal: EqualWeights
    finetuned: Finetuned | None
    layers: xr.Dataset
    cost: xr.Dataset
    connections: Connections | None
    outputs: xr.Dataset | None
    reactivated: xr.Dataset | None
    overfitting: xr.Dataset | None

    @property
    def last(self) -> xr.Dataset:
        """The curves after the longest training."""
        return at_last(self.curves)

    @property
    def numbers(self) -> xr.Dataset:
        """Their numbers."""
        return at_last(self.summary)

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
        return str(self.training.attrs["unit"])


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
        If the store lacks a group, or the networks were pruned to one sparsity only.
    """
    curves, there = run.group("curves"), run.tree.children
    if curves.sizes["percent"] < 2:
        raise InputError(f"curves must have two percentages or more, got {curves['percent'].values.tolist()}")
    return Results(
        run=run,
        task=run.group("task"),
        training=run.group("training"),
        curves=curves,
        summary=summary(curves),
        equal=at_equal_weights(at_last(curves)),
        finetuned=_finetuned(run.group("finetuned"), curves) if "finetuned" in there else None,
        layers=run.group("layers"),
        cost=cost_summary(run.group("cost")),
        connections=_connections(run) if {"networks", "connections"} <= there.keys() else None,
        **{name: run.group(name) if name in there else None for name in ("outputs", "reactivated", "overfitting")},
    )


def _finetuned(data: xr.Dataset, curves: xr.Dataset) -> Finetuned:
    same = {"pruned_by": data["pruned_by"].values, "percent": data["percent"].values}
    return Finetuned(data, summary(at_last(curves).sel(same)), summary(data))


def _connections(run: runs.Run) -> Connections:
    networks = run.group("networks")
    return crucial(at_last(networks), run.group("connections"), run.group("task"))
