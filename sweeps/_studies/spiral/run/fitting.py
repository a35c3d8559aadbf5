"""Trainings of the spiral study: many networks at once, with or without some of their nodes."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import jax
import numpy as np
import optax
import xarray as xr
from flax import nnx
from jaxtyping import Bool, Float

from sweeps import pruning
from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._progress import Progress
from sweeps._store import datasets
from sweeps._studies.spiral.settings import Spiral
from sweeps._training import History, train_many

# Networks that are trained together: both cores are busy, and the parameters by epoch fit in memory.
TOGETHER = 64


class Fit(NamedTuple):
    """Trained networks.

    Attributes
    ----------
    networks : list of MLP
        New ones.
    loss : numpy.ndarray, (networks, epochs)
        By network and epoch.
    films : list of xarray.Dataset
        Parameters after each epoch of those that are to be shown.
    """

    networks: list[MLP]
    loss: Float[np.ndarray, "networks epochs"]
    films: list[xr.Dataset]


def fitted(
    networks: Sequence[MLP],
    seeds: Sequence[int],
    task: Task,
    settings: Spiral,
    epochs: int,
    count: Progress,
    keep: Sequence[Bool[np.ndarray, " nodes"]] | None = None,
    shown: Sequence[int] = (),
) -> Fit:
    """Train copies of networks, some of whose nodes may be gone for good."""
    everything = np.ones(sum(settings.hidden), bool)
    # They depend on what stays alone.
    whole = pruning.masks_of_nodes(networks[0], [everything] * len(networks) if keep is None else keep)
    masks = [{path: mask[index] for path, mask in whole.items()} for index in range(len(networks))]
    fit, by_epoch, films = [], [], {}
    for start in range(0, len(networks), TOGETHER):
        some = slice(start, start + TOGETHER)
        masked = [pruning.Masked(nnx.clone(one), mask) for one, mask in zip(networks[some], masks[some], strict=True)]
        history = train_many(
            masked,
            [task] * len(masked),
            optimizer=_adam(settings.learning_rate),
            epochs=epochs,
            batch_size=settings.batch_size,
            seeds=seeds[some],
            keep_parameters=True,
        )
        fit += [one.zeroed() for one in masked]
        by_epoch.append(history.loss)
        count.add(len(masked))
        for index in set(shown) & set(range(len(networks))[some]):
            films[index] = _film(history, index - start, masks[index])
    return Fit(fit, np.concatenate(by_epoch), [films[index] for index in shown])


@cache
def _adam(learning_rate: float) -> optax.GradientTransformation:
    """Return the same object at each call with one learning rate: training compiles anew for another object."""
    return optax.adam(learning_rate)


def _film(history: History, index: int, masks: dict[str, Bool[np.ndarray, "..."]]) -> xr.Dataset:
    """Parameters of one network after each epoch, those of removed nodes zero."""
    one = jax.tree.map(lambda leaf: leaf[index], history)
    film = datasets.of_history(one._replace(parameters=one.parameters["network"]))
    for path, mask in masks.items():
        film[path.replace("/", ".")] = film[path.replace("/", ".")] * mask
    return film
