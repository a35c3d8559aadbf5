"""Gating: gates on the nodes of a trained network, which stays unchanged.

A node's gate multiplies the node's own value, once: after its activation (a gate before a ReLU would have no gradient
at zero, and before a sigmoid would not switch the node off), and before the first reader, sum or product with
something else. ``sweeps._program`` reads the network as a traced program.
"""

from sweeps._program import Site
from sweeps.gating._table import Table, sites

__all__ = ["Site", "Table", "sites"]
