"""What is said of the rules, as numbers: consistency, two-object maxima, instability."""

import numpy as np
import pytest

from sweeps.relevance import _demonstrations


def test_scaling_agrees_for_these_pairs_of_rules():
    factors = {(row.kind, row.rule): row.factor for row in _demonstrations.scaling(2.5)}
    assert factors == {
        ("matrix", "gradient"): 2.5,
        ("matrix", "normalised"): 1.0,
        ("nonlinearity", "ignore"): 1.0,
        ("nonlinearity", "gradient"): 2.5,
        ("nonlinearity", "slope"): 2.5,
        ("nonlinearity", "repeat"): 2.5,
    }


def test_maxima_with_constants_agree_for_gradient_alone():
    rows = {(row.maximum, row.nonlinearity): row.difference for row in _demonstrations.maxima_with_constants((-1.0,))}
    assert {pair for pair, difference in rows.items() if difference < 1e-6} == {
        ("gradient", "gradient"),
        ("relu_form", "gradient"),
    }
    # Radial and slope: closest to one half, at a = c.
    assert 0.49 < rows["radial", "slope"] < 0.5
    # With the constant zero, relu, slope and gradient are the same, and every maximum agrees with both.
    rows = {(row.maximum, row.nonlinearity): row.difference for row in _demonstrations.maxima_with_constants((0.0,))}
    for maximum in ("gradient", "radial", "relu_form"):
        assert rows[maximum, "slope"] < 1e-6 and rows[maximum, "gradient"] < 1e-6
        assert rows[maximum, "ignore"] > 0.9 and rows[maximum, "repeat"] > 0.9
    with pytest.raises(ValueError, match="constants must not be positive, got 1.0"):
        _demonstrations.maxima_with_constants((1.0,))


def test_a_constant_that_is_there_twice_changes_radial_shares():
    # max(a, c) = max(a, c, c), which no splitting of credit survives.
    once, twice = (
        {(row.maximum, row.nonlinearity): row.difference for row in _demonstrations.maxima_with_constants(constants)}
        for constants in ((-1.0,), (-1.0, -1.0))
    )
    assert once["gradient", "gradient"] == twice["gradient", "gradient"] == 0
    assert twice["radial", "slope"] > once["radial", "slope"] + 0.1


def test_radial_maximum_does_not_match_slope():
    ratio = np.geomspace(0.01, 100, 41)
    slope, radial = _demonstrations.two_objects(ratio, constant=-2.0)
    np.testing.assert_allclose(slope, np.minimum(1, ratio), rtol=1e-5)
    np.testing.assert_allclose(radial, ratio / (1 + ratio), rtol=1e-5)
    # Alike far away on both sides, and apart by a factor of 2 where the objects are equal.
    quotient = slope / radial
    assert quotient.argmax() == 20 and np.isclose(quotient[20], 2)
    np.testing.assert_allclose(quotient[[0, -1]], 1.01, rtol=1e-4)


@pytest.mark.parametrize(
    "objects, softmax, bias, relu",
    [
        ([2.0, 1.0], [1, 0], 0, [1, 0]),
        ([2.0, -1.0], [1, 0], 0, [1, 0]),
        ([-1.0, -2.0], [1, 1], -1, [1, 0]),
        ([-3.0, -1.0, -2.0], [1, 1, 1], -2, [0, 1, 0]),
        ([1.0, 1.0], [0.5, 0.5], 0, [1, 0]),
    ],
)
def test_softmax_and_relu_forms_disagree_where_all_are_negative_and_at_ties(objects, softmax, bias, relu):
    for eps in (0.0, 0.02):
        found = _demonstrations.maximum_forms(objects, eps)
        np.testing.assert_allclose(found.softmax, softmax, atol=1e-6)
        np.testing.assert_allclose(found.softmax_bias, bias, atol=1e-6)
        np.testing.assert_array_equal(found.relu, relu)


def test_the_normalised_rule_is_unstable_where_a_bias_is_not_blamed():
    *rows, near, at = _demonstrations.instability((1e-1, 1e-2, 1e-3, -1e-3, 1e-6, 0.0), eps=1e-6)
    for row in rows:
        # All of 1 + d goes to the inputs, x1 / d of it to the first.
        np.testing.assert_allclose(row.all_to_inputs, (1 + row.difference) / abs(row.difference), rtol=0.02)
        np.testing.assert_allclose([row.blamed, row.slope], 1, atol=2e-3)
    # Never beyond 1 / eps, the stabiliser's own number, which is what it then is.
    assert 3e5 < near.all_to_inputs < 1e6 and np.isclose(at.all_to_inputs, 1e6) and at.slope == 1
