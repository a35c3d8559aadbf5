"""Samplers: how a design's gate vectors are made inside jit, a batch of draws at a time.

A draw's random key, two words of 32 bits, depends on the seed, the stream and the draw alone.
"""

from dataclasses import dataclass, field
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt32

from sweeps._masks import threefry


class Sampler(Protocol):
    """Makes the gate vectors of draws, or the vectors of paths; a pytree, so that new values retrace nothing."""

    def __call__(
        self, key: UInt32[Array, " 2"], streams: UInt32[Array, " draws"], draws: UInt32[Array, " draws"]
    ) -> Shaped[Array, "draws *inner nodes"]:
        """Return the gates of draws, each of its own stream and number."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BernoulliSampler:
    """Compares 32 random bits a node with the probability as a 32-bit number."""

    last: UInt32[Array, " probabilities"]
    possible: Bool[Array, " probabilities"]
    chains: int = field(metadata=dict(static=True))
    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, streams: Array, draws: Array) -> Bool[Array, "draws nodes"]:
        """Return the masks of draws."""
        indices, chains = streams // self.chains, streams % self.chains
        last, possible = self.last[indices][None], self.possible[indices][None]
        first, second = threefry.folded(key, indices, chains, draws)
        half = -(-self.nodes // 2)

        # A loop over two halves, so that the compiler makes the masks once, however much reads them. Draws are
        # innermost: there are enough of them to fill a processor's vectors.
        def some(nodes: UInt32[Array, " half"]) -> Bool[Array, "half draws"]:
            return (threefry.words((first[None], second[None]), nodes[:, None]) <= last) & possible

        halves = lax.map(some, jnp.arange(2 * half, dtype=jnp.uint32).reshape(2, half))
        return halves.reshape(2 * half, -1)[: self.nodes].T


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FixedSizeSampler:
    """The nodes that a random permutation puts first are on."""

    on: Array
    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, streams: Array, draws: Array) -> Bool[Array, "draws nodes"]:
        """Return the masks of draws."""
        return threefry.permutations(threefry.folded(key, streams, draws), self.nodes) < self.on


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FlipPathsSampler:
    """Node i is flipped at the step that a random ranking of the nodes gives it."""

    last: UInt32[Array, ""]
    possible: Bool[Array, ""]
    flippable: Bool[Array, " nodes"]
    steps: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, streams: Array, draws: Array) -> Bool[Array, "draws steps nodes"]:
        """Return the masks of paths."""
        start_keys, order_keys = threefry.split(threefry.folded(key, streams, draws))
        nodes = len(self.flippable)
        orders = threefry.permutations(order_keys, nodes)
        # What comes out of a conditional lies in memory. Else the compiler would make it anew for every step.
        starts = lax.cond(
            self.possible, lambda: threefry.bits(start_keys, nodes) <= self.last, lambda: jnp.zeros(orders.shape, bool)
        )
        ranks = lax.cond(self.flippable.all(), lambda: orders, lambda: self._ranks(orders))
        flipped = (ranks[:, None] < jnp.arange(self.steps, dtype=jnp.int32)[None, :, None]) & self.flippable[None, None]
        return starts[:, None] ^ flipped

    def _ranks(self, orders: Int[Array, "draws nodes"]) -> Int[Array, "draws nodes"]:
        """Return the places of nodes that may be flipped in the order without the others, whose ranks mean nothing."""
        draws = lax.broadcasted_iota(jnp.int32, orders.shape, 0)
        counted = jnp.zeros_like(orders).at[draws, orders].set(self.flippable.astype(orders.dtype)[None])
        return jnp.take_along_axis(jnp.cumsum(counted, axis=1, dtype=orders.dtype), orders, axis=1) - 1


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LeaveOneOutSampler:
    """Draw i has node i off."""

    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, streams: Array, draws: Array) -> Bool[Array, "draws nodes"]:
        """Return the masks of draws."""
        return jnp.arange(self.nodes, dtype=draws.dtype)[None] != draws[:, None]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class HypercubeSampler:
    """Draw m has the bits of m."""

    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, streams: Array, draws: Array) -> Bool[Array, "draws nodes"]:
        """Return the masks of draws."""
        return (draws[:, None] >> jnp.arange(self.nodes, dtype=draws.dtype)[None]) & 1 == 1


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MasksSampler:
    """Looks draws up."""

    array: Bool[Array, "chains draws nodes"] | Float[Array, "chains draws nodes"]

    def __call__(self, key: Array, streams: Array, draws: Array) -> Shaped[Array, "draws nodes"]:
        """Return the gates of draws."""
        return self.array[streams, draws]
