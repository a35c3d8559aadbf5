"""Training pruned networks on: under masks that stay, and under masks that let weights and nodes come back."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import optax
import xarray as xr
from flax import nnx

from sweeps import pruning
from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._progress import Progress
from sweeps._store import datasets
from sweeps._studies.sparsity.measures.methods import MAIN, Method
from sweeps._studies.sparsity.measures.ways import WAYS
from sweeps._studies.sparsity.run.choosing import LOSS, chosen, of_methods, with_words
from sweeps._training import train_many

# Parameters of the networks that are trained together, so few that all which Adam holds of them stays in a cache.
FLOATS = 2**20
# Sparsities, in per cent, at which what was pruned may come back, where the settings have them.
AT = (80, 90)

Masks = Mapping[str, Any]


class Training(NamedTuple):
    """How pruned networks are trained on.

    Attributes
    ----------
    epochs, batch_size, learning_rate : int or float
        Of one training; the rate falls to zero, because networks that were not pruned get worse at a constant one.
    """

    epochs: int
    batch_size: int
    learning_rate: float

    def optimizer(self, examples: int) -> optax.GradientTransformation:
        """Return one and the same object for equal numbers: training compiles anew for another."""
        return _falling(self.learning_rate, self.epochs * ceil(examples / self.batch_size))


@cache
def _falling(rate: float, steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(rate, steps))


def under_masks(
    networks: Sequence[MLP],
    masks: Sequence[Masks],
    tasks: Sequence[Task],
    training: Training,
    seeds: Sequence[int],
    count: Callable[[int], None] = lambda number: None,
) -> list[MLP]:
    """Return copies of networks, trained on under a mask each; masked weights keep their values."""
    size = min(len(networks), max(1, FLOATS // sum(layer.kernel.size for layer in networks[0].layers)))
    optimizer = training.optimizer(len(tasks[0].train.inputs))
    found: list[MLP] = []
    for start in range(0, len(networks), size):
        # The last piece is filled up, so that all have one size and training compiles once.
        some = [at % len(networks) for at in range(start, start + size)]
        copies = [nnx.clone(networks[at]) for at in some]
        masked = [pruning.Masked(copy, masks[at]) for copy, at in zip(copies, some, strict=True)]
        train_many(
            masked,
            [tasks[at] for at in some],
            optimizer=optimizer,
            epochs=training.epochs,
            batch_size=training.batch_size,
            seeds=[seeds[at] for at in some],
            loss=LOSS,
        )
        found += copies
        count(min(size, len(networks) - start))
    return found[: len(networks)]


def finetuned(
    networks: Sequence[MLP],
    methods: Sequence[Method],
    percents: Sequence[int],
    task: Task,
    training: Training,
    seed: int,
    progress: bool,
) -> xr.Dataset:
    """Return loss and accuracy on the test set after some more epochs under the masks of each method and network."""
    dims = ("pruned_by", "network", "percent")
    kept = [[chosen(one, method, percents, task, at).masks for at, one in enumerate(networks)] for method in methods]
    shape = len(methods), len(networks), len(percents)
    # Where nothing is pruned, all methods are one.
    places = [place for place in np.ndindex(shape) if percents[place[2]] or not place[0]]
    masks = [{path: one[at] for path, one in kept[row][index].items()} for row, index, at in places]
    with Progress(len(places), progress, "networks") as count:
        several = [networks[index] for _, index, _ in places]
        seeds = [seed + index for _, index, _ in places]
        made = under_masks(several, masks, [task] * len(places), training, seeds, count.add)
    found = np.empty((2, *shape), np.float32)
    measured = pruning.evaluate(made, masks, task.test, loss=LOSS)
    for place, *values in zip(places, *measured, strict=True):
        found[(slice(None), *place)] = values
    whole = [at for at, percent in enumerate(percents) if not percent]
    found[..., whole] = found[:, :1][..., whole]
    coordinates = of_methods(methods) | dict(percent=list(percents), network=range(len(networks)))
    data = xr.Dataset(dict(loss=(dims, found[0]), accuracy=(dims, found[1])), coordinates)
    return with_words(data).assign_attrs(epochs=training.epochs, learning_rate=training.learning_rate)


class Place(NamedTuple):
    """One network that is retrained: the way, its number, and the sparsity in per cent."""

    way: str
    network: int
    percent: int

    @property
    def method(self) -> Method:
        """The published heuristic of what is pruned."""
        return MAIN[0] if self.way.startswith("weights") else MAIN[1]


def reactivated(
    networks: Sequence[MLP],
    percents: Sequence[int],
    task: Task,
    training: Training,
    rounds: int,
    seed: int,
    progress: bool,
) -> xr.Dataset:
    """Retrain pruned networks in rounds, in every way of `WAYS`; all have the same sparsity in the last round.

    Returns
    -------
    xarray.Dataset
        `loss`, `accuracy` on the test set and `back`, the share of what was off at the start that is on at the end,
        each (way, network, percent); and the weights at the end, those that are off at zero.
    """
    percents = [percent for percent in AT if percent in percents] or [max(percents)]
    places = [Place(way, index, percent) for way in WAYS for index in range(len(networks)) for percent in percents]
    first = [_masks(networks[one.network], one, task) for one in places]
    made = [_begun(networks[one.network], one, masks) for one, masks in zip(places, first, strict=True)]
    masks = first
    with Progress(rounds * len(places), progress, "networks") as count:
        for place in range(rounds):
            several = zip(places, made, masks, strict=True)
            masks = [_of_round(one, network, old, task, rounds - 1 - place) for one, network, old in several]
            seeds = [seed + one.network + place * len(networks) for one in places]
            made = under_masks(made, masks, [task] * len(places), training, seeds, count.add)
    measured = pruning.evaluate(made, masks, task.test, loss=LOSS)
    back = list(map(_back, places, first, masks))
    data = _of_ways(measured, back, list(map(pruning.zeroed, made, masks)), percents)
    return data.assign_attrs(datasets.structure(networks[0]) | dict(rounds=rounds, epochs=rounds * training.epochs))


def _masks(network: MLP, place: Place, task: Task) -> Masks:
    kept = chosen(network, place.method, [place.percent], task, 0).masks
    return {path: mask[0] for path, mask in kept.items()}


def _begun(network: MLP, place: Place, masks: Masks) -> MLP:
    """Zero what goes, where the way says so: the incoming weights, or a node's outgoing ones."""
    if place.way.endswith("freed"):
        return pruning.zeroed(network, masks)
    if not place.way.endswith("outgoing"):
        return network
    on = [mask.any(axis=0) for mask in masks.values()]
    after = {f"layers/{index + 1}/kernel": stays[:, None] for index, stays in enumerate(on)}
    shapes = {path: network.layers[index + 1].kernel.shape for index, path in enumerate(after)}
    return pruning.zeroed(network, {path: np.broadcast_to(mask, shapes[path]) for path, mask in after.items()})


def _of_round(place: Place, network: MLP, old: Masks, task: Task, left: int) -> Masks:
    """Return the masks of a round, with so many rounds to come."""
    way = place.way.partition("_")[2]
    if way == "for_good":
        return old
    if way == "anew" or not left:
        return _masks(network, place, task)
    return {path: np.ones_like(mask) for path, mask in old.items()}


def _back(place: Place, first: Masks, last: Masks) -> float:
    """Share of what was off at first that is on at last."""
    # All the weights into a node go with it: the first stands for the node.
    rows = slice(None) if place.method.kind == "weights" else slice(1)
    off = [(~mask[rows], last[path][rows]) for path, mask in first.items()]
    number = sum(int(one.sum()) for one, _ in off)
    return sum(int((one & now).sum()) for one, now in off) / number if number else 0.0


def _of_ways(measured: Any, back: list[float], made: Sequence[MLP], percents: Sequence[int]) -> xr.Dataset:
    shape = len(WAYS), -1, len(percents)
    dims = ("way", "network", "percent")
    named = dict(loss=measured.loss, accuracy=measured.accuracy, back=np.asarray(back))
    data = xr.Dataset({name: (dims, np.reshape(values, shape)) for name, values in named.items()})
    weights = datasets.of_parameters(made)
    for name, kernel in weights.items():
        data[name] = ((*dims, *kernel.dims[1:]), kernel.values.reshape(*data.loss.shape, *kernel.shape[1:]))
    data = data.assign_coords(way=datasets.names(WAYS), percent=list(percents), network=range(data.sizes["network"]))
    data.back.attrs.update(long_name="share of what was off that is on at the end", units="1")
    return with_words(data)
