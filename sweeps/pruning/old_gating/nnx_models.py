"""Gates on flax.nnx modules: the class of a layer is swapped for a subclass that multiplies by gates.

Swapping the class, and not wrapping the layer, keeps parameter paths and code that reads ``layer.kernel``, and reaches
a layer that is shared wherever it is called.
"""

from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from sweeps.examples import on_device
from sweeps.pruning.old_gating import flow
from sweeps.pruning.old_gating.recording import Callee, Recorder, Shape, errors_of_inputs, first_argument
from sweeps.pruning.old_gating.site import Site, multiplied

# What multiplies its input by a kernel: where activations are read and made.
LAYERS = (nnx.Linear, nnx.LinearGeneral, nnx.Einsum, nnx.Conv, nnx.ConvTranspose)
_CONVOLUTIONS = (nnx.Conv, nnx.ConvTranspose)

_recorder: ContextVar[Recorder] = ContextVar("recorder")


class Gate(nnx.Param):
    """The gates on the input or output of one layer, shape (*copies, nodes).

    A parameter, so that a scan over the copies of a block, whose axes are named for parameters, takes each copy's own.
    """


class NnxForward(NamedTuple):
    """How outputs come from a module's state, its gates and inputs; static to jit.

    Attributes
    ----------
    graph : the module's structure
    steps : names and numbers that lead to each gated layer, by its path
    call : (module, inputs) -> outputs, or None for ``module(inputs)``
    """

    graph: Any
    steps: tuple[tuple[str, tuple[Any, ...]], ...]
    call: Any

    def __call__(self, state: Any, gates: list[tuple[Site, Array]], inputs: Any) -> Any:
        """Return the outputs."""
        steps = dict(self.steps)
        variables = [
            ((*steps[path], f"{site.at}_gate"), Gate(values)) for site, values in gates for path in site.layers
        ]
        # copy=True: without it, modules that use nnx.scan fail to merge inside a traced function.
        network = nnx.merge(self.graph, nnx.from_flat_state(variables), state, copy=True)
        return _called(network, self.call, inputs)


class NnxModel:
    """A flax.nnx module, as gating sees it; the user's own object is only ever cloned.

    Parameters
    ----------
    network : the module
    call : (module, inputs) -> outputs, or None for ``module(inputs)``
    """

    def __init__(self, network: nnx.Module, call: Any = None):
        self._network, self._call = network, call
        self._modules = _modules(network)

    @property
    def convolutions(self) -> tuple[type, ...]:
        """Types of layers whose nodes are channels."""
        return _CONVOLUTIONS

    def recorded(self, recorder: Recorder, inputs: Any) -> Any:
        """Return the outputs for traced inputs; the recorder writes down the calls."""
        clone, once = self._evaluating(), object()
        for path, module in _modules(clone).items():
            if callable(module) and recorder.wants(path, isinstance(module, (*LAYERS, nnx.Embed))):
                kind: Any = type(module)
                module.__class__ = _recording(kind)
                module.recorded_path = path
                # Another structure every time: JAX does not run a function again that it traced with the same one.
                module.recorded_once = once
        token = _recorder.set(recorder)
        try:
            # Split and merged, so that what a call changes in the module is not a traced value that is left behind.
            network = nnx.merge(*nnx.split(clone), copy=True)
            for path, module in _modules(network).items():
                if isinstance(module, LAYERS) and module.kernel is not None:
                    module.kernel[...] = flow.mark(module.kernel[...], "holds", path)
            return _called(network, self._call, inputs)
        finally:
            _recorder.reset(token)

    def stored(self, path: str) -> Shape | None:
        """Shape of a module's first parameter."""
        return _first_shape(self._modules[path])

    def kind_of(self, path: str) -> type:
        """Type of the module at a path."""
        return type(self._modules[path]) if path in self._modules else type(self._network)

    def layers(self) -> dict[str, int]:
        """Paths of all layers, called or not, with the number of nodes that they make."""
        return {
            path: module.kernel.shape[-1]
            for path, module in self._modules.items()
            if isinstance(module, LAYERS) and module.kernel is not None
        }

    def gated(self, sites: tuple[Site, ...]) -> tuple[Any, NnxForward]:
        """Return the state without gates, and what makes outputs of it."""
        clone = self._evaluating()
        modules = _modules(clone)
        steps = {"/".join(map(str, path)): path for path, _ in nnx.iter_modules(clone)}
        for site in sites:
            for path in site.layers:
                layer: Any = modules[path]
                if not hasattr(layer, "gate_spreads"):
                    kind: Any = type(layer)
                    layer.__class__ = _gated(kind)
                    layer.gate_spreads = ()
                layer.gate_spreads = (*layer.gate_spreads, (site.at, site.spread))
                setattr(layer, f"{site.at}_gate", Gate(jnp.ones((*site.stack, site.nodes))))
        graph, *states = nnx.split(clone, Gate, ...)
        return jax.tree.map(on_device, states[1]), NnxForward(
            graph, tuple((path, steps[path]) for site in sites for path in site.layers), self._call
        )

    def _evaluating(self) -> nnx.Module:
        clone = nnx.clone(self._network)
        clone.eval()
        return clone


def output_shape(network: nnx.Module, inputs: Any) -> Any:
    """Shapes and types of a module's outputs; the module is not changed.

    Raises
    ------
    ValueError
        If the module does not accept the inputs.
    """
    # Split and merged, so that running statistics that a call updates stay out of the caller's module.
    graph, state = nnx.split(network)
    with errors_of_inputs(inputs):
        return jax.eval_shape(lambda state, inputs: nnx.merge(graph, state, copy=True)(inputs), state, inputs)


def _called(network: Any, call: Any, inputs: Any) -> Any:
    return network(inputs) if call is None else call(network, inputs)


@cache
def _recording(kind: type) -> type:
    """Return the subclass whose calls are written down.

    Cached, as ``_gated`` is.
    """

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            return kind.__call__(self, *arguments, **options)

        callee = Callee(
            self.recorded_path,
            kind,
            issubclass(kind, LAYERS),
            issubclass(kind, nnx.Embed),
            _first_shape(self),
            self.axis if isinstance(self, nnx.LinearGeneral) else (-1,),
        )
        return _recorder.get().call(callee, run, arguments, options)

    return type(f"Recording{kind.__name__}", (kind,), {"__call__": call})


@cache
def _gated(kind: type) -> type:
    """Return the subclass that multiplies its input, its output or both by gates.

    Cached, so that equal networks have equal structure and jit traces once.
    """

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        spreads = dict(self.gate_spreads)
        if "input" in spreads:
            first, with_first = first_argument(arguments, options)
            arguments, options = with_first(multiplied(first, self.input_gate[...], spreads["input"]))
        outputs = kind.__call__(self, *arguments, **options)
        return multiplied(outputs, self.output_gate[...], spreads["output"]) if "output" in spreads else outputs

    return type(f"Gated{kind.__name__}", (kind,), {"__call__": call})


def _first_shape(module: Any) -> Shape | None:
    leaves = jax.tree.leaves(nnx.state(module, nnx.Param))
    return tuple(leaves[0].shape) if leaves else None


def _modules(network: nnx.Module) -> dict[str, Any]:
    """Modules within a module, by path."""
    return {"/".join(map(str, path)): module for path, module in nnx.iter_modules(network) if path}
