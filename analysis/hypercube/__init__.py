"""Exact statistics of a function on the whole N-cube of masks, from the table of its ``2**N`` values.

The table is the loss, or the log loss, of a ``Hypercube`` sweep: mask number m has node i on when bit i of m is 1. What
comes out is exact for the network and its data; there are no standard errors, since nothing is sampled. The submodule
`estimates` has those that can be estimated from sampled masks, for more nodes than a table can hold.
"""

from analysis.hypercube import estimates as estimates  # not in __all__, which lists functions of a table
from analysis.hypercube._moments import (
    Distribution,
    Moments,
    distribution,
    mean_by_size,
    mean_derivative,
    moments,
)
from analysis.hypercube._optimum import GreedyRemoval, MaskOfEachSize, best_masks, greedy_removal, worst_masks
from analysis.hypercube._spectrum import (
    Opposite,
    additive_share,
    covariance_by_distance,
    krawtchouk,
    opposite,
    variance_by_order,
    weight_by_order,
)
from analysis.hypercube._transform import biased, inverse_biased, inverse_walsh, walsh
from analysis.hypercube._values import Sobol, banzhaf, interaction, shapley, sobol

__all__ = [
    "Distribution",
    "GreedyRemoval",
    "MaskOfEachSize",
    "Moments",
    "Opposite",
    "Sobol",
    "additive_share",
    "banzhaf",
    "best_masks",
    "biased",
    "covariance_by_distance",
    "distribution",
    "greedy_removal",
    "interaction",
    "inverse_biased",
    "inverse_walsh",
    "krawtchouk",
    "mean_by_size",
    "mean_derivative",
    "moments",
    "opposite",
    "shapley",
    "sobol",
    "variance_by_order",
    "walsh",
    "weight_by_order",
    "worst_masks",
]
