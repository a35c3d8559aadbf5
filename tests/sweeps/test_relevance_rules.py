"""Relevance rules against slow NumPy loops, and their properties."""

import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sweeps import relevance
from sweeps.relevance import AlphaBeta, Flat, Gamma, Gradient, Normalised, Radial, Rules, SoftmaxLimit, WSquared, ZBox
from sweeps.relevance import _maxima as rules_of_maxima
from sweeps.relevance._numbers import secant
from tests.sweeps import helpers

EPS = 0.01
LOW, HIGH = np.array([-3.0, -2.5, -3.0]), 3.0
RANDOM = np.random.default_rng(0)
INPUTS, GIVEN = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(4, 5))
LAYER = (RANDOM.normal(size=(3, 5)), RANDOM.normal(size=5))


def blip(value, eps=EPS):
    return value + eps * (1 if value >= 0 else -1)


def parts(rule, c, w, a, bound):
    """Pairs (weights of the entries, part of the relevance) for one output; the last entry is the bias."""
    positive, negative = np.maximum(c, 0), np.minimum(c, 0)
    return {
        "normalised": lambda: [(c, 1)],
        "gamma": lambda: [(c + 0.3 * (positive if c.sum() >= 0 else negative), 1)],
        "alpha_beta": lambda: [(positive, 1.5), (negative, -0.5)],
        "z_plus": lambda: [(positive, 1)],
        "w_squared": lambda: [(w**2, 1)],
        "flat": lambda: [(bound[2], 1)],
        "z_box": lambda: [(c - bound[0] * np.maximum(w, 0) - bound[1] * np.minimum(w, 0), 1)],
    }[rule]()


def slow(rule, a, kernel, bias, received):
    """Relevance of inputs and biases of one example, and what is absorbed, entry by entry."""
    inputs, outputs = kernel.shape
    to_inputs, to_bias, absorbed = np.zeros(inputs), np.zeros(outputs), 0.0
    has_bias = bias is not None
    for j in range(outputs):
        # The bias is one more input, with value 1, and its box has no width.
        w = np.append(kernel[:, j], bias[j] if has_bias else 0)
        values = np.append(a, 1)
        bound = (np.append(LOW, 1), np.append(np.full(inputs, HIGH), 1), np.append(np.ones(inputs), has_bias))
        if rule == "gradient":
            passed = w * received[j]
            passed[-1] = w[-1] * received[j]
        else:
            passed = np.zeros(inputs + 1)
            for weights, part in parts(rule, values * w, w, values, bound):
                total = 0.0
                for weight in weights:
                    total += weight
                passed += part * weights / blip(total) * received[j]
            absorbed += received[j] - passed.sum()
        to_inputs += passed[:-1]
        to_bias[j] = passed[-1]
    return to_inputs, to_bias, absorbed


RULES = {
    "gradient": Gradient(),
    "normalised": Normalised(eps=EPS),
    "gamma": Gamma(eps=EPS, gamma=0.3),
    "alpha_beta": AlphaBeta(eps=EPS, alpha=1.5, beta=0.5),
    "z_plus": AlphaBeta(eps=EPS, alpha=1, beta=0),
    "w_squared": WSquared(eps=EPS),
    "flat": Flat(eps=EPS),
    "z_box": ZBox(eps=EPS, low=LOW, high=HIGH),
}


def dense(kernel, bias):
    zeros = nnx.initializers.zeros_init()
    layer = nnx.Linear(*kernel.shape, use_bias=bias is not None, kernel_init=zeros, rngs=nnx.Rngs(0))
    nnx.update(layer, {"kernel": jnp.asarray(kernel)} | ({} if bias is None else {"bias": jnp.asarray(bias)}))
    return nnx.Sequential(layer)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("name", RULES)
def test_a_matrix_rule_is_its_slow_self(name, with_bias, x64):
    kernel, bias = LAYER[0], LAYER[1] if with_bias else None
    with jax.disable_jit():
        found = relevance.attribute(dense(kernel, bias), INPUTS, target=GIVEN, rules=Rules(matrix=RULES[name]))
    assert found.inputs.dtype == jnp.float64
    expected = [slow(name, a, kernel, bias, received) for a, received in zip(INPUTS, GIVEN, strict=True)]
    np.testing.assert_allclose(found.inputs, [one[0] for one in expected], rtol=1e-10, atol=1e-12)
    assert ("layers/0" in found.bias) == with_bias
    if with_bias:
        np.testing.assert_allclose(found.bias["layers/0"], [one[1] for one in expected], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.absorbed["layers/0"], [one[2] for one in expected], atol=1e-10)


SHAPE = (4, 4)


def slow_convolution(image, kernel):
    """A convolution of stride 1 that keeps the size, zeros around it; kernel (3, 3, inputs, outputs)."""
    height, width, _ = image.shape
    made = np.zeros((height, width, kernel.shape[-1]))
    for y, x, dy, dx in np.ndindex(height, width, 3, 3):
        if 0 <= y + dy - 1 < height and 0 <= x + dx - 1 < width:
            made[y, x] += image[y + dy - 1, x + dx - 1] @ kernel[dy, dx]
    return made


# Of the kernel, of its two signs, and of its square.
@pytest.mark.parametrize("name", ["normalised", "alpha_beta", "w_squared"])
def test_a_convolution_is_its_matrix(name, x64):
    random = np.random.default_rng(1)
    kernel, bias, images = random.normal(size=(3, 3, 1, 2)), random.normal(size=2), random.normal(size=(3, *SHAPE, 1))
    layer = nnx.Conv(1, 2, (3, 3), kernel_init=nnx.initializers.zeros_init(), rngs=nnx.Rngs(0))
    nnx.update(layer, {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)})
    matrix = np.array([slow_convolution(one.reshape(*SHAPE, 1), kernel).ravel() for one in np.eye(16)])
    given = random.normal(size=(3, *SHAPE, 2))
    rules = Rules(matrix=RULES[name])
    with jax.disable_jit():
        found = relevance.attribute(nnx.Sequential(layer), images, target=given, rules=rules)
        wanted = relevance.attribute(
            dense(matrix, np.tile(bias, 16)), images.reshape(3, 16), target=given.reshape(3, 32), rules=rules
        )
    np.testing.assert_allclose(found.inputs.reshape(3, 16), wanted.inputs, atol=1e-10)
    # The same bias is added in every place.
    summed = wanted.bias["layers/0"].reshape(3, 16, 2).sum(axis=1)
    np.testing.assert_allclose(found.bias["layers/0"], summed, atol=1e-10)
    np.testing.assert_allclose(found.absorbed["layers/0"], wanted.absorbed["layers/0"], atol=1e-10)


def test_the_first_layer_and_named_layers_have_rules_of_their_own(x64):
    net = nnx.Sequential(*dense(*LAYER).layers, nnx.relu, *dense(LAYER[0].T, np.ones(3)).layers)
    box = ZBox(low=LOW, high=HIGH)
    with jax.disable_jit():
        alike = [
            relevance.attribute(net, INPUTS, rules=rules).inputs
            for rules in (
                Rules(matrix="gamma", first=box),
                Rules(matrix="gamma", by_layer={"layers/0": box}),
                Rules(matrix=box, by_layer={"layers/2": "gamma"}),
            )
        ]
        other = relevance.attribute(net, INPUTS, rules=Rules(matrix="gamma")).inputs
    for one in alike[1:]:
        np.testing.assert_array_equal(one, alike[0])
    assert not np.allclose(other, alike[0])


def test_zbox_of_positive_room_gives_no_negative_share(x64):
    with jax.disable_jit():
        found = relevance.attribute(
            dense(*LAYER), INPUTS, target=abs(GIVEN), rules=Rules(matrix=ZBox(low=LOW, high=HIGH))
        )
    assert (found.inputs >= 0).all() and not found.bias["layers/0"].any()


FOUR = st.lists(st.floats(-4, 4).map(lambda x: round(x, 2)), min_size=4, max_size=4)


@functools.partial(jax.jit, static_argnums=0)
def shares_of(rule, objects, baseline):
    return rule.shares(objects, baseline)


def shares(rule, objects):
    values = np.asarray(objects, np.float32)[:, None]
    return np.asarray(shares_of(rule, values, values))[:, 0]


@hypothesis.given(FOUR)
@hypothesis.example([0.0, 0.0, -1.0, -2.0])
@hypothesis.example([1.0, 1.0, 1.0, 0.0])
@hypothesis.example([-1.0, -1.0, -2.0, -4.0])
@hypothesis.example([0.0, 0.0, 0.0, 0.0])
def test_radial_shares(objects):
    a, found = np.array(objects), shares(Radial(), objects)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(), 1, rtol=1e-6)
    if a.max() > 0:
        expected = np.maximum(a, 0) / np.maximum(a, 0).sum()
    elif a.max() == 0:
        expected = (a == 0) / (a == 0).sum()
    else:
        expected = (1 / a) / (1 / a).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@hypothesis.given(FOUR)
@hypothesis.example([1.0, 1.0, 0.5, 0.5])
@hypothesis.example([-1.0, -2.0, -2.0, -3.0])
def test_the_relu_form_is_the_gradient_and_the_softmax_is_not(objects):
    winner, chain = shares(rules_of_maxima.Winner(), objects), shares(rules_of_maxima.ReluForm(), objects)
    np.testing.assert_array_equal(winner, chain)
    assert winner.sum() == 1 and winner[np.argmax(objects)] == 1
    soft = shares(SoftmaxLimit(), objects)
    largest = np.array(objects) == max(objects)
    np.testing.assert_allclose(soft, 1 if max(objects) < 0 else largest / largest.sum(), rtol=1e-6)


@pytest.mark.parametrize("objects", [[2.0, 1.0, -1.0, 0.5], [1.0, 1.0, -2.0, 0.0], [-1.0, -2.0, -1.5, -4.0]])
def test_the_softmax_limit_is_the_limit(objects, x64):
    # In exact formulas: (exp(a / eps) - 1) / u, u = sum exp(a / eps) - 1; the gaps are at least half, e^-50 apart.
    a = np.array(objects)
    exact = np.expm1(a / 0.01) / (np.exp(a / 0.01).sum() - 1)
    np.testing.assert_allclose(shares(SoftmaxLimit(eps=0.01), objects), exact, rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(shares(SoftmaxLimit(), objects), exact, atol=1e-12)


@hypothesis.given(FOUR, FOUR)
@hypothesis.example([1.0, 1.0, 0.0, -1.0], [1.0, 1.0, 0.0, -1.0])
@hypothesis.example([1.0, -1.0, 0.0, 0.0], [-1.0, 1.0, 0.0, 0.0])
def test_rescaled_maxima_account_for_the_difference(objects, baseline):
    a, b = (np.array(one, np.float32)[:, None] for one in (objects, baseline))
    rule = rules_of_maxima.RescaleMaximum()
    found = np.asarray(shares_of(rule, a, b))
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose((found * (a - b)).sum(), a.max() - b.max(), atol=1e-5)
    # Swapping the two inputs gives the same, but for which of two equals is counted.
    swapped = np.asarray(shares_of(rule, b, a))
    np.testing.assert_allclose(swapped, found, atol=1e-4)


def test_rescaled_maximum_of_two_is_that_of_the_relu_form(x64):
    random = np.random.default_rng(2)
    a, b = random.normal(size=(2, 2, 50))
    found = shares_of(rules_of_maxima.RescaleMaximum(), a, b)
    after, before = a[1] - a[0], b[1] - b[0]
    slope = (np.maximum(after, 0) - np.maximum(before, 0)) / (after - before)
    np.testing.assert_allclose(found, [1 - slope, slope], atol=1e-12)


secant_of = jax.jit(secant, static_argnums=0)


@hypothesis.given(st.sampled_from([1e-7, 1e-5, 1e-3, 0.1, 3.0]), st.floats(-2, 2), st.sampled_from(["tanh", "sigmoid"]))
def test_secants_keep_differences_and_their_limit(step, at, name):
    function, double = {
        "tanh": (jnp.tanh, np.tanh),
        "sigmoid": (jax.nn.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    }[name]
    a, b = np.float32(at + step), np.float32(at)
    found = float(secant_of(function, a[None], b[None])[0])
    # Rounding of two function values, of at most 1: 8 units in the last place.
    assert abs(found * (float(a) - float(b)) - (double(float(a)) - double(float(b)))) <= 8 * helpers.SINGLE
    if step < 1e-4:
        derivative = 1 - np.tanh(at) ** 2 if name == "tanh" else double(at) * (1 - double(at))
        np.testing.assert_allclose(found, derivative, atol=1e-3)


def test_secants_see_kinks():
    a, b = np.array([[1e-6, -1e-6, 0.0, 1.0], [-1e-6, -2e-6, 0.0, 1.0]], np.float32)
    np.testing.assert_allclose(secant_of(nnx.relu, a, b), [0.5, 0, 0, 1], rtol=1e-6)


@pytest.mark.parametrize(
    "make, message",
    [
        (functools.partial(AlphaBeta, alpha=2, beta=0.5), r"alpha - beta must be 1, got 2.0 - 0.5 = 1.5"),
        (functools.partial(AlphaBeta, alpha=0.5, beta=-0.5), "beta must be at least 0, got -0.5"),
        (functools.partial(Normalised, eps=-1.0), "eps must be at least 0, got -1.0"),
        (functools.partial(Gamma, gamma=-1), "gamma must be at least 0, got -1.0"),
        (functools.partial(ZBox, high=np.inf), "high must be finite, got inf"),
        (functools.partial(ZBox, low=1, high=0), "low must not be above high, got 1 and 0"),
        (
            functools.partial(Rules, matrix="best"),
            "matrix must be one of gradient, normalised, .*, or a rule, got 'best'",
        ),
        (functools.partial(Rules, matrix="z_box"), r"z_box needs its bounds: ZBox\(low=..., high=...\)"),
        (functools.partial(Rules, matrix=Radial()), "matrix must be one of gradient, .*, or such a rule, got Radial"),
        (functools.partial(Rules, nonlinearity="rescale"), "rule 'rescale' needs the quantity 'difference'"),
        (
            functools.partial(Rules, quantity="factor"),
            "quantity 'factor' goes back by the matrix rule 'gradient' alone",
        ),
        (functools.partial(Rules, quantity="R"), "quantity must be one of relevance, sensitivity, .*, got 'R'"),
    ],
)
def test_rules_that_cannot_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()
