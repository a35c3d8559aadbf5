"""Flow: values as vertices of a graph, with edges to the values in which their nodes live on, or to EXIT."""

from collections import defaultdict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sweeps._program import graph, rules
from sweeps._program.values import EXIT, Frame, Key, Source, Value, squeezed


class Edge(NamedTuple):
    """Nodes of a value live on in another value, or end.

    Attributes
    ----------
    before, after : int
        Vertices; after is EXIT where the nodes are read, mixed or put out.
    word : str
        The operation, or how the nodes end.
    onward : int
        Vertex of a value in which groups of the ended nodes go on, or EXIT.
    """

    before: int
    after: int
    word: str
    onward: int = EXIT


class Read(NamedTuple):
    """A product that sums a value with a parameter.

    Attributes
    ----------
    key, operand : Key or int
        The operation, and the number of the operand that is read.
    value : Value
        That operand.
    axes : tuple of int
        Its axes that are summed over.
    kernel, kernel_axes : Value or tuple of int
        The parameter, and its axes that are summed over, in the same order.
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
    key : Key
        The operation's place in the program.
    aval, ids : object or numpy.ndarray
        The sum's shape and type, and the number of the node at each place.
    """

    key: Key
    aval: Any
    ids: np.ndarray


class Flow:
    """What a program does with nodes.

    Attributes
    ----------
    values, edges : list of Value or list of Edge
        The graph of nodes.
    after : dict of int to list of int
        By vertex of an operand, the vertices of the results, whether nodes live on in them or not.
    sources : dict of object to Source
        By key and result, where nodes are made.
    reads : dict of Key to Read
        By key, the products with parameters.
    sums : dict of int to Sum
        By vertex, sums of nodes.
    beside : dict of int to list of Value
        By vertex, the parameters that an elementwise operation combined with nodes.
    same : dict of int to int
        By vertex, the value of which it is a copy, of another type.
    added : set of int
        Values that are added to others, as in a residual stream.
    opaque : set of str
        Names of operations without a rule, which are taken to mix the nodes that they read.
    prefixes : dict of Frame to str
        Of each loop over layers, the common beginning of the paths of the parameters that it slices.
    closed : set of Frame
        Operations within which no gate can stand.
    maxima : dict of Key to int
        By key, vertices of the maxima over some axes of nodes.

    Parameters
    ----------
    making : set of Key
        The maxima that make nodes of their own, as in maxout; the result of the others acts on the same nodes.
    """

    def __init__(self, making: frozenset[Key] = frozenset()):
        self.values: list[Value] = []
        self.edges: list[Edge] = []
        self.after: dict[int, list[int]] = defaultdict(list)
        self._arrows: list[int] = []
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

    def arrow(self, before: int, after: int) -> None:
        """Note that a result depends on an operand."""
        self.after[before].append(after)
        self._arrows.append(before)

    @property
    def mark(self) -> tuple[int, int]:
        """The numbers of edges and arrows so far, for ``forget``."""
        return len(self.edges), len(self._arrows)

    def forget(self, mark: tuple[int, int]) -> None:
        """Take away the edges and arrows that were added after a mark, as those of an early pass over a loop."""
        edges, arrows = mark
        for before in reversed(self._arrows[arrows:]):
            self.after[before].pop()
        del self.edges[edges:], self._arrows[arrows:]

    def ends(self, value: Value, word: str) -> None:
        """Add the edge from a value to EXIT."""
        self.arrow(value.vertex, EXIT)
        if value.holds_nodes:
            self.edges.append(Edge(value.vertex, EXIT, word))

    def leads(self, before: Value, after: Value, name: str) -> None:
        """Add the edge from an operand to a result."""
        self.arrow(before.vertex, after.vertex)
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

    def made(
        self, key: Key, aval: Any, ids: np.ndarray, like: Source, word: str = "", result: int = 0, **more: Any
    ) -> Value:
        """Add a value with new nodes, numbered from 0 by ids; ``like`` describes all of them but their place."""
        source = self.sources.get((key, result))
        if source is None:
            source = self.sources[key, result] = like
            source.order = len(self.sources)
        source.path, source.vertex = like.path, len(self.values)  # a loop's later pass corrects an earlier one
        place = dict(key=(*key, result), ids=squeezed(ids), word=word, is_made=True)
        return self.new("nodes", aval, sources=frozenset([source]), **place, **more)

    def like(self, path: str, kind: str, count: int, **more: Any) -> Source:
        """Describe new nodes."""
        return Source(0, path, more.pop("axes", ()), kind, more.pop("labels", np.arange(count)), **more)

    def edges_after(self) -> dict[int, list[Edge]]:
        """Edges by the vertex at which they begin."""
        after = defaultdict(list)
        for edge in self.edges:
            after[edge.before].append(edge)
        return after

    def own_maxima(self) -> frozenset[Key]:
        """Maxima whose result never acts on the nodes over which they are taken."""
        after = self.edges_after()

        def comes_back(vertex: int) -> bool:
            reached = graph.reached([vertex], lambda at: [edge.after for edge in after[at]])
            return any(self.values[at].kind == "nodes" for at in reached)

        return frozenset(
            key for key, vertex in self.maxima.items() if key not in self.making and not comes_back(vertex)
        )
