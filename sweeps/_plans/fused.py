"""The fused plan: the affine plan in one kernel on NVIDIA GPUs, in which no margin is ever in memory.

A program of the kernel takes the bits of some masks and goes through a piece of the examples, block after block: a
product of gates and slopes gives margins; these give losses and probabilities of the wrong class; a product of
probabilities and slopes adds to the gradient.

The products run on tensor cores, which multiply TF32 numbers, of 11 bits, and add up 32 or 64 of them in float32. Gates
of zeros and ones are exact in TF32. A slope is the sum of two TF32 numbers, which keep 22 bits of it, and so is a
probability; the product of two lower parts is left out. All other sums are in float32. Losses and gradients are right
to float32 rounding. Partial gains are not exact in TF32: the affine plan evaluates them.

Margins are in units of log 2, so that the hardware's power of two is all of the exponential. Each column of the blocks
of a piece takes one logarithm, of the product of 1 + 2^-|margin|. The running product minus one, p <- p + t + p t,
keeps small losses exact.
"""

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jaxtyping import Array, Bool, Float, Float32, Shaped, UInt32

from sweeps import _device
from sweeps._masks import bits
from sweeps._masks.bits import WORD
from sweeps._plans import Computed, Plan, in_batches, preferred_batch
from sweeps._plans.affine import NEVER_WRONG, AffineMargins

# Masks of a program, its warps, and blocks that are on their way from memory: the fastest of those tried on an H200,
# with 32 examples in a block.
MASKS, WARPS, STAGES = 64, 4, 2
# Examples in a block, by words of nodes: more nodes need more of the registers and of the memory on the chip, where
# four words and these blocks take 82 of the 99 KiB that the smallest chips have.
BLOCKS = {1: 32, 2: 32, 3: 16, 4: 16}
MOST_NODES = WORD * max(BLOCKS)
# Most examples in a piece, for which the products of 1 + 2^-|margin| are within range. Pieces are summed up outside of
# the kernel: short sums are more exact, and few masks on many examples still make many programs.
PIECE = 1024
# Most slopes, of which a plan keeps three copies; and the largest margin or slope, which must not overflow in units of
# log 2.
MOST_SLOPES, LARGEST = 2**28, 1e38
# The bits of a float32 that TF32 has.
KEPT = np.uint32(2**32 - 2**13)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Fused:
    """Cross-entropy with one margin for each example, affine in the gates, in one kernel.

    Margins and slopes are in units of log 2. Examples are padded with a margin never wrong, nodes with slopes of zero.

    Attributes
    ----------
    affine : AffineMargins
        The plan that this one was made of.
    offsets : Float32
        Margins with all gates off, shape (pieces, rows).
    slopes : Float32
        D margin / d gate, of each word of 32 nodes first the upper parts, which TF32 holds, and then the rest, in TF32
        as well, shape (pieces, rows, columns).
    interpret : bool
        Whether the kernel is interpreted, which any device can do, slowly.
    """

    name: ClassVar[str] = "fused"
    weights: ClassVar[int] = 0

    affine: AffineMargins
    offsets: Float32[Array, "pieces rows"]
    slopes: Float32[Array, "pieces rows columns"]
    interpret: bool = field(metadata=dict(static=True))

    @property
    def nodes(self) -> int:
        """Length of a gate vector."""
        return self.affine.nodes

    @property
    def dtype(self) -> Any:
        """Floating-point type of gates and losses."""
        return self.affine.dtype

    def prepared(self) -> Self:
        """Nothing is left to prepare."""
        return self

    def evaluate(self, gates: Shaped[Array, "masks nodes"], gradients: bool) -> Computed:
        """Return mean losses and, when asked, their gate gradients.

        Gates of type bool say that all are zeros and ones; of others that is found out.
        """
        return self.of_masks(gates, gradients) if gates.dtype == bool else _of_gains(self, gates, gradients)

    def of_masks(self, masks: Bool[Array, "masks nodes"], gradients: bool) -> Computed:
        """Return mean losses and gate gradients as the kernel computes them."""
        number = len(masks)
        padding = max(-number % MASKS, MASKS - number)
        words = bits.packed(jnp.pad(masks, [(0, padding), (0, 0)]))
        loss, *gradient = (part.sum(axis=0)[:number] for part in _sums(self, words, gradients))
        if not gradients:
            return Computed(loss / self.affine.examples, None)
        whole = gradient[0][:, : self.nodes]
        return Computed(loss / self.affine.examples, whole * (math.log(2) / self.affine.examples))

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        pieces, _, columns = self.slopes.shape
        results = 1 + (columns // 2 if gradients else 0)
        return self.nodes + columns // (2 * WORD) + (pieces + 1) * results


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _of_gains(plan: Fused, gates: Float[Array, "masks nodes"], gradients: bool) -> Computed:
    """Let the kernel evaluate gates that are all zeros and ones, and the affine plan others."""
    return jax.lax.cond(
        ((gates == 0) | (gates == 1)).all(),
        lambda gates: plan.of_masks(gates == 1, gradients),
        lambda gates: _of_affine(plan.affine, gates, gradients),
        gates,
    )


@_of_gains.defjvp
def _of_gains_jvp(gradients: bool, primals: tuple[Fused, Array], tangents: tuple[Any, Array]) -> Any:
    """Differentiate the affine plan: a kernel has no derivatives."""
    plan, gates = primals
    return jax.jvp(lambda gates: _of_affine(plan.affine, gates, gradients), (gates,), (tangents[1],))


def _of_affine(plan: AffineMargins, gates: Float[Array, "masks nodes"], gradients: bool) -> Computed:
    """Cut a batch that suits the kernel for the affine plan, which has all margins in memory."""
    return in_batches(lambda batch: plan.evaluate(batch, gradients), gates, preferred_batch(plan, gradients))


def _sums(plan: Fused, words: UInt32[Array, "masks words"], gradients: bool) -> list[Array]:
    """Sums of losses on each piece, (pieces, masks), and of gradients, (pieces, masks, 32 words), in units of log 2."""
    pieces, rows, columns = plan.slopes.shape
    masks, width = len(words), columns // 2
    shapes: list[tuple[int, ...]] = [(pieces, masks)]
    blocks = [pl.BlockSpec((None, MASKS), lambda program, piece: (piece, program))]
    if gradients:
        shapes.append((pieces, masks, width))
        blocks.append(pl.BlockSpec((None, MASKS, width), lambda program, piece: (piece, program, 0)))
    call = pl.pallas_call(
        partial(_kernel, interpret=plan.interpret),
        grid=(masks // MASKS, pieces),
        in_specs=[
            pl.BlockSpec((MASKS, width // WORD), lambda program, piece: (program, 0)),
            pl.BlockSpec((None, rows), lambda program, piece: (piece, 0)),
            pl.BlockSpec((None, rows, columns), lambda program, piece: (piece, 0, 0)),
        ],
        out_specs=blocks,
        out_shape=[jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes],
        compiler_params=None if plan.interpret else _triton().CompilerParams(num_warps=WARPS, num_stages=STAGES),
        interpret=plan.interpret,
        name="fused",
    )
    return call(words, plan.offsets, plan.slopes)


def _kernel(
    words_ref: Any,
    offsets_ref: Any,
    slopes_ref: Any,
    loss_ref: Any,
    *gradient_ref: Any,
    interpret: bool,
) -> None:
    """Sum up the losses of some masks on a piece of the examples, and the gradients where there is a place for them."""
    dot = partial(_dot, interpret=interpret)
    words = range(words_ref.shape[1])
    block = BLOCKS[len(words)]
    gates = [_unpacked(words_ref[:, word]) for word in words]

    def add_block(step: Array, sums: Any) -> Any:
        positive, product, gradient = sums
        examples = pl.ds(step * block, block)
        margins = offsets_ref[examples][None, :]
        tiles = [slopes_ref[examples, pl.ds(2 * WORD * word, 2 * WORD)] for word in words]
        for on, tile in zip(gates, tiles, strict=True):
            margins += dot(on, tile.T)
        small = _power(margins, interpret)
        positive += jnp.maximum(margins, 0).sum(axis=1)
        product += small + product * small
        if gradient_ref:
            wrong = _wrong(margins, small, interpret)
            upper = _cut(wrong)
            upper, rest = _without_exchange(upper), _without_exchange(wrong - upper)
            for word, tile in enumerate(tiles):
                high, low = (_without_exchange(part.T).T for part in jnp.split(tile, 2, axis=1))
                gradient[word] += dot(rest, high) + dot(upper, low) + dot(upper, high)
        return positive, product, gradient

    start = (
        jnp.zeros(MASKS, jnp.float32),
        jnp.zeros((MASKS, block), jnp.float32),
        [jnp.zeros((MASKS, WORD), jnp.float32) for _ in words] if gradient_ref else [],
    )
    positive, product, gradient = jax.lax.fori_loop(0, len(offsets_ref) // block, add_block, start)
    loss_ref[...] = positive * math.log(2) + jnp.log1p(product).sum(axis=1)
    for word, total in enumerate(gradient):
        gradient_ref[0][:, pl.ds(WORD * word, WORD)] = total


def _unpacked(words: UInt32[Array, " masks"]) -> Float32[Array, "masks gates"]:
    """Return the gates of a word's nodes twice, for the two parts of their slopes."""
    places = jax.lax.broadcasted_iota(jnp.uint32, (len(words), 2 * WORD), 1) % WORD
    return ((words[:, None] >> places) & 1).astype(jnp.float32)


def _power(margins: Float32[Array, "masks block"], interpret: bool) -> Float32[Array, "masks block"]:
    """Return 2^-|margin|."""
    if interpret:
        return jnp.exp2(-jnp.abs(margins))
    # Compiled, the functions of JAX take five instructions where one does.
    return _instructions("abs.f32 $0, $1; neg.f32 $0, $0; ex2.approx.ftz.f32 $0, $0;", margins)


def _wrong(
    margins: Float32[Array, "masks block"], small: Float32[Array, "masks block"], interpret: bool
) -> Float32[Array, "masks block"]:
    """Return the probability of the wrong class."""
    inverse = 1 / (1 + small) if interpret else _instructions("rcp.approx.ftz.f32 $0, $1;", 1 + small)
    return jnp.where(margins >= 0, inverse, small * inverse)


def _instructions(assembly: str, values: Float32[Array, "masks block"]) -> Float32[Array, "masks block"]:
    options = dict(constraints="=f,f", pack=1, result_shape_dtypes=[jax.ShapeDtypeStruct(values.shape, values.dtype)])
    return _triton().elementwise_inline_asm(assembly, args=[values], **options)[0]


def _triton() -> Any:
    """Return what takes a tenth of a second to import, and only NVIDIA GPUs need."""
    from jax.experimental.pallas import triton

    return triton


def _cut(values: Float32[Array, "*shape"]) -> Float32[Array, "*shape"]:
    """Return the part of numbers that TF32 holds."""
    return jax.lax.bitcast_convert_type(jax.lax.bitcast_convert_type(values, jnp.uint32) & KEPT, jnp.float32)


def _without_exchange(values: Float32[Array, "rows block"]) -> Float32[Array, "rows block"]:
    """Put even examples of every eight before odd ones.

    Tensor cores leave results 2 i and 2 i + 1 in one thread, and take factors i and i + 4 from it. A sum over examples
    may be in any order, and in this one no thread needs numbers of another.
    """
    rows, block = values.shape
    return values.reshape(rows, block // 8, 4, 2).swapaxes(2, 3).reshape(rows, block)


def _dot(left: Float32[Array, "a b"], right: Float32[Array, "b c"], interpret: bool) -> Float32[Array, "a c"]:
    """Multiply matrices of TF32 numbers; interpreted, further bits are cut off as tensor cores do it."""
    if interpret:
        return jnp.dot(_cut(left), _cut(right), precision="highest")
    return jnp.dot(left, right, precision=jax.lax.DotAlgorithmPreset.TF32_TF32_F32)


def fits(plan: Plan) -> tuple[bool, str]:
    """Return whether a plan has a fused kernel here, and the reason in words."""
    if not _device.here().has_triton:
        return False, "this device runs no kernels written in Triton"
    if not isinstance(plan, AffineMargins):
        return False, "the loss is no cross-entropy of outputs that are affine in the gates"
    if plan.offsets.shape[1] > 1:
        return False, "it is for two classes"
    if plan.dtype != jnp.float32:
        return False, f"it is for float32, not {plan.dtype}"
    if plan.nodes > MOST_NODES:
        return False, f"it is for {MOST_NODES} nodes at most"
    if plan.slopes.size > MOST_SLOPES:
        return False, "its copies of the slopes would not fit in memory"
    # A comparison with NaN is false.
    if not jnp.maximum(jnp.abs(plan.slopes).max(), jnp.abs(plan.offsets).max()) <= LARGEST:
        return False, "margins are too large, or not finite"
    return True, "margins stay on the chip"


def build(plan: AffineMargins, interpret: bool = False) -> Fused:
    """Return the fused plan of an affine plan that has one."""
    words = -(-plan.nodes // WORD)
    pieces = -(-plan.examples // PIECE)
    block = BLOCKS[words]
    rows = -(-plan.examples // (pieces * block)) * block
    padding = (0, pieces * rows - plan.examples)
    offsets, slopes = (
        np.asarray(part, np.float64).reshape(-1, *part.shape[3:])[: plan.examples] / math.log(2)
        for part in (plan.offsets, plan.slopes)
    )
    offsets = np.pad(offsets, padding, constant_values=NEVER_WRONG).reshape(pieces, rows)
    slopes = np.pad(slopes, [padding, (0, words * WORD - plan.nodes)]).reshape(pieces, rows, words, WORD)
    high = _rounded(slopes)
    slopes = np.stack([high, _rounded(slopes - high)], axis=3).reshape(pieces, rows, -1)
    return Fused(plan, jnp.asarray(offsets, jnp.float32), jnp.asarray(slopes), interpret)


def _rounded(values: Float[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Round to the nearest numbers that TF32 holds."""
    half = ~KEPT // 2 + 1
    return ((values.astype(np.float32).view(np.uint32) + half) & KEPT).view(np.float32)
