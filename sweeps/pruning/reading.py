"""Reading: what a network's layers read on given inputs, its mean and its spread."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from analysis.errors import InputError, InputTypeError, UnsupportedError
from sweeps import checks, compiling, examples
from sweeps.gating.nnx_models import NnxModel
from sweeps.gating.recording import Callee, Recorder, errors_of_inputs, first_argument
from sweeps.networks import ACTIVATIONS, MLP, is_plain
from sweeps.plans import separable
from sweeps.pruning import parameters

# Examples whose activations are in memory together.
CHUNK = 1024


def mean_activations(
    network: nnx.Module, inputs: Any, layers: Collection[str]
) -> dict[str, Float[np.ndarray, " features"]]:
    """Mean of every feature that layers read, over the examples and all positions, summed in double precision.

    Parameters
    ----------
    network : a flax.nnx module, evaluated as it is in evaluation mode; it is not changed
    inputs : examples, an array or a pytree of arrays with leading axis (examples,)
    layers : paths of layers, such as ``layers/1``

    Returns
    -------
    by layer, shape (features,): the last axis of what it reads

    Raises
    ------
    TypeError
        If the network is no flax.nnx module, or the layers are no list of texts.
    NotImplementedError
        If a layer is called within a loop or a remat, where its inputs are not to be seen.
    ValueError
        If the inputs are not finite or do not fit the network, or a layer is never called.
    """
    parameters.checked_network(network)
    if not isinstance(layers, Collection) or isinstance(layers, str) or not all(isinstance(one, str) for one in layers):
        raise InputTypeError(f"layers must be a list of paths, such as ['layers/1'], got {checks.shown(layers)}")
    return _averages(network, examples.checked_inputs(inputs), {layer: lambda values: values for layer in layers})


def deviations(network: nnx.Module, inputs: Any, layers: Mapping[str, int]) -> dict[str, Float[np.ndarray, " nodes"]]:
    """Standard deviation of every node that layers read, over the examples and all positions, in two passes.

    Parameters
    ----------
    network, inputs : as for ``mean_activations``
    layers : by path, how many times its features hold the nodes, as after an image is flattened

    Raises
    ------
    NotImplementedError, ValueError
        As ``mean_activations``.
    """
    means = {
        layer: mean.reshape(layers[layer], -1).mean(axis=0)
        for layer, mean in mean_activations(network, inputs, layers).items()
    }

    def squares(layer: str) -> Callable[[np.ndarray], np.ndarray]:
        return lambda values: np.square(values.reshape(-1, len(means[layer])) - means[layer])

    found = _averages(network, inputs, {layer: squares(layer) for layer in layers})
    return {layer: np.sqrt(variance) for layer, variance in found.items()}


def _averages(
    network: nnx.Module, inputs: Any, layers: Mapping[str, Callable[[np.ndarray], np.ndarray]]
) -> dict[str, Float[np.ndarray, " _"]]:
    """Mean over rows of what a function makes of the rows (rows, features) that a layer reads."""
    sums: dict[str, Any] = dict.fromkeys(layers, 0.0)
    counts = dict.fromkeys(layers, 0)

    def note(path: str, values: Array) -> None:
        if isinstance(values, jax.core.Tracer):
            raise UnsupportedError(f"{path} is called within a loop or a remat: what it reads is not to be seen")
        rows = layers[path](np.asarray(values).astype(np.float64).reshape(-1, values.shape[-1]))
        sums[path] = sums[path] + rows.sum(axis=0)
        counts[path] += len(rows)

    size = _together(network, inputs)
    for start in range(0, examples.examples_in(inputs), size):
        _read(network, jax.tree.map(lambda leaf, start=start: leaf[start : start + size], inputs), layers, note)
    for path, count in counts.items():
        if count == 0:
            raise InputError(f"layers: {path} is never called")
    return {path: total / counts[path] for path, total in sums.items()}


def _together(network: nnx.Module, inputs: Any) -> int:
    """Examples to read together: all, where the outputs of one were seen to depend on the others."""
    number = examples.examples_in(inputs)
    if number <= CHUNK or is_plain(network):
        return CHUNK
    clone = nnx.clone(network)
    clone.eval()
    graph, state = nnx.split(clone)
    data = examples.Examples(inputs, jnp.zeros(number), None)
    with jax.default_matmul_precision("highest"):
        apart = separable.is_shown(lambda part: _outputs(state, part.inputs, graph=graph), data, CHUNK)
    return CHUNK if apart else number


@partial(compiling.jit, static_argnames=("graph",))
def _outputs(state: Any, inputs: Any, graph: Any) -> Array:
    outputs = jax.tree.leaves(nnx.merge(graph, state, copy=True)(inputs))
    flat = [leaf.reshape(examples.examples_in(inputs), -1).astype(jnp.float32) for leaf in outputs]
    return jnp.concatenate(flat, axis=1)


def fires(network: nnx.Module, inputs: Any, readers: Mapping[str, Iterable[str]]) -> dict[str, bool]:
    """Whether what a layer makes is still not zero where it is read, when its weights and biases are.

    Parameters
    ----------
    network, inputs : the network is not changed
    readers : paths of the layers that read what a layer makes, by its path
    """
    if type(network) is MLP:
        # What is known needs no pass through the network.
        with jax.disable_jit():
            return dict.fromkeys(readers, bool(ACTIVATIONS[network.activation](jnp.zeros(())) != 0))
    silent = parameters.copied(network)
    modules, found = parameters.modules(silent), dict.fromkeys(readers, False)
    for path in readers:
        for variable in parameters.by_path(modules[path]).values():
            variable.set_value(jnp.asarray(np.zeros(variable.shape, variable.dtype)))
    makers = {reader: path for path, layers in readers.items() for reader in layers}

    def note(path: str, values: Array) -> None:
        # Where nothing is to be seen, the answer that is right in any case.
        found[makers[path]] |= isinstance(values, jax.core.Tracer) or bool((np.asarray(values) != 0).any())

    _read(silent, inputs, makers, note)
    return found


def _read(network: nnx.Module, inputs: Any, layers: Iterable[str], note: Callable[[str, Array], None]) -> None:
    # Operation by operation, so that there are numbers also within what the network jits.
    with jax.disable_jit(), jax.default_matmul_precision("highest"), errors_of_inputs(inputs):
        NnxModel(network).recorded(_Reader(layers, note), inputs)


class _Reader(Recorder):
    """What is told what some layers read.

    Parameters
    ----------
    layers : their paths
    note : (path, what it reads) -> None
    """

    def __init__(self, layers: Iterable[str], note: Callable[[str, Array], None]):
        super().__init__(lambda path: None)
        self._layers, self._note = frozenset(layers), note

    def call(self, callee: Callee, run: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if callee.path in self._layers:
            self._note(callee.path, first_argument(arguments, options)[0])
        return run(*arguments, **options)
