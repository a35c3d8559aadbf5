"""Covariance along flip paths: estimated from sampled paths with its errors, exact from the whole cube, compared."""

from analysis.paths.cube import compare, exact
from analysis.paths.products import JointTest
from analysis.paths.sampled import covariance

__all__ = ["JointTest", "compare", "covariance", "exact"]
