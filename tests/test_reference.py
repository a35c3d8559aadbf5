"""The oracle itself: its gradients against central finite differences of its losses."""

import numpy as np
import pytest

from tests import reference
from tests.sweeps.helpers import PROBLEMS, partial_gains

STEP = 1e-5
# Central differences are off by STEP^2 / 6 times the third derivative, and by rounding, eps / STEP = 2e-11 times the
# loss. Both are under 1e-8 for derivatives up to 600, which weights and inputs of order one do not reach.
TOLERANCE = 1e-8


def difference(function, vector, index):
    step = np.zeros_like(vector)
    step[index] = STEP
    return (function(vector + step) - function(vector - step)) / (2 * STEP)


@pytest.mark.parametrize("name", PROBLEMS)
def test_gate_gradients_are_the_finite_differences_of_the_loss(name):
    problem = PROBLEMS[name]
    for gates in partial_gains(problem.nodes).astype(float) + 0.01:
        value = reference.evaluate(problem, gates)
        numerical = [difference(lambda g: reference.loss(problem, g), gates, i) for i in range(len(gates))]
        np.testing.assert_allclose(value.loss_gradient, numerical, rtol=0, atol=TOLERANCE)
        logs = [difference(lambda g: np.log(reference.loss(problem, g)), gates, i) for i in range(len(gates))]
        np.testing.assert_allclose(value.log_loss_gradient, logs, rtol=0, atol=TOLERANCE / value.loss.min())


@pytest.mark.parametrize("name", PROBLEMS)
def test_parameter_gradients_are_the_finite_differences_of_the_loss(name):
    problem = PROBLEMS[name]
    gates = np.linspace(0.5, 1.2, problem.nodes)
    gradients = reference.backward(problem, gates)[2]
    for layer, pair in enumerate(problem.layers):
        for part, values in enumerate(pair):

            def of_values(values, layer=layer, part=part):
                changed = [list(one) for one in problem.layers]
                changed[layer][part] = values
                return reference.loss(problem._replace(layers=tuple(map(tuple, changed))), gates)

            numerical = [difference(of_values, values, index) for index in np.ndindex(values.shape)]
            np.testing.assert_allclose(
                gradients[layer][part].ravel(), numerical, rtol=0, atol=TOLERANCE, err_msg=f"{layer} {part}"
            )


def test_losses_on_paper():
    z, targets = np.array([[0.0, np.log(3)], [0.0, 0.0]]), np.array([1, 0])
    # Softmax of (0, log 3) is (1/4, 3/4); of (0, 0) it is (1/2, 1/2).
    np.testing.assert_allclose(
        reference.per_example("cross_entropy", z, targets)[0], [np.log(4 / 3), np.log(2)], rtol=1e-15
    )
    np.testing.assert_allclose(
        reference.per_example("binary_cross_entropy", z[:, 1:], targets)[0], [np.log(4 / 3), np.log(2)], rtol=1e-15
    )
    np.testing.assert_allclose(
        reference.per_example("squared_error", z, targets)[0], [(np.log(3) - 1) ** 2, 1], rtol=1e-15
    )


def test_masks_count_in_binary():
    assert reference.masks(2).tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
