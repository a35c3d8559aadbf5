"""Networks that overfit a small training set, with right and with flipped labels, pruned and fine-tuned."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import optax
import xarray as xr

from sweeps import pruning
from sweeps._batches import Batch, Task
from sweeps._networks import MLP
from sweeps._progress import Progress
from sweeps._store import datasets
from sweeps._studies.sparsity.measures.methods import MAIN
from sweeps._studies.sparsity.run.choosing import LOSS, chosen, of_methods
from sweeps._studies.sparsity.run.retraining import Training, under_masks
from sweeps._studies.sparsity.settings import Sparsity
from sweeps._training import train_many

# Epochs until even the flipped labels are learnt, and of fine-tuning.
EPOCHS, FINETUNE = 100, 10


class Small(NamedTuple):
    """A small training set of a task.

    Attributes
    ----------
    task : Task
        The task, with it for training.
    right, flipped : Batch
        The examples whose labels are right, and the others, with the labels that they were given.
    """

    task: Task
    right: Batch
    flipped: Batch


def small(task: Task, examples: int, flipped: int, seed: int) -> Small:
    """Draw a small training set, in which the first labels are flipped to another class each."""
    random = np.random.default_rng(seed)
    rows = random.choice(len(task.train.inputs), examples, replace=False)
    inputs, targets = np.asarray(task.train.inputs)[rows], np.asarray(task.train.targets)[rows].copy()
    classes = task.classes or 1
    targets[:flipped] = (targets[:flipped] + random.integers(1, classes, flipped)) % classes
    batch, wrong, right = (Batch(inputs[at], targets[at]) for at in (slice(None), slice(flipped), slice(flipped, None)))
    return Small(task._replace(train=batch), right, wrong)


def measure(task: Task, sizes: Any, settings: Sparsity, progress: bool) -> xr.Dataset:
    """Train networks on small training sets, prune them, and fine-tune them; every network draws a set of its own.

    Returns
    -------
    xarray.Dataset
        `test`, `train`, `right` and `flipped` (tuned, pruned_by, labels, network, percent): shares of the test set, of
        the training set, and of its right and its flipped labels that are answered as given; the weights before
        pruning, (labels, network, ...).
    """
    labels = {"right": 0, "noisy": round(settings.flipped * settings.small_examples)}
    percents = sorted(settings.sparsity)
    places = list(np.ndindex(len(labels), sizes.networks))
    seeds = [settings.seed + index for _, index in places]
    flipped = [list(labels.values())[row] for row, _ in places]
    sets = [small(task, settings.small_examples, *one) for one in zip(flipped, seeds, strict=True)]
    ends = task.train.inputs.shape[1], task.classes or 1
    networks = [MLP((ends[0], *sizes.hidden, ends[1]), activation="relu", seed=seed, use_bias=False) for seed in seeds]
    optimizer = optax.adam(settings.learning_rate)
    train_many(
        networks,
        [one.task for one in sets],
        optimizer=optimizer,
        epochs=EPOCHS,
        batch_size=settings.batch_size,
        seeds=seeds,
        loss=LOSS,
    )
    kept = [[chosen(one, way, percents, task, 0).masks for one in networks] for way in MAIN]
    grid = list(np.ndindex(len(MAIN), len(places), len(percents)))
    masks = [{path: one[at] for path, one in kept[way][place].items()} for way, place, at in grid]
    before = [networks[place] for _, place, _ in grid]
    training = Training(FINETUNE, settings.batch_size, settings.learning_rate)
    with Progress(len(grid), progress, "networks") as count:
        tasks, orders = [sets[place].task for _, place, _ in grid], [seeds[place] for _, place, _ in grid]
        after = under_masks(before, masks, tasks, training, orders, count.add)
    found = np.empty((4, 2, len(MAIN), len(places), len(percents)), np.float32)
    for late, made in enumerate((before, after)):
        for place, own in enumerate(sets):
            mine = [at for at, (_, other, _) in enumerate(grid) if other == place]
            values = _answered([made[at] for at in mine], [masks[at] for at in mine], own)
            found[:, late, :, place] = values.reshape(4, len(MAIN), len(percents))
    found = found.reshape(4, 2, len(MAIN), len(labels), sizes.networks, len(percents))
    counts = dict(examples=settings.small_examples, flipped=flipped[-1])
    return _in_dataset(found, networks, list(labels), percents, counts)


def _answered(networks: Sequence[MLP], masks: Sequence[Any], own: Small) -> np.ndarray:
    """Shares answered as given, (4, networks): of the test set, the training set, the right and the flipped labels."""
    right, flipped = len(own.right.targets), len(own.flipped.targets)
    shares = [pruning.evaluate(networks, masks, batch, loss=LOSS).accuracy for batch in (own.task.test, own.right)]
    wrong = (
        pruning.evaluate(networks, masks, own.flipped, loss=LOSS).accuracy
        if flipped
        else np.full(len(networks), np.nan)
    )
    train = (right * shares[1] + flipped * np.nan_to_num(wrong)) / (right + flipped)
    return np.stack([shares[0], train, shares[1], wrong])


def _in_dataset(
    found: np.ndarray, networks: Sequence[MLP], labels: list[str], percents: Sequence[int], attrs: dict[str, Any]
) -> xr.Dataset:
    dims = ("tuned", "pruned_by", "labels", "network", "percent")
    named = zip(("test", "train", "right", "flipped"), found, strict=True)
    data = xr.Dataset({name: (dims, values) for name, values in named}, of_methods(MAIN))
    for name, kernel in datasets.of_parameters(networks).items():
        shape = len(labels), -1, *kernel.shape[1:]
        data[name] = (("labels", *kernel.dims), kernel.values.reshape(shape))
    data = data.assign_coords(
        labels=datasets.names(labels), tuned=[0, 1], network=range(found.shape[4]), percent=list(percents)
    )
    return data.assign_attrs(datasets.structure(networks[0]) | attrs | dict(epochs=EPOCHS, finetune_epochs=FINETUNE))
