"""The alternative in Keras: a Python loop over masks, as in the published circle study."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks import in_torch
from benchmarks.compiled import Unavailable
from benchmarks.problems import Problem
from benchmarks.timing import Answer, Contender


def loop(problem: Problem, gates: np.ndarray, some: int) -> Contender:
    """Return the loop over masks.

    A functional model takes the inputs and, for each example, the gates ``on_nodes``: one mask is a batch of equal
    rows. The gradient by ``on_nodes`` is taken eagerly and summed over the rows.

    Raises
    ------
    Unavailable
        If Keras is not installed, or neither TensorFlow nor PyTorch behind it.
    """
    keras = _keras()
    gradient_of = {"tensorflow": _with_tensorflow, "torch": _with_torch}.get(keras.backend.backend())
    if gradient_of is None:
        raise Unavailable(f"Keras runs on {keras.backend.backend()}; the loop is written for TensorFlow and PyTorch")
    model = _model(keras, problem)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    examples = len(problem.inputs)
    inputs, targets = (keras.ops.convert_to_tensor(part) for part in (problem.inputs, problem.targets))
    evaluate = gradient_of(lambda rows: loss(targets, model([inputs, rows])))

    def run() -> list[tuple[Any, Any]]:
        return [evaluate(np.tile(mask, (examples, 1))) for mask in gates.astype(np.float32)]

    def answer(results: list[tuple[Any, Any]]) -> Answer:
        return Answer(gates[:some], *map(np.stack, zip(*results[:some], strict=True)))

    return Contender(f"Keras model in a loop ({keras.backend.backend()})", run, len(gates), answer)


def _keras() -> Any:
    if find_spec("keras") is None:
        raise Unavailable("Keras is not installed")
    backend = next((name for name in ("tensorflow", "torch") if find_spec(name)), None)
    if backend is None:
        raise Unavailable("neither TensorFlow nor PyTorch is installed behind Keras")
    os.environ.setdefault("KERAS_BACKEND", backend)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    return keras


def _model(keras: Any, problem: Problem) -> Any:
    inputs = keras.Input((problem.inputs.shape[1],))
    on_nodes = keras.Input((problem.nodes,))
    hidden = keras.layers.Dense(problem.nodes, activation="relu")
    outputs = keras.layers.Dense(problem.kernels[-1].shape[1])
    model = keras.Model([inputs, on_nodes], outputs(keras.layers.Multiply()([hidden(inputs), on_nodes])))
    for layer, kernel, bias in zip((hidden, outputs), problem.kernels, problem.biases, strict=True):
        layer.set_weights([kernel, bias])
    return model


def _with_tensorflow(loss: Callable[[Any], Any]) -> Callable[[np.ndarray], tuple[Any, Any]]:
    import tensorflow as tf

    # Products in float32 on a GPU, as for all others.
    tf.config.experimental.enable_tensor_float_32_execution(False)

    def evaluate(rows: np.ndarray) -> tuple[Any, Any]:
        on_nodes = tf.constant(rows)
        with tf.GradientTape() as tape:
            tape.watch(on_nodes)
            value = loss(on_nodes)
        return value.numpy(), tf.reduce_sum(tape.gradient(value, on_nodes), axis=0).numpy()

    return evaluate


def _with_torch(loss: Callable[[Any], Any]) -> Callable[[np.ndarray], tuple[Any, Any]]:
    import keras

    torch, _ = in_torch.imported()

    def evaluate(rows: np.ndarray) -> tuple[Any, Any]:
        on_nodes = keras.ops.convert_to_tensor(rows).requires_grad_()
        value = loss(on_nodes)
        gradient = torch.autograd.grad(value, on_nodes)[0]
        return value.detach().cpu().numpy(), gradient.sum(dim=0).cpu().numpy()

    return evaluate
