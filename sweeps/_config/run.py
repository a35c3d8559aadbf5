"""A sweep from a configuration file: train one network, sweep it, resume what was killed."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import jax
import xarray as xr
from flax import nnx

from analysis import _seals
from analysis._errors import InputError
from analysis._places import Address, Place, made_in, place_of, read_in
from sweeps import _importing, _processes
from sweeps._batches import Task
from sweeps._config import files, making
from sweeps._config import settings as config
from sweeps._config.making import Model
from sweeps._engine.room import check_room
from sweeps._engine.runner import sweep
from sweeps._identity import digest
from sweeps._masks.designs import Design, Masks
from sweeps._objective import Objective
from sweeps._store import checkpoints, datasets
from sweeps._store.disk import reserved
from sweeps._store.folder import STORE, Run, check_folder, finished_groups
from sweeps._training import History, train

# Where a network that is no MLP keeps its arrays, in the run folder.
CHECKPOINT = "checkpoint"
# The sweep's group of the store.
MAIN = "sweeps/main"


def run(
    settings: config.Configuration,
    out: str | PathLike[str] | Address,
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
    settings : config.Configuration
    out : str, path or Address
        The run folder.
    command : str
        The command that reproduces the run, for the record.
    overwrite : bool
        Whether an earlier run in the folder is removed.
    progress : bool
        Whether to show progress.
    say : callable
        Called with a line at each stage.

    Raises
    ------
    InputError
        If a setting is out of range or does not fit another, the training diverged, or the folder holds something
        else or a run with other settings or data; nothing has been written then.
    """
    settings = settings.check()
    folder = place_of("out", out)
    if isinstance(folder, Address) and jax.process_count() > 1:
        raise InputError(f"several processes share a folder on a disk, got {folder}; object stores take one process")
    with reserved(folder):
        _run(settings, folder, command, overwrite, progress, say)


def _run(
    settings: config.Configuration,
    folder: Place,
    command: str,
    overwrite: bool,
    progress: bool,
    say: Callable[[str], None],
) -> None:
    """Do as `run`, once nothing else writes the address."""
    model = making.model(settings.network, settings.training)
    job = _Job(settings, making.task(settings.task), model, say)
    design = making.design(settings.sweep)
    objective = job.checked(design, folder)
    record: dict[str, Any] = dict(
        study="sweep",
        config=_recorded(settings, design),
        seeds=dict(network=settings.network.seed, training=settings.training.seed, masks=settings.sweep.seed),
        command=command,
        device=datasets.device_in_words(),
        # The network as it is built, too: its function may have changed since.
        data=digest([_numbers(datasets.of_task(job.task)), objective.plan.tree, objective._program]),
        resume=True,
    )
    first = jax.process_index() == 0
    if first:
        store = _trained(job, folder, record, overwrite)
    _processes.wait_for_all("trained")
    if not first:
        store = Run(folder, **record, partner=True)
    _put_back(job.model, store)
    objective = job.objective(settings.sweep.plan)
    say(f"sweeping {design}")
    data = sweep(
        objective,
        design,
        seed=settings.sweep.seed,
        gradients=settings.sweep.gradients,
        batch_size=settings.sweep.batch_size,
        keep=settings.sweep.keep,
        store=str(store.place_for(MAIN)),
        progress=progress,
    )
    if first:
        store.add(MAIN)
    say(f"plan {data.attrs['plan']}")
    say(f"{data.attrs['nonpositive_losses']} losses are zero or less, {data.attrs['nonfinite_losses']} not finite")


class _Job(NamedTuple):
    """A configuration with its task and its network, as they are made.

    Attributes
    ----------
    say : callable
        Called with a line at each stage.
    """

    settings: config.Configuration
    task: Task
    model: Model
    say: Callable[[str], None]

    def objective(self, plan: str) -> Objective:
        masks = self.settings.sweep
        own = dict(off=making.off(masks, self.task), metrics=making.metrics(masks.metrics), plan=plan)
        return Objective(self.model.network, self.task.test, **own, **self.options())

    def options(self) -> dict[str, Any]:
        """Return the options of every objective of this run, whatever its batch."""
        loss = self.settings.training.loss
        return dict(
            loss=_importing.load(loss, "training.loss") if loss is not None and ":" in loss else loss,
            sites=making.sites(self.settings.sweep),
            micro_batch=self.settings.sweep.micro_batch,
            precision=self.settings.sweep.precision,
            **self.model.options,
        )

    def checked(self, design: Design, folder: Place) -> Objective:
        """Return an objective of the untrained network; raise if design, plan, optimizer or disk do not fit."""
        masks = self.settings.sweep
        if not self.model.is_trained:
            making.optimizer(self.settings.training, self.model.network)
        # Whatever plan is chosen fits; one that is named may not.
        objective = self.objective("vmapped" if masks.plan == "auto" else masks.plan)
        with files.within(f"sweep.masks: {masks.masks}") if isinstance(design, Masks) else nullcontext():
            design = design.bound(objective.layers)
            design.sampler(len(objective.nodes))
        if masks.keep == "examples":
            objective._plan_of_examples  # noqa: B018  raises where there are no examples
        check_room(objective, design, masks.gradients, masks.keep, folder / STORE / MAIN)
        return objective

    def made(self) -> dict[str, xr.Dataset]:
        """Train the network, and return what is recorded of it and its task, by group; the network is the last."""
        groups = {"task": datasets.of_task(self.task)}
        loss = self.options()["loss"]
        if not self.model.is_trained:
            groups["training"] = datasets.of_history(self._train(loss))
        model, objective = self.model, self.objective("vmapped")
        if model.is_mlp:
            groups["network"] = datasets.of_network(model.network, self.task, loss)
            if self.settings.sweep.sites or self.settings.sweep.tied:
                groups["network"].attrs["sites"] = datasets.gated(objective)
        else:
            groups["network"] = datasets.of_model(model.name, model.network, self.task, objective, **self.options())
        return groups

    def _train(self, loss: Any) -> History:
        model, settings = self.model, self.settings.training
        self.say(f"training {'a ' if model.is_mlp else ''}{model.name} on {self.task.name}")
        return train(
            model.network,
            self.task,
            optimizer=making.optimizer(settings, model.network),
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            seed=settings.seed,
            loss=loss,
            keep_parameters=model.is_mlp and model.network.sizes[0] == 2,  # for a film over the input plane
        )


def _recorded(settings: config.Configuration, design: Design) -> dict[str, Any]:
    """Return the settings as the record has them: in place of a path, what the file holds."""
    found = asdict(settings)
    if isinstance(design, Masks):
        found["sweep"]["masks"] = files.recorded(str(settings.sweep.masks), design.array)
    if isinstance(settings.sweep.off, dict) and "file" in settings.sweep.off:
        path = settings.sweep.off["file"]
        found["sweep"]["off"] = files.recorded(path, files.numbers(path, "sweep.off", 1))
    return found


def _numbers(data: xr.Dataset) -> list[tuple[str, Any]]:
    return [(str(name), values.values) for name, values in data.variables.items()]


def _trained(job: _Job, folder: Place, record: dict[str, Any], overwrite: bool) -> Run:
    """Return the run, with its task and its trained network: as it is there, or trained before it is made."""
    check_folder(folder, overwrite, record)
    if overwrite or not finished_groups(folder / STORE):
        groups = job.made()
        store = Run(folder, **record, overwrite=overwrite)
    else:
        store = Run(folder, **record)
        for path in store.put_back:
            job.say(f"{path} was damaged or missing, and is put back")
        if _is_whole(store, job.say):
            return store
        groups = job.made()
    _write(groups, job.model, store)
    return store


def _is_whole(store: Run, say: Callable[[str], None]) -> bool:
    """Whether a run has all that comes before the sweep; says what is damaged."""
    # Sweeps mend themselves.
    bad = store.damage(but=str(Path(MAIN).parent))
    if not bad and store.has("network"):
        bad = _seals.changed(store.folder, json.loads(store.read("network").attrs.get("checkpoint", "{}")))
    for path in bad:
        say(f"{path} is damaged or missing: the network is trained again")
    return not bad and store.has("network")


def _write(groups: dict[str, xr.Dataset], model: Model, store: Run) -> None:
    """Write what was made: the network last, since a run with a network has been trained."""
    for group, data in groups.items():
        if group == "network" and model.has_checkpoint:
            with made_in(store.folder) as folder:
                checkpoints.save(model.network, folder / CHECKPOINT)
                # With a copy of the store alone a report can be made, so this is no part of its seals.
                data.attrs["checkpoint"] = json.dumps(_seals.sums(folder, _seals.whole_files(folder / CHECKPOINT)))
        store.write(group, data)


def _put_back(model: Model, store: Run) -> None:
    """Put the numbers that were trained, by this process or another, into the network."""
    if model.is_mlp:
        trained = datasets.network_from(store.read("network"))
        nnx.update(model.network, nnx.state(trained))
    elif model.has_checkpoint:
        with read_in(store.folder / CHECKPOINT) as folder:
            checkpoints.restore(model.network, folder)
