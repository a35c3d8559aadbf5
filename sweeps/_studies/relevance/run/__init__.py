"""The relevance study: which inputs a decision comes from, by many rules, and rules trained to lie in a region."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from os import PathLike
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from flax import nnx
from jaxtyping import Array, Float

from sweeps import _losses, _seeds
from sweeps._batches import Batch, Task
from sweeps._store import datasets
from sweeps._store.folder import Run, check_folder
from sweeps._studies.relevance.run import attributions, deletion, node_relevance, supervised
from sweeps._studies.relevance.settings import Relevance
from sweeps._training import train

# By task: training epochs, and pixels along a side of a region.
DEFAULTS = {"digits": (12, 1), "mnist": (2, 2)}
# Images that are put through the network at a time.
PIECE = 2000
# One and the same object for each learning rate: training compiles anew for another.
_adam = cache(optax.adam)


class Images(nnx.Module):
    """Two convolutions with a maximum between them, and two dense layers, on flat images of one channel.

    Parameters
    ----------
    side : int
        Pixels along a side of the images.
    channels : tuple
        Of the two convolutions.
    hidden, classes : int
        Nodes of the two dense layers.
    seed : int
        Seed of the initial kernels.
    """

    def __init__(self, side: int, channels: tuple[int, int], hidden: int, classes: int, seed: int):
        rngs = nnx.Rngs(_seeds.key(seed))
        first, second = channels
        self.side = side
        self.conv_1 = nnx.Conv(1, first, (3, 3), rngs=rngs)
        self.conv_2 = nnx.Conv(first, second, (3, 3), rngs=rngs)
        self.dense_1 = nnx.Linear((side // 2) ** 2 * second, hidden, rngs=rngs)
        self.dense_2 = nnx.Linear(hidden, classes, rngs=rngs)

    def __call__(self, inputs: Float[Array, "*examples pixels"]) -> Float[Array, "*examples classes"]:
        """Return the logits."""
        images = inputs.reshape(*inputs.shape[:-1], self.side, self.side, 1)
        pooled = nnx.max_pool(nnx.relu(self.conv_1(images)), (2, 2), strides=(2, 2))
        last = nnx.relu(self.conv_2(pooled))
        flat = last.reshape(*inputs.shape[:-1], -1)
        return self.dense_2(nnx.relu(self.dense_1(flat)))


def run(
    settings: Relevance,
    folder: str | PathLike[str],
    *,
    command: str = "sweeps study relevance",
    overwrite: bool = False,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Run:
    """Train, attribute, delete, compare nodes, train under supervision, and write everything into a run folder.

    Parameters
    ----------
    settings : Relevance
    folder : str or path
        The run folder.
    command : str
        The command that reproduces the run, for the record.
    overwrite : bool
        Whether an earlier run in the folder is removed.
    progress : bool
        Whether bars show how far the longest work is.
    say : callable
        Called with a line at each stage.

    Raises
    ------
    ValueError
        If a setting is out of range.
    OSError
        If MNIST is asked for and is not there and cannot be fetched.
    FloatingPointError
        If a training of the image or circle networks diverged.
    FileExistsError
        If the folder holds another run and ``overwrite`` is false.
    """
    settings.check()
    check_folder(folder, overwrite)
    task = datasets.images(settings.task, settings.data)
    store = datasets.open_run("relevance", folder, asdict(settings), task, command, overwrite)
    say("training a network of two convolutions")
    network = trained(task, settings)
    outputs = {part: outputs_of(network, getattr(task, part).inputs) for part in ("train", "test")}
    store.write("network", _described(network, task, outputs, settings))

    batch = Batch(*(part[: settings.examples] for part in task.test))
    mean = np.asarray(task.train.inputs).mean(axis=0)
    say(f"attributing {len(batch.targets)} outputs by {len(attributions.ALL)} methods")
    found = attributions.all_of(network, batch.inputs, mean)
    targets = np.asarray(batch.targets)
    heat = attributions.heat(found, batch.inputs, targets, outputs["test"][: len(targets)], settings.images)
    store.write("heat", heat)
    store.write("ledger", attributions.ledger(found, int(heat.index[heat.attrs["shown"]])))
    store.write("conservation", attributions.conservation(found))
    store.write("instability", attributions.instability(network, batch.inputs))
    store.write("instability_toy", attributions.instability_toy())
    for group, data in attributions.rules().items():
        store.write(group, data)

    if settings.deletion_examples:
        say("removing regions of images, by each method")
        some = slice(settings.deletion_examples)
        relevance = {name: np.asarray(one.inputs)[some] for name, one in found.items()}
        region = settings.region or DEFAULTS[task.name][1]
        store.write(
            "deletion",
            deletion.curves(network, batch.inputs[some], relevance, mean, region, settings.orders, settings.seed),
        )
    if settings.networks:
        say(f"comparing the nodes of {settings.networks} networks on the circle")
        store.write("nodes", node_relevance.of_circle(settings))
    if settings.networks and settings.supervised:
        for group, data in supervised.measured(task, settings, progress, say).items():
            store.write(group, data)
    return store


def trained(task: Task, settings: Relevance) -> Images:
    """Return a network of two convolutions, trained on the images."""
    side = round(task.train.inputs.shape[1] ** 0.5)
    network = Images(side, settings.channels, settings.hidden, task.classes or 1, settings.seed)
    epochs = settings.epochs or DEFAULTS[task.name][0]
    train(
        network,
        task,
        optimizer=_adam(settings.learning_rate),
        epochs=epochs,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )
    return network


def _described(network: Images, task: Task, outputs: dict[str, np.ndarray], settings: Relevance) -> xr.Dataset:
    """Layers, size, loss and accuracy on both sets, as attributes."""
    first, second = settings.channels
    layers = [
        f"conv 3x3, {first} channels",
        "relu",
        "max-pool 2x2",
        f"conv 3x3, {second} channels",
        "relu",
        f"dense {settings.hidden}",
        "relu",
        f"dense {task.classes}",
    ]
    attributes: dict[str, Any] = dict(
        layers=json.dumps(layers),
        image_shape=[network.side, network.side],
        parameters=sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network, nnx.Param))),
        epochs=settings.epochs or DEFAULTS[task.name][0],
    )
    for prefix, part in {"": "train", "test_": "test"}.items():
        said, targets = jnp.asarray(outputs[part]), jnp.asarray(getattr(task, part).targets)
        attributes[f"{prefix}loss"], attributes[f"{prefix}accuracy"] = map(float, _quality(said, targets))
    return datasets.of_parameters([network]).squeeze("network").assign_attrs(attributes)


@jax.jit
def _quality(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Mean cross-entropy, and share of right classes."""
    return _losses.cross_entropy(outputs, targets).mean(), _losses.rightly_answered(outputs, targets).mean()


def outputs_of(
    network: nnx.Module, inputs: Float[np.ndarray, "examples pixels"]
) -> Float[np.ndarray, "examples classes"]:
    """Return a network's outputs, piece by piece: the activations of all of MNIST would need gigabytes."""
    graph, state = nnx.split(network)
    pieces = [inputs[start : start + PIECE] for start in range(0, len(inputs), PIECE)]
    return np.concatenate([np.asarray(_outputs(graph, state, jnp.asarray(piece))) for piece in pieces])


@partial(jax.jit, static_argnums=0)
def _outputs(graph: Any, state: Any, inputs: Array) -> Array:
    return nnx.merge(graph, state, copy=True)(inputs)
