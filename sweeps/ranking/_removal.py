"""Removal in layered networks: the loss when each node goes off, and along whole paths, compiled."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sweeps import _compiling
from sweeps.ranking._layered import Layered, State, losses_with, state_of


class Measured(NamedTuple):
    """Effect of removing each node of a network.

    Attributes
    ----------
    loss : array, ()
        Mean loss before, a scalar.
    accuracy : array, ()
        Share of right classes before, a scalar; NaN without classes, or if outputs are not finite.
    change : array, (nodes,)
        Of the mean loss when each node goes off; zero for nodes that are off.
    """

    loss: Float[Array, ""]
    accuracy: Float[Array, ""]
    change: Float[Array, " nodes"]


class Steps(NamedTuple):
    """The steps of a path; the last has no node to remove.

    Attributes
    ----------
    node : array of int, (steps,)
        The removed node, shape (nodes + 1,).
    best : array of int, (steps,)
        The first node whose removal costs least.
    change, best_change : array, (steps,)
        Of the mean loss, by the removal of ``node`` and of ``best``.
    loss, accuracy : array, (steps,)
        Before the removal.
    """

    node: Int[Array, " steps"]
    best: Int[Array, " steps"]
    change: Float[Array, " steps"]
    best_change: Float[Array, " steps"]
    loss: Float[Array, " steps"]
    accuracy: Float[Array, " steps"]


def cheapest(change: Float[Array, " nodes"], on: Bool[Array, " nodes"]) -> Int[Array, ""]:
    """Return the first node with the lowest change of the loss among those that are on; NaN comes last."""
    most = jnp.finfo(change.dtype).max
    finite = jnp.where(jnp.isnan(change), most, jnp.clip(change, -most, most))
    return jnp.argmin(jnp.where(on, finite, jnp.inf))


def over_nodes(
    network: Layered, layer: int, on: Bool[Array, " nodes"], evaluate: Callable[[Array], Array], total: Array
) -> Float[Array, " nodes"]:
    """Add ``evaluate(nodes)`` to the totals of a layer's nodes that are on, a chunk at a time.

    The nodes that are on are sorted to the front, and a loop takes as many chunks as they fill: nodes that are off cost
    nothing, and shapes stay constant.
    """
    size = network.candidates(layer)
    order = jnp.pad(jnp.argsort(~on, stable=True), (0, -len(on) % size))
    number = on.sum()

    def add(chunk: Any, total: Array) -> Array:
        nodes = jax.lax.dynamic_slice(order, (chunk * size,), (size,))
        counted = chunk * size + jnp.arange(size) < number
        return total.at[nodes].add(jnp.where(counted, evaluate(nodes), 0))

    return jax.lax.fori_loop(0, -(-number // size), add, total)


def measure(network: Layered, gates: Float[Array, " nodes"], sums: Float[Array, "blocks second block"]) -> Measured:
    """Remove every node that is on, one at a time, within a larger program.

    Parameters
    ----------
    network, gates : Layered or array, (nodes,)
        Before the removal.
    sums : array, (blocks, second, block)
        ``network.first_sums(gates)``.
    """
    pieces = network.split(gates)

    def add_block(totals: Any, block: tuple[Array, Array]) -> tuple[Any, None]:
        state = state_of(network, gates, *block)
        outputs = state.sums[-1][:, None]
        before = network.losses(lambda c: outputs[c], state.targets, like=outputs[0])
        answered = network.finite(lambda c: outputs[c], state.targets, like=outputs[0])[0]
        right = network.right(lambda c: outputs[c], state.targets, like=outputs[0])[0] & answered
        present = state.present > 0
        changes = tuple(
            over_nodes(network, layer, piece != 0, _changes(network, state, gates, layer, before), total)
            for layer, (piece, total) in enumerate(zip(pieces, totals[2], strict=True))
        )
        counts = totals[1] + jnp.stack(
            [(counted & present).sum(dtype=jnp.int32) for counted in (right, answered, present)]
        )
        return (totals[0] + before[0] @ state.present, counts, changes), None

    start = (jnp.zeros((), gates.dtype), jnp.zeros(3, jnp.int32), tuple(jnp.zeros_like(piece) for piece in pieces))
    blocks = (jnp.arange(len(sums)), sums)
    (loss, (right, answered, number), changes), _ = jax.lax.scan(add_block, start, blocks)
    examples = number.astype(gates.dtype)
    has_classes = network.has_classes & (answered == number)
    accuracy = jnp.where(has_classes, right.astype(gates.dtype) / examples, jnp.nan)
    return Measured(loss / examples, accuracy, jnp.concatenate(changes) / examples)


def _changes(
    network: Layered, state: State, gates: Float[Array, " nodes"], layer: int, before: Float[Array, "1 block"]
) -> Callable[[Array], Array]:
    """Return nodes -> sum over a block of the change of the loss when each of them goes off."""
    gains = network.split(gates)[layer]

    def evaluate(nodes: Int[Array, " candidates"]) -> Float[Array, " candidates"]:
        after = losses_with(network, state, gates, layer, nodes, -gains[nodes])
        # Differences of examples, not of means: losses that do not change cancel exactly.
        return (after - before) @ state.present

    return evaluate


@_compiling.jit
def measured(network: Layered, gates: Float[Array, " nodes"]) -> Measured:
    """Remove every node that is on, one at a time."""
    return measure(network, gates, network.first_sums(gates))


@_compiling.jit
def walk(network: Layered, order: Int[Array, " nodes"], follow: Bool[Array, ""]) -> Steps:
    """Remove nodes one after the other, and measure all removals at each step.

    Parameters
    ----------
    network : Layered
        With all nodes on.
    order : array of int, (nodes,)
        Nodes to remove, if ``follow`` is true.
    follow : array of bool, ()
        Whether to remove nodes in that order, or else the cheapest node at each step.
    """
    nodes = len(order)
    gates = jnp.ones(nodes, network.hidden.dtype)

    def step(carry: tuple[Array, Array], given: Array) -> tuple[tuple[Array, Array], Steps]:
        gates, sums = carry
        measured = measure(network, gates, sums)
        best = cheapest(measured.change, gates != 0).astype(given.dtype)
        node = jnp.where(follow, given, best)
        first = jnp.minimum(node, network.sizes[0] - 1)
        gone = jnp.where(node < network.sizes[0], gates[node], 0)
        # A rank-one update: a new product at every step would cost as much as many candidates.
        sums = sums - (gone * network.kernels[0][first])[None, :, None] * network.hidden[:, first][:, None]
        changes = measured.change[node], measured.change[best]
        return (gates.at[node].set(0), sums), Steps(node, best, *changes, measured.loss, measured.accuracy)

    steps = jnp.append(order, jnp.zeros_like(order[:1]))
    return jax.lax.scan(step, (gates, network.first_sums(gates)), steps)[1]


@_compiling.jit
def second_derivatives(network: Layered, gates: Float[Array, " nodes"]) -> Float[Array, " nodes"]:
    """Return d^2 loss / d gate^2 of each node that is on, shape (nodes,): forward over forward along each gate."""
    pieces = network.split(gates)

    def add_block(totals: Any, block: tuple[Array, Array]) -> tuple[Any, None]:
        state = state_of(network, gates, *block)

        def curvature(layer: int) -> Callable[[Array], Array]:
            def evaluate(nodes: Int[Array, " candidates"]) -> Float[Array, " candidates"]:
                ones = jnp.ones(len(nodes), gates.dtype)

                def total(change: Array) -> Array:
                    return losses_with(network, state, gates, layer, nodes, change) @ state.present

                # Candidates are independent: a tangent of ones gives the derivatives of all.
                def slope(change: Array) -> Array:
                    return jax.jvp(total, (change,), (ones,))[1]

                return jax.jvp(slope, (jnp.zeros_like(ones),), (ones,))[1]

            return evaluate

        return tuple(
            over_nodes(network, layer, piece != 0, curvature(layer), total)
            for layer, (piece, total) in enumerate(zip(pieces, totals, strict=True))
        ), None

    sums = network.first_sums(gates)
    start = tuple(jnp.zeros_like(piece) for piece in pieces)
    totals, _ = jax.lax.scan(add_block, start, (jnp.arange(len(sums)), sums))
    return jnp.concatenate(totals) / (network.present > 0).sum(dtype=jnp.int32).astype(gates.dtype)
