"""Off values: what the value of a node becomes when its gate is 0.

With the gate g, a node of value h takes g h + (1 - g) c. The off value c is fixed once and depends on no gate: zero,
a mean over data, or what stands at the node's place for other inputs, in the network with all nodes on.
"""

from sweeps._off import From, Mean, Resample

__all__ = ["From", "Mean", "Resample"]
