"""Does pruning commute with training: everything that the report says, computed once from the store."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis import runs
from analysis.intervals import Interval, over_pairs
from sweeps._studies.spiral.measures import adam, commuting, deviations, idle, kernels, moves, outcomes, rates, roles
from sweeps._studies.spiral.measures.commuting import Commuting
from sweeps._studies.spiral.measures.kernels import Kernels
from sweeps._studies.spiral.measures.networks import Networks
from sweeps._studies.spiral.measures.outcomes import mean
from sweeps._studies.spiral.measures.rates import Rates
from sweeps._studies.spiral.measures.roles import Likeness
from sweeps._studies.spiral.names import COMPENSATED, kinds_of

FILMS = ("trained", "finetuned_random", "prune_first_random", "finetuned_chosen", "prune_first_chosen")


@dataclass(frozen=True)
class Results:
    """Networks with all nodes and with some removed, before training or after, and what follows from them.

    Attributes
    ----------
    run : analysis.runs.Run
    task, nodes, full, pruned, history : xarray.Dataset
        Groups of the store.
    rates : Rates or None
        Rates.Rates or None None where the settings name no other learning rates.
    films : dict of str to xarray.Dataset
        Parameters of network 0 by checkpoint.
    outcomes : xarray.Dataset, (arm, compensation, kind, network)
        `accuracy`, `loss`, `agreement` with the full trained network, mean over the choices of a kind.
    references : xarray.Dataset
        What `outcomes.references` returns.
    commuting : dict of (kind, route, quantity) to Commuting
    kernels : Kernels
    correlations, unmoved : xarray.DataArray, (pair, of, kind, network) and (arm, kind, network)
    changes : dict of str to list of numpy.ndarray
        What `moves.all_moves` returns.
    peaks : xarray.DataArray, (source, of, network)
        Where the density of the sizes of these changes peaks.
    alike : xarray.DataArray, (kind, network)
        Share of weights that moved by the preferred distance in the trained network and in the one pruned first.
    settled : adam.Settled or None
        Adam.Settled or None Of network 0; None where its weights prefer no distance.
    removed : xarray.Dataset, (kind, network)
        What `deviations.removed` returns, mean over the choices of a kind.
    constant : xarray.DataArray, (layer, network)
    idle : xarray.Dataset, (network,)
        What `idle.idle` returns.
    spread : xarray.DataArray, (of, kind, network)
        What `kernels.spread` returns, mean over the choices of a kind.
    roles : xarray.Dataset, (pair, kind, network)
        What `roles.roles` returns, mean over the choices of a kind.
    strangers : xarray.DataArray, (kind, network, other)
    likeness : Likeness
        Roles.Likeness.
    """

    run: runs.Run
    task: xr.Dataset
    nodes: xr.Dataset
    full: xr.Dataset
    pruned: xr.Dataset
    history: xr.Dataset
    rates: Rates | None
    films: dict[str, xr.Dataset]
    outcomes: xr.Dataset
    references: xr.Dataset
    commuting: dict[tuple[str, str, str], Commuting]
    kernels: Kernels
    correlations: xr.DataArray
    unmoved: xr.DataArray
    changes: dict[str, list[np.ndarray]]
    peaks: xr.DataArray
    alike: xr.DataArray
    settled: adam.Settled | None
    removed: xr.Dataset
    constant: xr.DataArray
    idle: xr.Dataset
    spread: xr.DataArray
    roles: xr.Dataset
    strangers: xr.DataArray
    likeness: Likeness

    @property
    def networks(self) -> int:
        """Number of seeds."""
        return int(self.full.sizes["network"])

    @property
    def choices(self) -> dict[str, list[str]]:
        """Names of the choices, by kind."""
        return kinds_of(self.kernels.choices)

    @property
    def distance(self) -> float:
        """How far Adam moves a weight that has one gradient, at the first step."""
        return adam.single_gradient() * learning_rate(self.run)

    def outcome(self, measure: str, arm: str, kind: str, compensation: str = COMPENSATED) -> Interval:
        """Mean of a measure of pruned networks."""
        return mean(self.outcomes[measure], arm=arm, kind=kind, compensation=compensation)

    def reference(self, measure: str, arm: str) -> Interval:
        """Mean of a measure of full networks; the arm "others": agreement of different seeds."""
        return (
            over_pairs(self.references["others"].values) if arm == "others" else mean(self.references[measure], arm=arm)
        )

    def compensated(self, measure: str, arm: str, kind: str) -> Interval:
        """Mean of a measure with bias compensation less without."""
        one = self.outcomes[measure]
        return mean(one.sel(compensation="with") - one.sel(compensation="without"), arm=arm, kind=kind)

    def against(self, measure: str, arm: str, kind: str, reference: str = "trained") -> Interval:
        """Mean of a measure of pruned networks less that of a full network of the same seed."""
        difference = self.outcomes[measure] - self.references[measure].sel(arm=reference, drop=True)
        return mean(difference, arm=arm, kind=kind, compensation=COMPENSATED)


def measure(run: runs.Run) -> Results:
    """Compute the results.

    Parameters
    ----------
    run : analysis.runs.Run
        A run of the study "spiral".

    Returns
    -------
    Results

    Raises
    ------
    ValueError
        If the store lacks a group.
    """
    task, nodes, full, pruned, history = (run.group(name) for name in ("task", "nodes", "full", "pruned", "history"))
    inside = outcomes.data_square(task, full)
    main = kernels.read(full, pruned, nodes)
    correlations, changes = kernels.correlations(main), moves.all_moves(main)
    peaks = moves.peaks(changes, density_width(run))
    at = peaks.sel(source="trained", of="all").values
    films = {name: run.group(f"films/{name}") for name in FILMS}
    inputs = task["train_inputs"].values
    at_rates = _rates(run)
    whole, cut = Networks(full, inputs), Networks(pruned.sel(compensation=COMPENSATED, drop=True), inputs)
    return Results(
        run=run,
        task=task,
        nodes=nodes,
        full=full,
        pruned=pruned,
        history=history,
        rates=rates.measure(at_rates, task, inside) if at_rates else None,
        films=films,
        outcomes=outcomes.by_kind(outcomes.outcomes(full, pruned, inside)),
        references=outcomes.references(full, inside),
        commuting=commuting.commuting(full, pruned, inside, correlations),
        kernels=main,
        correlations=outcomes.by_kind(correlations),
        unmoved=outcomes.by_kind(kernels.unmoved(main)),
        changes=changes,
        peaks=peaks,
        alike=outcomes.by_kind(moves.alike_shares(main, at)),
        settled=_settled(films["trained"], float(at[0])),
        removed=outcomes.by_kind(deviations.removed(nodes)),
        constant=deviations.constant(nodes),
        idle=idle.idle(whole, task["train_targets"].values),
        spread=outcomes.by_kind(kernels.spread(main), skipna=True),
        roles=outcomes.by_kind(roles.roles(whole, cut, nodes), skipna=True),
        strangers=roles.strangers(whole, cut, nodes),
        likeness=roles.likeness(whole, cut, nodes),
    )


def _rates(run: runs.Run) -> dict[str, xr.Dataset]:
    """Read the groups of the learning rates, where there are any."""
    found = run.tree["rates"].children if "rates" in run.tree.children else {}
    return {name: run.group(f"rates/{name}") for name in rates.GROUPS} if set(rates.GROUPS) <= set(found) else {}


def _settled(film: xr.Dataset, at: float) -> adam.Settled | None:
    if not np.isfinite(at):
        return None
    found = adam.settled(film[kernels.MAIN].transpose("checkpoint", ...).values, at, moves.NEAR)
    return found._replace(checkpoint=int(film["checkpoint"][found.checkpoint]))


def learning_rate(run: runs.Run) -> float:
    """Return the learning rate of a run."""
    return float(run.config["learning_rate"])


def density_width(run: runs.Run) -> float:
    """Width of the kernel of densities of changes: half a learning rate, since steps of Adam are of its size."""
    return learning_rate(run) / 2
