"""Pruning: removes weights and nodes of a network, or masks them."""

from sweeps.pruning.choosing import prune_units, prune_weights, unit_masks, weight_masks
from sweeps.pruning.costs import Cost, cost
from sweeps.pruning.evaluation import Evaluated, evaluate
from sweeps.pruning.gradual import Gradual, gradually
from sweeps.pruning.masked import Mask, Masked, resting
from sweeps.pruning.parameters import zeroed
from sweeps.pruning.reading import mean_activations
from sweeps.pruning.removing import masks_of_nodes, remove_nodes, zero_nodes
from sweeps.pruning.scoring import UNIT_CRITERIA, WEIGHT_CRITERIA, unit_scores, weight_scores
from sweeps.pruning.sparsities import SCOPES

__all__ = [
    "SCOPES",
    "UNIT_CRITERIA",
    "WEIGHT_CRITERIA",
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
