"""Training: all networks of a kind at once, and what the store keeps of them."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from flax import nnx

from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._objective import Objective
from sweeps._store import datasets
from sweeps._studies.shrinking.settings import Shrinking
from sweeps._training import History, train_many


class Job(NamedTuple):
    """A kind of networks to be trained and taken apart.

    Attributes
    ----------
    key : str
        Its name in the store.
    hidden : tuple of int
        Nodes of each hidden layer.
    task : sweeps.Task
        What they are trained on.
    loss : str
        By which they are trained, and their nodes are ranked.
    methods, rankings : tuple of str
        By which nodes are removed.
    seeds : list of int
        One a network.
    """

    key: str
    hidden: tuple[int, ...]
    task: Task
    loss: str
    methods: tuple[str, ...]
    rankings: tuple[str, ...]
    seeds: list[int]


class Kind(NamedTuple):
    """Trained networks of one kind, which differ in the seed, and what their nodes are ranked by.

    Attributes
    ----------
    job : Job
    networks : list of MLP
    objectives, tests : list of Objective
        Of each network on the training set, by which nodes are ranked, and on the test set.
    history : History
    """

    job: Job
    networks: list[MLP]
    objectives: list[Objective]
    tests: list[Objective]
    history: History


def untrained(job: Job, hidden: tuple[int, ...]) -> list[MLP]:
    """Return networks of one layer or more for the task of a kind, before training."""
    # As published for classes; cross-entropy adds its softmax, and values have no bounds.
    last = "sigmoid" if job.task.classes and job.loss == "squared_error" else "identity"
    sizes = (job.task.train.inputs.shape[1], *hidden, job.task.classes or 1)
    return [MLP(sizes, activation="sigmoid", seed=seed, output_activation=last) for seed in job.seeds]


def kind_of(job: Job, networks: list[MLP], history: History) -> Kind:
    """Return networks with their objectives."""
    objectives, tests = (
        [Objective(network, batch, loss=job.loss) for network in networks] for batch in (job.task.train, job.task.test)
    )
    return Kind(job, networks, objectives, tests, history)


def trained(settings: Shrinking, job: Job, keep_parameters: bool = False) -> Kind:
    """Train the networks of a kind together; the history keeps the parameters of each epoch if asked."""
    networks = untrained(job, job.hidden)
    tasks = [job.task] * len(networks)
    optimizer = optax.adam(settings.learning_rate)
    history = train_many(
        networks,
        tasks,
        optimizer=optimizer,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        seeds=job.seeds,
        loss=job.loss,
        keep_parameters=keep_parameters,
    )
    return kind_of(job, networks, history)


def after(kind: Kind, epochs: int, job: Job) -> Kind:
    """Return the networks of a kind as they were after some epochs of their training."""
    networks = [nnx.clone(network) for network in kind.networks]
    for index, network in enumerate(networks):
        at = partial(jax.tree.map, lambda leaf, index=index: jnp.asarray(leaf[index, epochs]))
        nnx.update(network, at(kind.history.parameters))
    return kind_of(job, networks, kind.history)


def described(kind: Kind, epochs: int) -> xr.Dataset:
    """Return parameters, loss and accuracy of the networks of a kind with all nodes on, and their structure."""
    on = np.ones(len(kind.objectives[0].nodes))
    data = datasets.of_parameters(kind.networks).assign_coords(network=range(len(kind.networks)))
    for prefix, objectives in {"": kind.objectives, "test_": kind.tests}.items():
        data[f"{prefix}loss"] = "network", [float(one.evaluate(on, gradients=False).loss) for one in objectives]
        data[f"{prefix}accuracy"] = "network", [float(one.accuracy(on)) for one in objectives]
    first = kind.objectives[0]
    return data.assign_attrs(
        datasets.structure(kind.networks[0])
        | dict(criterion=first.loss_name, unit=first.unit, task=kind.job.task.name, epochs=epochs)
    )
