"""Loss and accuracy of networks pruned by every method to every sparsity, and what is left of each layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from sweeps import pruning
from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._store import datasets
from sweeps._studies.sparsity.measures.methods import MAIN, Method
from sweeps._studies.sparsity.run.choosing import LOSS, chosen, of_methods, with_words


def curves(
    networks: dict[int, list[MLP]], methods: Sequence[Method], percents: Sequence[int], task: Task
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return loss and accuracy on the test set at every sparsity, and what is left of each layer."""
    last = max(networks)
    shape = (len(methods), len(networks), len(networks[last]), len(percents))
    found = np.full((3, *shape), np.nan, np.float32)
    layers = np.zeros((len(methods), *shape[2:], len(networks[last][0].layers) - 1), np.float32)
    for row, method in enumerate(methods):
        for column, (epoch, several) in enumerate(networks.items()):
            if epoch == last or method in MAIN:
                kept = [chosen(one, method, percents, task, index) for index, one in enumerate(several)]
                measured = pruning.evaluate(several, [one.masks for one in kept], task.test, loss=LOSS)
                found[:, row, column] = *measured, np.stack([one.left for one in kept])
                if epoch == last:
                    layers[row] = np.stack([one.layers for one in kept])
    coordinates = of_methods(methods) | dict(percent=list(percents), network=range(shape[2]))
    return _in_datasets(found, layers, list(networks), coordinates)


def with_outputs(networks: Sequence[MLP], percents: Sequence[int], task: Task) -> xr.Dataset:
    """Return the curves of the smallest weights pruned in all layers, that of the outputs among them."""
    shares = [percent / 100 for percent in percents]
    masks = [pruning.weight_masks(one, shares, include_outputs=True) for one in networks]
    found = pruning.evaluate(networks, masks, task.test, loss=LOSS)._asdict()
    dims = ("network", "percent")
    data = xr.Dataset({name: (dims, values) for name, values in found.items()}, dict(percent=list(percents)))
    return with_words(data.assign_coords(network=range(len(networks))))


def _in_datasets(
    found: np.ndarray, layers: np.ndarray, epochs: list[int], coordinates: dict[str, Any]
) -> tuple[xr.Dataset, xr.Dataset]:
    dims = ("pruned_by", "epochs", "network", "percent")
    named = zip(("loss", "accuracy", "left"), found, strict=True)
    data = xr.Dataset({name: (dims, values) for name, values in named}, coordinates | dict(epochs=epochs))
    names = datasets.names(f"layers/{index}" for index in range(layers.shape[-1]))
    dims = ("pruned_by", "network", "percent", "layer")
    left = xr.Dataset({"left": (dims, layers)}, coordinates | dict(layer=names))
    left.left.attrs.update(long_name="share of the layer that stays", units="1")
    data.left.attrs.update(long_name="share of the prunable weights that stay", units="1")
    return with_words(data), left
