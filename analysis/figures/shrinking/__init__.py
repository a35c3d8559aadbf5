"""Figures of removal paths: one module a kind, each function takes data, and an optional axes or none."""

from analysis.figures.shrinking import choices, layers, networks, pairs, removal, surfaces

__all__ = ["choices", "layers", "networks", "pairs", "removal", "surfaces"]
