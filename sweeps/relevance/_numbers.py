"""Numbers: divisions with finite results and finite gradients."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

Elementwise = Callable[[Array], Array]


def blip(values: Float[Array, "*any"], eps: float) -> Float[Array, "*any"]:
    """Return b + eps sign(b), where sign(0) = 1: a line that jumps over zero."""
    return jnp.where(values >= 0, values + eps, values - eps)


def divided(values: Float[Array, "*any"], by: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """Return the quotient, zero where the divisor is zero."""
    # The inner selection keeps the gradient of the branch that is not taken finite.
    return jnp.where(by == 0, 0.0, values / jnp.where(by == 0, 1.0, by))


def derivative(function: Elementwise, at: Inexact[Array, "*any"]) -> Inexact[Array, "*any"]:
    """Return the derivative of an elementwise function."""
    # Backwards, as a function with a derivative of its own may have no other.
    value, back = jax.vjp(function, at)
    return back(jnp.ones_like(value))[0]


def scaled(values: Inexact[Array, "*any"], by: Inexact[Array, "*any"]) -> Inexact[Array, "*any"]:
    """Return the product, zero where the second is zero: a masked score is minus infinity."""
    return jnp.where(by == 0, 0.0, jnp.where(by == 0, 0.0, values) * by)


def secant(function: Elementwise, a: Float[Array, "*any"], b: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """Return the slope (f(a) - f(b)) / (a - b) of an elementwise function, with its limit f'(a) at a = b.

    Where quotient and derivative halfway differ by rounding only, the derivative is taken, as the difference of close
    values is mostly rounding. A kink between a and b makes them differ by more, and the quotient is taken. In both
    cases f(a) - f(b) = slope (a - b) up to rounding.
    """
    high, low, halfway = function(a), function(b), derivative(function, (a + b) / 2)
    quotient = divided(high - low, a - b)
    rounding = 4 * float(jnp.finfo(a.dtype).eps) * (jnp.abs(high) + jnp.abs(low))
    is_rounding = jnp.abs((high - low) - halfway * (a - b)) <= rounding
    return jnp.where((a == b) | is_rounding, halfway, quotient)
