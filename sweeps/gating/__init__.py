"""Gating: gates on the nodes of a trained network, which stays unchanged.

A node's gate multiplies the node's own value, once: after its activation (a gate before a ReLU would have no gradient
at zero, and before a sigmoid would not switch the node off), and before the first reader, sum or product with
something else. ``sweeps.program`` reads the network as a traced program.
"""

from sweeps.gating.attaching import GatedNetwork, attach, of_function, output_shape
from sweeps.gating.choosing import Selection
from sweeps.gating.table import Table, sites
from sweeps.gating.tying import Tied
from sweeps.gating.wiring import Gates, Wiring
from sweeps.program import Site

__all__ = [
    "GatedNetwork",
    "Gates",
    "Selection",
    "Site",
    "Table",
    "Tied",
    "Wiring",
    "attach",
    "of_function",
    "output_shape",
    "sites",
]
