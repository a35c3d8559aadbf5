"""Pruning networks that overfit a small training set: the gap, the test accuracy, and what was memorised."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis.intervals import LEVEL, Interval, interval
from sweeps._studies.sparsity.measures import plateaus
from sweeps._studies.sparsity.measures.methods import KIND_NAMES, KINDS, PUBLISHED

#: What was fitted is lost where it has fallen by so much, as a share.
LOST = 0.1


class Case(NamedTuple):
    """One way of pruning overfitted networks.

    Attributes
    ----------
    kind : {"weights", "units"}
    labels : {"right", "noisy"}
    tuned : bool
        Whether the networks were fine-tuned on the same small training set.
    """

    kind: str
    labels: str
    tuned: bool

    @property
    def key(self) -> str:
        """Its name among numbers and the parts of a claim."""
        return f"{self.kind} {self.labels}" + (" tuned" if self.tuned else "")

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{KIND_NAMES[self.kind]}, {self.labels} labels" + (", fine-tuned" if self.tuned else "")

    def of(self, data: xr.Dataset) -> xr.Dataset:
        """Shares of this case, (network, percent)."""
        found = data.sel({"labels": self.labels, "pruned_by": PUBLISHED[self.kind], "tuned": int(self.tuned)})
        return found.transpose("network", "percent", ...)


def cases() -> Iterator[Case]:
    """Go through all cases."""
    yield from (Case(kind, labels, tuned) for labels in ("right", "noisy") for kind in KINDS for tuned in (False, True))


class Change(NamedTuple):
    """What changes from the unpruned network to one sparsity, paired by network, as shares.

    Attributes
    ----------
    percent : float
    test, gap : Interval
        Of the test accuracy, and of the training accuracy less the test accuracy. The intervals of all sparsities of a
        case cover together with the probability `LEVEL` (Bonferroni).
    """

    percent: float
    test: Interval
    gap: Interval


def changes(data: xr.Dataset, case: Case) -> list[Change]:
    """List the changes at every sparsity above 0."""
    own = case.of(data)
    percent, test = own["percent"].values, own["test"].values.astype(np.float64)
    gap = own["train"].values.astype(np.float64) - test
    level = 1 - (1 - LEVEL) / max(len(percent) - 1, 1)
    return [
        Change(
            float(percent[at]),
            interval(test[:, at] - test[:, 0], level=level),
            interval(gap[:, at] - gap[:, 0], level=level),
        )
        for at in range(1, len(percent))
    ]


def best(found: Sequence[Change]) -> Change:
    """Return the change at the sparsity of the highest mean test accuracy."""
    return max(found, key=lambda one: one.test.mean)


def lost(data: xr.Dataset, case: Case, what: str) -> npt.NDArray[np.float64]:
    """Sparsity at which a share has fallen by `LOST` below the unpruned network's; the last one where it never does.

    Parameters
    ----------
    data : xarray.Dataset
    case : Case
    what : {"flipped", "right", "test"}
        The share of the flipped labels that are answered as given, of the right ones, or the test accuracy.

    Returns
    -------
    numpy.ndarray of float64, (networks,)
        In per cent.
    """
    own = case.of(data)
    percent = own["percent"].values.astype(np.float64)
    return np.minimum(plateaus.end(percent, own[what].values.astype(np.float64), LOST), percent[-1])
