"""The circle study: the distribution of loss under random node removal, of one network and of many."""

from collections.abc import Callable
from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np
import optax
import xarray as xr

from sweeps._batches import Task
from sweeps._engine.runner import sweep
from sweeps._masks.designs import Bernoulli, FlipPaths, Hypercube, LeaveOneOut
from sweeps._networks import MLP
from sweeps._objective import Objective
from sweeps._progress import Progress
from sweeps._store import datasets
from sweeps._store.folder import Run, check_folder
from sweeps._studies.circle.measures import cubes, gradients
from sweeps._studies.circle.settings import Circle
from sweeps._training import train, train_many
from sweeps.tasks import circle

#: Both circles: that of the published text, and that of the published code.
BOUNDARIES = ("text", "code")


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
    settings : Circle
    folder : str or path
        The run folder.
    command : str
        The command that reproduces the run, for the record.
    overwrite : bool
        Whether an earlier run in the folder is removed.
    progress : bool
        Whether to show progress bars.
    say : callable
        Called with a line at each stage.

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
    design = Bernoulli(probability=settings.probability, draws=settings.draws)
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
    paths = sweep(
        objective, FlipPaths(paths=settings.paths), seed=settings.mask_seed, gradients=False, progress=progress
    )
    whole = None
    if settings.nodes <= settings.cube_nodes:
        say(f"evaluating all {2**settings.nodes:,} masks")
        whole = sweep(objective, Hypercube(), gradients=False, progress=progress)
    say(f"training and sweeping {settings.networks} networks from other seeds")
    many = _many(settings, design, training, progress)

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
    for name, data in many.items():
        store.write(name, data)
    return store


def _many(settings: Circle, design: Bernoulli, training: dict[str, Any], progress: bool) -> dict[str, xr.Dataset]:
    """Measure many networks, each with its own initial network, training set and order, under both circles.

    The groups of the store: losses, weights and gate gradients under both, and what all masks say of the networks that
    learned this run's circle.
    """
    seeds = [settings.seed + index for index in range(settings.networks)]
    found: dict[str, list[xr.Dataset]] = {}
    with Progress(len(BOUNDARIES) * len(seeds), progress, "networks") as count:
        for boundary in BOUNDARIES:
            tasks = [_task(settings, seed, boundary) for seed in seeds]
            networks = [_network(settings, seed) for seed in seeds]
            train_many(networks, tasks, **training, seeds=seeds)
            parameters = datasets.of_parameters(networks).assign_attrs(datasets.structure(networks[0]))
            rows = []
            for index, (network, task) in enumerate(zip(networks, tasks, strict=True)):
                of = parameters.isel(network=index) if boundary == settings.boundary else None
                rows.append(_one_of_many(settings, design, Objective(network, task.test), of, task))
                count.add(1)
            parts = {name: xr.concat([row[name] for row in rows], "network") for name in rows[0]}
            parts["networks/weights"] = parameters.assign(radius=tasks[0].settings["radius"])
            for name, data in parts.items():
                found.setdefault(name, []).append(data.assign_coords(network=seeds))
    rules = dict(boundary=datasets.names(BOUNDARIES))
    groups = {
        name: (xr.concat(parts, "boundary").assign_coords(rules) if len(parts) == len(BOUNDARIES) else parts[0])
        for name, parts in found.items()
    }
    groups["spread"].attrs = dict(seed=settings.mask_seed, unit="nats")
    return {name: _with_names(data) for name, data in groups.items()}


def _one_of_many(
    settings: Circle, design: Bernoulli, objective: Objective, parameters: xr.Dataset | None, task: Task
) -> dict[str, xr.Dataset]:
    """Measure one network; all its masks, too, where its parameters are given and it is not too large."""
    data = sweep(objective, design, seed=settings.mask_seed)
    accuracy = float(objective.accuracy(np.ones(settings.nodes)))
    found = {
        "spread": data[["loss"]].assign(full_loss=data.attrs["full_loss"], full_accuracy=accuracy),
        "networks/gradients": gradients.of_network(data),
    }
    if parameters is not None and settings.nodes <= min(settings.networks_cube_nodes, settings.cube_nodes):
        cube = sweep(objective, Hypercube(), gradients=False)
        inputs = np.asarray(task.test.inputs, np.float64)
        found["networks/cubes"] = cubes.of_network(cube, data, parameters, inputs)
    return found


def _with_names(data: xr.Dataset) -> xr.Dataset:
    """Return the dataset with its names as objects: Zarr has no standard for texts of fixed length."""
    texts = {name: one for name, one in data.coords.items() if one.dtype.kind in "UT"}
    return data.assign_coords({name: (one.dims, datasets.names(map(str, one.values))) for name, one in texts.items()})


def _task(settings: Circle, seed: int, boundary: str) -> Task:
    return circle(
        train_examples=settings.train_examples,
        test_examples=settings.test_examples,
        train_seed=seed,
        test_seed=settings.test_seed,
        boundary=boundary,  # type: ignore[arg-type]
    )


def _network(settings: Circle, seed: int) -> MLP:
    return MLP((2, settings.nodes, 2), activation="relu", seed=seed)


def _training(settings: Circle) -> dict[str, Any]:
    return dict(optimizer=optax.adam(settings.learning_rate), epochs=settings.epochs, batch_size=settings.batch_size)
