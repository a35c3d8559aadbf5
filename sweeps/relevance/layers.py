"""Layers with the activations of one example: products with their weights, and with parts of them, both ways."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sweeps.relevance.steps import Step

Arrays = tuple[Array, ...]
Change = Callable[[Array], Array]


class Layer:
    """A layer with the activations of one example.

    Parameters
    ----------
    step : the layer
    values : of the network, by number

    Attributes
    ----------
    sources, output : the activations a, of one array or several, and b
    bias : what the layer adds, of the shape of b
    """

    def __init__(self, step: Step, values: Mapping[int, Any]):
        self._step = step
        self._without = dict(values) | {one: jnp.zeros_like(values[one]) for one in step.offsets}
        self.sources: Arrays = tuple(values[one] for one in step.sources)
        self.output: Array = values[step.output]
        zeros = tuple(map(jnp.zeros_like, self.sources))
        self.bias = step.run(values, zeros) if step.offsets else jnp.zeros_like(self.output)

    @property
    def has_kernel(self) -> bool:
        """Whether its weights are parameters."""
        return self._step.kernel is not None

    @property
    def has_bias(self) -> bool:
        """Whether something is added."""
        return bool(self._step.offsets)

    def forward(self, sources: Sequence[Array], change: Change | None = None) -> Array:
        """Product of the weights, changed, with other activations; without the bias."""
        values = self._without
        if change is not None and self._step.kernel is not None:
            values = values | {self._step.kernel: change(values[self._step.kernel])}
        return self._step.run(values, sources)

    def back(self, share: Array, change: Change | None = None) -> Arrays:
        """Product of the transposed weights, changed, with an array of the shape of the output."""
        return jax.vjp(lambda *sources: self.forward(sources, change), *self.sources)[1](share)

    def contributions(self, sign: int) -> Array:
        """Sum of the a_i w_ij of one sign, the bias included."""
        same, other = self._parts(sign)
        return self.forward(*same) + self.forward(*other) + clipped(self.bias, sign)

    def contributed(self, sign: int, share: Array) -> Arrays:
        """Sums over j of the a_i w_ij of one sign times a share of b_j."""
        back = [times(sources, self.back(share, change)) for sources, change in self._parts(sign)]
        return plus(*back)

    def _parts(self, sign: int) -> list[tuple[Arrays, Change]]:
        """Pairs of activations and weights whose products have one sign."""
        return [
            (tuple(clipped(source, side) for source in self.sources), lambda w, side=side: clipped(w, sign * side))  # type: ignore[misc]
            for side in (1, -1)
        ]


def clipped(values: Array, sign: int) -> Array:
    """Return the positive or the negative part."""
    return jnp.maximum(values, 0) if sign > 0 else jnp.minimum(values, 0)


def times(left: Arrays, right: Arrays) -> Arrays:
    """Products, array by array."""
    return tuple(a * b for a, b in zip(left, right, strict=True))


def plus(left: Arrays, right: Arrays) -> Arrays:
    """Sums, array by array."""
    return tuple(a + b for a, b in zip(left, right, strict=True))


class Passed(NamedTuple):
    """Where the relevance of a layer's output went.

    Attributes
    ----------
    sources : to each source
    bias : to the bias, of the shape of the output
    absorbed : to nothing, of the shape of the output
    """

    sources: Arrays
    bias: Array
    absorbed: Array
