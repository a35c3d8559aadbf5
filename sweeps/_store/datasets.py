"""Datasets of a run: its task, its network, how training went; and how a study opens its run."""

import json
import re
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from flax import nnx

from analysis._errors import InputError
from sweeps import tasks
from sweeps._batches import Task
from sweeps._examples import checked
from sweeps._networks import MLP
from sweeps._objective import Objective
from sweeps._store.folder import Run
from sweeps._training import History


def images(name: str, folder: str | None) -> Task:
    """Return the digits, or MNIST where it is named or a folder with its files is given."""
    return tasks.mnist(folder=folder) if folder or name == "mnist" else tasks.digits()


def open_run(
    study: str, folder: str | PathLike[str], config: dict[str, Any], task: Task, command: str, overwrite: bool
) -> Run:
    """Make the run folder of a study, whose only seed is the setting ``seed``, and write the task."""
    store = Run(
        folder,
        study=study,
        config=config,
        seeds=dict(network=config["seed"]),
        command=command,
        device=device_in_words(),
        overwrite=overwrite,
    )
    store.write("task", of_task(task))
    return store


def of_task(task: Task) -> xr.Dataset:
    """Inputs, targets and masks of both sets; attributes: name and settings.

    Each leaf of a pytree of inputs is a variable, such as ``test_inputs.tokens``. Characters that separate names in a
    store, and ``%``, are written as in web addresses, such as ``%2F``.
    """
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for part in ("train", "test"):
        batch = checked(getattr(task, part))
        for kind in ("inputs", "targets", "mask"):
            for path, leaf in jax.tree_util.tree_leaves_with_path(getattr(batch, kind)):
                steps = (jax.tree_util.keystr((step,), simple=True) for step in path)
                name = ".".join([f"{part}_{kind}", *map(_escaped, steps)])
                variables[name] = (_dims(f"{part}_example", name, leaf.ndim), np.asarray(leaf))
    return xr.Dataset(variables, attrs={**task.settings, "name": task.name})


def _escaped(step: str) -> str:
    """Return a step of a path through a pytree, as part of a variable's name."""
    return re.sub(r"[%/.\\]", lambda found: f"%{ord(found[0]):02X}", step)


def _dims(first: str, name: str, number: int) -> tuple[str, ...]:
    if number == 2 and name.endswith("_inputs"):
        return first, "feature"
    return (first, *(f"{name}.{axis}" for axis in range(1, number)))


def of_network(network: MLP, task: Task, loss: Any = None) -> xr.Dataset:
    """Parameters by layer; attributes: structure, loss and accuracy on both sets with all gates on."""
    return (
        of_parameters([network])
        .squeeze("network")
        .assign_attrs(structure(network) | measured(network, task, loss=loss))
    )


def of_parameters(networks: Sequence[nnx.Module]) -> xr.Dataset:
    """Arrays of networks of one structure, see ``of_state``, with dimension ``network``; numbers drawn are left out."""
    states = [nnx.state(network, nnx.Not(nnx.RngState)) for network in networks]
    if len({jax.tree.structure(state) for state in states}) != 1:
        raise InputError("networks must be one or more of one structure, got others; store each kind by itself")
    return of_state(jax.tree.map(lambda *leaves: np.stack(leaves), *states), "network")


def of_state(state: Any, *dims: str) -> xr.Dataset:
    """Arrays of a module's state, named by their paths with dots between the steps, such as ``layers.0.kernel``.

    Parameters
    ----------
    state : flax.nnx.State
    dims : str
        Names of axes that all arrays start with.
    """
    flat = {path: np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(state)}
    variables = {}
    for path, array in flat.items():
        layer, name = (".".join(map(_escaped, map(str, steps))) for steps in (path[:-1], path))
        own = [f"{name}.{axis}" for axis in range(array.ndim - len(dims))]
        kernel = flat.get((*path[:-1], "kernel"))
        if path[-1] == "kernel" and len(own) > 1:
            own[-2:] = f"{layer}.inputs", f"{layer}.outputs"
        elif path[-1] == "bias" and len(own) == 1 and kernel is not None and kernel.shape[-1] == array.shape[-1]:
            own = [f"{layer}.outputs"]
        variables[name] = ((*dims, *own), array)
    return xr.Dataset(variables)


def structure(network: MLP) -> dict[str, Any]:
    """Return all of an MLP except for its parameters, as attributes."""
    return dict(
        sizes=list(network.sizes),
        activation=network.activation,
        output_activation=network.output_activation,
        use_bias=int(network.layers[0].bias is not None),
    )


def of_model(name: str, network: Any, task: Task, objective: Objective, **options: Any) -> xr.Dataset:
    """No variables, since the parameters are in a checkpoint; attributes: name, gated sites, loss and accuracy.

    Parameters
    ----------
    name : str
        Where the network came from.
    network, task : module, Task
        The network, and what it was trained on.
    objective : Objective
        The network's, for its sites.
    options : dict
        Of ``Objective``.
    """
    held = nnx.state(network, nnx.Param) if isinstance(network, nnx.Module) else options.get("variables")
    leaves = jax.tree.leaves(options.get("params") if held is None else held)
    attributes = dict(network=name, parameters=sum(leaf.size for leaf in leaves), sites=gated(objective))
    return xr.Dataset(attrs=attributes | measured(network, task, **options))


def gated(objective: Objective) -> str:
    """Return where a network has gates, in the order of the gate vector, as JSON."""
    return json.dumps(
        [dict(source=part.layer, kind=part.kind, nodes=len(part.numbers), reads=part.reads) for part in objective.gates]
    )


def measured(network: Any, task: Task, **options: Any) -> dict[str, float]:
    """Loss and, for classes, accuracy on both sets with all gates on; options are those of ``Objective``."""
    found = {}
    for prefix, batch in dict(train=task.train, full=task.test).items():
        objective = Objective(network, batch, **options)
        ones = np.ones(len(objective.nodes))
        found[f"{prefix}_loss"] = float(objective.evaluate(ones, gradients=False).loss)
        if task.classes is not None or objective.loss_name in ("cross_entropy", "binary_cross_entropy"):
            found[f"{prefix}_accuracy"] = float(objective.accuracy(ones))
    return found


def network_from(data: xr.Dataset) -> MLP:
    """Return the network that ``of_network`` described."""
    network = MLP(
        data.attrs["sizes"],
        activation=data.attrs["activation"],
        use_bias=bool(data.attrs["use_bias"]),
        output_activation=data.attrs["output_activation"],
    )
    for index, layer in enumerate(network.layers):
        layer.kernel[...] = jnp.asarray(data[f"layers.{index}.kernel"].values)
        if layer.bias is not None:
            layer.bias[...] = jnp.asarray(data[f"layers.{index}.bias"].values)
    return network


def of_history(history: History) -> xr.Dataset:
    """Loss and accuracy by epoch; the parameters, where they were kept, by ``checkpoint``, 0 the start."""
    epochs = np.arange(1, len(history.loss) + 1)
    data = xr.Dataset({name: ("epoch", getattr(history, name)) for name in ("loss", "accuracy")}, {"epoch": epochs})
    if history.parameters is None:
        return data
    return data.assign_coords(checkpoint=np.arange(len(epochs) + 1)).merge(of_state(history.parameters, "checkpoint"))


def names(texts: Iterable[str]) -> np.ndarray:
    """Texts as objects: Zarr has no standard for texts of fixed length."""
    return np.asarray(list(texts), object)


def device_in_words() -> str:
    """Number and kind of the devices."""
    device = jax.devices()[0]
    kind = "CPU" if device.platform == "cpu" else device.device_kind
    processes = f" in {jax.process_count()} processes" if jax.process_count() > 1 else ""
    return f"{jax.device_count()} {kind} device{'s' if jax.device_count() > 1 else ''}{processes}"
