"""Ranking: which node to remove next, by brute force, to first or second order, or by cheaper criteria."""

from sweeps.ranking._criteria import METHODS, scores
from sweeps.ranking._paths import RemovalPath, masks_along, removal_path
from sweeps.ranking._probes import GainCurve, activation_correlation, gain_curve, pair_interaction
from sweeps.ranking._replacing import REPLACEMENT_METHODS, STAND_INS, ReplacementPaths, replacement_paths

__all__ = [
    "METHODS",
    "REPLACEMENT_METHODS",
    "STAND_INS",
    "GainCurve",
    "RemovalPath",
    "ReplacementPaths",
    "activation_correlation",
    "gain_curve",
    "masks_along",
    "pair_interaction",
    "removal_path",
    "replacement_paths",
    "scores",
]
