"""Networks: a plain multilayer perceptron in flax.nnx, with no gate code inside."""

from collections.abc import Callable, Sequence

import jax
from flax import nnx
from jaxtyping import Array, Float, Shaped

from analysis.errors import InputError

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

    The outputs are logits, or values for a regression: the loss adds the softmax.

    Parameters
    ----------
    sizes : number of inputs, of nodes in each hidden layer, and of outputs; at least an input and an output
    activation : name of the nonlinearity after each hidden layer, a key of ``networks.ACTIVATIONS``
    seed : seed of the initial kernels
    use_bias : whether the layers have biases, which start at zero
    output_activation : name of the nonlinearity after the last layer
    kernel_init : initialiser of the kernels
        Glorot's uniform one, as in Keras, where the circle study was first done; Flax itself has LeCun's.

    Attributes
    ----------
    layers : nnx.List of nnx.Linear, in order

    Raises
    ------
    ValueError
        If there are fewer than two sizes, a size is not positive, or an activation is unknown.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> net = sweeps.MLP((2, 20, 2), activation="relu", seed=0)
    >>> net(jnp.zeros((5, 2))).shape
    (5, 2)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        seed: int = 0,
        *,
        use_bias: bool = True,
        output_activation: str = "identity",
        kernel_init: nnx.Initializer | None = None,
    ):
        if len(sizes) < 2 or min(sizes) < 1:
            raise InputError(f"sizes must be at least two positive numbers (inputs, ..., outputs), got {tuple(sizes)}")
        for argument, name in {"activation": activation, "output_activation": output_activation}.items():
            if name not in ACTIVATIONS:
                raise InputError(f"{argument} must be one of {', '.join(ACTIVATIONS)}, got {name!r}")
        self.sizes = tuple(sizes)
        self.activation = activation
        self.output_activation = output_activation
        rngs = nnx.Rngs(seed)
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
        hidden = inputs
        for layer in self.layers[:-1]:
            hidden = ACTIVATIONS[self.activation](layer(hidden))
        return ACTIVATIONS[self.output_activation](self.layers[-1](hidden))
