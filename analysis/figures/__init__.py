"""Figures: one module a kind, each function takes data and an optional axes, and returns the axes."""

from analysis.figures import densities, quantiles, removal, spread, style, training

__all__ = ["densities", "quantiles", "removal", "spread", "style", "training"]
