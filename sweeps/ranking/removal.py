"""Removal in layered networks: the loss when each node goes off, and along whole paths, in one compiled program."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sweeps import compiling
from sweeps.ranking.layered import Layered, State, losses_with, state_of


class Measured(NamedTuple):
    """What removing one node of a given network does.

    Attributes
    ----------
    loss : mean loss before, a scalar
    accuracy : share of the examples with the right class before, a scalar; NaN where there are no classes, and where
        outputs are not finite
    change : of the mean loss when each node goes off, shape (nodes,); zero for nodes that are off
    """

    loss: Float[Array, ""]
    accuracy: Float[Array, ""]
    change: Float[Array, " nodes"]


class Steps(NamedTuple):
    """What happened at each step of a path; the last step has no node to remove.

    Attributes
    ----------
    node : the node that was removed, shape (nodes + 1,)
    best : the node whose removal costs least, the first of equals
    change, best_change : of the mean loss, by the removal of either
    loss, accuracy : before the removal
    """

    node: Int[Array, " steps"]
    best: Int[Array, " steps"]
    change: Float[Array, " steps"]
    best_change: Float[Array, " steps"]
    loss: Float[Array, " steps"]
    accuracy: Float[Array, " steps"]


def cheapest(change: Float[Array, " nodes"], on: Bool[Array, " nodes"]) -> Int[Array, ""]:
    """Return the first of the nodes that are on whose removal changes the loss least; a change of NaN comes last."""
    most = jnp.finfo(change.dtype).max
    finite = jnp.where(jnp.isnan(change), most, jnp.clip(change, -most, most))
    return jnp.argmin(jnp.where(on, finite, jnp.inf))


def over_units(
    network: Layered, layer: int, on: Bool[Array, " units"], evaluate: Callable[[Array], Array], total: Array
) -> Float[Array, " units"]:
    """Add ``evaluate(units)`` to the totals of a layer's units that are on, a chunk at a time, and of no others.

    The units that are on come first in a list, and a loop of as many turns as they need goes over it: nothing is
    spent on those that are off, and shapes stay the same.
    """
    size = network.candidates(layer)
    order = jnp.pad(jnp.argsort(~on, stable=True), (0, -len(on) % size))
    number = on.sum()

    def add(chunk: Any, total: Array) -> Array:
        units = jax.lax.dynamic_slice(order, (chunk * size,), (size,))
        counted = chunk * size + jnp.arange(size) < number
        return total.at[units].add(jnp.where(counted, evaluate(units), 0))

    return jax.lax.fori_loop(0, -(-number // size), add, total)


def measure(network: Layered, gates: Float[Array, " nodes"], sums: Float[Array, "blocks second block"]) -> Measured:
    """Remove every node that is on, one at a time, as part of a larger program.

    Parameters
    ----------
    network, gates : what they are removed from
    sums : of the layer behind the first hidden one, as ``network.first_sums(gates)`` has them
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
            over_units(network, layer, piece != 0, _changes(network, state, gates, layer, before), total)
            for layer, (piece, total) in enumerate(zip(pieces, totals[2], strict=True))
        )
        counts = totals[1] + jnp.stack([(one & present).sum(dtype=jnp.int32) for one in (right, answered, present)])
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
    """Return units -> sum over a block of the changes of the loss when each of them goes off."""
    gains = network.split(gates)[layer]

    def evaluate(units: Int[Array, " candidates"]) -> Float[Array, " candidates"]:
        after = losses_with(network, state, gates, layer, units, -gains[units])
        # The difference of each example, not of the means: what an example does not change cancels exactly.
        return (after - before) @ state.present

    return evaluate


@compiling.jit
def measured(network: Layered, gates: Float[Array, " nodes"]) -> Measured:
    """Remove every node that is on, one at a time."""
    return measure(network, gates, network.first_sums(gates))


@compiling.jit
def walk(network: Layered, order: Int[Array, " nodes"], follow: Bool[Array, ""]) -> Steps:
    """Remove nodes one after the other, and measure all removals at each step.

    Parameters
    ----------
    network : all of whose nodes are on at first
    order : nodes to remove, read where ``follow`` is true; otherwise the cheapest is removed
    follow : whether to
    """
    nodes = len(order)
    gates = jnp.ones(nodes, network.hidden.dtype)

    def step(carry: tuple[Array, Array], given: Array) -> tuple[tuple[Array, Array], Steps]:
        gates, sums = carry
        found = measure(network, gates, sums)
        best = cheapest(found.change, gates != 0).astype(given.dtype)
        node = jnp.where(follow, given, best)
        first = jnp.minimum(node, network.sizes[0] - 1)
        gone = jnp.where(node < network.sizes[0], gates[node], 0)
        # The rank-one change of what is kept; products anew at every step would cost as much as many candidates.
        sums = sums - (gone * network.kernels[0][first])[None, :, None] * network.hidden[:, first][:, None]
        kept = Steps(node, best, found.change[node], found.change[best], found.loss, found.accuracy)
        return (gates.at[node].set(0), sums), kept

    steps = jnp.append(order, jnp.zeros_like(order[:1]))
    return jax.lax.scan(step, (gates, network.first_sums(gates)), steps)[1]


@compiling.jit
def second_derivatives(network: Layered, gates: Float[Array, " nodes"]) -> Float[Array, " nodes"]:
    """d^2 loss / d gate^2 of each node that is on, shape (nodes,): forward over forward along one gate at a time."""
    pieces = network.split(gates)

    def add_block(totals: Any, block: tuple[Array, Array]) -> tuple[Any, None]:
        state = state_of(network, gates, *block)

        def curvature(layer: int) -> Callable[[Array], Array]:
            def evaluate(units: Int[Array, " candidates"]) -> Float[Array, " candidates"]:
                ones = jnp.ones(len(units), gates.dtype)

                def total(change: Array) -> Array:
                    return losses_with(network, state, gates, layer, units, change) @ state.present

                # Candidates do not mix: one tangent of ones has all their derivatives.
                def slope(change: Array) -> Array:
                    return jax.jvp(total, (change,), (ones,))[1]

                return jax.jvp(slope, (jnp.zeros_like(ones),), (ones,))[1]

            return evaluate

        return tuple(
            over_units(network, layer, piece != 0, curvature(layer), total)
            for layer, (piece, total) in enumerate(zip(pieces, totals, strict=True))
        ), None

    sums = network.first_sums(gates)
    start = tuple(jnp.zeros_like(piece) for piece in pieces)
    totals, _ = jax.lax.scan(add_block, start, (jnp.arange(len(sums)), sums))
    return jnp.concatenate(totals) / (network.present > 0).sum(dtype=jnp.int32).astype(gates.dtype)
