"""What a drawing of a network shows, those nodes and weights that matter most, and where its nodes stand."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.path import Path

from analysis.perceptron import Perceptron

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.intp]

#: Height that a node takes, and side of the square of a node that is not drawn by itself at most, in inches.
SLOT, SQUARE = 0.175, 0.05
#: Distance of two nodes of a layer of few nodes, in slots, at most.
APART = 6.0
#: Nodes that squares are drawn for, at most: more are only counted.
SQUARES = 1000


class Column(NamedTuple):
    """The nodes of one layer.

    Attributes
    ----------
    drawn : numpy.ndarray of int
        Those that are drawn one by one, in order of their number.
    rest : numpy.ndarray of int
        The others.
    """

    drawn: Whole
    rest: Whole


def _shares(sizes: Floats) -> Floats:
    return sizes / sizes.max() if sizes.max() > 0 else sizes


def importance(net: Perceptron, values: Sequence[Floats] | None = None) -> list[Floats]:
    """Tell how much every node matters, against the largest of its layer, from 0 to 1.

    Parameters
    ----------
    net : Perceptron
    values : sequence of numpy.ndarray, optional
        Of each hidden layer: a node's absolute value is its importance. When left out, it is the root sum of squares
        of the weights into a node times that of the weights out of it.

    Returns
    -------
    list of numpy.ndarray
        Inputs, hidden layers, outputs.
    """
    into = [np.ones(len(net.kernels[0])), *(np.linalg.norm(kernel, axis=0) for kernel in net.kernels)]
    out_of = [*(np.linalg.norm(kernel, axis=1) for kernel in net.kernels), np.ones(net.kernels[-1].shape[1])]
    found = [one * other for one, other in zip(into, out_of, strict=True)]
    if values is not None:
        found[1:-1] = [np.abs(one) for one in values]
    return [_shares(one) for one in found]


def by_layer(net: Perceptron, values: npt.NDArray) -> list[npt.NDArray]:
    """Cut values of all hidden nodes into those of each hidden layer."""
    return np.split(values, np.cumsum([len(kernel) for kernel in net.kernels[1:]])[:-1])


def columns(importances: Sequence[Sequence[Floats]], shown: int) -> list[Column]:
    """Choose the nodes of every layer that are drawn one by one.

    Parameters
    ----------
    importances : sequence of sequences of numpy.ndarray
        Of each network of a figure, so that all of them show the same nodes.
    shown : int
        Nodes of a layer, at most.

    Returns
    -------
    list of Column
    """
    found = []
    for layer in zip(*importances, strict=True):
        order = np.argsort(-np.sum(layer, axis=0), kind="stable")
        found.append(Column(np.sort(order[:shown]), np.sort(order[shown:])))
    return found


def edges(strength: Floats, most: int) -> tuple[Whole, Whole]:
    """Choose weights between two layers: the strongest of each node first, then the second strongest of each, ...

    Parameters
    ----------
    strength : numpy.ndarray, (left, right)
        From 0 up; zeros are no edges.
    most : int
        Edges, at most.

    Returns
    -------
    left, right : numpy.ndarray of int, (edges,)
        The strongest edge is the last one.
    """
    ranks = [np.argsort(np.argsort(-strength, axis=axis, kind="stable"), axis=axis) for axis in (0, 1)]
    order = np.lexsort((-strength.ravel(), np.minimum(*ranks).ravel()))
    order = order[strength.ravel()[order] > 0][:most]
    order = order[np.argsort(strength.ravel()[order], kind="stable")]
    left, right = np.unravel_index(order, strength.shape)
    return left, right


def squares(count: int) -> tuple[int, float]:
    """Squares in a row, and their distance in inches, for nodes that are not drawn one by one."""
    across = max(int(np.ceil(np.sqrt(1.2 * count))), 1)
    return across, min(SQUARE, 0.45 / across)


def height(column: Column) -> float:
    """Height of a column, in slots of a node."""
    if not len(column.rest):
        return len(column.drawn)
    across, pitch = squares(len(column.rest))
    rows = np.ceil(len(column.rest) / across) if len(column.rest) <= SQUARES else 0
    return len(column.drawn) + 1.6 + rows * pitch / SLOT


def places(columns: Sequence[Column]) -> list[Floats]:
    """Heights of the nodes of each layer that are drawn one by one.

    Parameters
    ----------
    columns : sequence of Column
        All layers of a network.

    Returns
    -------
    list of numpy.ndarray, (drawn,)
        In slots of a node, the first node on top; 0 is the middle of each column. Nodes of a short layer stand up to
        `APART` slots apart.
    """
    tallest = max(map(height, columns))
    found = []
    for one in columns:
        gaps = max(len(one.drawn) - 1, 1)
        step = 1.0 if len(one.rest) else max(min(0.9 * (tallest - 1) / gaps, APART), 1.0)
        top = height(one) / 2 - 0.5 if len(one.rest) else step * (len(one.drawn) - 1) / 2
        found.append((top - step * np.arange(len(one.drawn))).astype(np.float64))
    return found


def curve(left: tuple[float, float], right: tuple[float, float]) -> Path:
    """Path of an edge, level at both ends, so that edges of one node fan out slowly."""
    middle = (left[0] + right[0]) / 2
    corners = [left, (middle, left[1]), (middle, right[1]), right]
    return Path(corners, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
