"""Objective: gate vector -> mean loss on a fixed batch, with log loss and gate gradients."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from sweeps import compiling, gating, losses
from sweeps.plans import Plan, choosing, preferred_batch, vmapped
from sweeps.tasks import Batch

PRECISIONS = ("highest", "high", "default")


class Evaluation(NamedTuple):
    """What an objective says of gate vectors.

    Attributes
    ----------
    loss : mean loss, shape (...), in the loss's unit
    log_loss : natural logarithm of the loss, shape (...); -inf for a loss of zero, NaN for a negative one
    loss_gradient : d loss / d gate, shape (..., nodes)
    log_loss_gradient : d log loss / d gate = loss_gradient / loss, shape (..., nodes); NaN where the loss is zero
    """

    loss: Float[Array, "*masks"]
    log_loss: Float[Array, "*masks"]
    loss_gradient: Float[Array, "*masks nodes"] | None
    log_loss_gradient: Float[Array, "*masks nodes"] | None


class Objective:
    """The mean loss of a gated network on a fixed batch, as a function of its gates.

    Parameters
    ----------
    network : flax.nnx module of dense layers; it is cloned, never changed
    batch : inputs (examples, ...) and targets (examples,), such as ``task.test``
    loss : ``"cross_entropy"``, ``"binary_cross_entropy"`` or ``"squared_error"``; None takes cross-entropy for
        integer targets and squared error for floats
    plan : how gate vectors are evaluated: ``"affine"``, ``"dense"``, ``"vmapped"``, or ``"auto"`` for the fastest
        that fits; all agree to rounding
    precision : of matrix products, one of ``PRECISIONS``: the default, ``"highest"``, is float32
        everywhere; ``"high"`` and ``"default"`` let a GPU or TPU round to fewer bits (TF32, bfloat16)

    Attributes
    ----------
    nodes : tuple of the names of the gated nodes, in the order of the gate vector
    layers : tuple of the same length, the layer of each node
    loss_name, unit : the loss and the unit of its values
    plan : name of the plan in use and why; ``print(objective.plan)`` says both
    evaluator : the plan itself, a pytree that jitted functions take as an argument

    Raises
    ------
    TypeError
        If the network is no nnx module.
    ValueError
        If the batch does not fit the network, the loss does not fit the targets, or the plan does not fit either.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.circle(test_examples=100)
    >>> objective = sweeps.Objective(sweeps.MLP((2, 20, 2)), task.test)
    >>> objective.nodes[3], objective.plan.name
    ('layers/0 unit 3', 'affine')
    >>> objective.evaluate([[1] * 20, [0] * 20]).loss_gradient.shape
    (2, 20)
    """

    def __init__(
        self,
        network: nnx.Module,
        batch: Batch | tuple[Any, Any],
        *,
        loss: str | None = None,
        plan: str = "auto",
        precision: str = "highest",
    ):
        check_precision(precision)
        inputs, targets = _checked_batch(batch)
        gated = gating.attach(network, inputs)
        outputs = _checked_outputs(gated)
        named = losses.find(loss, outputs, np.asarray(targets))
        self.nodes = tuple(label for site in gated.sites for label in site.labels)
        self.layers = tuple(site.source for site in gated.sites for _ in range(site.nodes))
        self.loss_name = named.name
        self.unit = named.unit
        self.precision = precision
        self._network: gating.GatedNetwork | None = gated
        self.evaluator: Plan
        with jax.default_matmul_precision(precision):
            self.evaluator, self.plan = choosing.choose(network, vmapped.NetworkLoss(gated, targets, named), plan)

    @classmethod
    def from_function(cls, fn: Callable[[Array], Array], nodes: int) -> "Objective":
        """Make an objective of any JAX function of the gates.

        Parameters
        ----------
        fn : gates (nodes,) -> scalar loss, differentiable by JAX
        nodes : number of gates, at least 1

        Raises
        ------
        ValueError
            If ``nodes`` is not positive or ``fn`` does not return a scalar float.

        Examples
        --------
        >>> objective = Objective.from_function(lambda gates: 1 + gates.sum(), nodes=3)
        >>> float(objective.evaluate([1, 0, 1]).loss)
        3.0
        """
        if nodes < 1:
            raise ValueError(f"nodes must be at least 1, got {nodes}")
        objective = cls.__new__(cls)
        objective.nodes = tuple(f"node {node}" for node in range(nodes))
        objective.layers = ("function",) * nodes
        objective.loss_name = getattr(fn, "__name__", "function")
        objective.unit = "loss units"
        objective.precision = "highest"
        objective._network = None
        objective.evaluator = vmapped.of_function(fn, nodes)
        objective.plan = choosing.Choice("vmapped", "a function of the gates")
        return objective

    @property
    def program(self) -> tuple[str, list[Any]]:
        """What the plan computes, as text and constants: tells functions and activations apart, not only numbers."""
        gates = jax.ShapeDtypeStruct((2, len(self.nodes)), self.evaluator.dtype)
        traced = jax.make_jaxpr(lambda plan, gates: plan.evaluate(gates, False))(self.evaluator, gates)
        # Addresses of functions in the text differ from process to process.
        return re.sub(r"0x[0-9a-f]+", "", str(traced.jaxpr)), list(traced.consts)

    def evaluate(self, gates: Any, gradients: bool = True) -> Evaluation:
        """Evaluate gate vectors.

        Parameters
        ----------
        gates : array of shape (..., nodes); bool, integer or float, 1 = on, 0 = off, between = a partial gain
        gradients : whether to compute the gate gradients; they are None otherwise

        Returns
        -------
        Evaluation with the leading shape of the gates

        Raises
        ------
        TypeError
            If the gates are not numbers.
        ValueError
            If their last axis is not one gate a node.
        """
        gates = self.checked_gates(gates)
        leading = gates.shape[:-1]
        batch_size = preferred_batch(self.evaluator, gradients)
        with jax.default_matmul_precision(self.precision):
            flat = evaluate_batches(self.evaluator, gates.reshape(-1, gates.shape[-1]), gradients, batch_size)
        return jax.tree.map(lambda part: part.reshape(*leading, *part.shape[1:]), flat)

    def outputs(self, gates: Any = None) -> Float[Array, "examples outputs"]:
        """Return the network's outputs on the batch with the given gates, by default all on.

        Raises
        ------
        ValueError
            If the objective was made from a function, or the gates are not one vector of one gate a node.
        """
        if self._network is None:
            raise ValueError("an objective made from a function has no network outputs")
        vector = self.checked_gates(np.ones(len(self.nodes)) if gates is None else gates)
        if vector.ndim != 1:
            raise ValueError(f"gates must be one vector of shape ({len(self.nodes)},), got shape {vector.shape}")
        with jax.default_matmul_precision(self.precision):
            return _outputs(self._network, vector)

    def checked_gates(self, gates: Any) -> Float[Array, "*masks nodes"]:
        """Return gates as floats of the plan's type, or raise as ``evaluate`` says."""
        array = gates if isinstance(gates, jax.Array) else np.asarray(gates)
        if array.dtype.kind not in "biuf" and array.dtype != jnp.bfloat16:
            raise TypeError(f"gates must be bool, integer or float, got {array.dtype}")
        if array.ndim == 0 or array.shape[-1] != len(self.nodes):
            raise ValueError(f"gates must have shape (..., {len(self.nodes)}), one gate a node, got {array.shape}")
        return jnp.asarray(array).astype(self.evaluator.dtype)


@partial(compiling.jit, static_argnames=("gradients", "batch_size"))
def evaluate_batches(plan: Plan, gates: Float[Array, "masks nodes"], gradients: bool, batch_size: int) -> Evaluation:
    """Evaluate gate vectors batch by batch inside one call."""
    plan = plan.prepared()
    masks = len(gates)
    if masks <= batch_size:
        return with_logs(*plan.evaluate(gates, gradients))
    padded = jnp.pad(gates, [(0, -masks % batch_size), (0, 0)])
    parts = jax.lax.map(
        lambda batch: with_logs(*plan.evaluate(batch, gradients)), padded.reshape(-1, batch_size, gates.shape[1])
    )
    return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:])[:masks], parts)


def with_logs(loss: Float[Array, " masks"], gradient: Float[Array, "masks nodes"] | None) -> Evaluation:
    """Add the log loss and its gradient."""
    if gradient is None:
        return Evaluation(loss, jnp.log(loss), None, None)
    relative = jnp.where((loss > 0)[:, None], gradient / loss[:, None], jnp.nan)
    return Evaluation(loss, jnp.log(loss), gradient, relative)


@jax.jit
def _outputs(network: gating.GatedNetwork, gates: Float[Array, " nodes"]) -> Float[Array, "examples outputs"]:
    return network(gates)


def check_precision(precision: str) -> None:
    """Raise ValueError for a precision of matrix products that is none of ``PRECISIONS``."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")


def _checked_batch(batch: Batch | tuple[Any, Any]) -> tuple[Array, Shaped[Array, "examples ..."]]:
    try:
        inputs, targets = batch
    except (TypeError, ValueError):
        raise ValueError(
            f"batch must be a pair (inputs, targets) such as task.test, got {type(batch).__name__}"
        ) from None
    for name, values in dict(inputs=inputs, targets=targets).items():
        if np.asarray(values).dtype.kind not in "biuf":
            raise ValueError(f"batch: {name} must be numbers, got {np.asarray(values).dtype}")
    inputs, targets = jnp.asarray(inputs), jnp.asarray(targets)
    if inputs.ndim < 2 or targets.ndim < 1 or len(inputs) != len(targets) or len(inputs) == 0:
        raise ValueError(
            "batch must hold inputs (examples, ...) and as many targets (examples,), at least one: "
            f"got inputs {inputs.shape} and targets {targets.shape}"
        )
    whole = targets.dtype == bool or jnp.issubdtype(targets.dtype, jnp.integer)
    return inputs, targets.astype(jnp.int32) if whole else targets


def _checked_outputs(network: gating.GatedNetwork) -> int:
    shape = network.outputs.shape
    if len(shape) != 2 or shape[0] != len(network.inputs):
        raise ValueError(
            f"network must return outputs of shape (examples, outputs) = ({len(network.inputs)}, ...), got {shape}"
        )
    return shape[1]
