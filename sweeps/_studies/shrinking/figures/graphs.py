"""A network of one layer as a graph, before nodes are removed and after: which nodes go when, and which stay."""

import numpy as np
from matplotlib.figure import Figure

from analysis.figures import graph
from analysis.figures.graph import Panel
from sweeps._studies.shrinking.measures.networks import Network


def before_and_after(network: Network, shown: int, fall: float) -> Figure:
    """Draw one network whole, and without the nodes that brute force removes before the accuracy falls.

    Parameters
    ----------
    network : Network
    shown : int
        Which of its kind.
    fall : float
        Of the accuracy, one of the coordinate `fall` of the summary.

    Returns
    -------
    matplotlib.figure.Figure
        Colours: how many nodes were removed before. The nodes that go last are drawn one by one.
    """
    at = {"network": shown, "ranked_by": "brute_force", "ranking": "reranked"}
    order = network.paths["order"].sel(at).values.astype(int)
    count = int(network.summary["removable"].sel(at).sel(fall=fall))
    net = network.data.isel(network=shown)
    gates, place = np.ones(order.size), np.empty(order.size)
    gates[order[:count]] = 0
    place[order] = np.arange(order.size)
    panels = {"all nodes": Panel(net, None, place), f"{count} removed": Panel(net, gates, place)}
    return graph.overview(panels, quantity="nodes removed before this one")
