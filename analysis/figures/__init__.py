"""Figures: one module a kind, each function takes data and an optional axes, and returns the axes."""

from analysis.figures import (
    cube,
    curves,
    densities,
    families,
    gradients,
    graph,
    layers,
    masks,
    nodes,
    paths,
    plane,
    quantiles,
    removal,
    spectrum,
    style,
    training,
)

__all__ = [
    "cube",
    "curves",
    "densities",
    "families",
    "gradients",
    "graph",
    "layers",
    "masks",
    "nodes",
    "paths",
    "plane",
    "quantiles",
    "removal",
    "spectrum",
    "style",
    "training",
]
