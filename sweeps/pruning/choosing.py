"""Choosing: the nodes or weights that stay at each sparsity, and the pruned networks."""

from typing import Any, TypeVar

import numpy as np
from flax import nnx
from jaxtyping import Bool, Float

from analysis.errors import InputError
from sweeps import checks
from sweeps.pruning import parameters, removing, scoring, sparsities, structure

Network = TypeVar("Network", bound=nnx.Module)


def unit_masks(
    network: nnx.Module,
    sparsity: Any,
    by: Any = "norm",
    scope: str = "layer",
    *,
    batch: Any = None,
    loss: Any = None,
    seed: int = 0,
) -> Bool[np.ndarray, "... nodes"]:
    """Choose the hidden nodes that stay: those with the lowest scores go, of equal scores the lowest index first.

    Parameters
    ----------
    network, by, batch, loss, seed : as for ``unit_scores``
    sparsity : k, a number in [0, 1] or an array of these: exactly floor(k n) of n nodes go, for the decimal k
    scope : one of ``SCOPES``: ``"layer"``, n counts the nodes of a layer; ``"global_raw"``, those of all layers, whose
        scores are compared directly; ``"global_normalised"``, the same after division of each layer's scores by their
        root mean square

    Returns
    -------
    true for the nodes that stay, shape (*sparsity.shape, nodes), in the order of the gate vector

    Raises
    ------
    TypeError, NotImplementedError
        As ``unit_scores``.
    ValueError
        As ``unit_scores``; if a sparsity is not between 0 and 1, the scope is unknown, or a score is no number.

    Examples
    --------
    >>> import sweeps
    >>> net = sweeps.MLP((2, 20, 10, 2))
    >>> sweeps.pruning.unit_masks(net, [0, 0.5, 1]).sum(axis=-1).tolist()
    [30, 15, 0]
    """
    sparsities.check(sparsity, scope)
    scores = scoring.unit_scores(network, by, batch=batch, loss=loss, seed=seed)
    parts = structure.of(network, scoring.inputs_of(batch)).split(scores)
    return np.concatenate(list(sparsities.kept(parts, sparsity, scope).values()), axis=-1)


def prune_units(
    network: Network,
    sparsity: Any,
    by: Any = "norm",
    scope: str = "layer",
    *,
    batch: Any = None,
    loss: Any = None,
    seed: int = 0,
) -> Network:
    """Return a copy of a network, of the same shapes, with the hidden nodes zeroed that ``unit_masks`` chooses.

    Raises
    ------
    TypeError, ValueError, NotImplementedError
        As ``unit_masks``; and if there is more than one sparsity.

    Examples
    --------
    >>> import sweeps
    >>> net = sweeps.pruning.prune_units(sweeps.MLP((2, 20, 2)), 0.5)
    >>> int((net.layers[0].kernel[...] == 0).all(axis=0).sum())
    10
    """
    _check_single(sparsity)
    keep = unit_masks(network, sparsity, by, scope, batch=batch, loss=loss, seed=seed)
    return removing.zero_nodes(network, keep, scoring.inputs_of(batch))


def weight_masks(
    network: nnx.Module,
    sparsity: Any,
    by: Any = "magnitude",
    scope: str = "layer",
    *,
    block: tuple[int, int] | None = None,
    batch: Any = None,
    loss: Any = None,
    seed: int = 0,
    include_outputs: bool = False,
) -> dict[str, Bool[np.ndarray, "..."]]:
    """Choose the weights that stay: those with the lowest scores go, of equal scores the lowest index first.

    Parameters
    ----------
    network, by, batch, loss, seed, include_outputs : as for ``weight_scores``
    sparsity, scope : as for ``unit_masks``, n being numbers of weights, or of blocks
    block : (rows, columns): weights of dense layers go in whole blocks, by the Euclidean norm of their scores; blocks
        at the kernel's end may be smaller

    Returns
    -------
    true for the weights that stay, by path of the kernel, shape (*sparsity.shape, *kernel.shape), for ``zeroed``,
    ``Masked`` and ``evaluate``. Biases all stay.

    Raises
    ------
    TypeError
        As ``weight_scores``.
    ValueError
        As ``weight_scores``; if a sparsity is not between 0 and 1, the scope is unknown, a score is no number, or
        blocks are not of positive numbers or asked of kernels with more than two axes.

    Examples
    --------
    >>> import sweeps
    >>> masks = sweeps.pruning.weight_masks(sweeps.MLP((2, 20, 2)), [0, 0.29, 1])
    >>> {path: mask.sum(axis=(1, 2)).tolist() for path, mask in masks.items()}
    {'layers/0/kernel': [40, 29, 0]}
    """
    sparsities.check(sparsity, scope)
    scores = scoring.weight_scores(network, by, batch=batch, loss=loss, seed=seed, include_outputs=include_outputs)
    if block is None:
        return sparsities.kept(scores, sparsity, scope)
    rows, columns = _checked_block(block, scores)
    kept = sparsities.kept({path: _norms(kernel, rows, columns) for path, kernel in scores.items()}, sparsity, scope)
    masks = {path: mask.repeat(rows, axis=-2).repeat(columns, axis=-1) for path, mask in kept.items()}
    return {path: masks[path][..., : kernel.shape[0], : kernel.shape[1]] for path, kernel in scores.items()}


def prune_weights(
    network: Network,
    sparsity: Any,
    by: Any = "magnitude",
    scope: str = "layer",
    *,
    block: tuple[int, int] | None = None,
    batch: Any = None,
    loss: Any = None,
    seed: int = 0,
    include_outputs: bool = False,
) -> Network:
    """Return a copy of a network with the weights zeroed that ``weight_masks`` chooses.

    Raises
    ------
    TypeError, ValueError
        As ``weight_masks``; and if there is more than one sparsity.

    Examples
    --------
    >>> import sweeps
    >>> net = sweeps.pruning.prune_weights(sweeps.MLP((2, 20, 2)), 0.29)
    >>> int((net.layers[0].kernel[...] == 0).sum()), int((net.layers[1].kernel[...] == 0).sum())
    (11, 0)
    """
    _check_single(sparsity)
    options: dict[str, Any] = dict(block=block, batch=batch, loss=loss, seed=seed, include_outputs=include_outputs)
    return parameters.zeroed(network, weight_masks(network, sparsity, by, scope, **options))


def _check_single(sparsity: Any) -> None:
    shape = sparsities.checked_sparsity(sparsity).shape
    if shape:
        raise InputError(f"sparsity must be one number for one network, got shape {shape}")


_SIDES = ("rows", "columns")


def _checked_block(block: Any, scores: dict[str, np.ndarray]) -> tuple[int, int]:
    sizes = tuple(block) if isinstance(block, tuple | list | np.ndarray) else ()
    if len(sizes) != 2:
        raise InputError(f"block must be two positive numbers (rows, columns), got {checks.shown(block)}")
    rows, columns = (checks.whole(f"block: {name}", size, 1) for name, size in zip(_SIDES, sizes, strict=True))
    for path, kernel in scores.items():
        if kernel.ndim != 2:
            raise InputError(f"block is for kernels of dense layers, (inputs, outputs); {path} has {kernel.shape}")
    return rows, columns


def _norms(
    scores: Float[np.ndarray, "inputs outputs"], rows: int, columns: int
) -> Float[np.ndarray, "blocks_down blocks_across"]:
    """Return the Euclidean norm of each block of scores."""
    inputs, outputs = scores.shape
    padded = np.pad(scores, [(0, -inputs % rows), (0, -outputs % columns)])
    down, across = padded.shape[0] // rows, padded.shape[1] // columns
    return np.sqrt(np.square(padded.reshape(down, rows, across, columns)).sum(axis=(1, 3)))
