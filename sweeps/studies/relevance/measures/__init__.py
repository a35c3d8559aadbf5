"""Relevance of inputs and nodes: heat maps, where relevance went, what its ranking is worth, and training by it."""

from sweeps.studies.relevance import claims
from sweeps.studies.relevance.measures import deletion, demonstrations, heat, ledger, nodes, supervised
from sweeps.studies.relevance.names import keys, measure_name, method_name, names_of, training_name

__all__ = [
    "claims",
    "deletion",
    "demonstrations",
    "heat",
    "keys",
    "ledger",
    "measure_name",
    "method_name",
    "names_of",
    "nodes",
    "supervised",
    "training_name",
]
