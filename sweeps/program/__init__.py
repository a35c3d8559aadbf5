"""Programs: any network, read as one traced function of parameters and inputs, whose nodes have names and gates."""

from sweeps.program.network import Network, read
from sweeps.program.networks import of_linen, of_nnx
from sweeps.program.sites import Place, Site

__all__ = ["Network", "Place", "Site", "of_linen", "of_nnx", "read"]
