"""The affine plan: outputs(g) = offset + sum_i g_i slope_i, so that a batch of masks costs one GEMM.

This holds for any network whose gates are all on its last hidden layer. Cross-entropy needs only margins, the outputs
of the other classes minus that of the right one: a single number an example for two classes. Squared error needs less:
|offset + slopes g - target|^2 = |R (g, 1)|^2 with the triangular factor R of a QR decomposition, whose size is the
number of nodes plus one, however many the examples.
"""

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from sweeps import _device
from sweeps._examples import Examples
from sweeps._logarithms import exp_of_negative, log1p_of_positive, log_of_sum
from sweeps._losses import LOSSES, target_values
from sweeps._plans import Computed, blocks, preferred_batch, products
from sweeps._plans.vmapped import NetworkLoss

# Most numbers in an array of slopes; above, the network is evaluated by the vmapped plan.
MOST_SLOPES = 2**30
# Margin of padding examples, with loss and gradient of exactly zero in float32 and float64.
NEVER_WRONG = -1e30
# Products of slopes and gates, of classes, examples, nodes and masks.
MARGINS = "ken,nm->kem"
NOT_AFFINE = "outputs are not affine in the gates (with gates on the last hidden layer alone they mostly are)"
NOT_FINITE = "slopes of the outputs are not finite"
# Examples that share a logarithm; the product of 2^-GROUP to 1 in float32 has room for 126.
GROUP = 8


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AffineMargins:
    """Cross-entropy of outputs that are affine in the gates.

    With m_c the margin of wrong class c, the loss of an example is log(1 + sum_c exp(m_c)).

    Attributes
    ----------
    offsets : array, (blocks, others, block)
        Margins with all gates off, shape (blocks, classes - 1, block), padded with NEVER_WRONG.
    slopes : array, (blocks, others, block, nodes)
        D margin / d gate, shape (blocks, classes - 1, block, nodes).
    examples : int
        Number of examples without the padding.
    """

    name: ClassVar[str] = "affine"
    weights: ClassVar[int] = 0

    offsets: Float[Array, "blocks others block"]
    slopes: Float[Array, "blocks others block nodes"]
    examples: int = field(metadata=dict(static=True))

    @property
    def nodes(self) -> int:
        """Length of a gate vector."""
        return self.slopes.shape[-1]

    @property
    def dtype(self) -> Any:
        """Floating-point type of gates and losses."""
        return self.slopes.dtype

    @property
    def is_of_parts(self) -> bool:
        """Whether tensor cores make the margins of whole batches, from bfloat16 parts of the slopes."""
        masks = self.nodes, preferred_batch(self, gradients=True)
        pay = products.pay(MARGINS, products.OF_MASKS, self.slopes.shape[1:], masks)
        return pay and products.are_wanted(self.dtype)

    def prepared(self) -> Self:
        """Nothing is left to prepare."""
        return self

    def evaluate(self, gates: Shaped[Array, "masks nodes"], gradients: bool) -> Computed:
        """Return mean losses and, when asked, their gate gradients; gates of type bool are all zeros and ones."""
        # Masks innermost, so that sums over examples are sums of vectors.
        columns = gates.astype(self.dtype).T
        # The product adds the offsets too: elsewhere, every margin would look up the block of its offset.
        with_one = jnp.concatenate([columns, jnp.ones_like(columns[:1])])
        are_masks = products.are_masks(gates)

        def add_block(sums: Any, block: tuple[Array, Array]) -> tuple[Any, None]:
            offsets, slopes = _whole_groups(*block)
            with_offsets = jnp.concatenate([slopes, offsets[:, :, None]], axis=2)
            margins = products.einsum(MARGINS, with_offsets, with_one, are_masks)
            loss, wrong = _summed_losses(margins, gradients)
            if wrong is None:
                return (sums[0] + loss, None), None
            return (sums[0] + loss, sums[1] + products.einsum("ken,kem->nm", slopes, wrong)), None

        start = (jnp.zeros_like(columns[0]), jnp.zeros_like(columns) if gradients else None)
        (loss, gradient), _ = jax.lax.scan(add_block, start, (self.offsets, self.slopes))
        if gradient is None:
            return Computed(loss / self.examples, None)
        # Without a barrier the compiler moves the transposition into the product, which takes twice as long on a CPU.
        return Computed(loss / self.examples, jax.lax.optimization_barrier(gradient).T / self.examples)

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        # Margins and probabilities are in use at one time, gates and gradients at another.
        return 2 * max(self.offsets.shape[1] * self.offsets.shape[2], self.nodes)


def _whole_groups(
    offsets: Float[Array, "others block"], slopes: Float[Array, "others block nodes"]
) -> tuple[Float[Array, "others padded"], Float[Array, "others padded nodes"]]:
    """Pad a block of examples, so that it consists of whole groups."""
    padding = (0, -offsets.shape[1] % GROUP)
    return (
        jnp.pad(offsets, [(0, 0), padding], constant_values=NEVER_WRONG),
        jnp.pad(slopes, [(0, 0), padding, (0, 0)]),
    )


def _summed_losses(
    margins: Float[Array, "others examples masks"], gradients: bool
) -> tuple[Float[Array, " masks"], Float[Array, "others examples masks"] | None]:
    """Return the sum of the losses over examples and, where asked, the probabilities of the wrong classes.

    With s = exp(-|margin|), a loss of two classes is max(margin, 0) + log(1 + s), and a group of examples takes the
    logarithm of the product of its 1 + s. Where probabilities are wanted, 1 / (1 + s) is 1 - d, with d the smaller of
    the two: so no exponential is kept or computed again. The product minus one is summed up beside the product, for
    losses near zero.
    """
    if len(margins) > 1:
        losses, wrong = loss_and_wrong(margins)
        return losses.sum(axis=0), wrong if gradients else None
    margins = margins[0]
    small = exp_of_negative(-jnp.abs(margins))
    wrong = jnp.where(margins > 0, 1, small) / (1 + small)
    groups = len(margins) // GROUP
    above, rest, sign = jnp.zeros_like(margins[:groups]), jnp.zeros_like(margins[:groups]), -1 if gradients else 1
    total = jnp.ones_like(above)
    for start in range(0, len(margins), groups):
        part = slice(start, start + groups)
        is_wrong = margins[part] > 0
        above = above + jnp.where(is_wrong, margins[part], 0)
        term = jnp.where(is_wrong, 1 - wrong[part], wrong[part]) if gradients else small[part]
        change = sign * (term * total)
        rest, total = rest + change, total + change
    losses = above + sign * log_of_sum(rest, total)
    # On CPUs this is a fast sum of rows; a reduction would be computed together with the logarithms, one by one.
    return jnp.ones(len(losses), losses.dtype) @ losses, wrong[None] if gradients else None


def loss_and_wrong(
    margins: Float[Array, "others *examples"],
) -> tuple[Float[Array, "*examples"], Float[Array, "others *examples"]]:
    """Return the loss log(1 + sum exp(margin)) and its derivatives, the probabilities of the wrong classes."""
    if len(margins) == 1:
        # A shared exponential costs half of softplus and sigmoid.
        margin = margins[0]
        small = exp_of_negative(-jnp.abs(margin))
        loss = jnp.maximum(margin, 0) + log1p_of_positive(small)
        return loss, (jnp.where(margin >= 0, 1, small) / (1 + small))[None]
    top = jnp.maximum(margins.max(axis=0), 0)
    powers = exp_of_negative(margins - top[None]).sum(axis=0)
    # log1p of all but the largest term keeps losses near zero exact.
    loss = top + log1p_of_positive(jnp.where(top > 0, powers + exp_of_negative(-top) - 1, powers))
    return loss, exp_of_negative(margins - loss[None])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AffineSquares:
    """Squared error of outputs that are affine in the gates: |R (g, 1)|^2 / examples.

    A sum of squares, without the cancellation of the expanded quadratic form.

    Attributes
    ----------
    factor : array, (rows, columns)
        R, upper triangular, shape (nodes + 1, nodes + 1).
    examples : int
        Number of examples.
    """

    name: ClassVar[str] = "affine"
    weights: ClassVar[int] = 0

    factor: Float[Array, "rows columns"]
    examples: int = field(metadata=dict(static=True))

    @property
    def nodes(self) -> int:
        """Length of a gate vector."""
        return self.factor.shape[1] - 1

    @property
    def dtype(self) -> Any:
        """Floating-point type of gates and losses."""
        return self.factor.dtype

    def prepared(self) -> Self:
        """Nothing is left to prepare."""
        return self

    def evaluate(self, gates: Shaped[Array, "masks nodes"], gradients: bool) -> Computed:
        """Return mean losses and, when asked, their gate gradients; gates of type bool are all zeros and ones."""
        gates = gates.astype(self.dtype)
        residuals = gates @ self.factor[:, :-1].T + self.factor[None, :, -1]
        loss = jnp.square(residuals).sum(axis=1) / self.examples
        return Computed(loss, residuals @ self.factor[:, :-1] * (2 / self.examples) if gradients else None)

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        return 3 * self.factor.shape[0]


Affine = AffineMargins | AffineSquares


def build(loss: NetworkLoss) -> tuple[Affine | None, str]:
    """Build the affine plan of a network; return it, or None, and the reason in words.

    The outputs at random gates must agree with the Jacobian at all gates off.
    """
    if loss.loss not in LOSSES.values():
        return None, f"no closed form for the loss {loss.loss.name}"
    tangent, reason = tangent_of(loss)
    if tangent is None:
        return None, reason
    rows = _rows(loss, *tangent)
    if not np.isfinite(np.asarray(rows.slopes)).all():
        return None, NOT_FINITE
    of_rows = _squares if loss.loss.name == "squared_error" else _margins
    plan = of_rows(rows)
    if isinstance(plan, AffineMargins) and plan.is_of_parts:
        reason += "; tensor cores multiply masks by slopes, which are cut in three bfloat16 parts"
    return plan, reason


def tangent_of(loss: NetworkLoss) -> tuple[tuple[Array, Array] | None, str]:
    """Return outputs with all gates off (examples, ..., outputs), and slopes (rows, nodes, outputs), and why.

    None where the outputs are not affine in the gates, or where that cannot be told.
    """
    network = loss.network
    gates = jax.ShapeDtypeStruct((network.nodes,), network.dtype)
    outputs = jax.eval_shape(network, gates, loss.examples.inputs, loss.examples.reference)
    if not hasattr(outputs, "shape") or not jnp.issubdtype(outputs.dtype, jnp.floating) or len(outputs.shape) < 2:
        return None, "the outputs are not one array (examples, ..., outputs)"
    if jnp.finfo(outputs.dtype).bits < 32:
        return None, f"outputs are {outputs.dtype}, too coarse to tell whether they are affine in the gates"
    if network.nodes * outputs.size > MOST_SLOPES:
        return None, "the slopes of an affine plan would not fit in memory"
    if not _is_affine(loss):
        return None, NOT_AFFINE
    offsets, slopes = _outputs_and_slopes(loss)
    # Rows behind the examples pad the last micro-batch.
    rows = math.prod(outputs.shape[:-1])
    tangent = offsets[:rows].reshape(outputs.shape), slopes[:rows]
    return tangent, "outputs are affine in the gates, as random gates confirm"


@jax.jit
def _departure(loss: NetworkLoss, gates: Float[Array, "masks nodes"]) -> Float[Array, "parts masks"]:
    """Return the largest departure from the tangent at zero, relative to the allowed rounding.

    A number that is not finite departs unless the tangent has the same. Rounding is allowed for sums over nodes, and
    for little more than the last digit of outputs: a large offset must not hide that the rest is not affine.
    """

    def of_part(part: Examples) -> Float[Array, " masks"]:
        def network(vector: Float[Array, " nodes"]) -> Array:
            return loss.network(vector, part.inputs, part.reference)

        def departure_at(vector: Float[Array, " nodes"]) -> Float[Array, ""]:
            outputs, change = jax.jvp(network, (jnp.zeros_like(vector),), (vector,))
            # The type of outputs may be narrower than that of gates.
            small = jnp.finfo(outputs.dtype).eps
            actual, tangent = network(vector), outputs + change
            finite = jnp.isfinite(actual) & jnp.isfinite(tangent)
            moved = jnp.where(finite, actual - outputs, 0)
            largest = jnp.maximum(jnp.abs(moved), jnp.abs(jnp.where(finite, change, 0))).max()
            terms = jnp.sqrt(jnp.asarray(len(vector), outputs.dtype))
            allowed = small * (64 * terms * largest + 4 * jnp.where(finite, jnp.abs(outputs), 0).max())
            departure = jnp.where(finite, jnp.abs(moved - change), 0).max() / jnp.where(allowed > 0, allowed, 1)
            same = finite | (actual == tangent) | (jnp.isnan(actual) & jnp.isnan(tangent))
            return jnp.where(same.all(), departure, jnp.inf)

        return jax.lax.map(departure_at, gates)

    return jax.lax.map(of_part, loss.parts())


def _is_affine(loss: NetworkLoss) -> bool:
    random, nodes = np.random.default_rng(0), loss.network.nodes
    # Between and beyond 0 and 1, to detect networks that are affine on masks only.
    gains = random.uniform(-0.5, 1.5, size=(12, nodes))
    # Every node is off in some vectors, so that none hides by its size that the others are not affine.
    some = random.random((4, nodes)) < 0.5
    gates = gains.reshape(3, 4, nodes) * np.stack([np.ones_like(some), some, ~some])
    return all(np.asarray(_departure(loss, four)).max() <= 1 for four in gates.astype(loss.network.dtype))


class _Rows(NamedTuple):
    """Data of an affine plan; a row is an example, or a position of an example, that counts.

    Attributes
    ----------
    outputs : array, (rows, outputs)
        With all gates off.
    slopes : array, (rows, nodes, outputs)
        D output / d gate.
    targets : array, (rows, ...)
        Shape (rows,) or (rows, outputs).
    loss : str
        Name.
    """

    outputs: Float[Array, "rows outputs"]
    slopes: Float[Array, "rows nodes outputs"]
    targets: Shaped[Array, "rows ..."]
    loss: str


def _rows(loss: NetworkLoss, offsets: Float[Array, "examples ... outputs"], slopes: Array) -> _Rows:
    shape, rows = offsets.shape, len(slopes)
    outputs, targets = offsets.reshape(rows, -1), loss.examples.targets
    targets = targets.reshape(rows, *(() if targets.size == rows else shape[-1:]))
    if loss.examples.mask is not None:
        mask = np.asarray(loss.examples.mask)
        mask = np.broadcast_to(mask.reshape(mask.shape + (1,) * (len(shape) - 1 - mask.ndim)), shape[:-1])
        counts = np.flatnonzero(mask)
        outputs, slopes, targets = outputs[counts], slopes[counts], targets[counts]
    return _Rows(outputs, slopes, targets, loss.loss.name)


@jax.jit
def _outputs_and_slopes(loss: NetworkLoss) -> tuple[Array, Array]:
    """Return outputs with all gates off, (rows, outputs), and slopes (rows, nodes, outputs)."""
    zeros = jnp.zeros(loss.network.nodes, loss.network.dtype)

    def of_part(part: Examples) -> tuple[Array, Array]:
        outputs, tangent = jax.linearize(lambda gates: loss.network(gates, part.inputs, part.reference), zeros)
        # A tangent at a time: all together would hold (nodes, examples, nodes).
        slopes = jax.lax.map(tangent, jnp.eye(len(zeros), dtype=zeros.dtype))
        width = outputs.shape[-1]
        rows = outputs.reshape(-1, width), jnp.swapaxes(slopes.reshape(len(zeros), -1, width), 0, 1)
        return jax.tree.map(lambda values: values.astype(zeros.dtype), rows)

    return jax.tree.map(lambda values: values.reshape(-1, *values.shape[2:]), jax.lax.map(of_part, loss.parts()))


def _margins(rows: _Rows) -> AffineMargins:
    offsets, slopes = _margins_of_outputs(rows.outputs, rows.slopes, rows.targets, rows.loss)
    # As many margins in a block whatever the classes: batches stay large enough for fast products.
    largest = max(GROUP, _device.here().block // len(offsets))
    return AffineMargins(
        blocks.split(offsets, largest, NEVER_WRONG),
        jnp.swapaxes(blocks.split(jnp.swapaxes(slopes, 1, 2), largest), 2, 3),
        offsets.shape[1],
    )


@partial(jax.jit, static_argnames="loss")
def _margins_of_outputs(outputs: Array, slopes: Array, targets: Array, loss: str) -> tuple[Array, Array]:
    """Return margins with all gates off, (others, rows), and their slopes (others, rows, nodes)."""
    if loss == "binary_cross_entropy":
        sign = jnp.where(targets.astype(bool), -1, 1).astype(outputs.dtype)
        return (outputs[:, 0] * sign)[None], (slopes[:, :, 0] * sign[:, None])[None]
    others = jnp.arange(outputs.shape[1] - 1, dtype=targets.dtype)[None]
    wrong = jnp.where(others < targets[:, None], others, others + 1)

    def margins(values: Float[Array, "rows classes"]) -> Float[Array, "others rows"]:
        right = jnp.take_along_axis(values, targets[:, None], axis=1)
        return (jnp.take_along_axis(values, wrong, axis=1) - right).T

    return margins(outputs), jax.vmap(margins, in_axes=1, out_axes=-1)(slopes)


def _squares(rows: _Rows) -> AffineSquares:
    outputs, slopes = (np.asarray(part, np.float64) for part in (rows.outputs, rows.slopes))
    targets = np.asarray(target_values(rows.targets, rows.outputs), np.float64)
    columns = np.concatenate([np.swapaxes(slopes, 1, 2), (outputs - targets)[:, :, None]], axis=2)
    columns = columns.reshape(-1, columns.shape[2])
    if np.isfinite(columns).all():
        size = columns.shape[1]
        factor: np.ndarray = np.asarray(np.linalg.qr(np.concatenate([columns, np.zeros((size, size))]), mode="r"))
    else:
        factor = np.full((columns.shape[1], columns.shape[1]), np.nan)
    return AffineSquares(jnp.asarray(factor, rows.slopes.dtype), len(outputs))
