"""The oracle: gated multilayer perceptrons in plain NumPy and double precision, slow, with its own backward pass.

It shares no code with the packages, and handles one gate vector at a time.
"""

from typing import NamedTuple

import numpy as np


class Problem(NamedTuple):
    """A network, a batch and a loss.

    Attributes
    ----------
    layers : (kernel (inputs, outputs), bias (outputs,)) of each dense layer
    activation : nonlinearity of the hidden layers: relu, sigmoid, tanh or identity
    inputs : shape (examples, features)
    targets : class numbers or values, shape (examples,) or (examples, outputs)
    loss : cross_entropy, binary_cross_entropy or squared_error
    """

    layers: tuple
    activation: str
    inputs: np.ndarray
    targets: np.ndarray
    loss: str

    @property
    def sizes(self):
        """Numbers of inputs, of nodes of every hidden layer, and of outputs."""
        return (self.layers[0][0].shape[0], *(kernel.shape[1] for kernel, _ in self.layers))

    @property
    def nodes(self):
        """Number of hidden nodes, which is the length of a gate vector."""
        return sum(self.sizes[1:-1])


class Value(NamedTuple):
    """Loss, log loss and their gate gradients: one gate vector's, or stacked."""

    loss: np.ndarray
    log_loss: np.ndarray
    loss_gradient: np.ndarray
    log_loss_gradient: np.ndarray


ACTIVATIONS = {
    "relu": lambda z: np.where(z > 0, z, 0.0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "identity": lambda z: z,
}
SLOPES = {
    "relu": lambda z: np.where(z > 0, 1.0, 0.0),
    "sigmoid": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "identity": np.ones_like,
}


def masks(nodes):
    """Return all 2^nodes masks; mask m has node i on when bit i of m is 1."""
    return np.array([[mask // 2**node % 2 for node in range(nodes)] for mask in range(2**nodes)])


def split(problem, gates):
    """Cut a gate vector into one piece a hidden layer."""
    return np.split(np.asarray(gates, float), np.cumsum(problem.sizes[1:-1])[:-1])


def forward(problem, gates):
    """Return the outputs, and the inputs, pre-activations and activations of each hidden layer."""
    values, trace = np.asarray(problem.inputs, float), []
    for (kernel, bias), gate in zip(problem.layers[:-1], split(problem, gates), strict=True):
        before = values @ kernel + bias
        after = ACTIVATIONS[problem.activation](before)
        trace.append((values, before, after))
        values = after * gate
    kernel, bias = problem.layers[-1]
    return values @ kernel + bias, trace, values


def outputs(problem, gates):
    """Return the network's outputs, shape (examples, outputs)."""
    return forward(problem, gates)[0]


def per_example(name, z, targets):
    """Return the loss of each example and its derivative by the outputs."""
    examples = np.arange(len(z))
    if name == "squared_error":
        goal = np.asarray(targets)
        if goal.dtype.kind in "iu" and z.shape[1] > 1:
            goal = np.eye(z.shape[1])[goal]
        difference = z - goal.reshape(z.shape)
        return (difference**2).sum(axis=1), 2 * difference
    if name == "binary_cross_entropy":
        # Two classes of which the first has output 0.
        loss, slope = per_example("cross_entropy", np.hstack([np.zeros_like(z), z]), targets)
        return loss, slope[:, 1:]
    margins = z - z[examples, targets][:, None]
    loss = np.logaddexp.reduce(margins, axis=1)
    slope = np.exp(margins - loss[:, None])
    slope[examples, targets] -= 1
    return loss, slope


def loss(problem, gates):
    """Return the mean loss of one gate vector."""
    return per_example(problem.loss, outputs(problem, gates), problem.targets)[0].mean()


def backward(problem, gates):
    """Return the loss, its gate gradient, and its gradient by (kernel, bias) of each layer."""
    z, trace, last = forward(problem, gates)
    each, error = per_example(problem.loss, z, problem.targets)
    error = error / len(z)
    of_layers, of_gates = [(last.T @ error, error.sum(axis=0))], []
    error = error @ problem.layers[-1][0].T
    pieces = split(problem, gates)
    for layer in reversed(range(len(trace))):
        values, before, after = trace[layer]
        of_gates.insert(0, (error * after).sum(axis=0))
        error = error * pieces[layer] * SLOPES[problem.activation](before)
        of_layers.insert(0, (values.T @ error, error.sum(axis=0)))
        error = error @ problem.layers[layer][0].T
    return each.mean(), np.concatenate(of_gates), of_layers


def evaluate(problem, gates):
    """Return the Value of gate vectors, shape (..., nodes), one after the other."""
    gates = np.asarray(gates)
    results = [backward(problem, vector)[:2] for vector in gates.reshape(-1, gates.shape[-1])]
    mean = np.array([result[0] for result in results]).reshape(gates.shape[:-1])
    slope = np.array([result[1] for result in results]).reshape(gates.shape)
    return Value(mean, np.log(mean), slope, slope / mean[..., None])


def magnitude(problem, gates):
    """Return a bound on every sum of absolute terms in a forward pass, for gates up to the given absolute sizes.

    All numbers are replaced by their absolute values; gates below one count as one, so that the result bounds
    the derivatives by the gates too. Valid for activations with |f(z)| <= |z| and for sigmoid.
    """
    gates = np.maximum(np.abs(np.asarray(gates, float)).reshape(-1, problem.nodes).max(axis=0), 1)
    values = np.abs(problem.inputs)
    largest = 0.0
    for (kernel, bias), gate in zip(problem.layers, [*split(problem, gates), np.ones(problem.sizes[-1])], strict=True):
        values = values @ np.abs(kernel) + np.abs(bias)
        if problem.activation == "sigmoid" and len(values.T) != problem.sizes[-1]:
            values = np.maximum(values, 1.0)
        values = values * gate
        largest = max(largest, values.max())
    return largest
