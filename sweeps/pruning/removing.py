"""Removing: hidden nodes switched off for good, in a network of the same shapes or in a smaller one."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool

from analysis.errors import InputError
from sweeps import checks, examples
from sweeps.networks import MLP
from sweeps.program.cuts import Cut
from sweeps.pruning import compensating, parameters, structure
from sweeps.pruning.structure import Structure

Network = TypeVar("Network", bound=nnx.Module)


def masks_of_nodes(network: nnx.Module, keep: Any, inputs: Any = None) -> dict[str, Bool[np.ndarray, "..."]]:
    """Return masks of the parameters that hidden nodes consist of.

    Parameters
    ----------
    network : a flax.nnx module; its hidden nodes are those that ``sweeps.Objective`` puts gates on, whatever layers or
        raw parameters make and read them
    keep : true for the nodes that stay, shape (..., nodes), in the order of the gate vector
    inputs : a few examples; not needed for a ``sweeps.MLP`` and for an ``nnx.Sequential`` that begins with a dense
        layer

    Returns
    -------
    by path of the parameter, shape (*keep.shape[:-1], *parameter.shape), true for what stays: of a node that goes, the
    weights that lead to it and its bias go. The weights that leave it go where it would still fire, f(0) being no
    zero: after a sigmoid, or a batch normalisation.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module.
    ValueError
        If ``keep`` does not fit, or inputs are needed or do not fit.
    NotImplementedError
        If a node that goes has no parameters of its own, or would still fire and is not read by such alone. The message
        names the nodes and what is in the way.

    Examples
    --------
    >>> import sweeps
    >>> masks = sweeps.pruning.masks_of_nodes(sweeps.MLP((1, 3, 1)), [True, False, True])
    >>> masks["layers/0/kernel"].tolist(), masks["layers/0/bias"].tolist()
    ([[True, False, True]], [True, False, True])
    """
    of = _structure(network, inputs)
    return _masks(network, of, of.checked_keep(keep, leading=True))


def _structure(network: nnx.Module, inputs: Any) -> Structure:
    parameters.checked_network(network)
    return structure.of(network, None if inputs is None else examples.checked_inputs(inputs))


def _masks(
    network: nnx.Module, of: Structure, keep: Bool[np.ndarray, "... nodes"]
) -> dict[str, Bool[np.ndarray, "..."]]:
    shapes = {path: tuple(variable.shape) for path, variable in parameters.by_path(network).items()}
    pieces = of.split(keep)
    masks: dict[str, Any] = {}
    for part in of.parts:
        piece = pieces[part.site.key]
        for cut in [] if piece.all() and not part.can_be_zeroed else part.zeroed():
            kept = np.broadcast_to(_kept(cut.ids, piece), (*keep.shape[:-1], *shapes[cut.path]))
            masks[cut.path] = masks[cut.path] & kept if cut.path in masks else np.array(kept)
    return masks


def _kept(ids: np.ndarray, keep: Bool[np.ndarray, "... nodes"]) -> Bool[np.ndarray, "..."]:
    """What stays of entries, given the number of the node of each; behind leading axes."""
    # What is of no node has the number -1, which takes the last.
    return np.concatenate([keep, np.ones((*keep.shape[:-1], 1), bool)], axis=-1)[..., ids]


def zero_nodes(network: Network, keep: Any, inputs: Any = None, compensate_bias: bool = False) -> Network:
    """Return a copy of a network, of the same shapes, in which the nodes that do not stay are zero.

    Parameters
    ----------
    network : a flax.nnx module, as for ``masks_of_nodes``; it is not changed
    keep : true for the nodes that stay, shape (nodes,), in the order of the gate vector
    inputs : examples, on which the mean activations for the compensation are taken: without them there is none. They
        are needed in any case for networks that do not say what they read, all but a ``sweeps.MLP`` and an
        ``nnx.Sequential`` that begins with a dense layer.
    compensate_bias : whether the layers that read a node that goes have its mean contribution added to their biases;
        a layer without biases gets them

    Returns
    -------
    network of the same kind; which parameters are zero, ``masks_of_nodes`` says

    Raises
    ------
    TypeError
        If the network is no flax.nnx module.
    ValueError
        If ``keep`` does not fit, inputs are needed or do not fit, or the copy does not compute what the network does
        with the nodes' gates at zero: something else reads them too.
    NotImplementedError
        If a node that goes has no parameters of its own, or would still fire and is not read by such alone. The message
        names the nodes and what is in the way.

    Notes
    -----
    b'_j = b_j + sum over the nodes i that go of mean(x_i) w_ij, with the mean activations of the given, whole network.
    A node that carries a constant so goes without a trace. For a convolution w_ij is the sum of the kernel over its
    positions, which is exact in the interior of an image: at borders that are padded with zeros fewer positions count.

    Examples
    --------
    >>> import sweeps
    >>> net = sweeps.pruning.zero_nodes(sweeps.MLP((1, 3, 1)), [True, False, True])
    >>> float(net.layers[0].kernel[0, 1])
    0.0
    """
    compensate_bias, of = checks.flag("compensate_bias", compensate_bias), _structure(network, inputs)
    return _zeroed(network, of, of.checked_keep(keep), inputs, compensate_bias)


def remove_nodes(network: Network, keep: Any, inputs: Any = None, compensate_bias: bool = True) -> Network:
    """Return a smaller copy of a network, without the nodes that do not stay.

    Parameters
    ----------
    network, keep, inputs, compensate_bias : as for ``zero_nodes``; without inputs there is no compensation

    Returns
    -------
    network of the same kind, equal to what ``zero_nodes`` returns to rounding. A layer may lose all its nodes.

    Raises
    ------
    TypeError
        As ``zero_nodes``.
    ValueError
        As ``zero_nodes``, and if something else in the network depends on the number of nodes.
    NotImplementedError
        As ``zero_nodes``, and if nodes that go are added to others, go to the outputs, or share a parameter.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.pruning.remove_nodes(sweeps.MLP((1, 3, 1)), [True, False, True]).sizes
    (1, 2, 1)
    """
    compensate_bias, of = checks.flag("compensate_bias", compensate_bias), _structure(network, inputs)
    kept = of.checked_keep(keep)
    _cuts(of, kept)  # refuses before anything is computed
    smaller = _zeroed(network, of, kept, inputs, compensate_bias)
    # Layers may have got biases.
    zeroed = structure.of(smaller, inputs)
    expected = None if zeroed.network is None else _outputs(smaller, zeroed.inputs)
    _shrink(smaller, _cuts(zeroed, kept))
    _resize(smaller, zeroed, kept)
    if expected is not None:
        _check_agrees(of, "removed", _outputs_of_smaller(zeroed, smaller), expected)
    return smaller


def _cuts(of: Structure, keep: Bool[np.ndarray, " nodes"]) -> list[tuple[Cut, np.ndarray]]:
    """What goes with the nodes that go, and which of its entries stay."""
    pieces = of.split(keep)
    parts = [part for part in of.parts if not pieces[part.site.key].all()]
    return [(cut, _kept(cut.ids, pieces[part.site.key])) for part in parts for cut in part.removed()]


def _zeroed(network: Network, of: Structure, keep: Any, inputs: Any, compensate_bias: bool) -> Network:
    zeroed = parameters.zeroed(network, _masks(network, of, keep))
    if of.network is not None:
        with jax.default_matmul_precision("highest"):
            expected = of.gated(keep)
        _check_agrees(of, "zeroed", _outputs(zeroed, of.inputs), expected)
    if not compensate_bias or inputs is None or keep.all():
        return zeroed
    compensating.compensate(network, zeroed, keep, inputs)
    # The biases of nodes that go themselves.
    return parameters.zeroed(zeroed, _masks(zeroed, structure.of(zeroed, inputs), keep))


def _shrink(network: nnx.Module, chosen: list[tuple[Cut, Bool[np.ndarray, "..."]]]) -> None:
    """Take entries out of all variables of a network."""
    stays: dict[tuple[str, int], np.ndarray] = {}
    for cut, kept in chosen:
        at = cut.path, cut.axis or 0
        stays[at] = stays.get(at, np.ones(kept.size, bool)) & kept.ravel()
    variables = parameters.all_by_path(network)
    for (path, axis), kept in stays.items():
        variable = variables[path]
        variable.set_value(jnp.asarray(np.compress(kept, np.asarray(variable[...]), axis=axis)))


def _resize(network: nnx.Module, of: Structure, keep: Bool[np.ndarray, " nodes"]) -> None:
    """Tell modules the sizes of what they hold."""
    pieces = of.split(keep)
    for path, module in parameters.modules(network).items():
        own = [part for part in of.parts if any(cut.path.startswith(f"{path}/") for cut in part.own)]
        for part in own:
            if getattr(module, "hidden_features", None) == part.site.nodes:  # with so many zeros, a cell begins
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
    """Outputs of a network that computed something when it was whole; InputError if sizes no longer fit."""
    try:
        return _outputs(network, of.inputs)
    except (TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{_nodes(of)} cannot be removed: something else in the network depends on how many they are: {reason}"
        ) from error


def _check_agrees(of: Structure, what: str, found: Any, expected: Any) -> None:
    """Refuse outputs that are not the expected ones: something else depends on the nodes."""
    message = f"{_nodes(of)} cannot be {what}: something else in the network"
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        eps = float(jnp.finfo(one.dtype).eps) if jnp.issubdtype(one.dtype, jnp.floating) else 0.0
        one, other = (np.asarray(values).astype(np.float64) for values in (one, other))
        # A wrong reading is off by far more than rounding.
        close = np.sqrt(eps) * max(np.abs(one).max(initial=0), np.abs(other).max(initial=0))
        if one.shape != other.shape or not np.allclose(one, other, rtol=0, atol=close, equal_nan=True):
            raise InputError(f"{message} than {_readers(of)} reads them, or mixes them")


def _readers(of: Structure) -> str:
    return ", ".join(dict.fromkeys(cut.layer or cut.path for part in of.parts for cut in part.reads))


def _outputs(network: Any, inputs: Any) -> Any:
    clone = nnx.clone(network)
    clone.eval()
    with jax.default_matmul_precision("highest"):
        return clone(inputs)
