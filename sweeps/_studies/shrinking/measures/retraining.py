"""Whether what a method is worth without retraining says what it is worth with it."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from analysis import curves
from analysis.intervals import Interval, interval
from sweeps._studies.shrinking.measures.paths import DROPS, Floats


class RetrainingSummary(NamedTuple):
    """Removal with and without retraining, in numbers.

    Attributes
    ----------
    data : xarray.Dataset, (network, every)
        `removable` (network, every, ranked_by, fall): removals before the test accuracy first falls by more than
        `fall`; `mean_test_accuracy` and `wrong_way` (network, every, ranked_by); `spread`: distance of the best from
        the worst method in test accuracy, mean over the steps; `agreement`: of all steps and pairs of methods that
        differ with and without retraining, the share that differ in the same direction, 0.5 if the one said nothing of
        the other.
    often : int
        The smallest number of removals between two retrainings.
    """

    data: xr.Dataset
    often: int

    @property
    def spread_left(self) -> Interval:
        """What retraining after every `often` removals leaves of the spread of the methods, as a share."""
        never, often = (self.data["spread"].sel(every=every).values for every in (0, self.often))
        return interval(np.divide(often, never, out=np.full(never.shape, np.nan), where=never > 0))

    @property
    def agreement(self) -> Interval:
        """Agreement of retraining after every `often` removals with none."""
        return interval(self.data["agreement"].sel(every=self.often).values)

    def values(self, name: str, method: str, every: int, **where: float) -> Floats:
        """Return one number of each network."""
        found = self.data[name].sel({"ranked_by": method, "every": every, **where})
        return found.values.astype(np.float64)


def retraining_summary(retraining: xr.Dataset) -> RetrainingSummary:
    """Compare removal with and without retraining.

    Parameters
    ----------
    retraining : xarray.Dataset
        `test_accuracy` (network, every, ranked_by, step); `every` is the number of removals between retrainings, 0 for
        never.

    Returns
    -------
    RetrainingSummary

    Notes
    -----
    Each method ranks anew after each removal, so with retraining it also removes other nodes: methods are compared,
    not fixed orders of nodes. The first and the last step are left out: there all methods are the same.
    """
    data = retraining.transpose("network", "every", "ranked_by", "step")
    accuracy = data["test_accuracy"].values.astype(np.float64)
    inner = accuracy[..., 1:-1]
    over = ("network", "every", "ranked_by")
    variables = {
        "removable": ((*over, "fall"), np.stack([curves.removable(accuracy, drop) for drop in DROPS], axis=-1)),
        "mean_test_accuracy": (over, curves.mean_height(accuracy)),
        "wrong_way": (over, curves.wrong_way(accuracy, rising=False)),
        "spread": (over[:2], np.ptp(inner, axis=2).mean(axis=-1)),
        "agreement": (over[:2], _agreement(inner, data["every"].values.tolist().index(0))),
    }
    coords = {name: data[name].values for name in over} | {"fall": list(DROPS)}
    return RetrainingSummary(xr.Dataset(variables, coords), min(int(count) for count in data["every"].values if count))


def _agreement(accuracy: Floats, never: int) -> Floats:
    """Compare the order of every two methods at each step with that without retraining, (network, every)."""
    one, other = np.triu_indices(accuracy.shape[2], 1)
    better = np.sign(np.round(accuracy[:, :, one] - accuracy[:, :, other], 9))  # (network, every, pair, step)
    without = better[:, [never]]
    differ = (better != 0) & (without != 0)
    compared = differ.sum(axis=(2, 3))
    same = (differ & (better == without)).sum(axis=(2, 3))
    return np.divide(same, compared, out=np.full(compared.shape, np.nan), where=compared > 0)
