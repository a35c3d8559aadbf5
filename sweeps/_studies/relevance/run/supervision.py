"""Supervision: networks trained so that their relevance lies where the digit is, and whether that makes them better."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from sweeps import _losses
from sweeps._networks import MLP
from sweeps._program import OfNnx, of_nnx
from sweeps._seeds import key
from sweeps._studies.relevance.run.patches import Patched
from sweeps.relevance import attribute_function

BATCH = 64
# Test images by which training is followed.
FOLLOWED = 200
_ADAM = optax.adam(3e-3)
# (network, state, batch, key) -> sizes inside and outside of the region, of each example.
Measure = Callable[[OfNnx, Any, Patched, Array], tuple[Array, Array]]


def _relevance(mixed: bool = False, biases: bool = False) -> Measure:
    """Size of relevance inside and outside of the region, of each example, by the slope rule.

    Parameters
    ----------
    mixed : bool
        Of a random mixture of all logits; otherwise of the right one.
    biases : bool
        Whether relevance of biases counts as outside.
    """

    def measure(network: Any, state: Any, batch: Any, key: Array) -> tuple[Array, Array]:
        target = batch.targets
        if mixed:
            classes = jax.eval_shape(lambda: network(state, batch.images)).shape[-1]
            target = jax.random.normal(key, (len(batch.targets), classes))
            # A number added to all logits changes nothing.
            target = target - target.mean(axis=1, keepdims=True)
        found = attribute_function(network, state, batch.images, target=target, method="slope")
        inside, outside = parts(jnp.abs(found.inputs), batch.regions)
        if biases:
            outside = outside + sum(jnp.abs(one).reshape(len(one), -1).sum(axis=1) for one in found.bias.values())
        return inside, outside

    return measure


def _gradients(network: OfNnx, state: Any, batch: Any, key: Array) -> tuple[Array, Array]:
    """Squared gradient of the sum of all log probabilities, as Ross, Hughes and Doshi-Velez (2017) penalise it."""

    def total(images: Array) -> Array:
        return jax.nn.log_softmax(network(state, images)).sum()

    return parts(jnp.square(jax.grad(total)(batch.images)), batch.regions)


def parts(sizes: Array, regions: Array) -> tuple[Array, Array]:
    """Sums inside and outside of the regions."""
    inside = jnp.where(regions, sizes, 0).sum(axis=1)
    return inside, jnp.where(regions, 0, sizes).sum(axis=1)


MEASURES: dict[str, Measure] = {
    "gradients": _gradients,
    "slope": _relevance(),
    "slope_biases": _relevance(biases=True),
    "slope_all": _relevance(mixed=True),
}


class Training(NamedTuple):
    """A way to train.

    Attributes
    ----------
    title, note : str
        In short words, and in a sentence.
    measure : str
        Key of ``MEASURES``, by which ``inside`` is measured.
    penalty : str
        What strength multiplies: ``none``, the ``share`` of the measure outside, its ``amount`` outside, or the loss of
        the images with their outside ``replaced``.
    """

    title: str
    note: str
    measure: str
    penalty: str


TRAININGS = {
    "plain": Training("plain", "Cross-entropy alone.", "slope", "none"),
    "gradient_penalty": Training(
        "gradient penalty",
        "Squared gradients of the summed log probabilities outside of the region are added to the loss.",
        "gradients",
        "amount",
    ),
    "relevance_slope": Training(
        "relevance, share",
        "Share outside of the right logit's relevance, by the slope rule, which is LRP's with biases as inputs.",
        "slope",
        "share",
    ),
    "relevance_amount": Training(
        "relevance, amount",
        "Amount outside of the right logit's relevance, by the slope rule, in place of its share.",
        "slope",
        "amount",
    ),
    "relevance_biases": Training(
        "relevance, biases blamed",
        "As by the slope rule, and relevance of biases counts as outside.",
        "slope_biases",
        "share",
    ),
    "relevance_all": Training(
        "relevance, all classes",
        "Share outside, by the slope rule, of random mixtures of all logits and not of the right one.",
        "slope_all",
        "share",
    ),
    "relevance_all_amount": Training(
        "relevance, all classes, amount",
        "Amount outside, by the slope rule, of random mixtures of all logits: both mends at once.",
        "slope_all",
        "amount",
    ),
    "replaced": Training(
        "outside replaced",
        "No relevance: the loss of images whose outside is another's is added, which is the aim itself.",
        "slope",
        "replaced",
    ),
}


class Fitted(NamedTuple):
    """Networks of one training; all axes start with strengths and networks.

    Attributes
    ----------
    states : object
        Of the networks.
    loss, inside, accuracy_clean : numpy.ndarray, (strengths, networks, epochs)
        After each epoch; the loss is the cross-entropy's mean over the epoch's batches, the others are of some test
        images.
    """

    states: Any
    loss: Float[np.ndarray, "strengths networks epochs"]
    inside: Float[np.ndarray, "strengths networks epochs"]
    accuracy_clean: Float[np.ndarray, "strengths networks epochs"]


def fitted(
    name: str,
    networks: Sequence[MLP],
    seeds: Sequence[int],
    strengths: Sequence[float],
    epochs: int,
    train: Patched,
    right: Patched,
    clean: Patched,
) -> Fitted:
    """Train copies of networks at each strength, all at once, from the same start and in the same order.

    Parameters
    ----------
    name : str
        Key of ``TRAININGS``.
    networks, seeds : sequence of MLP or sequence of int
        Of one structure, and seeds of their orders.
    strengths : sequence of float
        Weights of the penalty.
    epochs : int
        Of training.
    train : Patched
        What is trained on.
    right, clean : Patched
        By which training is followed.
    """
    splits = [of_nnx(network) for network in networks]
    states = jax.tree.map(lambda *leaves: np.stack(leaves), *[state for _, state in splits])
    keys = jnp.stack([key(seed) for seed in seeds])
    sets = jax.tree.map(jnp.asarray, (train, *(Patched(*(part[:FOLLOWED] for part in one)) for one in (right, clean))))
    found = _fit_all(splits[0][0], name, epochs, states, jnp.asarray(strengths, jnp.float32), keys, sets)
    # In NumPy one network can be taken out without a program of its own.
    return Fitted(*jax.tree.map(np.asarray, (found[0], *found[1])))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _fit_all(
    network: OfNnx, name: str, epochs: int, states: Any, strengths: Array, keys: Array, sets: tuple[Patched, ...]
) -> tuple[Any, tuple[Array, Array, Array]]:
    def one(strength: Array, state: Any, key: Array) -> Any:
        return _fit(network, name, epochs, state, strength, key, sets)

    return jax.vmap(jax.vmap(one, (None, 0, 0)), (0, None, None))(strengths, states, keys)


def _fit(
    network: OfNnx, name: str, epochs: int, state: Any, strength: Array, key: Array, sets: tuple[Any, ...]
) -> tuple[Any, tuple[Array, Array, Array]]:
    train, right, clean = sets
    examples = len(train.targets)
    size = min(BATCH, examples)

    def loss_of(state: Any, order: Array, key: Array) -> tuple[Array, Array]:
        batch = jax.tree.map(lambda leaf: leaf[order], train)
        plain = _losses.cross_entropy(network(state, batch.images), batch.targets).mean()
        more = penalty(network, name, state, batch, key)
        return plain + strength * more, plain

    def step(carry: tuple, over: tuple[Array, Array]) -> tuple[tuple, Array]:
        state, memory = carry
        gradient, loss = jax.grad(loss_of, has_aux=True)(state, *over)
        with jax.numpy_dtype_promotion("standard"):
            updates, memory = _ADAM.update(gradient, memory, state)
            state = optax.apply_updates(state, updates)
        return (state, memory), loss

    def epoch(carry: tuple, key: Array) -> tuple[tuple, tuple[Array, Array, Array]]:
        orders, draws, follow = jax.random.split(key, 3)
        order = jax.random.permutation(orders, examples)[: examples // size * size].reshape(-1, size)
        carry, loss = jax.lax.scan(step, carry, (order, jax.random.split(draws, len(order))))
        inside = share_inside(network, TRAININGS[name].measure, carry[0], right, follow).mean()
        return carry, (loss.mean(), inside, accuracy(network, carry[0], clean))

    (state, _), history = jax.lax.scan(epoch, (state, _ADAM.init(state)), jax.random.split(key, epochs))
    return state, history


def penalty(network: OfNnx, name: str, state: Any, batch: Any, key: Array) -> Array:
    """What the strength of a training multiplies, as a mean over a batch."""
    training = TRAININGS[name]
    if training.penalty == "none":
        return jnp.zeros((), batch.images.dtype)
    if training.penalty == "replaced":
        other = jax.tree.map(lambda leaf: jnp.roll(leaf, 1, axis=0), batch)
        # Where the other's digit is, its background is not known: black.
        images = jnp.where(batch.regions, batch.images, jnp.where(other.regions, 0, other.images))
        return _losses.cross_entropy(network(state, images), batch.targets).mean()
    if training.penalty == "amount":
        return MEASURES[training.measure](network, state, batch, key)[1].mean()
    return 1 - share_inside(network, training.measure, state, batch, key).mean()


def share_inside(network: OfNnx, measure: str, state: Any, batch: Any, key: Array) -> Array:
    """Share of a measure that lies inside of the region, of each example; a half where there is nothing at all."""
    inside, outside = MEASURES[measure](network, state, batch, key)
    return (inside + 1e-9) / (inside + outside + 2e-9)


def accuracy(network: OfNnx, state: Any, batch: Any) -> Array:
    """Share of images whose class is right; NaN where the network's outputs are no numbers."""
    outputs = network(state, batch.images)
    right = _losses.rightly_answered(outputs, batch.targets).mean()
    return jnp.where(jnp.isfinite(outputs).all(), right, jnp.nan)
