"""The best and the worst mask of every size, and how far from the best greedy removal ends up."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.hypercube._table import Floats, by_size, checked, nodes_of, sizes


class MaskOfEachSize(NamedTuple):
    """One mask for each number of nodes on.

    Attributes
    ----------
    value : numpy.ndarray of float64, (N+1,)
        At s the value of the mask with s nodes on, in the unit of the table.
    mask : numpy.ndarray of int64, (N+1,)
        Its number; of masks with the same value the lowest number.
    """

    value: Floats
    mask: npt.NDArray[np.int64]


class GreedyRemoval(NamedTuple):
    """A path from every node on to every node off, one node at a time.

    Attributes
    ----------
    order : numpy.ndarray of int64, (N,)
        The nodes in the order of their removal.
    value : numpy.ndarray of float64, (N+1,)
        The value after k removals, with N - k nodes on, in the unit of the table.
    mask : numpy.ndarray of int64, (N+1,)
        The mask's number after k removals.
    gap : numpy.ndarray of float64, (N+1,)
        `value` less the lowest value of any mask with as many nodes on: 0 or above.
    """

    order: npt.NDArray[np.int64]
    value: Floats
    mask: npt.NDArray[np.int64]
    gap: Floats


def best_masks(values: Any) -> MaskOfEachSize:
    """Find for each number of nodes on the mask of lowest value.

    Of a loss it is the best that a network of so many nodes can do without training again.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask, such as its loss; mask number m has node i on when bit i of m is 1.

    Returns
    -------
    MaskOfEachSize
        The lowest value of each size, and the number of its mask.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, or a value is not finite.

    See Also
    --------
    worst_masks : The highest value of each size.
    greedy_removal : How close one removal after another comes.
    analysis.best.best_masks : The best of sampled masks.

    Examples
    --------
    >>> from analysis import hypercube
    >>> best = hypercube.best_masks([0.7, 0.2, 0.4, 0.1])
    >>> best.value.tolist(), best.mask.tolist()
    ([0.7, 0.2, 0.1], [0, 1, 3])
    """
    return _lowest(checked(values))


def worst_masks(values: Any) -> MaskOfEachSize:
    """Find for each number of nodes on the mask of highest value.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask, such as its loss; mask number m has node i on when bit i of m is 1.

    Returns
    -------
    MaskOfEachSize
        The highest value of each size, and the number of its mask.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, or a value is not finite.

    See Also
    --------
    best_masks : The lowest value of each size.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.worst_masks([0.7, 0.2, 0.4, 0.1]).mask.tolist()
    [0, 2, 3]
    """
    value, mask = _lowest(-checked(values))
    return MaskOfEachSize(-value, mask)


def _lowest(table: Floats) -> MaskOfEachSize:
    size = sizes(nodes_of(table))
    value = by_size(table, np.minimum, np.inf)
    # Masks that reach the lowest value of their size are few; they ascend, so the first has the lowest number.
    found = np.flatnonzero(table == value[size])
    _, first = np.unique(size[found], return_index=True)
    return MaskOfEachSize(value, found[first])


def greedy_removal(values: Any) -> GreedyRemoval:
    """Switch nodes off one after another, each time the one whose absence gives the lowest value.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask, such as its loss; mask number m has node i on when bit i of m is 1.

    Returns
    -------
    GreedyRemoval
        Of nodes that are equally good to remove, the lowest is.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, or a value is not finite.

    See Also
    --------
    best_masks : What `gap` is measured from.

    Notes
    -----
    It looks at ``N (N + 1) / 2`` masks of ``2**N``; `gap` is what that costs. The gap is 0 after one removal, and after
    all.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.greedy_removal([0.7, 0.2, 0.4, 0.1]).order.tolist()
    [1, 0]
    """
    table = checked(values)
    on = list(range(nodes_of(table)))
    mask = [table.size - 1]
    order = []
    while on:
        node = min(on, key=lambda i: table[mask[-1] ^ (1 << i)])
        on.remove(node)
        order.append(node)
        mask.append(mask[-1] ^ (1 << node))
    visited = np.array(mask, np.int64)
    best = _lowest(table).value[::-1]
    return GreedyRemoval(np.array(order, np.int64), table[visited], visited, table[visited] - best)
