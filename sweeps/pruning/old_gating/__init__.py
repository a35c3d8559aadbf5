"""Gating: put gates on the nodes of a trained network from outside, without touching it.

A gate multiplies a node's activation. It is applied where the activation is read, at the input of the next layer:
a gate before a ReLU would have no gradient at zero, and before a sigmoid would not switch the node off.
"""

from sweeps.pruning.old_gating.attaching import GatedNetwork, attach, of_function
from sweeps.pruning.old_gating.choosing import Selection
from sweeps.pruning.old_gating.nnx_models import Gate, output_shape
from sweeps.pruning.old_gating.site import Site
from sweeps.pruning.old_gating.table import Row, Table, sites

__all__ = [
    "Gate",
    "GatedNetwork",
    "Row",
    "Selection",
    "Site",
    "Table",
    "attach",
    "of_function",
    "output_shape",
    "sites",
]
