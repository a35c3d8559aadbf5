"""Whether what a method is worth without retraining says what it is worth with it."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from analysis import curves
from sweeps.studies.shrinking.measures.paths import DROPS


class RetrainingSummary(NamedTuple):
    """Removal with and without retraining, in numbers.

    Attributes
    ----------
    data : xarray.Dataset, (every,)
        `removable` (ranked_by, every, fall): removals before the test accuracy first falls by more than `fall`;
        `mean_test_accuracy` and `wrong_way` (ranked_by, every); `spread`: distance of the best from the worst method in
        test accuracy, mean over the steps; `agreement`: of all steps and pairs of methods that differ with and without
        retraining, the share that differ in the same direction, 0.5 if the one said nothing of the other; `compared`:
        the number of them.
    often : int
        The smallest number of removals between two retrainings.
    """

    data: xr.Dataset
    often: int

    @property
    def spread_left(self) -> float:
        """What retraining after every `often` removals leaves of the spread of the methods, as a share."""
        never = float(self.data["spread"].sel(every=0))
        return float(self.data["spread"].sel(every=self.often)) / never if never > 0 else float("nan")

    @property
    def agreement(self) -> float:
        """Agreement of retraining after every `often` removals with none."""
        return float(self.data["agreement"].sel(every=self.often))


def retraining_summary(retraining: xr.Dataset) -> RetrainingSummary:
    """Compare removal with and without retraining.

    Parameters
    ----------
    retraining : xarray.Dataset
        `test_accuracy` (ranked_by, every, step); `every` is the number of removals between retrainings, 0 for never.

    Returns
    -------
    RetrainingSummary

    Notes
    -----
    Each method ranks anew after each removal, so with retraining it also removes other nodes: methods are compared,
    not fixed orders of nodes. The first and the last step are left out: there all methods are the same.
    """
    data = retraining.transpose("ranked_by", "every", "step")
    accuracy = data["test_accuracy"].values.astype(np.float64)
    inner = accuracy[..., 1:-1]
    agreement, compared = _agreement(inner, data["every"].values.tolist().index(0))
    over = ("ranked_by", "every")
    removable = np.stack([curves.removable(accuracy, drop) for drop in DROPS], axis=-1)
    variables = {
        "removable": ((*over, "fall"), removable),
        "mean_test_accuracy": (over, curves.mean_height(accuracy)),
        "wrong_way": (over, curves.wrong_way(accuracy, rising=False)),
        "spread": ("every", np.ptp(inner, axis=0).mean(axis=-1)),
        "agreement": ("every", agreement),
        "compared": ("every", compared),
    }
    coords = {"ranked_by": data["ranked_by"].values, "every": data["every"].values, "fall": list(DROPS)}
    return RetrainingSummary(xr.Dataset(variables, coords), min(int(count) for count in data["every"].values if count))


def _agreement(accuracy: np.ndarray, never: int) -> tuple[np.ndarray, np.ndarray]:
    """Compare the order of every two methods at each step with that without retraining, and count the comparisons."""
    one, other = np.triu_indices(len(accuracy), 1)
    better = np.sign(np.round(accuracy[one] - accuracy[other], 9))  # (pair, every, step)
    without = better[:, [never]]
    differ = (better != 0) & (without != 0)
    compared = differ.sum(axis=(0, 2))
    same = (differ & (better == without)).sum(axis=(0, 2))
    return np.divide(same, compared, out=np.full(compared.shape, np.nan), where=compared > 0), compared
