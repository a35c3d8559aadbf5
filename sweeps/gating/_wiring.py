"""Wiring: which gate each node of a network has."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from analysis._errors import InputError
from sweeps._program import Site


class Row(NamedTuple):
    """The nodes of one copy of a site, or of a call of it.

    Attributes
    ----------
    site : Site
        The site with the nodes.
    copy : int
        Number of the copy; 0 where there is one.
    """

    site: Site
    copy: int

    @property
    def path(self) -> str:
        """Path of the copy, such as ``blocks/0/up``."""
        return self.site.copies[self.copy]


class Gates(NamedTuple):
    """Gates that have a layer's name: ``objective.gates`` lists them in the order of the gate vector.

    Attributes
    ----------
    layer : str
        Path of the layer: gates are called ``{layer} {kind} {number}``, such as ``layers/0 unit 3``.
    kind : str
        What a gate stands for: ``unit``, ``channel``, ``head``, ``feature``, or the name of a tie.
    numbers : tuple of int
        Number of each gate.
    rows : tuple of object
        Where their nodes are: each has a ``site``, the number of its ``copy``, and a ``path``.
    gate_of : tuple of numpy.ndarray of int, (nodes,)
        For each row, the number of the gate of each node among these; -1 for no gate.
    """

    layer: str
    kind: str
    numbers: tuple[int, ...]
    rows: tuple[Row, ...]
    gate_of: tuple[np.ndarray, ...]

    @property
    def labels(self) -> list[str]:
        """Name of each gate."""
        return [f"{self.layer} {self.kind} {number}" for number in self.numbers]

    @property
    def reads(self) -> str:
        """The readers of the nodes, in words."""
        readers = [reader for row in self.rows for reader in row.site.reads.split(", ") if reader]
        return ", ".join(dict.fromkeys(readers))

    @property
    def is_tied(self) -> bool:
        """Whether it is not one gate for each node of one row."""
        return len(self.rows) > 1 or not np.array_equal(self.gate_of[0], np.arange(self.rows[0].site.nodes))

    def is_same(self, other: "Gates") -> bool:
        """Whether both stand for the same gates of the same nodes."""
        return self[:-1] == other[:-1] and all(map(np.array_equal, self.gate_of, other.gate_of))


class Wiring:
    """Which gate each node has; equal to others with the same gates of the same nodes. Static to jit.

    Parameters
    ----------
    gates : sequence of Gates
        Of each layer or tie, in the order of the gate vector.
    sites : sequence of Site
        Those with gates, in program order.

    Attributes
    ----------
    index : tuple of numpy.ndarray of int
        For each site, the number of the gate of each node of each copy, shape (copies * nodes,); -1 for no gate.
    labels : tuple of str
        Name of each gate, such as ``layers/0 unit 3``.
    layers : tuple of str
        The layer of each gate.

    Raises
    ------
    InputError
        If a node would have two gates, or two gates one name.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> from sweeps.gating._attaching import attach
    >>> wiring = attach(sweeps.MLP((2, 3, 2)), jnp.ones((1, 2))).wiring
    >>> [index.tolist() for index in wiring.index]
    [[0, 1, 2]]
    """

    def __init__(self, gates: Sequence[Gates], sites: Sequence[Site]):
        self.gates, self.sites = tuple(gates), tuple(sites)
        known = {site: np.full((len(site.copies), site.nodes), -1) for site in sites}
        start = 0
        for part in gates:
            for row, own in zip(part.rows, part.gate_of, strict=True):
                here = known[row.site][row.copy]
                for node in np.flatnonzero((here >= 0) & (own >= 0))[:1]:
                    both = " and ".join(repr(self.labels[gate]) for gate in (here[node], start + own[node]))
                    raise InputError(f"sites: node {row.site.numbers[node]} of {row.path} would have two gates: {both}")
                here[own >= 0] = start + own[own >= 0]
            start += len(part.numbers)
        self.index = tuple(index.ravel() for index in known.values())
        for label, number in Counter(self.labels).items() if any(part.is_tied for part in gates) else ():
            if number > 1:
                raise InputError(f"sites: two gates would be called {label!r}: give one of the ties another name=")

    @classmethod
    def of_site(cls, site: Site) -> "Wiring":
        """Return a gate for each node of a site with a single copy."""
        return cls([plain(Row(site, 0))], [site])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wiring) and self._identity == other._identity

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Name of each gate, such as ``layers/0 unit 3``."""
        return tuple(label for part in self.gates for label in part.labels)

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """The layer of each gate."""
        return tuple(part.layer for part in self.gates for _ in part.numbers)

    def spread(self, values: Float[Array, " gates"], rest: float = 1) -> dict[Site, Array]:
        """Return the value of each node of each site, from the values of the gates.

        Parameters
        ----------
        values : array, (gates,)
            Of the gates, in the order of the gate vector.
        rest : float, default 1
            The value of nodes without a gate.

        Returns
        -------
        dict of Site to array, (nodes,)
            A value for each node.
        """
        return {site: _spread(values, index, rest) for site, index in zip(self.sites, self.index, strict=True)}

    @cached_property
    def _identity(self) -> Any:
        return self.sites, self.labels, tuple(index.tobytes() for index in self.index)

    @cached_property
    def _hash(self) -> int:
        return hash(self._identity)


def plain(row: Row) -> Gates:
    """Return a gate for each node."""
    site = row.site
    return Gates(row.path, site.kind, site.numbers, (row,), (np.arange(site.nodes),))


def _spread(values: Float[Array, " gates"], index: np.ndarray, rest: float) -> Array:
    """Return values[index], and the rest where the index is negative; nodes in a row take slices."""
    start, number = index[0], index[-1] + 1 - index[0]
    if start >= 0 and number > 0 and len(index) % number == 0:
        times = len(index) // number
        if np.array_equal(index, np.repeat(np.arange(start, start + number), times)):
            part = values[start : start + number]
            return part if times == 1 else jnp.repeat(part, times)
    if index.min() >= 0:
        return values[index]
    # As a move of numbers, which shows of each node on which gate it depends.
    padded = jnp.concatenate([values, jnp.full(1, rest, values.dtype)])
    return padded[np.where(index < 0, len(values), index)]
