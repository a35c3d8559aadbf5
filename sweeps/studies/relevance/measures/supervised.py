"""Training that puts relevance where it belongs: which strength is chosen, what it gains, and whether it is gamed."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from analysis import _validate
from analysis.errors import InputError
from analysis.intervals import LEVEL, Interval, interval
from sweeps.studies.relevance.names import keys

PLAIN, PENALTY = "plain", "gradient_penalty"
#: Trainings that use no relevance; "replaced" trains the aim itself, by images whose outside is another's.
OTHERS = (PLAIN, PENALTY, "replaced")
#: The sets of images on which both measures are compared, the first that the store has: the patch right, misleading...
SETS = ("right", "misleading", "clean", "train")
#: By which accuracy a strength is chosen, the first that the store has.
CHOOSING = ("accuracy_validation", "accuracy_clean")


def checked(supervised: Any) -> xr.Dataset:
    """Return the results with the strengths rising.

    Raises
    ------
    TypeError
        If `supervised` is no Dataset.
    ValueError
        If a variable or a dimension is missing, or plain training.
    """
    dims = ("training", "strength", "network")
    _validate.dataset_with("supervised", supervised, ("accuracy_clean", "accuracy_misleading"), dims)
    if PLAIN not in keys(supervised, "training"):
        raise InputError(f"supervised: expected the training {PLAIN!r}, got {keys(supervised, 'training')}")
    return supervised.sortby("strength").transpose(*dims, ...)


def relevance_trainings(data: xr.Dataset) -> list[str]:
    """List the trainings that put relevance into the region."""
    return [key for key in keys(data, "training") if key not in OTHERS]


def choosing(data: xr.Dataset) -> str:
    """Return the variable by which strengths are chosen, or "chosen" where the store says which was."""
    return "chosen" if "chosen" in data.variables else next(name for name in CHOOSING if name in data)


def chosen(data: xr.Dataset) -> dict[str, float]:
    """Choose each training's strength without a look at the misleading images.

    Parameters
    ----------
    data : xarray.Dataset
        See `checked`.

    Returns
    -------
    dict of str to float
        The store's own choice where it has one; otherwise of the highest mean over networks of `choosing`, the weakest
        of equals. Without trainings that were not run.
    """
    if choosing(data) == "chosen":
        own = zip(keys(data, "training"), data["chosen"].values.astype(float), strict=True)
        return {key: float(strength) for key, strength in own if np.isfinite(strength)}
    return _best(data, choosing(data))


def _best(data: xr.Dataset, name: str) -> dict[str, float]:
    found = {}
    for key in keys(data, "training"):
        values = data[name].sel(training=key).transpose("strength", "network").values.astype(float)
        means = np.array([interval(row).mean for row in values])
        if np.isfinite(means).any():
            found[key] = float(data["strength"].values[int(np.nanargmax(means))])
    return found


def looked(data: xr.Dataset) -> dict[str, float]:
    """Return the strengths that would be best on the misleading images: no fair choice, an upper bound."""
    return _best(data, "accuracy_misleading")


def at(data: xr.Dataset, strengths: dict[str, float]) -> xr.Dataset:
    """Return every training at a strength of its own.

    Parameters
    ----------
    data : xarray.Dataset
    strengths : dict of str to float
        By training.

    Returns
    -------
    xarray.Dataset
        (training, network), with the strengths as coordinate `at`.
    """
    numbers = data[[name for name in data.data_vars if data[name].dims == ("training", "strength", "network")]]
    which, places = (xr.DataArray(list(values), dims="training") for values in (strengths.keys(), strengths.values()))
    found: xr.Dataset = numbers.sel(training=which, strength=places).drop_vars("strength")
    return found.assign_coords(at=("training", list(strengths.values())))


def gains(numbers: xr.Dataset, name: str, base: str, trainings: list[str], level: float = LEVEL) -> dict[str, Interval]:
    """Compare trainings with one, network by network.

    Parameters
    ----------
    numbers : xarray.Dataset
        `name` (training, network), see `at`.
    name, base : str
        What is compared, and with which training.
    trainings : list of str
    level : float
        With so much probability the intervals cover together (Bonferroni).

    Returns
    -------
    dict of str to Interval
        What each has more; empty where the base or the number is not there.
    """
    there = keys(numbers, "training")
    names = [key for key in trainings if key in there and key != base]
    if name not in numbers or base not in there:
        return {}
    each = 1 - (1 - level) / max(len(names), 1)
    own = numbers[name].sel(training=base).values.astype(float)
    found = {key: interval(numbers[name].sel(training=key).values.astype(float) - own, each) for key in names}
    return {key: one for key, one in found.items() if one.networks}


def measured_on(data: xr.Dataset) -> tuple[str, str] | None:
    """Return the variables that hold the trained measure and one that was not trained, on the same images.

    Parameters
    ----------
    data : xarray.Dataset

    Returns
    -------
    (str, str) or None
        By the order of `SETS`; None without any.
    """

    def known(name: str) -> bool:
        return name in data and bool(np.isfinite(data[name].values.astype(float)).any())

    for name in SETS:
        for other in (f"other_inside_{name}", "other_inside"):
            if known(f"inside_{name}") and known(other):
                return f"inside_{name}", other
    return None


def reliance(numbers: xr.Dataset) -> xr.DataArray:
    """Give how far networks go by the patch: accuracy where it tells the class, less that where it misleads.

    Parameters
    ----------
    numbers : xarray.Dataset
        (training, ..., network); with `accuracy_right`, or else `accuracy_train`, whose patches are right, too.
    """
    right = numbers["accuracy_right" if "accuracy_right" in numbers else "accuracy_train"]
    return right.astype(float) - numbers["accuracy_misleading"].astype(float)


class Gaming(NamedTuple):
    """What is left of plain training's, less a half of it: below zero, most of it is gone.

    Attributes
    ----------
    trained, other : Interval
        Share of what counts that lies outside of the region, by the trained measure and by one that was not trained.
    reliance : Interval
        How far the network goes by the patch, see `reliance`.
    """

    trained: Interval
    other: Interval
    reliance: Interval


def gaming(numbers: xr.Dataset, training: str, share: float) -> Gaming | None:
    """Compare what a training took away of what lies outside with what it took of the network's reliance on it.

    Parameters
    ----------
    numbers : xarray.Dataset
        (training, network), see `at`, plain training among them.
    training : str
    share : float
        What is to be left of plain training's at most, network by network.

    Returns
    -------
    Gaming or None
        None where a measure is not there.
    """
    names = measured_on(numbers)
    if names is None or not {"accuracy_right", "accuracy_train"} & set(map(str, numbers.data_vars)):
        return None
    columns = [1 - numbers[name].astype(float) for name in names] + [reliance(numbers)]
    left = [one.sel(training=training).values - share * one.sel(training=PLAIN).values for one in columns]
    return Gaming(*(interval(values) for values in left))
