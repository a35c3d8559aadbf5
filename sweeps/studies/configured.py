"""A sweep from a configuration file: train one network, sweep it, resume what was killed."""

import inspect
from collections.abc import Callable
from dataclasses import asdict
from os import PathLike
from typing import Any, NamedTuple

import jax
import optax
from flax import nnx
from jax.experimental import multihost_utils

from analysis.errors import InputError
from sweeps import checkpoints, config, importing, tasks
from sweeps.designs import Bernoulli, Design, FixedSize, Hypercube, LeaveOneOut
from sweeps.engine import sweep
from sweeps.networks import MLP
from sweeps.objective import Objective, check_precision
from sweeps.store import Run
from sweeps.studies import datasets
from sweeps.tasks import Task
from sweeps.training import train

# Where a network that is no MLP keeps its arrays, in the run folder.
CHECKPOINT = "checkpoint"


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
    settings.task.check()
    settings.network.check()
    check_precision(settings.sweep.precision)
    task, design = _task(settings.task), _design(settings.sweep)
    model = _model(settings.network, settings.training)
    options = _options(settings, model)
    # Before any work: nothing is worse than a refusal after the training.
    batch_size = settings.sweep.batch_size
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
    design.sampler(len(_objective(model, task, options, plan="vmapped").nodes))
    first = jax.process_index() == 0
    if first:
        store = _store(settings, folder, command, overwrite)
        if not store.has("network"):
            _make(settings, model, task, store, options, say)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("trained")
    if not first:
        store = _store(settings, folder, command, False)
    _put_back(model, store)
    objective = _objective(model, task, options, plan=settings.sweep.plan)
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


class Model(NamedTuple):
    """The network of a configuration.

    Attributes
    ----------
    name : in words, for the record
    network : the module
    variables : of a linen module, or None
    is_mlp : whether it is ours
    is_trained : whether it comes trained
    """

    name: str
    network: Any
    variables: Any
    is_mlp: bool
    is_trained: bool


def _task(data: config.Data) -> Task:
    if data.load is not None:
        task = importing.called(data.load, "task", data.arguments)
        if not isinstance(task, Task):
            raise InputError(f"task: {data.load} must return a sweeps.Task, got {type(task).__name__}")
        return task
    try:
        return getattr(tasks, data.name)(**data.options())
    except TypeError as error:
        raise InputError(f"task {data.name} does not take these options: {', '.join(data.options())}") from error


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


def _model(settings: config.Network, training: config.Training) -> Model:
    if settings.build is None:
        network = MLP(
            settings.sizes,
            settings.activation,
            settings.seed,
            use_bias=settings.use_bias,
            output_activation=settings.output_activation,
        )
        return Model(f"{'-'.join(map(str, network.sizes))} network", network, None, True, training.epochs == 0)
    function = importing.load(settings.build, "network")
    arguments = dict(settings.arguments)
    if "seed" in inspect.signature(function).parameters:
        arguments.setdefault("seed", settings.seed)
    built = importing.called(settings.build, "network", arguments)
    network, variables = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
    if settings.checkpoint is not None:
        _check_trainable(network, settings.build, "network.checkpoint is for flax.nnx modules")
        checkpoints.restore(network, settings.checkpoint)
    is_trained = training.epochs == 0 or settings.checkpoint is not None
    if not is_trained:
        _check_trainable(network, settings.build, "only flax.nnx modules are trained here, give training.epochs = 0")
    return Model(settings.build, network, variables, False, is_trained)


def _check_trainable(network: Any, build: str, reason: str) -> None:
    if not isinstance(network, nnx.Module):
        raise InputError(f"network: {reason}; {build} returned {type(network).__name__}")


def _options(settings: config.Sweep, model: Model) -> dict[str, Any]:
    """Options of every objective of this run."""
    loss = settings.training.loss
    return dict(
        loss=importing.load(loss, "training.loss") if loss is not None and ":" in loss else loss,
        sites=settings.sweep.sites or None,
        variables=model.variables,
        precision=settings.sweep.precision,
    )


def _objective(model: Model, task: Task, options: dict[str, Any], plan: str) -> Objective:
    return Objective(model.network, task.test, plan=plan, **options)


def _make(
    settings: config.Sweep,
    model: Model,
    task: Task,
    store: Run,
    options: dict[str, Any],
    say: Callable[[str], None],
) -> None:
    """Train the network, and write it and its task down."""
    store.write("task", datasets.of_task(task))
    if not model.is_trained:
        say(f"training {'a ' if model.is_mlp else ''}{model.name} on {task.name}")
        training = settings.training
        history = train(
            model.network,
            task,
            optax.adam(training.learning_rate),
            training.epochs,
            training.batch_size,
            training.seed,
            options["loss"],
            keep_parameters=model.is_mlp and model.network.sizes[0] == 2,  # for a film over the input plane
        )
        store.write("training", datasets.of_history(history))
    if model.is_mlp:
        written = datasets.of_network(model.network, task, options["loss"])
    else:
        if isinstance(model.network, nnx.Module):
            checkpoints.save(model.network, store.folder / CHECKPOINT)
        objective = _objective(model, task, options, plan="vmapped")
        written = datasets.of_model(model.name, model.network, task, objective, **options)
    # Last: a run with a network has been trained.
    store.write("network", written)


def _put_back(model: Model, store: Run) -> None:
    """Put the numbers that were trained, by this process or another, into the network."""
    if model.is_mlp:
        trained = datasets.network_from(store.read("network"))
        nnx.update(model.network, nnx.state(trained))
    elif isinstance(model.network, nnx.Module):
        checkpoints.restore(model.network, store.folder / CHECKPOINT)
