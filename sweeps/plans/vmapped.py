"""The vmapped plan: any loss that is a JAX function of the gates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sweeps.gating import GatedNetwork
from sweeps.losses import Loss
from sweeps.plans import hoisting


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NetworkLoss:
    """Mean loss of a gated network on its examples, as a function of one gate vector."""

    network: GatedNetwork
    targets: Array
    loss: Loss = field(metadata=dict(static=True))

    def __call__(self, gates: Float[Array, " nodes"]) -> Float[Array, ""]:
        """Return the mean loss."""
        return self.loss.per_example(self.network(gates), self.targets).mean()


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FunctionLoss:
    """A user's own function of one gate vector."""

    function: Callable[[Array], Array] = field(metadata=dict(static=True))

    def __call__(self, gates: Float[Array, " nodes"]) -> Float[Array, ""]:
        """Return the function's value."""
        return self.function(gates)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Vmapped:
    """Evaluate the scalar loss of every gate vector under vmap.

    Attributes
    ----------
    loss : gates (nodes,) -> scalar, itself a pytree
    nodes : length of a gate vector
    size : numbers that one evaluation writes to memory, about
    dtype : type of the gates
    """

    name: ClassVar[str] = "vmapped"

    loss: Callable[[Array], Array]
    nodes: int = field(metadata=dict(static=True))
    size: int = field(metadata=dict(static=True))
    dtype: Any = field(metadata=dict(static=True))

    def prepared(self) -> "PreparedVmapped":
        """Return the plan with whatever does not depend on the gates computed."""
        function = hoisting.hoisted(self.loss, jax.ShapeDtypeStruct((self.nodes,), self.dtype))
        return PreparedVmapped(function, self.nodes, self.size, self.dtype)

    def evaluate(
        self, gates: Float[Array, "masks nodes"], gradients: bool
    ) -> tuple[Float[Array, " masks"], Float[Array, "masks nodes"] | None]:
        """Return mean losses and, when asked, their gate gradients."""
        if gradients:
            return jax.vmap(jax.value_and_grad(self.loss))(gates)
        return jax.vmap(self.loss)(gates), None

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        return self.size * (2 if gradients else 1)


class PreparedVmapped(Vmapped):
    """The same within one trace, where the loss holds traced values: no pytree."""

    def prepared(self) -> "PreparedVmapped":
        """Nothing is left to prepare."""
        return self


def of_network(loss: NetworkLoss) -> Vmapped:
    """Return the plan that evaluates a gated network as it is written."""
    network = loss.network
    size = len(network.inputs) * (network.nodes + network.outputs.shape[1])
    return Vmapped(loss, network.nodes, size, network.dtype)


def of_function(function: Callable[[Array], Array], nodes: int, dtype: Any = jnp.float32) -> Vmapped:
    """Return the plan for a function of the gates.

    Raises
    ------
    ValueError
        If the function does not return a scalar float.
    """
    value = jax.eval_shape(function, jax.ShapeDtypeStruct((nodes,), dtype))
    scalar = isinstance(value, jax.ShapeDtypeStruct) and value.shape == ()
    if not scalar or not jnp.issubdtype(value.dtype, jnp.floating):
        raise ValueError(f"fn must return a scalar float for gates of shape ({nodes},), got {value}")
    return Vmapped(FunctionLoss(function), nodes, 16 * nodes, jnp.dtype(dtype))
