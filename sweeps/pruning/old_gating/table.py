"""The table of what can be gated in a network."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sweeps.examples import checked_inputs
from sweeps.pruning.old_gating import attaching, finding


class Row(NamedTuple):
    """An activation in the table.

    Attributes
    ----------
    path : what to give as ``sites``
    kind : of its nodes
    nodes : number of nodes, those of all copies
    gated : where its gates are applied, in words
    default : whether it is gated when no sites are given
    reaches_output : whether its gates reach the network's outputs
    """

    path: str
    kind: str
    nodes: int
    gated: str
    default: bool
    reaches_output: bool


class Table(tuple[Row, ...]):
    """Rows that print as a table."""

    def __repr__(self) -> str:
        """The rows as text in columns."""
        lines = [("path", "kind", "nodes", "gated at", "default", "reaches output")]
        lines += [
            (row.path, row.kind, str(row.nodes), row.gated, _in_words(row.default), _in_words(row.reaches_output))
            for row in self
        ]
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def sites(network: Any, inputs: Any, *, variables: Any = None, call: Any = None) -> Table:
    """Return the table of what can be gated: ``print`` it.

    Parameters
    ----------
    network, variables, call : as for ``sweeps.Objective``
    inputs : a few examples are enough

    Returns
    -------
    Table of ``Row``: every activation that a layer reads, once, and the layers that are never called, whose
        activations cannot be gated. Beside these, the input or output of any module can be gated by its path:
        ``sites="output:blocks/0"``.

    Raises
    ------
    TypeError, ValueError
        As ``sweeps.Objective``.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> sweeps.pruning.old_gating.sites(sweeps.MLP((2, 20, 30, 2)), jnp.zeros((1, 2)))
    path            kind  nodes  gated at           default  reaches output
    layers/0 input  unit  2      input of layers/0  no       yes
    layers/0        unit  20     input of layers/1  yes      yes
    layers/1        unit  30     input of layers/2  yes      yes
    """
    model, inputs = attaching.as_model(network, variables, call), checked_inputs(inputs)
    calls = finding.Calls(model, inputs)
    found = calls.found()
    gated = attaching.put_on(model, [one.site for one in found], calls, inputs)
    reached = attaching.reach(gated, inputs)
    rows = [_row(one, reaches) for one, reaches in zip(found, reached, strict=True)]
    rows += [_row(one, False)._replace(gated="nowhere: never called") for one in calls.never_called()]
    return Table(rows)


def _row(found: finding.Found, reaches: bool) -> Row:
    site = found.site
    return Row(site.path, site.kind, site.size, f"{site.at} of {_shortened(site.layers)}", found.is_hidden, reaches)


def _shortened(paths: Sequence[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _in_words(value: bool) -> str:
    return "yes" if value else "no"
