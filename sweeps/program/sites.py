"""Sites: the nodes of a program by name, and the places where their gates stand."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sweeps.program.values import Frame, Key


class Place(NamedTuple):
    """A value that is multiplied by gates.

    Attributes
    ----------
    key : where it stands in the program
    ids : number of the node at each place, of shape that broadcasts to the value's
    frames : the loops over layers, each of which slices one axis of the gates
    call : number of the call of the layer
    """

    key: Key
    ids: np.ndarray
    frames: tuple[Frame, ...]
    call: int = 0


@dataclass(frozen=True)
class Site:
    """Nodes that one layer makes, or several that share them; or what one layer reads, if it is asked for.

    Attributes
    ----------
    path : what makes the nodes, such as ``blocks/0/up``; the last part of a parameter's path is left out where it is
        the only one of its layer that makes nodes
    kind : ``unit``, ``channel``, ``head`` or ``feature``; ``group`` for groups of these
    nodes : number of nodes, of each copy
    key : the site's name: no other site of the network has it
    stack : numbers of copies, where a loop runs over layers; empty otherwise
    numbers : number of each node in what its parameter makes
    copies : paths of the copies
    chosen : numbers of the copies that are gated
    call : number of the only call of the layer that is gated; None for all
    features : how many nodes of the program have one gate
    default : whether it is gated when nothing is asked for
    reads : who reads it, in words
    reason : why it cannot be gated, and what would work; empty if it can
    makers : names of all layers that make the nodes together, as in a gated linear unit
    places : where gates stand: one for each call of a layer
    """

    path: str
    kind: str
    nodes: int
    key: str
    stack: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    copies: tuple[str, ...] = ()
    chosen: tuple[int, ...] = ()
    call: int | None = None
    features: int = 1
    default: bool = field(default=False, compare=False)
    reads: str = field(default="", compare=False)
    reason: str = field(default="", compare=False)
    makers: tuple[str, ...] = field(default=(), compare=False)
    places: tuple[Place, ...] = field(default=(), compare=False, repr=False)

    @property
    def layers(self) -> tuple[str, ...]:
        """Paths of the gated copies, such as ``blocks/0/up`` and ``blocks/1/up``."""
        return tuple(self.copies[copy] for copy in self.chosen)

    @property
    def size(self) -> int:
        """Number of gates."""
        return self.nodes * len(self.chosen)

    @property
    def labels(self) -> list[str]:
        """Names of all nodes, such as ``layers/0 unit 3``."""
        return [f"{layer} {self.kind} {number}" for layer in self.layers for number in self.numbers]

    @property
    def layer_of_nodes(self) -> list[str]:
        """The layer of each node."""
        return [layer for layer in self.layers for _ in self.numbers]

    @property
    def calls(self) -> int:
        """Number of calls of the layer."""
        return len({place.call for place in self.places})

    def with_copies(self, chosen: Iterable[int]) -> "Site":
        """The same site, of which some copies are gated."""
        return replace(self, chosen=tuple(sorted(chosen)))

    def with_call(self, number: int) -> "Site":
        """The same site, of which one call is gated."""
        end = f"@{number}"
        return replace(self, path=self.path + end, copies=tuple(copy + end for copy in self.copies), call=number)

    def in_groups(self, groups: int) -> "Site":
        """The same site with one gate for equal groups of nodes that lie in a row."""
        numbers, features = tuple(range(groups)), self.nodes // groups
        return replace(self, kind="group", nodes=groups, numbers=numbers, features=self.features * features)

    def spread(self, gates: Any) -> jax.Array:
        """Return gates of shape (size,) as (*stack, nodes of the program); copies that are not gated have ones."""
        gates = jnp.repeat(jnp.asarray(gates).reshape(len(self.chosen), self.nodes), self.features, axis=1)
        if len(self.chosen) < len(self.copies):
            ones = jnp.ones((len(self.copies), gates.shape[1]), gates.dtype)
            gates = ones.at[jnp.asarray(self.chosen)].set(gates)
        return gates.reshape(*self.stack, -1)


def copies(path: str, stack: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """Name each copy of a layer: its number stands behind the part of the path below which a loop slices parameters.

    Parameters
    ----------
    path : of the layer
    stack : of each loop, the part of the path and the number of copies, the outermost first
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
