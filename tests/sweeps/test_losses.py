"""Losses against the oracle's, and what fits what."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sweeps import _losses
from tests import reference
from tests.sweeps.helpers import SINGLE

LABELS = np.array([0, 1, 2, 1, 0], np.int32)
logits = arrays.arrays(np.float32, (5, 3), elements=st.floats(-300, 300, width=32))
single = arrays.arrays(np.float32, (5, 1), elements=st.floats(-1e4, 1e4, width=32))


@given(logits)
def test_cross_entropy(outputs):
    found = _losses.cross_entropy(jnp.asarray(outputs), jnp.asarray(LABELS))
    value, _ = reference.per_example("cross_entropy", outputs.astype(float), LABELS)
    # A few roundings of numbers as large as the outputs.
    np.testing.assert_allclose(found, value, rtol=0, atol=8 * SINGLE * (1 + np.abs(outputs).max()))


@given(single)
def test_binary_cross_entropy_keeps_its_digits_for_any_margin(outputs):
    # Relative to the loss itself, however small: exp(-100) still has six digits.
    labels = LABELS % 2
    found = _losses.binary_cross_entropy(jnp.asarray(outputs), jnp.asarray(labels))
    value, _ = reference.per_example("binary_cross_entropy", outputs.astype(float), labels)
    # Below the smallest normal number float32 flushes to zero.
    np.testing.assert_allclose(found, value, rtol=16 * SINGLE, atol=float(np.finfo(np.float32).tiny))


@given(single)
def test_gradients_of_binary_cross_entropy_are_finite(outputs):
    labels = jnp.asarray(LABELS % 2)
    found = jax.grad(lambda z: _losses.binary_cross_entropy(z, labels).sum())(jnp.asarray(outputs))
    _, slope = reference.per_example("binary_cross_entropy", outputs.astype(float), LABELS % 2)
    np.testing.assert_allclose(found, slope, rtol=0, atol=8 * SINGLE)


def test_the_gradient_at_the_kink_of_the_stable_form():
    # softplus is smooth: its slope at zero is one half, although max and abs have a kink there.
    slope = jax.grad(lambda z: _losses.binary_cross_entropy(z, jnp.zeros(1, jnp.int32)).sum())(jnp.zeros((1, 1)))
    assert float(slope[0, 0]) == 0.5


@given(logits)
def test_squared_error_of_class_numbers_is_that_of_one_hot_vectors(outputs):
    values = jnp.asarray(outputs)
    found = _losses.squared_error(values, jnp.asarray(LABELS))
    np.testing.assert_array_equal(found, _losses.squared_error(values, jnp.eye(3)[LABELS]))
    value, _ = reference.per_example("squared_error", outputs.astype(float), LABELS)
    np.testing.assert_allclose(found, value, rtol=16 * SINGLE, atol=16 * SINGLE * (1 + np.abs(outputs).max()))


def test_squared_error_of_one_output_takes_targets_with_and_without_a_column():
    outputs, targets = jnp.arange(3.0)[:, None], jnp.asarray([0.5, 0.5, 0.5])
    np.testing.assert_array_equal(_losses.squared_error(outputs, targets), [0.25, 0.25, 2.25])
    np.testing.assert_array_equal(_losses.squared_error(outputs, targets[:, None]), [0.25, 0.25, 2.25])
    # Class numbers 0 and 1 for one output are values.
    np.testing.assert_array_equal(_losses.squared_error(outputs, jnp.asarray([0, 1, 1])), [0, 0, 1])


@pytest.mark.parametrize(
    ("name", "outputs", "targets", "found"),
    [
        (None, 3, LABELS, "cross_entropy"),
        (None, 1, np.zeros(3, np.float32), "squared_error"),
        (None, 2, np.zeros((3, 2), np.float32), "squared_error"),
        (None, 2, np.array([True, False]), "cross_entropy"),
        ("squared_error", 3, LABELS, "squared_error"),
        ("binary_cross_entropy", 1, LABELS % 2, "binary_cross_entropy"),
    ],
)
def test_find(name, outputs, targets, found):
    assert find(name, outputs, targets).name == found


@pytest.mark.parametrize(
    ("name", "outputs", "targets", "message"),
    [
        ("mse", 2, LABELS, "loss must be one of cross_entropy, binary_cross_entropy, squared_error, .* got 'mse'"),
        (None, 2, LABELS, "expected labels from 0 to 1 for a network with 2 outputs, got labels from 0 to 2"),
        (None, 3, LABELS - 1, "expected labels from 0 to 2 for a network with 3 outputs, got labels from -1 to 1"),
        ("squared_error", 2, LABELS, "expected labels from 0 to 1 .* got labels from 0 to 2"),
        ("squared_error", 2, np.zeros(3), r"expected a target shape of \(examples, 2\) .* got shape \(3,\)"),
        ("cross_entropy", 2, np.zeros(3), r"expected class numbers: .* got float64 of shape \(3,\)"),
        ("cross_entropy", 2, np.zeros((3, 2), int), r"expected class numbers: .* got int64 of shape \(3, 2\)"),
        ("binary_cross_entropy", 2, LABELS % 2, "expected a network with one output .* got 2 outputs"),
        ("binary_cross_entropy", 1, LABELS, "expected labels from 0 to 1 .* got labels from 0 to 2"),
    ],
)
def test_what_does_not_fit(name, outputs, targets, message):
    with pytest.raises(ValueError, match=message):
        find(name, outputs, targets)


def find(name, outputs, targets):
    """Find a loss for a network with so many outputs."""
    return _losses.find(name, jax.ShapeDtypeStruct((len(targets), outputs), np.float32), targets)


def test_units():
    assert {name: loss.unit for name, loss in _losses.LOSSES.items()} == {
        "cross_entropy": "nats",
        "binary_cross_entropy": "nats",
        "squared_error": "squared units",
    }
    assert all(name == loss.name for name, loss in _losses.LOSSES.items())
