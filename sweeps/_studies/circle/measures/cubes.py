"""What is kept of all masks of each of many networks, since the losses themselves would fill a disk."""

import numpy as np
import xarray as xr
from scipy import signal, special

from analysis import _samples, balance, density, hypercube, perceptron
from sweeps._studies.circle.measures.hypercube import Floats

#: Share of the masks that are called good.
GOOD = 0.1
#: A flip that changes the loss by this factor, up or down, is called significant.
SIGNIFICANT = 1.5


def of_network(cube: xr.Dataset, draws: xr.Dataset, network: xr.Dataset, inputs: Floats) -> xr.Dataset:
    """Reduce the losses of all masks of one network to a few numbers.

    Parameters
    ----------
    cube : xarray.Dataset, (mask,)
        A sweep of all masks, with `loss` and `log_loss`.
    draws : xarray.Dataset, (probability, ...)
        A Bernoulli sweep of the same network.
    network : xarray.Dataset
        The parameters of the network, with its structure as attributes.
    inputs : numpy.ndarray, (examples, features)
        Of the test set.

    Returns
    -------
    xarray.Dataset
        What `analysis.balance.explain` says of the log loss. `mean_loss` and `mean_log_loss` (on,) of the masks with so
        many nodes on; `covariance` (distance,) of the log losses of two masks that differ in so many nodes;
        `alone_on` and `alone_off` (node,), the change of the loss when one node goes on in the empty network, and off
        in the full one. Of the masks at p = 0.5: `within_sizes`, the share of the variance of the log loss among masks
        with the same number of nodes on; `good_opposites`, the share of the best tenth of the masks whose opposite is
        better than half of all; `significant_flips`, the share of single flips that change the loss by a factor of
        1.5. `maxima` and `drawn_maxima` (probability,) of the density of the log loss, of all masks and of the draws,
        with one kernel. All NaN where a loss is zero or not finite.
    """
    loss, log_loss = (cube[name].values.astype(np.float64) for name in ("loss", "log_loss"))
    usable = bool(np.isfinite(log_loss).all())
    if not usable:
        loss, log_loss = np.ones_like(loss), np.zeros_like(loss)
    found = balance.explain(log_loss, balance.roles(perceptron.from_dataset(network), inputs))
    single = 1 << np.arange(cube.sizes["node"])
    found = found.assign(
        mean_loss=("on", hypercube.mean_by_size(loss)),
        mean_log_loss=("on", hypercube.mean_by_size(log_loss)),
        covariance=("distance", hypercube.covariance_by_distance(log_loss)),
        alone_on=("node", loss[single] - loss[0]),
        alone_off=("node", loss[(loss.size - 1) ^ single] - loss[-1]),
        within_sizes=_within_sizes(log_loss),
        good_opposites=good_opposites(log_loss),
        significant_flips=significant_flips(log_loss),
        maxima=("probability", [_exact_maxima(log_loss, float(p)) for p in draws["probability"]]),
        drawn_maxima=("probability", [_drawn_maxima(part) for part in _samples.parts(draws, "probability")]),
    )
    return found if usable else found.where(False)


def _within_sizes(log_loss: Floats) -> float:
    of_size, nodes = hypercube.mean_by_size(log_loss), log_loss.size.bit_length() - 1
    chance = special.comb(nodes, np.arange(nodes + 1)) / log_loss.size
    between = float(chance @ (of_size - log_loss.mean()) ** 2)
    variance = float(np.var(log_loss))
    return 1 - between / variance if variance > 0 else float("nan")


def good_opposites(log_loss: Floats) -> float:
    """Return the share of the best masks whose opposite is better than half of all masks."""
    good = log_loss <= np.quantile(log_loss, GOOD)
    return float(np.mean(log_loss[::-1][good] < np.median(log_loss)))


def significant_flips(log_loss: Floats) -> float:
    """Return the share of all flips of one node that change the loss by the factor `SIGNIFICANT` at least."""
    bound, found = np.log(SIGNIFICANT), []
    for node in range(log_loss.size.bit_length() - 1):
        off, on = np.moveaxis(log_loss.reshape(-1, 2, 2**node), 1, 0)
        found.append(np.mean(np.abs(on - off) >= bound))
    return float(np.mean(found))


def _exact_maxima(log_loss: Floats, probability: float) -> float:
    # Bins of a tenth of the kernel: their error cannot be seen.
    exact = hypercube.distribution(log_loss, probability=probability, width=density.WIDTH / 10)
    return maxima(density.kde(exact.values, width=density.WIDTH, weights=exact.weights))


def _drawn_maxima(draws: xr.Dataset | xr.DataArray) -> float:
    sample = _samples.log_losses(draws)
    return maxima(density.kde(sample, width=density.WIDTH)) if sample.values.size else float("nan")


def maxima(of: density.Density) -> int:
    """Count the maxima of a density from which it falls by a hundredth of its largest value on both sides."""
    _, height = of
    return len(signal.find_peaks(height, prominence=height.max() / 100)[0])
