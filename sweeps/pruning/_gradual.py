"""Gradual pruning: training under masks that are chosen before every epoch, with growing sparsity."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from flax import nnx
from jaxtyping import Bool, Float

from analysis._errors import DivergedError, InputError, InputTypeError
from sweeps import _checks, _examples, _losses, _seeds
from sweeps._batches import Task
from sweeps._training import ADAM, History, Trained, check_kinds, train_epoch, with_uncounted_replaced
from sweeps.gating._attaching import output_shape
from sweeps.pruning import _choosing, _parameters, _sparsities
from sweeps.pruning._masked import Masked


class Gradual(NamedTuple):
    """Result of gradual pruning.

    Attributes
    ----------
    history : sweeps.History
        Loss and accuracy, shape (epochs,): means over the batches of each epoch, taken before each step.
    sparsity : numpy.ndarray of float64, (epochs,)
        Share of what is off in each epoch.
    masks : dict of str to numpy.ndarray of bool
        Of the last epoch, by path of the parameter: true for what stays.

    See Also
    --------
    gradually : Makes it.
    zeroed : Makes the pruned network from the masks.
    """

    history: History
    sparsity: Float[np.ndarray, " epochs"]
    masks: Mapping[str, Bool[np.ndarray, "..."]]


def gradually(
    network: nnx.Module,
    task: Task,
    sparsity: Callable[[int], Any],
    epochs: int,
    *,
    choose: Callable[[nnx.Module, Any], Mapping[str, Any]] | None = None,
    optimizer: optax.GradientTransformation | None = None,
    batch_size: int = 32,
    seed: int = 0,
    loss: Any = None,
) -> Gradual:
    """Train a network in place under masks that are chosen before every epoch from all its weights.

    Masked weights keep their values, and return when others have become smaller. They keep them to the end:
    ``zeroed(network, result.masks)`` is the pruned network.

    Parameters
    ----------
    network : flax.nnx.Module
        Trained in place.
    task : sweeps.Task
        Its training set is used.
    sparsity : callable
        Number of the epoch, from 1 to ``epochs``, -> share that goes, such as an Optax schedule:
        ``optax.polynomial_schedule(0, 0.9, power=3, transition_steps=epochs)`` is Zhu and Gupta's cubic one.
    epochs : int
        Passes over the training set, at least 1.
    choose : callable, optional
        (network, sparsity) -> masks, with the same paths for every sparsity; None takes ``weight_masks``, by magnitude
        in each layer. ``partial(weight_masks, scope="global_raw", block=(4, 4))`` prunes blocks, and ``lambda network,
        k: masks_of_nodes(network, unit_masks(network, k))`` whole nodes.
    optimizer : optax.GradientTransformation, optional
        Its state and its schedules continue through all epochs. None takes Adam with learning rate 0.01.
    batch_size : int, default 32
        As for ``sweeps.train``.
    seed : int, default 0
        As for ``sweeps.train``.
    loss : str or callable, optional
        As for ``sweeps.train``.

    Returns
    -------
    Gradual
        History, sparsities, and the masks of the last epoch.

    Raises
    ------
    TypeError
        If ``sparsity`` or ``choose`` is no function, or another argument has a wrong type.
    InputError
        If the task does not fit the network, a sparsity is not between 0 and 1, or a number is not positive.
    FloatingPointError
        If a loss or a parameter became NaN or infinite; the network is not changed.

    See Also
    --------
    Masked : Trains under masks that do not change.
    sweeps.train : Trains without masks.

    References
    ----------
    M. Zhu, S. Gupta (2017), To prune, or not to prune: exploring the efficacy of pruning for model compression,
    arXiv:1710.01878.

    Examples
    --------
    >>> import optax, sweeps
    >>> network, task = sweeps.MLP((2, 4, 2), seed=0), sweeps.tasks.circle(train_examples=32)
    >>> schedule = optax.polynomial_schedule(0, 0.75, power=3, transition_steps=2)
    >>> result = sweeps.pruning.gradually(network, task, schedule, epochs=2, seed=0)
    >>> int(result.masks["layers/0/kernel"].sum())
    2
    """
    check_kinds([network], [task], optimizer)
    if not callable(sparsity):
        raise InputTypeError(
            f"sparsity must be a function of the epoch, such as an Optax schedule, got {_checks.shown(sparsity)}"
        )
    if choose is not None and not callable(choose):
        raise InputTypeError(f"choose must be a function (network, sparsity) -> masks, got {_checks.shown(choose)}")
    epochs, batch_size = _checks.whole("epochs", epochs, 1), _checks.whole("batch_size", batch_size, 1)
    key_of_all, shares = _seeds.key(seed), [sparsity(epoch) for epoch in range(1, epochs + 1)]
    if {_sparsities.checked_sparsity(share).shape for share in shares} != {()}:
        raise InputError("sparsity must return one number between 0 and 1 for each epoch")
    data = _examples.checked(task.train)
    named = _losses.find(loss, output_shape(network, data.inputs), data.targets, data.mask)
    size = min(batch_size, len(data))
    if named.is_mean and len(data) % size:
        raise InputError(
            f"batch_size must divide the {len(data)} examples for {named.name}, which returns one number a batch"
        )
    data = with_uncounted_replaced(network, data, named, False)
    choose = choose or partial(_choosing.weight_masks, batch=task.train)
    optimizer = optimizer or ADAM
    trained = nnx.clone(network)
    masks = _parameters.checked_masks(trained, choose(trained, shares[0]))
    masked = Masked(trained, masks)
    memory, history = jax.jit(optimizer.init)(nnx.state(masked, nnx.Param)), []
    with _seeds.pinned():
        keys = jax.random.split(key_of_all, epochs)
    for epoch, (share, key) in enumerate(zip(shares, keys, strict=True)):
        if epoch:
            masks = _parameters.checked_masks(trained, choose(trained, share))
            masked.set_masks(masks)
        graph, *states = nnx.split(masked, nnx.Param, ...)
        inside = {f"network/{path}": mask for path, mask in masks.items()}
        start = Trained(states[0], states[1], memory)
        with _seeds.pinned():
            end, means = _epoch(graph, optimizer, named, size, start, data, key, inside)
        nnx.update(masked, end.parameters, end.rest)
        memory = end.memory
        history.append(np.stack([np.asarray(mean) for mean in means]))
        _check_finite(epoch + 1, history[-1][0], end.parameters)
    nnx.update(network, nnx.state(trained))
    return Gradual(History(*np.stack(history, axis=1)), np.asarray(shares, np.float64), masks)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _epoch(
    graph: Any,
    optimizer: optax.GradientTransformation,
    loss: _losses.Loss,
    size: int,
    start: Trained,
    data: _examples.Examples,
    key: Any,
    masks: Mapping[str, Any],
) -> tuple[Trained, Any]:
    end, means = train_epoch(graph, optimizer, loss, size, start, data, key)
    # Momentum and weight decay move masked weights, too: they get back the values that they had.
    return end._replace(parameters=_parameters.with_masks(end.parameters, masks, start.parameters)), means


def _check_finite(epoch: int, loss: float, weights: Any) -> None:
    if not np.isfinite(loss) or not all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(weights)):
        raise DivergedError(
            f"training diverged: in epoch {epoch} the loss is {loss}, or a parameter is not finite; try a smaller "
            "learning rate. The network is not changed."
        )
