"""Parameters: copies of networks, their arrays by path, and masks of these."""

from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx
from jaxtyping import Array, Bool

from analysis._errors import InputError, InputTypeError
from sweeps import _checks

Network = TypeVar("Network", bound=nnx.Module)


def checked_network(network: Any) -> None:
    """Raise TypeError if a network is no flax.nnx module."""
    if isinstance(network, linen.Module):
        raise InputTypeError(
            f"network must be a flax.nnx.Module, got the flax.linen module {type(network).__name__}, which holds no "
            "parameters of its own"
        )
    if not isinstance(network, nnx.Module):
        raise InputTypeError(f"network must be a flax.nnx.Module, got {type(network).__name__}")


def copied(network: Network) -> Network:
    """Return a copy that shares no arrays with the network."""
    graph, state = nnx.split(network)
    return nnx.merge(graph, jax.tree.map(_copied, state))


def _copied(leaf: Any) -> Array:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jnp.copy(leaf)
    # By way of NumPy, here and wherever numbers are only picked and set: JAX would compile for each shape.
    return jnp.array(np.asarray(leaf))


def modules(network: nnx.Module) -> dict[str, Any]:
    """Return the modules within a module, by path."""
    return {"/".join(map(str, path)): module for path, module in nnx.iter_modules(network) if path}


def by_path(network: nnx.Module) -> dict[str, nnx.Param]:
    """Return the parameters of a module, by path, such as ``layers/0/kernel``; not copies."""
    return _by_path(nnx.state(network, nnx.Param))


def all_by_path(network: nnx.Module) -> dict[str, nnx.Variable]:
    """Return all variables of a module, by path: parameters, and statistics such as those of normalisations."""
    return _by_path(nnx.state(network))


def _by_path(state: Any) -> dict[str, Any]:
    flat: Any = nnx.to_flat_state(state)
    return {"/".join(map(str, path)): variable for path, variable in flat}


def zeroed(network: Network, masks: Mapping[str, Any]) -> Network:
    """Return a copy of a network with the masked parameters at zero.

    Parameters
    ----------
    network : flax.nnx.Module
        It is not changed.
    masks : dict of str to array_like
        By path of the parameter, such as ``layers/0/kernel``: true for what stays, in the parameter's shape.

    Returns
    -------
    flax.nnx.Module
        Of the same kind.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module, or the masks are no dict.
    InputError
        If a mask is of no parameter, of another shape, or not true or false.

    See Also
    --------
    weight_masks : Makes masks of weights.
    Masked : Keeps the masked weights for later.

    Examples
    --------
    >>> import sweeps
    >>> masks = {"layers/0/kernel": [[1, 0, 1], [1, 1, 0]]}
    >>> network = sweeps.pruning.zeroed(sweeps.MLP((2, 3, 2), seed=0), masks)
    >>> int((network.layers[0].kernel[...] == 0).sum())
    2
    """
    checked_network(network)
    checked, copy = checked_masks(network, masks), copied(network)
    for path, variable in by_path(copy).items():
        if path in checked:
            values = np.asarray(variable[...])
            variable.set_value(jnp.asarray(np.where(checked[path], values, np.zeros_like(values))))
    return copy


def with_masks(weights: Any, masks: Mapping[str, Bool[Array, "..."]], instead: Any = None) -> Any:
    """Return a state of parameters with those of ``instead``, or zeros, in place of masked numbers.

    ``jnp.where`` gives masked numbers zero gradients even where a product would give NaN. The masks may be traced.
    """

    def masked(steps: tuple[Any, ...], variable: Any) -> Any:
        mask = masks.get("/".join(map(str, steps)))
        if mask is None:
            return variable
        other = jnp.zeros_like(variable[...]) if instead is None else others[steps][...]
        return variable.replace(jnp.where(mask, variable[...], other))

    flat: Any = nnx.to_flat_state(weights)
    others: dict[tuple[Any, ...], Any] = dict([] if instead is None else nnx.to_flat_state(instead))
    return nnx.from_flat_state([(steps, masked(steps, variable)) for steps, variable in flat])


def checked_masks(network: nnx.Module, masks: Mapping[str, Any]) -> dict[str, Bool[np.ndarray, "..."]]:
    """Return masks of a network's parameters as arrays of bool.

    Raises
    ------
    TypeError
        If they are no dict.
    ValueError
        If a mask is of no parameter, of another shape, or not true or false.
    """
    checked, shapes = masks_by_path(network, masks), {path: own.shape for path, own in by_path(network).items()}
    for path, mask in checked.items():
        if mask.shape != shapes[path]:
            raise InputError(f"masks: that of {path} must have its shape {shapes[path]}, got {mask.shape}")
    return checked


def masks_by_path(network: nnx.Module, masks: Any) -> dict[str, Bool[np.ndarray, "..."]]:
    """Return masks of a network's parameters as arrays of bool, of any shapes.

    Raises
    ------
    TypeError
        If they are no dict.
    ValueError
        If a mask is of no parameter, or not true or false.
    """
    if not isinstance(masks, Mapping):
        raise InputTypeError(f"masks must be a dict by path of the parameter, got {type(masks).__name__}")
    known = by_path(network)
    for path in masks:
        if path not in known:
            raise InputError(f"masks must be of the network's parameters, {', '.join(known)}; got {path!r}")
    return {path: as_bools(f"masks: that of {path}", mask) for path, mask in masks.items()}


def as_bools(argument: str, values: Any) -> Bool[np.ndarray, "..."]:
    """Return true and false, or 1 and 0, as an array of bools; ValueError for other numbers."""
    array = _checks.numbers(argument, values)
    if array.dtype != bool and not ((array == 0) | (array == 1)).all():
        raise InputError(f"{argument} must be true or false (1 or 0) everywhere")
    return array.astype(bool, copy=False)
