"""Programs: networks as traced functions of parameters and inputs, whose nodes have names and gates."""

from sweeps._program.averaging import averages, by_node, noted
from sweeps._program.endings import ending
from sweeps._program.network import Network, read
from sweeps._program.networks import Apply, OfLinen, OfNnx, of_function, of_linen, of_nnx
from sweeps._program.read_program import widest
from sweeps._program.running import scans_around
from sweeps._program.sites import Place, Site
from sweeps._program.tracing import bodies, trace

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
