"""Figures of accuracy against sparsity: one module a kind, each function takes data, and an optional axes or none."""

from sweeps.studies.sparsity.figures import cost, curves, finetuned, layers, plateaus, weights

__all__ = ["cost", "curves", "finetuned", "layers", "plateaus", "weights"]
