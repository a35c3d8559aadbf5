"""Small networks as functions of parameters and inputs, for tests of reading programs."""

import jax
import numpy as np


def normal(*shape, seed=0):
    """Random numbers, the same for the same seed and shape."""
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(np.float32)


X = normal(5, 3)
TWO = {"a": normal(3, 4), "b": normal(4, 4), "o": normal(4, 2)}


def two_layers(p, x):
    """Two hidden layers of ReLUs."""
    return jax.nn.relu(jax.nn.relu(x @ p["a"]) @ p["b"]) @ p["o"]


def site(network, path, kind="unit"):
    """The site of a path and kind."""
    (found,) = [site for site in network.sites if (site.path, site.kind) == (path, kind)]
    return found


def listed(network):
    """What makes nodes: path, kind, number of nodes, and whether it is gated by default."""
    return [(site.path, site.kind, site.nodes, site.default) for site in network.first.makers]
