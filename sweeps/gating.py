"""Gating: put gates on the nodes of a trained network from outside, without touching it.

A gate multiplies a node's activation. It is applied where the activation is read, at the input of the next
layer: a gate before a ReLU would have no gradient at zero, and before a sigmoid would not switch the node off.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Shaped


class Gate(nnx.Variable):
    """The gates on the input of one layer, shape (nodes,)."""


class Site(NamedTuple):
    """A layer whose input is gated.

    Attributes
    ----------
    path : where the layer is in the network, such as ``layers/1``
    source : path of the layer that makes the activations, for naming the nodes
    nodes : number of its gates
    """

    path: str
    source: str
    nodes: int

    @property
    def labels(self) -> list[str]:
        """Names of the nodes, such as ``layers/0 unit 3``."""
        return [f"{self.source} unit {unit}" for unit in range(self.nodes)]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GatedNetwork:
    """A network on fixed inputs as a pure function of its gates.

    Attributes
    ----------
    state : parameters and everything else that the network holds, but for the gates
    inputs : array of shape (examples, ...); integers are for networks that begin with an embedding
    graph : the network's structure, static
    sites : the gated layers in the order of the gate vector, static
    dtype : type of the gates, that of the activations they multiply, static
    """

    state: Any
    inputs: Shaped[Array, "examples ..."]
    graph: Any = field(metadata=dict(static=True))
    sites: tuple[Site, ...] = field(metadata=dict(static=True))
    dtype: Any = field(metadata=dict(static=True))

    @property
    def nodes(self) -> int:
        """Length of the gate vector."""
        return sum(site.nodes for site in self.sites)

    @property
    def outputs(self) -> jax.ShapeDtypeStruct:
        """Shape and type of the outputs."""
        return jax.eval_shape(self, jax.ShapeDtypeStruct((self.nodes,), self.dtype))

    def __call__(self, gates: Float[Array, " nodes"]) -> Float[Array, "examples outputs"]:
        """Return the outputs on every example."""
        variables: list[tuple[tuple[str | int, ...], Gate]] = []
        start = 0
        for site in self.sites:
            variables.append(((*_steps(site.path), "node_gate"), Gate(gates[start : start + site.nodes])))
            start += site.nodes
        # copy=True: without it, modules that use nnx.scan fail to merge inside a traced function.
        network = nnx.merge(self.graph, nnx.from_flat_state(variables), self.state, copy=True)
        return network(self.inputs)


def attach(network: nnx.Module, inputs: Shaped[Array, "examples ..."]) -> GatedNetwork:
    """Put a gate on every hidden node: on each input of every dense layer but the first.

    Parameters
    ----------
    network : module made of ``nnx.Linear`` layers; it is cloned, never changed
    inputs : the examples on which the gated network is evaluated

    Raises
    ------
    TypeError
        If the network is no nnx module.
    ValueError
        If the network does not accept the inputs, or has no hidden layer to gate.
    """
    if not isinstance(network, nnx.Module):
        raise TypeError(f"network must be a flax.nnx.Module, got {type(network).__name__}")
    clone = nnx.clone(network)
    clone.eval()
    sites, dtype = _hidden_sites(clone, inputs)
    for site in sites:
        layer = _find(clone, site.path)
        kind: Any = type(layer)
        layer.__class__ = _gated(kind)
        layer.node_gate = Gate(jnp.ones(site.nodes, dtype))
    graph, *states = nnx.split(clone, Gate, ...)
    return GatedNetwork(states[1], inputs, graph, sites, dtype)


def _hidden_sites(network: nnx.Module, inputs: jax.Array) -> tuple[tuple[Site, ...], Any]:
    """Sites in the order of the calls, and the type of the activations."""
    calls: dict[str, jax.Array] = {}
    with _recorded(network, calls.setdefault):
        output_shape(network, inputs)
    paths = list(calls)
    sites = tuple(Site(path, source, calls[path].shape[-1]) for source, path in zip(paths, paths[1:], strict=False))
    if not sites:
        raise ValueError("network has no hidden dense layer to gate: expected two or more nnx.Linear layers")
    return sites, calls[sites[0].path].dtype


def output_shape(network: nnx.Module, inputs: jax.Array) -> jax.ShapeDtypeStruct:
    """Shape and type of a network's outputs; the network is not changed.

    Raises
    ------
    ValueError
        If the network does not accept the inputs.
    """
    # Split and merged, so that running statistics that a call updates stay out of the caller's network.
    graph, state = nnx.split(network)
    try:
        return jax.eval_shape(lambda state, inputs: nnx.merge(graph, state, copy=True)(inputs), state, inputs)
    except (TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"inputs of shape {inputs.shape} do not fit the network: {reason}") from error


@contextmanager
def _recorded(network: nnx.Module, record: Callable[[str, jax.Array], Any]) -> Iterator[None]:
    """Call ``record`` with the path and the input of each dense layer as it is called."""
    layers: dict[str, Any] = {
        "/".join(map(str, path)): module for path, module in nnx.iter_modules(network) if isinstance(module, nnx.Linear)
    }
    classes = {path: type(layer) for path, layer in layers.items()}

    def recording(kind: type) -> type:
        def call(self: Any, inputs: jax.Array, *arguments: Any, **options: Any) -> Any:
            record(self.recorded_path, inputs)
            return kind.__call__(self, inputs, *arguments, **options)

        return type(f"Recording{kind.__name__}", (kind,), {"__call__": call})

    for path, layer in layers.items():
        layer.__class__ = recording(classes[path])
        layer.recorded_path = path
    try:
        yield
    finally:
        for path, layer in layers.items():
            layer.__class__ = classes[path]
            del layer.recorded_path


@cache
def _gated(kind: type) -> type:
    """Return the subclass whose input is multiplied by its gates.

    Swapping the class, and not wrapping the layer, keeps parameter paths and code that reads ``layer.kernel``.
    Cached, so that equal networks have equal structure and jit traces once.
    """

    def call(self: Any, inputs: jax.Array, *arguments: Any, **options: Any) -> Any:
        gates = self.node_gate[...].reshape((1,) * (inputs.ndim - 1) + (-1,))
        return kind.__call__(self, inputs * gates, *arguments, **options)

    return type(f"Gated{kind.__name__}", (kind,), {"__call__": call})


def _steps(path: str) -> tuple[str | int, ...]:
    return tuple(int(step) if step.isdigit() else step for step in path.split("/"))


def _find(network: Any, path: str) -> Any:
    for step in _steps(path):
        network = network[step] if isinstance(step, int) else getattr(network, step)
    return network
