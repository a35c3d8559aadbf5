"""Figures of train first or prune first: pictures of the plane, outcomes, kernels, deviations, curves, rates."""

from sweeps.studies.spiral.figures import curves, deviations, kernels, looks, outcomes, pictures, rates

__all__ = ["curves", "deviations", "kernels", "looks", "outcomes", "pictures", "rates"]
