"""The sparsity study: weights and nodes pruned to many sparsities, by several heuristics, and fine-tuned."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from os import PathLike
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from flax import nnx
from jaxtyping import Bool

from sweeps import pruning
from sweeps.networks import MLP
from sweeps.progress import Progress
from sweeps.store import datasets
from sweeps.store.folder import Run, check_folder
from sweeps.studies.sparsity.measures.methods import MAIN, Method
from sweeps.studies.sparsity.settings import Sparsity
from sweeps.tasks import Task
from sweeps.training import train_many

LOSS = "cross_entropy"


class Sizes(NamedTuple):
    """Settings whose defaults depend on the task; see ``settings.Sparsity``."""

    hidden: tuple[int, ...]
    networks: int
    step: int
    finetune_epochs: int


DEFAULTS = {"digits": Sizes((200, 200, 100, 40), 8, 1, 2), "mnist": Sizes((1000, 1000, 500, 200), 3, 5, 1)}
# Parameters of the networks that are fine-tuned together: Adam holds three more of each.
FLOATS = 2**23
# Rounds of timing, apart from each other, and images that a forward pass goes over at most.
ROUNDS = 3
TIMED = 1000


# The published heuristics, ranked over all layers.
SCOPED = tuple(main._replace(scope=scope) for main in MAIN for scope in pruning.SCOPES[1:])
OTHERS = {
    "weights": ("gradient", "random"),
    "units": ("activation", "gradient", "first_order", "second_order", "brute_force", "random"),
}
# Left out of networks of thousands of nodes, because the removal of each node takes a pass over all examples.
SLOW = ("second_order", "brute_force")
MOST_NODES = 1000


def run(
    settings: Sparsity,
    folder: str | PathLike[str],
    *,
    command: str = "sweeps study sparsity",
    overwrite: bool = False,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Run:
    """Train, prune, fine-tune, and write everything measured into a run folder.

    Parameters
    ----------
    settings : sweeps.studies.sparsity.settings.Sparsity
    folder : the run folder
    command : the command that reproduces the run, for the record
    overwrite : whether an earlier run in the folder is removed
    progress : whether to show a bar while networks are fine-tuned
    say : called with a line at each stage

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
    given = {name: getattr(settings, name) for name in Sizes._fields if getattr(settings, name) is not None}
    sizes = DEFAULTS[task.name]._replace(**given)
    config = asdict(settings) | dict(task=task.name) | sizes._asdict()
    store = datasets.open_run("sparsity", folder, config, task, command, overwrite)

    epochs = sorted(settings.epochs)
    nodes = "-".join(map(str, sizes.hidden))
    say(f"training {sizes.networks} networks of {nodes} hidden nodes for {epochs[-1]} epochs")
    networks, training = _trained(sizes, task, epochs, settings)
    store.write("training", training)

    methods = _methods(sum(sizes.hidden))
    percents = sorted({*range(0, 100, sizes.step), *settings.sparsity})
    say(f"pruning {sizes.networks} networks by {len(methods)} methods to {len(percents)} sparsities each")
    curves, layers = _curves(networks, methods, percents, task)
    store.write("curves", curves)
    store.write("layers", layers)

    percents = sorted(settings.sparsity)
    say("measuring size and time of networks with nodes zeroed and removed")
    store.write("cost", _costs(networks[epochs[-1]][0], percents, task))
    if sizes.finetune_epochs:
        tuned = methods if task.name == "digits" else list(MAIN)
        number = len(tuned) * len(percents) * sizes.networks
        say(f"fine-tuning {number} pruned networks, {sizes.finetune_epochs} epochs each")
        data = _finetuned(networks[epochs[-1]], tuned, percents, task, sizes.finetune_epochs, settings, progress)
        store.write("finetuned", data)
    return store


def _methods(nodes: int) -> list[Method]:
    others = [Method(kind, by, "layer") for kind, names in OTHERS.items() for by in names]
    return [*MAIN, *SCOPED, *(one for one in others if nodes <= MOST_NODES or one.by not in SLOW)]


def _trained(
    sizes: Sizes, task: Task, epochs: Sequence[int], settings: Sparsity
) -> tuple[dict[int, list[MLP]], xr.Dataset]:
    """Return networks after each number of epochs of one training, and how the training went."""
    seeds = [settings.seed + index for index in range(sizes.networks)]
    ends = task.train.inputs.shape[1], task.classes or 1
    networks = [MLP((ends[0], *sizes.hidden, ends[1]), "relu", seed, use_bias=False) for seed in seeds]
    optimizer = optax.adam(settings.learning_rate)
    history = train_many(
        networks, [task] * len(seeds), optimizer, epochs[-1], settings.batch_size, seeds, LOSS, keep_parameters=True
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


class Chosen(NamedTuple):
    """What a method keeps of a network, at each of some sparsities.

    Attributes
    ----------
    masks : of its parameters, with leading axis (percents,)
    layers : share of each layer's weights, or nodes, that stay, shape (percents, layers)
    left : share of all prunable weights that stay, shape (percents,); where nodes go, weights both of whose ends stay
    """

    masks: dict[str, Bool[np.ndarray, "..."]]
    layers: np.ndarray
    left: np.ndarray


def _chosen(network: MLP, method: Method, percents: Sequence[int], task: Task, seed: int) -> Chosen:
    sparsity = [percent / 100 for percent in percents]
    options: dict[str, Any] = dict(batch=task.train, loss=LOSS, seed=seed)
    if method.kind == "weights":
        masks = pruning.weight_masks(network, sparsity, method.by, method.scope, **options)
        kept = list(masks.values())
        layers = [mask.mean((1, 2)) for mask in kept]
    else:
        keep = pruning.unit_masks(network, sparsity, method.by, method.scope, **options)
        masks = pruning.masks_of_nodes(network, keep)
        by_layer = np.split(keep, np.cumsum(network.sizes[1:-1])[:-1], axis=1)
        inputs = np.ones((len(percents), network.sizes[0]), bool)
        ends = zip([inputs, *by_layer[:-1]], by_layer, strict=True)
        kept = [start[:, :, None] & end[:, None, :] for start, end in ends]
        layers = [nodes.mean(1) for nodes in by_layer]
    left = sum(mask.sum((1, 2)) for mask in kept) / sum(mask[0].size for mask in kept)
    return Chosen(masks, np.stack(layers, axis=1), left)


def _curves(
    networks: dict[int, list[MLP]], methods: Sequence[Method], percents: Sequence[int], task: Task
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return loss and accuracy on the test set at every sparsity, and what is left of each layer."""
    last = max(networks)
    shape = (len(methods), len(networks), len(networks[last]), len(percents))
    found = np.full((3, *shape), np.nan, np.float32)
    layers = np.zeros((len(methods), *shape[2:], len(networks[last][0].layers) - 1), np.float32)
    for row, method in enumerate(methods):
        for column, (epoch, several) in enumerate(networks.items()):
            if epoch == last or method in MAIN:
                chosen = [_chosen(one, method, percents, task, index) for index, one in enumerate(several)]
                measured = pruning.evaluate(several, [one.masks for one in chosen], task.test, LOSS)
                found[:, row, column] = *measured, np.stack([one.left for one in chosen])
                if epoch == last:
                    layers[row] = np.stack([one.layers for one in chosen])
    coordinates = _of_methods(methods) | dict(percent=list(percents), network=range(shape[2]))
    return _in_datasets(found, layers, list(networks), coordinates)


def _in_datasets(
    found: np.ndarray, layers: np.ndarray, epochs: list[int], coordinates: dict[str, Any]
) -> tuple[xr.Dataset, xr.Dataset]:
    dims = ("pruned_by", "epochs", "network", "percent")
    named = zip(("loss", "accuracy", "left"), found, strict=True)
    curves = xr.Dataset({name: (dims, values) for name, values in named}, coordinates | dict(epochs=epochs))
    names = datasets.names(f"layers/{index}" for index in range(layers.shape[-1]))
    dims = ("pruned_by", "network", "percent", "layer")
    left = xr.Dataset({"left": (dims, layers)}, coordinates | dict(layer=names))
    left.left.attrs.update(long_name="share of the layer that stays", units="1")
    curves.left.attrs.update(long_name="share of the prunable weights that stay", units="1")
    return _with_words(curves), left


def _costs(network: MLP, percents: Sequence[int], task: Task) -> xr.Dataset:
    """Size and time of one network with nodes zeroed, and removed, on some images."""
    inputs = task.train.inputs[:TIMED]
    keep = pruning.unit_masks(network, [percent / 100 for percent in percents], MAIN[1].by)
    makers = {"zeroed": pruning.zero_nodes, "removed": pruning.remove_nodes}
    made = [[make(network, one) for one in keep] for make in makers.values()]
    # Each round times all networks, so that a machine that is busy for a while slows all alike.
    rounds = [[[pruning.cost(one, inputs) for one in row] for row in made] for _ in range(ROUNDS)]
    costs = [[list(several) for several in zip(*rows, strict=True)] for rows in zip(*rounds, strict=True)]
    sizes = {
        name: (("how", "percent"), [[getattr(several[0], name) for several in row] for row in costs])
        for name in ("parameters", "nonzero", "bytes")
    }
    seconds = [[[one.seconds for one in several] for several in row] for row in costs]
    data = xr.Dataset(
        sizes | {"seconds": (("how", "percent", "repeat"), seconds)},
        dict(how=datasets.names(makers), percent=list(percents)),
        dict(examples=len(inputs), device=datasets.device_in_words()),
    )
    data.seconds.attrs.update(long_name="time of a forward pass", units="s")
    return data


def _finetuned(
    networks: Sequence[MLP],
    methods: Sequence[Method],
    percents: Sequence[int],
    task: Task,
    epochs: int,
    settings: Sparsity,
    progress: bool,
) -> xr.Dataset:
    """Return loss and accuracy on the test set after some more epochs under the masks of each method and network."""
    dims = ("pruned_by", "network", "percent")
    chosen = [
        [_chosen(one, method, percents, task, index).masks for index, one in enumerate(networks)] for method in methods
    ]
    found = np.zeros((2, len(methods), len(networks), len(percents)), np.float32)
    places = list(np.ndindex(found.shape[1:]))
    together = max(1, FLOATS // sum(layer.kernel.size for layer in networks[0].layers))
    # The learning rate falls to zero: at a constant one, a network that was not pruned gets worse.
    steps = epochs * -(-len(task.train.inputs) // settings.batch_size)
    optimizer = optax.adam(optax.cosine_decay_schedule(settings.learning_rate, steps))
    with Progress(len(places), progress, "networks") as count:
        for start in range(0, len(places), together):
            some = places[start : start + together]
            masks = [{path: one[at] for path, one in chosen[row][index].items()} for row, index, at in some]
            copies = [nnx.clone(networks[index]) for _, index, _ in some]
            masked = [pruning.Masked(one, mask) for one, mask in zip(copies, masks, strict=True)]
            seeds = [settings.seed + index for _, index, _ in some]
            train_many(masked, [task] * len(some), optimizer, epochs, settings.batch_size, seeds, LOSS)
            measured = pruning.evaluate([one.network for one in masked], masks, task.test, LOSS)
            for place, *values in zip(some, *measured, strict=True):
                found[(slice(None), *place)] = values
            count.add(len(some))
    coordinates = _of_methods(methods) | dict(percent=list(percents), network=range(len(networks)))
    data = xr.Dataset(dict(loss=(dims, found[0]), accuracy=(dims, found[1])), coordinates)
    return _with_words(data).assign_attrs(epochs=epochs, learning_rate=settings.learning_rate)


def _of_methods(methods: Sequence[Method]) -> dict[str, Any]:
    parts = {
        name: ("pruned_by", datasets.names(getattr(method, name) for method in methods)) for name in Method._fields
    }
    return {"pruned_by": datasets.names(method.key for method in methods)} | parts


def _with_words(data: xr.Dataset) -> xr.Dataset:
    data.loss.attrs.update(long_name="mean loss on the test set", units="nats")
    data.accuracy.attrs.update(long_name="share of right classes on the test set", units="1")
    return data
