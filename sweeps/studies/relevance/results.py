"""The results of a relevance study: everything its report says, computed once from the store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from analysis import runs
from sweeps.studies.relevance import claims
from sweeps.studies.relevance.measures import deletion, heat, ledger, names_of, nodes, supervised
from sweeps.studies.relevance.names import keys
from sweeps.studies.shrinking.claims import Claim

#: What a store may have beside the task, the network and the heat maps.
OPTIONAL = (
    *("ledger", "conservation", "deletion", "instability", "instability_toy"),
    *("consistency", "constants", "two_objects", "forms", "nodes"),
    *("supervised", "supervised_measures", "supervised_examples", "supervised_history"),
)
_CHECKS = {"deletion": deletion.checked, "nodes": nodes.checked, "supervised": supervised.checked}
#: Lines of the deletion figures beside random order.
LINES = 6


@dataclass(frozen=True)
class Results:
    """Heat maps, ledgers, curves and trainings, and what follows from them.

    Attributes
    ----------
    run : analysis.runs.Run
        Where everything comes from.
    task, network, heat : xarray.Dataset
    groups : mapping of str to xarray.Dataset
        The optional groups that the store has, checked, and the heat maps.
    scores : xarray.Dataset or None
        Areas of the deletion curves, one an image.
    agreements : list of Agreement
        Every two replacements.
    correlation : xarray.DataArray or None
        Rank correlations of node measures, one a network.
    strengths : dict of str to float
        The chosen strength of each training.
    chosen : xarray.Dataset or None
        The trainings at these strengths.
    claims : mapping of str to Claim
    """

    run: runs.Run
    task: xr.Dataset
    network: xr.Dataset
    heat: xr.Dataset
    groups: Mapping[str, xr.Dataset]
    scores: xr.Dataset | None
    agreements: list[deletion.Agreement]
    correlation: xr.DataArray | None
    strengths: dict[str, float]
    chosen: xr.Dataset | None
    claims: Mapping[str, Claim]

    def __getitem__(self, name: str) -> xr.Dataset:
        """Return a group that is there."""
        return self.groups[name]

    @cached_property
    def names(self) -> dict[str, str]:
        """What the methods are called, those of every group."""
        others = [self[name] for name in ("deletion", "conservation", "ledger") if name in self.groups]
        found: dict[str, str] = {}
        for group in (*others, self.heat):
            found |= names_of(group)
        return found

    @cached_property
    def same(self) -> list[list[str]]:
        """Methods that give the same heat maps, together."""
        return heat.groups(self.heat)

    @property
    def conserving(self) -> list[str]:
        """Keys of the methods that promise to conserve relevance."""
        if "conserves" not in self.heat.coords:
            return list(ledger.worst(self["conservation"])) if "conservation" in self.groups else []
        return [key for key, yes in zip(keys(self.heat), self.heat["conserves"].values, strict=True) if yes]

    @cached_property
    def replacements(self) -> list[str]:
        """What is put in place of a region."""
        return keys(self.scores, "replacement") if self.scores is not None else []

    @cached_property
    def pairs(self) -> dict[str, deletion.Pairs]:
        """Every two methods compared, by replacement."""
        if self.scores is None:
            return {}
        return {name: deletion.pairs(self.scores["between"].sel(replacement=name)) for name in self.replacements}

    @cached_property
    def order(self) -> list[str]:
        """Methods from the best to the worst, by the mean over replacements of the area between."""
        if self.scores is None:
            return []
        return deletion.ranking(self.scores["between"].mean("replacement"))

    @property
    def images(self) -> int:
        """Images of the deletion curves."""
        return int(self["deletion"].sizes["example"]) if "deletion" in self.groups else 0

    def shown(self) -> tuple[list[str], dict[str, str]]:
        """Choose the lines of the deletion figure, one for all methods with the same maps, and name them."""
        first = {key: group for group in self.same for key in group}
        found: dict[str, str] = {}
        for key in self.order:
            group = first.get(key, [key])
            there = [one for one in group if one in self.order]
            if key != deletion.RANDOM and not set(group) & set(found):
                found[key] = ", ".join(self.names[one] for one in there)
        # The best, the method that the study is about, and the last.
        own = [key for key in found if set(first.get(key, [key])) & {"lrp", "slope"}]
        chosen = {*list(found)[: LINES - 2], *own[:1], *list(found)[-1:]}
        kept = [key for key in found if key in chosen]
        return kept, self.names | {key: found[key] for key in kept}

    @cached_property
    def layers(self) -> list[str]:
        """The network's layers in short words."""
        value = self.network.attrs.get("layers", "[]")
        found = json.loads(value) if isinstance(value, str) else list(value)
        return [str(one) for one in found]

    @property
    def task_name(self) -> str:
        """Name of the task."""
        return str(self.task.attrs.get("name", "the task"))

    @property
    def node_networks(self) -> int:
        """Networks of which nodes were compared."""
        return int(self["nodes"].sizes["network"]) if "nodes" in self.groups else 0

    @property
    def trained_networks(self) -> int:
        """Networks of each supervised training."""
        return int(self.chosen.sizes["network"]) if self.chosen is not None else 0


def measure(run: runs.Run) -> Results:
    """Compute the results of a relevance study.

    Parameters
    ----------
    run : analysis.runs.Run
        A run of the study "relevance".

    Returns
    -------
    Results

    Raises
    ------
    ValueError
        If the store lacks the task, the network, the heat maps, or a variable.
    """
    maps = heat.checked(run.group("heat"))
    there = [name for name in OPTIONAL if name in run.tree.children]
    groups = {name: _CHECKS.get(name, _as_it_is)(run.group(name)) for name in there}
    scores, agreements, correlation = None, [], None
    if "deletion" in groups:
        scores = deletion.scores(groups["deletion"])
        replacements = keys(scores, "replacement")
        every = [(one, other) for place, one in enumerate(replacements) for other in replacements[place + 1 :]]
        agreements = [deletion.agreement(scores["between"], one, other) for one, other in every]
    if "nodes" in groups:
        correlation = nodes.correlations(groups["nodes"])
    strengths, chosen = {}, None
    if "supervised" in groups and np.isfinite(groups["supervised"]["accuracy_clean"]).any():
        strengths = supervised.chosen(groups["supervised"])
        chosen = supervised.at(groups["supervised"], strengths)
    return Results(
        run=run,
        task=run.group("task"),
        network=run.group("network"),
        heat=maps,
        groups=groups | {"heat": maps},
        scores=scores,
        agreements=agreements,
        correlation=correlation,
        strengths=strengths,
        chosen=chosen,
        claims=claims.all_claims(groups | {"heat": maps}, scores, agreements, correlation, chosen),
    )


def _as_it_is(data: xr.Dataset) -> xr.Dataset:
    return data
