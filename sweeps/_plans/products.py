"""Products: float32 matrices multiplied on tensor cores, which take bfloat16 numbers, with the digits of float32.

A float32 number is the sum of three bfloat16 numbers, high + middle + low, to its last bit. Of the nine products of the
parts of two numbers six matter; the other three are below 2^-24 of the whole. A gate of zero or one is a bfloat16
number itself, and leaves three.

Tensor cores add up in float32 but cut digits off instead of rounding, so that errors of long sums grow with their
length: small products come first in a sum, and a sum is cut in pieces that are added up outside.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, BFloat16, Bool, Float, Shaped

from sweeps import _device

# Parts of the left and of the right number in each product, smallest first.
OF_NUMBERS = ((2, 0), (1, 1), (0, 2), (1, 0), (0, 1), (0, 0))
OF_MASKS = ((2, 0), (1, 0), (0, 0))
# Most terms in a piece of a sum. On an H200 18,000 at once had an error of 2.3e-5 of the largest sum, and 6e-6 in
# float32; of pieces it is reckoned to be 2.6e-6.
PIECE = 2048
# Operations a second in float32 and in bfloat16, and bytes a second, of an H100. From these it is reckoned, not
# measured, whether parts are faster; they must be so by a wide margin.
FLOAT32, BFLOAT16, MEMORY, MARGIN = 50e12, 700e12, 3.3e12, 1.5


def einsum(
    spec: str, left: Float[Array, "..."], right: Float[Array, "..."], masks: bool | Bool[Array, ""] = False
) -> Float[Array, "..."]:
    """Return what jnp.einsum does of two arrays; on tensor cores where these are faster and as exact.

    Parameters
    ----------
    spec : str
        Such as "ij,jk->ik", with an output; indices that are summed over are neighbours, or stay in float32.
    left, right : array, (...)
        The operands.
    masks : bool or array of bool, ()
        Whether all numbers of the right one are zero or one; a traced truth value decides while it runs.
    """
    if _device.here().is_cpu:
        return jnp.einsum(spec, left, right)
    # A bias that is added inside a GPU's product is written for every one of its numbers before.
    return jax.lax.optimization_barrier(_of_accelerator(spec, left, right, masks))


def _of_accelerator(
    spec: str, left: Float[Array, "..."], right: Float[Array, "..."], masks: bool | Bool[Array, ""]
) -> Float[Array, "..."]:
    if are_wanted(left.dtype):
        if isinstance(masks, bool):
            return _einsum(spec, masks, left, right)
        if pay(spec, OF_MASKS, left.shape, right.shape):
            return jax.lax.cond(masks, partial(_einsum, spec, True), partial(_einsum, spec, False), left, right)
    return jnp.einsum(spec, left, right)


def are_wanted(dtype: Any) -> bool:
    """Whether products of this type, in full precision, may go to tensor cores; asked while a function is traced."""
    config: Any = jax.config
    is_full = config.jax_default_matmul_precision in ("highest", "float32")
    return dtype == jnp.float32 and is_full and _device.here().has_tensor_cores


def are_masks(gates: Shaped[Array, "masks nodes"]) -> bool | Bool[Array, ""]:
    """Whether all gates are zero or one; those of type bool are, and others are not read where nothing asks."""
    if gates.dtype == bool:
        return True
    return ((gates == 0) | (gates == 1)).all() if are_wanted(gates.dtype) else False


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _einsum(spec: str, masks: bool, left: Float[Array, "..."], right: Float[Array, "..."]) -> Float[Array, "..."]:
    pairs = OF_MASKS if masks else OF_NUMBERS
    return (
        _of_parts(spec, pairs, left, right)
        if pay(spec, pairs, left.shape, right.shape)
        else jnp.einsum(spec, left, right)
    )


def _forward(
    spec: str, masks: bool, left: Float[Array, "..."], right: Float[Array, "..."]
) -> tuple[Array, tuple[Array, Array]]:
    return _einsum(spec, masks, left, right), (left, right)


def _backward(spec: str, _: bool, operands: tuple[Array, Array], change: Float[Array, "..."]) -> tuple[Array, Array]:
    """Pull a change back: each index of an operand stands in the result or in the other operand."""
    of_left, of_right, of_result = _indices(spec)
    left, right = operands
    return (
        _einsum(f"{of_result},{of_right}->{of_left}", False, change, right),
        _einsum(f"{of_left},{of_result}->{of_right}", False, left, change),
    )


_einsum.defvjp(_forward, _backward)


def pay(spec: str, pairs: Sequence[tuple[int, int]], left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    """Whether products of parts are reckoned to be faster than a product in float32, by a wide margin.

    A product takes as long as its arithmetic or its traffic, whichever is longer; parts are also written before, and
    pieces added up behind.
    """
    of_left, of_right, of_result = _indices(spec)
    summed = _summed(spec)
    if summed not in of_left or summed not in of_right:
        return False
    sizes = dict(zip(of_left + of_right, left + right, strict=True))
    operations = 2 * math.prod(sizes.values())
    operands, result = math.prod(left) + math.prod(right), math.prod(sizes[index] for index in of_result)
    single = max(operations / FLOAT32, 4 * (operands + result) / MEMORY)
    parts = 2 * len(pairs) * operands
    pieces = 4 * _pieces(math.prod(sizes[index] for index in summed)) * result
    split = max(len(pairs) * operations / BFLOAT16, (parts + pieces) / MEMORY)
    return MARGIN * (split + (parts + pieces - 4 * result) / MEMORY) < single


def _of_parts(
    spec: str, pairs: Sequence[tuple[int, int]], left: Float[Array, "..."], right: Float[Array, "..."]
) -> Float[Array, "..."]:
    """One product, whose sum runs over the pairs of parts and what was summed over before, piece by piece."""
    of_left, of_right, of_result = _indices(spec)
    summed = _summed(spec)
    left, right = _merged(left, of_left, summed), _merged(right, of_right, summed)
    left = stacked(left, of_left.index(summed), [pair[0] for pair in pairs])
    right = stacked(right, of_right.index(summed), [pair[1] for pair in pairs])
    # Upper-case letters: P the pieces, Q the pairs, R the numbers of a piece.
    of_left, of_right = (indices.replace(summed, "PQR") for indices in (of_left, of_right))
    pieces = jnp.einsum(
        f"{of_left},{of_right}->P{of_result}",
        left,
        right,
        precision=jax.lax.Precision.DEFAULT,
        preferred_element_type=jnp.float32,
    )
    return pieces.sum(axis=0)


def _merged(values: Float[Array, "..."], indices: str, merged: str) -> Float[Array, "..."]:
    """Make one axis of neighbouring ones."""
    first = indices.index(merged)
    return values.reshape(*values.shape[:first], -1, *values.shape[first + len(merged) :])


def stacked(values: Float[Array, "..."], axis: int, parts: Sequence[int]) -> BFloat16[Array, "..."]:
    """Make three axes of one: pieces, parts, and numbers of a piece, padded to a multiple of 8 as GPUs want it."""
    *before, size = values.shape[: axis + 1]
    pieces = _pieces(size)
    length = -(-size // (8 * pieces)) * 8
    padding = [(0, 0)] * values.ndim
    padding[axis] = (0, pieces * length - size)
    cut = jnp.pad(values, padding).reshape(*before, pieces, length, *values.shape[axis + 1 :])
    high, *rest = split(cut)
    # An infinite number times a part of zero would be NaN: it stands in the last pair alone, that of both high parts.
    few = [jnp.where(jnp.isfinite(high), high, 0), *rest]
    return jnp.stack([few[part] for part in parts[:-1]] + [high], axis=axis + 1)


def split(values: Float[Array, "*shape"]) -> tuple[BFloat16[Array, "*shape"], ...]:
    """Return three bfloat16 parts of float32 numbers, high, middle and low, whose sum they are.

    What is not finite is its own high part; the others are zero.
    """
    # The compiler removes casts there and back, but not this rounding.
    high = jax.lax.reduce_precision(values, 8, 7)
    rest = jnp.where(jnp.isfinite(high), values - high, 0)
    middle = jax.lax.reduce_precision(rest, 8, 7)
    return tuple(part.astype(jnp.bfloat16) for part in (high, middle, rest - middle))


def _pieces(size: int) -> int:
    return -(-size // PIECE)


def _indices(spec: str) -> list[str]:
    """Indices of the left operand, of the right one, and of the result."""
    return spec.replace("->", ",").split(",")


def _summed(spec: str) -> str:
    """The indices that are summed over."""
    of_left, of_right, of_result = _indices(spec)
    return "".join(index for index in of_left if index in of_right and index not in of_result)
