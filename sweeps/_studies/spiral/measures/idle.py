"""What trained networks know, and their nodes that are constant on the training data: what these do, and could do."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis.perceptron import Perceptron, activations, outputs, probabilities
from sweeps._studies.spiral.measures.networks import Floats, Networks, by_layer

#: A network is confident of a point from so much probability; a change of weights is small up to this share of each.
CONFIDENT, SMALL = 0.9, 0.01


def idle(full: Networks, targets: npt.NDArray[np.integer]) -> xr.Dataset:
    """Describe every trained network on the training data.

    Parameters
    ----------
    full : Networks
    targets : numpy.ndarray of int, (examples,)

    Returns
    -------
    xarray.Dataset, (network,)
        `confident`: share of the examples whose right class has a probability above `CONFIDENT`. `constant`: share of
        the hidden nodes that are constant. `not_zero`: share of these whose value is not zero. `removed`: largest
        change of an output when all of these are removed, with compensation, as a share of the largest output. `stays`:
        share of these that stay constant whatever happens to their weights and bias, up to `SMALL` of each. The last
        three are NaN where no node is constant.
    """
    rows = [_of(full.network("trained", number), full.inputs, targets) for number in range(full.count)]
    names = ("confident", "constant", "not_zero", "removed", "stays")
    return xr.Dataset({name: ("network", column) for name, column in zip(names, np.transpose(rows), strict=True)})


def _of(network: Perceptron, inputs: Floats, targets: npt.NDArray[np.integer]) -> list[float]:
    hidden = activations(network, inputs)
    chance = probabilities(network, inputs)[np.arange(len(targets)), targets]
    constant = np.concatenate([np.ptp(one, axis=0) == 0 for one in hidden])
    found = [float((chance > CONFIDENT).mean()), float(constant.mean())]
    if not constant.any():
        return [*found, *[float("nan")] * 3]
    value = np.concatenate([one[0] for one in hidden])
    before = outputs(network, inputs)
    apart = np.abs(outputs(without(network, ~constant, hidden), inputs) - before).max()
    stays = np.concatenate(_silent(network, inputs, hidden))
    return [
        *found,
        float((value[constant] != 0).mean()),
        float(apart / np.abs(before).max()),
        float(stays[constant].mean()),
    ]


def without(network: Perceptron, keep: npt.NDArray[np.bool_], hidden: list[Floats]) -> Perceptron:
    r"""Remove nodes with compensation: :math:`b_j + \sum_{i \notin I} \bar x_i w_{ij}` takes the place of b_j.

    Parameters
    ----------
    network : Perceptron
    keep : numpy.ndarray of bool, (nodes,)
        Nodes that stay, layer after layer; the set I.
    hidden : list of numpy.ndarray, (examples, nodes)
        The network's activations on the training data; their means are :math:`\bar x_i`.

    Returns
    -------
    Perceptron
        Of the same size; what leads from a removed node is zero.
    """
    kernels, biases = list(network.kernels), list(network.biases)
    for layer, (stays, one) in enumerate(zip(by_layer(keep, hidden), hidden, strict=True), start=1):
        biases[layer] = biases[layer] + np.where(stays, 0, one.mean(axis=0)) @ kernels[layer]
        kernels[layer] = kernels[layer] * stays[:, None]
    return network._replace(kernels=tuple(kernels), biases=tuple(biases))


def _silent(network: Perceptron, inputs: Floats, hidden: list[Floats]) -> list[npt.NDArray[np.bool_]]:
    """Tell which nodes are off on all data, whatever happens to their weights and bias up to `SMALL` of each.

    The most that such changes add to what enters a node is `SMALL` times the sum of the sizes of all summands.
    """
    found = []
    for layer, values in enumerate([inputs, *hidden[:-1]]):
        kernel, bias = network.kernels[layer], network.biases[layer]
        most = np.abs(values) @ np.abs(kernel) + np.abs(bias)
        found.append((values @ kernel + bias + SMALL * most < 0).all(axis=0))
    return found
