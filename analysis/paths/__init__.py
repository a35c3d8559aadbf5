"""Covariance along flip paths: estimated from sampled paths with its errors, exact from the whole cube, compared.

It says how fast a walk from a mask to its opposite forgets where it began. Steps of one path are dependent: errors are
from whole paths.
"""

from analysis.paths._cube import compare, exact
from analysis.paths._products import JointTest
from analysis.paths._sampled import covariance

__all__ = ["JointTest", "compare", "covariance", "exact"]
