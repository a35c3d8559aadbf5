"""Removal paths in numbers: what each method can remove, how often its choice is the best, how well it predicts."""

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _ranks, curves

#: How far the accuracy may fall, as shares: one percentage point, and five.
DROPS = (0.01, 0.05)
#: The error has risen when it is above so many times its start.
RISEN = 2.0
#: Where there is no accuracy, nodes count as removable until the loss is above so many times its start.
TOLERATED = 1.1
#: Methods whose scores are changes of the loss; scores of others can only be ranked.
PREDICTING = ("brute_force", "first_order", "second_order", "shapley")

Floats = npt.NDArray[np.float64]
_OVER = ("network", "ranked_by", "ranking")


def choices(paths: xr.Dataset) -> xr.Dataset:
    """Follow how good the choices are, removal by removal.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths: `is_best`, `change` and `best_change` (network, ranked_by, ranking, removal), among others.

    Returns
    -------
    xarray.Dataset, (network, ranked_by, ranking, removal)
        `is_best`, 1 where no removal was cheaper, else 0; `share_best`, its mean so far; `regret`, what a removal cost
        more than the cheapest one would have, in the loss's unit; `total_regret`, its sum so far.

    Notes
    -----
    The last removal is left out: there is nothing to choose.
    """
    data = paths.isel(removal=slice(None, -1))
    # Below 0 only by the rounding of two sums over the same examples.
    regret = (data["change"] - data["best_change"]).clip(min=0)
    best = data["is_best"].astype(float)
    found = {"is_best": best, "regret": regret, "total_regret": regret.cumsum("removal")}
    found["share_best"] = best.cumsum("removal") / np.arange(1, data.sizes["removal"] + 1)
    return xr.Dataset(found).assign_coords({name: data[name] for name in (*_OVER, "removal")})


def summary(paths: xr.Dataset) -> xr.Dataset:
    """Put the paths of each method into numbers.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths: `loss`, `accuracy` and `test_accuracy` (network, ranked_by, ranking, step); `predicted`,
        `change`, `best_change` and `is_best` (network, ranked_by, ranking, removal).

    Returns
    -------
    xarray.Dataset, (network, ranked_by, ranking)
        - `removable`, `test_removable` (..., fall): removals before the accuracy first falls by more
          than `fall`, on the examples of the ranking and on the test set
        - `risen`: removals after which the loss is first above `RISEN` times its start; one more than
          there are for never
        - `cheap`: removals before the loss is first above `TOLERATED` times its start
        - `mean_loss`, `mean_accuracy`: area under the curve over the number of nodes
        - `lowest_loss`, and `lowest_step`, after how many removals it is reached
        - `loss_wrong_way`, `accuracy_wrong_way`: see `analysis.curves.wrong_way`
        - `proxy`: rank correlation of loss and accuracy along the path
        - `share_best`, `mean_regret`: of all choices but the last, see `choices`
        - `spearman`: rank correlation of score and true change; `sign_agreement`: the share of removals whose change
          has the predicted sign, NaN for scores that are no changes of the loss
    """
    paths = paths.transpose(*_OVER, ...)
    chosen = choices(paths)
    loss, accuracy, test = (paths[name].values.astype(float) for name in ("loss", "accuracy", "test_accuracy"))
    found: dict[str, Any] = {
        "risen": np.minimum(curves.first_above(loss, RISEN), loss.shape[-1]),
        "cheap": np.minimum(curves.first_above(loss, TOLERATED) - 1, loss.shape[-1] - 1),
        "mean_loss": curves.mean_height(loss),
        "mean_accuracy": curves.mean_height(accuracy),
        "lowest_loss": loss.min(axis=-1),
        "lowest_step": loss.argmin(axis=-1),
        "loss_wrong_way": curves.wrong_way(loss, rising=True),
        "accuracy_wrong_way": curves.wrong_way(accuracy, rising=False),
        "proxy": _ranks.correlation(loss, accuracy),
        "share_best": chosen["is_best"].mean("removal").values,
        "mean_regret": chosen["regret"].mean("removal").values,
        "spearman": _ranks.correlation(paths["predicted"], paths["change"]),
        "sign_agreement": _sign_agreement(paths).values,
    }
    variables: dict[str, Any] = {name: (_OVER, values) for name, values in found.items()}
    for name, curve in (("removable", accuracy), ("test_removable", test)):
        variables[name] = ((*_OVER, "fall"), np.stack([curves.removable(curve, drop) for drop in DROPS], -1))
    return xr.Dataset(variables, {**{name: paths[name].values for name in _OVER}, "fall": list(DROPS)})


def _sign_agreement(paths: xr.Dataset) -> xr.DataArray:
    """Share of the changes other than 0 that have the sign of the prediction."""
    change = paths["change"]
    same = (np.sign(paths["predicted"]) == np.sign(change)).where(change != 0)
    return same.mean("removal").where(paths["ranked_by"].isin(PREDICTING))
