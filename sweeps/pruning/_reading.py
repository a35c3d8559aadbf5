"""Reading: mean and standard deviation of nodes, and of what layers read, over examples."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from flax import nnx
from jaxtyping import Float

from analysis._errors import InputError, InputTypeError, UnsupportedError
from sweeps import _checks, _examples, _program
from sweeps._networks import is_plain
from sweeps._plans import separable
from sweeps._program import Network, Place
from sweeps.pruning import _parameters, _structure

Read = tuple[Network, Any]  # a network as a function, and its parameters

# Examples whose activations are in memory together.
CHUNK = 1024


def mean_activations(
    network: nnx.Module, inputs: Any, layers: Collection[str]
) -> dict[str, Float[np.ndarray, " features"]]:
    """Return the mean of every feature that layers read, over examples and positions, summed in double precision.

    Parameters
    ----------
    network : flax.nnx.Module
        Evaluated in evaluation mode; it is not changed.
    inputs : array or pytree, (examples, ...)
        Examples.
    layers : sequence of str
        Paths of layers, such as ``layers/1``.

    Returns
    -------
    dict of str to numpy.ndarray of float64, (features,)
        By layer; the axes that it sums over are flattened.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module, or the layers are no list of texts.
    InputError
        If the inputs are not finite or do not fit the network, or a layer is never called.
    NotImplementedError
        If a layer is called within a loop, where its inputs cannot be read.

    See Also
    --------
    remove_nodes : Adds them to biases, where nodes go.

    Examples
    --------
    >>> import sweeps, numpy as np
    >>> network = sweeps.MLP((2, 4, 2), seed=0)
    >>> sweeps.pruning.mean_activations(network, np.ones((3, 2), np.float32), ["layers/0"])
    {'layers/0': array([1., 1.])}
    """
    _parameters.checked_network(network)
    if (
        not isinstance(layers, Collection)
        or isinstance(layers, str)
        or not all(isinstance(path, str) for path in layers)
    ):
        raise InputTypeError(f"layers must be a list of paths, such as ['layers/1'], got {_checks.shown(layers)}")
    inputs = _examples.checked_inputs(inputs)
    read = _structure.read_of(network, _structure.few_inputs(network, inputs))
    places = {}
    for layer in layers:
        site = read[0].first.site(f"input:{layer}")
        if site is None:
            raise InputError(f"layers: {layer} is never called, or reads nothing")
        places[layer] = site.places
    with naming(layers):
        return means(network, read, inputs, places)


@contextmanager
def naming(paths: Iterable[str]) -> Iterator[None]:
    """Context that puts paths before the message of an UnsupportedError."""
    try:
        yield
    except UnsupportedError as error:
        raise UnsupportedError(f"{', '.join(dict.fromkeys(paths))}: {error}") from None


def means(
    network: nnx.Module, read: Read, inputs: Any, places: Mapping[Any, Sequence[Place]]
) -> dict[Any, Float[np.ndarray, " nodes"]]:
    """Return the mean of every node at some places, over examples and positions, by the names of the places.

    Parameters
    ----------
    network, read : flax.nnx.Module or Read
        A flax.nnx module, and its function with parameters.
    inputs : object
        Examples.
    places : mapping of object to sequence of Place
        By any names.
    """
    return _averages(network, read, inputs, places, {name: 0.0 for name in places}, 1)


def deviations(
    network: nnx.Module, read: Read, inputs: Any, places: Mapping[Any, Sequence[Place]]
) -> dict[Any, Float[np.ndarray, " nodes"]]:
    """Return the standard deviation of every node at some places, over examples and positions, in two passes.

    Raises
    ------
    NotImplementedError
        If a place is within a loop.
    """
    with naming(places):
        squares = _averages(network, read, inputs, places, means(network, read, inputs, places), 2)
    return {name: np.sqrt(variance) for name, variance in squares.items()}


def _averages(
    network: nnx.Module,
    read: Read,
    inputs: Any,
    places: Mapping[Any, Sequence[Place]],
    centres: Mapping[Any, Any],
    power: int,
) -> dict[Any, Float[np.ndarray, " nodes"]]:
    """Return the mean of a power of each node's distance from a centre."""
    if any(place.frames for several in places.values() for place in several):
        raise UnsupportedError("its layers are copies, over which a loop runs")
    sums: dict[Any, Any] = dict.fromkeys(places, 0.0)
    counts: dict[Any, Any] = dict.fromkeys(places, 0)
    keys = [place.key for several in places.values() for place in several]
    size = CHUNK if is_plain(network) else separable.together(*read, inputs, CHUNK)
    for _, values in _program.noted(*read, inputs, keys, size):
        for name, several in places.items():
            for place in several:
                value, centre = values[place.key], centres[name]
                # Steps of a loop are positions.
                ids = place.ids.reshape((1,) * (value.ndim - place.ids.ndim) + place.ids.shape)
                apart = value - (centre[ids] if np.ndim(centre) else centre)
                total, count = _program.by_node(apart**power, ids)
                sums[name], counts[name] = sums[name] + total, counts[name] + count
    return {name: sums[name] / counts[name] for name in places}
