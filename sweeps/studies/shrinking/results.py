"""The results of a shrinking study: everything its report says, computed once from the store."""

from dataclasses import dataclass

import xarray as xr

from analysis import runs
from analysis.errors import InputError
from sweeps.studies.shrinking import measures as shrinking
from sweeps.studies.shrinking.claims import Claim, all_claims
from sweeps.studies.shrinking.measures import Network, PairSummary, RetrainingSummary


@dataclass(frozen=True)
class Results:
    """Removal paths of several networks, and what was measured beside them.

    Attributes
    ----------
    run : analysis.runs.Run
        Where everything comes from.
    task : xarray.Dataset
        The task of the classifications.
    networks : dict of str to Network
        By key, in the order of the page.
    surfaces, pairs : dict of str to xarray.Dataset
        By key of the network, as far as they were measured.
    pair_summaries : dict of str to PairSummary
    gaps : xarray.Dataset or None
        Paths of the small network beside the best mask of every size; None where not all masks were evaluated.
    retraining : xarray.Dataset or None
    retrained : RetrainingSummary or None
    claims : dict of str to Claim
        The claims of the paper, answered.
    """

    run: runs.Run
    task: xr.Dataset
    networks: dict[str, Network]
    surfaces: dict[str, xr.Dataset]
    pairs: dict[str, xr.Dataset]
    pair_summaries: dict[str, PairSummary]
    gaps: xr.Dataset | None
    retraining: xr.Dataset | None
    retrained: RetrainingSummary | None
    claims: dict[str, Claim]

    @property
    def depths(self) -> dict[int, Network]:
        """The networks of one criterion by their number of hidden layers."""
        return {int(key): network for key, network in self.networks.items() if key.isdigit()}

    @property
    def others(self) -> dict[str, Network]:
        """The networks of another criterion or task."""
        return {key: self.networks[key] for key in ("cross_entropy", "regression") if key in self.networks}

    @property
    def task_name(self) -> str:
        """Name of the task."""
        return str(self.task.attrs["name"])


def measure(run: runs.Run) -> Results:
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
    keys = sorted(_inside(run, "paths"), key=lambda key: (not key.isdigit(), key))
    if not keys:
        raise InputError(f"run: expected removal paths in {run.folder}, got none")
    networks = {
        key: shrinking.measured_network(key, run.group(f"networks/{key}").attrs, run.group(f"paths/{key}"))
        for key in keys
    }
    surfaces, pairs = (
        {key: run.group(f"{name}/{key}") for key in sorted(_inside(run, name))} for name in ("surfaces", "pairs")
    )
    summaries = {key: shrinking.pair_summary(data) for key, data in pairs.items()}
    gaps = None
    if "small" in networks and "hypercube" in _inside(run, "sweeps"):
        gaps = shrinking.greedy_gaps(run.group("sweeps/hypercube")["loss"], networks["small"].paths)
    retraining = run.group("retraining") if "retraining" in run.tree.children else None
    retrained = None if retraining is None else shrinking.retraining_summary(retraining)
    return Results(
        run=run,
        task=run.group("task"),
        networks=networks,
        surfaces=surfaces,
        pairs=pairs,
        pair_summaries=summaries,
        gaps=gaps,
        retraining=retraining,
        retrained=retrained,
        claims=all_claims(networks, summaries, retrained),
    )


def _inside(run: runs.Run, group: str) -> list[str]:
    """Names of the groups within a group; none where it is not there."""
    return list(run.tree[group].children) if group in run.tree.children else []
