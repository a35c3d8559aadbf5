"""Maximum rules: which share of the relevance of b = max_i a_i each a_i takes."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sweeps import checks
from sweeps.relevance.numbers import divided

Objects = Float[Array, "objects *places"]


class MaximumRule(Protocol):
    """How relevance goes back through a maximum.

    Objects are along the first axis. Minus infinity stands for no object, as at the edge of a pooled image.

    Attributes
    ----------
    conserves : quantities that add up under it: see ``Rules.quantity``
    has_offset : whether the shares do not add up to one, and what is missing goes to a bias
    """

    conserves: ClassVar[tuple[str, ...]]
    has_offset: ClassVar[bool]

    def shares(self, objects: Objects, baseline: Objects) -> Objects:
        """Return the share of each object.

        Parameters
        ----------
        objects : a_i
        baseline : a_i for the baseline input
        """
        ...


@dataclass(frozen=True)
class Winner:
    """All to the largest, the first of equals: the rule "gradient"."""

    conserves: ClassVar[tuple[str, ...]] = ("relevance", "sensitivity", "factor")
    has_offset: ClassVar[bool] = False

    def shares(self, objects: Objects, baseline: Objects) -> Objects:
        """See ``MaximumRule``."""
        return jax.nn.one_hot(jnp.argmax(objects, axis=0), len(objects), dtype=objects.dtype, axis=0)


@dataclass(frozen=True)
class Radial:
    """Shares that grow with the distance from zero: s_i = a_i / sum_j a_j over the positive a_j, others have none.

    Where all are negative, s_i = (1 / a_i) / sum_j (1 / a_j): the closest to zero has the most. Where the largest are
    zero, they share alike, the limit from below. The shares are not negative and sum to 1.

    Notes
    -----
    Of two objects, one of them a constant c <= 0, the maximum is also a nonlinearity, f(a) = max(a, c), whose slope
    b / a says what a takes: 1 for a >= c, and c / a below. The radial share of a is 1 for a >= 0, as the slope; below
    zero it is (1/a) / (1/a + 1/c) = t / (1 + t) with t = c / a, where the slope is min(1, t). So radial maximum and
    slope do **not** match, but for c = 0 (relu), for a >= 0 and in the limits of a far below c and close to zero: the
    graphs look alike, and differ most at a = c, by a factor of 2. No rule that treats its objects alike can do better:
    at a = c it has to give each one half, where the slope is 1.
    """

    conserves: ClassVar[tuple[str, ...]] = ("relevance", "sensitivity", "factor")
    has_offset: ClassVar[bool] = False

    def shares(self, objects: Objects, baseline: Objects) -> Objects:
        """See ``MaximumRule``."""
        largest = jnp.max(objects, axis=0, keepdims=True)
        present = jnp.where(jnp.isneginf(objects), 0.0, objects)
        # Divided by the largest: 1 / a of a tiny number would overflow.
        ratio = divided(present, jnp.broadcast_to(largest, objects.shape))
        below = divided(jnp.ones_like(ratio), ratio)
        weights = jnp.where(largest > 0, jnp.maximum(ratio, 0), below)
        weights = jnp.where(largest == 0, (objects == 0).astype(objects.dtype), weights)
        return weights / jnp.sum(weights, axis=0, keepdims=True)


@dataclass(frozen=True)
class SoftmaxLimit:
    """Shares of eps log sum_i exp(a_i / eps) for eps to 0, put together from nonlinearities, a sum and biases.

    exp and log are 1 and 0 where their arguments are 0 and 1, so the offset of each exponential is a bias:
    b = eps log(1 + u), u = sum_i (exp(a_i / eps) - 1) + (n - 1). With the ignoring and the normalised rule a_i takes
    (exp(a_i / eps) - 1) / u and the bias (n - 1) / u. In the limit the largest take all in equal shares if they are
    positive; if all are negative, u is -1, **each** object takes all, and the bias takes minus n - 1 times that. At a
    largest of zero, where the limit of the relevance does not exist, the largest share alike.

    Parameters
    ----------
    eps : 0 for the limit

    Raises
    ------
    ValueError
        If eps is negative.
    """

    eps: float = 0.0
    conserves: ClassVar[tuple[str, ...]] = ("relevance", "sensitivity", "factor")
    has_offset: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", checks.number("eps", self.eps, 0))

    def shares(self, objects: Objects, baseline: Objects) -> Objects:
        """See ``MaximumRule``."""
        largest = jnp.max(objects, axis=0, keepdims=True)
        present = (~jnp.isneginf(objects)).astype(objects.dtype)
        if self.eps > 0:
            # Multiplied by exp(-max(largest, 0) / eps), so that nothing overflows.
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
    """Shares of max(a, b) = a + relu(b - a), one object after the other.

    With the gradient or slope rule in R / a (the same for relu), or the normalised rule in R: all to the winner, and
    the first of equals, for every sign. This is where it disagrees with ``SoftmaxLimit``: for (-1, -2) the relu form
    has shares (1, 0), the softmax (1, 1) and -1 for the bias; for (1, 1) the relu form has (1, 0), the softmax
    (1/2, 1/2).
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
    """The part of the straight path from the baseline to the input on which each object is the largest.

    sum_i s_i (a_i - a0_i) = b - b0, since along the path the slope of b is that of the largest object. For two objects
    it is the rescale rule of max(a, b) = a + relu(b - a), and for a maximum with a constant that of the nonlinearity.
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
        # Of two that are the same along the whole path, the first is the larger.
        behind = (steeper == 0) & ((ahead < 0) | ((ahead == 0) & (number[:, None] > number[None])))
        begin = jnp.where(steeper > 0, meet, jnp.where(behind, 1.0, 0.0))
        end = jnp.where(steeper < 0, meet, 1.0)
        counts = present[None] & present[:, None]
        begin = jnp.max(jnp.where(counts, begin, 0.0), axis=1)
        end = jnp.min(jnp.where(counts, end, 1.0), axis=1)
        length = jnp.clip(end, 0, 1) - jnp.clip(begin, 0, 1)
        return jnp.where(present, jnp.maximum(length, 0), 0.0)


MAXIMUM: dict[str, MaximumRule] = {
    "gradient": Winner(),
    "radial": Radial(),
    "softmax_limit": SoftmaxLimit(),
    "relu_form": ReluForm(),
    "rescale": RescaleMaximum(),
}
