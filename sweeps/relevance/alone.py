"""Alone: whether a network computes the same for an example by itself as beside others."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis.errors import InputError
from sweeps import calling, compiling, precision


def check_alone(function: Any, state: Any, inputs: Array) -> None:
    """Raise InputError if the outputs for an example were seen to depend on the other examples.

    Relevance is of one example at a time, and would be that of another network then. An example is evaluated by
    itself and beside another one. What is not known yet, within ``jax.jit``, is replaced by random numbers.

    Parameters
    ----------
    function : (state, inputs) -> outputs
    state, inputs : as for ``attribute_function``
    """
    if len(inputs) < 2:
        return
    random = np.random.default_rng(0)
    with jax.ensure_compile_time_eval(), calling.network(inputs[:1]):
        state, first = jax.tree.map(partial(_known, random), (state, inputs[0]))
        pair = jnp.stack([first, 3 * first + 1])
        beside, alone = _outputs(function, state, pair), _outputs(function, state, pair[:1])
        narrow = precision.is_narrow(lambda *given: function(*given), state, pair)
    for one, other in zip(jax.tree.leaves(beside), jax.tree.leaves(alone), strict=True):
        one, other = (np.asarray(values, np.float64)[0] for values in (one, other))
        # Rounding alone differs by less.
        close = (0.1 if narrow else 3e-4) * np.abs(other[np.isfinite(other)]).max(initial=0)
        if not np.allclose(one, other, rtol=0, atol=close, equal_nan=True):
            raise InputError(
                "the network computes something else for an example beside others than by itself, as a batch "
                "normalisation does while it trains; relevance is of one example: call it as for testing"
            )


def _known(random: np.random.Generator, leaf: Any) -> Any:
    if not isinstance(leaf, jax.core.Tracer):
        return leaf
    if jnp.issubdtype(leaf.dtype, jnp.floating):
        return jnp.asarray(random.uniform(0.5, 1.5, leaf.shape), leaf.dtype)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0, impl=jax.random.key_impl(leaf)), leaf.shape)
    return jnp.zeros(leaf.shape, leaf.dtype)


def _outputs_(function: Any, state: Any, inputs: Array) -> Any:
    return function(state, inputs)


_outputs = compiling.jit(_outputs_, static_argnames=("function",))
