"""Demonstrations: numbers that show which rules agree, and where a rule is unstable."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from analysis.errors import InputError
from sweeps.relevance.attributing import attribute_function
from sweeps.relevance.matrices import Gradient, Normalised
from sweeps.relevance.maxima import MAXIMUM, MaximumRule, Radial, ReluForm, SoftmaxLimit
from sweeps.relevance.methods import METHODS, Rules
from sweeps.relevance.nonlinearities import NONLINEARITY, NonlinearityRule, Slope

# The rules without a baseline.
_MAXIMA = ("gradient", "radial", "relu_form")
_NONLINEARITIES = ("ignore", "gradient", "slope", "repeat")


class Scaling(NamedTuple):
    """Effect on relevance of a multiplication by alpha.

    Attributes
    ----------
    kind, rule : ``matrix`` or ``nonlinearity``, and its name
    factor : relevance of a divided by that of alpha a
    """

    kind: str
    rule: str
    factor: float


def scaling(alpha: float = 3.0) -> list[Scaling]:
    """Return the factor of relevance through b = alpha a, as a 1 by 1 matrix and as a nonlinearity.

    A matrix rule and a nonlinearity rule are consistent where the factors agree: matrix gradient with gradient, slope
    and repeat (alpha), the normalised rule with ignore (1).

    Parameters
    ----------
    alpha : positive

    Examples
    --------
    >>> for row in scaling(3.0):
    ...     print(row.kind, row.rule, row.factor)
    matrix gradient 3.0
    matrix normalised 1.0
    nonlinearity ignore 1.0
    nonlinearity gradient 3.0
    nonlinearity slope 3.0
    nonlinearity repeat 3.0
    """
    unit = jnp.ones((1, 1))
    rows = []
    for name, rule in {"gradient": Gradient(), "normalised": Normalised(eps=0.0)}.items():
        # The output starts with relevance 1.
        relevance = attribute_function(_times, {"scale": {"kernel": alpha * unit}}, 2 * unit, unit, Rules(rule))
        rows.append(Scaling("matrix", name, float(relevance.inputs[0, 0])))
    for name in _NONLINEARITIES:
        factor = NONLINEARITY[name](lambda a: alpha * a, 2 * unit, 0 * unit, unit)
        rows.append(Scaling("nonlinearity", name, float(factor[0, 0])))
    return rows


def _times(state: dict[str, dict[str, Array]], inputs: Array) -> Array:
    return inputs @ state["scale"]["kernel"]


class OfConstant(NamedTuple):
    """Share of a in b = max(a, c), by a maximum rule and by a nonlinearity rule.

    Attributes
    ----------
    maximum, nonlinearity : names of the rules
    difference : largest difference of the two shares, over all a
    """

    maximum: str
    nonlinearity: str
    difference: float


def maxima_with_constants(constants: Sequence[float] = (-1.0,), points: int = 400) -> list[OfConstant]:
    """Compare each maximum rule with each nonlinearity rule for f(a) = max(a, c, ...), with constants c <= 0.

    Only the gradient rules agree; relu as a maximum is the gradient rule. The relevance of b is 1.

    Parameters
    ----------
    constants : not positive, so that f(0) = 0
    points : number of values of a, from -4 to 4, none of them at a kink
    """
    if max(constants) > 0:
        raise InputError(f"constants must not be positive, got {max(constants)}")
    a = np.linspace(-4, 4, points + 1)[:-1] + 4 / points
    factors = {name: _share_beside(MAXIMUM[name], a, constants) for name in _MAXIMA}
    rows = []
    for name in _NONLINEARITIES:
        factor = np.asarray(_factor_beside(NONLINEARITY[name], a, max(constants)))
        rows += [OfConstant(other, name, float(np.abs(share - factor).max())) for other, share in factors.items()]
    return rows


def _share_beside(
    rule: MaximumRule, a: Float[np.ndarray, " points"], constants: Sequence[float]
) -> Float[np.ndarray, " points"]:
    objects = np.stack([a, *(np.full_like(a, constant) for constant in constants)])
    return np.asarray(_shares(rule, objects))[0]


@partial(jax.jit, static_argnums=0)
def _shares(rule: MaximumRule, objects: Array) -> Array:
    return rule.shares(objects, objects)


@partial(jax.jit, static_argnums=0)
def _factor_beside(rule: NonlinearityRule, a: Array, constant: Array) -> Array:
    return rule(lambda a: jnp.maximum(a, constant), a, jnp.zeros_like(a), jnp.ones_like(a))


def two_objects(ratio: Float[np.ndarray, " points"], constant: float = -1.0) -> Float[np.ndarray, "rules points"]:
    """Return the share of a in max(a, c) at c / a = ratio, by slope and by radial maximum, which differ.

    The slope is min(1, ratio) and the radial share ratio / (1 + ratio): see ``Radial``.

    Parameters
    ----------
    ratio : positive; a is negative as the constant is
    constant : negative

    Returns
    -------
    array of shape (2, points): the slope, then the radial share

    Examples
    --------
    >>> print(two_objects(np.array([0.5, 1.0, 2.0])).round(3))
    [[0.5   1.    1.   ]
     [0.333 0.5   0.667]]
    """
    a = constant / np.asarray(ratio)
    return np.stack([np.asarray(_factor_beside(Slope(), a, constant)), _share_beside(Radial(), a, (constant,))])


class Forms(NamedTuple):
    """Shares of a maximum by two formulas.

    Attributes
    ----------
    softmax, softmax_bias : by the limit of eps log sum exp(a_i / eps), of each object and of the exponentials' offsets
    relu : by a + relu(b - a), object after object
    """

    softmax: list[float]
    softmax_bias: float
    relu: list[float]


def maximum_forms(objects: Sequence[float], eps: float = 0.0) -> Forms:
    """Return the shares of a maximum by a softmax and by a chain of relus, which differ.

    Parameters
    ----------
    objects : arguments of the maximum
    eps : softness of the softmax, 0 for the limit

    Examples
    --------
    >>> maximum_forms([-1.0, -2.0])
    Forms(softmax=[1.0, 1.0], softmax_bias=-1.0, relu=[1.0, 0.0])
    >>> maximum_forms([1.0, 1.0])
    Forms(softmax=[0.5, 0.5], softmax_bias=0.0, relu=[1.0, 0.0])
    """
    values = np.asarray(objects, float)[:, None]
    softmax, relu = (np.asarray(_shares(rule, values))[:, 0] for rule in (SoftmaxLimit(eps), ReluForm()))
    return Forms(softmax.tolist(), float(1 - softmax.sum()), relu.tolist())


class Instability(NamedTuple):
    """Largest absolute relevance of any input, where two inputs nearly cancel and a bias remains.

    Attributes
    ----------
    difference : of the two inputs
    all_to_inputs : by the normalised rule that gives nothing to the bias
    blamed : by the normalised rule with the bias as an input
    slope : by the slope rule
    """

    difference: float
    all_to_inputs: float
    blamed: float
    slope: float


def instability(differences: Sequence[float] = (1e-1, 1e-2, 1e-3, 1e-4), eps: float = 1e-6) -> list[Instability]:
    """Return relevance of the inputs of relu(x1 - x2 + 1) at x1 = 1, x2 = 1 - difference.

    The output is 1 + difference, almost all from the bias. The normalised rule without the bias as an input gives all
    of it to x1 and -x2 in proportion: 1 / difference, up to 1 / eps, with a jump of sign at difference zero. With the
    bias as an input, or by the slope rule, x1 gets about 1.

    Parameters
    ----------
    differences : x1 - x2
    eps : of the normalised rules
    """
    x = jnp.asarray([[1.0, 1.0 - difference] for difference in differences])
    state = {"layer": {"kernel": jnp.array([[1.0], [-1.0]]), "bias": jnp.ones(1)}}
    rules = (Rules(Normalised(eps, blame_bias=False)), Rules(Normalised(eps)), METHODS["slope"])
    inputs = [attribute_function(_relu_layer, state, x, rules=each).inputs for each in rules]
    largest = [np.abs(relevance).max(axis=1).tolist() for relevance in inputs]
    return [Instability(*row) for row in zip(map(float, differences), *largest, strict=True)]


def _relu_layer(state: dict[str, dict[str, Array]], inputs: Array) -> Array:
    return jnp.maximum(inputs @ state["layer"]["kernel"] + state["layer"]["bias"][None], 0)
