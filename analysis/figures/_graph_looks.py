"""What a drawing of networks is given, checked, and what its panels share: nodes, colours, roles, widths."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.ticker import MaxNLocator

from analysis import _checks, perceptron
from analysis._errors import InputError
from analysis.figures import _graph_layout, style
from analysis.figures._graph_layout import Column, Floats
from analysis.perceptron import Perceptron

#: Steps of a scale of colours, at most.
_STEPS = 8
#: Names of roles that have a colour and a shape of their own, at most.
ROLES = 6


class Panel(NamedTuple):
    """One network of a figure.

    Attributes
    ----------
    network : Perceptron or xarray.Dataset
        The network, or a run's group ``network``.
    gates : array_like, (nodes,), optional
        How far the gate of each node is open, from 0 to 1, layer after layer; all on when left out.
    values : array_like, (nodes,), optional
        Numbers, or names of roles, that give hidden nodes their colour.

    See Also
    --------
    analysis.figures.graph.overview : Draws panels.

    Examples
    --------
    >>> from analysis import figures
    >>> kernels = np.ones((2, 3)), np.ones((3, 1))
    >>> net = Perceptron(kernels, (np.zeros(3), np.zeros(1)), "relu", "identity")
    >>> figures.graph.Panel(net, gates=[1, 0, 1]).gates
    [1, 0, 1]
    """

    network: Perceptron | xr.Dataset
    gates: Any = None
    values: Any = None


class Read(NamedTuple):
    """A panel that was checked; gates and values by layer, inputs and outputs too."""

    network: Perceptron
    levels: list[Floats]
    values: list[np.ndarray] | None


class Looks(NamedTuple):
    """What all panels of a figure share."""

    columns: list[Column]
    most: int
    largest: float
    roles: list[str]
    scale: ScalarMappable | None
    names: tuple[Sequence[str], Sequence[str]]


def read(panel: Panel) -> Read:
    net = perceptron.from_dataset(panel.network) if isinstance(panel.network, xr.Dataset) else panel.network
    _checks.instance("network", net, Perceptron, see="perceptron.from_dataset")
    gates = np.ones(net.nodes) if panel.gates is None else _checks.gates("gates", panel.gates, net.nodes)
    _checks.finite_numbers("gates", gates, 0, 1)
    levels = [np.ones(len(net.kernels[0])), *_graph_layout.by_layer(net, gates), np.ones(net.kernels[-1].shape[1])]
    if panel.values is None:
        return Read(net, levels, None)
    values = np.asarray(panel.values)
    if values.dtype.kind != "U":
        values = _checks.finite_numbers("values", values)
    if values.shape != (net.nodes,):
        raise InputError(f"values must have shape ({net.nodes},), one value a node, got {values.shape}")
    return Read(net, levels, _graph_layout.by_layer(net, values))


def _scale(values: Sequence[np.ndarray], cmap: Colormap | None) -> ScalarMappable | None:
    """One scale of colours for the numbers of all panels, in steps, with 0 in the middle if it lies between them."""
    numbers = [one for one in values if one.dtype.kind != "U"]
    if not numbers:
        return None
    low, high = min(one.min() for one in numbers), max(one.max() for one in numbers)
    if low < 0 < high:
        low, high, cmap = -max(-low, high), max(-low, high), cmap or style.HELPS.reversed()
    ends = MaxNLocator(_STEPS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    cmap = cmap or colormaps["cividis_r"]
    return ScalarMappable(BoundaryNorm(ends, cmap.N), cmap)


def _ends(names: Sequence[Sequence[str] | None], panel: Read) -> tuple[Sequence[str], Sequence[str]]:
    found = []
    for side, given, level in zip(("inputs", "outputs"), names, (panel.levels[0], panel.levels[-1]), strict=True):
        found.append([] if given is None else _checks.names(side, given, len(level)))
    return found[0], found[1]


def looks_of(panels: Sequence[Read], cmap: Colormap | None, inputs: Any, outputs: Any, shown: int, most: int) -> Looks:
    shown, most = _checks.whole("shown", shown, 1), _checks.whole("most", most, 1)
    if len({tuple(map(len, one.levels)) for one in panels}) > 1:
        raise InputError("panels must be networks of one structure; draw others in figures of their own")
    values = [layer for one in panels if one.values is not None for layer in one.values]
    scale = _scale(values, cmap)
    roles = [] if scale else list(dict.fromkeys(role for layer in values for role in layer.tolist()))
    if len(roles) > ROLES:
        raise InputError(f"values must be {ROLES} roles or fewer, got {len(roles)}")
    columns = _graph_layout.columns(
        [_graph_layout.importance(one.network, one.values if scale else None) for one in panels], shown
    )
    largest = max(np.abs(kernel).max() for one in panels for kernel in one.network.kernels)
    return Looks(columns, most, float(largest) or 1.0, roles, scale, _ends((inputs, outputs), panels[0]))
