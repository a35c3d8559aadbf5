"""The affine plan: outputs(g) = offset + sum_i g_i slope_i, so a batch of masks costs one GEMM.

That holds for any network whose only gates are on its last hidden layer, whatever lies before it. Cross-entropy
needs only margins, the outputs of the other classes minus that of the right one: one number an example for two
classes. Squared error needs even less: |offset + slopes g - target|^2 = |R (g, 1)|^2 with R the triangular factor
of a QR decomposition, which has as many rows as there are nodes, however many the examples.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweeps.gating import GatedNetwork
from sweeps.logarithms import log1p_of_positive, log1p_of_share
from sweeps.losses import target_values
from sweeps.plans import blocks
from sweeps.plans.vmapped import NetworkLoss

# Largest slopes array worth keeping, in numbers: beyond it the network is evaluated as it is written.
MOST_SLOPES = 2**30
# A padding example has this margin: its loss and gradient are exactly zero in float32 and float64.
NEVER_WRONG = -1e30


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AffineMargins:
    """Cross-entropy of outputs that are affine in the gates.

    With m_c the margin of wrong class c, the loss of an example is log(1 + sum_c exp(m_c)).

    Attributes
    ----------
    offsets : margins with all gates off, shape (blocks, classes - 1, block), padded with a margin never wrong
    slopes : d margin / d gate, shape (blocks, classes - 1, block, nodes)
    examples : number of examples without the padding
    """

    name: ClassVar[str] = "affine"

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

    def prepared(self) -> Self:
        """Nothing is left to prepare."""
        return self

    def evaluate(
        self, gates: Float[Array, "masks nodes"], gradients: bool
    ) -> tuple[Float[Array, " masks"], Float[Array, "masks nodes"] | None]:
        """Return mean losses and, when asked, their gate gradients."""
        # Masks innermost: the sums over examples then run along vectors of masks.
        columns = gates.T

        def add_block(sums: Any, block: tuple[Array, Array]) -> tuple[Any, None]:
            offsets, slopes = block
            margins = jnp.einsum("ken,nm->kem", slopes, columns) + offsets[:, :, None]
            losses, wrong = loss_and_wrong(margins)
            loss = sums[0] + losses.sum(axis=0)
            return (loss, sums[1] + jnp.einsum("ken,kem->nm", slopes, wrong) if gradients else None), None

        start = (jnp.zeros_like(columns[0]), jnp.zeros_like(columns) if gradients else None)
        (loss, gradient), _ = jax.lax.scan(add_block, start, (self.offsets, self.slopes))
        if gradient is None:
            return loss / self.examples, None
        # The compiler would move the transposition into the product, which takes twice as long that way on a CPU.
        return loss / self.examples, jax.lax.optimization_barrier(gradient).T / self.examples

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        return self.offsets.shape[1] * self.offsets.shape[2] + 2 * self.nodes


def loss_and_wrong(
    margins: Float[Array, "others *examples"],
) -> tuple[Float[Array, "*examples"], Float[Array, "others *examples"]]:
    """Loss log(1 + sum exp(margin)) and its derivatives, the probabilities of the wrong classes."""
    if len(margins) == 1:
        # One exponential serves both; half the cost of softplus and sigmoid apart.
        margin = margins[0]
        small = jnp.exp(-jnp.abs(margin))
        loss = jnp.maximum(margin, 0) + log1p_of_share(small)
        return loss, (jnp.where(margin >= 0, 1, small) / (1 + small))[None]
    top = jnp.maximum(margins.max(axis=0), 0)
    powers = jnp.exp(margins - top[None])
    total = powers.sum(axis=0) + jnp.exp(-top)
    # log1p of everything but the largest term keeps losses near zero exact.
    rest = jnp.where(top > 0, total - 1, powers.sum(axis=0))
    return top + log1p_of_positive(rest), powers / total[None]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AffineSquares:
    """Squared error of outputs that are affine in the gates: |R (g, 1)|^2 / examples.

    A sum of squares, and so free of the cancellation of the expanded quadratic form.

    Attributes
    ----------
    factor : R, upper triangular, shape (nodes + 1, nodes + 1)
    examples : number of examples
    """

    name: ClassVar[str] = "affine"

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

    def evaluate(
        self, gates: Float[Array, "masks nodes"], gradients: bool
    ) -> tuple[Float[Array, " masks"], Float[Array, "masks nodes"] | None]:
        """Return mean losses and, when asked, their gate gradients."""
        residuals = gates @ self.factor[:, :-1].T + self.factor[None, :, -1]
        loss = jnp.square(residuals).sum(axis=1) / self.examples
        return loss, (residuals @ self.factor[:, :-1] * (2 / self.examples) if gradients else None)

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        return 3 * self.factor.shape[0]


Affine = AffineMargins | AffineSquares


def of_network(_: Any, loss: NetworkLoss) -> tuple[Affine | None, str]:
    """Return the affine plan of a network, or None, and the reason in words.

    The Jacobian at all gates off is taken and then not trusted: outputs at random gates have to agree with it.
    """
    network = loss.network
    if network.nodes * int(np.prod(network.outputs.shape)) > MOST_SLOPES:
        return None, "the slopes of an affine plan would not fit in memory"
    if loss.loss.name not in ("cross_entropy", "binary_cross_entropy", "squared_error"):
        return None, f"no closed form for the loss {loss.loss.name}"
    if not _is_affine(network):
        return None, "outputs are not affine in the gates"
    build = _squares if loss.loss.name == "squared_error" else _margins
    return build(loss), "outputs are affine in the gates, as random gates confirm"


@jax.jit
def _departure(network: GatedNetwork, gates: Float[Array, "masks nodes"]) -> Float[Array, " masks"]:
    """Largest departure from the tangent at zero, in units of what rounding may do; NaN counts as none.

    Rounding may do much in sums over the nodes, but in the outputs themselves little more than their last digit:
    a large offset must not hide that the rest is not affine.
    """
    small = jnp.finfo(network.dtype).eps

    def one(vector: Float[Array, " nodes"]) -> Float[Array, ""]:
        outputs, change = jax.jvp(network, (jnp.zeros_like(vector),), (vector,))
        actual = network(vector) - outputs
        largest = jnp.nanmax(jnp.abs(jnp.stack([change, actual])))
        allowed = small * (
            64 * jnp.sqrt(jnp.asarray(len(vector), vector.dtype)) * largest + 4 * jnp.nanmax(jnp.abs(outputs))
        )
        return jnp.nanmax(jnp.abs(actual - change)) / jnp.where(allowed > 0, allowed, 1)

    return jax.lax.map(one, gates)


def _is_affine(network: GatedNetwork) -> bool:
    random = np.random.default_rng(0)
    # Between and beyond 0 and 1: a network that is affine on masks only would be found out.
    gates = jnp.asarray(random.uniform(-0.5, 1.5, size=(4, network.nodes)), network.dtype)
    return bool(np.nan_to_num(np.asarray(_departure(network, gates))).max() <= 1)


@jax.jit
def _outputs_and_slopes(network: GatedNetwork) -> tuple[Array, Array]:
    """Outputs with all gates off, (examples, outputs), and slopes (nodes, examples, outputs)."""
    zeros = jnp.zeros(network.nodes, network.dtype)
    outputs, tangent = jax.linearize(network, zeros)
    # One tangent at a time: all at once would hold (nodes, examples, nodes).
    return outputs, jax.lax.map(tangent, jnp.eye(network.nodes, dtype=zeros.dtype))


def _margins(loss: NetworkLoss) -> AffineMargins:
    offsets, slopes = _margins_of_outputs(loss)
    return AffineMargins(
        blocks.split(offsets, fill=NEVER_WRONG),
        jnp.swapaxes(blocks.split(jnp.swapaxes(slopes, 1, 2)), 2, 3),
        offsets.shape[1],
    )


@jax.jit
def _margins_of_outputs(loss: NetworkLoss) -> tuple[Array, Array]:
    """Margins with all gates off, (others, examples), and their slopes (others, examples, nodes)."""
    outputs, slopes = _outputs_and_slopes(loss.network)
    if loss.loss.name == "binary_cross_entropy":
        sign = jnp.where(loss.targets.astype(bool), -1, 1).astype(outputs.dtype)
        return (outputs[:, 0] * sign)[None], (slopes[:, :, 0] * sign[None]).T[None]
    classes = outputs.shape[1]
    others = jnp.arange(classes - 1, dtype=loss.targets.dtype)[None]
    wrong = jnp.where(others < loss.targets[:, None], others, others + 1)

    def margins(values: Float[Array, "examples classes"]) -> Float[Array, "others examples"]:
        right = jnp.take_along_axis(values, loss.targets[:, None], axis=1)
        return (jnp.take_along_axis(values, wrong, axis=1) - right).T

    return margins(outputs), jax.vmap(margins, out_axes=-1)(slopes)


def _squares(loss: NetworkLoss) -> AffineSquares:
    outputs, slopes = (np.asarray(part, np.float64) for part in _outputs_and_slopes(loss.network))
    targets = np.asarray(target_values(loss.targets, jnp.asarray(outputs)), np.float64)
    rows = np.concatenate([slopes.reshape(len(slopes), -1), (outputs - targets).reshape(1, -1)]).T
    if np.isfinite(rows).all():
        size = rows.shape[1]
        factor: np.ndarray = np.asarray(np.linalg.qr(np.concatenate([rows, np.zeros((size, size))]), mode="r"))
    else:
        factor = np.full((rows.shape[1], rows.shape[1]), np.nan)
    return AffineSquares(jnp.asarray(factor, loss.network.dtype), len(outputs))
