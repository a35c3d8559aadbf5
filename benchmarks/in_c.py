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
        # Margin of the wrong class over the right class: the loss is log(1 + e^margin).
        sign = np.where(problem.targets == 1, -1, 1).astype(np.float32)
        kernel = problem.kernels[-1][:, 1] - problem.kernels[-1][:, 0]
        self.offsets = np.ascontiguousarray(sign * (problem.biases[-1][1] - problem.biases[-1][0]))
        self.slopes = np.ascontiguousarray((problem.hidden * kernel * sign[:, None]).T)
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
