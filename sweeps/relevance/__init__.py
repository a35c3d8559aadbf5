"""Relevance: contributions of inputs, hidden nodes and biases to an output, by backward rules that can be combined."""

from sweeps.relevance._attributing import attribute, attribute_function
from sweeps.relevance._matrices import MATRIX_RULES, AlphaBeta, Flat, Gamma, Gradient, Normalised, WSquared, ZBox
from sweeps.relevance._maxima import MAXIMUM_RULES, Radial, ReluForm, RescaleMaximum, SoftmaxLimit, Winner
from sweeps.relevance._methods import METHODS, Rules
from sweeps.relevance._nonlinearities import NONLINEARITY_RULES, Derivative, Guided, Ignore, Repeat, Rescale, Slope
from sweeps.relevance._products import PRODUCT_RULES, Both, Half, RescaleProduct, Signal
from sweeps.relevance._results import Flow, Ledger, Relevance, Row

__all__ = [
    "MATRIX_RULES",
    "MAXIMUM_RULES",
    "METHODS",
    "NONLINEARITY_RULES",
    "PRODUCT_RULES",
    "AlphaBeta",
    "Both",
    "Derivative",
    "Flat",
    "Flow",
    "Gamma",
    "Gradient",
    "Guided",
    "Half",
    "Ignore",
    "Ledger",
    "Normalised",
    "Radial",
    "Relevance",
    "ReluForm",
    "Repeat",
    "Rescale",
    "RescaleMaximum",
    "RescaleProduct",
    "Row",
    "Rules",
    "Signal",
    "Slope",
    "SoftmaxLimit",
    "WSquared",
    "Winner",
    "ZBox",
    "attribute",
    "attribute_function",
]
