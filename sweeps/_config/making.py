"""Making: what a configuration describes, as the objects of this library: task, network, optimizer, design, sites."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from flax import linen, nnx

from analysis import _seals
from analysis._errors import InputError, InputTypeError
from sweeps import _checks, _importing, tasks
from sweeps._batches import Task
from sweeps._config import files
from sweeps._config import settings as config
from sweeps._examples import checked
from sweeps._masks.designs import Bernoulli, Design, FixedSize, FlipPaths, Hypercube, LeaveOneOut, Masks
from sweeps._networks import MLP
from sweeps._store import checkpoints
from sweeps.gating._choosing import PLACES
from sweeps.gating._tying import Tied
from sweeps.off import Mean, Resample


class Model(NamedTuple):
    """The network of a configuration.

    Attributes
    ----------
    name : str
        In words, for the record.
    network : object
        The module, or the function.
    options : dict of str to object
        Of ``Objective``, how the network is called and with what.
    is_mlp : bool
        Whether it is ours.
    is_trained : bool
        Whether it comes trained.
    """

    name: str
    network: Any
    options: dict[str, Any]
    is_mlp: bool
    is_trained: bool

    @property
    def has_checkpoint(self) -> bool:
        """Whether the run folder keeps its arrays in a checkpoint."""
        return not self.is_mlp and isinstance(self.network, nnx.Module)


def task(data: config.TaskSettings) -> Task:
    """Return the task of a configuration."""
    if data.load is not None:
        found = _importing.called(data.load, "task.load", data.arguments)
        if not isinstance(found, Task):
            raise InputError(f"task: {data.load} must return a sweeps.Task, got {type(found).__name__}")
        _checks.text(f"task: the name that {data.load} returns", found.name)
        try:
            json.dumps(_seals.in_json(dict(found.settings)))
        except (TypeError, ValueError) as error:
            raise InputTypeError(f"task: settings that {data.load} returns must be plain values: {error}") from error
        return found
    return getattr(tasks, str(data.name))(**data.options())


def design(masks: config.SweepSettings) -> Design:
    """Return the design of a configuration."""
    kinds: dict[str, Callable[..., Design]] = dict(
        bernoulli=Bernoulli,
        fixed_size=FixedSize,
        flip_paths=FlipPaths,
        leave_one_out=LeaveOneOut,
        hypercube=Hypercube,
        masks=_masks,
    )
    return kinds[masks.design](**masks.of_design())


def _masks(masks: str) -> Masks:
    array = files.numbers(masks, "sweep.masks", 2)
    with files.within(f"sweep.masks: {masks}"):
        return Masks(array)


def sites(masks: config.SweepSettings) -> Any:
    """Return sites and ties as ``Objective`` takes them."""
    if isinstance(masks.sites, Mapping) and masks.sites:
        if masks.tied:
            raise InputError("sweep.sites must be a list of patterns beside sweep.tied, got a table")
        return dict(masks.sites)
    return [*map(_site, masks.sites), *map(_tie, masks.tied)] or None


def _tie(table: Mapping[str, Any]) -> Tied:
    paths = table.get("paths", [])
    options = {key: value for key, value in table.items() if key != "paths"}
    with files.within("sweep.tied"):
        return Tied(*map(_site, [paths] if isinstance(paths, str) else paths), **options)


def off(masks: config.SweepSettings, data: Task) -> Any:
    """Return off values as ``Objective`` takes them."""
    chosen = masks.off
    if isinstance(chosen, str):
        return _importing.called(chosen, "sweep.off", {}) if ":" in chosen else chosen
    if not isinstance(chosen, Mapping):
        return np.asarray(chosen)
    if "file" in chosen:
        return files.numbers(chosen["file"], "sweep.off", 1)
    options = {key: value for key, value in chosen.items() if key not in ("kind", "data")}
    if "data" in chosen:
        options |= _off_data(chosen["kind"], chosen["data"], data)
    return {"mean": Mean, "resample": Resample}[chosen["kind"]](**options)


def _off_data(kind: str, named: str, data: Task) -> dict[str, Any]:
    """Return inputs for off values: of the task's training set, or what a function returns."""
    if named != "train":
        return dict(data=_importing.called(named, "sweep.off", {}))
    train = checked(data.train)
    return dict(data=train.inputs) | (dict(mask=train.mask) if kind == "mean" else {})


def metrics(chosen: Any) -> Any:
    """Return metrics as ``Objective`` takes them."""

    def one(named: str) -> Any:
        return _importing.load(named, "sweep.metrics") if ":" in named else named

    if isinstance(chosen, Mapping):
        return {name: one(named) for name, named in chosen.items()} or None
    return [one(named) for named in chosen] or None


def _site(text: Any) -> Any:
    """Return a pattern as it is, or the type of layer that is named as package.module:type."""
    if not isinstance(text, str):
        return text
    place, colon, _ = text.partition(":")
    return _importing.load(text, "sweep.sites") if colon and place not in PLACES else text


def model(settings: config.NetworkSettings, training: config.TrainingSettings) -> Model:
    """Return the network of a configuration, not trained yet."""
    if settings.build is None:
        network = MLP(**settings.of_mlp())
        return Model(f"{'-'.join(map(str, network.sizes))} network", network, {}, True, training.epochs == 0)
    network, options = _built(settings)
    if settings.checkpoint is not None:
        _check_trainable(network, settings.build, "network.checkpoint is for flax.nnx modules")
        checkpoints.restore(network, settings.checkpoint)
    is_trained = training.epochs == 0 or settings.checkpoint is not None
    if not is_trained:
        _check_trainable(network, settings.build, "only flax.nnx modules are trained here, give training.epochs = 0")
    if not is_trained and settings.call is not None:
        raise InputError(
            "network.call is for networks that are not trained here, give training.epochs = 0 or network.checkpoint"
        )
    return Model(settings.build, network, options, False, is_trained)


def _built(settings: config.NetworkSettings) -> tuple[Any, dict[str, Any]]:
    """Return what the user's function builds, and the options that ``Objective`` takes with it."""
    function = _importing.load(str(settings.build), "network.build")
    arguments = dict(settings.arguments)
    if "seed" in inspect.signature(function).parameters:
        arguments.setdefault("seed", settings.seed)
    built = _importing.called(str(settings.build), "network.build", arguments)
    network, numbers = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
    options = {
        "params" if callable(network) and not isinstance(network, nnx.Module | linen.Module) else "variables": numbers,
        "call": None if settings.call is None else _importing.load(settings.call, "network.call"),
        "nodes": settings.nodes,
    }
    return network, {name: value for name, value in options.items() if value is not None}


def _check_trainable(network: Any, build: str, reason: str) -> None:
    if not isinstance(network, nnx.Module):
        raise InputError(f"network: {reason}; {build} returned {type(network).__name__}")


def optimizer(training: config.TrainingSettings, network: nnx.Module) -> optax.GradientTransformation:
    """Return the optimizer of a configuration, after a step without numbers that shows that it fits the network.

    Raises
    ------
    InputError
        If Optax has no such optimizer, or it does not take its arguments or the network's parameters.
    """
    if training.optimizer is None:
        return optax.adam(training.learning_rate)
    rate = {} if training.learning_rate is None else {"learning_rate": training.learning_rate}
    parts = training.optimizer if isinstance(training.optimizer, tuple) else [training.optimizer]
    made = [_called({"name": part} | rate if isinstance(part, str) else part | rate) for part in parts]
    for part in made:
        if not isinstance(part, optax.GradientTransformation):
            raise InputError(f"training.optimizer must be an optimizer of Optax, got {type(part).__name__}")
    found = made[0] if len(made) == 1 else optax.chain(*made)
    _check_step(found, nnx.state(network, nnx.Param))
    return found


def _called(value: Any) -> Any:
    """Return the argument of a function of Optax; a table with a name is what the function of that name returns."""
    if isinstance(value, list | tuple):
        return [_called(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    options = {key: _called(each) for key, each in value.items() if key != "name"}
    if "name" not in value:
        # TOML has no numbers for keys, such as the steps of a piecewise schedule.
        return {int(key) if key.isdigit() else key: each for key, each in options.items()}
    name = str(value["name"])
    try:
        return _importing.called(name if ":" in name else f"optax:{name}", "training.optimizer", options)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"training.optimizer: {name} does not take its arguments: {error}") from error


def _check_step(optimizer: optax.GradientTransformation, params: Any) -> None:
    try:
        with jax.numpy_dtype_promotion("standard"):
            jax.eval_shape(lambda params: optimizer.update(params, optimizer.init(params), params), params)
    except Exception as error:
        raise InputError(f"training.optimizer does not fit: {type(error).__name__}: {error}") from error
