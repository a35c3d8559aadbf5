"""Evaluation: what is computed of gate vectors, batch by batch inside one jitted call."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from sweeps import _compiling, _examples, _losses
from sweeps._plans import Computed, Plan, in_batches, vmapped
from sweeps.gating._attaching import GatedNetwork


class Evaluation(NamedTuple):
    """Losses of gate vectors, and their gate gradients.

    Attributes
    ----------
    loss : array, (...)
        Mean loss, in the loss's unit.
    log_loss : array, (...)
        Natural logarithm of the loss; -inf for a loss of zero, NaN for a negative loss.
    loss_gradient : array, (..., nodes), or None
        The derivative d loss / d gate.
    log_loss_gradient : array, (..., nodes), or None
        The derivative d log loss / d gate = loss_gradient / loss; NaN where the loss is not positive.
    metrics : dict of str to array, (...)
        Further numbers of each gate vector, by name; empty without ``metrics=``.
    """

    loss: Float[Array, "*masks"]
    log_loss: Float[Array, "*masks"]
    loss_gradient: Float[Array, "*masks nodes"] | None
    log_loss_gradient: Float[Array, "*masks nodes"] | None
    metrics: dict[str, Float[Array, "*masks"]] = {}


@partial(_compiling.jit, static_argnames=("gradients", "batch_size"), gains=vmapped.runs_network)
def evaluate_batches(plan: Plan, gates: Shaped[Array, "masks nodes"], gradients: bool, batch_size: int) -> Evaluation:
    """Evaluate gate vectors batch by batch inside one call."""
    plan = plan.prepared()
    return in_batches(lambda batch: with_logs(plan.evaluate(batch, gradients)), gates, batch_size)


@partial(_compiling.jit, static_argnames=("batch_size",))
def example_losses(plan: Plan, gates: Shaped[Array, "masks nodes"], batch_size: int) -> Float[Array, "masks examples"]:
    """Return the losses of examples, batch by batch inside one call."""
    plan = plan.prepared()
    return in_batches(lambda batch: plan.evaluate(batch, False).example_loss, gates, batch_size)


@_compiling.jit
def accuracies(
    network: GatedNetwork, batch: _examples.Examples, gates: Float[Array, "masks nodes"]
) -> Float[Array, " masks"]:
    """Return the share of right answers, one gate vector after another."""

    def one(vector: Float[Array, " nodes"]) -> _losses.Answers:
        return _losses.answers(network(vector, batch.inputs, batch.reference), batch.targets, batch.mask)

    return jax.lax.map(one, gates).accuracy


def with_logs(computed: Computed) -> Evaluation:
    """Return what a plan computed, with the log loss and its gradient."""
    loss, gradient = computed.loss, computed.gradient
    relative = None if gradient is None else jnp.where((loss > 0)[:, None], gradient / loss[:, None], jnp.nan)
    return Evaluation(loss, jnp.log(loss), gradient, relative, computed.metrics)
