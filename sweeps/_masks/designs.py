"""Designs: which gate vectors are evaluated, as in design of experiments.

The user writes a design; its sampler (see ``sweeps._masks.samplers``) runs inside jit. A draw has an address
(stream, draw): streams are the outer axes (probability, chain), and a draw's random key depends on the seed, the
stream and the draw alone. Batch size, devices and processes therefore cannot change a mask, and a sweep of more
draws begins with the same masks.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis._errors import InputError, InputTypeError
from sweeps import _checks
from sweeps._masks import samplers

MOST_CUBE_NODES = 30

# Draws of a stream have numbers of 32 bits; fewer are allowed, since the last batch may run over the end.
_count = partial(_checks.whole, least=1)
_probability = partial(_checks.number, least=0, most=1)


class Design:
    """Which gate vectors are evaluated.

    Numbers may be NumPy's. They are kept as Python's: ``repr(design)`` is part of a sweep's identity.

    Attributes
    ----------
    keeps_gates : bool
        Whether the gate vectors are part of the result; those of an enumeration follow from the index.
    """

    keeps_gates: ClassVar[bool] = True

    def axes(self, nodes: int) -> dict[str, int]:
        """Names and lengths of the axes of the result; the last counts draws, those before it streams."""
        raise NotImplementedError

    def inner(self, nodes: int) -> dict[str, int]:
        """Names and lengths of the axes within a draw, for a design whose draw is more than one gate vector."""
        return {}

    def coordinates(self) -> dict[str, Any]:
        """Labels of axes where they are not 0, 1, 2, ..."""
        return {}

    def bound(self, layers: Sequence[str]) -> "Design":
        """Return the design for nodes of these layers; a design that names a layer looks its nodes up."""
        return self

    def sampler(self, nodes: int) -> samplers.Sampler:
        """Return the maker of gate vectors, after checking that the design fits the number of nodes."""
        raise NotImplementedError


@dataclass(frozen=True)
class Bernoulli(Design):
    """Every node is on with a probability, independently.

    Parameters
    ----------
    probability : float or sequence of float, default 0.5
        A probability, or several different ones, between 0 and 1, exact to 2^-32. At 1 every mask has all nodes on, and
        at 0 none.
    draws : int, default 1000
        Masks of a chain, at least 1 and below 2^31.
    chains : int, default 1
        Independent chains, at least 1, as ArviZ wants them for its diagnostics.

    Raises
    ------
    TypeError
        If a probability is no number, or a count no whole number.
    InputError
        If a probability lies outside [0, 1] or occurs twice, or a count is not positive or too large.

    See Also
    --------
    FixedSize : Masks with the same number of nodes on.
    Hypercube : All masks, where there are few nodes.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.Bernoulli(probability=(0.25, 0.5), draws=10).axes(nodes=20)
    {'probability': 2, 'chain': 1, 'draw': 10}
    """

    probability: float | Sequence[float] = 0.5
    _: KW_ONLY
    draws: int = 1000
    chains: int = 1

    def __post_init__(self) -> None:
        probabilities = _checks.several("probability", self.probability, _probability, distinct=True)
        chains = _checks.whole("chains", self.chains, 1, _checks.MOST // len(probabilities))
        _set(self, probability=probabilities, draws=_count("draws", self.draws), chains=chains)

    def axes(self, nodes: int) -> dict[str, int]:
        """Lengths of (probability, chain, draw)."""
        return {"probability": len(self.probability), "chain": self.chains, "draw": self.draws}  # type: ignore[arg-type]

    def coordinates(self) -> dict[str, Any]:
        """Return the probabilities."""
        return {"probability": np.asarray(self.probability)}

    def sampler(self, nodes: int) -> samplers.BernoulliSampler:
        """Return the sampler."""
        last, possible = _threshold(self.probability)
        return samplers.BernoulliSampler(last, possible, self.chains, nodes)


@dataclass(frozen=True)
class FixedSize(Design):
    """A fixed number of nodes is on; all such masks are equally likely.

    Parameters
    ----------
    on : int
        Number of nodes that are on, from 0 to the number of nodes.
    draws : int, default 1000
        Masks of a chain, at least 1 and below 2^31. Masks may repeat: where there are few nodes, see ``Hypercube``.
    chains : int, default 1
        Independent chains, at least 1.

    Raises
    ------
    TypeError
        If a number is no whole number.
    InputError
        If a number is negative or not positive; when swept, if more nodes are to be on than there are.

    See Also
    --------
    Bernoulli : Masks whose number of nodes on is random.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.FixedSize(on=10, draws=100).axes(nodes=20)
    {'chain': 1, 'draw': 100}
    """

    on: int
    _: KW_ONLY
    draws: int = 1000
    chains: int = 1

    def __post_init__(self) -> None:
        counts = dict(draws=_count("draws", self.draws), chains=_count("chains", self.chains))
        _set(self, on=_checks.whole("on", self.on, least=0), **counts)

    def axes(self, nodes: int) -> dict[str, int]:
        """Lengths of (chain, draw)."""
        return {"chain": self.chains, "draw": self.draws}

    def sampler(self, nodes: int) -> samplers.FixedSizeSampler:
        """Return the sampler."""
        if self.on > nodes:
            raise InputError(f"on must be at most the number of nodes, {nodes}, got {self.on}")
        return samplers.FixedSizeSampler(jnp.asarray(self.on), nodes)


@dataclass(frozen=True)
class FlipPaths(Design):
    """Walks across the hypercube: a random mask, then nodes flipped one after another in random order.

    A whole path flips every node once: N + 1 masks, the last the opposite of the first. Its axis is ``step``.

    Parameters
    ----------
    paths : int, default 1000
        Paths of a chain, at least 1 and below 2^31.
    probability : float, default 0.5
        With which a node is on at the start, between 0 and 1, exact to 2^-32. At 1 nodes go off one by one, at 0 they
        come on.
    flips : int, optional
        Number of nodes flipped; None flips all that may be flipped.
    layer : str, optional
        Layer whose nodes are flipped, such as ``"layers/0"``; the other nodes keep their state. None: every node may be
        flipped.
    chains : int, default 1
        Independent chains, at least 1.

    Attributes
    ----------
    among : tuple of int or None
        Numbers of the nodes of the layer, once the design is bound to an objective.

    Raises
    ------
    TypeError
        If a count is no whole number, the probability no number, or the layer no text.
    InputError
        If the probability lies outside [0, 1], or a number is not positive; when swept, if there is no such layer or
        more flips than nodes.

    See Also
    --------
    analysis.paths : Statistics of log losses along paths.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.FlipPaths(paths=10).inner(nodes=20)
    {'step': 21}
    """

    paths: int = 1000
    _: KW_ONLY
    probability: float = 0.5
    flips: int | None = None
    layer: str | None = None
    chains: int = 1
    among: tuple[int, ...] | None = field(default=None, init=False, repr=False)
    """Numbers of the nodes of the layer, once the design is bound to an objective."""

    def __post_init__(self) -> None:
        _set(
            self,
            paths=_count("paths", self.paths),
            probability=_probability("probability", self.probability),
            flips=None if self.flips is None else _count("flips", self.flips),
            layer=None if self.layer is None else _checks.text("layer", self.layer),
            chains=_count("chains", self.chains),
        )

    def bound(self, layers: Sequence[str]) -> "FlipPaths":
        """Return the design with the nodes of its layer."""
        if self.layer is None:
            return self
        if self.layer not in layers:
            raise InputError(f"layer must be one of {', '.join(dict.fromkeys(layers))}, got {self.layer!r}")
        bound = copy(self)
        _set(bound, among=tuple(index for index, layer in enumerate(layers) if layer == self.layer))
        return bound

    def axes(self, nodes: int) -> dict[str, int]:
        """Lengths of (chain, draw); a draw is a path."""
        return {"chain": self.chains, "draw": self.paths}

    def inner(self, nodes: int) -> dict[str, int]:
        """Length of (step,)."""
        return {"step": 1 + (self.flips or len(self._flippable(nodes)))}

    def sampler(self, nodes: int) -> samplers.FlipPathsSampler:
        """Return the sampler."""
        flippable = self._flippable(nodes)
        if self.flips is not None and self.flips > len(flippable):
            raise InputError(f"flips must be at most {len(flippable)}, the nodes that may be flipped, got {self.flips}")
        where = np.zeros(nodes, bool)
        where[flippable] = True
        last, possible = _threshold(self.probability)
        return samplers.FlipPathsSampler(last, possible, jnp.asarray(where), self.inner(nodes)["step"])

    def _flippable(self, nodes: int) -> list[int]:
        return list(range(nodes) if self.among is None else self.among)


@dataclass(frozen=True)
class LeaveOneOut(Design):
    """Each node off once, all others on; the result's axis is the node that is off."""

    keeps_gates: ClassVar[bool] = False

    def axes(self, nodes: int) -> dict[str, int]:
        """Length of (node,)."""
        return {"node": nodes}

    def sampler(self, nodes: int) -> samplers.LeaveOneOutSampler:
        """Return the sampler."""
        return samplers.LeaveOneOutSampler(nodes)


@dataclass(frozen=True)
class Hypercube(Design):
    """Every mask once: mask number m has node i on when bit i of m is 1.

    It is for at most 30 nodes. The gates are not stored, since they follow from the number.

    See Also
    --------
    analysis.hypercube : Spectra, Shapley values and exact moments of all masks.
    """

    keeps_gates: ClassVar[bool] = False

    def axes(self, nodes: int) -> dict[str, int]:
        """Length of (mask,)."""
        return {"mask": 2**nodes}

    def sampler(self, nodes: int) -> samplers.HypercubeSampler:
        """Return the sampler."""
        if nodes > MOST_CUBE_NODES:
            raise InputError(f"Hypercube is for at most {MOST_CUBE_NODES} nodes, got {nodes}: sample it instead")
        return samplers.HypercubeSampler(nodes)


@dataclass(frozen=True, eq=False)
class Masks(Design):
    """Gate vectors of the user's own.

    Parameters
    ----------
    array : array_like, (draws, nodes) or (chains, draws, nodes)
        Bool, integer or float; values between 0 and 1 are partial gains. It is copied.

    Raises
    ------
    TypeError
        If the array does not hold numbers.
    InputError
        If its shape is another, it is empty, or a gate is not finite or too large for JAX's floats; when swept, if the
        last axis is not one gate a node.

    See Also
    --------
    sweeps.ranking.masks_along : Masks of nodes that go off one after the other.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.Masks([[1, 1, 0], [0.5, 1, 1]]).axes(nodes=3)
    {'chain': 1, 'draw': 2}
    """

    array: Any

    def __post_init__(self) -> None:
        if np.ma.is_masked(self.array):
            raise InputTypeError("array must have all its values, got a masked array")
        try:
            array = np.array(self.array)
        except ValueError as error:  # lists of unequal lengths
            raise InputTypeError("array must be an array of numbers, got lists of unequal lengths") from error
        if not any(jnp.issubdtype(array.dtype, kind) for kind in (bool, jnp.integer, jnp.floating)):
            raise InputTypeError(f"array must be bool, integer or float, got {array.dtype}")
        if array.ndim not in (2, 3) or array.size == 0:
            raise InputError(
                f"array must have shape (draws, nodes) or (chains, draws, nodes), not empty, got {array.shape}"
            )
        _check_finite(array)
        _set(self, array=array.reshape((-1, *array.shape[-2:])))

    def __repr__(self) -> str:
        return f"Masks(array of shape {self.array.shape})"

    def axes(self, nodes: int) -> dict[str, int]:
        """Lengths of (chain, draw)."""
        return {"chain": self.array.shape[0], "draw": self.array.shape[1]}

    def sampler(self, nodes: int) -> samplers.MasksSampler:
        """Return the sampler."""
        if self.array.shape[-1] != nodes:
            raise InputError(
                f"array must have one gate a node, shape (..., {nodes}), got {self.array.shape[-1]} gates a mask"
            )
        binary = np.isin(self.array, (0, 1)).all()
        return samplers.MasksSampler(jnp.asarray(self.array.astype(bool if binary else np.float64)))


def _threshold(probability: float | Sequence[float]) -> tuple[Array, Array]:
    """Thresholds of 32 random bits, at or below which a node is on, and whether any node can be on."""
    steps = np.round(np.asarray(probability) * 2.0**32).astype(np.uint64)
    return jnp.asarray((np.maximum(steps, 1) - 1).astype(np.uint32)), jnp.asarray(steps > 0)


def _check_finite(gates: np.ndarray) -> None:
    """Raise InputError for a gate that is not finite in the type that JAX computes in."""
    if not jnp.issubdtype(gates.dtype, jnp.floating):
        return
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(gates.astype(jnp.result_type(float)))
    if bad.any():
        where = tuple(int(one) for one in np.argwhere(bad)[0])
        raise InputError(f"array must hold finite gates that fit into JAX's floats, got {gates[where]} at {where}")


def _set(design: Design, **values: Any) -> None:
    """Set fields of a frozen design."""
    for name, value in values.items():
        object.__setattr__(design, name, value)
