"""Gating: gates on the nodes of a trained network, from outside, without touching it.

A node's gate multiplies the node's own value, once, where it is made and before anything reads it: after its activation
(a gate before a ReLU would have no gradient at zero, and before a sigmoid would not switch the node off), before the
first reader, sum or product with something else. The network is read as one traced program, in ``sweeps.program``.
"""

from sweeps.gating.attaching import GatedNetwork, attach, of_function, output_shape
from sweeps.gating.choosing import Selection
from sweeps.gating.table import Table, sites
from sweeps.program import Site

__all__ = ["GatedNetwork", "Selection", "Site", "Table", "attach", "of_function", "output_shape", "sites"]
