"""A network as a graph without its smallest weights, and without its nodes of the smallest norm."""

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from analysis import perceptron
from analysis.figures import graph
from analysis.figures.graph import Panel
from analysis.perceptron import Perceptron

#: Of each layer that is pruned goes this share.
SPARSITY = 0.9


def pruned_both_ways(networks: xr.Dataset, shown: int = 0) -> Figure:
    """Draw one network after the longest training, pruned in both published ways to one sparsity.

    Parameters
    ----------
    networks : xarray.Dataset, (epochs, network, ...)
        Weights.
    shown : int
        Which network.

    Returns
    -------
    matplotlib.figure.Figure
        Colours: the norm by which nodes are ranked, as a share of the largest of the layer.
    """
    net = perceptron.from_dataset(networks.isel(epochs=-1, network=shown))
    norms = [np.linalg.norm(kernel, axis=0) for kernel in net.kernels[:-1]]
    values = np.concatenate([one / one.max() for one in norms])
    percent = f"{100 * SPARSITY:.0f} %"
    panels = {
        f"without {percent} of the weights": Panel(_without_weights(net), None, values),
        f"without {percent} of the nodes": Panel(net, np.concatenate([_largest(one) for one in norms]), values),
    }
    return graph.overview(panels, quantity="norm of the incoming weights / largest of the layer", most=24)


def _largest(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """One for what stays, zero for the smallest."""
    kept = np.ones(values.size)
    kept[np.argsort(values, axis=None, kind="stable")[: int(SPARSITY * values.size)]] = 0
    return kept.reshape(values.shape)


def _without_weights(net: Perceptron) -> Perceptron:
    """Set the smallest weights of each layer to zero, but for those to the outputs."""
    cut = [kernel * _largest(np.abs(kernel)) for kernel in net.kernels[:-1]]
    return net._replace(kernels=(*cut, net.kernels[-1]))
