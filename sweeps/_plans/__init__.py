"""Plans: how a batch of gate vectors is evaluated, chosen by the structure of the objective and by the design."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from sweeps import _device


class Computed(NamedTuple):
    """What a plan computes of a batch of gate vectors.

    Attributes
    ----------
    loss : array, (*masks,)
        Mean losses.
    gradient : array, (*masks, nodes) or None
        Gate gradients, or None.
    metrics : dict of str to array, (*masks,)
        Further numbers of each gate vector, by name; empty without metrics.
    example_loss : array, (*masks, examples) or None
        Losses of the examples, or None.
    """

    loss: Float[Array, "*masks"]
    gradient: Float[Array, "*masks nodes"] | None
    metrics: dict[str, Float[Array, "*masks"]] = {}
    example_loss: Float[Array, "*masks examples"] | None = None


class Plan(Protocol):
    """A way to get losses and gate gradients of many gate vectors; a pytree, so that jit takes it as an argument."""

    name: ClassVar[str]

    @property
    def nodes(self) -> int:
        """Length of a gate vector."""
        ...

    @property
    def dtype(self) -> Any:
        """Floating-point type of gates and losses."""
        ...

    @property
    def weights(self) -> int:
        """How many numbers a batch reads from memory, whatever its size; 0 if that is nothing against its work."""
        ...

    def prepared(self) -> "Plan":
        """Return the plan with everything computed that does not depend on the gates; called once, outside any loop."""
        ...

    def evaluate(self, gates: Shaped[Array, "masks nodes"], gradients: bool) -> Computed:
        """Return mean losses and, when asked, their gate gradients; metrics and losses of examples where it has them.

        Gates are floats, or booleans, which say that all of them are zeros and ones.
        """
        ...

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        ...


def as_floats(gates: Shaped[Array, "masks nodes"], dtype: Any) -> Float[Array, "masks nodes"]:
    """Return gates as floating-point numbers.

    A compiler that sees that a factor was true or false selects instead of multiplying, and zero times infinity would
    be zero.
    """
    return jax.lax.optimization_barrier(gates.astype(dtype)) if gates.dtype == bool else gates.astype(dtype)


def preferred_batch(plan: Plan, gradients: bool) -> int:
    """Return a batch size, a power of two: its working set stays in a CPU's cache, or fills an accelerator.

    Where a cache cannot hold the weights, the working set is as large as they are.
    """
    here = _device.here()
    fitting = max(1, here.room(here.batch, plan.weights) // plan.floats_per_mask(gradients))
    return 1 << (fitting.bit_length() - 1)


def in_batches(
    evaluate: Callable[[Shaped[Array, "batch nodes"]], Any], gates: Shaped[Array, "masks nodes"], batch_size: int
) -> Any:
    """Evaluate gate vectors batch by batch, the last batch padded.

    Parameters
    ----------
    evaluate : callable
        Gates of a batch -> pytree of arrays with leading axis (batch,).
    gates : array, (masks, nodes)
        All gate vectors.
    batch_size : int
        Gate vectors evaluated together.
    """
    masks = len(gates)
    if masks <= batch_size:
        return evaluate(gates)
    padded = jnp.pad(gates, [(0, -masks % batch_size), (0, 0)])
    parts = jax.lax.map(evaluate, padded.reshape(-1, batch_size, gates.shape[1]))
    return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:])[:masks], parts)
