"""Bernoulli sweeps of known functions, with their gate gradients."""

import numpy as np

from tests.analysis import synthetic_run

NODES, DRAWS = 6, 60


def sweep_of(function, gradient, nodes=NODES, draws=DRAWS, seed=0, noise=0.0):
    """A Bernoulli sweep of a function of gates (..., nodes); `noise` adds what entries of a draw share."""
    random = np.random.default_rng(seed)
    data = synthetic_run.bernoulli(random, nodes, draws)
    gates = data["gates"].values.astype(float)
    loss, slope = function(gates), gradient(gates)
    slope = slope + noise * random.standard_normal((*loss.shape, 1))
    data["loss"] = (data["loss"].dims, loss)
    data["log_loss"] = (data["loss"].dims, np.log(loss))
    data["loss_gradient"] = (data["loss_gradient"].dims, slope)
    data["log_loss_gradient"] = (data["loss_gradient"].dims, slope / loss[..., None])
    return data


WORTH = np.linspace(-0.6, 0.3, NODES)


def skewed(noise=0.4, **options):
    """Gradients that differ by node and by state, with a long tail, and share noise within a draw."""
    return sweep_of(
        lambda gates: 3 + gates @ WORTH + 0.5 * (gates @ WORTH) ** 2,
        lambda gates: WORTH * (1 + (gates @ WORTH)[..., None] + 0.5 * gates),
        noise=noise,
        **options,
    )
