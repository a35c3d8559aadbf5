"""Training: Optax on flax.nnx networks, in jitted runs of many networks under vmap."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from analysis._errors import DivergedError, InputError, InputTypeError
from sweeps import _checks, _losses
from sweeps._batches import Task
from sweeps._examples import Examples, checked
from sweeps._networks import is_plain as is_plain_network
from sweeps._plans import separable
from sweeps._seeds import key as key_of
from sweeps._seeds import pinned
from sweeps.gating._attaching import output_shape

# The default optimizer. A single object, because training compiles for each optimizer object.
ADAM = optax.adam(1e-2)


class History(NamedTuple):
    """History of a training: means over the batches of each epoch, taken before each step.

    Attributes
    ----------
    loss : numpy.ndarray, (epochs,) or (networks, epochs)
        Mean training loss, in the loss's unit; several networks have a leading axis.
    accuracy : numpy.ndarray, (epochs,) or (networks, epochs)
        Share of right classes, from 0 to 1; NaN for a regression, and where an output is not finite.
    parameters : pytree or None
        Before training and after each epoch: the network's ``nnx.Param`` state, whose leaves have a leading axis
        (epochs + 1,), or (networks, epochs + 1); None without ``keep_parameters``.
    """

    loss: Float[np.ndarray, "... epochs"]
    accuracy: Float[np.ndarray, "... epochs"]
    parameters: Any = None


def train(
    network: nnx.Module,
    task: Task,
    optimizer: optax.GradientTransformation | None = None,
    *,
    epochs: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    loss: str | Callable[[Any, Any], Any] | None = None,
    keep_parameters: bool = False,
) -> History:
    """Train a network in place.

    Every epoch visits each training example once, in a new random order; the last batch may be smaller.

    Parameters
    ----------
    network : flax.nnx.Module
        Maps inputs, (examples, ...) or a pytree of such arrays, to logits or values (examples, ..., outputs). Its mode
        is not changed: Dropout drops and BatchNorm learns in training mode.
    task : Task
        Its training set is used, a ``Batch`` or a ``MaskedBatch``.
    optimizer : optax.GradientTransformation, optional
        Any of Optax. None takes Adam with learning rate 0.01. The same object compiles once, however often it is used.
    epochs : int, default 20
        Passes over the training set, at least 1.
    batch_size : int, default 32
        Examples of a step, at least 1; more than there are is one step an epoch.
    seed : int, default 0
        Of the order of the examples, from 0 to 2^64 - 1. The initial weights have a seed of their own, the network's.
    loss : str or callable, optional
        As for ``sweeps.Objective``; None takes cross-entropy for classes and squared error for values.
    keep_parameters : bool, default False
        Whether the history holds the parameters after each epoch, which takes epochs + 1 times their memory.

    Returns
    -------
    History
        Loss and accuracy of each epoch.

    Raises
    ------
    InputError
        If the task does not fit the network or has infinite or NaN numbers that count, or an argument is not positive.
        Errors of the user's own network or loss keep their type.
    FloatingPointError
        If a loss or a parameter became NaN or infinite; the network is not changed.

    See Also
    --------
    train_many : Trains many networks together.
    sweeps.pruning.gradually : Trains under masks of growing sparsity.

    Examples
    --------
    >>> import sweeps
    >>> network, task = sweeps.MLP((2, 3, 2), seed=0), sweeps.tasks.circle(train_examples=64)
    >>> sweeps.train(network, task, epochs=2, batch_size=32, seed=0).loss.shape
    (2,)
    """
    history = train_many(
        [network],
        [task],
        optimizer=optimizer,
        epochs=epochs,
        batch_size=batch_size,
        seeds=[seed],
        loss=loss,
        keep_parameters=keep_parameters,
    )
    return jax.tree.map(lambda values: values[0], history)


def train_many(
    networks: Sequence[nnx.Module],
    tasks: Sequence[Task],
    optimizer: optax.GradientTransformation | None = None,
    *,
    epochs: int = 20,
    batch_size: int = 32,
    seeds: Sequence[int] | None = None,
    loss: str | Callable[[Any, Any], Any] | None = None,
    keep_parameters: bool = False,
) -> History:
    """Train networks of equal structure in place, all together under vmap.

    One compiled program trains all of them, since a small network alone leaves most of a device idle. Each becomes what
    ``train`` makes of it, up to rounding.

    Parameters
    ----------
    networks : sequence of flax.nnx.Module
        Modules that differ in their parameters only.
    tasks : sequence of Task
        Of each network, with training sets of equal size.
    optimizer : optax.GradientTransformation, optional
        As for ``train``; each network has a state of its own.
    epochs : int, default 20
        Passes over the training sets, at least 1.
    batch_size : int, default 32
        Examples of a step of each network, at least 1.
    seeds : sequence of int, optional
        Of each network's order of examples; None takes 0, 1, 2, ...
    loss : str or callable, optional
        As for ``train``.
    keep_parameters : bool, default False
        As for ``train``.

    Returns
    -------
    History
        With a leading axis for the networks.

    Raises
    ------
    InputError
        As ``train``, and if the networks or training sets differ in more than their numbers.
    FloatingPointError
        If a loss or a parameter of any network became NaN or infinite; no network is changed.

    See Also
    --------
    train : Trains one network.

    Examples
    --------
    >>> import sweeps
    >>> networks = [sweeps.MLP((2, 3, 2), seed=seed) for seed in (0, 1)]
    >>> tasks = [sweeps.tasks.circle(train_examples=64)] * 2
    >>> sweeps.train_many(networks, tasks, epochs=2, batch_size=32, seeds=(0, 1)).loss.shape
    (2, 2)
    """
    epochs, batch_size = _checks.whole("epochs", epochs, least=1), _checks.whole("batch_size", batch_size, least=1)
    keep_parameters = _checks.flag("keep_parameters", keep_parameters)
    check_kinds(networks, tasks, optimizer)
    seeds = range(len(networks)) if seeds is None else _checks.several("seed", seeds, _checks.seed)
    if not len(networks) == len(tasks) == len(seeds) or not networks:
        raise InputError(
            "networks, tasks and seeds must be of one length, at least 1: "
            f"got {len(networks)}, {len(tasks)}, {len(seeds)}"
        )
    keys = jnp.stack([key_of(seed) for seed in seeds])
    batches = [checked(task.train) for task in tasks]
    named = _checked_loss(networks[0], batches[0], loss)
    if named.is_mean and len(batches[0]) % min(batch_size, len(batches[0])):
        raise InputError(
            f"batch_size must divide the {len(batches[0])} examples for {named.name}, which returns one number a batch"
        )
    is_plain = is_plain_network(networks[0]) and named in _losses.LOSSES.values()
    batches = [with_uncounted_replaced(networks[0], batch, named, is_plain) for batch in batches]
    splits = [nnx.split(network, nnx.Param, ...) for network in networks]
    if any(split[0] != splits[0][0] for split in splits):
        raise InputError("networks must have one structure: the same modules, sizes and settings")
    if len({tuple(map(jnp.shape, jax.tree.leaves(batch))) for batch in batches}) > 1:
        raise InputError("tasks must have training inputs of one shape")
    stack = partial(jax.tree.map, _stacked)
    settings = Settings(optimizer or ADAM, named, epochs, min(batch_size, len(batches[0])), keep_parameters, is_plain)
    with pinned():
        states, history = _fit_all(
            splits[0][0], settings, stack(*[split[1:] for split in splits]), stack(*batches), keys
        )
    states, history = jax.tree.map(_on_host, states), History(*jax.tree.map(np.asarray, history))
    _check_finite(states, history)
    for index, network in enumerate(networks):
        nnx.update(network, *jax.tree.map(lambda leaf, index=index: jax.device_put(leaf[index]), states))
    return history


# NumPy stacks and splits arrays: jnp.stack and jnp.asarray compile a program for each shape.
def _stacked(*leaves: Any) -> Any:
    return jnp.stack(leaves) if _is_key(leaves[0]) else jax.device_put(np.stack([np.asarray(leaf) for leaf in leaves]))


def _on_host(leaf: Any) -> Any:
    return leaf if _is_key(leaf) else np.asarray(leaf)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _checked_loss(network: nnx.Module, batch: Examples, loss: Any) -> _losses.Loss:
    return _losses.find(loss, output_shape(network, batch.inputs), batch.targets, batch.mask)


def check_kinds(networks: Sequence[Any], tasks: Sequence[Any], optimizer: Any) -> None:
    """Raise InputTypeError unless the arguments are modules, tasks and an optimizer."""
    for name, values in dict(networks=networks, tasks=tasks).items():
        if not isinstance(values, Sequence) or isinstance(values, str | bytes):
            raise InputTypeError(f"{name} must be a list, one for each network, got {type(values).__name__}")
    for network in networks:
        if not isinstance(network, nnx.Module):
            raise InputTypeError(f"network must be a flax.nnx.Module, got {type(network).__name__}")
    for task in tasks:
        if not hasattr(task, "train"):
            raise InputTypeError(
                f"task must be a sweeps.Task, with its training set in .train, got {type(task).__name__}"
            )
    if optimizer is not None and not isinstance(optimizer, optax.GradientTransformation):
        raise InputTypeError(f"optimizer must be an Optax transformation, got {type(optimizer).__name__}")


def with_uncounted_replaced(network: nnx.Module, data: Examples, loss: _losses.Loss, is_separable: bool) -> Examples:
    """Replace numbers that do not count by finite ones, if that changes no other example's loss."""
    spare = data.has_spare_inputs
    if spare and not is_separable:
        graph, state = nnx.split(network)

        @jax.jit
        def values(data: Examples) -> Array:
            return loss.each(nnx.merge(graph, state, copy=True)(data.inputs), data.targets)

        is_separable = separable.is_shown(values, data, len(data))
    return data.with_uncounted_replaced(whole=loss not in _losses.LOSSES.values(), apart=is_separable or not spare)


class Settings(NamedTuple):
    """Settings of a training; static to jit.

    Attributes
    ----------
    optimizer, loss, epochs, batch_size, keep_parameters : object
        As for ``train``.
    is_padded : bool
        See ``train_epoch``.
    """

    optimizer: optax.GradientTransformation
    loss: _losses.Loss
    epochs: int
    batch_size: int
    keep_parameters: bool
    is_padded: bool


@partial(jax.jit, static_argnums=(0, 1))
def _fit_all(
    graph: Any, settings: Settings, states: Any, batches: Any, keys: Array
) -> tuple[Any, tuple[Array, Array, Any]]:
    return jax.vmap(partial(_fit, graph, settings))(states, batches, keys)


def _fit(
    graph: Any, settings: Settings, state: tuple[Any, Any], data: Examples, key: Array
) -> tuple[Any, tuple[Array, Array, Any]]:
    """Train one network: a scan over epochs."""
    optimizer, loss, epochs, batch_size, keep_parameters, is_padded = settings

    def epoch(carry: Trained, key: Array) -> tuple[Trained, tuple[Array, Array, Any]]:
        carry, means = train_epoch(graph, optimizer, loss, batch_size, carry, data, key, is_padded)
        return carry, (*means, carry.parameters if keep_parameters else None)

    parameters, rest = state
    carry = Trained(parameters, rest, optimizer.init(parameters))
    carry, (losses_, right, path) = jax.lax.scan(epoch, carry, jax.random.split(key, epochs))
    if keep_parameters:
        path = jax.tree.map(lambda first, later: jnp.concatenate([first[None], later]), parameters, path)
    return (carry.parameters, carry.rest), (losses_, right, path)


class Trained(NamedTuple):
    """State of a training before or after an epoch.

    Attributes
    ----------
    parameters, rest : object
        Of the network, ``nnx.Param`` and all other state.
    memory : object
        State of the optimizer.
    """

    parameters: Any
    rest: Any
    memory: Any


def train_epoch(
    graph: Any,
    optimizer: optax.GradientTransformation,
    loss: _losses.Loss,
    batch_size: int,
    start: Trained,
    data: Examples,
    key: Array,
    is_padded: bool = False,
) -> tuple[Trained, tuple[Float[Array, ""], Float[Array, ""]]]:
    """Visit each example once in a random order: a scan over whole batches, then the remaining examples.

    Parameters
    ----------
    graph : object
        Structure of the network.
    optimizer, loss : object
        As for ``train``.
    batch_size : int
        At most as large as the data.
    start : Trained
        State before the epoch.
    data : Examples
        Examples, with finite numbers where they do not count.
    key : array
        Of the order.
    is_padded : bool
        Whether copies of an example fill up a smaller last batch, so that a single step is compiled; only if no
        example's loss depends on the others, which copies would change.

    Returns
    -------
    tuple
        State after the epoch, and the means of loss and accuracy over its batches, each taken before its step.
    """
    examples = len(data)

    def total_of(outputs: Any, batch: Examples) -> tuple[Array, _Sums]:
        values = loss.each(outputs, batch.targets)
        # A loss that is a mean has a single value, without a mask.
        mask = batch.mask if values.ndim else None
        total, number = _losses.sum_of_counted(values, mask), _losses.number_counted(values.shape, mask)
        # In some batches nothing may count.
        mean = total / jnp.maximum(number, 1).astype(total.dtype)
        return mean, _Sums(total, number, _losses.answers(outputs, batch.targets, batch.mask))

    def mean_loss(parameters: Any, rest: Any, order: Array) -> tuple[Array, Any]:
        batch = jax.tree.map(lambda leaf: leaf[jnp.minimum(order, examples - 1)], data)
        if is_padded:
            batch = batch.only(order < examples)
        network = nnx.merge(graph, parameters, rest, copy=True)
        outputs = network(batch.inputs)
        mean, sums = total_of(outputs, batch)
        _, *states = nnx.split(network, nnx.Param, ...)
        return mean, (states[1], sums)

    def step(carry: Trained, order: Array) -> tuple[Trained, _Sums]:
        gradient, (rest, sums) = jax.grad(mean_loss, has_aux=True)(carry.parameters, carry.rest, order)
        # Optax promotes types (Adam raises a float to an integer count), which a user's strict setting would refuse.
        with jax.numpy_dtype_promotion("standard"):
            updates, memory = optimizer.update(gradient, carry.memory, carry.parameters)
            parameters = optax.apply_updates(carry.parameters, updates)
        return Trained(parameters, rest, memory), sums

    order = jax.random.permutation(key, examples)
    if is_padded:
        # ``examples`` is the number of no example.
        order = jnp.pad(order, (0, -examples % batch_size), constant_values=examples)
    left = len(order) % batch_size
    end, sums = jax.lax.scan(step, start, order[: len(order) - left].reshape(-1, batch_size))
    sums = jax.tree.map(lambda each: each.sum(axis=0), sums)
    if left:
        end, last = step(end, order[len(order) - left :])
        sums = jax.tree.map(jnp.add, sums, last)
    return end, (sums.total / sums.number.astype(sums.total.dtype), sums.answers.accuracy)


class _Sums(NamedTuple):
    """Sums over batches: of the losses, of their number, and the answers."""

    total: Float[Array, "..."]
    number: Int[Array, "..."]
    answers: _losses.Answers


def _check_finite(states: Any, history: History) -> None:
    bad = ~np.isfinite(history.loss)
    if bad.any():
        epoch = int(np.argwhere(bad.any(axis=0))[0, 0]) + 1
        value = history.loss[bad][0]
        raise DivergedError(
            f"training diverged: the loss of epoch {epoch} is {value}; try a smaller learning rate. "
            "The network is not changed."
        )
    parameters = jax.tree.leaves(states[0])
    if not all(np.isfinite(leaf).all() for leaf in parameters):
        raise DivergedError(
            "training diverged in its last step: parameters are not finite; try a smaller learning rate. "
            "The network is not changed."
        )
