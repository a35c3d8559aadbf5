"""The alternative in C: the whole hypercube by a hand-written loop, called through ctypes."""

import ctypes

import numpy as np

from benchmarks.compiled import Unavailable, library
from benchmarks.problems import Problem


class CubeLoop:
    """Mean loss of every mask of a network with one hidden layer and two classes.

    Parameters
    ----------
    problem : the network
    most_terms : examples that may share one logarithm: 1, 2, 4 or 8

    Raises
    ------
    Unavailable
        If there is no C compiler.
    """

    def __init__(self, problem: Problem, most_terms: int):
        self.function = library("cube").cube_losses
        self.nodes, self.examples, self.most_terms = problem.nodes, len(problem.inputs), most_terms
        offsets, slopes = problem.margins
        self.offsets, self.slopes = np.ascontiguousarray(offsets), np.ascontiguousarray(slopes.T)
        self.losses = np.zeros(2**self.nodes, np.float32)

    def __call__(self) -> np.ndarray:
        """Return the losses, shape (2**nodes,); mask number m has node i on when bit i of m is 1.

        Raises
        ------
        Unavailable
            If e^margin overflows: the loop knows no other way.
        """
        terms = self.function(
            *(array.ctypes.data_as(ctypes.c_void_p) for array in (self.offsets, self.slopes)),
            ctypes.c_int(self.nodes),
            ctypes.c_size_t(self.examples),
            ctypes.c_int(self.most_terms),
            self.losses.ctypes.data_as(ctypes.c_void_p),
        )
        if terms < 1:
            raise Unavailable("margins too large for the C loop" if terms == 0 else "not enough memory for the C loop")
        return self.losses
