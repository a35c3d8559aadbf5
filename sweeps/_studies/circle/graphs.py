"""The network as a graph: the role of every node, and the best mask of half of them."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.balance import SLICING
from analysis.figures import graph
from analysis.figures.graph import Panel
from sweeps._studies.circle.measures import Results

_SIDES = ("right", "top", "left", "bottom")


def roles(results: Results) -> Figure:
    """Draw the network whole and, where all masks are known, under the best mask with half of the nodes on.

    Parameters
    ----------
    results : Results

    Returns
    -------
    matplotlib.figure.Figure
        Colours and shapes: bias nodes, and on which side slicing nodes are active.
    """
    values, cube = _named(results.roles), results.hypercube.cube
    nodes, net = len(values), results.network
    panels = {"all nodes on": Panel(net, None, values)}
    if cube is not None:
        half = nodes // 2
        best = (int(cube.best.mask[half]) >> np.arange(nodes)) & 1
        panels[f"the best {half} on"] = Panel(net, best.astype(float), values)
    return graph.overview(panels, inputs=["x", "y"], outputs=["inside", "outside"])


def _named(of: xr.Dataset) -> np.ndarray:
    # The slope of what the node puts out, in the direction in which it rises.
    x, y = (of["push"].values * np.sign(of["effect"].values)[:, np.newaxis]).T
    sides = np.array(_SIDES)[np.round(np.arctan2(y, x) / (np.pi / 2)).astype(int) % 4]
    role = of["role"].values
    return np.where(role == SLICING, np.char.add("slices, ", sides), np.char.add(role.astype(str), " node"))
