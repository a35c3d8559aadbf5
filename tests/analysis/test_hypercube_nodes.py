"""What nodes are worth, and the best masks, against definitions with subsets and orders written out."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis import hypercube

TABLES = st.integers(1, 6).flatmap(lambda n: arrays(np.float64, 2**n, elements=st.floats(-100, 100)))
SMALL = st.integers(1, 5).flatmap(lambda n: arrays(np.float64, 2**n, elements=st.integers(-3, 3).map(float)))
CLOSE = {"rtol": 1e-10, "atol": 1e-9}
INDICES = ("banzhaf", "shapley")


def table(nodes, seed=0):
    return np.random.default_rng(seed).normal(size=2**nodes)


def subsets(of):
    return itertools.chain.from_iterable(itertools.combinations(of, size) for size in range(len(of) + 1))


def at(values, nodes_on):
    return values[sum(1 << i for i in nodes_on)]


def others(nodes, *without):
    return [i for i in range(nodes) if i not in without]


@pytest.mark.parametrize("nodes", range(6))
def test_shapley_is_the_mean_over_all_orders(nodes):
    values = table(nodes)
    wanted = np.zeros(nodes)
    for order in itertools.permutations(range(nodes)):
        for place, node in enumerate(order):
            wanted[node] += at(values, order[: place + 1]) - at(values, order[:place])
    np.testing.assert_allclose(hypercube.shapley(values), wanted / math.factorial(nodes), atol=1e-13)


@pytest.mark.parametrize("nodes", range(6))
def test_banzhaf_is_the_mean_over_all_masks_of_the_others(nodes):
    values = table(nodes, 1)
    wanted = [np.mean([at(values, (*s, i)) - at(values, s) for s in subsets(others(nodes, i))]) for i in range(nodes)]
    np.testing.assert_allclose(hypercube.banzhaf(values), wanted, atol=1e-13)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("nodes", [0, 1, 2, 3, 5])
def test_interactions_by_definition(nodes, index):
    values = table(nodes, 2)
    wanted = np.zeros((nodes, nodes))
    for i, j in itertools.permutations(range(nodes), 2):
        for s in subsets(others(nodes, i, j)):
            size, rest = len(s), nodes - 2
            share = {
                "banzhaf": 0.5**rest,
                "shapley": math.factorial(rest - size) * math.factorial(size) / math.factorial(nodes - 1),
            }[index]
            second = at(values, (*s, i, j)) - at(values, (*s, i)) - at(values, (*s, j)) + at(values, s)
            wanted[i, j] += share * second
    np.testing.assert_allclose(hypercube.interaction(values, index=index), wanted, atol=1e-13)


@given(TABLES)
def test_shapley_values_share_out_all_there_is(values):
    np.testing.assert_allclose(hypercube.shapley(values).sum(), values[-1] - values[0], **CLOSE)


@given(TABLES, st.data())
def test_a_node_that_adds_a_fixed_amount_is_worth_that_amount(values, data):
    nodes = values.size.bit_length() - 1
    node, amount = data.draw(st.integers(0, nodes - 1)), data.draw(st.floats(-10, 10))
    masks = np.arange(values.size)
    dummy = values[masks & ~(1 << node)] + amount * (masks >> node & 1)
    for value in (hypercube.shapley, hypercube.banzhaf):
        assert value(dummy)[node] == pytest.approx(amount, abs=1e-9)
    for index in INDICES:
        np.testing.assert_allclose(hypercube.interaction(dummy, index=index)[node], 0, atol=1e-9)
    first, total = hypercube.sobol(dummy + 1e3 * (masks & 1), probability=0.3)  # some variance, whatever was drawn
    assert total[node] == pytest.approx(first[node], abs=1e-9)


@given(TABLES, st.data())
def test_nodes_that_are_renamed_keep_their_worth(values, data):
    nodes = values.size.bit_length() - 1
    order = np.array(data.draw(st.permutations(range(nodes))))
    masks = np.arange(values.size)
    renamed = values[sum((masks >> i & 1) << int(order[i]) for i in range(nodes))]  # node i here was order[i] there
    for value in (hypercube.shapley, hypercube.banzhaf):
        np.testing.assert_allclose(value(renamed), value(values)[order], **CLOSE)
    for index in INDICES:
        there = hypercube.interaction(values, index=index)
        np.testing.assert_allclose(hypercube.interaction(renamed, index=index), there[np.ix_(order, order)], **CLOSE)


@given(TABLES, st.floats(-10, 10), st.integers(0, 100))
def test_worth_is_linear(values, factor, seed):
    other = np.random.default_rng(seed).normal(size=values.size)
    indices = [lambda t, index=index: hypercube.interaction(t, index=index) for index in INDICES]
    for worth in (hypercube.shapley, hypercube.banzhaf, *indices):
        np.testing.assert_allclose(worth(values + factor * other), worth(values) + factor * worth(other), **CLOSE)


def test_of_an_additive_function_all_values_are_the_terms():
    terms, p = np.array([0.5, -2.0, 3.0, 0.0]), 0.2
    values = [7 + sum(terms[i] for i in range(4) if m >> i & 1) for m in range(16)]
    for value in (hypercube.shapley, hypercube.banzhaf):
        np.testing.assert_allclose(value(values), terms, atol=1e-13)
    for index in INDICES:
        np.testing.assert_allclose(hypercube.interaction(values, index=index), 0, atol=1e-13)
    first, total = hypercube.sobol(values, probability=p)
    np.testing.assert_allclose(first, terms**2 / np.sum(terms**2), atol=1e-13)
    np.testing.assert_allclose(total, first, atol=1e-13)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_sobol_indices_by_conditional_means(nodes, p):
    values = table(nodes, 3)

    def chance(on, of):
        return p ** len(on) * (1 - p) ** (len(of) - len(on))

    def variance_of_mean_given(known):
        unknown = others(nodes, *known)
        means = {
            s: sum(chance(t, unknown) * at(values, (*s, *t)) for t in subsets(unknown)) for s in subsets(list(known))
        }
        mean = sum(chance(s, known) * value for s, value in means.items())
        return sum(chance(s, known) * (value - mean) ** 2 for s, value in means.items())

    variance = variance_of_mean_given(range(nodes))
    first, total = hypercube.sobol(values, probability=p)
    np.testing.assert_allclose(first, [variance_of_mean_given([i]) / variance for i in range(nodes)], atol=1e-12)
    rest = [variance_of_mean_given(others(nodes, i)) / variance for i in range(nodes)]
    np.testing.assert_allclose(total, 1 - np.array(rest), atol=1e-12)
    assert first.sum() == pytest.approx(hypercube.additive_share(values, probability=p), abs=1e-12)


def test_sobol_indices_of_a_constant_are_not_known():
    first, total = hypercube.sobol(np.full(8, 0.1))
    assert np.isnan(first).all() and np.isnan(total).all()


def test_unknown_indices_are_named():
    with pytest.raises(ValueError, match="index must be one of banzhaf, shapley, got 'owen'"):
        hypercube.interaction([1.0, 2.0], index="owen")


@given(SMALL)
def test_best_and_worst_masks_and_their_ties(values):
    nodes = values.size.bit_length() - 1
    best, worst = hypercube.best_masks(values), hypercube.worst_masks(values)
    for size in range(nodes + 1):
        masks = [m for m in range(values.size) if m.bit_count() == size]
        assert best.mask[size] == min(masks, key=lambda m: (values[m], m))
        assert worst.mask[size] == min(masks, key=lambda m: (-values[m], m))
    np.testing.assert_array_equal(best.value, values[best.mask])
    np.testing.assert_array_equal(worst.value, values[worst.mask])


@given(SMALL)
def test_greedy_removal_takes_the_best_node_at_each_step(values):
    nodes = values.size.bit_length() - 1
    got = hypercube.greedy_removal(values)
    assert sorted(got.order) == list(range(nodes))
    mask = values.size - 1
    for step, node in enumerate(got.order):
        assert got.mask[step] == mask
        on = [i for i in range(nodes) if mask >> i & 1]
        assert node == min(on, key=lambda i: (values[mask ^ 1 << i], i))
        mask ^= 1 << int(node)
    assert got.mask[-1] == 0
    np.testing.assert_array_equal(got.value, values[got.mask])
    np.testing.assert_array_equal(got.gap, got.value - hypercube.best_masks(values).value[::-1])
    assert (got.gap >= 0).all() and got.gap[0] == got.gap[1] == got.gap[-1] == 0


def test_greedy_removal_can_miss_the_optimum():
    # Node 2 is the best by itself, and yet the first to go, because 0 and 1 together are better than either with it.
    got = hypercube.greedy_removal([9.0, 6.0, 6.0, 1.0, 2.0, 1.5, 5.0, 3.0])
    assert got.order[0] == 2
    assert got.gap.tolist() == [0, 0, 4, 0]


def test_twenty_nodes_hang_together():
    nodes = 20
    values = table(nodes)
    coefficients = hypercube.walsh(values)
    variance = values.var()
    assert np.sum(coefficients[1:] ** 2) == pytest.approx(variance, rel=1e-12)
    assert hypercube.weight_by_order(values)[1:].sum() == pytest.approx(variance, rel=1e-12)
    assert hypercube.covariance_by_distance(values)[0] == pytest.approx(variance, rel=1e-12)
    assert hypercube.moments(values).variance == pytest.approx(variance, rel=1e-12)
    assert hypercube.shapley(values).sum() == pytest.approx(values[-1] - values[0], abs=1e-11)
    assert hypercube.best_masks(values).value.min() == values.min()
    assert hypercube.worst_masks(values).value.max() == values.max()
