"""Demonstrations: numbers that show which rules agree, and where a rule is unstable."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from analysis._errors import InputError
from sweeps.relevance._attributing import attribute_function
from sweeps.relevance._matrices import Gradient, Normalised
from sweeps.relevance._maxima import MAXIMUM_RULES, MaximumRule, Radial, ReluForm, SoftmaxLimit
from sweeps.relevance._methods import METHODS, Rules
from sweeps.relevance._nonlinearities import NONLINEARITY_RULES, NonlinearityRule, Slope
from sweeps.relevance._numbers import blip

# The rules without a baseline.
_MAXIMA = ("gradient", "radial", "relu_form")
_NONLINEARITIES = ("ignore", "gradient", "slope", "repeat")


class Scaling(NamedTuple):
    """Effect on relevance of a multiplication by alpha.

    Attributes
    ----------
    kind, rule : str
        ``matrix`` or ``nonlinearity``, and its name.
    factor : float
        Relevance of a divided by that of alpha a.
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
    alpha : float
        Positive.

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
        relevance = attribute_function(
            _times, {"scale": {"kernel": alpha * unit}}, 2 * unit, target=unit, method=Rules(matrix=rule)
        )
        rows.append(Scaling("matrix", name, float(relevance.inputs[0, 0])))
    for name in _NONLINEARITIES:
        factor = NONLINEARITY_RULES[name](lambda a: alpha * a, 2 * unit, 0 * unit, unit)
        rows.append(Scaling("nonlinearity", name, float(factor[0, 0])))
    return rows


def _times(state: dict[str, dict[str, Array]], inputs: Array) -> Array:
    return inputs @ state["scale"]["kernel"]


class OfConstant(NamedTuple):
    """Share of a in b = max(a, c), by a maximum rule and by a nonlinearity rule.

    Attributes
    ----------
    maximum, nonlinearity : str
        Names of the rules.
    difference : float
        Largest difference of the two shares, over all a.
    """

    maximum: str
    nonlinearity: str
    difference: float


def maxima_with_constants(constants: Sequence[float] = (-1.0,), points: int = 400) -> list[OfConstant]:
    """Compare each maximum rule with each nonlinearity rule for f(a) = max(a, c, ...), with constants c <= 0.

    Only the gradient rules agree; relu as a maximum is the gradient rule. The relevance of b is 1.

    Parameters
    ----------
    constants : sequence of float
        Not positive, so that f(0) = 0.
    points : int
        Number of values of a, from -4 to 4, none of them at a kink.
    """
    if max(constants) > 0:
        raise InputError(f"constants must not be positive, got {max(constants)}")
    a = np.linspace(-4, 4, points + 1)[:-1] + 4 / points
    factors = {name: _share_beside(MAXIMUM_RULES[name], a, constants) for name in _MAXIMA}
    rows = []
    for name in _NONLINEARITIES:
        factor = np.asarray(_factor_beside(NONLINEARITY_RULES[name], a, max(constants)))
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
    ratio : numpy.ndarray, (points,)
        Positive; a is negative as the constant is.
    constant : float
        Negative.

    Returns
    -------
    numpy.ndarray, (rules, points)
        Array of shape (2, points): the slope, then the radial share.

    Examples
    --------
    >>> print(two_objects(np.array([0.5, 1.0, 2.0])).round(3))
    [[0.5   1.    1.   ]
     [0.333 0.5   0.667]]
    """
    a = constant / np.asarray(ratio)
    return np.stack([np.asarray(_factor_beside(Slope(), a, constant)), _share_beside(Radial(), a, (constant,))])


def nonlinear() -> dict[str, float]:
    """Return how far each nonlinearity rule is from linear in relevance: R(1) + R(-1) less R(0), through a relu.

    Examples
    --------
    >>> nonlinear()
    {'ignore': 0.0, 'gradient': 0.0, 'slope': 0.0, 'repeat': 1.0}
    """
    unit = jnp.ones((1, 1))

    def at(rule: NonlinearityRule, relevance: float) -> float:
        return float(rule(jax.nn.relu, 2 * unit, 0 * unit, relevance * unit)[0, 0])

    return {
        name: at(NONLINEARITY_RULES[name], 1.0) + at(NONLINEARITY_RULES[name], -1.0) - at(NONLINEARITY_RULES[name], 0.0)
        for name in _NONLINEARITIES
    }


def doubled_constants(constant: float = -1.0, points: int = 400) -> dict[str, float]:
    """Return how much the share of a in max(a, c) and in max(a, c, c) differ at most, by each maximum rule.

    Both are one function, so a rule that is to be consistent has to give a the same.

    Parameters
    ----------
    constant : float
        c, not positive.
    points : int
        Number of values of a, from -4 to 4, none of them at a kink.

    Examples
    --------
    >>> {name: round(gap, 2) for name, gap in doubled_constants().items()}
    {'gradient': 0.0, 'radial': 0.17, 'relu_form': 0.0}
    """
    a = np.linspace(-4, 4, points + 1)[:-1] + 4 / points
    return {
        name: float(np.abs(np.subtract(*(_share_beside(MAXIMUM_RULES[name], a, [constant] * n) for n in (1, 2)))).max())
        for name in _MAXIMA
    }


class Solutions(NamedTuple):
    """What the two ways to treat biases promise, as the largest difference over the largest relevance.

    Attributes
    ----------
    inputs, biases : float
        Relevance of inputs, and of all biases of a layer, less those in the network whose biases are ones among the
        inputs, which pass through unaffected until they are used up.
    swapped : float
        Relevance against a baseline, plus that of the baseline against the input.
    """

    inputs: float
    biases: float
    swapped: float


def solutions(method: str = "lrp", seed: int = 0) -> Solutions:
    """Compare a small network with the same one whose biases are inputs, and inputs and baseline with each other.

    Parameters
    ----------
    method : str
        By which biases have relevance of their own.
    seed : int
        Of the network, of two layers of random numbers.

    Examples
    --------
    >>> max(solutions()) < 1e-5
    True
    """
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(4, 6)), random.normal(size=(6, 1))
    bias, last = random.normal(size=6), random.normal(size=1)
    x, x0 = random.normal(size=(2, 8, 4))
    plain = _state((first, bias), (second, last))
    # The first one is used up by the first layer; the second passes through relu(1) = 1 to the second layer.
    through = np.zeros((6, 7))
    through[:4, :6], through[4, :6], through[5, 6] = first, bias, 1
    augmented = _state((through, np.zeros(7)), (np.concatenate([second, last[None]]), np.zeros(1)))
    ones = np.concatenate([x, np.ones((8, 2))], axis=1)
    own = attribute_function(_two_layers, plain, _single(x), method=method)
    other = np.asarray(attribute_function(_two_layers, augmented, _single(ones), method=method).inputs)
    biases = np.stack([np.asarray(own.bias[f"layers/{at}"]).reshape(8, -1).sum(axis=1) for at in (0, 1)], axis=1)
    there, back = (
        np.asarray(attribute_function(_two_layers, plain, _single(a), method="deeplift", baseline=_single(b)).inputs)
        for a, b in ((x, x0), (x0, x))
    )
    size, change = np.abs(other).max(), np.abs(there).max()
    return Solutions(
        float(np.abs(np.asarray(own.inputs) - other[:, :4]).max() / size),
        float(np.abs(biases - other[:, 4:]).max() / size),
        float(np.abs(there + back).max() / change),
    )


def _single(values: Float[np.ndarray, "*any"]) -> Array:
    return jnp.asarray(values, jnp.float32)


def _state(*layers: tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]]) -> dict[str, Any]:
    return {"layers": [dict(kernel=_single(kernel), bias=_single(bias)) for kernel, bias in layers]}


def _two_layers(state: dict[str, Any], inputs: Array) -> Array:
    first, last = state["layers"]
    return jnp.maximum(inputs @ first["kernel"] + first["bias"][None], 0) @ last["kernel"] + last["bias"][None]


class Drawn(NamedTuple):
    """What the source draws: the blip, and the shares of a maximum of two objects.

    Attributes
    ----------
    eps : float
        Of the blip.
    blip : numpy.ndarray, (points,)
        B + eps sign(b).
    plane : numpy.ndarray, (second, first)
        Share of the first by the radial maximum, at all pairs (second, first).
    around : numpy.ndarray, (rules, angles)
        Share of the first at (cos, sin) of angles, by the radial maximum and by the gradient's rule.
    """

    eps: float
    blip: Float[np.ndarray, " points"]
    plane: Float[np.ndarray, "second first"]
    around: Float[np.ndarray, "rules angles"]


def drawn(
    line: Float[np.ndarray, " points"],
    plane: Float[np.ndarray, " values"],
    degrees: Float[np.ndarray, " angles"],
    eps: float = 0.2,
) -> Drawn:
    """Return the blip on a line, and shares of two objects in a plane and around a circle, by the rules themselves.

    Parameters
    ----------
    line : numpy.ndarray, (points,)
        Values of b.
    plane : numpy.ndarray, (values,)
        Values of both objects.
    degrees : numpy.ndarray, (angles,)
        Angles of pairs of objects about zero.
    eps : float
        Of the blip, large enough to be seen.

    Examples
    --------
    >>> found = drawn(np.array([-1.0, 0.0, 1.0]), np.array([-1.0, 2.0]), np.array([45.0, 225.0]))
    >>> print(found.blip.round(3), found.plane.round(3).tolist(), found.around.round(3).tolist())
    [-1.2  0.2  1.2] [[0.5, 1.0], [0.0, 0.5]] [[0.5, 0.5], [1.0, 1.0]]
    """
    first, second = np.meshgrid(plane, plane)
    share = np.asarray(_shares(Radial(), np.stack([first, second])))[0]
    turned = np.radians(degrees)
    circle = np.stack([np.cos(turned), np.sin(turned)]).round(12)
    around = np.stack([np.asarray(_shares(rule, circle))[0] for rule in (Radial(), MAXIMUM_RULES["gradient"])])
    return Drawn(eps, np.asarray(blip(jnp.asarray(line), eps)), share, around)


class Forms(NamedTuple):
    """Shares of a maximum by two formulas.

    Attributes
    ----------
    softmax, softmax_bias : list of float or float
        By the limit of eps log sum exp(a_i / eps), of each object and of the exponentials' offsets.
    relu : list of float
        By a + relu(b - a), object after object.
    """

    softmax: list[float]
    softmax_bias: float
    relu: list[float]


def maximum_forms(objects: Sequence[float], eps: float = 0.0) -> Forms:
    """Return the shares of a maximum by a softmax and by a chain of relus, which differ.

    Parameters
    ----------
    objects : sequence of float
        Arguments of the maximum.
    eps : float
        Softness of the softmax, 0 for the limit.

    Examples
    --------
    >>> maximum_forms([-1.0, -2.0])
    Forms(softmax=[1.0, 1.0], softmax_bias=-1.0, relu=[1.0, 0.0])
    >>> maximum_forms([1.0, 1.0])
    Forms(softmax=[0.5, 0.5], softmax_bias=0.0, relu=[1.0, 0.0])
    """
    values = np.asarray(objects, float)[:, None]
    softmax, relu = (np.asarray(_shares(rule, values))[:, 0] for rule in (SoftmaxLimit(eps=eps), ReluForm()))
    return Forms(softmax.tolist(), float(1 - softmax.sum()), relu.tolist())


class Instability(NamedTuple):
    """Largest absolute relevance of any input, where two inputs nearly cancel and a bias remains.

    Attributes
    ----------
    difference : float
        Of the two inputs.
    all_to_inputs : float
        By the normalised rule that gives nothing to the bias.
    blamed : float
        By the normalised rule with the bias as an input.
    slope : float
        By the slope rule.
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
    differences : sequence of float
        x1 - x2.
    eps : float
        Of the normalised rules.
    """
    x = jnp.asarray([[1.0, 1.0 - difference] for difference in differences])
    state = {"layer": {"kernel": jnp.array([[1.0], [-1.0]]), "bias": jnp.ones(1)}}
    rules = (Rules(matrix=Normalised(eps=eps, blame_bias=False)), Rules(matrix=Normalised(eps=eps)), METHODS["slope"])
    inputs = [attribute_function(_relu_layer, state, x, rules=each).inputs for each in rules]
    largest = [np.abs(relevance).max(axis=1).tolist() for relevance in inputs]
    return [Instability(*row) for row in zip(map(float, differences), *largest, strict=True)]


def _relu_layer(state: dict[str, dict[str, Array]], inputs: Array) -> Array:
    return jnp.maximum(inputs @ state["layer"]["kernel"] + state["layer"]["bias"][None], 0)
