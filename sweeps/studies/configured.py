"""A sweep from a configuration file: train one network, sweep it, resume what was killed."""

from collections.abc import Callable
from dataclasses import asdict
from os import PathLike

import jax
import optax
from jax.experimental import multihost_utils

from sweeps import config, tasks
from sweeps.designs import Bernoulli, Design, FixedSize, Hypercube, LeaveOneOut
from sweeps.engine import sweep
from sweeps.networks import MLP
from sweeps.objective import Objective, check_precision
from sweeps.store import Run
from sweeps.studies import datasets
from sweeps.tasks import Task
from sweeps.training import train


def run(
    settings: config.Sweep,
    folder: str | PathLike[str],
    *,
    command: str = "sweeps run",
    overwrite: bool = False,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Do what a configuration says; the same call goes on with a run that was killed.

    With ``jax.distributed`` initialised every process calls this, with one folder that all of them reach.

    Parameters
    ----------
    settings : sweeps.config.Sweep
    folder : the run folder
    command : the command that reproduces the run, for the record
    overwrite : whether an earlier run in the folder is removed
    progress : whether to show progress
    say : called with a line at each stage

    Raises
    ------
    ValueError
        If a setting is out of range or does not fit another, or the folder holds a run with other settings.
    FloatingPointError
        If the training diverged.
    FileExistsError
        If the folder holds something else.
    """
    task = _task(settings.task)
    design = _design(settings.sweep)
    network = MLP(
        settings.network.sizes,
        settings.network.activation,
        settings.network.seed,
        use_bias=settings.network.use_bias,
        output_activation=settings.network.output_activation,
    )
    # Before any work: nothing is worse than a refusal after the training.
    batch_size = settings.sweep.batch_size
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    design.sampler(sum(network.sizes[1:-1]))
    check_precision(settings.sweep.precision)
    first = jax.process_index() == 0
    if first:
        store = _store(settings, folder, command, overwrite)
        if not store.has("network"):
            say(f"training a {'-'.join(map(str, network.sizes))} network on {task.name}")
            _train(settings.training, network, task, store)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("trained")
    if not first:
        store = _store(settings, folder, command, False)
    network = datasets.network_from(store.read("network"))
    objective = Objective(
        network,
        task.test,
        loss=settings.training.loss,
        plan=settings.sweep.plan,
        precision=settings.sweep.precision,
    )
    say(f"sweeping {design}; plan {objective.plan}")
    data = sweep(
        objective,
        design,
        seed=settings.sweep.seed,
        gradients=settings.sweep.gradients,
        batch_size=settings.sweep.batch_size,
        keep=settings.sweep.keep,
        store=store.place_for("sweeps/main"),
        progress=progress,
    )
    say(f"{data.attrs['nonpositive_losses']} losses are zero or less, {data.attrs['nonfinite_losses']} not finite")


def _task(data: config.Data) -> Task:
    try:
        return getattr(tasks, data.name)(**data.options())
    except TypeError as error:
        raise ValueError(f"task {data.name} does not take these options: {', '.join(data.options())}") from error


def _design(masks: config.Masks) -> Design:
    if masks.design == "bernoulli":
        return Bernoulli(masks.probability, masks.draws, masks.chains)
    if masks.design == "fixed_size":
        return FixedSize(masks.on, masks.draws, masks.chains)
    return LeaveOneOut() if masks.design == "leave_one_out" else Hypercube()


def _store(settings: config.Sweep, folder: str | PathLike[str], command: str, overwrite: bool) -> Run:
    return Run(
        folder,
        study="sweep",
        config=asdict(settings),
        seeds=dict(network=settings.network.seed, training=settings.training.seed, masks=settings.sweep.seed),
        command=command,
        device=datasets.device_in_words(),
        overwrite=overwrite,
        resume=True,
    )


def _train(training: config.Training, network: MLP, task: Task, store: Run) -> None:
    history = train(
        network,
        task,
        optax.adam(training.learning_rate),
        training.epochs,
        training.batch_size,
        training.seed,
        training.loss,
        keep_parameters=network.sizes[0] == 2,  # for a film over the input plane
    )
    store.write("task", datasets.of_task(task))
    store.write("training", datasets.of_history(history))
    # Last: a run with a network has been trained.
    store.write("network", datasets.of_network(network, task, training.loss))
