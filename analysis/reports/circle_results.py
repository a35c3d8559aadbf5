"""The results of a circle study: everything its report says, computed once from the store."""

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from analysis import lognormal, published, removal, runs, spread

#: Significance level of the tests of log-normality, shared over the probabilities (Bonferroni).
LEVEL = 0.05


@dataclass(frozen=True)
class Results:
    """Everything that tables, figures and sentences draw on.

    Attributes
    ----------
    run : analysis.runs.Run
        Settings, seeds, versions.
    task, network, training, sweep : xarray.Dataset
        Groups of the store; `sweep` is the Bernoulli sweep.
    losses : xarray.Dataset, (probability,)
        What `analysis.removal.statistics` says of the sweep.
    fits : xarray.Dataset, (probability,)
        Log-normal fits of the loss.
    nodes : xarray.Dataset, (node,)
        What each node is worth when it alone goes off.
    published : xarray.Dataset
        The published numbers.
    spread : xarray.Dataset
        Statistics of every network, under both boundary rules.
    comparison : pandas.DataFrame
        Where the published numbers fall in the spread.
    """

    run: runs.Run
    task: xr.Dataset
    network: xr.Dataset
    training: xr.Dataset
    sweep: xr.Dataset
    losses: xr.Dataset
    fits: xr.Dataset
    nodes: xr.Dataset
    published: xr.Dataset
    spread: xr.Dataset
    comparison: pd.DataFrame

    @property
    def probabilities(self) -> list[float]:
        """The probabilities that a node stays."""
        return [float(p) for p in self.losses["probability"]]

    @property
    def full_loss(self) -> float:
        """Loss with every node on, in nats."""
        return float(self.network.attrs["full_loss"])

    @property
    def full_accuracy(self) -> float:
        """Accuracy on the test set with every node on."""
        return float(self.network.attrs["full_accuracy"])

    @property
    def rejected(self) -> list[float]:
        """The probabilities at which a log-normal law is rejected."""
        tested = self.fits["p_value"].notnull()
        level = LEVEL / max(1, int(tested.sum()))
        return [p for p, value in zip(self.probabilities, self.fits["p_value"].values, strict=True) if value < level]

    @property
    def untested(self) -> list[float]:
        """The probabilities at which there was nothing to test."""
        return [p for p, value in zip(self.probabilities, self.fits["p_value"].isnull(), strict=True) if value]


def measure(run: runs.Run) -> Results:
    """Compute the results of a circle study.

    Parameters
    ----------
    run : analysis.runs.Run
        A run of the study "circle".

    Returns
    -------
    Results

    Raises
    ------
    ValueError
        If the store lacks a group or a variable.
    """
    sweep = run.group("sweeps/bernoulli")
    many = spread.statistics(run.group("spread"))
    return Results(
        run=run,
        task=run.group("task"),
        network=run.group("network"),
        training=run.group("training"),
        sweep=sweep,
        losses=removal.statistics(sweep),
        fits=lognormal.fit_each(sweep["loss"]),
        nodes=removal.leave_one_out(run.group("sweeps/leave_one_out")),
        published=published.circle(),
        spread=many,
        comparison=published.compare(many),
    )
