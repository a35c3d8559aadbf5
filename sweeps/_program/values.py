"""Values of a program: their kind, and the node at each place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

# The key of a place in a program: (frame, number of the operation, result), where the frame is the numbers of the
# operations that hold it, the outermost first. ``(frame, "in", j)`` is input j of the function that an operation runs.
Frame = tuple[int, ...]
Key = tuple[Any, ...]

EXIT = -1  # the vertex of whatever reads, mixes or puts out values

# Traits of nodes: they went through a nonlinearity; were multiplied by values of other nodes or of inputs; were
# multiplied by what is no node, such as what a cell remembers.
BENT, SCALED, MEMORY = "bent", "scaled", "memory"


@dataclass(eq=False)
class Source:
    """The nodes that one operation makes.

    Attributes
    ----------
    order : int
        Number of the source, in program order.
    path : str
        Of the parameter that makes the nodes.
    axes : tuple of int
        Free axes of that parameter, along which the nodes are numbered; the same in all calls of a layer.
    kind : str
        ``unit``, ``channel`` or ``head``; ``mixed`` for groups of nodes that are mixed with each other.
    labels : numpy.ndarray
        Number of each node among all that the parameter makes.
    stack : tuple of tuple
        The loops over layers that slice the parameter, and their lengths.
    parent : Source or None
        The source of which these nodes are a part, and ``within``, their numbers in it.
    is_embedding : bool
        Whether the nodes are rows of a table.
    reason : str
        Why the nodes cannot be gated, if the operation that makes them decides it.
    vertex : int
        Number of the first value that holds the nodes.
    sizes : tuple of int
        Of the axes of the parameter along which the nodes are numbered.
    head_of : numpy.ndarray or None
        The head that an attention makes of each node, shape (nodes,); None where none does.
    """

    order: int
    path: str
    axes: tuple[int, ...]
    kind: str
    labels: np.ndarray
    stack: tuple[tuple[Frame, int], ...] = ()
    parent: "Source | None" = None
    within: np.ndarray | None = None
    is_embedding: bool = False
    reason: str = ""
    vertex: int = EXIT
    sizes: tuple[int, ...] = ()
    head_of: np.ndarray | None = None


@dataclass(eq=False)
class Value:
    """A value, as far as the program alone determines it.

    Attributes
    ----------
    kind : {"weights", "data", "nodes", "statistic"}
        ``weights``, made of parameters and constants alone; ``data``; ``nodes``; ``statistic``, such as a mean over
        nodes, which may act on them again.
    aval : object
        Shape and type.
    vertex : int
        Its number in the graph.
    key : Key or None
        Its place, if a gate can stand there.
    sources : set of Source
        Of the nodes that it holds.
    ids : object
        Number of the node at each place; axes along which the nodes do not vary have the length one.
    path, stack : str or None or tuple of tuple
        Of the parameter, for weights.
    axes : tuple of int
        The axis of the parameter that each axis is; negative where there is none.
    is_constant : bool
        Whether weights come from an array that the function closes over.
    repeated : set of int
        Axes along which weights were broadcast.
    is_made_of_weights : bool
        Whether weights are a product of parameters, such as learned queries.
    traits : set of str
        What happened to all its nodes since they were made; see ``BENT``, ``SCALED`` and ``MEMORY``.
    known : callable or None
        Computes the value; None if it depends on inputs or parameters.
    is_made : bool
        Whether its nodes are new: those of its operands end.
    word : str
        How nodes of operands end in this value, for people.
    """

    kind: Literal["weights", "data", "nodes", "statistic"]
    aval: Any
    vertex: int
    key: Key | None = None
    sources: frozenset[Source] = frozenset()
    ids: Any = None
    path: str | None = None
    stack: tuple[tuple[Frame, int], ...] = ()
    axes: tuple[int, ...] = ()
    is_constant: bool = False
    repeated: frozenset[int] = frozenset()
    is_made_of_weights: bool = False
    traits: frozenset[str] = frozenset()
    is_made: bool = False
    known: Callable[[], Any] | None = None
    word: str = ""

    @property
    def is_bent(self) -> bool:
        """Whether its nodes went through a nonlinearity."""
        return BENT in self.traits

    @property
    def holds_nodes(self) -> bool:
        """Whether nodes live in it, or a statistic of them."""
        return self.kind in ("nodes", "statistic")

    @property
    def first(self) -> Source:
        """The source that numbers its nodes."""
        return min(self.sources, key=lambda source: source.order)


def root_of(source: Source) -> Source:
    """Return the source of all nodes that the parameter of a source makes."""
    return source if source.parent is None else root_of(source.parent)


def is_in_order(ids: np.ndarray) -> bool:
    """Whether each node has one place, in the order of the numbers."""
    return bool((ids.ravel() == np.arange(ids.size)).all())


def squeezed(ids: np.ndarray) -> np.ndarray:
    """Give axes along which the nodes do not vary the length one."""
    for axis in range(ids.ndim):
        first = ids.take([0], axis) if ids.shape[axis] else ids
        ids = first if (ids == first).all() else ids
    return ids


def concatenated(parts: list[tuple[tuple[int, ...], np.ndarray | None]], axis: int) -> np.ndarray:
    """Join ids along an axis, given the shape and the ids of each part; a part without ids gets -1."""
    arrays = [np.full([1] * len(shape), -1) if ids is None else ids for shape, ids in parts]
    arrays = [
        np.broadcast_to(ids, [shape[axis] if a == axis else n for a, n in enumerate(ids.shape)])
        for (shape, _), ids in zip(parts, arrays, strict=True)
    ]
    sizes = [max(ids.shape[a] for ids in arrays) for a in range(len(parts[0][0]))]
    wide = [np.broadcast_to(ids, [ids.shape[a] if a == axis else n for a, n in enumerate(sizes)]) for ids in arrays]
    return squeezed(np.concatenate(wide, axis))


def placed(ids: np.ndarray, axes: list[int], ndim: int) -> np.ndarray:
    """Put each axis of ids at its place among the axes of a result."""
    shape = [1] * ndim
    for axis, size in zip(axes, ids.shape, strict=True):
        shape[axis] = size
    return ids.transpose(np.argsort(axes)).reshape(shape) if axes else ids.reshape(shape)


def pairs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Each pair of nodes that stand at one place, once, shape (2, pairs)."""
    both = np.broadcast_arrays(one, other)
    return np.unique(np.stack([ids.ravel() for ids in both]), axis=1)


def common(paths: Sequence[str]) -> str:
    """The parts with which all paths begin."""
    if not paths:
        return ""
    parts = [path.split("/") for path in paths]
    same = next((i for i, column in enumerate(zip(*parts, strict=False)) if len(set(column)) > 1), min(map(len, parts)))
    return "/".join(parts[0][:same])
