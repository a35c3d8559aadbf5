"""Figures: one module a kind, each function takes data and an optional axes, and returns the axes."""

from analysis.figures import (
    cube,
    densities,
    families,
    gradients,
    layers,
    masks,
    nodes,
    paths,
    plane,
    quantiles,
    removal,
    shrinking,
    spectrum,
    spread,
    style,
    training,
)

__all__ = [
    "cube",
    "densities",
    "families",
    "gradients",
    "layers",
    "masks",
    "nodes",
    "paths",
    "plane",
    "quantiles",
    "removal",
    "shrinking",
    "spectrum",
    "spread",
    "style",
    "training",
]
