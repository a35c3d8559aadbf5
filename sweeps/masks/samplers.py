"""Samplers: how a design's gate vectors are made inside jit, one draw at a time.

A draw's random key, two words of 32 bits, depends on the seed, the stream and the draw alone.
"""

from dataclasses import dataclass, field
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped, UInt32

from sweeps.masks import threefry


class Sampler(Protocol):
    """Makes the gate vector of a draw, or the vectors of a path; a pytree, so that new values retrace nothing."""

    def __call__(self, key: Array, stream: Array, draw: Array) -> Shaped[Array, "*inner nodes"]:
        """Return the gates of a draw."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BernoulliSampler:
    """Compares 32 random bits a node with the probability as a 32-bit number."""

    last: UInt32[Array, " probabilities"]
    possible: Bool[Array, " probabilities"]
    chains: int = field(metadata=dict(static=True))
    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, stream: Array, draw: Array) -> Bool[Array, " nodes"]:
        """Return the mask of a draw."""
        index, chain = stream // self.chains, stream % self.chains
        bits = threefry.bits(threefry.folded(key, index, chain, draw), self.nodes)
        return (bits <= self.last[index]) & self.possible[index]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FixedSizeSampler:
    """The nodes that a random permutation puts first are on."""

    on: Array
    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, stream: Array, draw: Array) -> Bool[Array, " nodes"]:
        """Return the mask of a draw."""
        return threefry.permutation(threefry.folded(key, stream, draw), self.nodes) < self.on


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FlipPathsSampler:
    """Node i is flipped at the step that a random ranking of the nodes gives it."""

    last: UInt32[Array, ""]
    possible: Bool[Array, ""]
    flippable: Bool[Array, " nodes"]
    steps: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, stream: Array, draw: Array) -> Bool[Array, "steps nodes"]:
        """Return the masks of a path."""
        start_key, order_key = threefry.split(threefry.folded(key, stream, draw))
        nodes = len(self.flippable)
        start = (threefry.bits(start_key, nodes) <= self.last) & self.possible
        order = threefry.permutation(order_key, nodes)
        # Nodes that may not be flipped come last, in the order of a stable sort, and no step reaches them.
        rank = jnp.argsort(jnp.argsort(jnp.where(self.flippable, order, order + nodes)))
        flipped = rank[None] < jnp.minimum(jnp.arange(self.steps), self.flippable.sum())[:, None]
        return start[None] ^ (flipped & self.flippable[None])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LeaveOneOutSampler:
    """Draw i has node i off."""

    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, stream: Array, draw: Array) -> Bool[Array, " nodes"]:
        """Return the mask of a draw."""
        return jnp.arange(self.nodes, dtype=draw.dtype) != draw


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class HypercubeSampler:
    """Draw m has the bits of m."""

    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, stream: Array, draw: Array) -> Bool[Array, " nodes"]:
        """Return the mask of a draw."""
        return (draw >> jnp.arange(self.nodes, dtype=draw.dtype)) & 1 == 1


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MasksSampler:
    """Looks draws up."""

    array: Bool[Array, "chains draws nodes"] | Float[Array, "chains draws nodes"]

    def __call__(self, key: Array, stream: Array, draw: Array) -> Shaped[Array, " nodes"]:
        """Return the gates of a draw."""
        return self.array[stream, draw]
