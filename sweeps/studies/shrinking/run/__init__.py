"""The shrinking study: which node to remove next, by brute force, to first and second order, along whole paths."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import optax
import xarray as xr

from sweeps import ranking, tasks
from sweeps.engine.runner import sweep
from sweeps.masks.designs import Hypercube
from sweeps.networks import MLP
from sweeps.objective import Objective
from sweeps.store import datasets
from sweeps.store.folder import Run, check_folder
from sweeps.studies.shrinking.names import METHODS, RANKINGS
from sweeps.studies.shrinking.run.retraining import retrained
from sweeps.studies.shrinking.settings import Shrinking
from sweeps.tasks import Task
from sweeps.training import train

# Random choices too: they show whether a ranking is worth anything once the network is trained again.
RETRAINED = (*METHODS, "random")
# Networks that are worked on at a time.
AT_ONCE = 2


class Trained(NamedTuple):
    """A trained network and what its nodes are ranked by.

    Attributes
    ----------
    key : str
        Its name in the store.
    task : sweeps.tasks.Task
        What it was trained on.
    network : sweeps.networks.MLP
    objective, test : sweeps.objective.Objective
        On the training set, by which nodes are ranked, and on the test set.
    """

    key: str
    task: Task
    network: MLP
    objective: Objective
    test: Objective


def run(
    settings: Shrinking,
    folder: str | PathLike[str],
    *,
    command: str = "sweeps study shrinking",
    overwrite: bool = False,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Run:
    """Train, rank, remove, and write everything measured into a run folder.

    Parameters
    ----------
    settings : sweeps.studies.shrinking.settings.Shrinking
    folder : str or path
        The run folder.
    command : str
        The command that reproduces the run, for the record.
    overwrite : bool
        Whether an earlier run in the folder is removed.
    progress : bool
        Every study takes it; this one has no progress bars.
    say : callable
        Called with a line at each stage.

    Returns
    -------
    sweeps.store.folder.Run

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
    images = datasets.images(settings.task, settings.data)
    values = None if settings.regression == "none" else getattr(tasks, settings.regression)()
    store = datasets.open_run("shrinking", folder, asdict(settings), images, command, overwrite)

    jobs = _jobs(settings, images, values)
    say(f"training {len(jobs)} networks and removing their nodes by each criterion, {AT_ONCE} networks at a time")
    # Compiling takes most of the time, and one core.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for job, found in pool.map(lambda job: (job, _measured(settings, job)), jobs):
            for group, data in found.items():
                store.write(group, data)
            words = job.loss.replace("_", " ")
            say(f"{'-'.join(map(str, job.hidden))} hidden nodes, {job.task.name}, {words}: trained, all nodes removed")
    return store


class Job(NamedTuple):
    """A network to be trained and taken apart.

    Attributes
    ----------
    key : str
        Its name in the store.
    hidden : list of int
        Nodes of each hidden layer.
    task : sweeps.tasks.Task
        What it is trained on.
    loss : str
        By which it is trained, and its nodes are ranked.
    """

    key: str
    hidden: list[int]
    task: Task
    loss: str


def _jobs(settings: Shrinking, images: Task, values: Task | None) -> list[Job]:
    whole, error = [settings.nodes], "squared_error"
    jobs = []
    for layers in sorted(settings.layers):
        hidden = [len(part) for part in np.array_split(np.arange(settings.nodes), layers)]
        jobs.append(Job(str(layers), hidden, images, error))
    if settings.cross_entropy:
        jobs.append(Job("cross_entropy", whole, images, "cross_entropy"))
    if values is not None:
        jobs.append(Job("regression", whole, values, error))
    if settings.small_nodes:
        jobs.append(Job("small", [settings.small_nodes], images, error))
    return jobs


def _measured(settings: Shrinking, job: Job) -> dict[str, xr.Dataset]:
    """Train a network, remove its nodes, and return what the store keeps of it, by group."""
    one = _trained(settings, *job)
    more = {"1": ("random", *settings.comparison), "small": ("shapley",)}
    paths = _paths(one, (*METHODS, *more.get(job.key, ())), settings.seed)
    found = {f"networks/{job.key}": _described(one, settings.epochs), f"paths/{job.key}": paths}
    if job.key in ("1", "2"):
        found[f"surfaces/{job.key}"] = _surfaces(one, paths, settings.surface_every)
        found[f"pairs/{job.key}"] = _pairs(one)
    if job.key == "1" and settings.retrain_every:
        found["retraining"] = retrained(one.network, job.task, paths, RETRAINED, settings)
    if job.key == "small":
        found["sweeps/hypercube"] = sweep(one.objective, Hypercube(), gradients=False)
    return found


def _trained(settings: Shrinking, key: str, hidden: list[int], task: Task, loss: str) -> Trained:
    outputs = task.classes or 1
    network = MLP(
        (task.train.inputs.shape[1], *hidden, outputs),
        "sigmoid",
        settings.seed,
        # As published for classes; cross-entropy adds its softmax, and values have no bounds.
        output_activation="sigmoid" if task.classes and loss == "squared_error" else "identity",
    )
    optimizer = optax.adam(settings.learning_rate)
    train(network, task, optimizer, settings.epochs, settings.batch_size, settings.seed, loss)
    return Trained(key, task, network, *(Objective(network, one, loss=loss) for one in (task.train, task.test)))


def _described(one: Trained, epochs: int) -> xr.Dataset:
    on = np.ones(len(one.objective.nodes))
    attributes: dict[str, Any] = dict(
        sizes=list(one.network.sizes),
        activation=one.network.activation,
        output_activation=one.network.output_activation,
        criterion=one.objective.loss_name,
        unit=one.objective.unit,
        task=one.task.name,
        epochs=epochs,
    )
    for prefix, objective in {"": one.objective, "test_": one.test}.items():
        attributes[f"{prefix}loss"] = float(objective.evaluate(on, gradients=False).loss)
        attributes[f"{prefix}accuracy"] = float(objective.accuracy(on))
    return xr.Dataset(attrs=attributes)


def _paths(one: Trained, methods: tuple[str, ...], seed: int) -> xr.Dataset:
    """All nodes removed by each method, ranked once and again after each removal."""
    by_method = []
    for method in methods:
        by_ranking = []
        for name in RANKINGS:
            path = ranking.removal_path(one.objective, method, name == "reranked", seed=seed)
            accuracy = np.asarray(one.test.accuracy(ranking.masks_along(path.order)))
            # Names as variables: they differ from method to method.
            data = path.to_dataset().reset_coords(["name", "layer"]).assign(test_accuracy=("step", accuracy))
            by_ranking.append(data.drop_attrs(deep=False))
        by_method.append(xr.concat(by_ranking, "ranking"))
    data = xr.concat(by_method, "ranked_by")
    data.test_accuracy.attrs.update(long_name="share of right classes on the test set", units="1")
    return data.assign_coords(ranked_by=datasets.names(methods), ranking=datasets.names(RANKINGS)).assign_attrs(
        seed=seed
    )


def _surfaces(one: Trained, paths: xr.Dataset, every: int) -> xr.Dataset:
    """Loss against the gain of the chosen node at every tenth or so removal of the re-ranked paths."""
    removed = np.arange(0, len(one.objective.nodes), every)
    by_method = []
    for method in METHODS:
        order = paths.order.sel({"ranked_by": method, "ranking": "reranked"}).values
        masks = ranking.masks_along(order)
        curves = [ranking.gain_curve(one.objective, int(order[step]), masks[step]) for step in removed]
        variables = {
            name: (("removed", "gain"), np.stack([getattr(curve, name) for curve in curves]))
            for name in ("loss", "first_order", "second_order")
        }
        names = ("removed", np.asarray([curve.name for curve in curves], object))
        by_method.append(xr.Dataset(variables | {"name": names}, dict(removed=removed, gain=curves[0].gain)))
    data = xr.concat(by_method, "ranked_by").assign_coords(ranked_by=datasets.names(METHODS))
    for name, words in dict(loss="mean loss", first_order="tangent", second_order="parabola").items():
        data[name].attrs.update(long_name=words, units=one.objective.unit)
    return data


def _pairs(one: Trained) -> xr.Dataset:
    """Correlation of activations and interaction of removals, for each two nodes."""
    nodes = np.asarray(one.objective.nodes, object)
    data = xr.Dataset(
        {
            "correlation": (("node", "other"), ranking.activation_correlation(one.objective)),
            "interaction": (("node", "other"), ranking.pair_interaction(one.objective)),
            "change": ("node", ranking.scores(one.objective)),
        },
        dict(node=nodes, other=nodes, layer=("node", np.asarray(one.objective.layers, object))),
    )
    data.correlation.attrs.update(long_name="correlation of activations", units="1")
    for name, words in dict(interaction="change beyond the sum", change="change of the loss").items():
        data[name].attrs.update(long_name=words, units=one.objective.unit)
    return data
