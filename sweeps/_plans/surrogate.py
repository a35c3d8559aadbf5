"""The surrogate: outputs(g) = offset + slopes g in place of a network, where more is asked for than the loss.

Metrics and losses of examples need the outputs. Where these are affine in the gates (see ``affine``), the vmapped plan
gets them from offsets and slopes, one product for all masks of a batch, and never runs the network.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweeps import _device
from sweeps._plans.affine import NOT_FINITE, tangent_of
from sweeps._plans.vmapped import NetworkLoss

# Numbers that are written to memory for each output: itself, its loss and a derivative.
FLOATS = 3


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AffineNetwork:
    """Outputs that are affine in the gates; the inputs are offsets and slopes of each example.

    Attributes
    ----------
    nodes : int
        Length of the gate vector, static.
    dtype : object
        Type of the gate vector, static.
    floats : int
        Size of an example's outputs and what is made of them, static.
    """

    nodes: int = field(metadata=dict(static=True))
    dtype: Any = field(metadata=dict(static=True))
    floats: int = field(metadata=dict(static=True))
    # Slopes come with the examples.
    weights: ClassVar[int] = 0

    def __call__(
        self, gates: Float[Array, " nodes"], inputs: tuple[Array, Array], reference: None = None
    ) -> Float[Array, "examples ..."]:
        """Return the outputs for offsets (examples, ..., outputs) and slopes (examples, ..., outputs, nodes)."""
        offsets, slopes = inputs
        return offsets + slopes @ gates


def of(loss: NetworkLoss) -> tuple[NetworkLoss | None, str]:
    """Return the same loss of the surrogate of its network, or None, and the reason in words."""
    tangent, reason = tangent_of(loss)
    if tangent is None:
        return None, reason
    offsets, slopes = tangent
    if not np.isfinite(np.asarray(slopes)).all():
        return None, NOT_FINITE
    number, nodes = len(loss.examples), loss.network.nodes
    floats = FLOATS * (offsets.size // number)
    network = AffineNetwork(nodes, loss.network.dtype, floats)
    slopes = jnp.swapaxes(slopes, 1, 2).reshape(*offsets.shape, nodes)
    # Where the examples may be cut, more of them fit than of the network's.
    fitting = min(number, max(1, _device.here().micro_batch // floats))
    size = max(loss.micro_batch, fitting)
    examples = replace(loss.examples, inputs=(offsets, slopes), reference=None)
    return replace(loss, network=network, examples=examples, micro_batch=size), reason
