"""Sites: the nodes of a program by name, and the places where their gates stand."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sweeps.program.values import Frame, Key


class Place(NamedTuple):
    """A value that is multiplied by gates.

    Attributes
    ----------
    key : where it stands in the program
    ids : number of the node at each place, of shape that broadcasts to the value's
    frames : the loops over layers, each of which slices one axis of the gates
    """

    key: Key
    ids: np.ndarray
    frames: tuple[Frame, ...]


@dataclass(frozen=True, eq=False)
class Site:
    """Nodes that one layer makes, or several that share them.

    Attributes
    ----------
    path : what makes the nodes, such as ``blocks/0/up``; the last part of a parameter's path is left out where it is
        the only one of its layer that makes nodes
    kind : ``unit``, ``channel`` or ``head``
    nodes : number of nodes, of each copy
    stack : numbers of copies, where a loop runs over layers; empty otherwise
    numbers : number of each node in what its parameter makes
    groups : path of each copy
    default : whether it is gated when nothing is asked for
    reads : who reads it, in words
    reason : why it cannot be gated, and what would work; empty if it can
    places : where gates stand: one for each call of a layer
    """

    path: str
    kind: str
    nodes: int
    stack: tuple[int, ...]
    numbers: tuple[int, ...]
    groups: tuple[str, ...]
    default: bool
    reads: str
    reason: str
    places: tuple[Place, ...]

    @property
    def key(self) -> str:
        """The site's name: no other site of the network has it."""
        return f"{self.groups[0]} {self.kind} {self.numbers[0] if self.numbers else ''}"

    @property
    def size(self) -> int:
        """Number of nodes of all copies."""
        return self.nodes * math.prod(self.stack)

    @property
    def labels(self) -> list[str]:
        """Names of all nodes, such as ``layers/0 unit 3``."""
        return [f"{group} {self.kind} {number}" for group in self.groups for number in self.numbers]

    @property
    def layer_of_nodes(self) -> list[str]:
        """The group of each node."""
        return [group for group in self.groups for _ in self.numbers]


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


def table(sites: Iterable[Site], opaque: Iterable[str]) -> str:
    """Sites as text in columns."""
    lines = [("path", "kind", "nodes", "default", "read by", "cannot be gated")]
    lines += [
        (site.path, site.kind, str(site.size), "yes" if site.default else "no", _shortened(site.reads), site.reason)
        for site in sites
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    unknown = ", ".join(sorted(opaque))
    return "\n".join([*text, f"Taken for mixing its nodes: {unknown}"] if unknown else text)


def _shortened(reads: str) -> str:
    readers = reads.split(", ")
    return ", ".join(readers[:3]) + (f" and {len(readers) - 3} more" if len(readers) > 3 else "")
