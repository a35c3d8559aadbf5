"""Attaching: turns a network into a pure function of its gates and inputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from analysis._errors import InputError, InputTypeError
from sweeps import _calling, _program
from sweeps._examples import examples_in, on_device
from sweeps._program import Site
from sweeps.gating import _choosing
from sweeps.gating._functions import GateFunction
from sweeps.gating._wiring import Wiring


class Runs(Protocol):
    """Computes outputs from parameters, inputs and the gates of each site; static to jit."""

    def run(
        self, params: Any, inputs: Any, gates: Mapping[Site, Array], off: Mapping[Site, Any] | None, reference: Any, /
    ) -> Any:
        """Return the outputs."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GatedNetwork:
    """A network as a pure function of its gates and inputs.

    It is a pytree: parameters and off values are its leaves, and all else is static to jit.

    Attributes
    ----------
    params : pytree
        Parameters and everything else that the network holds.
    network : object
        Computes outputs from parameters, inputs and the gates of each site.
    wiring : Wiring
        Which gate each node has.
    dtype : object
        Type of the gate vector: the widest of the activations, at least float32.
    floats : int
        Approximate size of all activations for an example, in numbers.
    off : array, (nodes,), or tuple or None
        What nodes are when they are off: a number each; or for each site a tuple of what stands at its places; None for
        zero.
    nodes : int
        Length of the gate vector.
    weights : int
        How many numbers the network holds.
    """

    params: Any
    network: Runs = field(metadata=dict(static=True))
    wiring: Wiring = field(metadata=dict(static=True))
    dtype: Any = field(metadata=dict(static=True))
    floats: int = field(metadata=dict(static=True))
    off: Any = None

    @property
    def nodes(self) -> int:
        """Length of the gate vector."""
        return len(self.wiring.labels)

    @property
    def weights(self) -> int:
        """How many numbers the network holds."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.params))

    def __call__(self, gates: Float[Array, " nodes"], inputs: Any, reference: Any = None) -> Any:
        """Return the outputs for inputs with leading axis (examples,).

        Parameters
        ----------
        gates : array, (nodes,)
            1 = on, 0 = off, between = a partial gain.
        inputs : array or pytree, (examples, ...)
            Examples.
        reference : array or pytree, (examples, ...), optional
            Inputs like these, in place of ``off``: nodes that are off have the values they have there.

        Returns
        -------
        array or pytree, (examples, ...)
            The network's outputs.
        """
        off = self.off
        if off is not None:
            off = dict(zip(self.wiring.sites, off, strict=True)) if isinstance(off, tuple) else self.wiring.spread(off)
        return self.network.run(self.params, inputs, self.wiring.spread(gates), off, reference)


def attach(
    network: Any,
    inputs: Any,
    *,
    sites: _choosing.Selection = None,
    variables: Any = None,
    params: Any = None,
    call: Any = None,
) -> GatedNetwork:
    """Put gates on a network's nodes, by default on every hidden node.

    ``sweeps.Objective`` does this itself. The gated network is for what an objective is not made for, such as a loss of
    one's own over several batches: it can be called under ``jax.jit``, ``jax.grad`` and ``jax.vmap``.

    Parameters
    ----------
    network : flax.nnx.Module or flax.linen.Module or callable
        A module, or a function (params, inputs) -> outputs. It is not changed.
    inputs : array or pytree, (examples, ...)
        Examples, with which the network is traced. Later inputs may be more or fewer.
    sites : str, type, sweeps.Tied, list or dict, optional
        Which nodes have gates, as for ``sweeps.Objective``; None takes every hidden node.
    variables : dict, optional
        Of a linen module, as its ``init`` returns them.
    params : pytree, optional
        Of a function.
    call : callable, optional
        How a module is called where it is not by ``network(inputs)``: (network, inputs) -> outputs.

    Returns
    -------
    GatedNetwork
        A function (gates, inputs) -> outputs.

    Raises
    ------
    TypeError
        If the network is neither a Flax module nor a function with parameters.
    InputError
        If a site is unknown or cannot be gated.

    See Also
    --------
    sites : Lists what can be gated.
    sweeps.Objective : The mean loss of a gated network on a batch.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> gated = attach(sweeps.MLP((2, 3, 2)), jnp.ones((1, 2)), sites="layers/0")
    >>> gated.nodes, gated.wiring.labels[0]
    (3, 'layers/0 unit 0')
    """
    apply, params = as_function(network, variables, params, call)
    inputs = jax.tree.map(jnp.asarray, inputs)
    read = _program.read(apply, params, inputs)
    wiring = _choosing.choose(read, sites, lambda: kinds_of(apply, params, inputs))
    floats = max(1, read.first.floats // examples_in(inputs))
    return GatedNetwork(jax.tree.map(on_device, params), read, wiring, read.first.dtype, floats)


def of_function(function: Callable[[Array, Any], Any], nodes: int, inputs: Any) -> GatedNetwork:
    """Return a function that applies its gates itself as a gated network.

    Parameters
    ----------
    function : callable
        Pure: (gates (nodes,), inputs) -> outputs.
    nodes : int
        Number of gates.
    inputs : array or pytree, (examples, ...)
        Examples, with which the function is traced.

    Returns
    -------
    GatedNetwork
        With one site, ``function``, and a gate for each of its nodes.

    Raises
    ------
    TypeError
        If it is a Flax module or no function.
    InputError
        If the function's outputs do not depend on the gates.

    See Also
    --------
    attach : Puts gates on a network that has none.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> gated = of_function(lambda gates, inputs: inputs * gates[None], nodes=3, inputs=jnp.ones((1, 3)))
    >>> gated(jnp.array([1.0, 0.0, 0.5]), jnp.ones((1, 3))).tolist()
    [[1.0, 0.0, 0.5]]
    """
    if isinstance(function, nnx.Module | nn.Module):
        raise InputTypeError(
            "nodes is for a function (gates, inputs) -> outputs; choose the nodes of a module by sites="
        )
    if not callable(function):
        raise InputTypeError(f"network must be a function (gates, inputs) with nodes, got {type(function).__name__}")
    gates = jax.ShapeDtypeStruct((nodes,), jnp.float32)
    with _calling.network(inputs):
        outputs = jax.eval_shape(function, gates, inputs)
    if _program.trace(function, gates, inputs).unread:
        raise InputError("the function's outputs do not depend on its gates")
    leaves = jax.tree.leaves(outputs)
    size = nodes + sum(leaf.size for leaf in leaves) // examples_in(inputs)
    site = Site("function", "node", nodes, "function", (), tuple(range(nodes)), ("function",))
    dtype = _program.widest(leaf.dtype for leaf in leaves)
    return GatedNetwork((), GateFunction(function), Wiring.of_site(site), dtype, size)


def as_function(network: Any, variables: Any, params: Any, call: Any) -> tuple[Any, Any]:
    """Return a network as a function of parameters and inputs, and its parameters.

    Parameters
    ----------
    network : flax.nnx.Module or flax.linen.Module or callable
        As for ``attach``, like all below.
    variables : dict or None
        Of a linen module.
    params : pytree or None
        Of a function.
    call : callable or None
        How a module is called.

    Returns
    -------
    function : callable
        (params, inputs) -> outputs, which equals that of another call with the same network.
    params : pytree
        Its parameters.

    Raises
    ------
    TypeError
        If it is neither a Flax module nor a function, or its parameters are missing or of another kind.
    """
    if call is not None and not callable(call):
        raise InputTypeError(f"call must be a function (network, inputs) -> outputs, got {type(call).__name__}")
    is_module = isinstance(network, nnx.Module | nn.Module)
    if isinstance(network, nn.Module) and network.scope is not None and variables is None:
        network, variables = network.unbind()
    if is_module and params is not None:
        own = "give variables= to a linen module" if isinstance(network, nn.Module) else "a Flax module has its own"
        raise InputTypeError(f"params are for a function (params, inputs) -> outputs; {own}")
    if isinstance(network, nnx.Module):
        if variables is not None:
            raise InputTypeError("variables are for flax.linen modules; a flax.nnx module holds its own")
        return _program.of_nnx(network, call)
    if isinstance(network, nn.Module):
        if variables is None:
            raise InputTypeError("a flax.linen module needs its variables: give variables=")
        return _program.of_linen(network, variables, call)
    if hasattr(network, "apply_fn") and hasattr(network, "params"):
        raise InputTypeError(
            "network is a TrainState: give the module, and variables=state; or state.apply_fn, and "
            'params={"params": state.params}'
        )
    if hasattr(params, "apply_fn") and hasattr(params, "params"):
        raise InputTypeError("params is a TrainState: give params=state.params")
    if callable(network) and params is not None:
        if variables is not None or call is not None:
            raise InputTypeError("variables and call are for modules; a function is called as (params, inputs)")
        return _program.of_function(network, params)
    if callable(network):
        raise InputTypeError(
            "network is a function: give its params=, with function(params, inputs); or nodes=, the number of gates, "
            "with function(gates, inputs)"
        )
    raise InputTypeError(
        "network must be a flax.nnx.Module, a flax.linen.Module with variables, a function (params, inputs) with "
        f"params, or a function (gates, inputs) with nodes, got {type(network).__name__}"
    )


def kinds_of(apply: Any, params: Any, inputs: Any) -> dict[str, type]:
    """Return the type of the module at each path; empty for a function."""
    return apply.kinds(params, inputs) if isinstance(apply, _program.OfNnx | _program.OfLinen) else {}


def output_shape(network: nnx.Module, inputs: Any) -> Any:
    """Return shapes and types of a module's outputs; nothing is computed, and the module is not changed.

    Parameters
    ----------
    network : flax.nnx.Module
        Called as ``network(inputs)``.
    inputs : array or pytree, (examples, ...)
        Examples, of which only shapes and types matter.

    Returns
    -------
    jax.ShapeDtypeStruct or pytree
        Shape and type of each output.

    Raises
    ------
    InputError
        If the module does not accept the inputs.

    See Also
    --------
    sites : What makes nodes in a network.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> output_shape(sweeps.MLP((2, 3, 2)), jnp.ones((5, 2))).shape
    (5, 2)
    """
    # A call updates running statistics of the copy, not of the caller's module.
    graph, state = nnx.split(network)
    with _calling.network(inputs):
        return jax.eval_shape(lambda state, inputs: nnx.merge(graph, state, copy=True)(inputs), state, inputs)
