"""Programs: networks as traced functions of parameters and inputs, whose nodes have names and gates."""

from sweeps.program.averaging import averages, by_node, noted
from sweeps.program.endings import ending
from sweeps.program.network import Network, read
from sweeps.program.networks import Apply, OfLinen, OfNnx, of_function, of_linen, of_nnx
from sweeps.program.read_program import widest
from sweeps.program.running import scans_around
from sweeps.program.sites import Place, Site
from sweeps.program.tracing import bodies, trace

__all__ = [
    "Apply",
    "Network",
    "OfLinen",
    "OfNnx",
    "Place",
    "Site",
    "averages",
    "bodies",
    "by_node",
    "ending",
    "noted",
    "of_function",
    "of_linen",
    "of_nnx",
    "read",
    "scans_around",
    "trace",
    "widest",
]
