"""Recording: which layers a network calls, in which order, with what."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analysis.errors import UnsupportedError
from sweeps import calling
from sweeps.pruning.old_gating import flow

Shape = tuple[int, ...]


class Callee(NamedTuple):
    """What is called: a layer, or a module that is asked for.

    Attributes
    ----------
    path, kind, is_layer, is_embedding : see ``Call``
    parameter : shape of its first parameter, as it is within the call
    axes : of its first argument that hold the features
    """

    path: str
    kind: type
    is_layer: bool
    is_embedding: bool
    parameter: Shape | None
    axes: Sequence[int]


class Call(NamedTuple):
    """One call of a layer.

    Attributes
    ----------
    path : of the layer
    kind : its type
    is_layer : whether it multiplies its input by a kernel: a dense layer, a convolution, ...
    is_embedding : whether it looks its input up
    reads : shape and type of its first argument, or None if that is no array
    makes : shape and type of its result, or None if that is no array
    array : number that tells its first argument from other arrays
    contracted : number of axes, the last ones, that hold the features which a layer reads; 0 for other axes
    stack : numbers of copies of the layer, where it is made with a scan or vmap; empty otherwise
    """

    path: str
    kind: type
    is_layer: bool
    is_embedding: bool
    reads: jax.ShapeDtypeStruct | None
    makes: jax.ShapeDtypeStruct | None
    array: int
    contracted: int
    stack: Shape


class Recorder:
    """What is written down while a network is traced.

    Parameters
    ----------
    stored : shape of the first parameter of the layer at a path, as the network holds it; None for no parameter
    wanted : patterns of the paths of modules that are recorded though they are no layers
    """

    def __init__(self, stored: Callable[[str], Shape | None], wanted: Sequence[str] = ()):
        self.calls: list[Call] = []
        self._stored, self._wanted = stored, tuple(wanted)
        # Kept, so that no two arrays have the same address.
        self._arrays: list[Any] = []

    def wants(self, path: str, is_known: bool) -> bool:
        """Whether calls of this module are recorded: of layers and embeddings, and of what is asked for."""
        return is_known or any(fnmatchcase(path, pattern) for pattern in self._wanted)

    def call(self, callee: Callee, run: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call a layer, and write down that it was called.

        Parameters
        ----------
        callee : the layer
        run : the layer's own call
        arguments, options : of the call
        """
        path, kind, is_layer, is_embedding, parameter, axes = callee
        first, with_first = first_argument(arguments, options)
        self._arrays.append(first)
        contracted = 0
        if is_layer and _is_activation(first):
            numbers = sorted(axis % first.ndim for axis in axes)
            contracted = len(numbers) if numbers == list(range(first.ndim - len(numbers), first.ndim)) else 0
            arguments, options = with_first(flow.mark(first, "reads", path))
        result = run(*arguments, **options)
        stored = self._stored(path)
        extra = 0 if stored is None or parameter is None else len(stored) - len(parameter)
        if extra and stored is not None and stored[extra:] != parameter:
            raise UnsupportedError(
                f"network: copies of {path} lie along another axis of their parameters than the first: "
                f"shape {stored} of all, {parameter} of one; scan or vmap them along axis 0"
            )
        self.calls.append(
            Call(
                path,
                kind,
                is_layer,
                is_embedding,
                _described(first),
                _described(result),
                id(first),
                contracted,
                () if stored is None else stored[:extra],
            )
        )
        is_marked = (is_layer or is_embedding) and _is_activation(result)
        return flow.mark(result, "makes", path) if is_marked else result


class Probe(Recorder):
    """What finds out which features that one layer reads depend on channels that another makes: NaN spreads.

    Parameters
    ----------
    maker, reader : paths of the two layers
    chosen : whether it is this channel, one a channel

    Attributes
    ----------
    touched : whether each feature depends on the channels, flat; None where the network hides its values in a loop
    """

    def __init__(self, maker: str, reader: str, chosen: np.ndarray):
        super().__init__(lambda path: None)
        self.touched: np.ndarray | None = None
        self._maker, self._reader, self._channels = maker, reader, np.flatnonzero(chosen)

    def call(self, callee: Callee, run: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call a layer, with the channels made not a number."""
        first, _ = first_argument(arguments, options)
        if callee.path == self._reader and not isinstance(first, jax.core.Tracer):
            self.touched = np.isnan(np.asarray(first)).reshape(-1)
        result = run(*arguments, **options)
        return result.at[..., self._channels].set(jnp.nan) if callee.path == self._maker else result


def first_argument(
    arguments: tuple[Any, ...], options: dict[str, Any]
) -> tuple[Any, Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]]:
    """Return a call's first argument, and a function that puts another in its place."""
    if arguments:
        return arguments[0], lambda other: ((other, *arguments[1:]), options)
    if not options:
        return None, lambda other: (arguments, options)
    name = next(iter(options))
    return options[name], lambda other: (arguments, options | {name: other})


def errors_of_inputs(inputs: Any) -> AbstractContextManager[None]:
    """Context in which an error of a network that is called gets a note that says with which inputs."""
    return calling.noted(f"the network, with inputs of shape {calling.shapes(inputs)}")


def _is_activation(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.floating) and value.ndim > 0


def _described(value: Any) -> jax.ShapeDtypeStruct | None:
    return jax.ShapeDtypeStruct(value.shape, value.dtype) if _is_activation(value) else None
