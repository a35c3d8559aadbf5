"""Values of a program: what is known of each, and which node stands at each of its places."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

# A place in a program: the operations that hold it, one within the other, and the operation's number and result.
# ``(frame, "in", j)`` is input j of the function that an operation runs.
Frame = tuple[int, ...]
Key = tuple[Any, ...]

EXIT = -1  # where values are read, mixed or put out


@dataclass(eq=False)
class Source:
    """Nodes as they are made.

    Attributes
    ----------
    order : number of the source, in program order
    path : of the parameter that makes them
    axes : free axes of that parameter, whose places are the nodes: another call of the layer has the same
    kind : ``unit``, ``channel`` or ``head``; ``mixed`` for groups of nodes that are mixed with each other
    labels : number of each node in what the parameter makes
    stack : the loops over layers that slice the parameter, and their lengths
    parent : the source of which these nodes are a part, and ``within``, their numbers in it
    is_embedding : whether they are looked up
    reason : why they cannot be gated, if that is known where they are made
    vertex : number of the value that holds them first
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


@dataclass(eq=False)
class Value:
    """What is known of a value.

    Attributes
    ----------
    kind : ``weights``, of parameters and constants alone; ``data``; ``nodes``; ``statistic``, a mean or the like over
        nodes, which may come back to them
    aval : shape and type
    vertex : its number in the graph
    key : where it stands, if a gate can stand there
    sources : whose nodes it holds
    ids : number of the node at each place, of shape that broadcasts to the value's: one where nodes do not vary
    path, stack : of the parameter, for weights
    axes : which axis of the parameter each axis is; negative numbers where that is not known
    is_constant : whether weights come from an array that the function closes over
    repeated : axes along which weights are the same, as they were broadcast
    is_made_of_weights : whether weights are a product of parameters, such as learned queries
    is_bent : whether the nodes went through a nonlinearity since they were made
    known : what computes the value, if it depends on nothing that is not known
    is_scaled : whether they were multiplied with values of other nodes or of inputs since
    is_memory : whether they were multiplied with what is no node since, such as what a cell remembers
    is_made : whether its nodes are new: those of its operands end
    word : how operands end in this value, for people
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
    is_bent: bool = False
    is_scaled: bool = False
    is_memory: bool = False
    is_made: bool = False
    known: Callable[[], Any] | None = None
    word: str = ""

    @property
    def traits(self) -> dict[str, bool]:
        """What happened to its nodes since they were made: the same wherever they are only moved."""
        return dict(is_bent=self.is_bent, is_scaled=self.is_scaled, is_memory=self.is_memory)

    @property
    def holds_nodes(self) -> bool:
        """Whether nodes live in it, or a statistic of them."""
        return self.kind in ("nodes", "statistic")

    @property
    def first(self) -> Source:
        """The source that numbers its nodes."""
        return min(self.sources, key=lambda source: source.order)


def root_of(source: Source) -> Source:
    """The source of which the nodes of a source are a part, all that its parameter makes."""
    return source if source.parent is None else root_of(source.parent)


def is_in_order(ids: np.ndarray) -> bool:
    """Whether each node has one place, in the order of their numbers."""
    return bool((ids.ravel() == np.arange(ids.size)).all())


def squeezed(ids: np.ndarray) -> np.ndarray:
    """Give axes along which the nodes do not vary the length one."""
    for axis in range(ids.ndim):
        first = ids.take([0], axis) if ids.shape[axis] else ids
        ids = first if (ids == first).all() else ids
    return ids


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
