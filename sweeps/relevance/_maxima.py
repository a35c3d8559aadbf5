"""Maximum rules: shares of the a_i in the relevance of b = max_i a_i."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sweeps import _checks
from sweeps.relevance._numbers import divided

Objects = Float[Array, "objects *places"]


class MaximumRule(Protocol):
    """A rule for maxima.

    Objects are along the first axis; minus infinity stands for a missing object, as at the edge of a pooled image.

    Attributes
    ----------
    conserves : tuple of str
        The quantities whose sum the rule keeps: see ``Rules``.
    has_offset : bool
        Whether shares need not sum to 1, and the rest goes to a bias.
    """

    conserves: ClassVar[tuple[str, ...]]
    has_offset: ClassVar[bool]

    def shares(self, objects: Objects, baseline: Objects) -> Objects:
        """Return the share of each object.

        Parameters
        ----------
        objects : array, (objects, ...)
            The a_i.
        baseline : array, (objects, ...)
            The a_i for the baseline input.

        Returns
        -------
        array, (objects, ...)
            Shares in the relevance of the maximum.
        """
        ...


@dataclass(frozen=True)
class Winner:
    """All to the first of the largest objects: the rule "gradient"."""

    conserves: ClassVar[tuple[str, ...]] = ("relevance", "sensitivity", "factor")
    has_offset: ClassVar[bool] = False

    def shares(self, objects: Objects, baseline: Objects) -> Objects:
        """See ``MaximumRule``."""
        return jax.nn.one_hot(jnp.argmax(objects, axis=0), len(objects), dtype=objects.dtype, axis=0)


@dataclass(frozen=True)
class Radial:
    """Shares s_i = a_i / sum_j a_j over the positive a_j, and zero for others.

    If all are negative, s_i = (1 / a_i) / sum_j (1 / a_j), which is largest for the object closest to zero. If the
    largest objects are zero, they have equal shares, the limit from below. Shares are not negative and sum to 1.

    Notes
    -----
    The maximum of a and a constant c <= 0 is also a nonlinearity f(a) = max(a, c), whose slope rule gives a the share
    b / a: 1 for a >= c, and c / a below. The radial share of a is 1 for a >= 0; below zero it is
    (1/a) / (1/a + 1/c) = t / (1 + t) with t = c / a, where the slope is min(1, t). Radial maximum and slope thus agree
    for c = 0 (relu), for a >= 0, and in the limits of a far below c and close to zero. They differ most at a = c, by a
    factor of 2. No rule that is symmetric in its objects avoids this: at a = c it gives each 1/2, where the slope is 1.
    """

    conserves: ClassVar[tuple[str, ...]] = ("relevance", "sensitivity", "factor")
    has_offset: ClassVar[bool] = False

    def shares(self, objects: Objects, baseline: Objects) -> Objects:
        """See ``MaximumRule``."""
        largest = jnp.max(objects, axis=0, keepdims=True)
        present = jnp.where(jnp.isneginf(objects), 0.0, objects)
        # Divided by the largest, as 1 / a of a tiny number would overflow.
        ratio = divided(present, jnp.broadcast_to(largest, objects.shape))
        below = divided(jnp.ones_like(ratio), ratio)
        weights = jnp.where(largest > 0, jnp.maximum(ratio, 0), below)
        weights = jnp.where(largest == 0, (objects == 0).astype(objects.dtype), weights)
        return weights / jnp.sum(weights, axis=0, keepdims=True)


@dataclass(frozen=True, kw_only=True)
class SoftmaxLimit:
    """Shares of eps log sum_i exp(a_i / eps) as eps goes to 0, as nonlinearities, a sum and biases.

    Since exp(0) is 1, the offset of each exponential is a bias: b = eps log(1 + u) with
    u = sum_i (exp(a_i / eps) - 1) + (n - 1). By the rule "ignore" and the normalised rule a_i takes
    (exp(a_i / eps) - 1) / u and the bias (n - 1) / u. In the limit, the largest objects have equal shares if they are
    positive. If all are negative, u is -1: **each** object takes all, and the bias minus n - 1 times that. If the
    largest are zero, the relevance has no limit, and they have equal shares.

    Parameters
    ----------
    eps : float, default 0.0
        Width of the soft maximum, in the unit of the activations; 0 is the limit.

    Raises
    ------
    InputError
        If eps is negative.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.relevance.Rules(maximum=sweeps.relevance.SoftmaxLimit(eps=0.1)).maximum
    SoftmaxLimit(eps=0.1)
    """

    eps: float = 0.0
    conserves: ClassVar[tuple[str, ...]] = ("relevance", "sensitivity", "factor")
    has_offset: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", _checks.number("eps", self.eps, 0))

    def shares(self, objects: Objects, baseline: Objects) -> Objects:
        """See ``MaximumRule``."""
        largest = jnp.max(objects, axis=0, keepdims=True)
        present = (~jnp.isneginf(objects)).astype(objects.dtype)
        if self.eps > 0:
            # Multiplied by exp(-max(largest, 0) / eps) to avoid overflow.
            scale = jnp.maximum(largest, 0) / self.eps
            terms = present * (jnp.exp(objects / self.eps - scale) - jnp.exp(-scale))
            total = jnp.sum(terms, axis=0, keepdims=True) + jnp.exp(-scale) * (
                jnp.sum(present, axis=0, keepdims=True) - 1
            )
            return divided(terms, jnp.broadcast_to(total, terms.shape))
        ties = (objects == largest).astype(objects.dtype)
        return jnp.where(largest < 0, present, ties / jnp.sum(ties, axis=0, keepdims=True))


@dataclass(frozen=True)
class ReluForm:
    """Shares of max(a, b) = a + relu(b - a), object after object.

    By the gradient or slope rule in R / a (equal for relu), or the normalised rule in R: all to the first of the
    largest objects, whatever their signs. ``SoftmaxLimit`` differs: for (-1, -2) the shares are (1, 0) here, and (1, 1)
    with -1 for the bias there; for (1, 1) they are (1, 0) here, and (1/2, 1/2) there.
    """

    conserves: ClassVar[tuple[str, ...]] = ("relevance", "sensitivity", "factor")
    has_offset: ClassVar[bool] = False

    def shares(self, objects: Objects, baseline: Objects) -> Objects:
        """See ``MaximumRule``."""
        largest, shares = objects[0], [jnp.ones_like(objects[0])]
        for other in objects[1:]:
            wins = (other > largest).astype(objects.dtype)
            shares = [share * (1 - wins) for share in shares] + [wins]
            largest = jnp.maximum(largest, other)
        return jnp.stack(shares)


@dataclass(frozen=True)
class RescaleMaximum:
    """Share s_i of the straight path from the baseline to the input on which object i is the largest.

    sum_i s_i (a_i - a0_i) = b - b0, since the slope of b along the path is that of the largest object. For two objects
    it is the rescale rule of max(a, b) = a + relu(b - a); with a constant it is that of the nonlinearity.
    """

    conserves: ClassVar[tuple[str, ...]] = ("difference",)
    has_offset: ClassVar[bool] = False

    def shares(self, objects: Objects, baseline: Objects) -> Objects:
        """See ``MaximumRule``."""
        present = ~(jnp.isneginf(objects) | jnp.isneginf(baseline))
        start, rise = jnp.where(present, baseline, 0.0), jnp.where(present, objects - baseline, 0.0)
        # Pairs (i, j): i is above j where ahead + steeper * t > 0, 0 <= t <= 1.
        ahead, steeper = start[:, None] - start[None], rise[:, None] - rise[None]
        meet = divided(-ahead, steeper)
        number = jnp.arange(len(objects)).reshape(-1, *(1,) * (objects.ndim - 1))
        # Of two objects that are equal along the path, the first counts as larger.
        behind = (steeper == 0) & ((ahead < 0) | ((ahead == 0) & (number[:, None] > number[None])))
        begin = jnp.where(steeper > 0, meet, jnp.where(behind, 1.0, 0.0))
        end = jnp.where(steeper < 0, meet, 1.0)
        counts = present[None] & present[:, None]
        begin = jnp.max(jnp.where(counts, begin, 0.0), axis=1)
        end = jnp.min(jnp.where(counts, end, 1.0), axis=1)
        length = jnp.clip(end, 0, 1) - jnp.clip(begin, 0, 1)
        return jnp.where(present, jnp.maximum(length, 0), 0.0)


MAXIMUM_RULES: dict[str, MaximumRule] = {
    "gradient": Winner(),
    "radial": Radial(),
    "softmax_limit": SoftmaxLimit(),
    "relu_form": ReluForm(),
    "rescale": RescaleMaximum(),
}
