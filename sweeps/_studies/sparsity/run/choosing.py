"""What each way of pruning keeps of a network, at many sparsities."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool

from sweeps import pruning
from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._store import datasets
from sweeps._studies.sparsity.measures.methods import MAIN, Method

LOSS = "cross_entropy"
# The published heuristics, ranked over all layers.
SCOPED = tuple(main._replace(scope=scope) for main in MAIN for scope in pruning.SCOPES[1:])
OTHERS = {
    "weights": ("gradient", "random"),
    "units": ("largest", "activation", "gradient", "first_order", "second_order", "brute_force", "random"),
}
# Left out of networks of thousands of nodes, because the removal of each node takes a pass over all examples.
SLOW = ("second_order", "brute_force")
MOST_NODES = 1000


def methods(nodes: int) -> list[Method]:
    """List the ways of pruning for networks of so many hidden nodes."""
    others = [Method(kind, by, "layer") for kind, names in OTHERS.items() for by in names]
    return [*MAIN, *SCOPED, *(one for one in others if nodes <= MOST_NODES or one.by not in SLOW)]


class Chosen(NamedTuple):
    """What a method keeps of a network, at each of some sparsities.

    Attributes
    ----------
    masks : dict of str to numpy.ndarray of bool, (...)
        Of its parameters, with leading axis (percents,).
    layers : numpy.ndarray
        Share of each layer's weights, or nodes, that stay, shape (percents, layers).
    left : numpy.ndarray
        Share of all prunable weights that stay, shape (percents,); where nodes go, weights both of whose ends stay.
    """

    masks: dict[str, Bool[np.ndarray, "..."]]
    layers: np.ndarray
    left: np.ndarray


def chosen(network: MLP, method: Method, percents: Sequence[int], task: Task, seed: int) -> Chosen:
    """Prune a network by one method to several sparsities."""
    sparsity = [percent / 100 for percent in percents]
    options: dict[str, Any] = dict(batch=task.train, loss=LOSS, seed=seed)
    if method.kind == "weights":
        masks = pruning.weight_masks(network, sparsity, method=method.by, scope=method.scope, **options)
        kept = list(masks.values())
        layers = [mask.mean((1, 2)) for mask in kept]
    else:
        by = largest_weights(network) if method.by == "largest" else method.by
        keep = pruning.unit_masks(network, sparsity, method=by, scope=method.scope, **options)
        masks = pruning.masks_of_nodes(network, keep)
        by_layer = np.split(keep, np.cumsum(network.sizes[1:-1])[:-1], axis=1)
        inputs = np.ones((len(percents), network.sizes[0]), bool)
        ends = zip([inputs, *by_layer[:-1]], by_layer, strict=True)
        kept = [start[:, :, None] & end[:, None, :] for start, end in ends]
        layers = [nodes.mean(1) for nodes in by_layer]
    left = sum(mask.sum((1, 2)) for mask in kept) / sum(mask[0].size for mask in kept)
    return Chosen(masks, np.stack(layers, axis=1), left)


def kernels(network: MLP) -> list[np.ndarray]:
    """Weight matrices, (inputs, outputs), of all layers."""
    return [np.asarray(layer.kernel[...]) for layer in network.layers]


def largest_weights(network: MLP) -> np.ndarray:
    """Return the size of the largest incoming weight of every hidden node."""
    return np.concatenate([np.abs(kernel).max(axis=0) for kernel in kernels(network)[:-1]])


def of_methods(found: Sequence[Method]) -> dict[str, Any]:
    """Return the coordinates of ways of pruning."""
    parts = {name: ("pruned_by", datasets.names(getattr(one, name) for one in found)) for name in Method._fields}
    return {"pruned_by": datasets.names(one.key for one in found)} | parts


def with_words(data: xr.Dataset) -> xr.Dataset:
    """Say what loss and accuracy are, and their units."""
    data.loss.attrs.update(long_name="mean loss on the test set", units="nats")
    data.accuracy.attrs.update(long_name="share of right classes on the test set", units="1")
    return data
