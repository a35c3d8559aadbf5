"""How much of a network can be pruned: where accuracy starts to fall, by which choice, and at what saving."""

from sweeps._studies.sparsity.measures import overfitting, ways
from sweeps._studies.sparsity.measures.connections import Connections, crucial
from sweeps._studies.sparsity.measures.cost import cost_summary
from sweeps._studies.sparsity.measures.layers import emptied, extremes, left_at
from sweeps._studies.sparsity.measures.methods import (
    KIND_NAMES,
    KINDS,
    PUBLISHED,
    Method,
    compared,
    layer_name,
    methods,
)
from sweeps._studies.sparsity.measures.results import Finetuned, Results, measure
from sweeps._studies.sparsity.measures.spread import spread_ratio
from sweeps._studies.sparsity.measures.summary import (
    DROPS,
    MAIN_DROP,
    at_last,
    differences,
    largest_difference,
    less_published,
    mean_of,
    paired,
    ranking,
    shown,
    summary,
    told_apart,
)
from sweeps._studies.sparsity.measures.weights import EqualWeights, at_equal_weights, square_law, weights_gone

__all__ = [
    "DROPS",
    "KINDS",
    "KIND_NAMES",
    "MAIN_DROP",
    "PUBLISHED",
    "Connections",
    "EqualWeights",
    "Finetuned",
    "Method",
    "Results",
    "at_equal_weights",
    "at_last",
    "compared",
    "cost_summary",
    "crucial",
    "differences",
    "emptied",
    "extremes",
    "largest_difference",
    "layer_name",
    "left_at",
    "less_published",
    "mean_of",
    "measure",
    "methods",
    "overfitting",
    "paired",
    "ranking",
    "shown",
    "spread_ratio",
    "square_law",
    "summary",
    "told_apart",
    "ways",
    "weights_gone",
]
