"""Network 0 as a graph: trained, pruned after training, and pruned first."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import perceptron
from analysis.figures import graph
from analysis.figures.graph import Panel
from sweeps._studies.spiral.measures import Results
from sweeps._studies.spiral.names import COMPENSATED


def trained_and_pruned(results: Results) -> Figure:
    """Draw network 0, with the first choice of each arm's removed nodes off.

    Parameters
    ----------
    results : Results

    Returns
    -------
    matplotlib.figure.Figure
        Colours: standard deviation of each node over the training set.
    """
    choice = next(iter(results.choices.values()))[0]
    keep = results.nodes["keep"].isel(network=0).sel(choice=choice).values.astype(float)
    full = results.full.sel(arm="trained").isel(network=0)
    cases = results.pruned.sel(compensation=COMPENSATED, choice=choice).isel(network=0)
    later, first = (cases.sel(arm=arm) for arm in ("pruned", "prune_first"))
    values = [_deviations(one, results.task["train_inputs"].values) for one in (full, later, first)]
    panels = {
        "trained": Panel(full, None, values[0]),
        # With the weights that the removed nodes had.
        "pruned after": Panel(full, keep, values[1]),
        "pruned first": Panel(first, keep, values[2]),
    }
    return graph.overview(panels, quantity="standard deviation of a node", inputs=["x", "y"], most=24)


def _deviations(data: xr.Dataset, inputs: np.ndarray) -> np.ndarray:
    net, found = perceptron.from_dataset(data), []
    for count in range(1, len(net.kernels)):
        layers = net._replace(kernels=net.kernels[:count], biases=net.biases[:count], output_activation=net.activation)
        found.append(perceptron.outputs(layers, inputs).std(0))
    return np.concatenate(found)
