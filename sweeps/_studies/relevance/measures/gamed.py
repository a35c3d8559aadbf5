"""How networks game a demand on their relevance: what it leaves out of sight, at the strengths at which they do."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from analysis.claims import FAILS, HOLDS, PARTLY, UNDECIDED, above
from analysis.intervals import LEVEL, Interval, interval
from sweeps._studies.relevance.measures import supervised
from sweeps._studies.relevance.measures.supervised import PLAIN, TRAINED

#: Most of something is gone where no more than this is left of plain training's.
HALF = 0.5
#: A patch that moves the margin by less than this does not act through any output.
NOTHING = 0.1


def verdict(one: supervised.Gaming) -> str:
    """Judge from what is left whether the measure is gamed: by it most is gone, by all else it is not.

    Parameters
    ----------
    one : supervised.Gaming
        Supervised.Gaming Of a training, with the share `HALF`.
    """
    if above(one.trained) != FAILS:
        return FAILS if above(one.trained) == HOLDS else UNDECIDED
    both = {above(one.other), above(one.reliance)}
    if len(both) == 1:
        return both.pop()
    return PARTLY if both == {HOLDS, FAILS} else UNDECIDED


def verdicts(data: xr.Dataset) -> dict[str, dict[float, str]]:
    """Judge every training by relevance at every strength that was tried.

    Parameters
    ----------
    data : xarray.Dataset
        All strengths.

    Returns
    -------
    dict of str to dict of float to str
        By training and strength; without trainings of which nothing is known.
    """
    plain, found = supervised.chosen(data)[PLAIN], {}
    for key in supervised.relevance_trainings(data):
        each = {}
        for strength in supervised.tried(data, key):
            one = supervised.gaming(supervised.at(data, {PLAIN: plain, key: strength}), key, HALF)
            if one.trained.networks:
                each[strength] = verdict(one)
        if each:
            found[key] = each
    return found


def strongest(judged: Mapping[str, Mapping[float, str]]) -> dict[str, float]:
    """Return the strongest strength at which each training is gamed; without trainings that are not.

    Parameters
    ----------
    judged : mapping of str to mapping of float to str
        See `verdicts`.
    """
    gamed = {key: [at for at, one in each.items() if one == HOLDS] for key, each in judged.items()}
    return {key: max(strengths) for key, strengths in gamed.items() if strengths}


def seen(data: xr.Dataset) -> xr.Dataset:
    """Return the shares by which a mechanism is seen, of every network.

    Parameters
    ----------
    data : xarray.Dataset
        The trainings, with `slope_inside` and `slope_outside` (amounts of relevance), `cancelling`, `biases`,
        `patch_right`, `patch_others`, `accuracy_alone`, `outside_occlusion_margin`.

    Returns
    -------
    xarray.Dataset
        `amount`, relevance inside in size, in logits, and shares: `cancelling`, of it; `others`, of what the patch adds
        to the margin, that which it takes from the other outputs (NaN where the patch does nothing); `biases`, of all
        relevance; `alone`, accuracy without the digit.
    """
    patch = data["patch_right"] + data["patch_others"]
    return xr.Dataset(
        {
            "amount": data["slope_inside"],
            "cancelling": data["cancelling"],
            "others": (data["patch_others"] / patch).where(patch > NOTHING),
            "biases": data["biases"],
            "alone": data["accuracy_alone"],
        }
    )


def times(numbers: xr.Dataset, training: str, level: float = LEVEL) -> Interval:
    """Return how many times as much relevance there is inside as in plain training, network by network.

    Parameters
    ----------
    numbers : xarray.Dataset
        See `seen`, (training, network), plain training among them.
    training : str
    level : float
    """
    return interval(_of(numbers, "amount", training) / _of(numbers, "amount", PLAIN), level=level)


def level_of(numbers: xr.Dataset, name: str, training: str, level: float = LEVEL) -> Interval:
    """Return the mean of one of the shares; the arguments are those of `times`."""
    return interval(_of(numbers, name, training), level=level)


def rise(numbers: xr.Dataset, name: str, training: str, level: float = LEVEL) -> Interval:
    """Return how much higher a share is than in plain training, network by network; see `times`."""
    return interval(_of(numbers, name, training) - _of(numbers, name, PLAIN), level=level)


def hidden(numbers: xr.Dataset, training: str, level: float = LEVEL) -> Interval:
    """Return how much more is left outside by occlusion of the margin than by the trained measure.

    Parameters
    ----------
    numbers : xarray.Dataset
        See `measures.supervised.at`, with `outside_occlusion_margin`, plain training among them.
    training : str
    level : float

    Returns
    -------
    Interval
        Both over what plain training has outside by the same, network by network.
    """
    trained = (1 - _of(numbers, TRAINED, training)) / supervised.plains(numbers, training)["trained"]
    name = "outside_occlusion_margin"
    return interval(_of(numbers, name, training) / _of(numbers, name, PLAIN) - trained, level=level)


def _of(numbers: xr.Dataset, name: str, training: str) -> np.ndarray:
    return np.asarray(numbers[name].sel(training=training).values, np.float64)
