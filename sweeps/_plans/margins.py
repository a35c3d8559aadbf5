"""Margins: sum_o outgoing_o relu(sums_o) for many masks, with a derivative that keeps no activations."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sweeps import _device
from sweeps._plans import products

# Most terms of a margin that are written out one by one in the program.
MOST_TERMS = 128


def product(
    folded: Float[Array, "masks outputs inputs"], values: Float[Array, "*masks inputs block"]
) -> Float[Array, "masks outputs block"]:
    """Multiply each mask's kernel by its values, or by those that all masks share."""
    return products.einsum("moi,ie->moe" if values.ndim == 2 else "moi,mie->moe", folded, values)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def of_relu(
    kink: float,
    folded: Float[Array, "masks outputs inputs"],
    outgoing: Float[Array, "masks outputs"],
    values: Float[Array, "*masks inputs block"],
) -> Float[Array, "masks block"]:
    """Return sum_o outgoing_o relu(sum_i folded_oi values_i).

    Backwards, the derivative by outgoing_o is the sum over examples of those whose sum passes, times that sum; the sum
    is linear in folded_oi, and so is the derivative: it comes from the product that gives the derivative by folded_oi.
    So activations are neither kept nor read again.

    Parameters
    ----------
    kink : float
        Derivative at zero: of ``jax.nn.relu`` 0, of ``jnp.maximum(x, 0)`` 0.5.
    folded : array, (masks, outputs, inputs)
        Kernels with the gates of their inputs.
    outgoing : array, (masks, outputs)
        Weights of the sum.
    values : array, (*masks, inputs, block)
        Inputs; where all masks share them they are data, and have no derivative.
    """
    return _forwards(kink, folded, outgoing, values)[0]


def _forwards(kink: float, folded: Array, outgoing: Array, values: Array) -> tuple[Array, tuple[Array, ...]]:
    sums = product(folded, values)
    if not _device.here().is_cpu:
        # One kernel; term by term every node would take another.
        return (outgoing[:, :, None] * jax.nn.relu(sums)).sum(axis=1), (folded, outgoing, values, sums)
    if sums.shape[1] > MOST_TERMS:
        return jnp.einsum("mo,moe->me", outgoing, jax.nn.relu(sums)), (folded, outgoing, values, sums)
    # Term by term the compiler keeps them out of memory.
    terms = [outgoing[:, node, None] * jnp.where(sums[:, node] > 0, sums[:, node], 0) for node in range(sums.shape[1])]
    return sum(terms[1:], start=terms[0]), (folded, outgoing, values, sums)


def _backwards(
    kink: float, kept: tuple[Array, ...], change: Float[Array, "masks block"]
) -> tuple[Array, Array, Array | None]:
    folded, outgoing, values, sums = kept
    passed = jnp.where(sums > 0, change[:, None], 0)
    if kink:
        passed = jnp.where(sums == 0, kink * change[:, None], passed)
    shared = values.ndim == 2
    weights = products.einsum("moe,ie->moi" if shared else "moe,mie->moi", passed, values)
    by_values = None if shared else products.einsum("moi,moe->mie", folded * outgoing[:, :, None], passed)
    return weights * outgoing[:, :, None], (folded * weights).sum(axis=2), by_values


of_relu.defvjp(_forwards, _backwards)
