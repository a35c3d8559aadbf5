"""The walk: flip paths over an affine plan, from mask to mask by the slopes of the node that is flipped.

A mask then costs one addition for each example and class; a product costs a multiplication for each node. Rounding
errors of the running sum add up along a path, so a path is cut into segments that start from a full product each. All
segments of all paths of a batch are walked side by side.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sweeps import _device
from sweeps._plans import Computed, Plan
from sweeps._plans.affine import AffineMargins, loss_and_wrong

# Below this many nodes the walk gains less than a fifth over full products. Measured on two CPU cores with 1,000
# examples, sweeps end to end: 0.9 times as fast at 30 nodes, 1.2 at 50, 1.7 at 100, 3 at 300. For
# accelerators this is reckoned, not measured: a step moves 12 bytes a margin, 4 ps of an H100's memory, in which its
# float32 units multiply 33 nodes.
FEWEST_NODES = 50
# Numbers of nodes are added up in float32, which is exact up to 2^24: 1 + 2 + ... + 5792 is less.
MOST_NODES = 5792
# Masks in a segment. Its full product costs a few per cent of the whole; its sums have this many more terms to round.
SEGMENT = 64
# Gates that a CPU converts to floating-point numbers together.
GATES = 2**19


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Walk:
    """Cross-entropy of outputs that are affine in the gates, with the slopes of each node side by side in memory.

    Attributes
    ----------
    offsets : array, (blocks, others, block)
        Margins with all gates off, shape (blocks, classes - 1, block), padded with a margin never wrong.
    slopes : array, (blocks, others, nodes, block)
        D margin / d gate, shape (blocks, classes - 1, nodes, block).
    examples : int
        Number of examples without the padding.
    """

    name: ClassVar[str] = "walk"
    offsets: Float[Array, "blocks others block"]
    slopes: Float[Array, "blocks others nodes block"]
    examples: int = field(metadata=dict(static=True))

    @property
    def dtype(self) -> Any:
        """Floating-point type of the losses."""
        return self.slopes.dtype

    def prepared(self) -> Self:
        """Nothing is left to prepare."""
        return self

    def evaluate(self, gates: Bool[Array, "paths steps nodes"]) -> Computed:
        """Return mean losses of paths (paths, steps), whose neighbouring masks differ in one node or none."""
        paths, steps, nodes = gates.shape
        segments, length = _segments(steps)
        starts = gates[:, ::length].reshape(-1, nodes).astype(self.dtype)
        # Zero where a segment starts, and behind a path's end, where its last segment is padded to the others' length.
        flips = jnp.pad(_flips(gates), ((0, 0), (1, segments * length - steps))).reshape(-1, length)
        flips = jnp.where(jnp.arange(length)[None] == 0, 0, flips).T
        flipped, signs = jnp.maximum(jnp.abs(flips) - 1, 0), jnp.sign(flips).astype(self.dtype)

        def add_block(sums: Array, block: tuple[Array, Array]) -> tuple[Array, None]:
            offsets, slopes = block

            # An accelerator reads and writes margins once a step, which is fused: 8 to 12 bytes each. Sums along the
            # steps of a segment would read and write as much, and hold the margins of all its masks.
            def step(margins: Array, flip: tuple[Array, Array]) -> tuple[Array, Array]:
                node, sign = flip
                margins = margins + sign[None, :, None] * slopes[:, node]
                return margins, _sums_of_rows(loss_and_wrong(margins)[0])

            margins = jnp.einsum("sn,kne->kse", starts, slopes) + offsets[:, None]
            return sums + jax.lax.scan(step, margins, (flipped, signs))[1], None

        losses, _ = jax.lax.scan(add_block, jnp.zeros_like(signs), (self.offsets, self.slopes))
        return Computed(losses.T.reshape(paths, segments * length)[:, :steps] / self.examples, None)

    def preferred_paths(self, steps: int) -> int:
        """Return how many paths to walk together, a power of two: few enough for a CPU's cache, or many a launch."""
        room, nodes = _device.here(), self.slopes.shape[2]
        segments = min(room.walk_margins // self.offsets[0].size, room.walk_segments)
        fitting = min(segments // _segments(steps)[0], room.walk_gates // (steps * nodes))
        return 1 << (max(1, fitting).bit_length() - 1)


def _sums_of_rows(losses: Float[Array, "segments block"]) -> Float[Array, " segments"]:
    # On CPUs a product with ones is a fast sum along rows; elsewhere it would keep the sum out of the step's fusion.
    return losses @ jnp.ones_like(losses[0]) if _device.here().is_cpu else losses.sum(axis=-1)


def fits(plan: Plan, gradients: bool) -> tuple[bool, str]:
    """Return whether flip paths over a plan are walked, and the reason in words."""
    if gradients:
        return False, "gate gradients are wanted"
    if not isinstance(plan, AffineMargins):
        return False, "the loss is no cross-entropy of outputs that are affine in the gates"
    if not FEWEST_NODES <= plan.nodes <= MOST_NODES:
        return False, f"it is for {FEWEST_NODES} to {MOST_NODES} nodes"
    return True, "neighbours on a path differ in one node, and outputs are affine in the gates"


def build(plan: AffineMargins) -> Walk:
    """Return the walk over a plan."""
    return Walk(plan.offsets, jnp.swapaxes(plan.slopes, 2, 3), plan.examples)


def _segments(steps: int) -> tuple[int, int]:
    """Number of a path's segments, and of the masks in each; the last segment may run over the path's end."""
    segments = -(-steps // SEGMENT)
    return segments, -(-steps // segments)


def _flips(gates: Bool[Array, "paths steps nodes"]) -> Int[Array, "paths flips"]:
    """Number of the node that each step flips, from 1, negative where the node goes off; 0 where none is flipped."""
    _, steps, nodes = gates.shape

    def totals(gates: Bool[Array, "steps nodes"]) -> Int[Array, " steps"]:
        # This product is exact. Differences of all gates would be in memory, in 32 bits.
        numbers = jnp.arange(1, nodes + 1, dtype=jnp.float32)
        return jnp.matmul(gates.astype(jnp.float32), numbers, precision="highest").astype(jnp.int32)

    if _device.here().is_cpu:
        return jnp.diff(jax.lax.map(totals, gates, batch_size=max(1, GATES // (steps * nodes))))
    # A fused sum reads a byte a gate, and one launch does for all paths.
    numbers = jnp.arange(1, nodes + 1, dtype=jnp.int32)
    return jnp.diff(jnp.where(gates, numbers[None, None], 0).sum(axis=-1, dtype=jnp.int32))
