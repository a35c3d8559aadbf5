"""Removal paths in numbers: what each method can remove, how often its choice is the best, how well it predicts."""

from typing import Any

import numpy as np
import xarray as xr

from analysis import _validate, curves, ranks

#: How far the accuracy may fall, as shares: one percentage point, and five.
DROPS = (0.01, 0.05)
#: The error has risen when it is above so many times its start.
RISEN = 2.0
#: Where there is no accuracy, nodes count as removable until the loss is above so many times its start.
TOLERATED = 1.1
#: Methods whose scores are changes of the loss; scores of others can only be ranked.
PREDICTING = ("brute_force", "first_order", "second_order", "shapley")

_OVER = ("ranked_by", "ranking")
_STEPS, _REMOVALS = ("loss", "accuracy", "test_accuracy"), ("predicted", "change", "best", "best_change", "is_best")


def checked(paths: xr.Dataset) -> xr.Dataset:
    """Return removal paths with their dimensions in order.

    Raises
    ------
    TypeError
        If they are no Dataset.
    ValueError
        If a variable or a dimension is missing.
    """
    _validate.dataset_with("paths", paths, (*_STEPS, *_REMOVALS, "order", "layer"), (*_OVER, "step", "removal"))
    return paths.transpose(*_OVER, "step", "removal", missing_dims="ignore")


def choices(paths: xr.Dataset) -> xr.Dataset:
    """Follow how good the choices are, removal by removal.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths: `is_best`, `best`, `change` and `best_change` (ranked_by, ranking, removal), among others.

    Returns
    -------
    xarray.Dataset, (ranked_by, ranking, removal)
        `is_best`, 1 where no removal was cheaper, else 0; `share_best`, its mean so far; `regret`, what a removal cost
        more than the cheapest one would have, in the loss's unit; `total_regret`, its sum so far. NaN where that was
        not measured.

    Raises
    ------
    TypeError
        If `paths` is no Dataset.
    ValueError
        If a variable or a dimension is missing.

    Notes
    -----
    The last removal is left out: there is nothing to choose.
    """
    data = checked(paths).isel(removal=slice(None, -1))
    known = (data["best"] >= 0) & np.isfinite(data["best_change"])
    # Below 0 only by the rounding of two sums over the same examples.
    regret = (data["change"] - data["best_change"]).clip(min=0).where(known)
    best = (data["is_best"] == 1).where(known)
    count = known.cumsum("removal")
    return xr.Dataset(
        {
            "is_best": best,
            "regret": regret,
            "total_regret": regret.fillna(0).cumsum("removal").where(known),
            "share_best": (best.fillna(0).cumsum("removal") / count.where(count > 0)).where(known),
        },
        coords={name: data[name] for name in (*_OVER, "removal") if name in data.coords},
    )


def summary(paths: xr.Dataset) -> xr.Dataset:
    """Put the paths of each method into numbers.

    Parameters
    ----------
    paths : xarray.Dataset
        Removal paths: `loss`, `accuracy` and `test_accuracy` (ranked_by, ranking, step); `order`, `predicted`,
        `change`, `best`, `best_change`, `is_best` and `layer` (ranked_by, ranking, removal).

    Returns
    -------
    xarray.Dataset, (ranked_by, ranking)
        - `removable`, `test_removable` (ranked_by, ranking, fall): removals before the accuracy first falls by more
          than `fall`, on the examples of the ranking and on the test set
        - `risen`: removals after which the loss is first above `RISEN` times its start, infinite for never
        - `cheap`: removals before the loss is first above `TOLERATED` times its start
        - `mean_loss`, `mean_accuracy`, `mean_test_accuracy`: area under the curve over the number of nodes
        - `lowest_loss`, and `lowest_step`, after how many removals it is reached
        - `loss_wrong_way`, `accuracy_wrong_way`: see `curves.wrong_way`
        - `proxy`: rank correlation of loss and accuracy along the path
        - `share_best`, `mean_regret`: of all choices but the last, see `choices`
        - `spearman`: rank correlation of score and true change; `sign_agreement`: the share of removals whose change
          has the predicted sign, NaN for scores that are no changes of the loss

    Raises
    ------
    TypeError
        If `paths` is no Dataset.
    ValueError
        If a variable or a dimension is missing.
    """
    data, chosen = checked(paths), choices(paths)
    loss, accuracy, test = (_validate.real_numbers(f"paths.{name}", data[name]) for name in _STEPS)
    both = {name: data[name].values for name in ("predicted", "change")}
    variables: dict[str, Any] = {
        "removable": ((*_OVER, "fall"), np.stack([curves.removable(accuracy, drop) for drop in DROPS], -1)),
        "test_removable": ((*_OVER, "fall"), np.stack([curves.removable(test, drop) for drop in DROPS], -1)),
        "risen": (_OVER, curves.first_above(loss, RISEN)),
        "cheap": (_OVER, np.minimum(curves.first_above(loss, TOLERATED) - 1, loss.shape[-1] - 1)),
        "mean_loss": (_OVER, curves.mean_height(loss)),
        "mean_accuracy": (_OVER, curves.mean_height(accuracy)),
        "mean_test_accuracy": (_OVER, curves.mean_height(test)),
        "lowest_loss": (_OVER, loss.min(axis=-1)),
        "lowest_step": (_OVER, loss.argmin(axis=-1)),
        "loss_wrong_way": (_OVER, curves.wrong_way(loss, rising=True)),
        "accuracy_wrong_way": (_OVER, curves.wrong_way(accuracy, rising=False)),
        "proxy": (_OVER, ranks.correlation(loss, accuracy)),
        "share_best": (_OVER, chosen["is_best"].mean("removal").values),
        "mean_regret": (_OVER, chosen["regret"].mean("removal").values),
        "spearman": (_OVER, ranks.correlation(both["predicted"], both["change"])),
    }
    signs = _each(_sign_agreement, both["predicted"], both["change"])
    variables["sign_agreement"] = (
        _OVER,
        np.where(np.isin(data["ranked_by"].values, PREDICTING)[:, None], signs, np.nan),
    )
    coords = {name: data[name].values for name in _OVER}
    return xr.Dataset(variables, coords={**coords, "fall": list(DROPS)}, attrs={"nodes": data.sizes["removal"]})


def _each(function: Any, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Apply a function of two lists at each method and ranking."""
    return np.array([[function(a, b) for a, b in zip(*row, strict=True)] for row in zip(one, other, strict=True)])


def _sign_agreement(predicted: np.ndarray, change: np.ndarray) -> float:
    known = np.isfinite(predicted) & np.isfinite(change) & (change != 0)
    return float(np.mean(np.sign(predicted[known]) == np.sign(change[known]))) if known.any() else float("nan")
