"""The table of a network's sites."""

from collections.abc import Sequence
from typing import Any

from sweeps import _program
from sweeps._examples import checked_inputs
from sweeps._program import Site
from sweeps.gating import _attaching, _hints


class Table(tuple[Site, ...]):
    """Sites, a tuple that prints as a table.

    Parameters
    ----------
    sites : sequence of Site
        In the order of the program.
    opaque : sequence of str, optional
        Names of operations without a rule, taken to mix the nodes that they read.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> table = sweeps.gating.sites(sweeps.MLP((2, 3, 2)), jnp.ones((1, 2)))
    >>> [(site.path, site.kind, site.nodes) for site in table if site.default]
    [('layers/0', 'unit', 3)]
    """

    def __new__(cls, sites: Sequence[Site], opaque: Sequence[str] = ()) -> "Table":
        """Make a table of sites."""
        table = super().__new__(cls, sites)
        table.opaque = tuple(opaque)
        return table

    opaque: tuple[str, ...]

    def __repr__(self) -> str:
        """The sites as text in columns, and what to write for heads, experts and blocks."""
        lines: list[tuple[str, ...]] = [("path", "kind", "nodes", "gated", "read by", "cannot be gated")]
        lines += [
            (site.path, site.kind, str(site.size), "yes" if site.default else "no", _shortened(site.reads), site.reason)
            for site in self
        ]
        if not any(site.reason for site in self):
            lines = [line[:-1] for line in lines]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        if self.opaque:
            text.append(f"Taken for mixing the nodes that they read: {', '.join(self.opaque)}")
        return "\n".join(text + _hints.hints(self))


def sites(network: Any, inputs: Any, *, variables: Any = None, params: Any = None, call: Any = None) -> Table:
    """Return the table of a network's sites; ``print`` it.

    Parameters
    ----------
    network : flax.nnx.Module or flax.linen.Module or callable
        As for ``sweeps.Objective``.
    inputs : array or pytree, (examples, ...)
        A few examples suffice.
    variables : dict, optional
        Of a linen module.
    params : pytree, optional
        Of a function (params, inputs) -> outputs.
    call : callable, optional
        How a module is called where it is not by ``network(inputs)``.

    Returns
    -------
    Table
        Of ``Site``: everything that makes nodes, in the order of the program; whether it is gated by default; its
        readers; and the reason if it cannot be gated. ``stream:path`` is the residual stream behind a layer that only
        adds to it; the network's inputs come last. Lines below the table say what to write for one gate a head with all
        that makes it, an expert or a block. A selection may also name ``input:path``, what a layer reads, and
        ``output:path``, what a layer makes before its activation.

    Raises
    ------
    TypeError
        If the network is no Flax module and no function, or comes without its variables or params.
    InputError
        If the network does not accept the inputs.

    See Also
    --------
    sweeps.Objective : Takes their paths as ``sites=``.

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
    apply, params = _attaching.as_function(network, variables, params, call)
    read = _program.read(apply, params, checked_inputs(inputs))
    return Table(read.sites, read.opaque)


def _shortened(reads: str) -> str:
    readers = reads.split(", ")
    return ", ".join(readers[:3]) + (f" and {len(readers) - 3} more" if len(readers) > 3 else "")
