"""The shrinking study: which node to remove next, by brute force, to first and second order, along whole paths."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import optax
import xarray as xr

from sweeps import ranking, tasks
from sweeps.config import Shrinking
from sweeps.designs import Hypercube
from sweeps.engine import sweep
from sweeps.networks import MLP
from sweeps.objective import Objective
from sweeps.store import Run, check_folder
from sweeps.studies import datasets, retraining
from sweeps.tasks import Task
from sweeps.training import train

METHODS = ("brute_force", "first_order", "second_order")
# Random choices too: whether a ranking is worth anything once the network is trained again.
RETRAINED = (*METHODS, "random")
# By whether nodes are ranked again after each removal.
RANKINGS = {"single_pass": False, "reranked": True}


class Trained(NamedTuple):
    """A trained network and what its nodes are ranked by.

    Attributes
    ----------
    key : its name in the store
    task : what it was trained on
    network : the network
    objective, test : on the training set, by which nodes are ranked, and on the test set
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
    settings : sweeps.config.Shrinking
    folder : the run folder
    command : the command that reproduces the run, for the record
    overwrite : whether an earlier run in the folder is removed
    progress : whether to show progress bars
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
    images = tasks.mnist(settings.data) if settings.data or settings.task == "mnist" else tasks.digits()
    values = None if settings.regression == "none" else getattr(tasks, settings.regression)()
    store = Run(
        folder,
        study="shrinking",
        config=asdict(settings),
        seeds=dict(network=settings.seed),
        command=command,
        device=datasets.device_in_words(),
        overwrite=overwrite,
    )
    store.write("task", datasets.of_task(images))

    def trained(key: str, hidden: list[int], task: Task = images, loss: str = "squared_error") -> Trained:
        say(f"training a network of {'-'.join(map(str, hidden))} hidden nodes on {task.name}, {loss.replace('_', ' ')}")
        made = _trained(settings, key, hidden, task, loss)
        store.write(f"networks/{key}", _described(made, settings.epochs))
        return made

    for layers in sorted(settings.layers):
        sizes = [len(part) for part in np.array_split(np.arange(settings.nodes), layers)]
        one = trained(str(layers), sizes)
        say(f"removing its {settings.nodes} nodes by each criterion")
        methods = tuple(dict.fromkeys((*RETRAINED, *settings.comparison))) if layers == 1 else METHODS
        paths = _paths(one, methods, settings.seed)
        store.write(f"paths/{one.key}", paths)
        if layers <= 2:
            store.write(f"surfaces/{one.key}", _surfaces(one, paths, settings.surface_every))
            store.write(f"pairs/{one.key}", _pairs(one))
        if layers == 1 and settings.retrain_every:
            say(f"removing them with training after every {_in_words(settings.retrain_every)} removals")
            store.write("retraining", retraining.of_network(one.network, images, paths, RETRAINED, settings))
    if settings.cross_entropy:
        _follow(store, trained("cross_entropy", [settings.nodes], loss="cross_entropy"), settings)
    if values is not None:
        _follow(store, trained("regression", [settings.nodes], values), settings)
    if settings.small_nodes:
        small = trained("small", [settings.small_nodes])
        _follow(store, small, settings)
        say(f"evaluating all {2**settings.small_nodes:,} masks of it")
        store.write("sweeps/hypercube", sweep(small.objective, Hypercube(), gradients=False, progress=progress))
    return store


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


def _follow(store: Run, one: Trained, settings: Shrinking) -> None:
    store.write(f"paths/{one.key}", _paths(one, METHODS, settings.seed))


def _paths(one: Trained, methods: tuple[str, ...], seed: int) -> xr.Dataset:
    """All nodes removed by each method, ranked once and again after each removal."""
    by_method = []
    for method in methods:
        by_ranking = []
        for again in RANKINGS.values():
            path = ranking.removal_path(one.objective, method, again, seed=seed)
            accuracy = np.asarray(one.test.accuracy(masks_along(path.order)))
            # Names as variables: they differ from method to method.
            data = path.to_dataset().reset_coords(["name", "layer"]).assign(test_accuracy=("step", accuracy))
            by_ranking.append(data.drop_attrs(deep=False))
        by_method.append(xr.concat(by_ranking, "ranking"))
    data = xr.concat(by_method, "ranked_by")
    data.test_accuracy.attrs.update(long_name="share of right classes on the test set", units="1")
    return data.assign_coords(ranked_by=_names(methods), ranking=_names(RANKINGS)).assign_attrs(seed=seed)


def masks_along(order: np.ndarray) -> np.ndarray:
    """Gates at each step of a path, shape (nodes + 1, nodes): step s has the first s nodes of the order off."""
    return (np.argsort(order)[None] >= np.arange(len(order) + 1)[:, None]).astype(np.float32)


def _surfaces(one: Trained, paths: xr.Dataset, every: int) -> xr.Dataset:
    """Loss against the gain of the chosen node at every tenth or so removal of the re-ranked paths."""
    removed = np.arange(0, len(one.objective.nodes), every)
    by_method = []
    for method in METHODS:
        order = paths.order.sel({"ranked_by": method, "ranking": "reranked"}).values
        masks = masks_along(order)
        curves = [ranking.gain_curve(one.objective, int(order[step]), masks[step]) for step in removed]
        variables = {
            name: (("removed", "gain"), np.stack([getattr(curve, name) for curve in curves]))
            for name in ("loss", "first_order", "second_order")
        }
        names = ("removed", np.asarray([curve.name for curve in curves], object))
        by_method.append(xr.Dataset(variables | {"name": names}, dict(removed=removed, gain=curves[0].gain)))
    data = xr.concat(by_method, "ranked_by").assign_coords(ranked_by=_names(METHODS))
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


def _names(names: Iterable[str]) -> np.ndarray:
    """Names as objects: Zarr has no standard for texts of fixed length."""
    return np.asarray(list(names), object)


def _in_words(numbers: tuple[int, ...]) -> str:
    return " or ".join(map(str, numbers))
