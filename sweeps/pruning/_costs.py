"""Costs: size of a network, and time of its forward pass."""

import time
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sweeps import _checks, _compiling, _examples
from sweeps.pruning import _parameters


class Cost(NamedTuple):
    """Size and time of a network.

    Attributes
    ----------
    parameters : int
        Number of parameters.
    nonzero : int
        Number of parameters that are not zero.
    bytes : int
        Size of all parameters.
    seconds : float
        Median time of a jitted forward pass over the inputs, in evaluation mode.

    See Also
    --------
    cost : Measures it.
    """

    parameters: int
    nonzero: int
    bytes: int
    seconds: float


def cost(network: nnx.Module, inputs: Any, *, repeats: int = 30) -> Cost:
    """Count a network's parameters and time its forward pass, to compare a zeroed network with a smaller one.

    Parameters
    ----------
    network : flax.nnx.Module
        It is not changed.
    inputs : array or pytree, (examples, ...)
        Examples of a pass.
    repeats : int, default 30
        Number of timed passes, of which the median is taken; two passes that are not timed come first and compile.

    Returns
    -------
    Cost
        Numbers of parameters, bytes and seconds.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module, or ``repeats`` no whole number.
    InputError
        If ``repeats`` is not positive, or the inputs are not finite numbers of shape (examples, ...).

    See Also
    --------
    remove_nodes : Makes a smaller network.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> sweeps.pruning.cost(sweeps.MLP((2, 20, 2), seed=0), jnp.zeros((5, 2)), repeats=1)[:3]
    (102, 80, 408)
    """
    _parameters.checked_network(network)
    repeats, inputs = _checks.whole("repeats", repeats, 1), _examples.checked_inputs(inputs)
    arrays = [variable[...] for variable in _parameters.by_path(network).values()]
    clone = nnx.clone(network)
    clone.eval()
    graph, state = nnx.split(clone)
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        jax.block_until_ready(_forward(state, inputs, graph=graph))
        times.append(time.perf_counter() - start)
    return Cost(
        sum(array.size for array in arrays),
        sum(int(jnp.count_nonzero(array)) for array in arrays),
        sum(array.nbytes for array in arrays),
        float(np.median(times[2:])),
    )


@partial(_compiling.jit, static_argnames=("graph",))
def _forward(state: Any, inputs: Any, graph: Any) -> Any:
    return nnx.merge(graph, state, copy=True)(inputs)
