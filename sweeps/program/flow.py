"""Flow: values as vertices of a graph, and edges that say where nodes live on and where they end."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sweeps.program import rules
from sweeps.program.values import EXIT, Frame, Key, Source, Value, squeezed


class Edge(NamedTuple):
    """Nodes of one value live on in another, or end.

    Attributes
    ----------
    before, after : vertices; after is EXIT where nodes are read, mixed or put out
    word : the operation, or how they end
    onward : a value in which groups of nodes that ended go on, or EXIT
    """

    before: int
    after: int
    word: str
    onward: int = EXIT


class Read(NamedTuple):
    """What a product with a parameter reads.

    Attributes
    ----------
    key, operand : where: the operation, and which of its operands is read
    value : what is read
    axes : those of its axes that are summed over
    kernel, kernel_axes : the parameter, and its axes that are summed over, in the same order
    """

    key: Key
    operand: int
    value: Value
    axes: tuple[int, ...]
    kernel: Value
    kernel_axes: tuple[int, ...]


class Sum(NamedTuple):
    """A sum of nodes and other values, as in a residual stream.

    Attributes
    ----------
    key : where the sum stands
    aval, ids : its shape and type, and the number of the node at each place
    """

    key: Key
    aval: Any
    ids: np.ndarray


class Flow:
    """What a program does with nodes.

    Attributes
    ----------
    values, edges : the graph
    flow : every operand and result, whether nodes live on or not
    sources : by key and result, where nodes are made
    reads : by place, what products with parameters read
    sums : by vertex, sums with nodes in them
    beside : by vertex, the parameters that an elementwise operation took beside nodes, to make this value of them
    same : by vertex, the value of which it is a copy, of another type
    added : values that are added to others, as in a residual stream
    opaque : names of operations that were met with nodes and taken for mixing
    prefixes : of each loop over layers, what the paths of the parameters that it slices have in common
    closed : operations within which no gate can stand
    maxima : maxima over some of the axes of nodes, and where they stand

    Parameters
    ----------
    making : the maxima that make nodes of their own, as in maxout; others come back to the nodes they are of
    """

    def __init__(self, making: frozenset[Key] = frozenset()):
        self.values: list[Value] = []
        self.edges: list[Edge] = []
        self.flow: list[tuple[int, int]] = []
        self.sources: dict[Any, Source] = {}
        self.reads: dict[Key, Read] = {}
        self.sums: dict[int, Sum] = {}
        self.beside: dict[int, list[Value]] = {}
        self.added: set[int] = set()
        self.opaque: set[str] = set()
        self.same: dict[int, int] = {}
        self.prefixes: dict[Frame, str] = {}
        self.closed: set[Frame] = set()
        self.maxima: dict[Key, int] = {}
        self.making = making

    def new(self, kind: Any, aval: Any, **more: Any) -> Value:
        """Add a value to the graph."""
        self.values.append(Value(kind, aval, len(self.values), **more))
        return self.values[-1]

    def constant(self, aval: Any, array: Any) -> Value:
        """Add an array that the program closes over, or a number in it."""
        is_known = not isinstance(array, jax.core.Tracer) and not jnp.issubdtype(aval.dtype, jax.dtypes.extended)
        is_kernel = len(aval.shape) > 1 and jnp.issubdtype(aval.dtype, jnp.floating)
        known = (lambda: np.asarray(array)) if is_known else None
        return self.new("weights", aval, known=known, is_constant=is_kernel)

    def ends(self, value: Value, word: str) -> None:
        """Add the edge from a value to EXIT."""
        self.flow.append((value.vertex, EXIT))
        if value.holds_nodes:
            self.edges.append(Edge(value.vertex, EXIT, word))

    def leads(self, before: Value, after: Value, name: str) -> None:
        """Add the edge from an operand to a result."""
        self.flow.append((before.vertex, after.vertex))
        if name in ("convert_element_type", "copy"):
            self.same[after.vertex] = before.vertex
        if not before.holds_nodes:
            return
        if after.holds_nodes and before.sources <= after.sources and not after.is_made:
            self.edges.append(Edge(before.vertex, after.vertex, name))
            return
        children = {source.parent for source in after.sources}
        word = "part" if children & before.sources else after.word or name
        regrouped = after.kind == "nodes" and not after.word and (name in rules.ELEMENTWISE or name in rules.JOINING)
        self.edges.append(Edge(before.vertex, EXIT, "" if regrouped else word, after.vertex if regrouped else EXIT))

    def made(self, key: Key, aval: Any, ids: np.ndarray, like: Source, word: str = "", result: int = 0) -> Value:
        """Add a value with nodes that are new, numbered from 0 by ids; ``like`` describes them, but for their place."""
        source = self.sources.get((key, result))
        if source is None:
            source = self.sources[key, result] = like
            source.order = len(self.sources)
        source.path, source.vertex = like.path, len(self.values)  # a loop's later passes know more
        more = dict(key=(*key, result), ids=squeezed(ids), word=word, is_made=True)
        return self.new("nodes", aval, sources=frozenset([source]), **more)

    def like(self, path: str, kind: str, count: int, **more: Any) -> Source:
        """Describe new nodes."""
        return Source(0, path, more.pop("axes", ()), kind, more.pop("labels", np.arange(count)), **more)

    def own_maxima(self) -> frozenset[Key]:
        """Maxima that never come back to the nodes that they are of."""
        after: dict[int, list[int]] = {}
        for edge in self.edges:
            after.setdefault(edge.before, []).append(edge.after)

        def comes_back(vertex: int) -> bool:
            seen = [vertex]
            for one in seen:
                seen += [next_ for next_ in after.get(one, []) if next_ != EXIT and next_ not in seen]
            return any(self.values[one].kind == "nodes" for one in seen)

        return frozenset(
            key for key, vertex in self.maxima.items() if key not in self.making and not comes_back(vertex)
        )
