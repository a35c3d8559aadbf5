"""The networks of the benchmarks, with a slow exact evaluation for checks."""

from typing import NamedTuple

import numpy as np

import sweeps
from benchmarks.timing import Answer

# Largest relative error of a float32 answer: a loss relative to itself, a gradient to the largest gradient.
TOLERANCE = 2e-5


class Problem(NamedTuple):
    """A network with its examples, as an objective and as plain arrays for the alternatives.

    Attributes
    ----------
    objective : sweeps.Objective
    kernels, biases : of each layer, float32, shapes (inputs, outputs) and (outputs,)
    inputs : shape (examples, features), float32
    targets : class of each example, shape (examples,), int32
    """

    objective: sweeps.Objective
    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    inputs: np.ndarray
    targets: np.ndarray

    @property
    def nodes(self) -> int:
        """Number of gates."""
        return len(self.objective.nodes)

    @property
    def hidden(self) -> np.ndarray:
        """Activations of the first hidden layer before the gates, shape (examples, nodes of the layer)."""
        return np.maximum(self.inputs @ self.kernels[0] + self.biases[0], 0)


def circle(
    sizes: tuple[int, ...] = (2, 20, 2), examples: int = 1000, trained: bool = True, plan: str = "auto"
) -> Problem:
    """Make a ReLU network for the circle task.

    Parameters
    ----------
    sizes : nodes of each layer
    examples : test examples, over which losses are averaged
    trained : whether to train it first; times do not depend on it, but masses of large margins would
    plan : which plan the objective uses
    """
    task = sweeps.tasks.circle(test_examples=examples)
    network = sweeps.MLP(sizes, activation="relu", seed=0)
    if trained:
        sweeps.train(network, task, epochs=20, seed=0)
    return Problem(
        sweeps.Objective(network, task.test, plan=plan),
        tuple(np.asarray(layer.kernel[...]) for layer in network.layers),
        tuple(np.asarray(layer.bias[...]) for layer in network.layers),
        task.test.inputs,
        task.test.targets,
    )


def random_masks(problem: Problem, masks: int) -> np.ndarray:
    """Return masks in which every node is on with probability 1/2, shape (masks, nodes), float32."""
    return np.random.default_rng(1).integers(2, size=(masks, problem.nodes)).astype(np.float32)


def exact(problem: Problem, gates: np.ndarray) -> tuple[float, np.ndarray]:
    """Return loss and gate gradient of a gate vector in float64, layer by layer.

    Parameters
    ----------
    gates : shape (nodes,)

    Returns
    -------
    mean cross-entropy, and its derivative by each gate, shape (nodes,)
    """
    cuts = np.cumsum([len(kernel) for kernel in problem.kernels[1:]])[:-1]
    parts = np.split(np.asarray(gates, np.float64), cuts)
    kernels, biases = ([np.asarray(one, np.float64) for one in many] for many in (problem.kernels, problem.biases))
    values = [np.maximum(problem.inputs.astype(np.float64) @ kernels[0] + biases[0], 0)]
    for gate, kernel, bias in zip(parts[:-1], kernels[1:-1], biases[1:-1], strict=True):
        values.append(np.maximum((values[-1] * gate) @ kernel + bias, 0))
    logits = (values[-1] * parts[-1]) @ kernels[-1] + biases[-1]
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    rows = np.arange(len(logits))
    loss = (np.log(powers.sum(axis=1)) - logits[rows, problem.targets]).mean()
    back = powers / powers.sum(axis=1, keepdims=True)
    back[rows, problem.targets] -= 1
    back /= len(logits)
    gradient = []
    for gate, kernel, value in zip(parts[::-1], kernels[:0:-1], values[::-1], strict=True):
        back = back @ kernel.T
        gradient.insert(0, (back * value).sum(axis=0))
        back = back * gate * (value > 0)
    return float(loss), np.concatenate(gradient)


def checked(problem: Problem, answer: Answer) -> float:
    """Return the largest relative error of an answer against float64.

    Raises
    ------
    ArithmeticError
        If it is larger than ``TOLERANCE``: a time for another answer means nothing.
    """
    pairs = [exact(problem, gates) for gates in np.asarray(answer.gates)]
    losses = np.asarray([loss for loss, _ in pairs])
    error = np.max(np.abs(np.asarray(answer.loss) - losses) / losses)
    if answer.gradient is not None:
        gradients = np.stack([gradient for _, gradient in pairs])
        largest = np.abs(gradients).max(axis=1, keepdims=True)
        error = max(error, np.max(np.abs(np.asarray(answer.gradient) - gradients) / np.where(largest > 0, largest, 1)))
    if not error <= TOLERANCE:
        raise ArithmeticError(f"answer differs from float64 by {error:.1e}, more than {TOLERANCE:.0e}")
    return float(error)
