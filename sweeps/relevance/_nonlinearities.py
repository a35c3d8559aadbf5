"""Nonlinearity rules: relevance goes back through b = f(a), an elementwise function with f(0) = 0.

A function with f(0) != 0 is split into f(a) - f(0), for the rules, and f(0), a bias.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import jax.numpy as jnp
from jaxtyping import Array

from sweeps.relevance._numbers import Elementwise, derivative, secant


class NonlinearityRule(Protocol):
    """A rule for nonlinearities.

    Attributes
    ----------
    conserves : tuple of str
        The quantities whose sum the rule keeps: see ``Rules``.
    """

    conserves: ClassVar[tuple[str, ...]]

    def __call__(self, function: Elementwise, a: Array, baseline: Array, received: Array) -> Array:
        """Return what a receives.

        Parameters
        ----------
        function : callable
            The nonlinearity f, elementwise; a rule that needs f(0) = 0 subtracts it.
        a : array, (...)
            Its argument.
        baseline : array, (...)
            Its argument for the baseline input.
        received : array, (...)
            Relevance of f(a).

        Returns
        -------
        array, (...)
            Relevance of a.
        """
        ...


@dataclass(frozen=True)
class Ignore:
    """R(a) = R(b): the nonlinearity passes on what it receives."""

    conserves: ClassVar[tuple[str, ...]] = ("relevance",)

    def __call__(self, function: Elementwise, a: Array, baseline: Array, received: Array) -> Array:
        """See ``NonlinearityRule``."""
        return received


@dataclass(frozen=True)
class Derivative:
    """R(a) = f'(a) R(b), the rule "gradient"."""

    conserves: ClassVar[tuple[str, ...]] = ()

    def __call__(self, function: Elementwise, a: Array, baseline: Array, received: Array) -> Array:
        """See ``NonlinearityRule``."""
        return derivative(function, a) * received


@dataclass(frozen=True)
class Slope:
    """R(a) = (b / a) R(b), with the limit f'(0) at a = 0."""

    conserves: ClassVar[tuple[str, ...]] = ("factor",)

    def __call__(self, function: Elementwise, a: Array, baseline: Array, received: Array) -> Array:
        """See ``NonlinearityRule``."""
        return secant(function, a, a - a) * received


@dataclass(frozen=True)
class Repeat:
    """R(a) = f(R(b)), not linear in R: the rule of deconvolution networks.

    References
    ----------
    M. D. Zeiler, R. Fergus (2014), Visualizing and understanding convolutional networks, ECCV.
    """

    conserves: ClassVar[tuple[str, ...]] = ()

    def __call__(self, function: Elementwise, a: Array, baseline: Array, received: Array) -> Array:
        """See ``NonlinearityRule``."""
        return _from_zero(function, received)


@dataclass(frozen=True)
class Guided:
    """R(a) = f'(a) f(R(b)), guided backpropagation.

    References
    ----------
    J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller (2015), Striving for simplicity: the all convolutional
    net, ICLR workshop.
    """

    conserves: ClassVar[tuple[str, ...]] = ()

    def __call__(self, function: Elementwise, a: Array, baseline: Array, received: Array) -> Array:
        """See ``NonlinearityRule``."""
        return derivative(function, a) * _from_zero(function, received)


def _from_zero(function: Elementwise, values: Array) -> Array:
    return function(values) - function(jnp.zeros_like(values))


@dataclass(frozen=True)
class Rescale:
    """R(a) = (b - b0) / (a - a0) R(b) with the baseline's a0 and b0, and the limit f'(a) at a = a0.

    References
    ----------
    A. Shrikumar, P. Greenside, A. Kundaje (2017), Learning important features through propagating activation
    differences, ICML.
    """

    conserves: ClassVar[tuple[str, ...]] = ("difference",)

    def __call__(self, function: Elementwise, a: Array, baseline: Array, received: Array) -> Array:
        """See ``NonlinearityRule``."""
        return secant(function, a, baseline) * received


NONLINEARITY_RULES: dict[str, NonlinearityRule] = {
    "ignore": Ignore(),
    "gradient": Derivative(),
    "slope": Slope(),
    "repeat": Repeat(),
    "guided": Guided(),
    "rescale": Rescale(),
}
