"""Do nodes end up in the same roles: correlations of activations on the training data, of nodes of two networks.

A node whose activation is constant on the data has no role there. Such nodes are counted, and left out.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.optimize import linear_sum_assignment

from sweeps._studies.spiral.measures.networks import Floats, Networks, by_layer
from sweeps._studies.spiral.names import CHOSEN, RANDOM

#: Pairs of networks whose nodes that stay are compared, by name.
PAIRS = {
    "prune_first": "trained against pruned, then trained",
    "pruned": "trained, then pruned, against pruned, then trained",
    "beyond_start": "the first pair, without what follows from the start",
    "reshuffled": "trained against trained in another order",
    "initial": "trained against its start",
}
#: Permutations of the nodes of a layer, and which share of them a likeness has to exceed.
PERMUTATIONS, BEYOND = 199, 0.95
#: What is smaller than so much of an activation is rounding: activations are kept in single precision.
ROUNDING = 1e-5


class Roles(NamedTuple):
    """How alike the nodes of two networks are.

    Attributes
    ----------
    same : float
        Mean correlation of a node with the node of the same number, over the nodes that are not constant in either.
    other : float
        That of a node with other nodes of its layer: the mean over permutations that leave no node in its place.
    own : float
        Share of these nodes that are matched with themselves, where the sum of correlations is largest.
    chance : float
        What `own` would be if nodes were matched at random.
    beyond : float
        1 where `same` exceeds the share `BEYOND` of the permutations of the nodes within layers, or 0.
    best : float
        Mean correlation of matched nodes, over all nodes that are not constant in their own network.
    nodes : int
        Nodes that are constant in neither.
    constant, constant_other : float
        Share of the nodes that stay which are constant in the first network and in the second.
    """

    same: float
    other: float
    own: float
    chance: float
    beyond: float
    best: float
    nodes: int
    constant: float
    constant_other: float


def varying(activations: Floats) -> npt.NDArray[np.bool_]:
    """Tell which columns are not constant."""
    return np.ptp(activations, axis=0) > 0


def standardised(activations: Floats) -> Floats:
    """Give columns that are not constant the mean zero and the length one: their products are correlations."""
    centred = activations - activations.mean(axis=0)
    return centred / np.linalg.norm(centred, axis=0)


def best_match(layers: Sequence[Floats]) -> float:
    """Return the mean correlation of nodes matched one to one, from the correlations of each layer."""
    found = [alike[linear_sum_assignment(alike, maximize=True)] for alike in layers if alike.size]
    return float(np.concatenate(found).mean()) if found else float("nan")


@cache
def _permutations(count: int) -> npt.NDArray[np.intp]:
    random = np.random.default_rng(count)
    return np.array([random.permutation(count) for _ in range(PERMUTATIONS)])


def compare(one: Sequence[Floats], other: Sequence[Floats]) -> Roles:
    """Compare the nodes of two networks that stay, a layer each, (examples, nodes), in one order.

    Nodes are compared within their layers, and layers are weighted by their numbers of nodes. A layer in which fewer
    than two nodes vary in both networks has no others to compare with, and is left out.
    """
    masks = [(varying(a), varying(b)) for a, b in zip(one, other, strict=True)]
    constant = [float(1 - np.concatenate(side).mean()) for side in zip(*masks, strict=True)]
    whole = [standardised(a[:, u]).T @ standardised(b[:, v]) for a, b, (u, v) in zip(one, other, masks, strict=True)]
    squares = [alike[v[u]][:, u[v]] for alike, (u, v) in zip(whole, masks, strict=True)]
    squares = [alike for alike in squares if len(alike) > 1]
    if not squares:
        nan = float("nan")
        return Roles(nan, nan, nan, nan, nan, best_match(whole), 0, constant[0], constant[1])
    counts = np.array([len(alike) for alike in squares])
    traces = np.array([np.trace(alike) for alike in squares])
    others = (np.array([alike.sum() for alike in squares]) - traces) / (counts - 1)
    matched = [linear_sum_assignment(alike, maximize=True)[1] == np.arange(len(alike)) for alike in squares]
    shuffled = sum(alike[np.arange(len(alike)), _permutations(len(alike))].sum(axis=1) for alike in squares)
    return Roles(
        same=float(traces.sum() / counts.sum()),
        other=float(others.sum() / counts.sum()),
        own=float(np.concatenate(matched).mean()),
        chance=float(len(counts) / counts.sum()),
        beyond=float((traces.sum() > shuffled).mean() >= BEYOND),
        best=best_match(whole),
        nodes=int(counts.sum()),
        constant=constant[0],
        constant_other=constant[1],
    )


def without_start(activations: Floats, start: Floats) -> Floats:
    """Take out of each node's activation what follows linearly from its own activation at the start.

    Parameters
    ----------
    activations, start : numpy.ndarray, (examples, nodes)

    Returns
    -------
    numpy.ndarray, (examples, nodes)
        With means of zero; zero where no more than rounding is left.
    """
    centred, first = activations - activations.mean(axis=0), start - start.mean(axis=0)
    square = (first**2).sum(axis=0)
    rest = centred - first * ((centred * first).sum(axis=0) / np.where(square > 0, square, 1))
    left = np.linalg.norm(rest, axis=0) > ROUNDING * np.linalg.norm(activations, axis=0)
    found: Floats = np.where(left, rest, 0)
    return found


def _staying(activations: list[Floats], keep: npt.NDArray[np.bool_]) -> list[Floats]:
    return [one[:, mask] for one, mask in zip(activations, by_layer(keep, activations), strict=True)]


def sides(full: Networks, cut: Networks) -> dict[str, Callable[[int, int], tuple[list[Floats], list[Floats]]]]:
    """Return what gives the activations of both networks of a pair of `PAIRS`, of a choice and a number."""

    def trained(choice: int, network: int) -> list[Floats]:
        return full.activations("trained", network)

    def rest(activations: list[Floats], network: int) -> list[Floats]:
        start = full.activations("initial", network)
        return [without_start(one, first) for one, first in zip(activations, start, strict=True)]

    return {
        "beyond_start": lambda c, n: (rest(trained(c, n), n), rest(cut.activations("prune_first", c, n), n)),
        "prune_first": lambda c, n: (trained(c, n), cut.activations("prune_first", c, n)),
        "pruned": lambda c, n: (cut.activations("pruned", c, n), cut.activations("prune_first", c, n)),
        "reshuffled": lambda c, n: (trained(c, n), full.activations("reshuffled", n)),
        "initial": lambda c, n: (trained(c, n), full.activations("initial", n)),
    }


def roles(full: Networks, cut: Networks, nodes: xr.Dataset) -> xr.Dataset:
    """Compare the nodes that stay of every pair of networks.

    Parameters
    ----------
    full, cut : Networks
        With all nodes, and with some removed, with compensation.
    nodes : xarray.Dataset
        `keep` (network, choice, node).

    Returns
    -------
    xarray.Dataset, (pair, choice, network)
        The fields of `Roles`.
    """
    keep = nodes["keep"].transpose("choice", "network", "node").values
    found = np.empty((len(PAIRS), *keep.shape[:2], len(Roles._fields)))
    pairs = sides(full, cut)
    for row, of in enumerate(pairs[name] for name in PAIRS):
        for place in np.ndindex(*keep.shape[:2]):
            found[(row, *place)] = compare(*[_staying(side, keep[place]) for side in of(*place)])
    dims = ("pair", "choice", "network")
    return xr.Dataset(
        {name: (dims, found[..., place]) for place, name in enumerate(Roles._fields)},
        {"pair": list(PAIRS), "choice": nodes["choice"].values},
    )


def strangers(full: Networks, cut: Networks, nodes: xr.Dataset) -> xr.DataArray:
    """Match the nodes that stay of the trained network of each seed with those of the one pruned first of every seed.

    Parameters
    ----------
    full, cut, nodes
        As for `roles`.

    Returns
    -------
    xarray.DataArray, (kind, network, other)
        `Roles.best`, of the first random choice and of the nodes of smallest deviation.
    """
    keep, count = nodes["keep"].transpose("choice", "network", "node").values, nodes.sizes["network"]
    found = np.empty((2, count, count))
    for kind, choice in enumerate((0, len(keep) - 1)):
        first = [_varying(full.activations("trained", n), keep[choice, n]) for n in range(count)]
        second = [_varying(cut.activations("prune_first", choice, n), keep[choice, n]) for n in range(count)]
        for one, other in np.ndindex(count, count):
            found[kind, one, other] = best_match([a.T @ b for a, b in zip(first[one], second[other], strict=True)])
    return xr.DataArray(found, {"kind": [RANDOM, CHOSEN]}, ("kind", "network", "other"))


def _varying(activations: list[Floats], keep: npt.NDArray[np.bool_]) -> list[Floats]:
    return [standardised(one[:, varying(one)]) for one in _staying(activations, keep)]


def against_strangers(alike: xr.DataArray) -> Floats:
    """Give how much better the networks of a seed match than those of two, by pairs of seeds.

    Parameters
    ----------
    alike : xarray.DataArray, (network, other)
        Of one kind. Seeds in which either network is constant throughout are left out.

    Returns
    -------
    numpy.ndarray, (seeds, seeds)
        Symmetric: what both seeds have by themselves less what they have with each other, which
        `analysis.intervals.over_pairs` averages.
    """
    values = _known(alike)
    own = np.diag(values)
    return (own[:, None] + own) / 2 - (values + values.T) / 2


def between(alike: xr.DataArray) -> Floats:
    """Give how well the networks of two seeds match, by pairs of seeds, symmetric; as `against_strangers`."""
    values = _known(alike)
    return (values + values.T) / 2


def _known(alike: xr.DataArray) -> Floats:
    values = alike.transpose("network", "other").values
    known = np.isfinite(np.diag(values))
    found: Floats = values[np.ix_(known, known)]
    return found


class Likeness(NamedTuple):
    """Correlations of nodes for a figure.

    Attributes
    ----------
    matrices : list of numpy.ndarray, (nodes, nodes)
        Of network 0, a layer each; nodes that are constant in neither network.
    same, other : numpy.ndarray
        Of all seeds: of nodes with the same number, and with other nodes of the layer.
    """

    matrices: list[Floats]
    same: Floats
    other: Floats


def likeness(full: Networks, cut: Networks, nodes: xr.Dataset) -> Likeness:
    """Correlate the nodes of the trained network that stay with those of the one pruned first, of the chosen nodes."""
    keep = nodes["keep"].sel(choice=CHOSEN).transpose("network", "node").values
    matrices, same, other = [], [], []
    for network, stays in enumerate(keep):
        pair = sides(full, cut)["prune_first"](nodes.sizes["choice"] - 1, network)
        for one, two in zip(*[_staying(side, stays) for side in pair], strict=True):
            both = varying(one) & varying(two)
            alike = standardised(one[:, both]).T @ standardised(two[:, both])
            apart = ~np.eye(len(alike), dtype=bool)
            same.append(np.diag(alike))
            other.append(alike[apart])
            if not network:
                matrices.append(alike)
    return Likeness(matrices, np.concatenate(same), np.concatenate(other))
