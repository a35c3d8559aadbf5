"""Networks whose training ended early: what the first removals do to error and accuracy."""

import numpy as np

from sweeps._studies.shrinking.measures.networks import Network
from sweeps._studies.shrinking.measures.paths import Floats

#: "For the first 5-10 %" of the nodes.
FIRST = (0.05, 0.10)


def error_change(network: Network, method: str, share: float) -> Floats:
    """Return the change of the error when so many of the nodes are gone, as a share of the error at the start."""
    loss = network.curves("loss", method).values.astype(float)
    return loss[:, round(share * network.nodes)] / loss[:, 0] - 1


def accuracy_change(network: Network, method: str, share: float) -> Floats:
    """Return the change of the accuracy when so many of the nodes are gone."""
    accuracy = network.curves("accuracy", method).values.astype(float)
    return accuracy[:, round(share * network.nodes)] - accuracy[:, 0]


def worst_error_change(network: Network, method: str) -> Floats:
    """Return the larger of the two changes of the error, at both ends of the first 5 to 10 %."""
    return np.maximum(*(error_change(network, method, share) for share in FIRST))
