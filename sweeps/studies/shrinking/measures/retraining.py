"""Whether what a method is worth without retraining says what it is worth with it."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from analysis import _validate, curves
from analysis.errors import InputError
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
        The smallest number of removals between two retrainings; 0 if there was none.
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

    Raises
    ------
    TypeError
        If `retraining` is no Dataset.
    ValueError
        If a variable or a dimension is missing, or there is no `every` of 0.

    Notes
    -----
    Each method ranks anew after each removal, so with retraining it also removes other nodes: methods are compared,
    not fixed orders of nodes. The first and the last step are left out: there all methods are the same.
    """
    _validate.dataset_with("retraining", retraining, ("test_accuracy",), ("ranked_by", "every", "step"))
    every = [int(count) for count in retraining["every"].values]
    if 0 not in every:
        raise InputError(f"retraining: expected 'every' to hold 0, for never, got {every}")
    accuracy = retraining["test_accuracy"].transpose("ranked_by", "every", "step").values.astype(np.float64)
    inner = accuracy[..., 1:-1]
    one, other = np.triu_indices(len(inner), 1)
    better = np.sign(np.round(inner[one] - inner[other], 9))  # (pair, every, step)
    never = better[:, [every.index(0)]]
    differ = (better != 0) & (never != 0)
    compared = differ.sum(axis=(0, 2))
    same = (differ & (better == never)).sum(axis=(0, 2))
    agreement = np.divide(same, compared, out=np.full(len(every), np.nan), where=compared > 0)
    return RetrainingSummary(
        xr.Dataset(
            {
                "removable": (
                    ("ranked_by", "every", "fall"),
                    np.stack([curves.removable(accuracy, drop) for drop in DROPS], axis=-1),
                ),
                "mean_test_accuracy": (("ranked_by", "every"), curves.mean_height(accuracy)),
                "wrong_way": (("ranked_by", "every"), curves.wrong_way(accuracy, rising=False)),
                "spread": ("every", np.ptp(inner, axis=0).mean(axis=-1)),
                "agreement": ("every", agreement),
                "compared": ("every", compared),
            },
            coords={"ranked_by": retraining["ranked_by"].values, "every": every, "fall": list(DROPS)},
        ),
        min((count for count in every if count), default=0),
    )
