"""Masked networks: compute with some parameters at zero, which keep their values for later."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from analysis._errors import InputError, InputTypeError
from sweeps.pruning import _parameters


class Mask(nnx.Variable):
    """True for the numbers of a parameter that count; no ``nnx.Param``, so that no optimizer changes it."""


class Resting(NamedTuple):
    """State of a ``resting`` optimizer.

    Attributes
    ----------
    inner : pytree
        State of the optimizer.
    awake : pytree
        Whether each number has had a gradient, in the shapes of the parameters.
    """

    inner: Any
    awake: Any


def resting(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Return an optimizer that does not change a number before its first gradient that is not zero.

    Masked numbers have zero gradients, and so keep their values under weight decay. The same optimizer serves networks
    with different masks.

    Parameters
    ----------
    optimizer : optax.GradientTransformation
        Any of Optax.

    Returns
    -------
    optax.GradientTransformation
        With one more bool of state for each number.

    Raises
    ------
    TypeError
        If it is no Optax transformation.

    See Also
    --------
    Masked : A network under masks, which trains with it.

    Examples
    --------
    >>> import jax.numpy as jnp, optax, sweeps
    >>> optimizer = sweeps.pruning.resting(optax.add_decayed_weights(0.5))
    >>> weights = jnp.ones(2)
    >>> optimizer.update(jnp.array([0.0, 1.0]), optimizer.init(weights), weights)[0].tolist()
    [0.0, 1.5]
    """
    if not isinstance(optimizer, optax.GradientTransformation):
        raise InputTypeError(f"optimizer must be an Optax transformation, got {type(optimizer).__name__}")

    def init(weights: Any) -> Resting:
        return Resting(optimizer.init(weights), jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, bool), weights))

    def update(gradients: Any, state: Resting, weights: Any = None) -> tuple[Any, Resting]:
        updates, inner = optimizer.update(gradients, state.inner, weights)
        awake = jax.tree.map(lambda before, gradient: before | (gradient != 0), state.awake, gradients)
        updates = jax.tree.map(lambda on, values: jnp.where(on, values, jnp.zeros_like(values)), awake, updates)
        return updates, Resting(inner, awake)

    return optax.GradientTransformation(init, update)


class Masked(nnx.Module):
    """A network that computes with some of its parameters at zero.

    Parameters
    ----------
    network : flax.nnx.Module
        Any module; it is trained in place.
    masks : dict of str to array_like
        By the path of a parameter, such as ``layers/0/kernel``: true for what counts, in the parameter's shape, as
        ``weight_masks`` and ``masks_of_nodes`` return them for a single sparsity.

    Attributes
    ----------
    network : flax.nnx.Module
        The module, with all its weights.
    masks : flax.nnx.Dict
        ``Mask`` by path.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module, or the masks are no dict.
    InputError
        If a mask is of no parameter, of another shape, or not true or false.

    See Also
    --------
    resting : Keeps masked numbers from weight decay.
    gradually : Trains under masks of growing sparsity.

    Notes
    -----
    Masked numbers have gradients of exactly zero: plain gradient steps, momentum and Adam do not change them by a bit.
    Weight decay, as in ``optax.adamw``, needs no gradient and shrinks them; ``resting(optax.adamw(...))`` does not.

    A batch normalisation learns the statistics of a channel that is off: those of zeros.

    Examples
    --------
    >>> import sweeps
    >>> network = sweeps.MLP((2, 4, 2), seed=0)
    >>> masked = sweeps.pruning.Masked(network, sweeps.pruning.weight_masks(network, 0.5))
    >>> int((masked.zeroed().layers[0].kernel[...] == 0).sum())
    4
    """

    def __init__(self, network: nnx.Module, masks: Mapping[str, Any]):
        _parameters.checked_network(network)
        self.network = network
        checked = _parameters.checked_masks(network, masks)
        self.masks = nnx.Dict({path: Mask(jnp.asarray(mask)) for path, mask in checked.items()})

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return the network's outputs with the masked parameters at zero; its other state is updated."""
        graph, *states = nnx.split(self.network, nnx.Param, ...)
        # A copy, so that the network keeps its weights, and traced functions can call it.
        masks = {path: mask[...] for path, mask in self.masks.items()}
        network: Any = nnx.merge(graph, _parameters.with_masks(states[0], masks), states[1], copy=True)
        outputs = network(*arguments, **options)
        _, *states = nnx.split(network, nnx.Param, ...)
        nnx.update(self.network, states[1])
        return outputs

    def set_masks(self, masks: Mapping[str, Any]) -> None:
        """Replace the masks; weights that return have the values that they had.

        Parameters
        ----------
        masks : dict of str to array_like
            As for ``Masked``, of the same parameters.

        Raises
        ------
        InputError
            As ``Masked``, and if the masks are of other parameters.
        """
        checked = _parameters.checked_masks(self.network, masks)
        if set(checked) != set(self.masks):
            raise InputError(f"masks must be those of {', '.join(self.masks)}, got {', '.join(checked)}")
        for path, mask in checked.items():
            self.masks[path].set_value(jnp.asarray(mask))

    def zeroed(self) -> Any:
        """Return a copy of the network whose masked parameters are zero."""
        return _parameters.zeroed(self.network, {path: mask[...] for path, mask in self.masks.items()})
