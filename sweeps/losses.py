"""Losses: what an objective averages over the examples, in stable forms."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from sweeps.logarithms import log1p_of_share


class Loss(NamedTuple):
    """A loss of each example.

    Attributes
    ----------
    name : its name
    unit : unit of its values
    per_example : (outputs (examples, outputs), targets (examples,) or (examples, outputs)) -> (examples,)
    """

    name: str
    unit: str
    per_example: Callable[[jax.Array, jax.Array], jax.Array]


def cross_entropy(
    outputs: Float[Array, "examples classes"], targets: Shaped[Array, " examples"]
) -> Float[Array, " examples"]:
    """-log softmax(outputs)[target], in nats: log(sum_c exp(z_c)) - z_target."""
    chosen = jnp.take_along_axis(outputs, targets[:, None], axis=1)[:, 0]
    return jax.nn.logsumexp(outputs, axis=1) - chosen


def binary_cross_entropy(
    outputs: Float[Array, "examples 1"], targets: Shaped[Array, " examples"]
) -> Float[Array, " examples"]:
    """-log sigmoid(+-output), in nats, + for target 1 and - for target 0: softplus of the wrong-way margin."""
    margin = outputs[:, 0]
    return softplus(jnp.where(targets.astype(bool), -margin, margin))


def softplus(margin: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """log(1 + exp(margin)) = max(margin, 0) + log(1 + exp(-|margin|)): half the cost of jax.nn.softplus on CPU.

    Written with a choice and not with max and abs, whose derivatives at zero would not add up to 1/2.
    """
    positive = margin >= 0
    return jnp.where(positive, margin, 0) + log1p_of_share(jnp.exp(jnp.where(positive, -margin, margin)))


def squared_error(
    outputs: Float[Array, "examples outputs"], targets: Shaped[Array, "examples ..."]
) -> Float[Array, " examples"]:
    """Sum over the outputs of (output - target)^2; class numbers count as one-hot vectors."""
    return jnp.square(outputs - target_values(targets, outputs)).sum(axis=1)


def target_values(
    targets: Shaped[Array, "examples ..."], outputs: Float[Array, "examples outputs"]
) -> Float[Array, "examples outputs"]:
    """Targets in the shape of the outputs: one-hot for class numbers, a column for plain values."""
    if jnp.issubdtype(targets.dtype, jnp.integer) and outputs.shape[1] > 1:
        return jax.nn.one_hot(targets, outputs.shape[1], dtype=outputs.dtype)
    return targets.reshape(outputs.shape).astype(outputs.dtype)


LOSSES = {
    "cross_entropy": Loss("cross_entropy", "nats", cross_entropy),
    "binary_cross_entropy": Loss("binary_cross_entropy", "nats", binary_cross_entropy),
    "squared_error": Loss("squared_error", "squared units", squared_error),
}


def find(name: str | None, outputs: int, targets: np.ndarray) -> Loss:
    """Find the named loss after checking that it fits a network's outputs and the targets.

    Parameters
    ----------
    name : a key of ``LOSSES``, or None: cross-entropy for integer targets, squared error for floats
    outputs : number of outputs of the network
    targets : array of shape (examples,) or (examples, outputs)

    Raises
    ------
    ValueError
        If the name is unknown, or the targets do not fit the outputs.
    """
    whole = np.issubdtype(targets.dtype, np.integer) or targets.dtype == bool
    if name is None:
        name = "cross_entropy" if whole else "squared_error"
    if name not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {name!r}")
    if name == "squared_error" and not (whole and outputs > 1):
        _check(
            targets.size == len(targets) * outputs,
            f"a target shape of (examples, {outputs}) for a network with {outputs} outputs",
            f"shape {targets.shape}",
        )
        return LOSSES[name]
    _check(whole and targets.ndim == 1, "class numbers: integers of shape (examples,)", _describe(targets))
    classes = 2 if name == "binary_cross_entropy" else outputs
    if name == "cross_entropy":
        _check(outputs > 1, "a network with two outputs or more for cross_entropy", f"{outputs} output")
    if name == "binary_cross_entropy":
        _check(outputs == 1, "a network with one output for binary_cross_entropy", f"{outputs} outputs")
    _check(
        targets.min() >= 0 and targets.max() < classes,
        f"labels from 0 to {classes - 1} for a network with {outputs} outputs",
        f"labels from {targets.min()} to {targets.max()}",
    )
    return LOSSES[name]


def _check(good: bool, expected: str, came: str) -> None:
    if not good:
        raise ValueError(f"targets do not fit the network: expected {expected}, got {came}")


def _describe(targets: np.ndarray) -> str:
    return f"{targets.dtype} of shape {targets.shape}"
