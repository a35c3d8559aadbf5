"""Attaching: a network becomes a pure function of its gates and inputs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from analysis.errors import InputError, InputTypeError
from sweeps.examples import examples_in
from sweeps.pruning.old_gating import choosing, finding, linen_models, nnx_models
from sweeps.pruning.old_gating.flow import Flow
from sweeps.pruning.old_gating.functions import FunctionForward
from sweeps.pruning.old_gating.recording import errors_of_inputs
from sweeps.pruning.old_gating.site import Site


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GatedNetwork:
    """A network as a pure function of its gates and inputs.

    Attributes
    ----------
    state : parameters and everything else that the network holds, but for the gates
    forward : what makes outputs of state, gates and inputs, static
    sites : the gated activations in the order of the gate vector, static
    dtype : type of the gate vector: the widest of the activations, at least float32, static
    floats : numbers in what layers read and make of one example, about, static
    """

    state: Any
    forward: finding.Forward = field(metadata=dict(static=True))
    sites: tuple[Site, ...] = field(metadata=dict(static=True))
    dtype: Any = field(metadata=dict(static=True))
    floats: int = field(metadata=dict(static=True))

    @property
    def nodes(self) -> int:
        """Length of the gate vector."""
        return sum(site.size for site in self.sites)

    def __call__(self, gates: Float[Array, " nodes"], inputs: Any) -> Any:
        """Return the outputs for inputs with leading axis (examples,)."""
        parts, start = [], 0
        for site in self.sites:
            parts.append((site, site.stacked(gates[start : start + site.size])))
            start += site.size
        return self.forward(self.state, parts, inputs)


def attach(
    network: Any, inputs: Any, sites: choosing.Selection = None, *, variables: Any = None, call: Any = None
) -> GatedNetwork:
    """Put gates on a network's nodes: by default on every hidden activation, once.

    Parameters
    ----------
    network : flax.nnx or flax.linen module; it is never changed
    inputs : examples, an array or a pytree of arrays with leading axis (examples,)
    sites : which nodes; see ``sweeps.Objective``
    variables : of a linen module
    call : how the network is called: (network, inputs) -> outputs; see ``sweeps.Objective``

    Raises
    ------
    TypeError
        If the network is no Flax module.
    ValueError
        If the sites are not there, or gates of one do not reach the outputs.
    """
    model, inputs = as_model(network, variables, call), jax.tree.map(jnp.asarray, inputs)
    calls = finding.Calls(model, inputs, choosing.wanted_modules(sites))
    chosen = choosing.choose(calls, calls.found(), sites)
    gated = put_on(model, chosen, calls, inputs)
    for site, reaches in zip(gated.sites, reach(gated, inputs), strict=True):
        if not reaches:
            raise InputError(f"sites: gates of {site.path} do not reach the output")
    return gated


def of_function(function: Callable[[Array, Any], Any], nodes: int, inputs: Any) -> GatedNetwork:
    """Return a pure function (gates (nodes,), inputs) -> outputs as a gated network.

    Raises
    ------
    InputError
        If the function's outputs do not depend on the gates.
    InputTypeError
        If it is a Flax module, or no function.
    """
    if isinstance(function, nnx.Module | nn.Module):
        raise InputTypeError(
            "nodes are for a function (gates, inputs) -> outputs; which nodes of a module, sites= says"
        )
    if not callable(function):
        raise InputTypeError(f"network must be a function (gates, inputs) with nodes, got {type(function).__name__}")
    site = Site("function", "node", nodes, "input", ())
    with errors_of_inputs(inputs):
        outputs = jax.eval_shape(function, jax.ShapeDtypeStruct((nodes,), jnp.float32), inputs)
    leaves = jax.tree.leaves(outputs)
    dtype = finding.widest(leaf.dtype for leaf in leaves)
    size = nodes + sum(leaf.size for leaf in leaves) // examples_in(inputs)
    gated = GatedNetwork((), FunctionForward(function), (site,), dtype, size)
    if reach(gated, inputs) != [True]:
        raise InputError("the function's outputs do not depend on its gates")
    return gated


def as_model(network: Any, variables: Any, call: Any) -> finding.Model:
    """Return the network as gating sees it.

    Raises
    ------
    TypeError
        If the network is no Flax module, or a linen module has no variables.
    """
    if call is not None and not callable(call):
        raise InputTypeError(f"call must be a function (network, inputs) -> outputs, got {type(call).__name__}")
    if isinstance(network, nnx.Module):
        if variables is not None:
            raise InputTypeError("variables are for flax.linen modules; a flax.nnx module holds its own")
        return nnx_models.NnxModel(network, call)
    if isinstance(network, nn.Module):
        if variables is None:
            raise InputTypeError("a flax.linen module needs its variables: give variables=")
        if not isinstance(variables, Mapping) or "params" not in variables:
            raise InputTypeError("variables must be what module.init returns, a dict with the key 'params' in it")
        return linen_models.LinenModel(network, variables, call)
    raise InputTypeError(
        "network must be a flax.nnx.Module, a flax.linen.Module with variables, or a function with nodes, "
        f"got {type(network).__name__}"
    )


def put_on(model: finding.Model, sites: Iterable[Site], calls: finding.Calls, inputs: Any) -> GatedNetwork:
    """Put gates on sites of a model."""
    chosen = tuple(sites)
    state, forward = model.gated(chosen)
    return GatedNetwork(state, forward, chosen, calls.dtype, max(1, calls.floats // examples_in(inputs)))


def reach(network: GatedNetwork, inputs: Any) -> list[bool]:
    """Whether the gates of each site reach the outputs."""
    names = [f"site {index}" for index in range(len(network.sites))]

    def outputs(gates: list[Array]) -> Any:
        parts = [(site, site.stacked(one)) for site, one in zip(network.sites, gates, strict=True)]
        return network.forward(network.state, parts, inputs)

    program = jax.make_jaxpr(outputs)([jnp.ones(site.size, network.dtype) for site in network.sites])
    reached = frozenset().union(*Flow(program, [frozenset([name]) for name in names]).outputs)
    return [name in reached for name in names]
