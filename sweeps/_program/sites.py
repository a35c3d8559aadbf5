"""Sites: the nodes of a program by name, and the places where their gates stand."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sweeps._program.values import Frame, Key


class Place(NamedTuple):
    """A value that gates multiply.

    Attributes
    ----------
    key : Key
        Its place in the program.
    ids : numpy.ndarray of int
        Number of the node at each place, of a shape that broadcasts to the value's.
    frames : tuple of Frame
        The loops over layers, each of which slices one axis of the gates.
    call : int
        Number of the call of the layer.
    """

    key: Key
    ids: np.ndarray
    frames: tuple[Frame, ...]
    call: int = 0


@dataclass(frozen=True)
class Site:
    """Nodes that a layer makes, or several layers together; or the features that a layer reads.

    Attributes
    ----------
    path : str
        Of the layer, such as ``blocks/0/up``; or of the parameter where several of a layer make nodes.
    kind : str
        ``unit``, ``channel``, ``head`` or ``feature``.
    nodes : int
        Number of nodes, of each copy.
    key : str
        Unique name of the site.
    stack : tuple of int
        Numbers of copies, where a loop runs over layers; empty otherwise.
    numbers : tuple of int
        Number of each node among all that its parameter makes.
    copies : tuple of str
        Paths of the copies.
    call : int or None
        Number of the only call of the layer that is gated; None for all.
    default : bool
        Whether it is gated by default.
    reads : str
        Its readers, in words.
    reason : str
        Why it cannot be gated, and what would work; empty if it can.
    makers : tuple of str
        Names of all layers that make the nodes together, as in a gated linear unit.
    places : tuple of object
        Places of the gates, at least one for each call of the layer.
    own_places : tuple of object
        Places of the nodes' own values, where they are not the same: before these are pooled, or spread in another way
        over positions. Here gates stand that mix nodes with off values.
    shape : tuple of int
        Numbers of nodes along the axes of the kernel that makes them; empty where they are a part of these.
    head_of : numpy.ndarray of int, (nodes,), or None
        The head that an attention makes of each node; -1 where queries and keys that are made together have different
        numbers of heads; None where none does.
    size : int
        Number of nodes of all copies.
    labels : list of str
        Names of all nodes, such as ``layers/0 unit 3``.
    heads : int
        Number of heads that an attention makes of the nodes; 0 where none does, or where that cannot be told.
    calls : int
        Number of calls of the layer.
    """

    path: str
    kind: str
    nodes: int
    key: str
    stack: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    copies: tuple[str, ...] = ()
    call: int | None = None
    default: bool = field(default=False, compare=False)
    reads: str = field(default="", compare=False)
    reason: str = field(default="", compare=False)
    makers: tuple[str, ...] = field(default=(), compare=False)
    places: tuple[Place, ...] = field(default=(), compare=False, repr=False)
    own_places: tuple[Place, ...] = field(default=(), compare=False, repr=False)
    shape: tuple[int, ...] = field(default=(), compare=False)
    head_of: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def size(self) -> int:
        """Number of nodes of all copies."""
        return self.nodes * len(self.copies)

    @property
    def labels(self) -> list[str]:
        """Names of all nodes, such as ``layers/0 unit 3``."""
        return [f"{copy} {self.kind} {number}" for copy in self.copies for number in self.numbers]

    @property
    def heads(self) -> int:
        """Number of heads that an attention makes of the nodes; 0 where none does, or where that cannot be told."""
        return 0 if self.head_of is None else int(self.head_of.max()) + 1

    @property
    def calls(self) -> int:
        """Number of calls of the layer."""
        return len({place.call for place in self.places})

    def gated_places(self, own: bool) -> list[Place]:
        """Return the places of all calls, or of the only one that is gated; those of the nodes' own values if asked."""
        places = self.own_places or self.places if own else self.places
        return [place for place in places if self.call is None or place.call == self.call]

    def spread(self, values: Any) -> jax.Array:
        """Return a value for each node of each copy, in any shape, as (*stack, nodes)."""
        return jnp.asarray(values).reshape(*self.stack, -1)

    def with_call(self, number: int) -> "Site":
        """Return the site with gates on a single call."""
        end = f"@{number}"
        return replace(self, path=self.path + end, copies=tuple(copy + end for copy in self.copies), call=number)


def copies(path: str, stack: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """Return the name of each copy of a layer: its number follows the part of the path whose parameters a loop slices.

    Parameters
    ----------
    path : str
        Of the layer.
    stack : iterable of tuple
        Of each loop, the part of the path and the number of copies, the outermost first.

    Returns
    -------
    tuple of str
        A path for each copy.
    """
    lengths = [length for _, length in stack]
    names = []
    for at in np.ndindex(*lengths):
        name, behind = path, ""
        for (prefix, _), number in reversed(list(zip(stack, at, strict=True))):
            if prefix and (name == prefix or name.startswith(prefix + "/")):
                name = f"{prefix}/{number}{name.removeprefix(prefix)}"
            else:
                behind = f"[{number}]{behind}"
        names.append(name + behind)
    return tuple(names)
