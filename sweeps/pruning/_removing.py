"""Removing: zeroes hidden nodes in a network of the same shapes, or takes them out of it."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool

from analysis._errors import InputError
from sweeps import _checks, _examples
from sweeps._networks import MLP
from sweeps._program.cuts import Cut
from sweeps.pruning import _compensating, _parameters, _structure
from sweeps.pruning._structure import Structure

Network = TypeVar("Network", bound=nnx.Module)


def masks_of_nodes(network: nnx.Module, keep: Any, *, inputs: Any = None) -> dict[str, Bool[np.ndarray, "..."]]:
    """Return masks of the parameters that belong to hidden nodes.

    Parameters
    ----------
    network : flax.nnx.Module
        Its hidden nodes are those that ``sweeps.Objective`` gates, whatever layers or raw parameters make and read
        them.
    keep : array_like of bool, (..., nodes)
        True for the nodes that stay, in the order of the gate vector.
    inputs : array or pytree, (examples, ...), optional
        A few examples; not needed for a ``sweeps.MLP`` or an ``nnx.Sequential`` that begins with a dense layer.

    Returns
    -------
    dict of str to numpy.ndarray of bool
        By path of the parameter, shape ``(*keep.shape[:-1], *parameter.shape)``, true for what stays. Of a node that
        goes, its incoming weights and bias go; its outgoing weights go only if the node would still fire, because f(0)
        is not zero: after a sigmoid, or a batch normalisation.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module.
    InputError
        If ``keep`` does not fit, or inputs are needed or do not fit.
    NotImplementedError
        If a node that goes has no parameters of its own, or would still fire and has readers without parameters of
        their own. The message names the nodes and the reason.

    See Also
    --------
    unit_masks : Chooses nodes that stay.
    zeroed : Makes a network of the masks.

    Examples
    --------
    >>> import sweeps
    >>> masks = sweeps.pruning.masks_of_nodes(sweeps.MLP((1, 3, 1), seed=0), [True, False, True])
    >>> masks["layers/0/kernel"].tolist(), masks["layers/0/bias"].tolist()
    ([[True, False, True]], [True, False, True])
    """
    of = _structure_of(network, inputs)
    return _masks(network, of, of.checked_keep(keep, leading=True))


def _structure_of(network: nnx.Module, inputs: Any) -> Structure:
    _parameters.checked_network(network)
    return _structure.of(network, None if inputs is None else _examples.checked_inputs(inputs))


def _masks(
    network: nnx.Module, of: Structure, keep: Bool[np.ndarray, "... nodes"]
) -> dict[str, Bool[np.ndarray, "..."]]:
    shapes = {path: tuple(variable.shape) for path, variable in _parameters.by_path(network).items()}
    pieces = of.split(keep)
    masks: dict[str, Any] = {}
    for part in of.parts:
        piece = pieces[part.site.key]
        for cut in [] if piece.all() and not part.can_be_zeroed else part.zeroed():
            kept = np.broadcast_to(_kept(cut.ids, piece), (*keep.shape[:-1], *shapes[cut.path]))
            masks[cut.path] = masks[cut.path] & kept if cut.path in masks else np.array(kept)
    return masks


def _kept(ids: np.ndarray, keep: Bool[np.ndarray, "... nodes"]) -> Bool[np.ndarray, "..."]:
    """Return which entries stay, given the number of each entry's node; behind leading axes."""
    # Entries of no node have the number -1, which takes the last.
    return np.concatenate([keep, np.ones((*keep.shape[:-1], 1), bool)], axis=-1)[..., ids]


def zero_nodes(network: Network, keep: Any, inputs: Any = None, *, compensate_bias: bool = False) -> Network:
    """Return a copy of a network, of the same shapes, with the nodes zeroed that do not stay.

    Parameters
    ----------
    network : flax.nnx.Module
        As for ``masks_of_nodes``; it is not changed.
    keep : array_like of bool, (nodes,)
        True for the nodes that stay, in the order of the gate vector.
    inputs : array or pytree, (examples, ...), optional
        Examples for the mean activations of the compensation; needed in any case for networks other than a
        ``sweeps.MLP`` or an ``nnx.Sequential`` that begins with a dense layer.
    compensate_bias : bool, default False
        Whether to add the mean contribution of a node that goes to the biases of the layers that read it, if there are
        inputs; a layer without biases gets them.

    Returns
    -------
    flax.nnx.Module
        Of the same kind; ``masks_of_nodes`` returns which parameters are zero.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module.
    InputError
        If ``keep`` does not fit, inputs are needed or do not fit, or the copy differs from the network with gates at
        zero, because something else depends on the nodes.
    NotImplementedError
        If a node that goes has no parameters of its own, or would still fire and has readers without parameters of
        their own. The message names the nodes and the reason.

    See Also
    --------
    remove_nodes : Makes the network smaller.
    prune_units : Chooses the nodes, too.

    Notes
    -----
    ``b'_j = b_j + sum over the nodes i that go of mean(x_i) w_ij``, with mean activations of the network with all
    nodes. Removing a constant node then changes nothing. For a convolution w_ij is the sum of the kernel over its
    positions, which is exact in the interior of an image, and not at borders padded with zeros.

    Examples
    --------
    >>> import sweeps
    >>> smaller = sweeps.pruning.zero_nodes(sweeps.MLP((1, 3, 1), seed=0), [True, False, True])
    >>> float(smaller.layers[0].kernel[0, 1])
    0.0
    """
    compensate_bias, of = _checks.flag("compensate_bias", compensate_bias), _structure_of(network, inputs)
    return _zeroed(network, of, of.checked_keep(keep), inputs, compensate_bias)


def remove_nodes(network: Network, keep: Any, inputs: Any = None, *, compensate_bias: bool = True) -> Network:
    """Return a smaller copy of a network without the nodes that do not stay.

    Parameters
    ----------
    network : flax.nnx.Module
        As for ``zero_nodes``; it is not changed.
    keep : array_like of bool, (nodes,)
        True for the nodes that stay, in the order of the gate vector. A layer may lose all its nodes.
    inputs : array or pytree, (examples, ...), optional
        As for ``zero_nodes``; without inputs there is no compensation.
    compensate_bias : bool, default True
        As for ``zero_nodes``.

    Returns
    -------
    flax.nnx.Module
        Of the same kind, equal to that of ``zero_nodes`` up to rounding.

    Raises
    ------
    TypeError
        As ``zero_nodes``.
    InputError
        As ``zero_nodes``, and if something else in the network depends on the number of nodes.
    NotImplementedError
        As ``zero_nodes``, and if nodes that go are added to others, are outputs, or share a parameter.

    See Also
    --------
    zero_nodes : Keeps the shapes.
    cost : Compares sizes and times.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.pruning.remove_nodes(sweeps.MLP((1, 3, 1), seed=0), [True, False, True]).sizes
    (1, 2, 1)
    """
    compensate_bias, of = _checks.flag("compensate_bias", compensate_bias), _structure_of(network, inputs)
    kept = of.checked_keep(keep)
    _cuts(of, kept)  # refuses before anything is computed
    smaller = _zeroed(network, of, kept, inputs, compensate_bias)
    # Layers may have got biases.
    zeroed = _structure.of(smaller, inputs)
    expected = None if zeroed.network is None else _outputs(smaller, zeroed.inputs)
    _shrink(smaller, _cuts(zeroed, kept))
    _resize(smaller, zeroed, kept)
    if expected is not None:
        _check_agrees(of, "removed", _outputs_of_smaller(zeroed, smaller), expected)
    return smaller


def _cuts(of: Structure, keep: Bool[np.ndarray, " nodes"]) -> list[tuple[Cut, np.ndarray]]:
    """Return the cuts of the nodes that go, and which of their entries stay."""
    pieces = of.split(keep)
    parts = [part for part in of.parts if not pieces[part.site.key].all()]
    return [(cut, _kept(cut.ids, pieces[part.site.key])) for part in parts for cut in part.removed()]


def _zeroed(network: Network, of: Structure, keep: Any, inputs: Any, compensate_bias: bool) -> Network:
    zeroed = _parameters.zeroed(network, _masks(network, of, keep))
    if of.network is not None:
        with jax.default_matmul_precision("highest"):
            expected = of.gated(keep)
        _check_agrees(of, "zeroed", _outputs(zeroed, of.inputs), expected)
    if not compensate_bias or inputs is None or keep.all():
        return zeroed
    _compensating.compensate(network, zeroed, keep, inputs)
    # Compensation also changed biases of nodes that go.
    return _parameters.zeroed(zeroed, _masks(zeroed, _structure.of(zeroed, inputs), keep))


def _shrink(network: nnx.Module, chosen: list[tuple[Cut, Bool[np.ndarray, "..."]]]) -> None:
    """Take entries out of the variables of a network."""
    stays: dict[tuple[str, int], np.ndarray] = {}
    for cut, kept in chosen:
        at = cut.path, cut.axis or 0
        stays[at] = stays.get(at, np.ones(kept.size, bool)) & kept.ravel()
    variables = _parameters.all_by_path(network)
    for (path, axis), kept in stays.items():
        variable = variables[path]
        variable.set_value(jnp.asarray(np.compress(kept, np.asarray(variable[...]), axis=axis)))


def _resize(network: nnx.Module, of: Structure, keep: Bool[np.ndarray, " nodes"]) -> None:
    """Set the sizes that modules record."""
    pieces = of.split(keep)
    for path, module in _parameters.modules(network).items():
        own = [part for part in of.parts if any(cut.path.startswith(f"{path}/") for cut in part.own)]
        for part in own:
            if getattr(module, "hidden_features", None) == part.site.nodes:  # the size of a cell's first carry
                module.hidden_features = int(pieces[part.site.key].sum())
                break
        if isinstance(module, nnx.Linear):
            module.in_features, module.out_features = module.kernel.shape
        elif isinstance(module, nnx.LinearGeneral):
            axes = len(module.in_features)
            module.in_features, module.out_features = module.kernel.shape[:axes], module.kernel.shape[axes:]
        elif isinstance(module, nnx.Conv | nnx.ConvTranspose):
            module.kernel_shape = tuple(module.kernel.shape)
            inputs, module.out_features = module.kernel_shape[-2:]
            module.in_features = inputs * getattr(module, "feature_group_count", 1)
        elif isinstance(module, nnx.BatchNorm):
            module.num_features = module.mean.size
    if isinstance(network, MLP):
        network.sizes = (network.sizes[0], *(layer.out_features for layer in network.layers))


def _nodes(of: Structure) -> str:
    return f"nodes of {', '.join(part.site.path for part in of.parts)}"


def _outputs_of_smaller(of: Structure, network: nnx.Module) -> Any:
    """Return the outputs of a smaller network; InputError if its sizes do not fit."""
    try:
        return _outputs(network, of.inputs)
    except (TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{_nodes(of)} cannot be removed: something else in the network depends on how many they are: {reason}"
        ) from error


def _check_agrees(of: Structure, what: str, actual: Any, expected: Any) -> None:
    """Refuse outputs that differ from the expected ones: something else depends on the nodes."""
    message = f"{_nodes(of)} cannot be {what}: something else in the network"
    for ours, right in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        eps = float(jnp.finfo(ours.dtype).eps) if jnp.issubdtype(ours.dtype, jnp.floating) else 0.0
        ours, right = (np.asarray(values).astype(np.float64) for values in (ours, right))
        # A wrong structure makes far larger differences than rounding.
        close = np.sqrt(eps) * max(np.abs(ours).max(initial=0), np.abs(right).max(initial=0))
        if ours.shape != right.shape or not np.allclose(ours, right, rtol=0, atol=close, equal_nan=True):
            raise InputError(f"{message} than {_readers(of)} reads them, or mixes them")


def _readers(of: Structure) -> str:
    return ", ".join(dict.fromkeys(cut.layer or cut.path for part in of.parts for cut in part.reads))


def _outputs(network: Any, inputs: Any) -> Any:
    clone = nnx.clone(network)
    clone.eval()
    with jax.default_matmul_precision("highest"):
        return clone(inputs)
