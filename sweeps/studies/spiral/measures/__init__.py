"""Does pruning commute with training: outcomes, decisions and weights of train first and of prune first."""

from sweeps.studies.spiral import claims
from sweeps.studies.spiral.measures import adam, compare, deviations, kernels, moves, outcomes, rates
from sweeps.studies.spiral.measures.compare import Commuting, commuting
from sweeps.studies.spiral.names import ARM_NAMES, CHOSEN, RANDOM, arm_name, arm_short, kind_of, kinds_of, nodes_name

__all__ = [
    "ARM_NAMES",
    "CHOSEN",
    "RANDOM",
    "Commuting",
    "adam",
    "arm_name",
    "arm_short",
    "claims",
    "commuting",
    "compare",
    "deviations",
    "kernels",
    "kind_of",
    "kinds_of",
    "moves",
    "nodes_name",
    "outcomes",
    "rates",
]
