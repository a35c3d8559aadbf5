"""What removal paths say: how many nodes can go, by which criterion, from which layers, and how far from the best."""

from dataclasses import dataclass, field

import xarray as xr

from analysis._errors import InputError
from analysis.runs import Run
from sweeps._studies.shrinking.measures.cascade import Grown
from sweeps._studies.shrinking.measures.networks import Network
from sweeps._studies.shrinking.measures.optimum import greedy_gaps
from sweeps._studies.shrinking.measures.pairs import pair_summary
from sweeps._studies.shrinking.measures.replacing import Replacing
from sweeps._studies.shrinking.measures.retraining import RetrainingSummary, retraining_summary
from sweeps._studies.shrinking.names import EARLY, PAPER


@dataclass(frozen=True)
class Results:
    """Removal paths of several kinds of networks, and what was measured beside them.

    Attributes
    ----------
    task : xarray.Dataset
        The task of the classifications.
    networks : dict of str to Network
        By key, in the order of the page.
    surfaces, pairs : dict of str to xarray.Dataset
        By key of the network, of those of the paper.
    pair_summaries : dict of str to xarray.Dataset
        See `measures.pairs.pair_summary`.
    gaps : xarray.Dataset or None
        Paths of the small networks beside the best mask of every size; None where there are none.
    retraining : xarray.Dataset or None
        None where nothing was retrained.
    retrained : RetrainingSummary or None
    replacing : Replacing or None
        Removals in which others take over; None where there are none.
    grown : dict of str to Grown
        Networks of Cascade Correlation, by key of the pruned ones on the same task.
    budgets : xarray.Dataset or None
        Networks pruned to budgets of memory beside networks trained at that size; None where there are none.
    """

    task: xr.Dataset
    networks: dict[str, Network]
    surfaces: dict[str, xr.Dataset]
    pairs: dict[str, xr.Dataset]
    pair_summaries: dict[str, xr.Dataset]
    gaps: xr.Dataset | None
    retraining: xr.Dataset | None
    retrained: RetrainingSummary | None
    replacing: Replacing | None = None
    grown: dict[str, Grown] = field(default_factory=dict)
    budgets: xr.Dataset | None = None

    @property
    def paper(self) -> list[Network]:
        """The kinds of networks that the paper reports on."""
        return [self.networks[key] for key in PAPER if key in self.networks]

    def only(self, key: str) -> list[Network]:
        """One kind of networks in a list, which is empty where the run has none."""
        return [self.networks[key]] if key in self.networks else []

    @property
    def depths(self) -> list[Network]:
        """The networks of one criterion, by their number of hidden layers."""
        return [network for key, network in self.networks.items() if key.isdigit()]

    @property
    def early(self) -> list[Network]:
        """The networks whose training ended early, by its length."""
        found = [key for key in self.networks if key.startswith(EARLY)]
        return [self.networks[key] for key in sorted(found, key=lambda key: int(key.removeprefix(EARLY)))]

    @property
    def several(self) -> list[Network]:
        """The networks of more than one hidden layer."""
        return [network for network in self.depths if len(network.hidden) > 1]

    @property
    def others(self) -> list[Network]:
        """The networks of another criterion or task."""
        return [self.networks[key] for key in ("cross_entropy", "regression") if key in self.networks]


def measure(run: Run) -> Results:
    """Compute the results of a shrinking study.

    Parameters
    ----------
    run : analysis.runs.Run
        A run of the study "shrinking".

    Returns
    -------
    Results

    Raises
    ------
    ValueError
        If the store lacks a group or a variable, or has no removal paths.
    """
    inside = _inside(run, "paths")
    keys = [*sorted(filter(str.isdigit, inside), key=int), *sorted(key for key in inside if not key.isdigit())]
    if not keys:
        raise InputError(f"run must have removal paths in {run.folder}, got none")
    networks = {key: Network(key, run.group(f"networks/{key}"), run.group(f"paths/{key}")) for key in keys}
    surfaces, pairs = (
        {key: run.group(f"{name}/{key}") for key in sorted(_inside(run, name))} for name in ("surfaces", "pairs")
    )
    gaps = None
    if "small" in networks:
        gaps = greedy_gaps(run.group("sweeps/hypercube")["loss"], networks["small"].paths)
    retraining, budgets = (run.group(name) if name in run.tree.children else None for name in ("retraining", "budgets"))
    return Results(
        task=run.group("task"),
        networks=networks,
        surfaces=surfaces,
        pairs=pairs,
        pair_summaries={key: pair_summary(data) for key, data in pairs.items()},
        gaps=gaps,
        retraining=retraining,
        retrained=None if retraining is None else retraining_summary(retraining),
        replacing=Replacing(run.group("replacing")) if "replacing" in run.tree.children else None,
        grown={key: Grown(run.group(f"cascade/{key}"), networks[key]) for key in sorted(_inside(run, "cascade"))},
        budgets=budgets,
    )


def _inside(run: Run, group: str) -> list[str]:
    """Names of the groups within a group; none where it is not there."""
    return list(run.tree[group].children) if group in run.tree.children else []
