"""The sparsity study: weights and nodes pruned to many sparsities, by several heuristics, and trained on."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from os import PathLike
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
import xarray as xr
from flax import nnx

from analysis._errors import InputError
from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._store import datasets
from sweeps._store.folder import Run, check_folder
from sweeps._studies.sparsity.measures.methods import MAIN
from sweeps._studies.sparsity.run import choosing, connections, costs, curves, overfitting, retraining
from sweeps._studies.sparsity.run.choosing import LOSS
from sweeps._studies.sparsity.settings import Sparsity
from sweeps._training import train_many


class Sizes(NamedTuple):
    """Settings whose defaults depend on the task; see ``settings.Sparsity``."""

    hidden: tuple[int, ...]
    networks: int
    step: int
    finetune_epochs: int


DEFAULTS = {"digits": Sizes((200, 200, 100, 40), 8, 1, 2), "mnist": Sizes((1000, 1000, 500, 200), 3, 5, 1)}


def run(
    settings: Sparsity,
    folder: str | PathLike[str],
    *,
    command: str = "sweeps study sparsity",
    overwrite: bool = False,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Run:
    """Train, prune, train on, and write everything measured into a run folder.

    Parameters
    ----------
    settings : Sparsity
    folder : str or path
        The run folder.
    command : str
        The command that reproduces the run, for the record.
    overwrite : bool
        Whether an earlier run in the folder is removed.
    progress : bool
        Whether to show a bar while pruned networks are trained.
    say : callable
        Called with a line at each stage.

    Raises
    ------
    ValueError
        If a setting is out of range.
    OSError
        If MNIST is asked for and is not there and cannot be fetched.
    FloatingPointError
        If a training diverged.
    FileExistsError
        If the folder holds another run and ``overwrite`` is false.
    """
    settings.check()
    check_folder(folder, overwrite)
    task = datasets.images(settings.task, settings.data)
    if settings.small_examples > len(task.train.inputs):
        raise InputError(
            f"small_examples must be at most the {len(task.train.inputs)} training examples, "
            f"got {settings.small_examples}"
        )
    given = {name: getattr(settings, name) for name in Sizes._fields if getattr(settings, name) is not None}
    sizes = DEFAULTS[task.name]._replace(**given)
    config = asdict(settings) | dict(task=task.name) | sizes._asdict()
    store = datasets.open_run("sparsity", folder, config, task, command, overwrite)

    epochs = sorted(settings.epochs)
    nodes = "-".join(map(str, sizes.hidden))
    say(f"training {sizes.networks} networks of {nodes} hidden nodes for {epochs[-1]} epochs")
    networks, training = _trained(sizes, task, epochs, settings)
    store.write("training", training)
    store.write("networks", _weights(networks))
    _write_pruned(store, networks, task, sizes, settings, say)
    _write_trained_on(store, networks[epochs[-1]], task, sizes, settings, progress, say)
    return store


def _write_pruned(
    store: Run,
    networks: dict[int, list[MLP]],
    task: Task,
    sizes: Sizes,
    settings: Sparsity,
    say: Callable[[str], None],
) -> None:
    """Write what is measured of networks that are pruned and not trained any further."""
    methods, last = choosing.methods(sum(sizes.hidden)), networks[max(networks)]
    percents = sorted({*range(0, 100, sizes.step), *settings.sparsity})
    say(f"pruning {sizes.networks} networks by {len(methods)} methods to {len(percents)} sparsities each")
    for name, data in zip(("curves", "layers"), curves.curves(networks, methods, percents, task), strict=True):
        store.write(name, data)
    store.write("outputs", curves.with_outputs(last, percents, task))
    say("predicting what the loss does when a single weight is zeroed, for every weight")
    store.write("connections", connections.changes(last, task))
    say("measuring size and time of networks with nodes zeroed and removed")
    store.write("cost", costs.costs(last[0], sorted(settings.sparsity), task))


def _write_trained_on(
    store: Run,
    networks: Sequence[MLP],
    task: Task,
    sizes: Sizes,
    settings: Sparsity,
    progress: bool,
    say: Callable[[str], None],
) -> None:
    """Write what is measured of networks that are pruned and then trained on, as far as the settings ask for it."""
    percents = sorted(settings.sparsity)
    training = retraining.Training(sizes.finetune_epochs, settings.batch_size, settings.learning_rate)
    if sizes.finetune_epochs:
        tuned = choosing.methods(sum(sizes.hidden)) if task.name == "digits" else list(MAIN)
        number = len(tuned) * len(percents) * sizes.networks
        say(f"fine-tuning {number} pruned networks, {sizes.finetune_epochs} epochs each")
        data = retraining.finetuned(networks, tuned, percents, task, training, settings.seed, progress)
        store.write("finetuned", data)
    if sizes.finetune_epochs and settings.rounds:
        say(f"retraining pruned networks in {settings.rounds} rounds, with what is off free to come back, and not")
        data = retraining.reactivated(networks, percents, task, training, settings.rounds, settings.seed, progress)
        store.write("reactivated", data)
    if settings.small_examples:
        say(f"pruning networks that overfit {settings.small_examples} examples, with right and with flipped labels")
        store.write("overfitting", overfitting.measure(task, sizes, settings, progress))


def _trained(
    sizes: Sizes, task: Task, epochs: Sequence[int], settings: Sparsity
) -> tuple[dict[int, list[MLP]], xr.Dataset]:
    """Return networks after each number of epochs of one training, and how the training went."""
    seeds = [settings.seed + index for index in range(sizes.networks)]
    ends = task.train.inputs.shape[1], task.classes or 1
    networks = [MLP((ends[0], *sizes.hidden, ends[1]), activation="relu", seed=seed, use_bias=False) for seed in seeds]
    optimizer = optax.adam(settings.learning_rate)
    history = train_many(
        networks,
        [task] * len(seeds),
        optimizer=optimizer,
        epochs=epochs[-1],
        batch_size=settings.batch_size,
        seeds=seeds,
        loss=LOSS,
        keep_parameters=True,
    )

    def at(epoch: int, index: int) -> MLP:
        copy = nnx.clone(networks[index])
        nnx.update(copy, jax.tree.map(lambda leaf: jnp.asarray(leaf[index, epoch]), history.parameters))
        return copy

    found = {epoch: [at(epoch, index) for index in range(len(seeds))] for epoch in epochs}
    kernels = [layer.kernel.size for layer in networks[0].layers]
    data = xr.Dataset(
        {name: (("network", "epoch"), getattr(history, name)) for name in ("loss", "accuracy")},
        dict(network=range(len(networks)), epoch=range(1, epochs[-1] + 1)),
        datasets.structure(networks[0])
        | dict(loss=LOSS, unit="nats", parameters=sum(kernels), prunable=sum(kernels[:-1]))
        | dict(batch_size=settings.batch_size, learning_rate=settings.learning_rate),
    )
    return found, data


def _weights(networks: dict[int, list[MLP]]) -> xr.Dataset:
    """Weights of all networks, (epochs, network, ...)."""
    several = [datasets.of_parameters(one) for one in networks.values()]
    first = next(iter(networks.values()))
    data = xr.concat(several, "epochs").assign_coords(epochs=list(networks), network=range(len(first)))
    return data.assign_attrs(datasets.structure(first[0]))
