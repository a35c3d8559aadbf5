"""What the loss would do if a single weight were zeroed, for every weight that can be pruned."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from sweeps import pruning
from sweeps._batches import Batch, Task
from sweeps._networks import MLP
from sweeps._studies.sparsity.run.choosing import LOSS, kernels

# Training images that the change of the loss is over, at most, and weights whose change is measured, too.
EXAMPLES = 2000
MEASURED = 64


def changes(networks: Sequence[MLP], task: Task) -> xr.Dataset:
    """Predict the change of the training loss for every weight, and measure it for some.

    Returns
    -------
    xarray.Dataset
        `layers.0.change`, ... (network, inputs, outputs): predicted, in nats; `predicted` and `measured` (network,
        weight): of `MEASURED` weights, at even steps along the logarithm of their rank.
    """
    batch = Batch(task.train.inputs[:EXAMPLES], task.train.targets[:EXAMPLES])
    found = [[_changes(kernels(one), *batch[:2], layer=at) for at in range(len(one.layers) - 1)] for one in networks]
    both = np.stack([_measured(one, own, batch) for one, own in zip(networks, found, strict=True)])
    data = {
        f"layers.{at}.change": (
            ("network", f"layers.{at}.inputs", f"layers.{at}.outputs"),
            np.stack([np.asarray(own[at]) for own in found]),
        )
        for at in range(len(found[0]))
    }
    return xr.Dataset(
        {**data, "predicted": (("network", "weight"), both[:, 0]), "measured": (("network", "weight"), both[:, 1])},
        attrs=dict(examples=len(batch.inputs), unit="nats"),
    )


@partial(jax.jit, static_argnames="layer")
def _changes(
    weights: list[Array], inputs: Float[Array, "examples features"], targets: Array, layer: int
) -> Float[Array, "before nodes"]:
    """Change of the mean loss when a weight into a layer is zeroed, to second order in the value of its node.

    The node's own change is exact. The layers behind are taken to be linear, as they are until a further node of theirs
    goes on or off.
    """
    values = inputs
    for kernel in weights[:layer]:
        values = jax.nn.relu(values @ kernel)
    sums = values @ weights[layer]

    def outputs(nodes: Float[Array, " nodes"]) -> Float[Array, " classes"]:
        for kernel in weights[layer + 1 : -1]:
            nodes = jax.nn.relu(nodes @ kernel)
        return nodes @ weights[-1]

    nodes = jax.nn.relu(sums)
    slopes = jax.lax.map(jax.jacrev(outputs), nodes, batch_size=128)
    chance = jax.nn.softmax(jax.vmap(outputs)(nodes))
    right = jax.nn.one_hot(targets, chance.shape[1])
    first = jnp.einsum("ecn,ec->en", slopes, chance - right)
    second = jnp.einsum("ecn,ec->en", slopes**2, chance) - jnp.einsum("ecn,ec->en", slopes, chance) ** 2

    def add(total: Array, one: tuple[Array, ...]) -> tuple[Array, None]:
        value, sum_, node, slope, bend = one
        change = jax.nn.relu(sum_[None] - value[:, None] * weights[layer]) - node[None]
        return total + slope[None] * change + 0.5 * bend[None] * change**2, None

    total, _ = jax.lax.scan(add, jnp.zeros_like(weights[layer]), (values, sums, nodes, first, second))
    return total / len(inputs)


def _measured(network: MLP, predicted: Sequence[Array], batch: Batch) -> Float[np.ndarray, "2 weights"]:
    """Return the predicted and the measured change for some weights."""
    flat = np.concatenate([np.asarray(one).ravel() for one in predicted])
    ranks = np.unique(np.geomspace(1, flat.size, MEASURED).round().astype(int)) - 1
    chosen = np.argsort(-np.abs(flat), kind="stable")[ranks]
    stays = np.ones((len(chosen) + 1, flat.size), bool)
    stays[np.arange(len(chosen)), chosen] = False
    parts = np.split(stays, np.cumsum([one.size for one in predicted])[:-1], axis=1)
    masks = {
        f"layers/{at}/kernel": part.reshape(-1, *one.shape)
        for at, (part, one) in enumerate(zip(parts, predicted, strict=True))
    }
    loss = pruning.evaluate(network, masks, batch, loss=LOSS).loss
    return np.stack([flat[chosen], loss[:-1] - loss[-1]])
