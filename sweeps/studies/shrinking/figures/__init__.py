"""Figures of removal paths: one module a kind, each function takes data, and an optional axes or none."""

from sweeps.studies.shrinking.figures import choices, layers, networks, pairs, removal, surfaces

__all__ = ["choices", "layers", "networks", "pairs", "removal", "surfaces"]
