"""A random network as a run stores it."""

import numpy as np
import xarray as xr


def stored(sizes=(2, 4, 3, 2), activation="tanh", bias=True, seed=0):
    random = np.random.default_rng(seed)
    variables = {}
    for index, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        name = f"layers.{index}"
        variables[f"{name}.kernel"] = ((f"{name}.inputs", f"{name}.outputs"), random.normal(size=(inputs, outputs)))
        if bias:
            variables[f"{name}.bias"] = ((f"{name}.outputs",), random.normal(size=outputs))
    attributes = {"sizes": list(sizes), "activation": activation, "output_activation": "identity"}
    return xr.Dataset(variables, attrs=attributes)
