"""Transforms and spectra against their definitions, with masks and subsets written out."""

import itertools
import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import linalg

from analysis import hypercube

TABLES = st.integers(0, 6).flatmap(lambda n: arrays(np.float64, 2**n, elements=st.floats(-100, 100)))
PROBABILITIES = st.floats(0.05, 0.95)
# Sums of 2**6 numbers of up to 100, each rounded by 1e-16 of that, squared at most.
CLOSE = {"rtol": 1e-11, "atol": 1e-9}


def table(nodes, seed=0):
    return np.random.default_rng(seed).normal(size=2**nodes)


def gates(mask, nodes):
    return [mask >> i & 1 for i in range(nodes)]


def subset(number, nodes):
    return [i for i in range(nodes) if number >> i & 1]


def chance(mask, nodes, p):
    return math.prod(p if on else 1 - p for on in gates(mask, nodes))


def walsh_by_definition(values, nodes):
    return [
        sum(values[m] * math.prod((-1) ** gates(m, nodes)[i] for i in subset(s, nodes)) for m in range(2**nodes))
        / 2**nodes
        for s in range(2**nodes)
    ]


def biased_by_definition(values, nodes, p):
    def phi(m, s):
        return math.prod((gates(m, nodes)[i] - p) / math.sqrt(p * (1 - p)) for i in subset(s, nodes))

    return [sum(chance(m, nodes, p) * values[m] * phi(m, s) for m in range(2**nodes)) for s in range(2**nodes)]


def weights_by_definition(coefficients, nodes):
    weights = [0.0] * (nodes + 1)
    for s, coefficient in enumerate(coefficients):
        weights[len(subset(s, nodes))] += coefficient**2
    return weights


@pytest.mark.parametrize("nodes", range(6))
def test_walsh_and_weights_by_definition(nodes):
    values = table(nodes)
    wanted = walsh_by_definition(values, nodes)
    np.testing.assert_allclose(hypercube.walsh(values), wanted, atol=1e-14)
    np.testing.assert_allclose(hypercube.inverse_walsh(wanted), values, atol=1e-13)
    np.testing.assert_allclose(hypercube.weight_by_order(values), weights_by_definition(wanted, nodes), atol=1e-14)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("nodes", [0, 1, 3, 5])
def test_biased_coefficients_and_variance_by_definition(nodes, p):
    values = table(nodes, 1)
    wanted = biased_by_definition(values, nodes, p)
    np.testing.assert_allclose(hypercube.biased(values, p), wanted, atol=1e-13)
    np.testing.assert_allclose(hypercube.inverse_biased(wanted, p), values, atol=1e-12)
    weights = weights_by_definition(wanted, nodes)
    np.testing.assert_allclose(hypercube.variance_by_order(values, probability=p), [0, *weights[1:]], atol=1e-13)
    mean = sum(chance(m, nodes, p) * values[m] for m in range(2**nodes))
    variance = sum(chance(m, nodes, p) * (values[m] - mean) ** 2 for m in range(2**nodes))
    assert hypercube.variance_by_order(values, probability=p).sum() == pytest.approx(variance, abs=1e-13)


@pytest.mark.parametrize("nodes", [8, 11])
def test_every_block_of_the_transform_against_the_hadamard_matrix(nodes):
    values = table(nodes)
    np.testing.assert_allclose(hypercube.walsh(values), linalg.hadamard(2**nodes) @ values / 2**nodes, atol=1e-13)


@pytest.mark.parametrize("nodes", [13, 16])
def test_a_product_of_one_factor_a_node_has_a_product_of_coefficients(nodes):
    # Many blocks, and lower nodes wider than one product; Kronecker products put the last factor lowest.
    random = np.random.default_rng(2)
    off, on, p = random.normal(size=nodes), random.normal(size=nodes), 0.3
    values, wanted, biased = np.ones(1), np.ones(1), np.ones(1)
    for i in reversed(range(nodes)):
        values = np.kron(values, [off[i], on[i]])
        wanted = np.kron(wanted, [(off[i] + on[i]) / 2, (off[i] - on[i]) / 2])
        biased = np.kron(biased, [(1 - p) * off[i] + p * on[i], np.sqrt(p * (1 - p)) * (on[i] - off[i])])
    scale = np.abs(values).max()
    np.testing.assert_allclose(hypercube.walsh(values), wanted, atol=1e-14 * scale)
    np.testing.assert_allclose(hypercube.biased(values, p), biased, atol=1e-14 * scale)


@given(TABLES)
def test_walsh_inverts_and_keeps_the_sum_of_squares(values):
    coefficients = hypercube.walsh(values)
    np.testing.assert_allclose(hypercube.inverse_walsh(coefficients), values, **CLOSE)
    np.testing.assert_allclose(np.sum(coefficients**2), np.mean(values**2), **CLOSE)
    np.testing.assert_allclose(hypercube.weight_by_order(values)[1:].sum(), values.var(), **CLOSE)


@given(TABLES, PROBABILITIES)
def test_the_biased_transform_inverts(values, p):
    np.testing.assert_allclose(hypercube.inverse_biased(hypercube.biased(values, p), p), values, rtol=1e-9, atol=1e-7)


@given(TABLES)
def test_at_one_half_the_biased_basis_is_walsh_up_to_the_sign_of_odd_orders(values):
    sign = np.array([(-1) ** int(s).bit_count() for s in range(values.size)])
    np.testing.assert_allclose(hypercube.biased(values, 0.5), sign * hypercube.walsh(values), **CLOSE)


@given(TABLES, st.floats(-10, 10), st.integers(0, 100))
def test_the_transforms_are_linear(values, factor, seed):
    other = np.random.default_rng(seed).normal(size=values.size)
    for transform in (hypercube.walsh, lambda t: hypercube.biased(t, 0.2)):
        np.testing.assert_allclose(
            transform(values + factor * other), transform(values) + factor * transform(other), **CLOSE
        )


@pytest.mark.parametrize("nodes", [0, 1, 2, 5])
def test_krawtchouk_by_definition_and_orthogonal(nodes):
    def by_definition(k, d):
        return sum((-1) ** j * math.comb(d, j) * math.comb(nodes - d, k - j) for j in range(k + 1))

    wanted = [[by_definition(k, d) for d in range(nodes + 1)] for k in range(nodes + 1)]
    got = hypercube.krawtchouk(nodes)
    assert got.tolist() == wanted
    binomial = np.array([math.comb(nodes, d) for d in range(nodes + 1)])
    np.testing.assert_array_equal(got * binomial @ got.T, np.diag(2**nodes * binomial))


def test_krawtchouk_is_exact_up_to_its_limit():
    got = hypercube.krawtchouk(60)
    assert got[:, 0].tolist() == [math.comb(60, k) for k in range(61)]
    assert got[30, 60] == math.comb(60, 30)
    with pytest.raises(ValueError, match="nodes must be at most 60, got 61"):
        hypercube.krawtchouk(61)


@pytest.mark.parametrize("nodes", range(5))
def test_covariance_by_distance_by_enumeration(nodes):
    values = table(nodes, 3)
    mean = values.mean()
    wanted = []
    for distance in range(nodes + 1):
        flips = [sum(1 << i for i in which) for which in itertools.combinations(range(nodes), distance)]
        pairs = [(values[m] - mean) * (values[m ^ flip] - mean) for m in range(2**nodes) for flip in flips]
        wanted.append(math.fsum(pairs) / len(pairs))
    np.testing.assert_allclose(hypercube.covariance_by_distance(values), wanted, atol=1e-14)


@given(TABLES)
def test_the_opposite_mask_goes_by_even_and_odd_orders(values):
    even, odd, covariance, correlation = hypercube.opposite(values)
    opposite = values[::-1]  # the complement of mask m is 2**N - 1 - m
    np.testing.assert_allclose(covariance, np.mean(values * opposite) - values.mean() ** 2, **CLOSE)
    np.testing.assert_allclose(covariance, hypercube.covariance_by_distance(values)[-1] * (values.size > 1), **CLOSE)
    np.testing.assert_allclose(even + odd, values.var(), **CLOSE)
    np.testing.assert_allclose(even, np.var((values + opposite) / 2), **CLOSE)
    if values.std() > 1e-6:
        assert correlation == pytest.approx(np.corrcoef(values, opposite)[0, 1], abs=1e-7)


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_the_additive_share_is_that_of_the_best_sum_over_nodes(p):
    nodes, values = 4, table(4, 4)
    design = np.array([[1, *gates(m, nodes)] for m in range(2**nodes)], float)
    root = np.sqrt([chance(m, nodes, p) for m in range(2**nodes)])
    fit = design @ np.linalg.lstsq(design * root[:, None], values * root, rcond=None)[0]
    mean = np.sum(root**2 * values)
    explained = np.sum(root**2 * (fit - mean) ** 2) / np.sum(root**2 * (values - mean) ** 2)
    assert hypercube.additive_share(values, probability=p) == pytest.approx(explained, rel=1e-10)
    assert hypercube.additive_share(design @ [3.0, 1.0, -2.0, 0.5, 4.0], probability=p) == pytest.approx(1, abs=1e-12)


def test_a_constant_has_no_shares():
    values = np.full(16, 0.1)
    assert np.isnan(hypercube.additive_share(values))
    assert np.isnan(hypercube.opposite(values).correlation)
    assert hypercube.variance_by_order(values, probability=0.3).tolist() == [0.0] * 5


def test_what_comes_from_a_sweep_is_taken_and_left_as_it_is():
    values = table(3).astype(np.float32)
    before = values.copy()
    labelled = xr.DataArray(values, dims="mask", name="log_loss")
    wanted = hypercube.walsh(values.astype(float))
    for given_ in (values, labelled, values.tolist()):
        got = hypercube.walsh(given_)
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(hypercube.walsh([1, 3]), [2, -1])


FUNCTIONS = [
    name
    for name in hypercube.__all__
    if name[0].islower() and not name.startswith("inverse") and name not in ("krawtchouk",)
]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.ones(12), ValueError, r"values must be 2\*\*N numbers, one for each mask of N nodes, got 12"),
        (np.ones(0), ValueError, r"values must be 2\*\*N numbers, one for each mask of N nodes, got 0"),
        (
            np.ones((2, 4)),
            ValueError,
            r"values must have shape \(2\*\*N,\), one number for each mask, got shape \(2, 4\)",
        ),
        (1.0, ValueError, r"values must have shape \(2\*\*N,\), one number for each mask, got shape \(\)"),
        ([1, np.nan, 2, np.inf], ValueError, "values must be finite numbers, got 2 of 4 .* the first at mask 1"),
        ([True, False], TypeError, "values must be integers or floating-point numbers, got dtype bool"),
        (["a", "b"], TypeError, "values must be integers or floating-point numbers, got dtype <U1"),
        (np.ones(2, complex), TypeError, "values must be integers or floating-point numbers, got dtype complex128"),
        (xr.Dataset({"loss": ("mask", [1.0, 2.0])}), TypeError, "values must be numbers, got an xarray.Dataset"),
    ],
)
def test_a_table_that_is_none_is_refused(name, values, error, message):
    function = getattr(hypercube, name)
    needs_chance = name in ("biased", "mean_derivative")
    with pytest.raises(error, match=message):
        function(values, 0.5) if needs_chance else function(values)


@pytest.mark.parametrize("name", ["biased", "variance_by_order", "additive_share", "sobol", "inverse_biased"])
@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, 1.5, np.nan])
def test_a_basis_needs_a_probability_inside(name, p):
    with pytest.raises(ValueError, match=f"probability must be above 0 and below 1, got {p:g}"):
        getattr(hypercube, name)([1.0, 2.0], probability=p)


def test_a_basis_is_for_one_probability():
    with pytest.raises(ValueError, match=r"probability must be one number, got shape \(2,\)"):
        hypercube.biased([1.0, 2.0], [0.2, 0.3])
    with pytest.raises(ValueError, match=r"coefficients must be 2\*\*N numbers, .*, got 3"):
        hypercube.inverse_walsh([1.0, 2.0, 3.0])
