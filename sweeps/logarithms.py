"""Fast log(1 + x) of positive numbers, which take most of the time of an evaluation."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Coefficients of atanh(s) / s in powers of s^2 up to 1/9, for arguments of the logarithm between 1/2 and 2; by
# interpolation in Chebyshev points, with an error of 3e-9 at most.
TERMS = tuple(
    np.polynomial.Chebyshev.interpolate(lambda z: np.arctanh(np.sqrt(z)) / np.sqrt(z), 4, [1e-12, 1 / 9])
    .convert(kind=np.polynomial.Polynomial)
    .coef.tolist()
)
# Bits of sqrt(1/2): arguments are scaled by powers of two to lie between it and sqrt(2).
SMALLEST = 0x3F3504F3


@jax.custom_jvp
def log1p_of_share(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return log(1 + x) for x from 0 to 1, with relative error 3e-7; on CPUs several times faster than jnp.log1p.

    log(1 + x) = 2 atanh(s) with s = x / (2 + x) at most 1/3. Float64 takes jnp.log1p.
    """
    if x.dtype != jnp.float32:
        return jnp.log1p(x)
    return _twice_atanh(x / (2 + x))


@jax.custom_jvp
def log1p_of_positive(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return log(1 + x) for x from 0 to 2^126, with relative error 3e-7; on CPUs several times faster than jnp.log1p.

    With 2^k the power of two nearest to 1 + x, this is k log 2 + log(1 + f) with f = (1 + x) 2^-k - 1. For small x, k
    is zero and f is x, without loss of digits.
    """
    if x.dtype != jnp.float32:
        return jnp.log1p(x)
    exponent = (jax.lax.bitcast_convert_type(1 + x, jnp.int32) - SMALLEST) >> 23
    scale = jax.lax.bitcast_convert_type((127 - exponent) << 23, jnp.float32)
    rest = x * scale + (scale - 1)
    return exponent.astype(jnp.float32) * jnp.float32(np.log(2)) + _twice_atanh(rest / (2 + rest))


def _twice_atanh(s: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    square = jnp.square(s)
    series = jnp.full_like(s, TERMS[-1])
    for term in TERMS[-2::-1]:
        series = series * square + term
    return 2 * s * series


log1p_of_share.defjvps(lambda tangent, _, x: tangent / (1 + x))
log1p_of_positive.defjvps(lambda tangent, _, x: tangent / (1 + x))
