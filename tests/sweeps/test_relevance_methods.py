"""Relevance methods against slow NumPy passes, and against each other, all in double precision.

Without jit: operation by operation, each of which is compiled once for all methods.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sweeps.relevance import METHODS, Normalised, Rules, attribute
from tests import reference
from tests.sweeps import helpers

PROBLEM = helpers.problem((3, 5, 4, 2), "tanh", "cross_entropy", 2, examples=4, seed=3)
RELU = PROBLEM._replace(activation="relu")
BASELINE = np.array([0.3, -0.2, 0.1])


def secant(function, derivative, a, b):
    return np.where(a == b, derivative(a), (function(a) - function(b)) / np.where(a == b, 1, a - b))


def forward(problem, x):
    """Values before and after each nonlinearity, the input first."""
    found, act = [(x, x)], reference.ACTIVATIONS[problem.activation]
    for number, (kernel, bias) in enumerate(problem.layers):
        before = found[-1][1] @ kernel + bias
        found.append((before, act(before) if number + 1 < len(problem.layers) else before))
    return found


def slow(method, problem, x, baseline, steps=8):
    """Relevance of inputs, of hidden nodes and of biases of one example, layer by layer with matrices."""
    act = reference.ACTIVATIONS[problem.activation]

    def slope(a):
        return 1 - np.tanh(a) ** 2 if problem.activation == "tanh" else (a > 0).astype(float)

    if method == "integrated_gradients":
        points = [baseline + (x - baseline) * part for part in np.arange(2 * steps + 1) / (2 * steps)]
        inputs, hidden = 0, [0] * len(problem.layers)
        chosen = forward(problem, x)[-1][1].argmax()
        for k in range(steps):
            gradients = back("gradient", problem, points[2 * k + 1], chosen, slope, act, baseline)[1]
            ends = [[after for _, after in forward(problem, points[2 * k + shift])] for shift in (0, 2)]
            parts = [g * (end - begin) for g, begin, end in zip(gradients, *ends, strict=True)]
            inputs, hidden = inputs + parts[0], [a + b for a, b in zip(hidden, parts[1:], strict=True)]
        return inputs, hidden, [np.zeros_like(bias) for _, bias in problem.layers]
    chosen = forward(problem, x)[-1][1].argmax()
    bias, quantities = back(method, problem, x, chosen, slope, act, baseline)
    values = [after for _, after in forward(problem, x)]
    if method in ("gradient_x_input", "slope"):
        quantities = [q * a for q, a in zip(quantities, values, strict=True)]
    if method == "deeplift":
        others = [after for _, after in forward(problem, baseline)]
        quantities = [q * (a - b) for q, a, b in zip(quantities, values, others, strict=True)]
    return quantities[0], quantities[1:], bias


def through(method, q, before, other, slope, act):
    """The quantity before a nonlinearity."""
    return {
        "gradient": lambda: q * slope(before),
        "gradient_x_input": lambda: q * slope(before),
        "deconvnet": lambda: act(q),
        "guided_backprop": lambda: act(q) * slope(before),
        "lrp": lambda: q,
        "slope": lambda: q * secant(act, slope, before, 0 * before),
        "deeplift": lambda: q * secant(act, slope, before, other),
    }[method]()


def back(method, problem, x, chosen, slope, act, baseline):
    """What goes backwards, at the inputs and after each layer, and relevance of biases."""
    values, others = forward(problem, x), forward(problem, baseline)
    q = np.eye(len(values[-1][1]))[chosen] * (values[-1][1] if method == "lrp" else 1)
    found, biases = [q], []
    for number in range(len(problem.layers), 0, -1):
        (kernel, bias), (before, _) = problem.layers[number - 1], values[number]
        if number < len(problem.layers):
            q = through(method, q, before, others[number][0], slope, act)
        if method == "lrp":
            share = q / (before + 1e-6 * np.where(before >= 0, 1, -1))
            biases.append(bias * share)
            q = values[number - 1][1] * (kernel @ share)
        else:
            biases.append(0 * bias if method == "deeplift" else bias * q)
            q = kernel @ q
        found.append(q)
    return biases[::-1], found[::-1]


# Guided backpropagation is where relu and its derivative both matter.
@pytest.mark.parametrize(
    "method, problem",
    [*((method, PROBLEM) for method in METHODS), ("guided_backprop", RELU)],
    ids=[*METHODS, "guided_backprop-relu"],
)
def test_a_method_is_its_slow_self(method, problem, x64):
    options = dict(baseline=BASELINE) if METHODS[method].needs_baseline else {}
    options |= dict(steps=8) if METHODS[method].quantity == "path" else {}
    with jax.disable_jit():
        found = attribute(helpers.network(problem, jnp.float64), problem.inputs, method=method, **options)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype(jnp.float64)}
    assert list(found.layers) == list(found.bias) == ["layers/0", "layers/1", "layers/2"]
    for example, x in enumerate(problem.inputs):
        inputs, hidden, bias = slow(method, problem, x, BASELINE)
        np.testing.assert_allclose(found.inputs[example], inputs, rtol=1e-9, atol=1e-10)
        for got, wanted in zip(found.layers.values(), hidden, strict=True):
            np.testing.assert_allclose(got[example], wanted, rtol=1e-9, atol=1e-10)
        for got, wanted in zip(found.bias.values(), bias, strict=True):
            np.testing.assert_allclose(got[example], wanted, rtol=1e-9, atol=1e-10)


def total(found):
    """Sum of what inputs, biases and stabilisers have, one number an example."""
    parts = [found.inputs, *found.bias.values(), *found.absorbed.values()]
    return sum(np.asarray(part, float).reshape(len(part), -1).sum(axis=1) for part in parts)


def pairs(x):
    """Maxima of neighbours, and of what is left: the third and a constant, zero."""
    return jnp.maximum(x[:, :2], x[:, 2:])


def all_equal(one, other, **tolerance):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def test_the_normalised_form_without_a_stabiliser_is_the_simplified_one(x64):
    # In Q = R / a the division by b is gone; the gradient rule for maxima stays, and "ignore" becomes "slope".
    layers = helpers.network(PROBLEM, jnp.float64).layers
    net = nnx.Sequential(layers[0], nnx.tanh, layers[1], pairs, nnx.tanh)
    with jax.disable_jit():
        one, other = (
            attribute(net, PROBLEM.inputs, rules=one) for one in (Rules(matrix=Normalised(eps=0.0)), METHODS["slope"])
        )
    all_equal(one[:3], other[:3], rtol=1e-9, atol=1e-12)
    assert not any(np.any(np.abs(part) > 1e-12) for part in one.absorbed.values())


def test_slope_is_gradient_for_relu(x64):
    net = helpers.network(RELU, jnp.float64)
    with jax.disable_jit():
        one, other = (attribute(net, RELU.inputs, method=one) for one in ("slope", "gradient_x_input"))
    all_equal(one[:3], other[:3], rtol=1e-12, atol=1e-12)


def test_targets(x64):
    net, x = helpers.network(PROBLEM, jnp.float64), PROBLEM.inputs

    def inputs(target, method="slope"):
        with jax.disable_jit():
            return attribute(net, x, target=target, method=method)

    z = np.array([forward(PROBLEM, one)[-1][1] for one in x])
    best, each = inputs(None), inputs(z.argmax(axis=1))
    np.testing.assert_array_equal(best.inputs, each.inputs)
    np.testing.assert_allclose(best.output, z.max(axis=1), rtol=1e-10)
    zero, one = inputs(0), inputs(1)
    difference = inputs(np.tile([1.0, -1.0], (4, 1)))
    np.testing.assert_allclose(difference.inputs, zero.inputs - one.inputs, atol=1e-10)
    np.testing.assert_allclose(difference.output, z[:, 0] - z[:, 1], atol=1e-10)
    # In R the vector is relevance; the output's own value is what a number stands for.
    np.testing.assert_allclose(inputs(z * [1, 0], "lrp").inputs, inputs(0, "lrp").inputs, rtol=1e-10)
    np.testing.assert_allclose(inputs(0, "gradient").output, 1)


def test_what_a_nonlinearity_is_at_zero_is_a_bias(x64):
    net, kernel, at_zero = helpers.network(PROBLEM, jnp.float64), PROBLEM.layers[2][0], 0.5
    net.activation = "sigmoid"
    for method in ("slope", Rules(matrix=Normalised(eps=0.0))):
        with (
            jax.disable_jit(),
            pytest.warns(UserWarning, match="layers/[01] nonlinearity is not 0 at 0: its offset is counted as a bias"),
        ):
            found = attribute(net, PROBLEM.inputs, target=0, method=method)
        # Each node passes f(0) w on to the output.
        offset = found.bias["layers/1 nonlinearity offset"]
        np.testing.assert_allclose(offset, np.tile(at_zero * kernel[:, 0], (4, 1)), rtol=1e-10)
        np.testing.assert_allclose(total(found), found.output, rtol=1e-10)
        row = next(row for row in found.ledger(0) if row.step == "layers/1 nonlinearity")
        np.testing.assert_allclose(row.offsets, offset[0].sum(), rtol=1e-10)
    with jax.disable_jit():
        attribute(net, PROBLEM.inputs, target=0, method="deeplift")  # where it cancels, and nothing warns


def test_baselines(x64):
    net, x = helpers.network(PROBLEM, jnp.float64), PROBLEM.inputs
    with jax.disable_jit():
        there = attribute(net, x, target=0, method="deeplift", baseline=BASELINE)
        back = attribute(net, np.tile(BASELINE, (4, 1)), target=0, method="deeplift", baseline=x)
        same = attribute(net, x, target=0, method="deeplift", baseline=x)
    all_equal(there[:2], jax.tree.map(jnp.negative, back[:2]), rtol=1e-10, atol=1e-12)
    outputs = np.array([forward(PROBLEM, one)[-1][1][0] for one in (*x, BASELINE)])
    np.testing.assert_allclose(there.output, outputs[:-1] - outputs[-1], rtol=1e-10)
    np.testing.assert_allclose(total(there), there.output, rtol=1e-10)
    # Of an input that is its own baseline nothing is left, and nothing is divided by it.
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(same))


def test_integrated_gradients_are_complete_to_their_bound(x64):
    # Halfway in each of n pieces, the sum is off by at most V / 2n, where V is the variation of the slope of the output
    # along the path; on a fine grid it is found to 1 %.
    net, x, steps = helpers.network(RELU, jnp.float64), RELU.inputs, 16
    with jax.disable_jit():
        found = attribute(net, x, method="integrated_gradients", baseline=BASELINE, steps=steps)
    found = jax.tree.map(np.asarray, found)
    errors = []
    for example, one in enumerate(x):
        chosen = forward(RELU, one)[-1][1].argmax()
        path = [forward(RELU, BASELINE + part * (one - BASELINE))[-1][1] for part in np.linspace(0, 1, 2001)]
        along = np.array(path)[:, chosen]
        bound = np.abs(np.diff(along, 2)).sum() * 2000 / (2 * steps)
        errors.append(abs(found.inputs[example].sum() - (along[-1] - along[0])))
        assert errors[-1] <= 1.01 * bound + 1e-12
    # What is missing is in the ledger.
    missing = sum(flow.not_conserved for flow in found.flows.values())
    np.testing.assert_allclose(np.abs(missing), errors, atol=1e-10)
