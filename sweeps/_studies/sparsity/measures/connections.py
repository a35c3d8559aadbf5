"""Crucial connections in weak nodes: where the strongest single weights are, and what goes with them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats

from analysis import perceptron
from analysis.perceptron import Perceptron

Floats = npt.NDArray[np.float64]
#: The strongest 1 % of the weights into a layer are crucial; the half of its nodes with the lowest norms is weak.
CRUCIAL, WEAK = 0.01, 0.5
#: Two nodes have equal norms where these differ by so much at most, as a share.
SAME_NORM = 0.05
#: Shares of a layer's nodes that have gone, at which the crucial weights among them are counted.
GONE = np.arange(101) / 100


class Connections(NamedTuple):
    """Crucial connections in weak nodes.

    Attributes
    ----------
    shares : xarray.Dataset
        `magnitude`, `loss` and `implied` (network, gone): share of the crucial weights that go with so many per cent of
        the nodes, mean over the layers; by magnitude, by the change of the loss, and by magnitude if a weight's size
        relative to the norm of its node said nothing of the node.
    layers : xarray.Dataset
        The same in the weak nodes of each layer, (network, layer); `nodes`: share of the weak nodes with one or more.
    harm : xarray.Dataset
        `loss`, `accuracy` (nodes, network) on the test set, all weak nodes with crucial weights off ("with"), or as
        many of equal norm without ("without"); `pairs` (network,): how many.
    check : xarray.Dataset
        `correlation` (network,) of predicted and measured changes of the loss, for the weights that were measured;
        `ranks` (network,): rank correlation of a node's largest weight with its norm, mean over layers.
    """

    shares: xr.Dataset
    layers: xr.Dataset
    harm: xr.Dataset
    check: xr.Dataset


def crucial(networks: xr.Dataset, changes: xr.Dataset, task: xr.Dataset) -> Connections:
    """Find the crucial connections of weak nodes.

    Parameters
    ----------
    networks : xarray.Dataset
        Weights after the longest training, with dimension `network`; see `analysis.perceptron.from_dataset`.
    changes : xarray.Dataset
        `layers.0.change`, ... (network, inputs, outputs), `predicted` and `measured` (network, weight).
    task : xarray.Dataset
        `test_inputs`, `test_targets`.

    Returns
    -------
    Connections
    """
    shares, layers, harm, ranks = [], [], [], []
    for index in range(networks.sizes["network"]):
        network = perceptron.from_dataset(networks.isel(network=index))
        kernels = network.kernels[:-1]
        change = [np.abs(changes[f"layers.{at}.change"].values[index]) for at in range(len(kernels))]
        curves = [_curves(kernel, own) for kernel, own in zip(kernels, change, strict=True)]
        shares.append(np.mean(curves, axis=0))
        weak = [_weak(kernel) for kernel in kernels]
        held = [_with_crucial(kernel) for kernel in kernels]
        place = int(np.argmin(np.abs(GONE - WEAK)))
        layers.append([[*one[:, place], own[low].mean()] for one, low, own in zip(curves, weak, held, strict=True)])
        harm.append(_harm(network, kernels, weak, held, task))
        ranks.append(np.mean([stats.spearmanr(np.abs(one).max(axis=0), _norms(one)).statistic for one in kernels]))
    return Connections(
        _named(shares, ("magnitude", "loss", "implied"), {"gone": 100 * GONE}),
        _named(np.swapaxes(layers, 1, 2), ("magnitude", "loss", "implied", "nodes"), {"layer": np.arange(len(weak))}),
        xr.Dataset(
            {name: (("nodes", "network"), np.array([one[name] for one in harm]).T) for name in ("loss", "accuracy")}
            | {"pairs": ("network", [one["pairs"] for one in harm])},
            {"nodes": ["with", "without"]},
        ),
        xr.Dataset({"correlation": ("network", _correlations(changes)), "ranks": ("network", ranks)}),
    )


def _named(values: Any, names: Sequence[str], along: dict[str, npt.NDArray[Any]]) -> xr.Dataset:
    (dim,) = along
    columns = np.moveaxis(np.asarray(values), 1, 0)
    return xr.Dataset({name: (("network", dim), own) for name, own in zip(names, columns, strict=True)}, along)


def _norms(kernel: Floats) -> Floats:
    return np.linalg.norm(kernel, axis=0)


def _weak(kernel: Floats) -> npt.NDArray[np.intp]:
    """The nodes that go first, by the norm of their incoming weights."""
    return np.argsort(_norms(kernel), kind="stable")[: int(WEAK * kernel.shape[1])]


def _crucial(score: Floats) -> npt.NDArray[np.bool_]:
    """The largest share `CRUCIAL` of all scores, one at least."""
    chosen = np.zeros(score.size, bool)
    chosen[np.argsort(score.ravel(), kind="stable")[-max(1, round(CRUCIAL * score.size)) :]] = True
    return chosen.reshape(score.shape)


def _with_crucial(kernel: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(_crucial(np.abs(kernel)).any(axis=0))


def _curves(kernel: Floats, change: Floats) -> Floats:
    """Shares of the crucial weights that go with the nodes, (3, gone): by magnitude, by loss, as the norms imply."""
    order = np.argsort(_norms(kernel), kind="stable")
    counts = [_crucial(np.abs(kernel)).sum(axis=0), _crucial(change).sum(axis=0), implied(kernel)]
    gone = np.floor(GONE * kernel.shape[1] + 1e-9).astype(int)
    return np.array([np.append(0, np.cumsum(one[order]))[gone] / one.sum() for one in counts])


def implied(kernel: Floats) -> Floats:
    r"""Expected number of crucial weights of each node if relative sizes were dealt out to the nodes at random.

    Parameters
    ----------
    kernel : numpy.ndarray of float64, (inputs, nodes)

    Returns
    -------
    numpy.ndarray of float64, (nodes,)

    Notes
    -----
    With norms :math:`n_j` and all relative sizes :math:`z = |w_{ij}| / n_j` pooled, the share of the weights into node
    j above a bound t is that of the pool above :math:`t / n_j`; t is such that the share `CRUCIAL` of all exceed it.
    """
    norms = _norms(kernel)
    alive = norms > 0
    pool = np.sort((np.abs(kernel[:, alive]) / norms[alive]).ravel())

    def counts(bound: float) -> Floats:
        found = np.zeros(norms.size)
        above = pool.size - np.searchsorted(pool, bound / norms[alive], side="right")
        found[alive] = len(kernel) * above / pool.size
        return found

    low, high, wanted = 0.0, float(np.abs(kernel).max() + norms.max()), max(1, round(CRUCIAL * kernel.size))
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if counts(middle).sum() > wanted else (low, middle)
    return counts((low + high) / 2)


def pairs(norms: Floats, held: npt.NDArray[np.bool_], weak: npt.NDArray[np.intp]) -> list[tuple[int, int]]:
    """Pair each weak node that has crucial weights with the nearest in norm that has none, each at most once."""
    free, found = [node for node in weak if not held[node]], []
    for node in weak:
        near = min(free, key=lambda other: abs(norms[other] - norms[node]), default=None) if held[node] else None
        if near is not None and abs(norms[near] - norms[node]) <= SAME_NORM * norms[node]:
            free.remove(near)
            found.append((int(node), int(near)))
    return found


def _harm(
    network: Perceptron,
    kernels: Sequence[Floats],
    weak: Sequence[npt.NDArray[np.intp]],
    held: Sequence[npt.NDArray[np.bool_]],
    task: xr.Dataset,
) -> dict[str, list[float] | int]:
    """Loss and accuracy with all weak nodes off that have crucial weights, and with their partners off."""
    start = np.cumsum([0, *(kernel.shape[1] for kernel in kernels)])
    found = [
        (first + one, first + other)
        for first, kernel, low, own in zip(start[:-1], kernels, weak, held, strict=True)
        for one, other in pairs(_norms(kernel), own, low)
    ]
    inputs, targets = task["test_inputs"].values, task["test_targets"].values
    losses, right = [], []
    for column in (0, 1):
        gates = np.ones(network.nodes)
        gates[[pair[column] for pair in found]] = 0
        losses.append(float(perceptron.losses(network, inputs, targets, gates=gates).mean()) if found else np.nan)
        answers = perceptron.outputs(network, inputs, gates=gates).argmax(axis=1)
        right.append(float((answers == targets).mean()) if found else np.nan)
    return {"loss": losses, "accuracy": right, "pairs": len(found)}


def _correlations(changes: xr.Dataset) -> list[float]:
    both = zip(changes["predicted"].values, changes["measured"].values, strict=True)
    return [float(np.corrcoef(one, other)[0, 1]) for one, other in both]
