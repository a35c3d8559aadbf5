"""What removal paths say: how many nodes can go, by which criterion, from which layers, and how far from the best."""

from analysis import curves  # modules, named apart from the functions
from sweeps.studies.shrinking import claims
from sweeps.studies.shrinking.measures.layers import left, preference
from sweeps.studies.shrinking.measures.networks import METHODS, PAPER, RANKINGS, Network, measured_network
from sweeps.studies.shrinking.measures.optimum import greedy_gaps
from sweeps.studies.shrinking.measures.pairs import PairSummary, cancelling, pair_summary, pair_values
from sweeps.studies.shrinking.measures.paths import DROPS, choices, summary
from sweeps.studies.shrinking.measures.retraining import RetrainingSummary, retraining_summary
from sweeps.studies.shrinking.names import METHOD_NAMES, RANKING_NAMES, layer_name, method_name, network_name

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
