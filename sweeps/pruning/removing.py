"""Removing: hidden nodes switched off for good, in a network of the same shapes or in a smaller one."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Float

from analysis.errors import InputError
from sweeps import checks, examples
from sweeps.networks import MLP
from sweeps.pruning import parameters, reading, structure
from sweeps.pruning.structure import Part, Structure

Network = TypeVar("Network", bound=nnx.Module)


def masks_of_nodes(network: nnx.Module, keep: Any, inputs: Any = None) -> dict[str, Bool[np.ndarray, "..."]]:
    """Return masks of the parameters that hidden nodes consist of.

    Parameters
    ----------
    network : a flax.nnx module whose hidden nodes come from ``nnx.Linear`` or ``nnx.Conv`` and are read by such
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
        If a node is no column of one layer's kernel that others read one by one.

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
    variables, pieces = parameters.by_path(network), of.split(keep)
    shapes = {path: tuple(variable.shape) for path, variable in variables.items()}
    masks: dict[str, Any] = {}

    def meet(path: str, kept: np.ndarray) -> None:
        whole = np.broadcast_to(kept, (*keep.shape[:-1], *shapes[path]))
        masks[path] = masks[path] & whole if path in masks else np.array(whole)

    for part in of.parts:
        kept = pieces[part.path]
        leading, axes = kept.shape[:-1], len(shapes[f"{part.path}/kernel"])
        meet(f"{part.path}/kernel", kept.reshape(*leading, *(1,) * (axes - 1), part.nodes))
        if f"{part.path}/bias" in shapes:
            meet(f"{part.path}/bias", kept)
        for reader in part.readers if part.fires else ():
            rows, axes = part.features(kept), len(shapes[f"{reader}/kernel"])
            meet(f"{reader}/kernel", rows.reshape(*leading, *(1,) * (axes - 2), rows.shape[-1], 1))
    return masks


def zero_nodes(network: Network, keep: Any, inputs: Any = None, compensate_bias: bool = False) -> Network:
    """Return a copy of a network, of the same shapes, in which the nodes that do not stay are zero.

    Parameters
    ----------
    network : a flax.nnx module whose hidden nodes come from ``nnx.Linear`` or ``nnx.Conv`` and are read by such; it
        is not changed
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
        If a node is no column of one layer's kernel that others read one by one.

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
    TypeError, NotImplementedError
        As ``zero_nodes``.
    ValueError
        As ``zero_nodes``, and if something else in the network depends on the number of nodes.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.pruning.remove_nodes(sweeps.MLP((1, 3, 1)), [True, False, True]).sizes
    (1, 2, 1)
    """
    compensate_bias, of = checks.flag("compensate_bias", compensate_bias), _structure(network, inputs)
    kept = of.checked_keep(keep)
    zeroed = _zeroed(network, of, kept, inputs, compensate_bias)
    smaller = parameters.copied(zeroed)
    modules, pieces = parameters.modules(smaller), of.split(kept)
    for part in of.parts:
        _shrink(modules, part, pieces[part.path])
    if isinstance(smaller, MLP):
        smaller.sizes = (smaller.sizes[0], *(layer.out_features for layer in smaller.layers))
    if of.gated is not None:
        _check_agrees(of, "removed", _outputs_of_smaller(of, smaller), _outputs(zeroed, of.inputs))
    return smaller


def _zeroed(network: Network, of: Structure, keep: Any, inputs: Any, compensate_bias: bool) -> Network:
    zeroed = parameters.zeroed(network, _masks(network, of, keep))
    if of.gated is not None:
        gates = jnp.asarray(keep, of.gated.dtype)
        with jax.default_matmul_precision("highest"):
            expected = of.gated(gates, of.inputs)
        _check_agrees(of, "zeroed", _outputs(zeroed, of.inputs), expected)
    if not compensate_bias or inputs is None or keep.all():
        return zeroed
    gone = [part for part in of.parts if not of.split(keep)[part.path].all()]
    means = reading.mean_activations(network, inputs, [reader for part in gone for reader in part.readers])
    old, new = parameters.modules(network), parameters.modules(zeroed)
    for part in gone:
        rows = ~part.features(of.split(keep)[part.path])
        for reader in part.readers:
            _compensate(new[reader], old[reader], np.where(rows, means[reader], 0))
    # The biases of nodes that go themselves.
    return parameters.zeroed(zeroed, _masks(zeroed, of, keep))


def _compensate(layer: Any, whole: Any, lost: Float[np.ndarray, " features"]) -> None:
    """Add to a layer's biases what means that are lost contributed in the whole network."""
    kernel = np.asarray(whole.kernel[...]).astype(np.float64)
    added = lost @ kernel.sum(axis=tuple(range(kernel.ndim - 2)))
    if layer.bias is None:
        layer.bias, layer.use_bias = nnx.Param(jnp.asarray(np.zeros(layer.out_features, layer.kernel.dtype))), True
    bias = layer.bias[...]
    layer.bias.set_value(jnp.asarray(np.asarray(bias).astype(np.float64) + added, bias.dtype))


def _shrink(modules: dict[str, Any], part: Part, keep: Bool[np.ndarray, " nodes"]) -> None:
    """Take the nodes that go out of the layer that makes them, and of what reads them."""
    maker, features = modules[part.path], part.features(keep)
    for variable, axis in ((maker.kernel, -1), (maker.bias, 0)):
        _take(variable, axis, keep)
    maker.out_features = int(keep.sum())
    for reader in (modules[path] for path in part.readers):
        _take(reader.kernel, -2, features)
        reader.in_features = int(features.sum())
    for layer in (maker, *(modules[path] for path in part.readers)):
        if isinstance(layer, nnx.Conv):
            layer.kernel_shape = tuple(layer.kernel.shape)
    for norm in (modules[path] for path in part.norms):
        # Before or after an image is flattened.
        kept = np.concatenate([keep] * (norm.num_features // part.nodes))
        for variable in (norm.mean, norm.var, norm.scale, norm.bias):
            _take(variable, 0, kept)
        norm.num_features = int(kept.sum())


def _take(variable: Any, axis: int, keep: Bool[np.ndarray, " nodes"]) -> None:
    if variable is not None:
        variable.set_value(jnp.asarray(np.compress(keep, np.asarray(variable[...]), axis=axis)))


def _nodes(of: Structure) -> str:
    return f"nodes of {', '.join(part.path for part in of.parts)}"


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
    return ", ".join(dict.fromkeys(path for part in of.parts for path in part.readers))


def _outputs(network: Any, inputs: Any) -> Any:
    clone = nnx.clone(network)
    clone.eval()
    with jax.default_matmul_precision("highest"):
        return clone(inputs)
