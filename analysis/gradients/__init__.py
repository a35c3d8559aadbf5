"""Gate gradients of a Bernoulli sweep: how they are spread, and what they say about the slope of the mean loss.

The gate gradient of a node is d loss / d gate at a mask. The entries of one draw are correlated: errors are from whole
draws.
"""

from analysis.gradients._intervals import bootstrap
from analysis.gradients._moments import kernel_width, statistics
from analysis.gradients._slope import slope_check
from analysis.gradients._sums import NAMES, STATES, entries

__all__ = ["NAMES", "STATES", "bootstrap", "entries", "kernel_width", "slope_check", "statistics"]
