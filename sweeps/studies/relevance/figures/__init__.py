"""Figures of relevance: one module a kind, each function takes data, and an optional axes or none."""

from sweeps.studies.relevance.figures import deletion, heat, ledger, nodes, rules, supervised

__all__ = ["deletion", "heat", "ledger", "nodes", "rules", "supervised"]
