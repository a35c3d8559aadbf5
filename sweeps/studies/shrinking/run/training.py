"""Training: all networks of a kind at once, and what the store keeps of them."""

from typing import NamedTuple

import numpy as np
import optax
import xarray as xr

from sweeps.networks import MLP
from sweeps.objective import Objective
from sweeps.store import datasets
from sweeps.studies.shrinking.settings import Shrinking
from sweeps.tasks import Task
from sweeps.training import History, train_many


class Job(NamedTuple):
    """A kind of networks to be trained and taken apart.

    Attributes
    ----------
    key : str
        Its name in the store.
    hidden : tuple of int
        Nodes of each hidden layer.
    task : sweeps.tasks.Task
        What they are trained on.
    loss : str
        By which they are trained, and their nodes are ranked.
    methods, rankings : tuple of str
        By which nodes are removed.
    """

    key: str
    hidden: tuple[int, ...]
    task: Task
    loss: str
    methods: tuple[str, ...]
    rankings: tuple[str, ...]


class Kind(NamedTuple):
    """Trained networks of one kind, which differ in the seed, and what their nodes are ranked by.

    Attributes
    ----------
    job : Job
    networks : list of sweeps.networks.MLP
    objectives, tests : list of sweeps.objective.Objective
        Of each network on the training set, by which nodes are ranked, and on the test set.
    history : sweeps.training.History
    """

    job: Job
    networks: list[MLP]
    objectives: list[Objective]
    tests: list[Objective]
    history: History


def seeds_of(settings: Shrinking) -> list[int]:
    """Return the seed of each network of a kind."""
    return [settings.seed + index for index in range(settings.networks)]


def untrained(settings: Shrinking, hidden: tuple[int, ...], task: Task, loss: str) -> list[MLP]:
    """Return the networks of a kind before training."""
    # As published for classes; cross-entropy adds its softmax, and values have no bounds.
    last = "sigmoid" if task.classes and loss == "squared_error" else "identity"
    sizes = (task.train.inputs.shape[1], *hidden, task.classes or 1)
    return [MLP(sizes, "sigmoid", seed, output_activation=last) for seed in seeds_of(settings)]


def kind_of(job: Job, networks: list[MLP], history: History) -> Kind:
    """Return networks with their objectives."""
    objectives, tests = (
        [Objective(network, batch, loss=job.loss) for network in networks] for batch in (job.task.train, job.task.test)
    )
    return Kind(job, networks, objectives, tests, history)


def trained(settings: Shrinking, job: Job) -> Kind:
    """Train the networks of a kind together."""
    networks = untrained(settings, job.hidden, job.task, job.loss)
    tasks, seeds = [job.task] * len(networks), seeds_of(settings)
    optimizer = optax.adam(settings.learning_rate)
    history = train_many(networks, tasks, optimizer, settings.epochs, settings.batch_size, seeds, job.loss)
    return kind_of(job, networks, history)


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
