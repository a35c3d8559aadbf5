"""Alone: checks that a network's outputs for an example do not depend on other examples."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis._errors import InputError
from sweeps import _calling, _compiling, _precision


def check_single(function: Any, state: Any, inputs: Array) -> None:
    """Raise InputError if a network runs with a batch, and not with one example.

    Parameters
    ----------
    function : object
        (state, inputs) -> outputs.
    state, inputs : object or array
        As for ``attribute_function``.
    """

    def shapes(inputs: Any) -> Any:
        with _calling.network(inputs):
            return jax.eval_shape(lambda state, inputs: function(state, inputs), state, inputs)

    cause = None
    try:
        alone = shapes(jax.ShapeDtypeStruct((1, *inputs.shape[1:]), inputs.dtype))
        if all(leaf.shape[:1] == (1,) for leaf in jax.tree.leaves(alone)):
            return
    except (TypeError, ValueError) as error:
        cause = error
    whole = shapes(inputs)
    if cause is not None or all(leaf.shape[:1] == inputs.shape[:1] for leaf in jax.tree.leaves(whole)):
        # Its initial state, say, is one of so many examples.
        raise InputError(
            f"the network runs with {len(inputs)} examples and not with one, and relevance is that of single examples: "
            f"take sizes from inputs.shape[0] where it holds a number of examples"
        ) from cause


def check_alone(function: Any, state: Any, inputs: Array) -> None:
    """Raise InputError if the outputs for an example depend on the other examples.

    Relevance is computed for single examples, and would then be that of another network. The first example is
    evaluated alone and with a second. Within ``jax.jit`` random numbers replace traced values.

    Parameters
    ----------
    function : object
        (state, inputs) -> outputs.
    state, inputs : object or array
        As for ``attribute_function``.
    """
    if len(inputs) < 2:
        return
    random = np.random.default_rng(0)
    with jax.ensure_compile_time_eval(), _calling.network(inputs[:1]):
        state, first = jax.tree.map(partial(_known, random), (state, inputs[0]))
        pair = jnp.stack([first, 3 * first + 1])
        beside, alone = _outputs(function, state, pair), _outputs(function, state, pair[:1])
        narrow = _precision.is_narrow(lambda *given: function(*given), state, pair)
    for pair_leaf, alone_leaf in zip(jax.tree.leaves(beside), jax.tree.leaves(alone), strict=True):
        in_pair, single = (np.asarray(values, np.float64)[0] for values in (pair_leaf, alone_leaf))
        # Above the differences of rounding.
        close = (0.1 if narrow else 3e-4) * np.abs(single[np.isfinite(single)]).max(initial=0)
        if not np.allclose(in_pair, single, rtol=0, atol=close, equal_nan=True):
            raise InputError(
                "the network's outputs for an example depend on other examples, as with batch normalisation in "
                "training mode; relevance needs single examples: call it in evaluation mode"
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


_outputs = _compiling.jit(_outputs_, static_argnames=("function",))
