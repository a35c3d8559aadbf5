"""How much of a network can be pruned: where accuracy starts to fall, by which choice, and at what saving."""

from analysis.intervals import Interval, band, interval
from sweeps.studies.sparsity import claims
from sweeps.studies.sparsity.measures import plateaus  # modules, named apart from the functions
from sweeps.studies.sparsity.measures.cost import cost_summary
from sweeps.studies.sparsity.measures.layers import emptied, left_at
from sweeps.studies.sparsity.measures.summary import (
    DROPS,
    KINDS,
    MAIN_DROP,
    PUBLISHED,
    Method,
    at_last,
    largest_difference,
    mean_height,
    methods,
    paired,
    summary,
)
from sweeps.studies.sparsity.measures.weights import EqualWeights, at_equal_weights, square_law, weights_gone
from sweeps.studies.sparsity.names import BY_NAMES, SCOPE_NAMES, by_name, layer_name, method_name, scope_name

__all__ = [
    "BY_NAMES",
    "DROPS",
    "KINDS",
    "MAIN_DROP",
    "PUBLISHED",
    "SCOPE_NAMES",
    "EqualWeights",
    "Interval",
    "Method",
    "at_equal_weights",
    "at_last",
    "band",
    "by_name",
    "claims",
    "cost_summary",
    "emptied",
    "interval",
    "largest_difference",
    "layer_name",
    "left_at",
    "mean_height",
    "method_name",
    "methods",
    "paired",
    "plateaus",
    "scope_name",
    "square_law",
    "summary",
    "weights_gone",
]
