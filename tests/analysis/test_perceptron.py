"""A stored perceptron in NumPy: against sums written out, finite differences, and errors that name what is wrong."""

import numpy as np
import pytest
import xarray as xr
from scipy import special

from analysis import perceptron, plane
from tests.analysis.synthetic_network import stored

RANDOM = np.random.default_rng(1)
INPUTS, TARGETS = RANDOM.normal(size=(6, 2)), np.array([0, 1, 1, 0, 1, 0])
GATES = RANDOM.uniform(size=7)
NETWORK = perceptron.from_dataset(stored())


def test_outputs_are_those_written_out():
    data = stored()
    network = perceptron.from_dataset(data)
    for row, inputs in enumerate(INPUTS):
        values, gates = inputs, list(GATES)
        for index in range(3):
            kernel, bias = data[f"layers.{index}.kernel"].values, data[f"layers.{index}.bias"].values
            values = np.array(
                [sum(values[i] * kernel[i, o] for i in range(len(kernel))) + bias[o] for o in range(len(bias))]
            )
            if index < 2:
                values = np.tanh(values) * [gates.pop(0) for _ in range(len(bias))]
        np.testing.assert_allclose(perceptron.outputs(network, INPUTS, gates=GATES)[row], values, rtol=1e-12)
    assert network.nodes == 7


@pytest.mark.parametrize("activation", perceptron.ACTIVATIONS)
@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_gate_gradients_are_finite_differences(activation, outputs):
    network = perceptron.from_dataset(stored((2, 4, 3, outputs), activation))
    targets = TARGETS % outputs if outputs > 1 else TARGETS
    found = perceptron.gate_gradients(network, INPUTS, targets, gates=GATES)
    for node in range(7):
        step = 1e-6 * np.eye(7)[node]
        up, down = (perceptron.losses(network, INPUTS, targets, gates=GATES + sign * step) for sign in (1, -1))
        np.testing.assert_allclose(found[:, node], (up - down) / 2e-6, rtol=1e-5, atol=1e-8)


def test_losses_are_cross_entropies():
    network = perceptron.from_dataset(stored())
    chance = perceptron.probabilities(network, INPUTS)
    np.testing.assert_allclose(chance.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(perceptron.losses(network, INPUTS, TARGETS), -np.log(chance[np.arange(6), TARGETS]))
    single = perceptron.from_dataset(stored((2, 4, 1)))
    right = special.expit(perceptron.outputs(single, INPUTS)[:, 0] * (2 * TARGETS - 1))
    np.testing.assert_allclose(perceptron.losses(single, INPUTS, TARGETS), -np.log(right), rtol=1e-9)


def test_a_network_without_biases():
    network = perceptron.from_dataset(stored(bias=False))
    np.testing.assert_array_equal(perceptron.outputs(network, np.zeros((1, 2))), 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: perceptron.outputs(NETWORK, np.zeros((3, 5))),
            r"inputs must have shape \(examples, 2\), got",
        ),
        (
            lambda: perceptron.outputs(NETWORK, INPUTS, gates=[1, 0]),
            r"gates must have shape \(7,\), one gate a node, got",
        ),
        (lambda: perceptron.from_dataset(stored(activation="sine")), "a nonlinearity among relu, .*, got sine"),
        (lambda: perceptron.from_dataset(stored().drop_vars("layers.1.kernel")), r"layers\.1\.kernel"),
        (lambda: plane.grid(limit=0), "limit must be above 0"),
        (lambda: plane.true_classes(xr.Dataset(attrs={"name": "spiral"}), plane.grid()), "the circle, .*'spiral'"),
        (lambda: plane.maps(perceptron.from_dataset(stored((3, 4, 2))), plane.grid()), "two inputs .* got 3 and 2"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


class TestPlane:
    def test_points_lie_where_the_coordinates_say(self):
        network = perceptron.from_dataset(stored())
        grid = plane.grid(limit=1.5, points=5)
        classes = plane.true_classes(xr.Dataset(attrs={"name": "circle", "radius": 0.8}), grid)
        maps = plane.maps(network, grid, classes=classes, gates=GATES)
        point = maps.sel(x=0.75, y=-1.5)
        inputs = np.array([[0.75, -1.5]])
        assert int(classes.sel(x=0.75, y=-1.5)) == 1 and int(classes.sel(x=0, y=0.75)) == 0
        assert float(point.certainty) == pytest.approx(perceptron.probabilities(network, inputs, gates=GATES)[0, 1])
        assert float(point.loss) == pytest.approx(perceptron.losses(network, inputs, [1], gates=GATES)[0])
        np.testing.assert_allclose(point.gate_gradient, perceptron.gate_gradients(network, inputs, [1], gates=GATES)[0])

    def test_without_classes_there_is_no_loss(self):
        assert set(plane.maps(perceptron.from_dataset(stored()), plane.grid(points=3))) == {"certainty"}
