"""What removal paths say: how many nodes can go, by which criterion, from which layers, and how far from the best."""

from analysis.shrinking import claims, curves  # modules, named apart from the functions
from analysis.shrinking.layers import left, preference
from analysis.shrinking.names import METHOD_NAMES, RANKING_NAMES, layer_name, method_name, network_name
from analysis.shrinking.networks import METHODS, PAPER, RANKINGS, Network, measured_network
from analysis.shrinking.optimum import greedy_gaps
from analysis.shrinking.pairs import PairSummary, cancelling, pair_summary, pair_values
from analysis.shrinking.paths import DROPS, choices, summary
from analysis.shrinking.retraining import RetrainingSummary, retraining_summary

__all__ = [
    "DROPS",
    "METHODS",
    "METHOD_NAMES",
    "PAPER",
    "RANKINGS",
    "RANKING_NAMES",
    "Network",
    "PairSummary",
    "RetrainingSummary",
    "cancelling",
    "choices",
    "claims",
    "curves",
    "greedy_gaps",
    "layer_name",
    "left",
    "measured_network",
    "method_name",
    "network_name",
    "pair_summary",
    "pair_values",
    "preference",
    "retraining_summary",
    "summary",
]
