"""The table of what can be gated in a network."""

from collections.abc import Sequence
from typing import Any

from sweeps import program
from sweeps.examples import checked_inputs
from sweeps.gating import attaching
from sweeps.program import Site


class Table(tuple[Site, ...]):
    """Sites that print as a table."""

    def __new__(cls, sites: Sequence[Site], opaque: Sequence[str] = ()) -> "Table":
        """Make a table of sites; ``opaque`` are operations that were taken for mixing the nodes that they read."""
        table = super().__new__(cls, sites)
        table.opaque = tuple(opaque)
        return table

    opaque: tuple[str, ...]

    def __repr__(self) -> str:
        """The sites as text in columns."""
        lines: list[tuple[str, ...]] = [("path", "kind", "nodes", "gated", "read by", "cannot be gated")]
        lines += [
            (one.path, one.kind, str(one.size), "yes" if one.default else "no", _shortened(one.reads), one.reason)
            for one in self
        ]
        if not any(one.reason for one in self):
            lines = [line[:-1] for line in lines]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        if self.opaque:
            text.append(f"Taken for mixing the nodes that they read: {', '.join(self.opaque)}")
        return "\n".join(text)


def sites(network: Any, inputs: Any, *, variables: Any = None, params: Any = None, call: Any = None) -> Table:
    """Return the table of what can be gated: ``print`` it.

    Parameters
    ----------
    network, variables, params, call : as for ``sweeps.Objective``
    inputs : a few examples are enough

    Returns
    -------
    Table of ``Site``: everything that makes nodes, in the order of the program, and whether it is gated when nothing is
        asked for; who reads it; and why it cannot be gated, if it cannot. Behind a layer that only writes into a
        residual stream stands the stream, ``stream:path``; at the end stand the network's inputs. Beside these,
        ``input:path`` is what one layer reads, and ``output:path`` what a layer makes before its activation.

    Raises
    ------
    InputTypeError, InputError
        As ``sweeps.Objective``.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> sweeps.gating.sites(sweeps.MLP((2, 20, 30, 2)), jnp.zeros((1, 2)))
    path      kind     nodes  gated  read by
    layers/0  unit     20     yes    layers/1
    layers/1  unit     30     yes    layers/2
    layers/2  unit     2      no     outputs
    inputs    feature  2      no     layers/0
    """
    apply, params = attaching.as_function(network, variables, params, call)
    read = program.read(apply, params, checked_inputs(inputs))
    return Table(read.sites, read.opaque)


def _shortened(reads: str) -> str:
    readers = reads.split(", ")
    return ", ".join(readers[:3]) + (f" and {len(readers) - 3} more" if len(readers) > 3 else "")
