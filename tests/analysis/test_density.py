import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import density


def direct(values, grid, width, weights=None):
    weights = np.full(len(values), 1 / len(values)) if weights is None else np.divide(weights, np.sum(weights))
    total = np.zeros(len(grid))
    for value, weight in zip(values, weights, strict=True):
        total += weight * np.exp(-0.5 * ((grid - value) / width) ** 2) / (width * np.sqrt(2 * np.pi))
    return total


def bound(width):
    return 1.25e-5 / (width * np.sqrt(2 * np.pi))  # stated in the docstring: of one kernel's peak


@pytest.mark.parametrize("width", [0.03, 0.2])
def test_against_the_direct_sum(width):
    values = np.random.default_rng(0).lognormal(size=400)
    grid, got = density.kde(values, width=width)
    some = slice(None, None, 37)
    assert np.abs(got[some] - direct(values, grid[some], width)).max() < bound(width)
    assert grid.size == got.size >= 2**14


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=15), st.sampled_from([0.03, 0.5]))
def test_any_values_keep_the_bound_and_integrate_to_one(values, width):
    grid, got = density.kde(values, width=width)
    # a difference of grid points near 3 is rounded by 4e-16 of 3e-5
    assert np.trapezoid(got, grid) == pytest.approx(1, abs=1e-10)
    assert got.min() >= 0
    some = slice(None, None, 97)
    assert np.abs(got[some] - direct(values, grid[some], width)).max() < bound(width)


def test_mean_and_variance_are_those_of_the_draws_and_the_kernel():
    values = np.random.default_rng(1).normal(size=1000)
    grid, got = density.kde(values, width=0.1)
    spacing = (grid[-1] - grid[0]) / (grid.size - 1)
    mean = np.sum(grid * got) * spacing
    variance = np.sum((grid - mean) ** 2 * got) * spacing
    # linear binning keeps the mean and adds at most spacing^2 / 4 to the variance
    assert mean == pytest.approx(values.mean(), abs=1e-12)
    assert values.var() + 0.01 - 1e-12 < variance < values.var() + 0.01 + spacing**2 / 4


def test_equal_values_give_one_kernel():
    grid, got = density.kde([2, 2, 2], width=0.03)
    np.testing.assert_allclose(got, direct([2.0], grid, 0.03), atol=bound(0.03))


def test_weights_are_repetitions():
    repeated = density.kde([1.0, 1.0, 1.0, 1.5], width=0.05)
    weighted = density.kde([1.0, 1.5], width=0.05, weights=[6, 2])
    np.testing.assert_allclose(weighted.density, repeated.density, atol=1e-12)
    grid, got = density.kde([0.3, 0.9, 1.4], weights=[0.2, 0.0, 0.8])
    assert np.abs(got - direct([0.3, 0.9, 1.4], grid, 0.03, [0.2, 0.0, 0.8])).max() < bound(0.03)


def test_a_wide_range_gets_more_points_not_a_worse_answer():
    values = [0.0, 40.0]
    grid, got = density.kde(values)
    assert grid.size > 2**14
    assert np.abs(got - direct(values, grid, 0.03)).max() < bound(0.03)
    with pytest.raises(ValueError, match=r"width must be 23\.8 or more for values that span so far, got 0\.03"):
        density.kde([0.0, 1e6])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_and_counted(bad):
    with pytest.raises(ValueError, match="values must be finite numbers, got 2 of 3 that are not"):
        density.kde([bad, 1.0, bad])


@pytest.mark.parametrize(
    ("values", "width", "error", "message"),
    [
        ([], 0.03, ValueError, "values must be one or more numbers, got none"),
        (["a"], 0.03, TypeError, "values must be integers or floating-point numbers"),
        ([1.0], 0.0, ValueError, "width must be above 0, got 0.0"),
        ([1.0], np.nan, ValueError, "width must be finite, got nan"),
    ],
)
def test_bad_arguments_are_named(values, width, error, message):
    with pytest.raises(error, match=message):
        density.kde(values, width=width)


def test_bad_weights_are_named():
    with pytest.raises(ValueError, match="weights must be one for each of the 2 values, got 1"):
        density.kde([1.0, 2.0], weights=[1.0])
    for weights in ([-1.0, 2.0], [0.0, 0.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="weights must be finite numbers, none negative"):
            density.kde([1.0, 2.0], weights=weights)
