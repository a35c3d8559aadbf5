"""The dense plan: gates of an MLP folded into weights, with examples innermost.

The layers before the first gates are computed once. With the gates of the first gated layer folded into its kernel, the
whole batch is one GEMM, (masks x nodes', nodes) times (nodes, examples), and so is its gradient.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from sweeps import device
from sweeps.losses import LOSSES, Loss, softplus
from sweeps.networks import ACTIVATIONS, MLP, is_plain
from sweeps.plans import Computed, as_floats, blocks, products
from sweeps.plans.vmapped import NetworkLoss

# Most examples in a block, on any device; wide rows make products fast.
LARGEST_BLOCK = 1024
# Most terms of a margin that are written out one by one in the program.
MOST_TERMS = 128


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Dense:
    """An MLP whose hidden nodes are all gated.

    Attributes
    ----------
    hidden : activations of the first hidden layer with all gates on, shape (blocks, nodes of the layer, block)
    targets : shape (blocks, block), or (blocks, outputs, block)
    present : 1 for an example, 0 for padding, shape (blocks, block)
    kernels, biases : of the layers after the first hidden one
    activation, output_activation : names
    loss : of each example
    examples : number of examples without the padding
    """

    name: ClassVar[str] = "dense"
    weights: ClassVar[int] = 0

    hidden: Float[Array, "blocks first block"]
    targets: Shaped[Array, "blocks ..."]
    present: Float[Array, "blocks block"]
    kernels: tuple[Float[Array, "_ _"], ...]
    biases: tuple[Float[Array, " _"], ...]
    activation: str = field(metadata=dict(static=True))
    output_activation: str = field(metadata=dict(static=True))
    loss: Loss = field(metadata=dict(static=True))
    examples: int = field(metadata=dict(static=True))

    @property
    def nodes(self) -> int:
        """Length of a gate vector."""
        return sum(len(kernel) for kernel in self.kernels)

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

        def add_block(sums: Any, block: tuple[Array, Array, Array]) -> tuple[Any, None]:
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
        starts = np.cumsum([len(kernel) for kernel in self.kernels])[:-1].tolist()
        layers = list(zip(jnp.split(gates, starts, axis=1), self.kernels, self.biases, strict=True))
        if self._has_margin:
            sign = jnp.where(targets == 1, -1, 1).astype(hidden.dtype)
            return (softplus(self._margins(layers, hidden) * sign[None]) * present[None]).sum(axis=1)
        values = hidden
        for layer in layers[:-1]:
            values = ACTIVATIONS[self.activation](_sums(*layer, values))
        values = ACTIVATIONS[self.output_activation](_sums(*layers[-1], values))
        each = jax.vmap(lambda outputs: self.loss.each(outputs.T, targets.T))(values)
        # Padding may overflow where examples do not; 0 times infinity would be NaN.
        return jnp.where(present[None] > 0, each, 0).sum(axis=1)

    def _margins(self, layers: list[tuple[Array, Array, Array]], values: Float[Array, "first block"]) -> Array:
        """Return the second logit minus the first, shape (masks, block)."""
        *layers, (gates, kernel, bias) = layers
        outgoing, constant = gates * (kernel[:, 1] - kernel[:, 0])[None], bias[1] - bias[0]
        for index, layer in enumerate(layers):
            if index == len(layers) - 1 and self.activation == "relu":
                return _margins_of_relu(_folded(*layer), outgoing, _with_one(values)) + constant
            values = ACTIVATIONS[self.activation](_sums(*layer, values))
        return _product(outgoing[:, None], values)[:, 0] + constant

    @property
    def _has_margin(self) -> bool:
        """Whether the loss depends on the difference of two logits alone."""
        return (
            self.loss.name == "cross_entropy"
            and self.output_activation == "identity"
            and self.kernels[-1].shape[1] == 2
        )

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        widest = max(kernel.shape[1] for kernel in self.kernels)
        return (2 if gradients else 1) * widest * self.present.shape[1]


def _sums(
    gates: Float[Array, "masks inputs"],
    kernel: Float[Array, "inputs outputs"],
    bias: Float[Array, " outputs"],
    values: Float[Array, "*masks inputs block"],
) -> Float[Array, "masks outputs block"]:
    """Return what a layer makes of its gated inputs, before its activation."""
    folded = gates[:, :, None] * kernel[None]
    return products.einsum("mio,ie->moe" if values.ndim == 2 else "mio,mie->moe", folded, values) + bias[None, :, None]


def _folded(
    gates: Float[Array, "masks inputs"], kernel: Float[Array, "inputs outputs"], bias: Float[Array, " outputs"]
) -> Float[Array, "masks outputs more"]:
    """Return a layer's kernel with the gates of its inputs folded in, and the bias as the last of its inputs."""
    last = jnp.broadcast_to(bias[None, :, None], (len(gates), len(bias), 1))
    return jnp.concatenate([gates[:, None] * kernel.T[None], last], axis=2)


def _with_one(values: Float[Array, "*masks inputs block"]) -> Float[Array, "*masks more block"]:
    """Append the input that a bias is the weight of."""
    return jnp.concatenate([values, jnp.ones_like(values[..., :1, :])], axis=-2)


def _product(
    folded: Float[Array, "masks outputs inputs"], values: Float[Array, "*masks inputs block"]
) -> Float[Array, "masks outputs block"]:
    """Multiply each mask's kernel by its values, or by those that all masks share."""
    return products.einsum("moi,ie->moe" if values.ndim == 2 else "moi,mie->moe", folded, values)


@jax.custom_vjp
def _margins_of_relu(
    folded: Float[Array, "masks outputs inputs"],
    outgoing: Float[Array, "masks outputs"],
    values: Float[Array, "*masks inputs block"],
) -> Float[Array, "masks block"]:
    """Return sum_o outgoing_o relu(sum_i folded_oi values_i).

    Backwards, the derivative by outgoing_o is the sum over examples of those whose sum passes, times that sum; the sum
    is linear in folded_oi, and so is the derivative: it comes from the product that gives the derivative by folded_oi.
    So activations are neither kept nor read again.
    """
    return _forwards(folded, outgoing, values)[0]


def _forwards(folded: Array, outgoing: Array, values: Array) -> tuple[Array, tuple[Array, ...]]:
    sums = _product(folded, values)
    if not device.here().is_cpu:
        # One kernel; term by term every node would take another.
        return (outgoing[:, :, None] * jax.nn.relu(sums)).sum(axis=1), (folded, outgoing, values, sums)
    if sums.shape[1] > MOST_TERMS:
        return jnp.einsum("mo,moe->me", outgoing, jax.nn.relu(sums)), (folded, outgoing, values, sums)
    # Term by term the compiler keeps them out of memory.
    terms = [outgoing[:, node, None] * jnp.where(sums[:, node] > 0, sums[:, node], 0) for node in range(sums.shape[1])]
    return sum(terms[1:], start=terms[0]), (folded, outgoing, values, sums)


def _backwards(kept: tuple[Array, ...], change: Float[Array, "masks block"]) -> tuple[Array, Array, Array | None]:
    folded, outgoing, values, sums = kept
    passed = jnp.where(sums > 0, change[:, None], 0)
    shared = values.ndim == 2
    weights = products.einsum("moe,ie->moi" if shared else "moe,mie->moi", passed, values)
    # Values that all masks share are data.
    by_values = None if shared else products.einsum("moi,moe->mie", folded * outgoing[:, :, None], passed)
    return weights * outgoing[:, :, None], (folded * weights).sum(axis=2), by_values


_margins_of_relu.defvjp(_forwards, _backwards)


def build(network: Any, loss: NetworkLoss) -> tuple[Dense | None, str]:
    """Build the dense plan of an MLP with all hidden nodes gated; return it, or None, and the reason in words."""
    apply = getattr(loss.network.network, "apply", None)
    if not is_plain(network) or getattr(apply, "call", None) is not None:
        return None, "network is no plain sweeps.MLP"
    layers = list(network.layers)
    gated = [(part.layer, part.kind, len(part.numbers)) for part in loss.network.wiring.gates if not part.is_tied]
    if gated != [(f"layers/{index}", "unit", layer.out_features) for index, layer in enumerate(layers[:-1])]:
        return None, "not every hidden layer is gated"
    if loss.loss not in LOSSES.values():
        return None, f"no closed form for the loss {loss.loss.name}"
    inputs, targets, mask = loss.examples.inputs, loss.examples.targets, loss.examples.mask
    if inputs.ndim != 2 or mask is not None:
        return None, "inputs are sequences, or have a mask"
    hidden = ACTIVATIONS[network.activation](layers[0](inputs)).T
    if loss.network.off is not None or loss.examples.reference is not None:
        return None, "nodes that are off are not zero"
    if any(_is_narrow(layer) for layer in layers):
        return None, "network computes in less than single precision"
    if not _stays_finite(hidden, network):
        return None, "activations may be infinite or NaN"
    zero = jnp.zeros((), hidden.dtype)
    return Dense(
        blocks.split(hidden, LARGEST_BLOCK),
        blocks.split(jnp.moveaxis(targets, 0, -1), LARGEST_BLOCK),
        blocks.split(jnp.ones(len(inputs), hidden.dtype), LARGEST_BLOCK),
        tuple(layer.kernel[...] for layer in layers[1:]),
        tuple(
            jnp.broadcast_to(zero, layer.out_features) if layer.bias is None else layer.bias[...]
            for layer in layers[1:]
        ),
        network.activation,
        network.output_activation,
        loss.loss,
        len(inputs),
    ), f"every hidden layer of an MLP is gated, {len(layers) - 1} in all"


def _is_narrow(layer: nnx.Linear) -> bool:
    return any(jnp.finfo(dtype).bits < 32 for dtype in (layer.dtype, layer.kernel[...].dtype) if dtype is not None)


def _stays_finite(hidden: Float[Array, "first examples"], network: MLP) -> bool:
    """Whether no activation can overflow, so that no gate of zero meets infinity.

    Sums with gates of one bound the activations. The limit, the square root of the largest number, leaves as much room
    for larger gates.
    """
    bound = np.abs(np.asarray(hidden, np.float64)).max(axis=1)
    bounds = [bound]
    for layer in list(network.layers)[1:-1]:
        bias = 0 if layer.bias is None else np.abs(np.asarray(layer.bias[...], np.float64))
        # Activations do not exceed their sums, except softplus, by log 2 at most, and sigmoid, which is at most 1.
        bound = bound @ np.abs(np.asarray(layer.kernel[...], np.float64)) + bias + 1
        bounds.append(bound)
    return bool(np.concatenate(bounds).max() < np.sqrt(float(jnp.finfo(hidden.dtype).max)))
