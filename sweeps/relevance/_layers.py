"""Layers with the activations of an example: products with weights, or with parts of them, in both directions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sweeps.relevance._numbers import scaled
from sweeps.relevance._steps import Step

Arrays = tuple[Array, ...]
Change = Callable[[Array], Array]


class Layer:
    """A layer with the activations of an example.

    Parameters
    ----------
    step : Step
        The layer.
    values : mapping of int to object
        Of the network, by number.

    Attributes
    ----------
    sources, output : Arrays or array
        The activations a, a tuple of arrays, and b.
    bias : array
        Of the shape of b.
    """

    def __init__(self, step: Step, values: Mapping[int, Any]):
        self._step = step
        self._without = dict(values) | {at: jnp.zeros_like(values[at]) for at in step.offsets}
        self.sources: Arrays = tuple(values[at] for at in step.sources)
        self.output: Array = values[step.output]
        zeros = tuple(map(jnp.zeros_like, self.sources))
        self.bias = step.run(values, zeros) if step.offsets else jnp.zeros_like(self.output)

    @property
    def has_kernel(self) -> bool:
        """Whether its weights are parameters."""
        return self._step.kernel is not None

    @property
    def has_bias(self) -> bool:
        """Whether the layer has a bias."""
        return bool(self._step.offsets)

    def forward(self, sources: Sequence[Array], change: Change | None = None) -> Array:
        """Return the product of the changed weights with other activations, without the bias."""
        values = self._without
        if change is not None and self._step.kernel is not None:
            values = values | {self._step.kernel: change(values[self._step.kernel])}
        return self._step.run(values, sources)

    def back(self, share: Array, change: Change | None = None) -> Arrays:
        """Return the product of the changed, transposed weights with an array of the shape of the output."""
        return jax.vjp(lambda *sources: self.forward(sources, change), *self.sources)[1](share)

    def contributions(self, sign: int) -> Array:
        """Return the sum of the a_i w_ij of a sign, and of the bias if it has that sign."""
        same, other = self._parts(sign)
        return self.forward(*same) + self.forward(*other) + clipped(self.bias, sign)

    def contributed(self, sign: int, share: Array) -> Arrays:
        """Return the sums over j of the a_i w_ij of a sign times a share of b_j."""
        back = [times(sources, self.back(share, change)) for sources, change in self._parts(sign)]
        return plus(*back)

    def _parts(self, sign: int) -> list[tuple[Arrays, Change]]:
        """Return the pairs of activations and weights whose products have a sign."""
        return [
            (tuple(clipped(source, side) for source in self.sources), lambda w, side=side: clipped(w, sign * side))  # type: ignore[misc]
            for side in (1, -1)
        ]


def clipped(values: Array, sign: int) -> Array:
    """Return the positive or the negative part."""
    return jnp.maximum(values, 0) if sign > 0 else jnp.minimum(values, 0)


def times(left: Arrays, right: Arrays) -> Arrays:
    """Return products, array by array, zero where the second is zero."""
    return tuple(scaled(a, b) for a, b in zip(left, right, strict=True))


def plus(left: Arrays, right: Arrays) -> Arrays:
    """Return sums, array by array."""
    return tuple(a + b for a, b in zip(left, right, strict=True))


class Passed(NamedTuple):
    """Relevance of a layer's output, passed on.

    Attributes
    ----------
    sources : Arrays
        To each source.
    bias : array
        To the bias, of the shape of the output.
    absorbed : array
        By the stabiliser, of the shape of the output.
    """

    sources: Arrays
    bias: Array
    absorbed: Array
