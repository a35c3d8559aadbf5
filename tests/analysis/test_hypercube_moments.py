"""Moments, distributions and derivatives under Bernoulli(p), against sums over all masks."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis import density, hypercube

TABLES = st.integers(0, 5).flatmap(lambda n: arrays(np.float64, 2**n, elements=st.floats(-10, 10)))


def table(nodes, seed=0):
    return np.random.default_rng(seed).normal(size=2**nodes)


def chances(nodes, p):
    return [p ** m.bit_count() * (1 - p) ** (nodes - m.bit_count()) for m in range(2**nodes)]


def exact_moments(values, nodes, p):
    """In rational arithmetic, without any rounding until the end."""
    weight, values = chances(nodes, Fraction(p)), [Fraction(v) for v in values]
    mean = sum(w * v for w, v in zip(weight, values, strict=True))
    two, three, four = (sum(w * (v - mean) ** j for w, v in zip(weight, values, strict=True)) for j in (2, 3, 4))
    return float(mean), float(two), float(three) / float(two) ** 1.5, float(four / two**2 - 3)


@pytest.mark.parametrize("p", [1e-6, 0.25, 0.5, 0.9, 1 - 1e-6])
@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_moments_in_rational_arithmetic(nodes, p):
    values = table(nodes) + np.arange(2**nodes)  # far from 0, and further apart at one end
    got = hypercube.moments(values, probability=p)
    assert all(isinstance(number, float) for number in got)
    assert got == pytest.approx(exact_moments(values.tolist(), nodes, p), rel=1e-9)


@given(TABLES, st.floats(0, 1))
def test_mean_and_variance_of_any_table(values, p):
    weight = np.array(chances(values.size.bit_length() - 1, p))
    mean = np.sum(weight * values)
    got = hypercube.moments(values, probability=p)
    assert got.mean == pytest.approx(mean, abs=1e-12)
    assert got.variance == pytest.approx(np.sum(weight * (values - mean) ** 2), abs=1e-11)


def test_many_probabilities_at_once_keep_their_shape():
    values, p = table(4), np.linspace(0, 1, 6).reshape(2, 3)
    got = hypercube.moments(values, probability=p)
    slope = hypercube.mean_derivative(values, p)
    assert {field.shape for field in got} == {slope.shape} == {(2, 3)}
    for place in np.ndindex(2, 3):
        np.testing.assert_allclose(
            [field[place] for field in got], hypercube.moments(values, probability=p[place]), rtol=1e-13
        )
        assert slope[place] == pytest.approx(hypercube.mean_derivative(values, float(p[place])), rel=1e-13)


def test_without_spread_there_is_no_shape():
    values = table(3)
    for p, value in ((0.0, values[0]), (1.0, values[-1])):
        got = hypercube.moments(values, probability=p)
        assert got[:2] == (pytest.approx(value), 0.0)
        assert np.isnan(got.skewness) and np.isnan(got.excess_kurtosis)
    assert hypercube.moments(np.full(8, 0.1)).variance == 0
    assert hypercube.moments([2.0])[:2] == (2.0, 0.0)
    assert hypercube.mean_derivative([2.0], 0.5) == 0


def test_mean_by_size_averages_the_masks_with_so_many_nodes_on():
    values = table(4)
    wanted = [np.mean([v for m, v in enumerate(values) if m.bit_count() == s]) for s in range(5)]
    np.testing.assert_allclose(hypercube.mean_by_size(values), wanted, atol=1e-14)


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
def test_the_derivative_is_the_sum_of_the_mean_effects_of_single_nodes(p):
    nodes, values = 4, table(4, 1)
    weight = chances(nodes, p)
    wanted = math.fsum(
        weight[m] * (values[m | 1 << i] - values[m & ~(1 << i)]) for i in range(nodes) for m in range(2**nodes)
    )
    assert hypercube.mean_derivative(values, p) == pytest.approx(wanted, abs=1e-13)


@given(TABLES, st.floats(0.01, 0.99))
def test_the_derivative_is_that_of_the_mean(values, p):
    # The mean is a polynomial of degree N of 5 at most; central differences of it miss by h^2 of its third derivative.
    h = 1e-4
    upper, lower = hypercube.moments(values, probability=[p + h, p - h]).mean
    bound = h**2 / 6 * 60 * 8 * np.abs(values).max(initial=1) + 1e-9
    assert hypercube.mean_derivative(values, p) == pytest.approx((upper - lower) / (2 * h), abs=bound)


def test_at_one_half_the_derivative_is_the_sum_of_the_banzhaf_values():
    values = table(6)
    assert hypercube.mean_derivative(values, 0.5) == pytest.approx(hypercube.banzhaf(values).sum(), abs=1e-13)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5])
def test_the_distribution_holds_every_mask_with_its_probability(p):
    nodes, values = 5, table(5)
    got = hypercube.distribution(values, probability=p)
    order = np.argsort(values)
    np.testing.assert_array_equal(got.values, values[order])
    np.testing.assert_allclose(got.weights, np.array(chances(nodes, p))[order], rtol=1e-12, atol=0)
    assert got.weights.sum() == pytest.approx(1, abs=1e-13)
    assert got.width == 0


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_the_histogram_adds_up_what_lies_in_each_bin(p):
    values, width = table(6), 0.25
    got, full = (
        hypercube.distribution(values, probability=p, width=width),
        hypercube.distribution(values, probability=p),
    )
    assert (np.diff(got.values) > width / 2).all() and got.width == width
    for centre, weight in zip(got.values, got.weights, strict=True):
        inside = (full.values >= centre - width / 2) & (full.values < centre + width / 2)
        assert inside.any()
        assert weight == pytest.approx(full.weights[inside].sum(), abs=1e-14)
    assert got.weights.sum() == pytest.approx(1, abs=1e-13)


def test_the_distribution_goes_into_a_density():
    values = table(8)
    law = hypercube.distribution(values, probability=0.3)
    grid, height = density.kde(law.values, width=0.1, weights=law.weights)
    step = grid[1] - grid[0]
    mean, variance, *_ = hypercube.moments(values, probability=0.3)
    # linear binning keeps the mean and adds at most step^2 / 4 to the variance, the kernel adds its own
    assert np.sum(grid * height) * step == pytest.approx(mean, abs=1e-10)
    assert np.sum((grid - mean) ** 2 * height) * step == pytest.approx(variance + 0.01, abs=step**2 / 4 + 1e-10)
    fine = hypercube.distribution(values, probability=0.3, width=0.001)
    again = density.kde(fine.values, width=0.1, weights=fine.weights)
    # bins of w cost (w / h) / (2 sqrt(e)) of one kernel's peak at most
    bound = 0.001 / 0.1 / (2 * math.sqrt(math.e)) / (0.1 * math.sqrt(2 * math.pi)) + 2e-5 / 0.1
    assert np.abs(np.interp(grid, *again) - height).max() < bound


def test_drawn_masks_have_the_exact_moments():
    nodes, p, draws = 8, 0.3, 20_000
    values = table(nodes, 5)
    random = np.random.default_rng(6)
    drawn = values[(random.random((draws, nodes)) < p) @ (1 << np.arange(nodes))]
    got = hypercube.moments(values, probability=p)
    # 4.5 standard errors: false alarm 7e-6 each
    assert drawn.mean() == pytest.approx(got.mean, abs=4.5 * math.sqrt(got.variance / draws))
    error = got.variance * math.sqrt((got.excess_kurtosis + 2) / draws)
    assert drawn.var() == pytest.approx(got.variance, abs=4.5 * error)


@pytest.mark.parametrize("function", [hypercube.moments, hypercube.mean_derivative, hypercube.distribution])
@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan])
def test_probabilities_outside_are_refused(function, p):
    with pytest.raises(ValueError, match=f"probability must be between 0 and 1, got {p:g}"):
        function([1.0, 2.0], probability=p)


def test_a_distribution_is_for_one_probability_and_bins_of_some_width():
    with pytest.raises(ValueError, match=r"probability must be one number, got shape \(1,\)"):
        hypercube.distribution([1.0, 2.0], probability=[0.5])
    with pytest.raises(ValueError, match="width must be above 0, got 0"):
        hypercube.distribution([1.0, 2.0], probability=0.5, width=0)
    with pytest.raises(ValueError, match="width must be more than the rounding of the values, got 1e-20"):
        hypercube.distribution([1.0, 2.0], probability=0.5, width=1e-20)
    with pytest.raises(TypeError, match="probability must be integers or floating-point numbers"):
        hypercube.moments([1.0, 2.0], probability="half")
