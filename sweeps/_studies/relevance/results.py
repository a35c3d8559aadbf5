"""The results of a relevance study: everything its report says, computed once from the store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from analysis import runs
from sweeps._studies.relevance.measures import deletion, gamed, heat, nodes, supervised
from sweeps._studies.relevance.names import keys, name_of, names_of

#: Groups of every store.
GROUPS = (
    *("task", "network", "heat", "ledger", "conservation", "instability", "instability_toy"),
    *("consistency", "constants", "two_objects", "forms", "drawn", "sentences"),
)
#: Groups of parts that a setting leaves out.
OPTIONAL = (
    *("deletion", "nodes", "supervised", "supervised_measures"),
    *("supervised_examples", "supervised_history", "supervised_maps"),
)
#: Lines of the deletion figures beside random order.
LINES = 4


@dataclass(frozen=True)
class Results:
    """Heat maps, ledgers, curves and trainings, and what follows from them.

    Attributes
    ----------
    run : analysis.runs.Run
        Where everything comes from.
    groups : mapping of str to xarray.Dataset
        What the store has.
    """

    run: runs.Run
    groups: Mapping[str, xr.Dataset]

    def __getitem__(self, name: str) -> xr.Dataset:
        """Return a group of the store."""
        return self.groups[name]

    @cached_property
    def names(self) -> dict[str, str]:
        """What the methods are called, random order too."""
        return names_of(self["heat"]) | {deletion.RANDOM: name_of(deletion.RANDOM)}

    @cached_property
    def layers(self) -> list[str]:
        """The network's layers in short words."""
        return list(json.loads(self["network"].attrs["layers"]))

    @cached_property
    def same(self) -> list[list[str]]:
        """Methods that give the same heat maps, together."""
        return heat.groups(self["heat"])

    @cached_property
    def conserving(self) -> list[str]:
        """Keys of the methods that promise to conserve relevance."""
        return keys(self["conservation"])

    @cached_property
    def scores(self) -> xr.Dataset | None:
        """Areas of the deletion curves, one an image; None without deletion."""
        return deletion.scores(self["deletion"]) if "deletion" in self.groups else None

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
        return deletion.ranking(self.scores["between"].mean("replacement")) if self.scores is not None else []

    @cached_property
    def agreement(self) -> deletion.Agreement | None:
        """Whether both replacements rank the methods alike."""
        return deletion.agreement(self.scores["between"], *self.replacements) if self.scores is not None else None

    def lines(self) -> tuple[list[str], dict[str, str]]:
        """Choose the lines of the deletion figure, one for all methods with the same maps, and name them."""
        group_of = {key: group for group in self.same for key in group}
        leaders: dict[str, list[str]] = {}
        for key in self.order:
            if key in group_of and not set(group_of[key]) & set(leaders):
                leaders[key] = group_of[key]
        # The best, the method that the study is about, and the last.
        own = [key for key, group in leaders.items() if "lrp" in group]
        chosen = {*list(leaders)[: LINES - 2], *own, *list(leaders)[-1:]}
        kept = [key for key in leaders if key in chosen]
        return kept, self.names | {key: ", ".join(self.names[one] for one in leaders[key]) for key in kept}

    @cached_property
    def correlation(self) -> xr.DataArray | None:
        """Rank correlations of node measures, one a network; None where no nodes were compared."""
        return nodes.correlations(self["nodes"]) if "nodes" in self.groups else None

    @cached_property
    def relevances(self) -> list[str]:
        """Measures of nodes that are relevances."""
        return nodes.relevances(self["nodes"]) if "nodes" in self.groups else []

    @cached_property
    def trainings(self) -> dict[str, str]:
        """What the trainings are called."""
        return names_of(self["supervised"], "training")

    @cached_property
    def strengths(self) -> dict[str, float]:
        """The chosen strength of each training."""
        return supervised.chosen(self["supervised"])

    @cached_property
    def chosen(self) -> xr.Dataset | None:
        """The trainings at these strengths; None where no network was trained, or none has finite outputs."""
        if "supervised" not in self.groups or not np.isfinite(self["supervised"]["accuracy_clean"]).any():
            return None
        return supervised.at(self["supervised"], self.strengths)

    @cached_property
    def gamed(self) -> dict[str, float]:
        """The strongest strength at which each training games its measure; without those that do not."""
        return gamed.strongest(gamed.verdicts(self["supervised"])) if self.chosen is not None else {}


def measure(run: runs.Run) -> Results:
    """Read a relevance study.

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
        If the store lacks a group that every run writes.
    """
    there = [*GROUPS, *(name for name in OPTIONAL if name in run.tree.children)]
    groups = {name: run.group(name) for name in there}
    if "supervised" in groups:
        data = supervised.with_plains(groups["supervised"], groups["supervised_measures"])
        groups["supervised"] = data.sortby("strength")
    return Results(run, groups)
