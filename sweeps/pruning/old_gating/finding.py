"""Finding: from the layers that a network calls to the activations that can have gates, and to those asked for."""

import math
import posixpath
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis.errors import InputError
from sweeps.pruning.old_gating.flow import NOWHERE, Flow, Origins
from sweeps.pruning.old_gating.recording import Call, Probe, Recorder, Shape, errors_of_inputs
from sweeps.pruning.old_gating.site import Site

INPUTS: Origins = frozenset(["the network's inputs"])


class Forward(Protocol):
    """How outputs come from a network's state, the gates of each site, and inputs; static to jit."""

    def __call__(self, state: Any, gates: list[tuple[Site, Array]], inputs: Any, /) -> Any:
        """Return the outputs."""
        ...


class Model(Protocol):
    """A network of either kind, as finding needs it."""

    @property
    def convolutions(self) -> tuple[type, ...]:
        """Types of layers whose nodes are channels."""
        ...

    def recorded(self, recorder: Recorder, inputs: Any) -> Any:
        """Return the outputs for traced inputs; the recorder writes down the calls."""
        ...

    def stored(self, path: str) -> Shape | None:
        """Shape of a module's first parameter."""
        ...

    def kind_of(self, path: str) -> type:
        """Type of the module at a path."""
        ...

    def layers(self) -> dict[str, int]:
        """Paths of all layers, called or not, with the number of nodes that they make."""
        ...

    def gated(self, sites: tuple[Site, ...]) -> tuple[Any, Forward]:
        """Return the state without gates, and what makes outputs of state, gates and inputs."""
        ...


class Found(NamedTuple):
    """An activation that can have gates.

    Attributes
    ----------
    site : where
    is_hidden : whether it comes out of a layer, and is no input or embedding of inputs
    makers : types of the layers that make it
    features : number of its features
    """

    site: Site
    is_hidden: bool
    makers: tuple[type, ...]
    features: int


class Calls:
    """What a network calls, on given inputs.

    Parameters
    ----------
    model : the network
    inputs : its inputs, or their shapes and types
    wanted : patterns of modules that are no layers and are recorded all the same

    Attributes
    ----------
    calls : in order, of traced layers
    dtype : type of the activations, the widest, at least float32
    floats : numbers in all the arrays that layers read, and in the outputs
    """

    def __init__(self, model: Model, inputs: Any, wanted: Sequence[str] = ()):
        self._model, self._inputs = model, inputs
        recorder = Recorder(model.stored, wanted)
        with errors_of_inputs(inputs):
            program, outputs = jax.make_jaxpr(lambda inputs: model.recorded(recorder, inputs), return_shape=True)(
                inputs
            )
        self.calls = recorder.calls
        # What comes from the inputs is told apart where it could be added to what a layer makes: numbers, not masks.
        seeds = [INPUTS if jnp.issubdtype(leaf.dtype, jnp.floating) else NOWHERE for leaf in program.in_avals]
        flow = Flow(program, seeds)
        self._makers, self._read = flow.reads, NOWHERE.union(*flow.reads.values(), *flow.outputs)
        self._layers = [call for call in self.calls if call.is_layer]
        read = [call.reads for call in self._layers if call.reads is not None]
        self.dtype = widest(one.dtype for one in read)
        self.floats = sum(one.size for one in [*read, *jax.tree.leaves(outputs)])

    def found(self) -> list[Found]:
        """Return all activations that layers read, each once, in the order in which they are first read."""
        found: list[Found] = []
        for calls in _by_activation([call for call in self._layers if call.contracted]):
            makers = frozenset().union(*(self._makers.get(call.path, NOWHERE) for call in calls))
            one = self._described(calls, makers)
            # Several layers may read what one makes, each in a form of its own, or belong to one module.
            names = [one.site.path, f"{self._reader(calls)} input", f"{calls[0].path} input"]
            name = next(name for name in names if all(other.site.path != name for other in found))
            found.append(one._replace(site=one.site._replace(path=name)))
        return found

    def named(self, pattern: str, at: str) -> list[Found]:
        """Return the inputs or outputs of the modules whose path fits a pattern."""
        found = []
        for path in dict.fromkeys(call.path for call in self.calls if fnmatchcase(call.path, pattern)):
            call = next(one for one in self.calls if one.path == path)
            array = call.reads if at == "input" else call.makes
            if array is None:
                raise InputError(f"sites: the {at} of {path} is no array of floating-point numbers")
            heads = at == "input" and call.contracted == 2
            nodes = array.shape[-2] if heads else array.shape[-1]
            kind = "head" if heads else "channel" if issubclass(call.kind, self._model.convolutions) else "unit"
            site = Site(f"{path} {at}", kind, nodes, at, (path,), stack=self._stack(call))  # type: ignore[arg-type]
            if heads:
                site = site._replace(inner=array.shape[-1], trailing=2)
            found.append(Found(self._in_stack(site), True, (call.kind,), nodes * site.inner))
        return found

    def never_called(self) -> list[Found]:
        """Return the layers that the network holds and never calls: what they read has no gates."""
        called = {call.path for call in self.calls}
        return [
            Found(Site(path, "unit", nodes, "output", (path,)), False, (self._model.kind_of(path),), nodes)
            for path, nodes in self._model.layers().items()
            if path not in called
        ]

    def read_directly(self) -> list[str]:
        """Return the layers that are never called, but whose kernel the network reads."""
        return [one.site.path for one in self.never_called() if one.site.path in self._read]

    def _described(self, calls: list[Call], origins: Origins) -> Found:
        """Name an activation after what makes it, or after what reads it where that is no single layer."""
        makers = list(dict.fromkeys(call.path for call in self._layers if call.path in origins))
        call, layers = calls[0], tuple(dict.fromkeys(call.path for call in calls))
        assert call.reads is not None
        shape = call.reads.shape
        features = math.prod(shape[len(shape) - call.contracted :])
        site = Site(f"{self._reader(calls)} input", "unit", features, "input", layers, trailing=call.contracted)
        site = site._replace(stack=self._stack(call))
        types = tuple(self._model.kind_of(path) for path in makers)
        if call.contracted == 2:
            # What is read head by head: the heads of an attention, whose path is that of its parts.
            above = posixpath.dirname(call.path)
            site = site._replace(kind="head", nodes=shape[-2], inner=shape[-1], path=above or site.path)
            types = (self._model.kind_of(above),) if above else types
        elif len(makers) == len(origins) == 1:
            site = self._of_one_layer(site, makers[0], types[0])
        return Found(self._in_stack(site), bool(makers), types, features)

    def _of_one_layer(self, site: Site, maker: str, kind: type) -> Site:
        made = next(call.makes for call in self._layers if call.path == maker)
        width = 0 if made is None else made.shape[-1]
        if issubclass(kind, self._model.convolutions):
            if width == site.nodes:
                return site._replace(path=maker, kind="channel")
            if width > 1 and site.nodes % width == 0 and self._repeats(maker, site.layers[0], width):
                # A flattened image: its channels come back in every pixel.
                return site._replace(path=maker, kind="channel", nodes=width, tiles=site.nodes // width)
        return site._replace(path=maker, kind="unit" if width == site.nodes else "feature")

    def _repeats(self, maker: str, reader: str, channels: int) -> bool:
        """Whether feature f of what a layer reads depends on channel f mod channels of another, and on no other."""
        one, numbers = jax.tree.map(lambda leaf: leaf[:1], self._inputs), np.arange(channels)
        for digit in range((channels - 1).bit_length()):
            # Two passes a binary digit of the channel's number: what depends on two channels differs from both.
            for value in (0, 1):
                chosen = (numbers >> digit & 1) == value
                probe = Probe(maker, reader, chosen)
                with jax.disable_jit():
                    self._model.recorded(probe, one)
                if probe.touched is None or (probe.touched.reshape(-1, channels) != chosen[None]).any():
                    return False
        return True

    def _stack(self, call: Call) -> Shape:
        if call.stack:
            return call.stack
        # A module without parameters of its own is copied with those around it.
        above = [one for one in self._layers if one.stack and call.path.startswith(f"{self._holder(one)}/")]
        return above[0].stack if above and self._model.stored(call.path) is None else ()

    def _in_stack(self, site: Site) -> Site:
        """Say where the copies of a site's layers are; a name from outside would not tell them apart."""
        reader = next(call for call in self.calls if call.path == site.layers[0])
        if not site.stack:
            maker = next((one for one in self._layers if one.path == site.path), None)
            inside = maker is not None and bool(maker.stack)
            return site._replace(path=f"{reader.path} input") if inside else site
        holder = self._holder(reader)
        inside = site.path == holder or site.path.startswith((f"{holder}/", f"{holder} "))
        return site._replace(stacked_at=holder, path=site.path if inside else f"{reader.path} input")

    def _holder(self, call: Call) -> str:
        """Path of the module whose copies a layer is part of: the highest that has nothing but copies in it."""
        steps = call.path.split("/")
        for length in range(1, len(steps)):
            holder = "/".join(steps[:length])
            within = [one for one in self._layers if one.path.startswith(f"{holder}/")]
            if within and all(one.stack for one in within):
                return holder
        return call.path

    def _reader(self, calls: list[Call]) -> str:
        """Path of what reads an activation: of the one layer, or of what several layers are part of."""
        paths = list(dict.fromkeys(call.path for call in calls))
        if len(paths) == 1:
            return paths[0]
        common = posixpath.commonpath(paths)
        return common or paths[0]


def widest(dtypes: Iterable[Any]) -> Any:
    """Return the widest of some floating-point types, at least float32."""
    return max([jnp.dtype(jnp.float32), *dtypes], key=lambda dtype: dtype.itemsize)


def _by_activation(calls: list[Call]) -> list[list[Call]]:
    """Group calls that read one array, or are calls of one layer: they have their gates in common."""
    groups: list[list[Call]] = []
    for call in calls:
        related = [group for group in groups if any(one.path == call.path or one.array == call.array for one in group)]
        joined = [one for group in related for one in group] + [call]
        if related:
            groups[groups.index(related[0])] = joined
            groups = [group for group in groups if group not in related[1:]]
        else:
            groups.append(joined)
    return groups
