"""Evaluation: loss and accuracy of many networks under many masks in a jitted call."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float

from analysis._errors import InputError, InputTypeError, UnsupportedError
from sweeps import _compiling, _device, _examples, _losses
from sweeps._examples import Examples
from sweeps._networks import is_plain
from sweeps._plans import separable
from sweeps.gating._attaching import output_shape
from sweeps.pruning import _parameters, _structure


class Evaluated(NamedTuple):
    """Loss and accuracy of networks under masks.

    Attributes
    ----------
    loss : numpy.ndarray, (networks, *leading) or (*leading)
        Mean loss, in the loss's unit, with the leading axes of the masks; a single network has no axis.
    accuracy : numpy.ndarray, (networks, *leading) or (*leading)
        Share of right classes among the examples or positions that count, from 0 to 1; NaN for a regression, and where
        outputs are not finite.

    See Also
    --------
    evaluate : Computes them.
    """

    loss: Float[np.ndarray, "*masks"]
    accuracy: Float[np.ndarray, "*masks"]


def evaluate(
    networks: nnx.Module | Sequence[nnx.Module],
    masks: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    batch: Any,
    *,
    loss: Any = None,
) -> Evaluated:
    """Evaluate networks of equal structure under masks in a jitted call, vmapped over as many as fit in memory.

    Parameters
    ----------
    networks : flax.nnx.Module or sequence of flax.nnx.Module
        Modules that differ in their parameters only, or a single one; evaluated in evaluation mode, not changed.
    masks : dict of str to array_like, or sequence of dict
        A dict for each network, as ``weight_masks`` and ``masks_of_nodes`` return: by path of the parameter, true for
        what stays, shape ``(*leading, *parameter.shape)``, with the same leading axes everywhere. An empty dict has no
        leading axes and masks nothing.
    batch : tuple
        As for ``sweeps.Objective``.
    loss : str or callable, optional
        As for ``sweeps.Objective``.

    Returns
    -------
    Evaluated
        Loss and accuracy, with an axis for the networks if they are a list, and the leading axes of the masks.

    Raises
    ------
    TypeError
        If a network is no flax.nnx module, masks are no dict, or a list comes with a single module or dict.
    InputError
        If the networks differ in more than their parameters, or the masks or the batch do not fit.

    See Also
    --------
    weight_masks : Makes masks of weights.
    masks_of_nodes : Makes masks of nodes.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.circle(test_examples=8)
    >>> networks = [sweeps.MLP((2, 4, 2), seed=seed) for seed in range(3)]
    >>> masks = [sweeps.pruning.weight_masks(network, [0, 0.5, 1]) for network in networks]
    >>> sweeps.pruning.evaluate(networks, masks, task.test).loss.shape
    (3, 3)
    """
    if isinstance(networks, nnx.Module) and isinstance(masks, Mapping):
        return Evaluated(*(values[0] for values in evaluate([networks], [masks], batch, loss=loss)))
    if not isinstance(networks, Sequence) or not isinstance(masks, Sequence) or isinstance(masks, str):
        raise InputTypeError("networks and masks must be a module and a dict, or a list of modules and one of dicts")
    if not networks or len(networks) != len(masks):
        raise InputError(f"networks and masks must be of one length, at least 1: got {len(networks)} and {len(masks)}")
    for network in networks:
        _parameters.checked_network(network)
    data = _examples.checked(batch)
    named = _losses.find(loss, output_shape(networks[0], data.inputs), data.targets, data.mask)
    splits = [evaluating(network) for network in networks]
    if any(split[0] != splits[0][0] for split in splits):
        raise InputError("networks must have one structure: the same modules, sizes and settings")
    leading, checked = _checked_masks(networks, masks)
    flat = [{path: _flattened(mask, leading) for path, mask in masks.items()} for masks in checked]
    weights, rest, stacked = jax.tree.map(
        lambda *leaves: jnp.stack(leaves), *[(*split[1:], masks) for split, masks in zip(splits, flat, strict=True)]
    )
    if math.prod(leading) == 0:
        return Evaluated(*(np.zeros((len(networks), *leading), np.float32) for _ in Evaluated._fields))
    together, size = _together(networks[0], data, named)
    if size < len(data) and not is_separable(networks[0], named, data, size):
        size = len(data)
    with jax.default_matmul_precision("highest"):
        measures = _evaluate_all(
            weights,
            rest,
            stacked,
            data.micro_batches(size),
            graph=splits[0][0],
            loss=named,
            shape=(len(networks), math.prod(leading)),
            together=together,
        )
    return Evaluated(*(np.asarray(values).reshape(len(networks), *leading) for values in measures))


def evaluating(network: nnx.Module) -> Any:
    """Return structure, parameters and other state of a network in evaluation mode."""
    clone = nnx.clone(network)
    clone.eval()
    return nnx.split(clone, nnx.Param, ...)


def _checked_masks(
    networks: Sequence[nnx.Module], masks: Sequence[Any]
) -> tuple[tuple[int, ...], list[dict[str, Bool[np.ndarray, "..."]]]]:
    """Return the leading axes of all masks, and the masks."""
    leading, checked = set(), [_parameters.masks_by_path(*pair) for pair in zip(networks, masks, strict=True)]
    for network, own_masks in zip(networks, checked, strict=True):
        variables = _parameters.by_path(network)
        if set(own_masks) != set(masks[0]):
            raise InputError(f"masks must be of the same parameters: {', '.join(masks[0])}; got {', '.join(own_masks)}")
        for path, mask in own_masks.items():
            own, shape = tuple(variables[path].shape), mask.shape
            if len(shape) < len(own) or shape[len(shape) - len(own) :] != own:
                raise InputError(f"masks: that of {path} must end in its shape {own}, got {shape}")
            leading.add(shape[: len(shape) - len(own)])
    if len(leading) > 1:
        raise InputError(f"masks must have the same leading axes, got {', '.join(map(str, sorted(leading)))}")
    return leading.pop() if leading else (), checked


def _flattened(mask: Bool[np.ndarray, "..."], leading: tuple[int, ...]) -> Array:
    return jnp.asarray(mask.reshape(math.prod(leading), *mask.shape[len(leading) :]))


def values(graph: Any, loss: _losses.Loss, weights: Any, rest: Any, data: Examples) -> tuple[Array, Any]:
    """Return the losses of the examples, and the network's outputs."""
    outputs = nnx.merge(graph, weights, rest, copy=True)(data.inputs)
    return loss.each(outputs, data.targets), outputs


_values = _compiling.jit(values, static_argnames=("graph", "loss"))


def is_separable(network: nnx.Module, loss: _losses.Loss, data: Examples, size: int) -> bool:
    """Whether tests show that no example's loss depends on others, so that parts of a size may be evaluated alone."""
    if loss.is_mean:
        return False
    if is_plain(network) and loss in _losses.LOSSES.values():
        return True
    graph, *states = evaluating(network)
    with jax.default_matmul_precision("highest"):
        return separable.is_shown(lambda part: _values(graph, loss, *states, part)[0], data, size)


def _activations(network: nnx.Module, inputs: Any) -> int:
    """Return how many numbers all arrays that layers read hold, with the outputs."""
    try:
        return _structure.read_of(network, inputs)[0].first.floats
    except UnsupportedError:  # no layer makes nodes
        return sum(leaf.size for leaf in jax.tree.leaves(output_shape(network, inputs)))


def _together(network: nnx.Module, data: Examples, loss: _losses.Loss) -> tuple[int, int]:
    """Return the numbers of networks and of examples to evaluate together."""
    budget = _device.here().networks
    weights = sum(variable.size for variable in _parameters.by_path(network).values())
    activations = _activations(network, data.inputs)
    together = max(1, budget // max(1, weights + activations))
    size = len(data) if loss.is_mean else max(1, min(len(data), budget * len(data) // max(1, activations)))
    return together, size


@partial(_compiling.jit, static_argnames=("graph", "loss", "shape", "together"))
def _evaluate_all(
    weights: Any,
    rest: Any,
    masks: dict[str, Array],
    data: Examples,
    graph: Any,
    loss: _losses.Loss,
    shape: tuple[int, int],
    together: int,
) -> tuple[Array, Array]:
    """Return loss and accuracy of each network under each mask, flat.

    Parameters
    ----------
    weights, rest : object
        Parameters and other state, leading axis (networks,).
    masks : dict of str to array
        Leading axes (networks, masks).
    data : Examples
        Micro-batches.
    graph, loss, shape, together : object
        Static; shape is (networks, masks).
    """

    def of_pair(index: Array) -> tuple[Array, Array]:
        own, others = jax.tree.map(lambda leaf: leaf[index // shape[1]], (weights, rest))
        chosen = {path: mask[index // shape[1], index % shape[1]] for path, mask in masks.items()}
        own = _parameters.with_masks(own, chosen)

        def part(batch: Examples) -> tuple[Array, Array, _losses.Answers]:
            each, outputs = values(graph, loss, own, others, batch)
            total, _ = _losses.summed(each, batch.mask)
            number = _losses.number_counted(each.shape, batch.mask)
            return total, number, _losses.answers(outputs, batch.targets, batch.mask)

        total, number, answers = jax.tree.map(lambda parts: parts.sum(axis=0), jax.lax.map(part, data))
        return total / number.astype(total.dtype), answers.accuracy

    return jax.lax.map(of_pair, jnp.arange(shape[0] * shape[1]), batch_size=min(together, shape[0] * shape[1]))
