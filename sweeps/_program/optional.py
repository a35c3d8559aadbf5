"""Optional sites: inputs, residual streams, what a layer reads and what it makes; gated when a selection names them."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from sweeps._program import graph
from sweeps._program.flow import Read
from sweeps._program.operations import ADDING
from sweeps._program.placing import Placing
from sweeps._program.sites import Place, Site, copies
from sweeps._program.values import EXIT, Source, Value, placed


class OptionalSites:
    """Sites that are gated only when a selection names them.

    Parameters
    ----------
    placing : Placing
        Where the nodes of the program have their gates.
    """

    def __init__(self, placing: Placing):
        self._placing, self._reader = placing, placing.reader
        self._values, self._is_closed = self._reader.values, placing.is_closed

    def inputs(self, paths: Sequence[str | None]) -> Iterator[Site]:
        """Yield the features of each floating-point array of the network's inputs."""
        for (number, value), path in zip(self._reader.inputs, paths, strict=True):
            shape, name = value.aval.shape, self._placing.free_name(path or "inputs")
            if len(shape) < 2 or not jnp.issubdtype(value.aval.dtype, jnp.floating):
                continue
            axis = self._feature_axis(value)
            ids = placed(np.arange(shape[axis]), [axis], len(shape))
            reads = self._readers(value.vertex)
            reason = "" if self._next(value.vertex) else "it is never read: nothing of it reaches the outputs"
            yield self._site(name, (), [Place(((), "in", number), ids, ())], shape[axis], reads=reads, reason=reason)

    def stream_of(self, site: Site) -> Site | None:
        """Return the residual stream to which a layer's nodes are added unchanged, as features."""
        group, places, reads = self._placing.group_of(site), [], ""
        assert group is not None  # a sum reads it
        for vertex, base, call in group.vertices:
            at = self._sum_after(vertex)
            total = None if at is None else self._reader.sums[at]
            if at is not None and total is not None and total.ids.min() >= 0 and not self._is_closed(total.key):
                places.append(Place(total.key, total.ids, _frames(base), call))
                reads = reads or self._readers(at)
        if not places:
            return None
        stack, nodes = self._placing.stack_of(group.first), {int(place.ids.max()) + 1 for place in places}
        return self._site(site.path, stack, places, nodes.pop(), "stream:", reads) if len(nodes) == 1 else None

    def read_by(self, path: str) -> Site | None:
        """Return what a layer reads, apart from other readers of the same nodes."""
        reads = [read for read in self._reader.reads.values() if self._placing.name_of(read.kernel.path or "") == path]
        reads = [read for read in reads if read.axes]
        if not reads:
            return None
        shapes = {tuple(read.value.aval.shape[axis] for axis in read.axes) for read in reads}
        closed = any(self._is_closed(read.key) for read in reads)
        reason = "it is read within a branch, or within a function with a derivative of its own" if closed else ""
        if len(shapes) > 1:
            reason = f"its calls read different numbers of features: {sorted(map(math.prod, shapes))}"
        sizes = shapes.pop()
        places = [_place_of(read, sizes, number) for number, read in enumerate(reads)]
        stack = self._placing.stack_of(reads[0].kernel)
        return self._site(path, stack, places, math.prod(sizes), "input:", path, reason)

    def made_by(self, site: Site) -> Site | None:
        """Return what a layer makes, with its bias and before anything else."""
        group = self._placing.group_of(site)
        if group is None:
            return None
        sources = [source for made in group.sources for source in made if source.path == group.first.path]
        places = []
        for call, source in enumerate(sources):
            value = self._values[self._with_bias(source)]
            if value.key is not None and not self._is_closed(value.key):
                places.append(Place(value.key, value.ids, _frames(source), call))
        stack, reason = self._placing.stack_of(group.first), "" if places else site.reason
        return self._site(site.path, stack, places, len(group.first.labels), "output:", site.reads, reason, site.kind)

    def readers(self) -> list[str]:
        """Return the names of the layers that read something, in program order."""
        kernels = [read.kernel.path for read in self._reader.reads.values() if read.axes and read.kernel.path]
        return list(dict.fromkeys(map(self._placing.name_of, kernels)))

    # Of the graph

    def _with_bias(self, source: Source) -> int:
        """Return the last value of new nodes to which only parameters of the same layer were added."""
        layer, vertex = source.path.rpartition("/")[0], source.vertex
        while True:
            onward = [
                edge.after
                for edge in self._placing.edges[vertex]
                if edge.after != EXIT and self._adds(edge.after, edge.word, layer)
            ]
            if len(onward) != 1:
                return vertex
            vertex = onward[0]

    def _adds(self, vertex: int, word: str, layer: str) -> bool:
        beside = self._reader.beside.get(vertex, [])
        return word in ADDING and bool(beside) and all((value.path or "").startswith(f"{layer}/") for value in beside)

    def _sum_after(self, vertex: int) -> int | None:
        """Return the first sum that takes the nodes of a value before any nonlinearity."""
        if self._values[vertex].is_bent:
            return None

        def is_same(after: int) -> bool:
            value = self._values[after]
            return value.kind == "nodes" and not value.is_made and not value.is_bent

        def onward(at: int) -> Iterator[int]:
            return (after for after in self._next(at) if after != EXIT and is_same(after))

        for at in graph.reached([vertex], onward):
            sums = [after for after in self._next(at) if after in self._reader.sums]
            if sums:
                return sums[0]
        return None

    def _feature_axis(self, inputs: Value) -> int:
        """Return the axis of an input that the first layer sums over, or the last axis."""
        for read in self._reader.reads.values():
            if read.value.vertex == inputs.vertex and read.axes:
                return read.axes[-1]
        return len(inputs.aval.shape) - 1

    def _readers(self, vertex: int) -> str:
        """Return the names of the first layers that read a value or what is computed from it."""
        readers: dict[int, list[Read]] = {}
        for read in self._reader.reads.values():
            readers.setdefault(read.value.vertex, []).append(read)

        def onward(at: int) -> Iterator[int]:
            return (a for a in self._next(at) if a != EXIT and not (at in readers and self._values[a].is_made))

        reads = [read for at in graph.reached([vertex], onward) for read in readers.get(at, [])]
        return ", ".join(dict.fromkeys(self._placing.name_of(read.kernel.path or "") for read in reads))

    def _next(self, vertex: int) -> Sequence[int]:
        return self._reader.after.get(vertex, ())

    def _site(
        self,
        path: str,
        stack: Sequence[tuple[str, int]],
        places: Sequence[Place],
        nodes: int,
        at: str = "",
        reads: str = "",
        reason: str = "",
        kind: str = "feature",
    ) -> Site:
        names = tuple(at + name for name in copies(path, stack))
        lengths = tuple(length for _, length in stack)
        more: dict[str, Any] = dict(reads=reads, reason=reason, places=tuple(places))
        return Site(at + path, kind, nodes, at + path, lengths, tuple(range(nodes)), names, **more)


def _place_of(read: Read, sizes: tuple[int, ...], number: int) -> Place:
    ids = placed(np.arange(math.prod(sizes)).reshape(sizes), list(read.axes), len(read.value.aval.shape))
    frame, position = read.key[:2]
    return Place((frame, position, "of", read.operand), ids, tuple(frame for frame, _ in read.kernel.stack), number)


def _frames(source: Source) -> tuple[Any, ...]:
    return tuple(frame for frame, _ in source.stack)
