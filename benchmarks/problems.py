"""The networks of the benchmarks, with a slow exact evaluation for checks.

MNIST is read from the folder that the environment variable MNIST names; without it, random images of the same sizes
take its place, which changes no time.
"""

import os
from typing import NamedTuple

import numpy as np

import sweeps
from benchmarks.timing import Answer
from sweeps._batches import Batch, Task

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

    @property
    def margins(self) -> tuple[np.ndarray, np.ndarray]:
        """Margin of the wrong class over the right class, for two classes and one hidden layer.

        The loss of an example is log(1 + e^margin).

        Returns
        -------
        margins with all gates off, shape (examples,), and their slopes, shape (examples, nodes)
        """
        sign = np.where(self.targets == 1, -1, 1).astype(np.float32)
        kernel = self.kernels[-1][:, 1] - self.kernels[-1][:, 0]
        offsets = sign * (self.biases[-1][1] - self.biases[-1][0])
        return offsets, self.hidden * kernel * sign[:, None]


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
    return _problem(network, task.test, plan)


def digits(sizes: tuple[int, ...], examples: int, plan: str = "auto") -> Problem:
    """Make an untrained ReLU network for images of digits.

    Parameters
    ----------
    sizes : nodes of each layer, 784 inputs and 10 outputs
    examples : over which losses are averaged
    plan : which plan the objective uses
    """
    task, _ = images()
    batch = Batch(task.test.inputs[:examples], task.test.targets[:examples])
    return _problem(sweeps.MLP(sizes, activation="relu", seed=0), batch, plan)


def _problem(network: sweeps.MLP, batch: Batch, plan: str) -> Problem:
    kernels, biases = (
        tuple(np.asarray(getattr(layer, kind)[...]) for layer in network.layers) for kind in ("kernel", "bias")
    )
    return Problem(sweeps.Objective(network, batch, plan=plan), kernels, biases, batch.inputs, batch.targets)


def images() -> tuple[Task, str]:
    """Return MNIST from the folder that the environment names, or else random images of its sizes."""
    folder = os.environ.get("MNIST")
    if folder:
        return sweeps.tasks.mnist(folder=folder), "MNIST"
    random = np.random.default_rng(0)
    pixels = random.random((10_000, 784), np.float32) * (random.random((10_000, 784)) < 0.2)
    batch = Batch(pixels.astype(np.float32), random.integers(10, size=10_000).astype(np.int32))
    return Task("synthetic", batch, batch, 10, {}), "synthetic, as the environment variable MNIST names no folder"


def random_masks(problem: Problem, masks: int) -> np.ndarray:
    """Return masks in which every node is on with probability 1/2, shape (masks, nodes), bool."""
    return np.random.default_rng(1).integers(2, size=(masks, problem.nodes), dtype=bool)


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


def errors(problem: Problem, answer: Answer) -> tuple[float, float]:
    """Return the largest relative errors of losses and gradients against float64; NaN without gradients."""
    pairs = [exact(problem, gates) for gates in np.asarray(answer.gates)]
    losses = np.asarray([loss for loss, _ in pairs])
    of_loss = float(np.max(np.abs(np.asarray(answer.loss) - losses) / losses))
    if answer.gradient is None:
        return of_loss, np.nan
    gradients = np.stack([gradient for _, gradient in pairs])
    largest = np.abs(gradients).max(axis=1, keepdims=True)
    off = np.abs(np.asarray(answer.gradient) - gradients) / np.where(largest > 0, largest, 1)
    return of_loss, float(np.max(off))


def checked(problem: Problem, answer: Answer) -> float:
    """Return the largest relative error of an answer against float64.

    Raises
    ------
    ArithmeticError
        If it is larger than ``TOLERANCE``: a time for another answer means nothing.
    """
    of_loss, of_gradient = errors(problem, answer)
    # The larger of the two, and NaN if one is NaN.
    error = float(of_loss if answer.gradient is None else np.maximum(of_loss, of_gradient))
    if not error <= TOLERANCE:
        raise ArithmeticError(f"answer differs from float64 by {error:.1e}, more than {TOLERANCE:.0e}")
    return error
