"""The circle study: the distribution of loss under random node removal, of one network and of many."""

from collections.abc import Callable
from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np
import optax
import xarray as xr

from sweeps.engine.runner import sweep
from sweeps.masks.designs import Bernoulli, FlipPaths, Hypercube, LeaveOneOut
from sweeps.networks import MLP
from sweeps.objective import Objective
from sweeps.store import datasets
from sweeps.store.folder import Run, check_folder
from sweeps.studies.circle.settings import Circle
from sweeps.tasks import Task, circle
from sweeps.training import train, train_many


def run(
    settings: Circle,
    folder: str | PathLike[str],
    *,
    command: str = "sweeps study circle",
    overwrite: bool = False,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Run:
    """Train, sweep, and write everything measured into a run folder.

    Parameters
    ----------
    settings : sweeps.studies.circle.settings.Circle
    folder : the run folder
    command : the command that reproduces the run, for the record
    overwrite : whether an earlier run in the folder is removed
    progress : whether to show progress bars
    say : called with a line at each stage

    Raises
    ------
    ValueError
        If a setting is out of range.
    FloatingPointError
        If the training diverged; nothing is written.
    FileExistsError
        If the folder holds another run and ``overwrite`` is false.
    """
    settings.check()
    check_folder(folder, overwrite)
    design = Bernoulli(settings.probability, settings.draws)
    # One optimizer for all trainings: it is part of what is compiled.
    training = _training(settings)
    say(f"training a 2-{settings.nodes}-2 network on {settings.train_examples} points")
    task = _task(settings, settings.seed, settings.boundary)
    network = _network(settings, settings.seed)
    history = train(network, task, **training, seed=settings.seed, keep_parameters=True)
    objective = Objective(network, task.test)
    say(f"sweeping {len(settings.probability)} x {settings.draws} masks")
    removal = sweep(objective, design, seed=settings.mask_seed, progress=progress)
    one_out = sweep(objective, LeaveOneOut(), seed=settings.mask_seed)
    say(f"walking {settings.paths} flip paths")
    paths = sweep(objective, FlipPaths(settings.paths), settings.mask_seed, gradients=False, progress=progress)
    whole = None
    if settings.nodes <= settings.cube_nodes:
        say(f"evaluating all {2**settings.nodes:,} masks")
        whole = sweep(objective, Hypercube(), gradients=False, progress=progress)
    say(f"training and sweeping {settings.networks} networks from other seeds")
    spread = _spread(settings, design, training)

    store = Run(
        folder,
        study="circle",
        config=asdict(settings),
        seeds=dict(network=settings.seed, test_set=settings.test_seed, masks=settings.mask_seed),
        command=command,
        device=datasets.device_in_words(),
        overwrite=overwrite,
    )
    store.write("task", datasets.of_task(task))
    store.write("network", datasets.of_network(network, task))
    store.write("training", datasets.of_history(history))
    store.write("sweeps/bernoulli", removal)
    store.write("sweeps/leave_one_out", one_out)
    store.write("sweeps/flip_paths", paths)
    if whole is not None:
        store.write("sweeps/hypercube", whole)
    store.write("spread", spread)
    return store


def _spread(settings: Circle, design: Bernoulli, training: dict[str, Any]) -> xr.Dataset:
    """Losses of many networks, each with its own initial network, training set and order, under both circles."""
    seeds = [settings.seed + index for index in range(settings.networks)]
    variants = []
    for boundary in ("text", "code"):
        tasks = [_task(settings, seed, boundary) for seed in seeds]
        networks = [_network(settings, seed) for seed in seeds]
        train_many(networks, tasks, **training, seeds=seeds)
        objectives = [Objective(network, task.test) for network, task in zip(networks, tasks, strict=True)]
        losses = [sweep(one, design, seed=settings.mask_seed, gradients=False) for one in objectives]
        accuracies = [float(one.accuracy(np.ones(settings.nodes))) for one in objectives]
        variants.append(
            xr.concat([data[["loss"]] for data in losses], "network").assign(
                full_loss=("network", [data.attrs["full_loss"] for data in losses]),
                full_accuracy=("network", accuracies),
            )
        )
    spread = xr.concat(variants, "boundary")
    spread.attrs = dict(seed=settings.mask_seed, unit="nats")
    return spread.assign_coords(network=seeds, boundary=np.asarray(["text", "code"], object))


def _task(settings: Circle, seed: int, boundary: str) -> Task:
    return circle(settings.train_examples, settings.test_examples, seed, settings.test_seed, boundary)  # type: ignore[arg-type]


def _network(settings: Circle, seed: int) -> MLP:
    return MLP((2, settings.nodes, 2), activation="relu", seed=seed)


def _training(settings: Circle) -> dict[str, Any]:
    return dict(optimizer=optax.adam(settings.learning_rate), epochs=settings.epochs, batch_size=settings.batch_size)
