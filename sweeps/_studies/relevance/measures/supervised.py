"""Training that puts relevance where it belongs: which strength is chosen, what it gains, and whether it is gamed."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis.intervals import LEVEL, Interval, interval
from sweeps._studies.relevance.names import keys

PLAIN, PENALTY = "plain", "gradient_penalty"
#: Trainings that use no relevance; "replaced" trains the aim itself, by images whose outside is another's.
OTHERS = (PLAIN, PENALTY, "replaced")
#: What the trained measure of each training says of plain training.
PLAINS = "plain_inside"
#: Variables of the trained measure and of a measure that was not trained, on the same images.
TRAINED, OTHER = "inside_right", "other_inside"


def relevance_trainings(data: xr.Dataset) -> list[str]:
    """List the trainings that put relevance into the region."""
    return [key for key in keys(data, "training") if key not in OTHERS]


def chosen(data: xr.Dataset) -> dict[str, float]:
    """Return the strength of each training that was chosen without the misleading images."""
    return dict(zip(keys(data, "training"), map(float, data["chosen"].values), strict=True))


def tried(data: xr.Dataset, training: str, name: str = "accuracy_clean") -> list[float]:
    """List the strengths at which a training was tried, and the accuracy of a network or more is known."""
    known = data[name].sel(training=training).notnull().any("network").values
    return [float(strength) for strength in data["strength"].values[known]]


def best_misleading(data: xr.Dataset) -> dict[str, float]:
    """Return the strengths of the highest accuracy on the misleading images: no fair choice, an upper bound."""
    name, found = "accuracy_misleading", {}
    for key in keys(data, "training"):
        each = {one: data[name].sel(training=key, strength=one).values for one in tried(data, key, name)}
        if means := {strength: interval(values).mean for strength, values in each.items()}:
            found[key] = max(means, key=lambda one: means[one])
    return found


def ranked(numbers: xr.Dataset) -> list[str]:
    """List the trainings from the highest mean accuracy on misleading images to the lowest, as far as it is known."""
    accuracy = numbers["accuracy_misleading"].mean("network").dropna("training")
    return keys(accuracy.sortby(-accuracy), "training")


def at_the_edge(data: xr.Dataset, strengths: dict[str, float]) -> dict[str, list[str]]:
    """List the trainings whose strength is the weakest or the strongest that was tried, where several were."""
    found: dict[str, list[str]] = {"weakest": [], "strongest": []}
    for key, strength in strengths.items():
        values = tried(data, key)
        for end, edge in zip(found, (min, max), strict=True):
            if len(values) > 1 and strength == edge(values):
                found[end].append(key)
    return found


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
    if PLAINS in data:
        found[PLAINS] = data[PLAINS].sel(training=which)
    return found.assign_coords(at=("training", list(strengths.values())))


def with_plains(data: xr.Dataset, measures: xr.Dataset) -> xr.Dataset:
    """Add what each training's measure says of plain training, which is what it has to be compared with.

    Parameters
    ----------
    data : xarray.Dataset
        The trainings.
    measures : xarray.Dataset
        `inside` (measure, training, network), and `trained_measure` (training,).

    Returns
    -------
    xarray.Dataset
        With `plain_inside` (training, network).
    """
    inside = measures["inside"].sel(training=PLAIN).transpose("measure", "network")
    own = [
        inside.sel(measure=str(key)).values for key in measures["trained_measure"].sel(training=data["training"]).values
    ]
    return data.assign({PLAINS: (("training", "network"), own)})


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
        What each has more; without those whose difference is not known of any network.
    """
    names = [key for key in trainings if key != base]
    each = 1 - (1 - level) / max(len(names), 1)
    own = numbers[name].sel(training=base).values
    found = {key: interval(numbers[name].sel(training=key).values - own, level=each) for key in names}
    return {key: one for key, one in found.items() if one.networks}


def reliance(numbers: xr.Dataset) -> xr.DataArray:
    """Give how far networks go by the patch: accuracy where it tells the class, less that where it misleads."""
    return numbers["accuracy_right"] - numbers["accuracy_misleading"]


class Gaming(NamedTuple):
    """What is left of plain training's, less a given share of it: below zero, most of it is gone.

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


def left_outside(numbers: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the three numbers by which gaming is judged, see `Gaming`, of every training."""
    return {"trained": 1 - numbers[TRAINED], "other": 1 - numbers[OTHER], "reliance": reliance(numbers)}


def plains(numbers: xr.Dataset, training: str) -> dict[str, npt.NDArray[np.float64]]:
    """Return the same three numbers of plain training, the first by the measure of a training."""
    found = {name: one.sel(training=PLAIN).values for name, one in left_outside(numbers).items()}
    return found | {"trained": 1 - numbers[PLAINS].sel(training=training).values}


def gaming(numbers: xr.Dataset, training: str, share: float) -> Gaming:
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
    Gaming
    """
    own, plain = left_outside(numbers), plains(numbers, training)
    return Gaming(
        **{name: interval(one.sel(training=training).values - share * plain[name]) for name, one in own.items()}
    )
