"""Matrix rules: relevance goes back from b_j = sum_i a_i w_ij + bias_j to the a_i and to the biases.

A bias is an input of value 1, and an a_i w_ij like others in every rule. Convolutions are products with sparse
matrices, which are never formed.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis._errors import InputError
from sweeps import _checks
from sweeps.relevance._layers import Arrays, Change, Layer, Passed, clipped, plus, times
from sweeps.relevance._numbers import blip, divided, scaled

EPS = 1e-6


class MatrixRule(Protocol):
    """A rule for matrix products.

    Attributes
    ----------
    conserves : tuple of str
        The quantities whose sum the rule keeps: see ``Rules``.
    """

    conserves: ClassVar[tuple[str, ...]]

    @property
    def plain(self) -> "MatrixRule":
        """The rule for sums without parameters, such as average pooling."""
        ...

    def __call__(self, layer: Layer, received: Array) -> Passed:
        """Pass on what the output received."""
        ...


@dataclass(frozen=True)
class Gradient:
    """R(a_i) = sum_j w_ij R(b_j); a bias takes bias_j R(b_j).

    The rule does not keep the sum of R. If R is a factor of the activation, it keeps sum_i a_i R(a_i).
    """

    conserves: ClassVar[tuple[str, ...]] = ("factor", "difference")

    @property
    def plain(self) -> "Gradient":
        """The rule itself."""
        return self

    def __call__(self, layer: Layer, received: Array) -> Passed:
        """See ``MatrixRule``."""
        return Passed(layer.back(received), scaled(layer.bias, received), jnp.zeros_like(received))


@dataclass(frozen=True, kw_only=True)
class Normalised:
    """The epsilon rule: R(a_i) = sum_j a_i w_ij / blip(b_j) R(b_j), where blip(b) = b + eps sign(b).

    Each contribution takes its share of the sum. Where contributions nearly cancel, the shares would be huge: the
    stabiliser eps bounds them.

    Parameters
    ----------
    eps : float, default 1e-6
        Not negative, in the unit of the activations. The stabiliser absorbs the share 1 - b / blip(b): nothing of
        outputs that are much larger than eps, and nearly all of those that are much smaller. At 0 nothing is absorbed,
        and an output of exactly zero passes nothing on.
    blame_bias : bool, default True
        Whether biases take their share. If not, b in blip(b) is sum_i a_i w_ij and the inputs take all: the quotients
        reach 1 / eps where inputs nearly cancel.

    Raises
    ------
    InputError
        If eps is negative.

    References
    ----------
    S. Bach, A. Binder, G. Montavon, F. Klauschen, K.-R. Müller, W. Samek (2015), On pixel-wise explanations for
    non-linear classifier decisions by layer-wise relevance propagation, PLoS ONE 10, equations 56 to 58.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.relevance.Rules(matrix=sweeps.relevance.Normalised(eps=0.01)).matrix.eps
    0.01
    """

    eps: float = EPS
    blame_bias: bool = True
    conserves: ClassVar[tuple[str, ...]] = ("relevance",)

    def __post_init__(self) -> None:
        # Python floats, since NumPy scalars would promote the types of arrays.
        object.__setattr__(self, "eps", _checks.number("eps", self.eps, 0))
        object.__setattr__(self, "blame_bias", _checks.flag("blame_bias", self.blame_bias))

    @property
    def plain(self) -> "Normalised":
        """The rule itself."""
        return self

    def __call__(self, layer: Layer, received: Array) -> Passed:
        """See ``MatrixRule``."""
        bias = layer.bias if self.blame_bias else jnp.zeros_like(layer.bias)
        whole = layer.output if self.blame_bias else layer.output - layer.bias
        share = divided(received, blip(whole, self.eps))
        return Passed(times(layer.sources, layer.back(share)), scaled(bias, share), received - scaled(whole, share))


@dataclass(frozen=True, kw_only=True)
class _Stabilised:
    """Base of rules with a stabiliser, with the normalised rule for sums without parameters."""

    eps: float = EPS
    conserves: ClassVar[tuple[str, ...]] = ("relevance",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", _checks.number("eps", self.eps, 0))

    @property
    def plain(self) -> Normalised:
        """The normalised rule."""
        return Normalised(eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class Gamma(_Stabilised):
    """The normalised rule with contributions of the output's sign multiplied by 1 + gamma.

    With c_ij = a_i w_ij, and c+ its positive part, R(a_i) = sum_j (c_ij + gamma c+_ij) / sum_k (c_kj + gamma c+_kj)
    R(b_j) where b_j >= 0, and with the negative parts where b_j < 0. Without negative activations this is the rule with
    w + gamma w+. It favours contributions that have the sign of the output.

    Parameters
    ----------
    eps : float, default 1e-6
        Of the stabiliser, as for ``Normalised``.
    gamma : float, default 0.25
        Not negative: 0 is the normalised rule, and large values approach ``"z_plus"``.

    Raises
    ------
    InputError
        If eps or gamma is negative.

    References
    ----------
    G. Montavon, A. Binder, S. Lapuschkin, W. Samek, K.-R. Müller (2019), Layer-wise relevance propagation: an
    overview; for signed activations L. Andéol, Y. Kawakami, Y. Wada, T. Kanamori, K.-R. Müller, G. Montavon (2021),
    Learning domain invariant representations by joint Wasserstein distance minimization.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.relevance.Rules(by_layer={"layers/0": sweeps.relevance.Gamma(gamma=0.5)}).by_layer
    (('layers/0', Gamma(eps=1e-06, gamma=0.5)),)
    """

    gamma: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "gamma", _checks.number("gamma", self.gamma, 0))

    def __call__(self, layer: Layer, received: Array) -> Passed:
        """See ``MatrixRule``."""
        sources, bias, absorbed = tuple(map(jnp.zeros_like, layer.sources)), jnp.zeros_like(received), received
        for sign in (1, -1):
            chosen = layer.output >= 0 if sign > 0 else layer.output < 0
            whole = layer.output + self.gamma * layer.contributions(sign)
            share = jnp.where(chosen, divided(received, blip(whole, self.eps)), 0.0)
            more = tuple(self.gamma * part for part in layer.contributed(sign, share))
            sources = plus(sources, plus(times(layer.sources, layer.back(share)), more))
            bias = bias + (layer.bias + self.gamma * clipped(layer.bias, sign)) * share
            absorbed = absorbed - whole * share
        return Passed(sources, bias, absorbed)


@dataclass(frozen=True, kw_only=True)
class AlphaBeta(_Stabilised):
    """Positive and negative contributions apart, with the weights alpha and -beta.

    R(a_i) = sum_j (alpha c+_ij / sum_k c+_kj - beta c-_ij / sum_k c-_kj) R(b_j), where c_ij = a_i w_ij. If an output
    has no contributions of a sign, that part is absorbed.

    Parameters
    ----------
    eps : float, default 1e-6
        Of the stabiliser of each of the two sums, as for ``Normalised``.
    alpha : float, default 2.0
        Weight of the positive contributions, not negative.
    beta : float, default 1.0
        Weight of the negative ones, not negative: alpha - beta = 1 keeps the sum. ``AlphaBeta(alpha=1, beta=0)``, which
        is called ``"z_plus"``, sees positive contributions alone.

    Raises
    ------
    InputError
        If alpha - beta is not 1, or eps, alpha or beta is negative.

    References
    ----------
    S. Bach et al. (2015), On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
    propagation, PLoS ONE 10, equation 60.

    Examples
    --------
    >>> from sweeps.relevance import AlphaBeta, Rules
    >>> Rules(matrix=AlphaBeta(alpha=1, beta=0)) == Rules(matrix="z_plus")
    True
    """

    alpha: float = 2.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha", "beta"):
            object.__setattr__(self, name, _checks.number(name, getattr(self, name), 0))
        if not np.isclose(self.alpha - self.beta, 1, rtol=0, atol=1e-9):
            raise InputError(f"alpha - beta must be 1, got {self.alpha} - {self.beta} = {self.alpha - self.beta}")

    def __call__(self, layer: Layer, received: Array) -> Passed:
        """See ``MatrixRule``."""
        sources, bias, absorbed = tuple(map(jnp.zeros_like, layer.sources)), jnp.zeros_like(received), received
        for sign, part in ((1, self.alpha), (-1, -self.beta)):
            if part == 0:
                continue
            whole = layer.contributions(sign)
            share = part * divided(received, blip(whole, self.eps))
            sources = plus(sources, layer.contributed(sign, share))
            bias = bias + clipped(layer.bias, sign) * share
            absorbed = absorbed - whole * share
        return Passed(sources, bias, absorbed)


@dataclass(frozen=True, kw_only=True)
class WSquared(_Stabilised):
    """R(a_i) = sum_j w_ij^2 / sum_k w_kj^2 R(b_j), which does not depend on the activations.

    Parameters
    ----------
    eps : float, default 1e-6
        Of the stabiliser of sum_k w_kj^2, as for ``Normalised``.

    Raises
    ------
    InputError
        If eps is negative.

    References
    ----------
    G. Montavon, S. Lapuschkin, A. Binder, W. Samek, K.-R. Müller (2017), Explaining nonlinear classification decisions
    with deep Taylor decomposition, Pattern Recognition 65.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.relevance.Rules(first=sweeps.relevance.WSquared()).first
    WSquared(eps=1e-06)
    """

    def __call__(self, layer: Layer, received: Array) -> Passed:
        """See ``MatrixRule``."""
        return _by_weights(layer, received, jnp.square, self.eps)


@dataclass(frozen=True, kw_only=True)
class Flat(_Stabilised):
    """R(a_i) = sum_j R(b_j) / n_j, equal for each of the n_j inputs of an output, with the bias among them.

    It tells where the receptive fields of relevant nodes are, and nothing about what is in them.

    Parameters
    ----------
    eps : float, default 1e-6
        Of the stabiliser of n_j, as for ``Normalised``.

    Raises
    ------
    InputError
        If eps is negative.

    References
    ----------
    S. Lapuschkin, S. Wäldchen, A. Binder, G. Montavon, W. Samek, K.-R. Müller (2019), Unmasking Clever Hans predictors
    and assessing what machines really learn, Nature Communications 10.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.relevance.Rules(first="flat").first
    Flat(eps=1e-06)
    """

    def __call__(self, layer: Layer, received: Array) -> Passed:
        """See ``MatrixRule``."""
        return _by_weights(layer, received, jnp.ones_like, self.eps)


def _by_weights(layer: Layer, received: Array, change: Change, eps: float) -> Passed:
    bias = change(layer.bias) if layer.has_bias else layer.bias
    whole = layer.forward(tuple(map(jnp.ones_like, layer.sources)), change) + bias
    share = divided(received, blip(whole, eps))
    return Passed(layer.back(share, change), bias * share, received - whole * share)


@dataclass(frozen=True, kw_only=True)
class ZBox(_Stabilised):
    """The rule for inputs in a box: contributions a_i w_ij - low_i w+_ij - high_i w-_ij, none negative.

    It is for the first layer, where pixels have bounds and a zero may be as informative as a one. The bias takes
    nothing, as the box of a constant is the constant.

    Parameters
    ----------
    eps : float, default 1e-6
        Of the stabiliser, as for ``Normalised``.
    low : float or array_like, default 0.0
        Least value of each input; a number, or an array that broadcasts to an example.
    high : float or array_like, default 1.0
        Largest value of each input, in the same way.

    Raises
    ------
    InputError
        If eps is negative, a bound is not finite, low is above high, or their shapes differ; later, if they do not fit
        the inputs.

    References
    ----------
    G. Montavon, S. Lapuschkin, A. Binder, W. Samek, K.-R. Müller (2017), Explaining nonlinear classification decisions
    with deep Taylor decomposition, Pattern Recognition 65.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.relevance.Rules(first=sweeps.relevance.ZBox(low=-1, high=1)).first
    ZBox(eps=1e-06, low=-1, high=1)
    """

    low: Any = 0.0
    high: Any = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = (_checks.numbers(name, getattr(self, name)) for name in ("low", "high"))
        for name, bound in dict(low=low, high=high).items():
            if not np.isfinite(bound).all():
                raise InputError(f"{name} must be finite, got {_checks.shown(getattr(self, name))}")
        try:
            is_box = np.all(low <= high)
        except ValueError:
            raise InputError(f"low and high must be of one shape, got {low.shape} and {high.shape}") from None
        if not is_box:
            raise InputError(f"low must not be above high, got {self.low} and {self.high}")
        # Rules are static to jit, which needs hashable values: nested tuples in place of arrays.
        for name, bound in dict(low=low, high=high).items():
            object.__setattr__(self, name, _as_tuples(bound.tolist()))

    def __call__(self, layer: Layer, received: Array) -> Passed:
        """See ``MatrixRule``."""
        low, high = (self._of_shape(layer, bound) for bound in (self.low, self.high))
        whole = layer.forward(layer.sources) - layer.forward(low, _positive) - layer.forward(high, _negative)
        share = divided(received, blip(whole, self.eps))
        plain = times(layer.sources, layer.back(share))
        below = plus(times(low, layer.back(share, _positive)), times(high, layer.back(share, _negative)))
        sources = tuple(a - b for a, b in zip(plain, below, strict=True))
        return Passed(sources, jnp.zeros_like(received), received - whole * share)

    @staticmethod
    def _of_shape(layer: Layer, bound: Any) -> Arrays:
        values = [jnp.asarray(bound, source.dtype) for source in layer.sources]
        try:
            whole = [
                np.broadcast_shapes(low.shape, to.shape[1:]) for low, to in zip(values, layer.sources, strict=True)
            ]
        except ValueError:
            whole = []
        if whole != [source.shape[1:] for source in layer.sources]:
            raise InputError(
                f"low and high must be numbers or arrays of the shape of one example, "
                f"{layer.sources[0].shape[1:]}, got shape {values[0].shape}"
            )
        return tuple(jnp.broadcast_to(value, to.shape) for value, to in zip(values, layer.sources, strict=True))


def _positive(weights: Array) -> Array:
    return jnp.maximum(weights, 0)


def _negative(weights: Array) -> Array:
    return jnp.minimum(weights, 0)


def _as_tuples(values: Any) -> Any:
    return tuple(map(_as_tuples, values)) if isinstance(values, list) else values


MATRIX_RULES: dict[str, MatrixRule] = {
    "gradient": Gradient(),
    "normalised": Normalised(),
    "gamma": Gamma(),
    "alpha_beta": AlphaBeta(),
    "z_plus": AlphaBeta(alpha=1.0, beta=0.0),
    "w_squared": WSquared(),
    "flat": Flat(),
}
