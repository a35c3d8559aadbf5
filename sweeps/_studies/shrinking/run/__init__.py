"""The shrinking study: which node to remove next, by brute force, to first and second order, along whole paths."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from os import PathLike

import numpy as np
import xarray as xr

from sweeps import tasks
from sweeps._batches import Task
from sweeps._engine.runner import sweep
from sweeps._masks.designs import Hypercube
from sweeps._progress import Progress
from sweeps._store import datasets
from sweeps._store.folder import Run, check_folder
from sweeps._studies.shrinking.names import EARLY, METHODS, PAPER, RANKINGS
from sweeps._studies.shrinking.run.budgets import in_budgets, sizes_of, wide_of
from sweeps._studies.shrinking.run.cascade import Growth, cascades
from sweeps._studies.shrinking.run.paths import pairs, removal_paths, surfaces
from sweeps._studies.shrinking.run.replacing import WAYS, replaced
from sweeps._studies.shrinking.run.retraining import retrained
from sweeps._studies.shrinking.run.training import Job, Kind, after, described, trained
from sweeps._studies.shrinking.settings import Shrinking

# Random choices too: they show whether a ranking is worth anything once the network is trained again.
RETRAINED = (*METHODS, "random")
# Kinds of networks that are worked on at a time.
AT_ONCE = 2
# On the tasks of these Cascade Correlation grows networks.
GROWN = ("1", "regression")
ERROR = "squared_error"
# Epochs after which networks of digits have accuracies of about 75 and 90 %.
EARLY_EPOCHS = (2, 3)
# Of networks deeper than the paper's there are so many times fewer: their paths take the longest.
DEEPER = 2


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
    settings : Shrinking
    folder : str or path
        The run folder.
    command : str
        The command that reproduces the run, for the record.
    overwrite : bool
        Whether an earlier run in the folder is removed.
    progress : bool
        Whether to show a bar while nodes are removed.
    say : callable
        Called with a line at each stage.

    Returns
    -------
    Run

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
    budgets = sizes_of(settings, images)  # refuses budgets that cannot be met
    store = datasets.open_run("shrinking", folder, asdict(settings), images, command, overwrite)

    jobs = _jobs(settings, images, values)
    say(f"training {settings.networks} networks of each of {len(jobs)} kinds, removing their nodes by each criterion")
    total = sum(len(job.seeds) * len(job.methods) * len(job.rankings) for job in jobs)
    further = len(METHODS) * len(_early(settings)) + bool(budgets and wide_of(settings)) + WAYS * settings.correlations
    total += settings.networks * further
    # Compiling takes most of the time, and one core.
    with ThreadPoolExecutor(AT_ONCE) as pool, Progress(total, progress, "removal paths") as count:
        for job, found in pool.map(lambda job: (job, _measured(settings, job, count.add)), jobs):
            for group, data in found.items():
                store.write(group, data)
            words = job.loss.replace("_", " ")
            say(f"{'-'.join(map(str, job.hidden))} hidden nodes, {job.task.name}, {words}: trained, all nodes removed")
    return store


def _jobs(settings: Shrinking, images: Task, values: Task | None) -> list[Job]:
    whole, seeds = (settings.nodes,), [settings.seed + index for index in range(settings.networks)]
    jobs = []
    for layers in sorted(settings.layers):
        hidden = tuple(len(part) for part in np.array_split(np.arange(settings.nodes), layers))
        methods = (*METHODS, "random", *settings.comparison) if layers == 1 else METHODS
        # Of what the paper has no network for, the better of the two rankings is enough.
        rankings = RANKINGS if str(layers) in PAPER else RANKINGS[1:]
        own = seeds if str(layers) in PAPER else seeds[: -(-len(seeds) // DEEPER)]
        jobs.append(Job(str(layers), hidden, images, ERROR, methods, rankings, own))
    if settings.cross_entropy:
        jobs.append(Job("cross_entropy", whole, images, "cross_entropy", METHODS, RANKINGS, seeds))
    if values is not None:
        jobs.append(Job("regression", whole, values, ERROR, METHODS, RANKINGS, seeds))
    if settings.small_nodes:
        jobs.append(Job("small", (settings.small_nodes,), images, ERROR, (*METHODS, "shapley"), RANKINGS[1:], seeds))
    return jobs


def _measured(settings: Shrinking, job: Job, count: Callable[[int], None]) -> dict[str, xr.Dataset]:
    """Train the networks of a kind, remove their nodes, and return what the store keeps of them, by group."""
    kind = trained(settings, job, keep_parameters=job.key == "1" and bool(_early(settings)))
    paths = removal_paths(kind, settings.seed, count)
    found = {f"networks/{job.key}": described(kind, settings.epochs), f"paths/{job.key}": paths}
    if job.key == "1":
        for epochs in _early(settings):
            early = after(kind, epochs, job._replace(key=f"{EARLY}{epochs}", methods=METHODS, rankings=RANKINGS[1:]))
            found[f"networks/{early.job.key}"] = described(early, epochs)
            found[f"paths/{early.job.key}"] = removal_paths(early, settings.seed, count)
        found |= in_budgets(kind, paths, settings, count)
    if job.key in PAPER:
        found[f"surfaces/{job.key}"] = surfaces(kind, paths, settings.surface_every)
        found[f"pairs/{job.key}"] = pairs(kind)
    if job.key == "1" and settings.retrain_every:
        found["retraining"] = retrained(kind, paths, RETRAINED, settings)
    if job.key == "1" and settings.correlations:
        found["replacing"] = replaced(kind.networks, job.task, job.loss, settings.seed, count)
    if job.key in GROWN and settings.cascade_nodes:
        found[f"cascade/{job.key}"] = cascades(job.task, job.seeds, Growth(settings.cascade_nodes))
    if job.key == "small":
        found["sweeps/hypercube"] = _hypercubes(kind)
    return found


def _early(settings: Shrinking) -> list[int]:
    """Return after how many epochs networks are pruned before the end of their training."""
    return sorted([one for one in EARLY_EPOCHS if one < settings.epochs] if settings.early is None else settings.early)


def _hypercubes(kind: Kind) -> xr.Dataset:
    """Loss of every mask of each network."""
    cubes: Iterable[xr.Dataset] = (sweep(one, Hypercube(), gradients=False) for one in kind.objectives)
    return xr.concat(list(cubes), "network", combine_attrs="drop_conflicts")
