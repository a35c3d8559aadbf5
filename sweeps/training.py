"""Training: Optax on flax.nnx networks, whole runs jitted, many networks at once under vmap."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float

from analysis.errors import DivergedError, InputError
from sweeps import gating, losses
from sweeps.examples import Examples, checked
from sweeps.tasks import Task

# The optimizer where none is given. One object: training compiles anew for another one.
ADAM = optax.adam(1e-2)


class History(NamedTuple):
    """How training went; means over the batches of each epoch, taken before each step.

    Attributes
    ----------
    loss : shape (epochs,), or (networks, epochs) for several
    accuracy : share of examples classified rightly, same shape; NaN for a regression
    parameters : of the start and after each epoch, a pytree of the network's ``nnx.Param`` state whose leaves have a
        leading axis (epochs + 1,), or (networks, epochs + 1); None unless asked for
    """

    loss: Float[np.ndarray, "... epochs"]
    accuracy: Float[np.ndarray, "... epochs"]
    parameters: Any = None


def train(
    network: nnx.Module,
    task: Task,
    optimizer: optax.GradientTransformation | None = None,
    epochs: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    loss: str | Callable[[Any, Any], Any] | None = None,
    keep_parameters: bool = False,
) -> History:
    """Train a network in place.

    Every epoch visits each training example once in a new random order; the last batch may be smaller.

    Parameters
    ----------
    network : flax.nnx module that maps inputs, (examples, ...) or a pytree of such arrays, to logits or values
        (examples, ..., outputs); in the mode that it is in, so Dropout drops and BatchNorm learns
    task : its training set is used, a ``Batch`` or a ``MaskedBatch``
    optimizer : an Optax transformation; None takes Adam with step size 0.01
    epochs, batch_size : at least 1
    seed : seed of the order of the examples
    loss : as for ``sweeps.Objective``; None takes cross-entropy for classes and squared error for values
    keep_parameters : whether the history holds the parameters after each epoch

    Returns
    -------
    History

    Raises
    ------
    ValueError
        If the task does not fit the network, or a number is not positive.
    FloatingPointError
        If a loss or a parameter became NaN or infinite; the network is left as it was.

    Examples
    --------
    >>> import sweeps
    >>> net = sweeps.MLP((2, 20, 2))
    >>> history = sweeps.train(net, sweeps.tasks.circle(train_examples=200), epochs=3)
    >>> history.loss.shape
    (3,)
    """
    history = train_many([network], [task], optimizer, epochs, batch_size, [seed], loss, keep_parameters)
    return jax.tree.map(lambda values: values[0], history)


def train_many(
    networks: Sequence[nnx.Module],
    tasks: Sequence[Task],
    optimizer: optax.GradientTransformation | None = None,
    epochs: int = 20,
    batch_size: int = 32,
    seeds: Sequence[int] | None = None,
    loss: str | Callable[[Any, Any], Any] | None = None,
    keep_parameters: bool = False,
) -> History:
    """Train networks of one structure in place, all at once under vmap.

    Parameters
    ----------
    networks : modules that differ in their parameters only
    tasks : one a network, with training sets of one size
    seeds : one a network, by default 0, 1, 2, ...
    optimizer, epochs, batch_size, loss, keep_parameters : as for ``train``

    Returns
    -------
    History with a leading axis for the networks

    Raises
    ------
    ValueError
        As ``train``, and if the networks or training sets differ in more than their numbers.
    FloatingPointError
        If a loss or a parameter of any network became NaN or infinite; all networks are left as they were.
    """
    for name, value in dict(epochs=epochs, batch_size=batch_size).items():
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    seeds = range(len(networks)) if seeds is None else seeds
    if not len(networks) == len(tasks) == len(seeds) or not networks:
        raise InputError(
            "networks, tasks and seeds must be of one length, at least 1: "
            f"got {len(networks)}, {len(tasks)}, {len(seeds)}"
        )
    batches = [checked(task.train) for task in tasks]
    named = _checked_loss(networks[0], batches[0], loss)
    if named.is_mean and len(batches[0]) % min(batch_size, len(batches[0])):
        raise InputError(
            f"batch_size must divide the {len(batches[0])} examples for {named.name}, which returns one number a batch"
        )
    batches = [batch.harmless(whole=named not in losses.LOSSES.values()) for batch in batches]
    splits = [nnx.split(network, nnx.Param, ...) for network in networks]
    if any(split[0] != splits[0][0] for split in splits):
        raise InputError("networks must have one structure: the same modules, sizes and settings")
    if len({tuple(map(jnp.shape, jax.tree.leaves(batch))) for batch in batches}) > 1:
        raise InputError("tasks must have training inputs of one shape")
    stack = partial(jax.tree.map, _stacked)
    keys = jnp.stack([jax.random.key(seed, impl="threefry2x32") for seed in seeds])
    states, history = _fit_all(
        splits[0][0],
        optimizer or ADAM,
        named,
        epochs,
        min(batch_size, len(batches[0])),
        keep_parameters,
        stack(*[split[1:] for split in splits]),
        stack(*batches),
        keys,
    )
    states, history = jax.tree.map(_on_host, states), History(*jax.tree.map(np.asarray, history))
    _check_finite(states, history)
    for index, network in enumerate(networks):
        nnx.update(network, *jax.tree.map(lambda leaf, index=index: jnp.asarray(leaf[index]), states))
    return history


# Stacked and taken apart by NumPy: JAX would compile a program for each shape.
def _stacked(*leaves: Any) -> Any:
    return jnp.stack(leaves) if _is_key(leaves[0]) else jnp.asarray(np.stack([np.asarray(leaf) for leaf in leaves]))


def _on_host(leaf: Any) -> Any:
    return leaf if _is_key(leaf) else np.asarray(leaf)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _checked_loss(network: nnx.Module, batch: Examples, loss: Any) -> losses.Loss:
    return losses.find(loss, gating.output_shape(network, batch.inputs), batch.targets, batch.mask)


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4, 5))
def _fit_all(
    graph: Any,
    optimizer: optax.GradientTransformation,
    loss: losses.Loss,
    epochs: int,
    batch_size: int,
    keep_parameters: bool,
    states: Any,
    batches: Any,
    keys: Array,
) -> tuple[Any, tuple[Array, Array, Any]]:
    fit = partial(_fit, graph, optimizer, loss, epochs, batch_size, keep_parameters)
    return jax.vmap(fit)(states, batches, keys)


def _fit(
    graph: Any,
    optimizer: optax.GradientTransformation,
    loss: losses.Loss,
    epochs: int,
    batch_size: int,
    keep_parameters: bool,
    state: tuple[Any, Any],
    data: Examples,
    key: Array,
) -> tuple[Any, tuple[Array, Array, Any]]:
    """Train one network: a scan over epochs."""

    def epoch(carry: Trained, key: Array) -> tuple[Trained, tuple[Array, Array, Any]]:
        carry, means = train_epoch(graph, optimizer, loss, batch_size, carry, data, key)
        return carry, (*means, carry.parameters if keep_parameters else None)

    parameters, rest = state
    carry = Trained(parameters, rest, optimizer.init(parameters))
    carry, (losses_, right, path) = jax.lax.scan(epoch, carry, jax.random.split(key, epochs))
    if keep_parameters:
        path = jax.tree.map(lambda first, later: jnp.concatenate([first[None], later]), parameters, path)
    return (carry.parameters, carry.rest), (losses_, right, path)


class Trained(NamedTuple):
    """What an epoch of training begins with, and ends with.

    Attributes
    ----------
    parameters, rest : of the network, ``nnx.Param`` and everything else
    memory : state of the optimizer
    """

    parameters: Any
    rest: Any
    memory: Any


def train_epoch(
    graph: Any,
    optimizer: optax.GradientTransformation,
    loss: losses.Loss,
    batch_size: int,
    start: Trained,
    data: Examples,
    key: Array,
) -> tuple[Trained, tuple[Float[Array, ""], Float[Array, ""]]]:
    """Visit each example once in a random order: a scan over batches.

    Parameters
    ----------
    graph : structure of the network
    optimizer, loss, batch_size : at most as large as the data
    start : what the epoch begins with
    data : examples without what would be harmful where it does not count
    key : of the order

    Returns
    -------
    what the epoch ends with, and the means of loss and accuracy over its batches, each taken before its step
    """
    examples = len(data)
    steps = -(-examples // batch_size)

    def mean_loss(parameters: Any, rest: Any, order: Array) -> tuple[Array, Any]:
        # The last batch is padded with the number of an example that does not exist.
        batch = jax.tree.map(lambda leaf: leaf[jnp.minimum(order, examples - 1)], data)
        network = nnx.merge(graph, parameters, rest, copy=True)
        outputs = network(batch.inputs)
        present = order < examples
        total, count = _total(loss.each(outputs, batch.targets), present, batch.mask)
        hits = _total(losses.rightly_answered(outputs, batch.targets), present, batch.mask)
        _, *states = nnx.split(network, nnx.Param, ...)
        # A batch may hold nothing that counts.
        return total / jnp.maximum(count, 1), (states[1], (total, count, *hits))

    def step(carry: Trained, order: Array) -> tuple[Trained, tuple[Array, ...]]:
        gradient, (rest, sums) = jax.grad(mean_loss, has_aux=True)(carry.parameters, carry.rest, order)
        # Optax promotes implicitly: Adam raises a float to an integer count. A user's strict setting stays ours.
        with jax.numpy_dtype_promotion("standard"):
            updates, memory = optimizer.update(gradient, carry.memory, carry.parameters)
            parameters = optax.apply_updates(carry.parameters, updates)
        return Trained(parameters, rest, memory), sums

    order = jnp.pad(
        jax.random.permutation(key, examples),
        (0, steps * batch_size - examples),
        constant_values=examples,
    )
    end, sums = jax.lax.scan(step, start, order.reshape(steps, batch_size))
    total, count, hits, answers = (each.sum() for each in sums)
    return end, (total / count, hits / answers)


def _total(values: Float[Array, "..."], present: Array, mask: Array | None) -> tuple[Array, Array]:
    """Sum of the values that count, and how many do; a value that is a mean already counts as one."""
    if values.ndim == 0:
        return values, jnp.ones_like(values)
    counts = present if mask is None else mask & present.reshape(-1, *(1,) * (mask.ndim - 1))
    number = jnp.broadcast_to(counts.reshape(counts.shape + (1,) * (values.ndim - counts.ndim)), values.shape)
    return losses.sum_of_counted(values, counts), number.sum().astype(values.dtype)


def _check_finite(states: Any, history: History) -> None:
    bad = ~np.isfinite(history.loss)
    if bad.any():
        epoch = int(np.argwhere(bad.any(axis=0))[0, 0]) + 1
        value = history.loss[bad][0]
        raise DivergedError(
            f"training diverged: the loss of epoch {epoch} is {value}; try a smaller step size. "
            "The network is left as it was."
        )
    parameters = jax.tree.leaves(states[0])
    if not all(np.isfinite(leaf).all() for leaf in parameters):
        raise DivergedError(
            "training diverged in its last step: parameters are not finite; try a smaller step size. "
            "The network is left as it was."
        )
