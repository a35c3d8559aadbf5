"""A stored multilayer perceptron evaluated with NumPy: outputs, losses and gate gradients of each example.

For figures of a network from its run's store, where neither JAX nor the code that trained it is at hand.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import special

from analysis import _checks
from analysis._errors import InputError, InputTypeError

__all__ = [
    "ACTIVATIONS",
    "Perceptron",
    "activations",
    "from_dataset",
    "gate_gradients",
    "losses",
    "outputs",
    "probabilities",
]

_Floats = npt.NDArray[np.float64]


def _gelu_inner(x: _Floats) -> _Floats:
    return np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)


def _gelu_slope(x: _Floats) -> _Floats:
    bent = np.tanh(_gelu_inner(x))
    return 0.5 * (1 + bent) + 0.5 * x * (1 - bent**2) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)


#: Every nonlinearity that a stored network may have, with its derivative; gelu is the tanh form, as in JAX.
ACTIVATIONS: dict[str, tuple[Callable[[_Floats], _Floats], Callable[[_Floats], _Floats]]] = {
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float)),
    "sigmoid": (special.expit, lambda x: special.expit(x) * special.expit(-x)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "gelu": (lambda x: 0.5 * x * (1 + np.tanh(_gelu_inner(x))), _gelu_slope),
    "silu": (lambda x: x * special.expit(x), lambda x: special.expit(x) * (1 + x * special.expit(-x))),
    "softplus": (lambda x: np.logaddexp(x, 0), special.expit),
    "identity": (lambda x: x, np.ones_like),
}


class Perceptron(NamedTuple):
    """Dense layers with a nonlinearity after each; every hidden node has a gate.

    It is what a run's store holds of a network whose layers follow one another; networks of other shapes cannot be
    evaluated without the library that made them.

    Attributes
    ----------
    kernels : tuple of numpy.ndarray of float64, (inputs, outputs)
        Weights of each layer.
    biases : tuple of numpy.ndarray of float64, (outputs,)
        Biases of each layer.
    activation, output_activation : str
        Nonlinearities of the hidden layers and of the last one, keys of `ACTIVATIONS`: "relu", "sigmoid", "tanh",
        "gelu" (the tanh form, as in JAX), "silu", "softplus" or "identity".

    See Also
    --------
    from_dataset : Reads one from a run's store.

    Examples
    --------
    >>> from analysis import perceptron
    >>> kernels = np.ones((2, 3)), np.ones((3, 2))
    >>> network = perceptron.Perceptron(kernels, (np.zeros(3), np.zeros(2)), "relu", "identity")
    >>> network.nodes, network.labels[0]
    (3, 'layers/0 unit 0')
    """

    kernels: tuple[_Floats, ...]
    biases: tuple[_Floats, ...]
    activation: str
    output_activation: str

    @property
    def nodes(self) -> int:
        """Number of hidden nodes, which is that of gates."""
        return sum(len(kernel) for kernel in self.kernels[1:])

    @property
    def labels(self) -> list[str]:
        """Names of the hidden nodes, as a sweep with a gate on each has them."""
        return [
            f"layers/{layer} unit {unit}"
            for layer, kernel in enumerate(self.kernels[1:])
            for unit in range(len(kernel))
        ]


def from_dataset(data: xr.Dataset) -> Perceptron:
    """Read a network from a run's group ``network``.

    Parameters
    ----------
    data : xarray.Dataset
        Kernels ``layers.0.kernel`` (inputs, outputs), ``layers.0.bias``, ...; attributes `sizes`, `activation`,
        `output_activation`.

    Returns
    -------
    Perceptron
        In float64; a layer without a bias has one of zeros.

    Raises
    ------
    TypeError
        If `data` is no Dataset.
    ValueError
        If a kernel is missing or a nonlinearity unknown.

    See Also
    --------
    analysis.runs.Run.group : Reads the group.
    outputs : Evaluates the network.

    Examples
    --------
    >>> from analysis import perceptron
    >>> kernels = {"layers.0.kernel": (("input", "hidden"), np.ones((2, 3)))}
    >>> kernels |= {"layers.1.kernel": (("hidden", "output"), np.ones((3, 1)))}
    >>> settings = {"sizes": [2, 3, 1], "activation": "relu", "output_activation": "identity"}
    >>> perceptron.from_dataset(xr.Dataset(kernels, attrs=settings)).nodes
    3
    """
    layers = len(np.atleast_1d(data.attrs.get("sizes", [0]))) - 1 if isinstance(data, xr.Dataset) else 0
    _checks.dataset_with("data", data, [f"layers.{index}.kernel" for index in range(max(layers, 1))], ())
    kernels = [data[f"layers.{index}.kernel"].values.astype(np.float64) for index in range(layers)]
    biases = [
        data[f"layers.{index}.bias"].values.astype(np.float64)
        if f"layers.{index}.bias" in data
        else np.zeros(kernel.shape[1])
        for index, kernel in enumerate(kernels)
    ]
    names = [str(data.attrs.get(name)) for name in ("activation", "output_activation")]
    for name in names:
        if name not in ACTIVATIONS:
            raise InputError(f"data must have a nonlinearity among {', '.join(ACTIVATIONS)}, got {name}")
    return Perceptron(tuple(kernels), tuple(biases), *names)


def _gates_of(network: Perceptron, gates: Any) -> list[_Floats]:
    """Cut a gate vector by layers."""
    vector = np.ones(network.nodes) if gates is None else _checks.gates("gates", gates, network.nodes)
    return np.split(vector, np.cumsum([len(kernel) for kernel in network.kernels[1:]])[:-1])


def _forward(network: Perceptron, inputs: Any, gates: Any) -> tuple[list[_Floats], list[_Floats]]:
    """Return what enters every nonlinearity, and the ungated activations of every hidden layer."""
    _checks.instance("network", network, Perceptron, see="perceptron.from_dataset")
    values = _checks.real_numbers("inputs", inputs)
    if values.ndim != 2 or values.shape[1] != len(network.kernels[0]):
        raise InputError(f"inputs must have shape (examples, {len(network.kernels[0])}), got {values.shape}")
    hidden, _ = ACTIVATIONS[network.activation]
    sums, activations = [], []
    for index, (kernel, bias) in enumerate(zip(network.kernels, network.biases, strict=True)):
        sums.append(values @ kernel + bias)
        if index < len(network.kernels) - 1:
            activations.append(hidden(sums[-1]))
            values = activations[-1] * _gates_of(network, gates)[index]
    return sums, activations


def outputs(network: Perceptron, inputs: Any, *, gates: Any = None) -> _Floats:
    """Evaluate a network.

    Parameters
    ----------
    network : Perceptron
        Dense layers.
    inputs : array_like, (examples, features)
        In the unit of the training data.
    gates : array_like, (nodes,), optional
        1 on, 0 off, between a partial gain, layer after layer; all on when left out.

    Returns
    -------
    numpy.ndarray of float64, (examples, outputs)
        Behind the output nonlinearity: for a classifier, logits.

    Raises
    ------
    TypeError
        If `network` is no Perceptron, or inputs or gates are not real numbers.
    ValueError
        If inputs or gates have another shape.

    See Also
    --------
    probabilities : Their softmax.
    activations : The hidden layers.

    Examples
    --------
    >>> from analysis import perceptron
    >>> kernels = np.ones((2, 3)), np.ones((3, 1))
    >>> network = perceptron.Perceptron(kernels, (np.zeros(3), np.zeros(1)), "relu", "identity")
    >>> perceptron.outputs(network, [[1.0, 2.0]]).tolist()
    [[9.0]]
    >>> perceptron.outputs(network, [[1.0, 2.0]], gates=[1, 0.5, 0]).tolist()
    [[4.5]]
    """
    sums, _ = _forward(network, inputs, gates)
    return ACTIVATIONS[network.output_activation][0](sums[-1])


def activations(network: Perceptron, inputs: Any) -> list[_Floats]:
    """Evaluate the hidden layers with every node on.

    Parameters
    ----------
    network : Perceptron
        Dense layers.
    inputs : array_like, (examples, features)
        In the unit of the training data.

    Returns
    -------
    list of numpy.ndarray of float64, (examples, nodes)
        Of each hidden layer the values behind the nonlinearity, which gates multiply.

    Raises
    ------
    TypeError
        If `network` is no Perceptron or the inputs are not real numbers.
    ValueError
        If the inputs have another shape.

    See Also
    --------
    outputs : The last layer.

    Examples
    --------
    >>> from analysis import perceptron
    >>> kernels = np.array([[1.0, -1.0]]), np.ones((2, 1))
    >>> network = perceptron.Perceptron(kernels, (np.zeros(2), np.zeros(1)), "relu", "identity")
    >>> perceptron.activations(network, [[2.0]])[0].tolist()
    [[2.0, 0.0]]
    """
    return _forward(network, inputs, None)[1]


def _class_logits(network: Perceptron, inputs: Any, gates: Any) -> _Floats:
    """Return a logit for each class; a single output is that of class 1, beside 0 for class 0."""
    logits = outputs(network, inputs, gates=gates)
    return np.concatenate([np.zeros_like(logits), logits], axis=1) if logits.shape[1] == 1 else logits


def probabilities(network: Perceptron, inputs: Any, *, gates: Any = None) -> _Floats:
    """Evaluate the probability of each class: the softmax of the outputs.

    A single output is that of class 1 against 0: its sigmoid and the complement are given.

    Parameters
    ----------
    network : Perceptron
        Dense layers.
    inputs : array_like, (examples, features)
        In the unit of the training data.
    gates : array_like, (nodes,), optional
        1 on, 0 off, between a partial gain, layer after layer; all on when left out.

    Returns
    -------
    numpy.ndarray of float64, (examples, classes)
        From 0 to 1; those of an example sum to 1.

    Raises
    ------
    TypeError
        If `network` is no Perceptron, or inputs or gates are not real numbers.
    ValueError
        If inputs or gates have another shape.

    See Also
    --------
    outputs : Their logits.
    losses : Their cross-entropy.

    Examples
    --------
    >>> from analysis import perceptron
    >>> kernels = np.ones((1, 2)), np.ones((2, 1))
    >>> network = perceptron.Perceptron(kernels, (np.zeros(2), np.zeros(1)), "relu", "identity")
    >>> perceptron.probabilities(network, [[0.0], [1.0]]).round(3).tolist()
    [[0.5, 0.5], [0.119, 0.881]]
    """
    return special.softmax(_class_logits(network, inputs, gates), axis=1)


def _classes(targets: Any, examples: int, classes: int) -> npt.NDArray[np.intp]:
    labels = np.asarray(targets)
    if labels.dtype.kind not in "iu":
        raise InputTypeError(f"targets must be whole numbers, got dtype {labels.dtype}")
    if labels.shape != (examples,):
        raise InputError(f"targets must have shape ({examples},), one class an example, got {labels.shape}")
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise InputError(f"targets must be classes from 0 to {classes - 1}, got {wrong[0]} among them")
    return labels.astype(np.intp)


def losses(network: Perceptron, inputs: Any, targets: Any, *, gates: Any = None) -> _Floats:
    r"""Compute the cross-entropy of each example, minus the logarithm of the probability of its class.

    Parameters
    ----------
    network : Perceptron
        Dense layers that end in a logit for each class, or in one for two classes.
    inputs : array_like, (examples, features)
        In the unit of the training data.
    targets : array_like of int, (examples,)
        Class of each example, from 0 on.
    gates : array_like, (nodes,), optional
        1 on, 0 off, between a partial gain, layer after layer; all on when left out.

    Returns
    -------
    numpy.ndarray of float64, (examples,)
        In nats.

    Raises
    ------
    TypeError
        If `network` is no Perceptron, inputs or gates are not real numbers, or the targets no whole numbers.
    ValueError
        If inputs, targets or gates have another shape, or there is no such class.

    See Also
    --------
    gate_gradients : Their derivatives.

    Examples
    --------
    >>> from analysis import perceptron
    >>> kernels = np.ones((1, 2)), np.ones((2, 1))
    >>> network = perceptron.Perceptron(kernels, (np.zeros(2), np.zeros(1)), "relu", "identity")
    >>> perceptron.losses(network, [[0.0], [1.0]], [1, 1]).round(3).tolist()
    [0.693, 0.127]
    """
    logits = _class_logits(network, inputs, gates)
    chosen = np.take_along_axis(logits, _classes(targets, *logits.shape)[:, np.newaxis], axis=1)[:, 0]
    return special.logsumexp(logits, axis=1) - chosen


def gate_gradients(network: Perceptron, inputs: Any, targets: Any, *, gates: Any = None) -> _Floats:
    r"""Compute the derivative of each example's cross-entropy with respect to every gate.

    Parameters
    ----------
    network : Perceptron
        Dense layers that end in a logit for each class, or in one for two classes.
    inputs : array_like, (examples, features)
        In the unit of the training data.
    targets : array_like of int, (examples,)
        Class of each example, from 0 on.
    gates : array_like, (nodes,), optional
        Where the derivative is taken: 1 on, 0 off, between a partial gain, layer after layer; all on when left out.

    Returns
    -------
    numpy.ndarray of float64, (examples, nodes)
        In nats; below 0 where more of a node lowers the loss of the example.

    Raises
    ------
    TypeError
        If `network` is no Perceptron, inputs or gates are not real numbers, or the targets no whole numbers.
    ValueError
        If inputs, targets or gates have another shape, or there is no such class.

    See Also
    --------
    losses : What is differentiated.
    analysis.plane.maps : Both at every point of a plane.

    Notes
    -----
    Backwards through the layers: with the derivative d by what enters a layer's nonlinearity, and the kernel W that
    follows a gated activation a, ``dL/dg = a * (d W^T)``. It tells what a small change of the gate does; switching the
    node off may do something else.

    Examples
    --------
    >>> from analysis import perceptron
    >>> kernels = np.ones((1, 2)), np.ones((2, 1))
    >>> network = perceptron.Perceptron(kernels, (np.zeros(2), np.zeros(1)), "relu", "identity")
    >>> perceptron.gate_gradients(network, [[1.0], [2.0]], [1, 0]).round(3).tolist()
    [[-0.119, -0.119], [1.964, 1.964]]
    """
    sums, activations = _forward(network, inputs, gates)
    chance = probabilities(network, inputs, gates=gates)
    right = _classes(targets, *chance.shape)[:, np.newaxis] == np.arange(chance.shape[1])
    back = chance - right
    back = back[:, 1:] if network.kernels[-1].shape[1] == 1 else back
    back = back * ACTIVATIONS[network.output_activation][1](sums[-1])
    slope = ACTIVATIONS[network.activation][1]
    cut = _gates_of(network, gates)
    found = []
    for index in range(len(activations) - 1, -1, -1):
        upstream = back @ network.kernels[index + 1].T
        found.append(activations[index] * upstream)
        back = upstream * cut[index] * slope(sums[index])
    return np.concatenate(found[::-1], axis=1)
