"""Networks: a plain multilayer perceptron in flax.nnx, without any code for gates."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from analysis._errors import InputError, InputTypeError
from sweeps import _checks, _seeds

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nnx.relu,
    "sigmoid": nnx.sigmoid,
    "tanh": nnx.tanh,
    "gelu": nnx.gelu,
    "silu": nnx.silu,
    "softplus": nnx.softplus,
    "identity": lambda values: values,
}


class MLP(nnx.Module):
    """A multilayer perceptron: dense layers with a nonlinearity after each but the last.

    The outputs are logits, or values for a regression; the softmax is a part of the loss.

    Parameters
    ----------
    sizes : sequence of int
        Number of inputs, of nodes in each hidden layer, and of outputs; at least an input and an output.
    activation : {"relu", "sigmoid", "tanh", "gelu", "silu", "softplus", "identity"}
        Nonlinearity after each hidden layer.
    seed : int, default 0
        Of the initial kernels, from 0 to 2^64 - 1. Networks with different seeds differ in nothing else.
    use_bias : bool, default True
        Whether the layers have biases, which start at zero.
    output_activation : {"identity", "relu", "sigmoid", "tanh", "gelu", "silu", "softplus"}
        Nonlinearity after the last layer.
    kernel_init : callable, optional
        Initialiser of the kernels, as of ``flax.nnx.initializers``. None takes Glorot's uniform one, which Keras and so
        the published circle study use (Flax's own default is LeCun's).

    Attributes
    ----------
    layers : flax.nnx.List
        The ``flax.nnx.Linear`` layers in order.
    sizes : tuple of int
        As given.

    Raises
    ------
    TypeError
        If a value is of another type.
    InputError
        If there are fewer than two sizes, a size is not positive, or an activation or the seed is invalid; in a call,
        if the inputs do not fit.

    See Also
    --------
    sweeps.train : Trains it.
    sweeps.Objective : Takes any Flax module, this or another.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> network = sweeps.MLP((2, 20, 2), activation="relu", seed=0)
    >>> network(jnp.zeros((5, 2))).shape
    (5, 2)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str = "relu",
        seed: int = 0,
        use_bias: bool = True,
        output_activation: str = "identity",
        kernel_init: nnx.Initializer | None = None,
    ):
        self.sizes = _checked_sizes(sizes)
        self.activation = _checks.one_of("activation", activation, list(ACTIVATIONS))
        self.output_activation = _checks.one_of("output_activation", output_activation, list(ACTIVATIONS))
        if kernel_init is not None and not callable(kernel_init):
            raise InputTypeError(f"kernel_init must be an initialiser, got {type(kernel_init).__name__}")
        use_bias = _checks.flag("use_bias", use_bias)
        rngs = nnx.Rngs(_seeds.key(seed))
        with _seeds.pinned():
            self.layers = nnx.List(
                nnx.Linear(
                    inputs,
                    outputs,
                    use_bias=use_bias,
                    kernel_init=kernel_init or nnx.initializers.glorot_uniform(),
                    rngs=rngs,
                )
                for inputs, outputs in zip(self.sizes[:-1], self.sizes[1:], strict=True)
            )

    def __call__(self, inputs: Shaped[Array, "*examples features"]) -> Float[Array, "*examples outputs"]:
        """Return the logits (or values) of each example."""
        features = self.layers[0].in_features
        if inputs.ndim == 0 or inputs.shape[-1] != features:
            raise InputError(
                f"inputs of shape {tuple(inputs.shape)} do not fit the network: the last axis must have {features} "
                "features"
            )
        hidden = inputs
        for layer in self.layers[:-1]:
            hidden = ACTIVATIONS[self.activation](layer(hidden))
        return ACTIVATIONS[self.output_activation](self.layers[-1](hidden))


def _checked_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    if isinstance(sizes, str) or not isinstance(sizes, Sequence | np.ndarray):
        raise InputTypeError(f"sizes must be numbers (inputs, ..., outputs), got {_checks.shown(sizes)}")
    numbers = tuple(_checks.whole("sizes", size, 1) for size in sizes)
    if len(numbers) < 2:
        raise InputError(f"sizes must be at least two numbers (inputs, ..., outputs), got {numbers}")
    return numbers


def is_plain(network: Any) -> bool:
    """Whether a network is exactly an MLP of nnx.Linear layers, as subclasses may compute something else."""
    return type(network) is MLP and all(type(layer) is nnx.Linear for layer in network.layers)
