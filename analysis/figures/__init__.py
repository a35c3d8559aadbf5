"""Figures: one module a kind, each function takes data and an optional axes, and returns the axes.

Functions called `overview` make a whole figure of several panels. All draw in one style, which holds inside the call
alone: `matplotlib`'s settings stay as they are. `analysis.figures.style.save` writes a figure as PDF and PNG.
"""

from analysis.figures import (
    balance,
    cube,
    densities,
    examples,
    families,
    gradients,
    graph,
    layers,
    masks,
    metrics,
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
    "balance",
    "cube",
    "densities",
    "examples",
    "families",
    "gradients",
    "graph",
    "layers",
    "masks",
    "metrics",
    "nodes",
    "paths",
    "plane",
    "quantiles",
    "removal",
    "spectrum",
    "style",
    "training",
]
