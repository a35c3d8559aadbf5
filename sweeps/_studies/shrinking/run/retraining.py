"""Retraining: removals with some training after every few of them, the removed nodes staying off."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from flax import nnx
from jaxtyping import Array, Float, Int

from sweeps import _compiling, _losses
from sweeps._networks import ACTIVATIONS, MLP
from sweeps._studies.shrinking.run.training import Kind
from sweeps._studies.shrinking.settings import Shrinking
from sweeps._training import train_many
from sweeps.pruning import Masked, masks_of_nodes

# Times the learning rate of the first training: the network starts close to where it should be.
SLOWER = 0.3
KEPT = ("loss", "accuracy", "test_accuracy")


def retrained(kind: Kind, paths: xr.Dataset, methods: Sequence[str], settings: Shrinking) -> xr.Dataset:
    """Remove nodes again, re-ranked, with training after every few removals.

    Parameters
    ----------
    kind : Kind
        Networks of one layer trained with squared error; they are not changed.
    paths : xarray.Dataset
        Their removal paths without retraining; the result has them at ``every`` 0.
    methods : sequence of str
        By which nodes are ranked, among those of `_scores`.
    settings : Shrinking

    Returns
    -------
    xarray.Dataset
        `loss`, `accuracy` and `test_accuracy` (network, every, ranked_by, step).
    """
    plain = paths[list(KEPT)].sel({"ranking": "reranked", "ranked_by": list(methods)}, drop=True)
    plain = plain.drop_vars(["ranking", "node", "layer", "removal"], errors="ignore")
    data = [plain] + [_paths(kind, methods, every, settings) for every in settings.retrain_every]
    return (
        xr.concat(data, "every")
        .transpose("network", "every", "ranked_by", "step")
        .assign_coords(every=[0, *settings.retrain_every])
        .assign_attrs(network="1", epochs=settings.retrain_epochs, learning_rate=SLOWER * settings.learning_rate)
    )


def _paths(kind: Kind, methods: Sequence[str], every: int, settings: Shrinking) -> xr.Dataset:
    """Remove every node of each network by each method, with training after every so many removals."""
    count, nodes = len(kind.networks), kind.job.hidden[0]
    networks = [nnx.clone(one) for one in kind.networks for _ in methods]
    gates = np.ones((len(networks), nodes), np.float32)
    random = np.stack([np.random.default_rng(settings.seed + index).random(nodes) for index in range(count)])
    chance = np.repeat(random.astype(np.float32), len(methods), axis=0)
    # One object: training compiles anew for another one.
    optimizer = optax.adam(SLOWER * settings.learning_rate)
    found: list[np.ndarray] = []
    for start in range(0, nodes, every):
        if start:
            _train_on(networks, gates, kind, optimizer, settings, settings.seed + start, len(methods))
        masks, values = _removed(networks, kind, gates, chance, tuple(methods), every)
        gates = masks[:, every]
        found.append(values[..., :every] if start + every < nodes else values)
    # The last stretch may go on after the last node.
    values = np.concatenate(found, axis=-1)[..., : nodes + 1].reshape(len(KEPT), count, len(methods), nodes + 1)
    return xr.Dataset(
        {name: (("network", "ranked_by", "step"), one) for name, one in zip(KEPT, values, strict=True)},
        dict(network=range(count), ranked_by=np.asarray(methods, object), step=np.arange(nodes + 1)),
    )


def _train_on(
    networks: Sequence[MLP],
    gates: np.ndarray,
    kind: Kind,
    optimizer: optax.GradientTransformation,
    settings: Shrinking,
    seed: int,
    methods: int,
) -> None:
    """Train networks in place; the nodes that are off stay off."""
    # The networks are alike: reading the structure of one of them is enough.
    masks = masks_of_nodes(networks[0], gates != 0)
    own = [{path: mask[index] for path, mask in masks.items()} for index in range(len(networks))]
    masked = [Masked(one, mask) for one, mask in zip(networks, own, strict=True)]
    tasks = [kind.job.task] * len(masked)
    seeds = [seed + one for one in range(len(kind.networks)) for _ in range(methods)]
    train_many(
        masked,
        tasks,
        optimizer=optimizer,
        epochs=settings.retrain_epochs,
        batch_size=settings.batch_size,
        seeds=seeds,
        loss=kind.job.loss,
    )


def _removed(
    networks: Sequence[MLP], kind: Kind, gates: np.ndarray, chance: np.ndarray, methods: tuple[str, ...], steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Remove so many nodes, network by network.

    Returns
    -------
    gates : numpy.ndarray, (networks, steps + 1, nodes)
    kept : numpy.ndarray, (3, networks, steps + 1)
        Loss, accuracy and test accuracy at these gates.
    """
    weights = [
        jnp.stack([getattr(one.layers[layer], name)[...] for one in networks])
        for layer in (0, 1)
        for name in ("kernel", "bias")
    ]
    ranked_by = jnp.tile(jnp.arange(len(methods)), len(networks) // len(methods))
    batches = [(jnp.asarray(one.inputs), jnp.asarray(one.targets)) for one in (kind.job.task.train, kind.job.task.test)]
    starts = jnp.asarray(gates), jnp.asarray(chance), ranked_by
    last = networks[0].output_activation
    masks, kept = _walk(weights, *starts, batches, methods=methods, steps=steps, last=last)
    return np.asarray(masks), np.stack(kept)


@partial(_compiling.jit, static_argnames=("methods", "steps", "last"))
def _walk(
    weights: list[Array],
    gates: Float[Array, "networks nodes"],
    chance: Float[Array, "networks nodes"],
    ranked_by: Int[Array, " networks"],
    batches: list[tuple[Array, Array]],
    methods: tuple[str, ...],
    steps: int,
    last: str,
) -> Any:
    """Remove the node of the lowest score so many times, network by network."""
    (inputs, targets), (others, other_targets) = batches

    def of_network(own: Any) -> Any:
        (first, first_bias, second, second_bias), start, luck, method = own
        hidden, unseen = (nnx.sigmoid(values @ first + first_bias[None]) for values in (inputs, others))

        def loss(outputs: Array) -> Array:
            return _losses.LOSSES["squared_error"].each(ACTIVATIONS[last](outputs), targets).mean()

        def gone(values: Array, gate: Array) -> Array:
            return (values * gate[None]) @ second + second_bias[None]

        def right(outputs: Array, targets: Array) -> Array:
            return (outputs.argmax(axis=1) == targets).mean(dtype=outputs.dtype)

        outputs = partial(gone, hidden)
        by_method = [partial(_scores, name, loss, outputs, hidden, second, luck) for name in methods]

        def step(gate: Array, _: None) -> tuple[Array, Any]:
            here = outputs(gate)
            kept = loss(here), right(here, targets), right(gone(unseen, gate), other_targets)
            node = jnp.argmin(jnp.where(gate > 0, jax.lax.switch(method, by_method, gate), jnp.inf))
            return gate.at[node].set(0), (gate, kept)

        return jax.lax.scan(step, start, None, length=steps + 1)[1]

    return jax.lax.map(of_network, (weights, gates, chance, ranked_by))


def _scores(
    method: str, loss: Any, outputs: Any, hidden: Array, kernel: Array, luck: Array, gate: Float[Array, " nodes"]
) -> Float[Array, " nodes"]:
    """Score the nodes of one network, as `sweeps.ranking.scores` does."""
    if method == "random":
        return luck
    here = outputs(gate)

    def along(node: Array, change: Array) -> Array:
        # The sums of the outputs are affine in a gate of the last hidden layer.
        return loss(here + change * hidden[:, node][:, None] * kernel[node][None])

    nodes = jnp.arange(len(gate))
    if method == "brute_force":
        return jax.lax.map(lambda node: along(node, -gate[node]), nodes, batch_size=16) - loss(here)
    first = -gate * jax.grad(lambda gate: loss(outputs(gate)))(gate)
    if method == "first_order":
        return first

    def curvature(node: Array) -> Array:
        zero, one = jnp.zeros(()), jnp.ones(())
        return jax.jvp(lambda change: jax.jvp(partial(along, node), (change,), (one,))[1], (zero,), (one,))[1]

    return first + gate**2 / 2 * jax.lax.map(curvature, nodes, batch_size=16)
