"""Layered networks: the loss of an MLP when a node changes, computed from the node's layer on.

A change d of a node changes the sums of the next layer by d times its outgoing weights, a matrix of rank one, and
nothing before them. The first gated layer is therefore computed once, and a candidate costs the layers behind it.
Examples are innermost: values have the shape (nodes, examples), and (nodes, candidates, examples) for candidates.
"""

from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from sweeps import _device, _precision
from sweeps._losses import widened
from sweeps._networks import ACTIVATIONS, MLP
from sweeps._objective import Objective
from sweeps.ranking import _rows

# Largest term of a sum, relative to the size that the loss resolves: half of the digits of float32.
LARGEST_TERM = 2.0**12


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Layered:
    """An MLP whose hidden nodes are all gated, on its examples.

    Attributes
    ----------
    hidden : array, (blocks, first, block)
        Activations of the first hidden layer, shape (blocks, nodes of the layer, block).
    targets : array, (blocks, outputs, block)
        Values, or ones and zeros for classes.
    present : array, (blocks, block)
        1 for an example, 0 for padding.
    kernels, biases : tuple of array, (_, _) or tuple of array, (_,)
        Of the layers after the first hidden one.
    activation, output_activation, loss : str
        Names.
    has_classes : bool
        Whether the targets are classes.
    is_exact : bool
        Whether layers and network agree up to rounding: false if the network computes with less than float32, or if a
        node's activation is infinite or so large that subtracting its term from a sum leaves few digits of the other
        terms.
    """

    hidden: Float[Array, "blocks first block"]
    targets: Float[Array, "blocks outputs block"]
    present: Float[Array, "blocks block"]
    kernels: tuple[Float[Array, "_ _"], ...]
    biases: tuple[Float[Array, " _"], ...]
    activation: str = field(metadata=dict(static=True))
    output_activation: str = field(metadata=dict(static=True))
    loss: str = field(metadata=dict(static=True))
    has_classes: bool = field(metadata=dict(static=True))
    is_exact: bool = field(metadata=dict(static=True))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of nodes of the hidden layers."""
        return tuple(len(kernel) for kernel in self.kernels)

    @property
    def nodes(self) -> int:
        """Number of hidden nodes."""
        return sum(self.sizes)

    def split(self, vector: Array) -> list[Array]:
        """Cut a vector over nodes into one piece a layer."""
        return jnp.split(vector, np.cumsum(self.sizes)[:-1].tolist())

    def candidates(self, layer: int) -> int:
        """Return how many candidates of a layer to evaluate together."""
        width = 1 if layer == len(self.kernels) - 1 else self.kernels[layer].shape[1]
        here = _device.here()
        fitting = here.candidates // (width * self.present.shape[1])
        return max(1, min(fitting, here.most_candidates, self.sizes[layer]))

    def first_sums(self, gates: Float[Array, " nodes"]) -> Float[Array, "blocks second block"]:
        """Return the sums of the layer after the first hidden one."""
        weights = self.split(gates)[0][:, None] * self.kernels[0]
        return jnp.einsum("no,bne->boe", weights, self.hidden) + self.biases[0][None, :, None]

    def behind(
        self, layer: int, sums: Float[Array, "next candidates block"], gates: Float[Array, " nodes"]
    ) -> Float[Array, "behind candidates block"]:
        """Return the sums of the layer after next, given those of the layer after a layer."""
        values = ACTIVATIONS[self.activation](sums)
        weights = self.split(gates)[layer + 1][:, None] * self.kernels[layer + 1]
        return jnp.einsum("no,nke->oke", weights, values) + self.biases[layer + 1][:, None, None]

    def losses(self, outputs: _rows.Rows, targets: Array, like: Array) -> Float[Array, "candidates block"]:
        """Return the loss of each example, given rows of sums of the last layer."""
        return _rows.LOSSES[self.loss](self._activated(outputs), targets, jnp.zeros_like(like))

    def right(self, outputs: _rows.Rows, targets: Array, like: Array) -> Array:
        """Whether the class of each example is right."""
        return _rows.is_right(self._activated(outputs), targets, jnp.zeros_like(like))

    def finite(self, outputs: _rows.Rows, targets: Array, like: Array) -> Array:
        """Whether the outputs of each example are finite, as a class needs."""
        return _rows.is_finite(self._activated(outputs), targets, jnp.zeros_like(like))

    def _activated(self, outputs: _rows.Rows) -> _rows.Rows:
        return lambda c: ACTIVATIONS[self.output_activation](outputs(c))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """The values on a block that all candidates share.

    Attributes
    ----------
    block : array of int, ()
        Its number, a scalar.
    values : tuple of array, (_, block)
        Activations of each hidden layer but the first, shapes (nodes of the layer, block).
    sums : tuple of array, (_, block)
        Of the layer after each hidden layer, shapes (nodes of that layer, block).
    targets, present : array, (outputs, block) or array, (block,)
        Of the block.
    """

    block: Int[Array, ""]
    values: tuple[Float[Array, "_ block"], ...]
    sums: tuple[Float[Array, "_ block"], ...]
    targets: Float[Array, "outputs block"]
    present: Float[Array, " block"]


def state_of(
    network: Layered, gates: Float[Array, " nodes"], block: Int[Array, ""], first: Float[Array, "second block"]
) -> State:
    """Return the state of a block, given its number and the sums after the first hidden layer."""
    values, sums = [], [first]
    for layer in range(len(network.kernels) - 1):
        values.append(ACTIVATIONS[network.activation](sums[-1]))
        sums.append(network.behind(layer, sums[-1][:, None], gates)[:, 0])
    return State(block, tuple(values), tuple(sums), network.targets[block], network.present[block])


def activations(network: Layered, state: State, layer: int, nodes: Int[Array, " candidates"]) -> Array:
    """Return the activations of some nodes of a layer, shape (candidates, block)."""
    # Indexed in place: a loop would copy the hidden layer of a whole block, which takes longer than a chunk.
    return network.hidden[state.block, nodes] if layer == 0 else state.values[layer - 1][nodes]


def losses_with(
    network: Layered,
    state: State,
    gates: Float[Array, " nodes"],
    layer: int,
    nodes: Int[Array, " candidates"],
    change: Float[Array, " candidates"],
) -> Float[Array, "candidates block"]:
    """Return the loss of each example when the gate of a single node changes, for several such nodes of a layer.

    Parameters
    ----------
    network, state, gates : Layered or State or array, (nodes,)
        Before the change.
    layer, nodes : int or array of int, (candidates,)
        The layer, and numbers of its nodes.
    change : array, (candidates,)
        Of the gate of each.
    """
    values = activations(network, state, layer, nodes) * change[:, None]
    weights, before = network.kernels[layer][nodes], state.sums[layer]
    if layer == len(network.kernels) - 1:
        return network.losses(lambda c: before[c][None] + values * weights[:, c][:, None], state.targets, like=values)
    sums = before[:, None] + weights.T[:, :, None] * values[None]
    for behind in range(layer, len(network.kernels) - 1):
        sums = network.behind(behind, sums, gates)
    return network.losses(lambda c: sums[c], state.targets, like=values)


def from_objective(objective: Objective) -> Layered | None:
    """Return the layers of an objective's network, or None if it is no plain MLP with all hidden nodes gated.

    The caller checks that the objective computes the same as these layers.
    """
    network, batch = objective.network, objective.batch
    # Exact types: a subclass may compute something else.
    if type(network) is not MLP or any(type(layer) is not nnx.Linear for layer in network.layers):
        return None
    hidden = [(f"layers/{layer}", size) for layer, size in enumerate(network.sizes[1:-1])]
    gated = [(part.layer, len(part.numbers)) for part in objective.gates if not part.is_tied]
    if batch is None or getattr(batch, "mask", None) is not None or gated != hidden:
        return None
    if objective.loss_name not in _rows.LOSSES or np.ndim(batch.inputs) != 2:
        return None
    return _of_layers(list(network.layers), network, objective, np.asarray(batch.inputs), np.asarray(batch.targets))


def _of_layers(
    layers: list[nnx.Linear], network: MLP, objective: Objective, inputs: np.ndarray, targets: np.ndarray
) -> Layered:
    with jax.default_matmul_precision(objective.precision):
        hidden = widened(ACTIVATIONS[network.activation](layers[0](jnp.asarray(inputs))).T)
    narrow = _precision.is_narrow(network, jnp.asarray(inputs[:1]))
    whole, outputs = targets.dtype.kind in "biu", network.sizes[-1]
    return Layered(
        _blocks(hidden),
        _blocks(jnp.asarray(_target_rows(targets, outputs, whole), hidden.dtype)),
        _blocks(jnp.ones((1, hidden.shape[1]), hidden.dtype), repeat=False)[:, 0],
        tuple(layer.kernel[...].astype(hidden.dtype) for layer in layers[1:]),
        tuple(
            jnp.zeros(layer.out_features, hidden.dtype) if layer.bias is None else layer.bias[...].astype(hidden.dtype)
            for layer in layers[1:]
        ),
        network.activation,
        network.output_activation,
        objective.loss_name,
        has_classes=whole and (outputs > 1 or objective.loss_name == "binary_cross_entropy"),
        is_exact=not narrow and _largest_term(layers, network.activation, hidden) < LARGEST_TERM * _unit(targets),
    )


def _largest_term(layers: list[nnx.Linear], activation: str, hidden: Array) -> float:
    """Return the largest term of a hidden node in a sum of the next layer, all nodes on; infinite if not finite."""
    weights = [(layer.kernel[...], None if layer.bias is None else layer.bias[...]) for layer in layers[1:]]
    return float(_largest_of(weights, activation, hidden))


@partial(jax.jit, static_argnames="activation")
def _largest_of(weights: list[tuple[Array, Array | None]], activation: str, hidden: Array) -> Array:
    most = jnp.zeros((), hidden.dtype)
    for kernel, bias in weights:
        kernel = kernel.astype(hidden.dtype)
        terms = jnp.abs(hidden).max(axis=1) * jnp.abs(kernel).max(axis=1)
        most = jnp.maximum(most, jnp.nan_to_num(terms, nan=jnp.inf).max())
        offset = 0.0 if bias is None else bias.astype(hidden.dtype)[:, None]
        hidden = ACTIVATIONS[activation](kernel.T @ hidden + offset)
    return most


def _unit(targets: np.ndarray) -> float:
    """Return the size of sums that a loss resolves: 1 for classes, and the largest target for values."""
    return 1.0 if targets.dtype.kind in "biu" else max(1.0, float(np.abs(targets).max()))


def _target_rows(targets: np.ndarray, outputs: int, whole: bool) -> np.ndarray:
    """Return targets of shape (outputs, examples): one-hot for classes."""
    if whole and outputs > 1:
        return targets[None] == np.arange(outputs)[:, None]
    return targets.reshape(len(targets), outputs).T


def _blocks(values: Array, repeat: bool = True) -> Array:
    """Cut (rows, examples) into (blocks, rows, block); the padding repeats examples or is zero.

    Repeated examples overflow only if the examples do, so that no zero meets infinity.
    """
    examples = values.shape[1]
    blocks = -(-examples // _device.here().candidate_block)
    block = -(-examples // blocks)
    return _cut(values, blocks, block, repeat)


@partial(jax.jit, static_argnames=("blocks", "block", "repeat"))
def _cut(values: Array, blocks: int, block: int, repeat: bool) -> Array:
    missing = blocks * block - values.shape[1]
    padding = values[:, :missing] if repeat else jnp.zeros_like(values[:, :missing])
    padded = jnp.concatenate([values, padding], axis=1)
    return jnp.moveaxis(padded.reshape(len(values), blocks, block), 1, 0)


@jax.jit
def all_activations(network: Layered, gates: Float[Array, " nodes"]) -> Float[Array, "nodes examples"]:
    """Return the activations of all hidden nodes, before their gates, on all examples and the padding."""

    def of_block(block: Array, first: Array) -> Array:
        state = state_of(network, gates, block, first)
        return jnp.concatenate([network.hidden[block], *state.values])

    blocks = jnp.arange(len(network.hidden))
    values = jax.lax.map(lambda block: of_block(*block), (blocks, network.first_sums(gates)))
    return jnp.moveaxis(values, 0, 1).reshape(network.nodes, -1)
