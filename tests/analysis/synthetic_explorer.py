"""Runs with networks of random numbers, for the interactive page."""

import numpy as np
import xarray as xr


def random_layers(sizes, seed=0):
    random = np.random.default_rng(seed)
    kernels = [random.normal(size=shape) / np.sqrt(shape[0]) for shape in zip(sizes, sizes[1:], strict=False)]
    return kernels, [random.normal(scale=0.5, size=size) for size in sizes[1:]]


def with_network(tree, sizes, activation="relu", seed=0):
    """The run with another network, of random numbers; the sweeps stay as they are."""
    names, values = ("kernel", "bias"), random_layers(sizes, seed)
    variables = {}
    for layer in range(len(sizes) - 1):
        dims = (f"layers.{layer}.inputs", f"layers.{layer}.outputs")
        for name, arrays in zip(names, values, strict=True):
            array = (3 * arrays[layer]).astype(np.float32)
            variables[f"layers.{layer}.{name}"] = (dims[-array.ndim :], array)
    groups = {path: node.to_dataset() for path, node in tree.subtree_with_keys if path != "."}
    attributes = groups["network"].attrs | {"sizes": list(sizes), "activation": activation}
    groups["network"] = xr.Dataset(variables, attrs=attributes)
    made = xr.DataTree.from_dict({path: data for path, data in groups.items() if path != "sweeps"})
    made.attrs = tree.attrs
    return made
