"""Choosing: the nodes or weights that stay at each sparsity, and the pruned networks."""

import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from flax import nnx
from jaxtyping import Bool, Float

from analysis._errors import InputError, UnsupportedError
from sweeps import _checks
from sweeps.pruning import _parameters, _removing, _scoring, _sparsities

Network = TypeVar("Network", bound=nnx.Module)


def unit_masks(
    network: nnx.Module,
    sparsity: Any,
    *,
    method: Any = "norm",
    scope: str = "layer",
    batch: Any = None,
    loss: Any = None,
    seed: int = 0,
) -> Bool[np.ndarray, "... nodes"]:
    """Choose the hidden nodes that stay: those with the lowest scores go, of equal scores the lowest index first.

    Parameters
    ----------
    network : flax.nnx.Module
        As for ``unit_scores``. It is not changed.
    sparsity : float or array_like
        A share k from 0 to 1, or an array of these: exactly floor(k n) of n nodes go, for the decimal k. The nodes of a
        larger sparsity that stay are among those of a smaller one.
    method : str or array_like, (nodes,), default "norm"
        How nodes are scored: one of ``UNIT_METHODS``, or the scores themselves, as for ``unit_scores``.
    scope : {"layer", "global_raw", "global_normalised"}
        ``"layer"``: n counts the nodes of a layer, and each layer loses its own share. ``"global_raw"``: n counts those
        of all layers, whose scores are compared directly, so that a layer may lose all. ``"global_normalised"``: the
        same after division of each layer's scores by their root mean square.
    batch : tuple, optional
        As for ``unit_scores``.
    loss : str or callable, optional
        As for ``unit_scores``.
    seed : int, default 0
        For ``"random"``.

    Returns
    -------
    numpy.ndarray of bool, (*sparsity.shape, nodes)
        True for the nodes that stay, in the order of the gate vector. Nodes that have no parameters of their own, such
        as attention heads, or cannot be zeroed by these alone, all stay; a warning lists their layers, and n does not
        count them.

    Raises
    ------
    InputError
        As ``unit_scores``; if a sparsity is not between 0 and 1, the scope is unknown, or a score is no number.
    NotImplementedError
        If no nodes of any layer can be zeroed.

    See Also
    --------
    prune_units : Zeroes the others.
    masks_of_nodes : Makes masks of parameters of them.
    remove_nodes : Makes a smaller network of them.

    Examples
    --------
    >>> import sweeps
    >>> network = sweeps.MLP((2, 20, 10, 2), seed=0)
    >>> sweeps.pruning.unit_masks(network, [0, 0.5, 1], method="norm").sum(axis=-1).tolist()
    [30, 15, 0]
    """
    keep, left = _units(network, sparsity, method, scope, batch=batch, loss=loss, seed=seed)
    _warn("nodes", left)
    return keep


def _units(
    network: nnx.Module, sparsity: Any, method: Any, scope: str, *, batch: Any, loss: Any, seed: int
) -> tuple[Bool[np.ndarray, "... nodes"], dict[str, str]]:
    """Return the nodes that stay, and by path of a layer why its nodes cannot go."""
    _sparsities.check(sparsity, scope)
    of, scores = _scoring.by_site(network, method, batch=batch, loss=loss, seed=seed, of_zeroed=True)
    left = {part.site.path: part.why_not_zeroed for part in of.parts if not part.can_be_zeroed}
    if not scores:
        raise UnsupportedError(f"no nodes of the network can be zeroed: {_listed(left)}")
    kept, shape = _sparsities.kept(scores, sparsity, scope), _sparsities.checked_sparsity(sparsity).shape
    every = {part.site.key: np.ones((*shape, part.site.size), bool) for part in of.parts} | kept
    return np.concatenate(list(every.values()), axis=-1), left


def prune_units(
    network: Network,
    sparsity: Any,
    *,
    method: Any = "norm",
    scope: str = "layer",
    batch: Any = None,
    loss: Any = None,
    seed: int = 0,
) -> Network:
    """Return a copy of a network, of the same shapes, with the hidden nodes zeroed that ``unit_masks`` chooses.

    Parameters
    ----------
    network : flax.nnx.Module
        It is not changed.
    sparsity : float
        Share of the nodes that goes, from 0 to 1.
    method : str or array_like, (nodes,), default "norm"
        As for ``unit_masks``.
    scope : {"layer", "global_raw", "global_normalised"}
        As for ``unit_masks``.
    batch : tuple, optional
        As for ``unit_scores``.
    loss : str or callable, optional
        As for ``unit_scores``.
    seed : int, default 0
        For ``"random"``.

    Returns
    -------
    flax.nnx.Module
        Of the same kind, with zeros in place of the nodes.

    Raises
    ------
    InputError
        As ``unit_masks``; and if there is more than one sparsity.
    NotImplementedError
        As ``unit_masks``.

    See Also
    --------
    unit_masks : Which nodes stay.
    zero_nodes : Zeroes nodes of one's own choice.

    Examples
    --------
    >>> import sweeps
    >>> pruned = sweeps.pruning.prune_units(sweeps.MLP((2, 4, 2), seed=0), 0.5)
    >>> int((pruned.layers[0].kernel[...] == 0).all(axis=0).sum())
    2
    """
    _check_single(sparsity)
    keep, left = _units(network, sparsity, method, scope, batch=batch, loss=loss, seed=seed)
    _warn("nodes", left)
    return _removing.zero_nodes(network, keep, inputs=_scoring.inputs_of(batch))


def weight_masks(
    network: nnx.Module,
    sparsity: Any,
    *,
    method: Any = "magnitude",
    scope: str = "layer",
    block: tuple[int, int] | None = None,
    batch: Any = None,
    loss: Any = None,
    seed: int = 0,
    include_outputs: bool = False,
) -> dict[str, Bool[np.ndarray, "..."]]:
    """Choose the weights that stay: those with the lowest scores go, of equal scores the lowest index first.

    Parameters
    ----------
    network : flax.nnx.Module
        It is not changed.
    sparsity : float or array_like
        As for ``unit_masks``, n being numbers of weights, or of blocks.
    method : str or dict of str to array_like, default "magnitude"
        How weights are scored: one of ``WEIGHT_METHODS``, or the scores themselves, as for ``weight_scores``.
    scope : {"layer", "global_raw", "global_normalised"}
        As for ``unit_masks``, n being numbers of weights, or of blocks.
    block : tuple of int, optional
        Rows and columns: weights of dense layers go in whole blocks, by the Euclidean norm of their scores; blocks at
        the kernel's end may be smaller. None: weights go one by one.
    batch : tuple, optional
        As for ``weight_scores``.
    loss : str or callable, optional
        As for ``weight_scores``.
    seed : int, default 0
        For ``"random"``.
    include_outputs : bool, default False
        As for ``weight_scores``.

    Returns
    -------
    dict of str to numpy.ndarray of bool
        True for the weights that stay, by path of the kernel, shape ``(*sparsity.shape, *kernel.shape)``, for
        ``zeroed``, ``Masked`` and ``evaluate``. Biases all stay, and so does what is no kernel, such as a table of
        embeddings, or with blocks a kernel with more than two axes; a warning lists these.

    Raises
    ------
    InputError
        As ``weight_scores``; if a sparsity is not between 0 and 1, the scope is unknown, a score is no number, there is
        no kernel to prune, or blocks are not of positive numbers.

    See Also
    --------
    prune_weights : Zeroes the others.
    evaluate : Losses under the masks of many sparsities at once.

    Examples
    --------
    >>> import sweeps
    >>> masks = sweeps.pruning.weight_masks(sweeps.MLP((2, 20, 2), seed=0), [0, 0.29, 1])
    >>> {path: mask.sum(axis=(1, 2)).tolist() for path, mask in masks.items()}
    {'layers/0/kernel': [40, 29, 0]}
    """
    options: dict[str, Any] = dict(block=block, batch=batch, loss=loss, seed=seed, include_outputs=include_outputs)
    masks, left = _weights(network, sparsity, method, scope, **options)
    _warn("weights", left)
    return masks


def _weights(
    network: nnx.Module,
    sparsity: Any,
    method: Any,
    scope: str,
    *,
    block: Any,
    batch: Any,
    include_outputs: bool,
    **more: Any,
) -> tuple[dict[str, Bool[np.ndarray, "..."]], dict[str, str]]:
    """Return the weights that stay, and by path of a parameter why none of it can go."""
    _sparsities.check(sparsity, scope)
    scores = _scoring.weight_scores(network, method=method, batch=batch, include_outputs=include_outputs, **more)
    _, left = _scoring.prunable(network, _scoring.inputs_of(batch), include_outputs)
    if not scores:
        others = f"; what else there is: {_listed(left)}" if left else ""
        raise InputError(f"network has no kernels to prune but those of its outputs: give include_outputs=True{others}")
    if block is None:
        return _sparsities.kept(scores, sparsity, scope), left
    rows, columns = _checked_block(block)
    several = {path: kernel for path, kernel in scores.items() if kernel.ndim != 2}
    left |= {path: f"blocks have two axes, it has {kernel.shape}" for path, kernel in several.items()}
    scores = {path: kernel for path, kernel in scores.items() if path not in several}
    if not scores:
        raise InputError(f"block is for kernels of dense layers, (inputs, outputs); {_listed(left)}")
    norms = {path: _norms(kernel, rows, columns) for path, kernel in scores.items()}
    masks = {
        path: mask.repeat(rows, axis=-2).repeat(columns, axis=-1)
        for path, mask in _sparsities.kept(norms, sparsity, scope).items()
    }
    return {path: masks[path][..., : kernel.shape[0], : kernel.shape[1]] for path, kernel in scores.items()}, left


def prune_weights(
    network: Network,
    sparsity: Any,
    *,
    method: Any = "magnitude",
    scope: str = "layer",
    block: tuple[int, int] | None = None,
    batch: Any = None,
    loss: Any = None,
    seed: int = 0,
    include_outputs: bool = False,
) -> Network:
    """Return a copy of a network with the weights zeroed that ``weight_masks`` chooses.

    Parameters
    ----------
    network : flax.nnx.Module
        It is not changed.
    sparsity : float
        Share of the weights that goes, from 0 to 1.
    method : str or dict of str to array_like, default "magnitude"
        As for ``weight_masks``.
    scope : {"layer", "global_raw", "global_normalised"}
        As for ``weight_masks``.
    block : tuple of int, optional
        As for ``weight_masks``.
    batch : tuple, optional
        As for ``weight_scores``.
    loss : str or callable, optional
        As for ``weight_scores``.
    seed : int, default 0
        For ``"random"``.
    include_outputs : bool, default False
        As for ``weight_scores``.

    Returns
    -------
    flax.nnx.Module
        Of the same kind, with zeros in place of the weights.

    Raises
    ------
    InputError
        As ``weight_masks``; and if there is more than one sparsity.

    See Also
    --------
    weight_masks : Which weights stay.
    zeroed : Zeroes weights of one's own choice.

    Examples
    --------
    >>> import sweeps
    >>> pruned = sweeps.pruning.prune_weights(sweeps.MLP((2, 20, 2), seed=0), 0.29)
    >>> int((pruned.layers[0].kernel[...] == 0).sum()), int((pruned.layers[1].kernel[...] == 0).sum())
    (11, 0)
    """
    _check_single(sparsity)
    options: dict[str, Any] = dict(block=block, batch=batch, loss=loss, seed=seed, include_outputs=include_outputs)
    masks, left = _weights(network, sparsity, method, scope, **options)
    _warn("weights", left)
    return _parameters.zeroed(network, masks)


def _warn(what: str, left: Mapping[str, str]) -> None:
    """List what is not pruned, for whoever called the caller."""
    if left:
        warnings.warn(f"not pruned, as these {what} cannot be: {_listed(left)}", UserWarning, stacklevel=3)


def _listed(left: Mapping[str, str]) -> str:
    """Return paths with the reason that they share."""
    paths: dict[str, list[str]] = {}
    for path, reason in left.items():
        paths.setdefault(reason, []).append(path)
    return "; ".join(f"{', '.join(several)}: {reason}" for reason, several in paths.items())


def _check_single(sparsity: Any) -> None:
    shape = _sparsities.checked_sparsity(sparsity).shape
    if shape:
        raise InputError(f"sparsity must be one number for one network, got shape {shape}")


_SIDES = ("rows", "columns")


def _checked_block(block: Any) -> tuple[int, int]:
    sizes = tuple(block) if isinstance(block, tuple | list | np.ndarray) else ()
    if len(sizes) != 2:
        raise InputError(f"block must be two positive numbers (rows, columns), got {_checks.shown(block)}")
    rows, columns = (_checks.whole(f"block: {name}", size, 1) for name, size in zip(_SIDES, sizes, strict=True))
    return rows, columns


def _norms(
    scores: Float[np.ndarray, "inputs outputs"], rows: int, columns: int
) -> Float[np.ndarray, "blocks_down blocks_across"]:
    """Return the Euclidean norm of each block of scores."""
    inputs, outputs = scores.shape
    padded = np.pad(scores, [(0, -inputs % rows), (0, -outputs % columns)])
    down, across = padded.shape[0] // rows, padded.shape[1] // columns
    return np.sqrt(np.square(padded.reshape(down, rows, across, columns)).sum(axis=(1, 3)))
