"""Datasets that several studies write: the task, the network, how training went."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from sweeps.networks import MLP
from sweeps.objective import Objective
from sweeps.tasks import Batch, Task
from sweeps.training import History


def of_task(task: Task) -> xr.Dataset:
    """Inputs and targets of both sets; attributes: name and settings."""
    data = xr.Dataset(
        {
            "train_inputs": (("train_example", "feature"), task.train.inputs),
            "train_targets": ("train_example", task.train.targets),
            "test_inputs": (("test_example", "feature"), task.test.inputs),
            "test_targets": ("test_example", task.test.targets),
        }
    )
    return data.assign_attrs(name=task.name, **task.settings)


def of_network(network: MLP, task: Task, loss: str | None = None) -> xr.Dataset:
    """Parameters by layer; attributes: structure, loss and accuracy on both sets with all gates on."""
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for index, layer in enumerate(network.layers):
        name = f"layers.{index}"
        variables[f"{name}.kernel"] = ((f"{name}.inputs", f"{name}.outputs"), np.asarray(layer.kernel[...]))
        if layer.bias is not None:
            variables[f"{name}.bias"] = ((f"{name}.outputs",), np.asarray(layer.bias[...]))
    attributes: dict[str, Any] = dict(
        sizes=list(network.sizes),
        activation=network.activation,
        output_activation=network.output_activation,
        use_bias=int(network.layers[0].bias is not None),
    )
    for prefix, batch in dict(train=task.train, full=task.test).items():
        ones = np.ones(sum(network.sizes[1:-1]))
        attributes[f"{prefix}_loss"] = float(Objective(network, batch, loss=loss).evaluate(ones, gradients=False).loss)
        if task.classes is not None:
            attributes[f"{prefix}_accuracy"] = accuracy(network, batch)
    return xr.Dataset(variables, attrs=attributes)


def network_from(data: xr.Dataset) -> MLP:
    """Return the network that ``of_network`` described."""
    network = MLP(
        data.attrs["sizes"],
        data.attrs["activation"],
        use_bias=bool(data.attrs["use_bias"]),
        output_activation=data.attrs["output_activation"],
    )
    for index, layer in enumerate(network.layers):
        layer.kernel[...] = jnp.asarray(data[f"layers.{index}.kernel"].values)
        if layer.bias is not None:
            layer.bias[...] = jnp.asarray(data[f"layers.{index}.bias"].values)
    return network


def of_history(history: History) -> xr.Dataset:
    """Loss and accuracy by epoch; the parameters of an MLP, where they were kept, by ``checkpoint``, 0 the start."""
    epochs = np.arange(1, len(history.loss) + 1)
    data = xr.Dataset({name: ("epoch", getattr(history, name)) for name in ("loss", "accuracy")}, {"epoch": epochs})
    if history.parameters is None:
        return data
    for index, layer in history.parameters["layers"].items():
        name = f"layers.{index}"
        dims = {"kernel": (f"{name}.inputs", f"{name}.outputs"), "bias": (f"{name}.outputs",)}
        for part, inner in dims.items():
            if part in layer:
                data[f"{name}.{part}"] = (("checkpoint", *inner), np.asarray(layer[part][...]))
    return data.assign_coords(checkpoint=np.arange(len(history.loss) + 1))


def accuracy(network: MLP, batch: Batch) -> float:
    """Share of examples whose class the network gives."""
    outputs = np.asarray(network(jnp.asarray(batch.inputs)))
    chosen = outputs[:, 0] > 0 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    return float((chosen == batch.targets).mean())


def device_in_words() -> str:
    """Number and kind of the devices."""
    device = jax.devices()[0]
    kind = "CPU" if device.platform == "cpu" else device.device_kind
    processes = f" in {jax.process_count()} processes" if jax.process_count() > 1 else ""
    return f"{jax.device_count()} {kind} device{'s' if jax.device_count() > 1 else ''}{processes}"
