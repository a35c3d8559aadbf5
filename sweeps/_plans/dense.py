"""The dense plan: gates of a multilayer perceptron folded into weights, with examples innermost.

What comes before the first gates is computed once, whatever it is. With the gates of the first gated layer folded into
the next kernel, the whole batch is one GEMM, (masks x nodes', nodes) times (nodes, examples), and so is its gradient.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from sweeps._losses import LOSSES, Loss, softplus
from sweeps._plans import Computed, as_floats, blocks, margins, products
from sweeps._plans.vmapped import NetworkLoss
from sweeps._program import chains
from sweeps._program.chains import Affine, Chain, Step, Weights
from sweeps.gating._attaching import GatedNetwork
from sweeps.gating._wiring import Wiring

# Most examples in a block, on any device; wide rows make products fast.
LARGEST_BLOCK = 1024
# Sizes, as shares of the largest possible sum, at which functions are evaluated to see how large their results get.
SHARES = np.concatenate([sign * np.geomspace(1e-9, 1, 200) for sign in (-1, 1)] + [np.linspace(-1, 1, 201)])
# Numbers at which a function is told from relu by its derivative.
SIZES = np.array([-1e30, -3, -1e-30, 0, 1e-30, 3, 1e30])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Dense:
    """A network that is a chain from its first gates on.

    Attributes
    ----------
    hidden : array, (blocks, first, block)
        Values on which the first gates act, shape (blocks, nodes of the layer, block).
    targets : array, (blocks, ...)
        Shape (blocks, block), or (blocks, outputs, block).
    present : array, (blocks, block)
        1 for an example, 0 for padding.
    arrays : tuple of Weights
        Of each step.
    off : tuple of array, (_, 1)
        What nodes are when they are off, for each site, shape (nodes of the site, 1); empty for zero.
    wiring : Wiring
        Which gate each node has.
    chain : Chain
        The steps.
    loss : Loss
        Of each example.
    examples : int
        Number of examples without the padding.
    kink : float or None
        Derivative at zero of the function before the last product, if that is the larger of zero and its argument.
    """

    name: ClassVar[str] = "dense"
    weights: ClassVar[int] = 0

    hidden: Float[Array, "blocks first block"]
    targets: Shaped[Array, "blocks ..."]
    present: Float[Array, "blocks block"]
    arrays: tuple[Weights, ...]
    off: tuple[Float[Array, "_ 1"], ...]
    wiring: Wiring = field(metadata=dict(static=True))
    chain: Chain = field(metadata=dict(static=True))
    loss: Loss = field(metadata=dict(static=True))
    examples: int = field(metadata=dict(static=True))
    kink: float | None = field(default=None, metadata=dict(static=True))

    @property
    def nodes(self) -> int:
        """Length of a gate vector."""
        return len(self.wiring.labels)

    @property
    def dtype(self) -> Any:
        """Floating-point type of gates and losses."""
        return self.hidden.dtype

    def prepared(self) -> Self:
        """Nothing is left to prepare."""
        return self

    def evaluate(self, gates: Shaped[Array, "masks nodes"], gradients: bool) -> Computed:
        """Return mean losses and, when asked, their gate gradients; gates of type bool are all zeros and ones."""
        gates = as_floats(gates, self.dtype)

        def add_block(sums: Any, block: Any) -> tuple[Any, None]:
            if not gradients:
                return (sums[0] + self._losses(gates, *block), None), None
            # Losses of different masks are independent: one backward pass gives all gradients.
            losses, pull_back = jax.vjp(lambda inner: self._losses(inner, *block), gates)
            return (sums[0] + losses, sums[1] + pull_back(jnp.ones_like(losses))[0]), None

        start = (jnp.zeros_like(gates[:, 0]), jnp.zeros_like(gates) if gradients else None)
        (loss, gradient), _ = jax.lax.scan(add_block, start, (self.hidden, self.targets, self.present))
        return Computed(loss / self.examples, None if gradient is None else gradient / self.examples)

    def _losses(
        self,
        gates: Float[Array, "masks nodes"],
        hidden: Float[Array, "first block"],
        targets: Shaped[Array, "... block"],
        present: Float[Array, " block"],
    ) -> Float[Array, " masks"]:
        """Return the sum of the losses over a block of examples."""
        if self._has_margin:
            sign = jnp.where(targets == 1, -1, 1).astype(hidden.dtype)
            return (softplus(self._margins(gates, hidden) * sign[None]) * present[None]).sum(axis=1)
        each = jax.vmap(lambda outputs: self.loss.each(outputs, targets.T))(self.outputs(gates, hidden))
        # Padding may overflow where examples do not; 0 times infinity would be NaN.
        return jnp.where(present[None] > 0, each, 0).sum(axis=1)

    def outputs(
        self, gates: Float[Array, "masks nodes"], hidden: Float[Array, "first block"]
    ) -> Float[Array, "masks block ..."]:
        """Return the network's outputs."""
        return jnp.moveaxis(self._after(self._layers(gates), hidden), -1, 1)

    def _layers(self, gates: Float[Array, "masks nodes"]) -> "list[_Layer]":
        of_nodes = jax.vmap(lambda vector: list(self.wiring.spread(vector).values()))(gates)
        each = [Gates(*both) for both in zip(of_nodes, self.off or [None] * len(of_nodes), strict=True)]
        return [
            _Layer(None if step.site is None else each[step.site], weights, step)
            for step, weights in zip(self.chain.steps, self.arrays, strict=True)
        ]

    def _after(self, layers: "list[_Layer]", values: Array) -> Array:
        """Return what some layers make of values."""
        for gates, weights, step in layers:
            values = _sums(gates, weights.affine, values)
            if step.piece is not None:
                values = self.chain.run(step.piece, values, weights.constants)
        return values

    def _margins(
        self, gates: Float[Array, "masks nodes"], values: Float[Array, "first block"]
    ) -> Float[Array, "masks block"]:
        """Return the second logit minus the first."""
        *layers, (last, (affine, _), _) = self._layers(gates)
        assert affine is not None  # makes two logits
        difference, constant = (affine.kernel[:, 1] - affine.kernel[:, 0])[None], affine.bias[1] - affine.bias[0]
        if last is None:
            last = Gates(jnp.ones((len(gates), difference.shape[1]), values.dtype), None)
        outgoing = last.on * difference
        if last.off is not None:
            constant = constant + ((1 - last.on) * difference) @ last.off
        if self.kink is not None:
            *before, (inner, (affine, _), _) = layers
            assert affine is not None  # makes what the larger of it and zero is taken of
            kernel, bias, inputs = _operands(inner, affine, self._after(before, values))
            if kernel.ndim == 3:
                return margins.of_relu(self.kink, _with_bias(kernel, bias), outgoing, _with_one(inputs)) + constant
        return margins.product(outgoing[:, None], self._after(layers, values))[:, 0] + constant

    @property
    def _has_margin(self) -> bool:
        """Whether the loss depends on the difference of two logits alone."""
        affine, ends = self.arrays[-1].affine, self.chain.steps[-1].piece is None
        return self.loss.name == "cross_entropy" and ends and affine is not None and len(affine.bias) == 2

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        block = self.present.shape[1]
        sizes = [weights.affine.kernel.shape for weights in self.arrays if weights.affine is not None]
        return (2 if gradients else 1) * max(max(n * min(m, block), m * block) for n, m in sizes)


class Gates(NamedTuple):
    """Gates of a layer's nodes, shape (masks, nodes), and what these are when off, (nodes, 1), or None for zero."""

    on: Float[Array, "masks nodes"]
    off: Float[Array, "nodes 1"] | None


class _Layer(NamedTuple):
    """A step with its gates and its weights."""

    gates: Gates | None
    weights: Weights
    step: Step


def _sums(
    gates: Gates | None, affine: Affine | None, values: Float[Array, "*masks inputs block"]
) -> Float[Array, "masks outputs block"]:
    """Return what a layer makes of its gated inputs, before its activation."""
    if affine is None:
        return values if gates is None else _gated(gates, values)
    kernel, bias, values = _operands(gates, affine, values)
    specs = {(2, 3): "io,mie->moe", (3, 2): "mio,ie->moe", (3, 3): "mio,mie->moe"}
    return products.einsum(specs[kernel.ndim, values.ndim], kernel, values) + bias


def _operands(
    gates: Gates | None, affine: Affine, values: Float[Array, "*masks inputs block"]
) -> tuple[Array, Array, Array]:
    """Return the kernel, the bias and the values of a product.

    Kernel and values are of all masks, or have an axis (masks,) in front; the bias has shape (masks or 1, outputs,
    1). Gates are folded into the kernel where that is less to compute.
    """
    kernel, bias = affine.kernel, affine.bias[None, :, None]
    # Of few examples the values are fewer numbers than the kernels.
    if gates is None or len(affine.bias) > values.shape[-1]:
        return kernel, bias, values if gates is None else _gated(gates, values)
    on, off = gates
    folded = on[:, :, None] * kernel[None]
    if off is None:
        return folded, bias, values
    return folded, bias + ((1 - on) @ (off * kernel))[:, :, None], values


def _gated(gates: Gates, values: Float[Array, "*masks nodes block"]) -> Float[Array, "masks nodes block"]:
    found = gates.on[:, :, None] * (values if values.ndim == 3 else values[None])
    return found if gates.off is None else found + (1 - gates.on)[:, :, None] * gates.off[None]


def _with_bias(
    kernel: Float[Array, "masks inputs outputs"], bias: Float[Array, "_ outputs 1"]
) -> Float[Array, "masks outputs more"]:
    """Return kernels, turned, with the bias as the last of the inputs."""
    last = jnp.broadcast_to(bias, (len(kernel), bias.shape[1], 1))
    return jnp.concatenate([jnp.swapaxes(kernel, 1, 2), last], axis=2)


def _with_one(values: Float[Array, "*masks inputs block"]) -> Float[Array, "*masks more block"]:
    """Append the input that a bias is the weight of."""
    return jnp.concatenate([values, jnp.ones_like(values[..., :1, :])], axis=-2)


def build(loss: NetworkLoss) -> tuple[Dense | None, str]:
    """Build the dense plan of a network; return it, or None, and the reason in words.

    Outputs at random gates must agree with those of the gated network.
    """
    if loss.loss not in LOSSES.values():
        return None, f"no closed form for the loss {loss.loss.name}"
    examples, network = loss.examples, loss.network
    if examples.mask is not None:
        return None, "examples have a mask"
    if examples.reference is not None:
        # Measured: with another off value for each example, more is written to memory than vmap writes.
        return None, "off values differ from example to example"
    if not isinstance(network.network, chains.Network):
        return None, "a function applies its gates itself"
    sites, has_off = network.wiring.sites, network.off is not None
    try:
        chain = chains.read(network.network, sites, has_off, network.params, examples.inputs)
    except chains.Unchained as why:
        return None, f"behind its first gates the network is no chain of dense layers: {why}"
    hidden, weights = _computed(loss, chain)
    split = partial(blocks.split, largest=LARGEST_BLOCK)
    plan = Dense(
        split(hidden),
        split(jnp.moveaxis(examples.targets, 0, -1)),
        split(jnp.ones(len(examples), hidden.dtype)),
        weights,
        _off(network),
        network.wiring,
        chain,
        loss.loss,
        len(examples),
    )
    random = np.random.default_rng(0).uniform(-0.5, 1.5, (4, plan.nodes)) * np.array([[1], [1], [0], [-1]])
    trial = _tried(plan, loss, jnp.asarray(random, hidden.dtype))
    # The square root leaves as much room for larger gates.
    if not float(trial.largest) < np.sqrt(float(jnp.finfo(hidden.dtype).max)):
        return None, "activations may be infinite or NaN"
    if not trial.agrees:
        return None, "behind its first gates the network is no chain of dense layers, as random gates show"
    layers = sum(step.kernel is not None for step in chain.steps)
    reason = f"every hidden layer of a multilayer perceptron is gated, {len(chain.sites)} in all"
    if len(chain.sites) < layers:
        reason = f"a multilayer perceptron from its first gates on, with gates on {len(chain.sites)} layers"
    return replace(plan, kink=_kink(trial.slopes)), reason


@partial(jax.jit, static_argnames="chain")
def _computed(loss: NetworkLoss, chain: Chain) -> tuple[Float[Array, "first examples"], tuple[Weights, ...]]:
    """Return the values on which the first gates act, and the weights behind them."""
    hidden = jax.lax.map(lambda part: _hidden(loss, chain, part.inputs), loss.parts())
    joined = jnp.moveaxis(hidden, 0, 1).reshape(hidden.shape[1], -1)
    return joined[:, : len(loss.examples)], chain.weights(loss.network.params)


def _hidden(loss: NetworkLoss, chain: Chain, inputs: Any) -> Float[Array, "first examples"]:
    return chain.values(loss.network.params, inputs, [chain.first])[0]


def _off(network: GatedNetwork) -> tuple[Float[Array, "_ 1"], ...]:
    """Return what the nodes of each site are when they are off; nothing for zero."""
    if network.off is None:
        return ()
    off = network.off if isinstance(network.off, tuple) else network.wiring.spread(network.off).values()
    return tuple((values[0] if isinstance(values, tuple) else values).reshape(-1, 1) for values in off)


class _Trial(NamedTuple):
    """What a trial of a plan shows.

    Attributes
    ----------
    largest : array, ()
        A bound on all values that gates multiply, for gates of at most one.
    agrees : array, ()
        Whether outputs are those of the gated network.
    slopes : array, (sizes,) or None
        Derivatives, at SIZES, of the function before the last product, if it may be relu; otherwise None.
    """

    largest: Float[Array, ""]
    agrees: Shaped[Array, ""]
    slopes: Float[Array, " sizes"] | None


@jax.jit
def _tried(plan: Dense, loss: NetworkLoss, gates: Float[Array, "masks nodes"]) -> _Trial:
    part = jax.tree.map(lambda leaf: leaf[0], loss.parts())
    wanted = jax.lax.map(lambda vector: loss.network(vector, part.inputs), gates)
    found = plan.outputs(gates, _hidden(loss, plan.chain, part.inputs))
    finite = jnp.isfinite(wanted)
    allowed = np.sqrt(jnp.finfo(wanted.dtype).eps) * jnp.where(finite, jnp.abs(wanted), 0).max()
    same = (found == wanted) | (jnp.isnan(found) & jnp.isnan(wanted))
    agrees = jnp.where(finite, jnp.abs(found - wanted) <= allowed, same).all()
    return _Trial(_bound(plan), agrees, _slopes(plan))


def _bound(plan: Dense) -> Float[Array, ""]:
    """Return a bound on all values that gates multiply, so that no gate of zero meets infinity.

    Sums of absolute values bound sums. A function's results are bounded by twice the largest at SHARES of the bound.
    """
    bound, largest = jnp.abs(plan.hidden).max(axis=(0, 2)), []
    for step, weights in zip(plan.chain.steps, plan.arrays, strict=True):
        if step.site is not None:
            bound = jnp.maximum(bound, jnp.abs(plan.off[step.site][:, 0])) if plan.off else bound
            largest.append(bound.max())
        if weights.affine is not None:
            bound = bound @ jnp.abs(weights.affine.kernel) + jnp.abs(weights.affine.bias)
        if step.piece is not None and step.piece.axes[1] is not None:
            trial = bound[:, None] * jnp.asarray(SHARES, bound.dtype)[None]
            bound = 2 * jnp.abs(plan.chain.run(step.piece, trial[None], weights.constants)).max(axis=(0, 2))
    return jnp.stack(largest).max()


def _slopes(plan: Dense) -> Float[Array, " sizes"] | None:
    if len(plan.chain.steps) < 2 or plan.chain.steps[-2].site is None:
        return None
    piece, affine = plan.chain.steps[-2].piece, plan.arrays[-2].affine
    if piece is None or affine is None or not chains.is_maximum_with_zero(piece, plan.chain.program):
        return None
    sizes = jnp.broadcast_to(jnp.asarray(SIZES, plan.dtype), (1, len(affine.bias), len(SIZES)))
    return jax.jvp(lambda values: plan.chain.run(piece, values, ()), (sizes,), (jnp.ones_like(sizes),))[1][0, 0]


def _kink(slopes: Float[Array, " sizes"] | None) -> float | None:
    """Return the derivative at zero of a function that is relu but for it."""
    if slopes is None:
        return None
    found = np.asarray(slopes, np.float64)
    is_relu = (found[SIZES != 0] == (SIZES[SIZES != 0] > 0)).all()
    return float(found[SIZES == 0][0]) if is_relu else None
