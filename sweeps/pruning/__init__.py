"""Pruning: removes weights and nodes of a network, or masks them."""

from sweeps.pruning._choosing import prune_units, prune_weights, unit_masks, weight_masks
from sweeps.pruning._costs import Cost, cost
from sweeps.pruning._evaluation import Evaluated, evaluate
from sweeps.pruning._gradual import Gradual, gradually
from sweeps.pruning._masked import Mask, Masked, resting
from sweeps.pruning._parameters import zeroed
from sweeps.pruning._reading import mean_activations
from sweeps.pruning._removing import masks_of_nodes, remove_nodes, zero_nodes
from sweeps.pruning._scoring import UNIT_METHODS, WEIGHT_METHODS, unit_scores, weight_scores
from sweeps.pruning._sparsities import SCOPES

__all__ = [
    "SCOPES",
    "UNIT_METHODS",
    "WEIGHT_METHODS",
    "Cost",
    "Evaluated",
    "Gradual",
    "Mask",
    "Masked",
    "cost",
    "evaluate",
    "gradually",
    "masks_of_nodes",
    "mean_activations",
    "prune_units",
    "prune_weights",
    "remove_nodes",
    "resting",
    "unit_masks",
    "unit_scores",
    "weight_masks",
    "weight_scores",
    "zero_nodes",
    "zeroed",
]
