"""Designs: which gate vectors are evaluated, as in design of experiments.

A design is what the user writes; its sampler is what the engine calls inside jit. A draw is addressed by
(stream, draw): streams are the outer axes (probability, chain), and a draw's random key is made from the seed, the
stream and the draw alone. Batch size, devices and processes therefore cannot change a mask, and a sweep of more
draws begins with the same masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped, UInt32

# Draws of a stream are numbered in 32 bits, with room to spare for the last batch to run over the end.
MOST_DRAWS = 2**31
MOST_CUBE_NODES = 31


class Sampler(Protocol):
    """Makes the gate vector of one draw; a pytree, so that a new value retraces nothing."""

    def __call__(self, key: Array, stream: Array, draw: Array) -> Shaped[Array, " nodes"]:
        """Return the gates of a draw."""
        ...


class Design(Protocol):
    """A plan of gate vectors."""

    @property
    def keeps_gates(self) -> bool:
        """Whether the gate vectors are part of the result; an enumeration's follow from the index."""
        ...

    def axes(self, nodes: int) -> dict[str, int]:
        """Names and lengths of the axes of the result; the last one counts draws, those before it streams."""
        ...

    def coordinates(self) -> dict[str, Any]:
        """Labels of axes, where they are not 0, 1, 2, ..."""
        ...

    def sampler(self, nodes: int) -> Sampler:
        """Return the maker of gate vectors, after checking that the design fits the number of nodes."""
        ...


@dataclass(frozen=True)
class Bernoulli:
    """Every node is on with a probability, independently.

    Parameters
    ----------
    probability : one probability or several, between 0 and 1, exact to 2^-32
    draws : masks a chain, at least 1
    chains : independent chains, at least 1

    Raises
    ------
    ValueError
        If a probability lies outside [0, 1], or a number is not positive.

    Examples
    --------
    >>> Bernoulli(probability=(0.25, 0.5), draws=10).axes(nodes=20)
    {'probability': 2, 'chain': 1, 'draw': 10}
    """

    probability: float | Sequence[float] = 0.5
    draws: int = 1000
    chains: int = 1
    keeps_gates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        probabilities = tuple(float(value) for value in np.atleast_1d(self.probability))
        if not probabilities or not all(0 <= value <= 1 for value in probabilities):
            raise ValueError(f"probability must lie in [0, 1], got {self.probability}")
        object.__setattr__(self, "probability", probabilities)
        _check_counts(draws=self.draws, chains=self.chains)

    def axes(self, nodes: int) -> dict[str, int]:
        """Lengths of (probability, chain, draw)."""
        return {"probability": len(self.probability), "chain": self.chains, "draw": self.draws}  # type: ignore[arg-type]

    def coordinates(self) -> dict[str, Any]:
        """Return the probabilities."""
        return {"probability": np.asarray(self.probability)}

    def sampler(self, nodes: int) -> "BernoulliSampler":
        """Return the sampler."""
        steps = np.round(np.asarray(self.probability) * 2.0**32).astype(np.uint64)
        return BernoulliSampler(
            jnp.asarray((np.maximum(steps, 1) - 1).astype(np.uint32)),
            jnp.asarray(steps > 0),
            self.chains,
            nodes,
        )


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
        bits = jax.random.bits(_fold(key, index, chain, draw), (self.nodes,), jnp.uint32)
        return (bits <= self.last[index]) & self.possible[index]


@dataclass(frozen=True)
class FixedSize:
    """Exactly so many nodes are on, every such mask equally likely.

    Parameters
    ----------
    on : number of nodes on, from 0 to the number of nodes
    draws : masks a chain, at least 1
    chains : independent chains, at least 1

    Raises
    ------
    ValueError
        If a number is negative or not positive; when swept, if more nodes are to be on than there are.
    """

    on: int
    draws: int = 1000
    chains: int = 1
    keeps_gates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.on < 0:
            raise ValueError(f"on must be zero or positive, got {self.on}")
        _check_counts(draws=self.draws, chains=self.chains)

    def axes(self, nodes: int) -> dict[str, int]:
        """Lengths of (chain, draw)."""
        return {"chain": self.chains, "draw": self.draws}

    def coordinates(self) -> dict[str, Any]:
        """Nothing but numbers."""
        return {}

    def sampler(self, nodes: int) -> "FixedSizeSampler":
        """Return the sampler."""
        if self.on > nodes:
            raise ValueError(f"on must be at most the number of nodes, {nodes}, got {self.on}")
        return FixedSizeSampler(jnp.asarray(self.on), nodes)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FixedSizeSampler:
    """The nodes that a random permutation puts first are on."""

    on: Array
    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, stream: Array, draw: Array) -> Bool[Array, " nodes"]:
        """Return the mask of a draw."""
        return jax.random.permutation(_fold(key, stream, draw), self.nodes) < self.on


@dataclass(frozen=True)
class LeaveOneOut:
    """Each node off once, all others on; the result's axis is the node that is off."""

    keeps_gates: ClassVar[bool] = False

    def axes(self, nodes: int) -> dict[str, int]:
        """Length of (node,)."""
        return {"node": nodes}

    def coordinates(self) -> dict[str, Any]:
        """Nothing: the engine labels nodes."""
        return {}

    def sampler(self, nodes: int) -> "LeaveOneOutSampler":
        """Return the sampler."""
        return LeaveOneOutSampler(nodes)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LeaveOneOutSampler:
    """Draw i has node i off."""

    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, stream: Array, draw: Array) -> Bool[Array, " nodes"]:
        """Return the mask of a draw."""
        return jnp.arange(self.nodes, dtype=draw.dtype) != draw


@dataclass(frozen=True)
class Hypercube:
    """Every mask once: mask number m has node i on when bit i of m is 1. The gates are not stored."""

    keeps_gates: ClassVar[bool] = False

    def axes(self, nodes: int) -> dict[str, int]:
        """Length of (mask,)."""
        return {"mask": 2**nodes}

    def coordinates(self) -> dict[str, Any]:
        """Nothing but numbers."""
        return {}

    def sampler(self, nodes: int) -> "HypercubeSampler":
        """Return the sampler."""
        if nodes > MOST_CUBE_NODES - 1:
            raise ValueError(f"Hypercube is for at most {MOST_CUBE_NODES - 1} nodes, got {nodes}: sample it instead")
        return HypercubeSampler(nodes)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class HypercubeSampler:
    """Draw m has the bits of m."""

    nodes: int = field(metadata=dict(static=True))

    def __call__(self, key: Array, stream: Array, draw: Array) -> Bool[Array, " nodes"]:
        """Return the mask of a draw."""
        return (draw >> jnp.arange(self.nodes, dtype=draw.dtype)) & 1 == 1


@dataclass(frozen=True, eq=False)
class Masks:
    """Gate vectors of the user's own.

    Parameters
    ----------
    array : shape (draws, nodes) or (chains, draws, nodes); bool, integer or float, values between are partial gains

    Raises
    ------
    TypeError
        If the array does not hold numbers.
    ValueError
        If its shape is another, or it is empty; when swept, if the last axis is not one gate a node.
    """

    array: Any
    keeps_gates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"array must be bool, integer or float, got {array.dtype}")
        if array.ndim not in (2, 3) or array.size == 0:
            raise ValueError(
                f"array must have shape (draws, nodes) or (chains, draws, nodes), not empty, got {array.shape}"
            )
        object.__setattr__(self, "array", array.reshape((-1, *array.shape[-2:])))

    def __repr__(self) -> str:
        return f"Masks(array of shape {self.array.shape})"

    def axes(self, nodes: int) -> dict[str, int]:
        """Lengths of (chain, draw)."""
        return {"chain": self.array.shape[0], "draw": self.array.shape[1]}

    def coordinates(self) -> dict[str, Any]:
        """Nothing but numbers."""
        return {}

    def sampler(self, nodes: int) -> "MasksSampler":
        """Return the sampler."""
        if self.array.shape[-1] != nodes:
            raise ValueError(
                f"array must have one gate a node, shape (..., {nodes}), got {self.array.shape[-1]} gates a mask"
            )
        binary = np.isin(self.array, (0, 1)).all()
        return MasksSampler(jnp.asarray(self.array.astype(bool if binary else np.float64)))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MasksSampler:
    """Looks draws up."""

    array: Bool[Array, "chains draws nodes"] | Float[Array, "chains draws nodes"]

    def __call__(self, key: Array, stream: Array, draw: Array) -> Shaped[Array, " nodes"]:
        """Return the gates of a draw."""
        return self.array[stream, draw]


def _fold(key: Array, *numbers: Array) -> Array:
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if not 1 <= count < MOST_DRAWS:
            raise ValueError(f"{name} must be at least 1 and below 2^31, got {count}")
