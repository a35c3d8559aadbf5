"""Designs: which masks are drawn, how often, and what their draws depend on."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import sweeps
from analysis._errors import InputError
from sweeps import _seeds
from tests import reference
from tests.sweeps import helpers

NODES = 5
# Each statistical test fails by chance with this probability, were its seed drawn anew.
FALSE_ALARM = 1e-6
PROBLEM = helpers.problem((2, NODES, 1), "tanh", "squared_error", None)


@functools.cache
def objective():
    return helpers.objective(PROBLEM)


def gates(design, **options):
    """Gate vectors of a sweep, as stored."""
    return sweeps.sweep(objective(), design, gradients=False, **options).gates.values


@jax.jit
def draw_many(sampler, key, streams, draws):
    return sampler(key, streams, draws)


def drawn(design, nodes, numbers, seed=0, stream=0):
    """Gate vectors by draw number, straight from the sampler."""
    key = jnp.asarray(_seeds.words(seed))
    numbers = jnp.asarray(numbers, jnp.uint32)
    return np.asarray(draw_many(design.sampler(nodes), key, jnp.full_like(numbers, stream), numbers))


def numbered(masks):
    """Number of each mask, node i being bit i."""
    return masks @ (1 << np.arange(masks.shape[-1]))


def assert_equally_likely(numbers, cells):
    """Chi-square test of equal frequencies."""
    counts = np.bincount(numbers, minlength=cells)
    expected = counts.sum() / cells
    assert expected > 20, "the chi-square distribution needs counts"
    statistic = ((counts - expected) ** 2 / expected).sum()
    # Both tails: too even would be no chance either.
    low, high = scipy.stats.chi2.isf([1 - FALSE_ALARM / 2, FALSE_ALARM / 2], cells - 1)
    assert low < statistic < high


class TestBernoulli:
    def test_probabilities_zero_and_one_give_the_empty_and_the_full_mask(self):
        design = sweeps.Bernoulli(probability=(0, 1))
        assert not drawn(design, NODES, np.arange(400), stream=0).any()
        assert drawn(design, NODES, np.arange(400), stream=1).all()

    def test_a_probability_is_exact_to_32_bits(self):
        # A node is on when 32 random bits, as a number, lie below 2^32 p.
        for steps in (1, 2**31, 2**32 - 1):
            sampler = sweeps.Bernoulli(probability=steps / 2**32).sampler(NODES)
            assert int(sampler.last[0]) == steps - 1 and bool(sampler.possible[0])
        assert not sweeps.Bernoulli(probability=2.0**-40).sampler(NODES).possible[0]
        assert int(sweeps.Bernoulli(probability=1 - 2.0**-40).sampler(NODES).last[0]) == 2**32 - 1

    @given(st.floats(0, 1), st.integers(0, 2**31 - 1))
    def test_nodes_are_on_as_often_as_the_probability_says(self, probability, seed):
        count = int(drawn(sweeps.Bernoulli(probability=probability), NODES, np.arange(400), seed).sum())
        # The count is binomial in 400 x 5 trials; 30 examples share the false alarm among two tails. Rounding the
        # probability to 2^-32 moves the mean by less than 1e-6.
        binomial = scipy.stats.binom(400 * NODES, np.round(probability * 2**32) / 2**32)
        assert binomial.cdf(count) > FALSE_ALARM / 60 and binomial.sf(count - 1) > FALSE_ALARM / 60

    @given(st.floats(0, 1), st.floats(0, 1))
    def test_a_larger_probability_only_adds_nodes(self, one, other):
        # The bits are those of the draw, so masks of one stream are nested.
        few, many = (drawn(sweeps.Bernoulli(probability=p), NODES, np.arange(400)) for p in sorted([one, other]))
        assert (few <= many).all()

    def test_all_masks_are_equally_likely_at_one_half(self):
        assert_equally_likely(numbered(drawn(sweeps.Bernoulli(probability=0.5), NODES, np.arange(4096))), 2**NODES)

    @pytest.mark.parametrize("probability", [0.25, 0.75])
    def test_nodes_and_neighbouring_draws_are_independent(self, probability):
        masks = drawn(sweeps.Bernoulli(probability=probability), NODES, np.arange(4096))
        each = (masks - probability) / np.sqrt(probability * (1 - probability))
        # A mean of products of independent standardised numbers has standard error 1/sqrt(n). For 10 + 25 pairs
        # five and a half of them have a false-alarm chance of 35 x 4e-8 = 1.3e-6.
        bound = 5.5 / np.sqrt(4095)
        pairs = each.T @ each / 4096
        assert np.abs(pairs[np.triu_indices(NODES, 1)]).max() < bound
        assert np.abs(each[1:].T @ each[:-1] / 4095).max() < bound

    def test_axes_and_coordinates(self):
        design = sweeps.Bernoulli(probability=(0.25, 0.75), draws=10, chains=3)
        assert design.axes(NODES) == {"probability": 2, "chain": 3, "draw": 10}
        np.testing.assert_array_equal(design.coordinates()["probability"], [0.25, 0.75])
        assert sweeps.Bernoulli(probability=0.5).axes(NODES) == {"probability": 1, "chain": 1, "draw": 1000}

    @pytest.mark.parametrize(
        ("probability", "message"),
        [
            (1.5, "probability must be at most 1, got 1.5"),
            (-0.1, "probability must be at least 0, got -0.1"),
            ((0.5, 2), "probability must be at most 1, got 2"),
            (np.nan, "probability must be finite, got nan"),
            ((), "probability must have at least 1 value"),
            ((0.25, 0.5, 0.25), r"probability must have no value twice, got \(0.25, 0.5, 0.25\)"),
            ((0, False), "probability must be a number, got False"),
            ("0.5", "probability must be a number, got '0.5'"),
            (0.5j, "probability must be a number, got 0.5j"),
            ({0.5: 1}, "probability must be a number, got {0.5: 1}"),
            (None, "probability must be a number, got None"),
            (np.full((2, 1), 0.5), "probability must be a number, got array"),
            ([[0.5], [0.25, 0.75]], r"probability must be a number, got \[0.5\]"),
        ],
    )
    def test_probabilities_that_are_none(self, probability, message):
        with pytest.raises(InputError, match=message):
            sweeps.Bernoulli(probability=probability)

    def test_streams_are_numbered_in_32_bits(self):
        assert sweeps.Bernoulli(probability=0.5, chains=2**31 - 1).chains == 2**31 - 1
        with pytest.raises(InputError, match="chains must be at most 1073741823, got 2147483647"):
            sweeps.Bernoulli(probability=(0.25, 0.5), chains=2**31 - 1)


COUNTS = {
    "Bernoulli": (sweeps.Bernoulli, ("draws", "chains")),
    "FixedSize": (functools.partial(sweeps.FixedSize, 2), ("draws", "chains")),
    "FlipPaths": (sweeps.FlipPaths, ("paths", "flips", "chains")),
}


@pytest.mark.parametrize("name", COUNTS)
class TestCounts:
    @pytest.mark.parametrize(
        ("count", "expected"),
        [
            (0, "must be (at least 1|between 1 and [0-9]+), got 0"),
            (-1, "must be (at least 1|between 1 and [0-9]+), got -1"),
            (2**31, "must be at most [0-9]+, got 2147483648"),
            (1e3, "must be a whole number, got 1000.0"),
            (np.float32(2), "must be a whole number, got np.float32"),
            (True, "must be a whole number, got True"),
            (np.True_, "must be a whole number, got np.True_"),
            ("3", "must be a whole number, got '3'"),
            ([3], r"must be a whole number, got \[3\]"),
            (np.nan, "must be a whole number, got nan"),
        ],
    )
    def test_counts_that_are_none(self, name, count, expected):
        design, counts = COUNTS[name]
        for argument in counts:
            with pytest.raises(InputError, match=f"^{argument} {expected}"):
                design(**{argument: count})

    @pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint64, np.array, jnp.int32])
    def test_numpys_numbers_are_kept_as_pythons(self, name, kind):
        design, counts = COUNTS[name]
        found = design(**{argument: kind(4) for argument in counts})
        assert repr(found) == repr(design(**dict.fromkeys(counts, 4)))
        assert all(type(getattr(found, argument)) is int for argument in counts)


def test_every_design_reads_the_same_with_numpys_numbers():
    half, many = np.float64(0.5), np.int64(7)
    assert repr(sweeps.Bernoulli(probability=half, draws=many)) == "Bernoulli(probability=(0.5,), draws=7, chains=1)"
    assert repr(sweeps.Bernoulli(probability=np.array([0.25, 0.5]), draws=many)) == repr(
        sweeps.Bernoulli(probability=(0.25, 0.5), draws=7)
    )
    assert repr(sweeps.FixedSize(np.uint8(3), draws=many)) == "FixedSize(on=3, draws=7, chains=1)"
    assert repr(sweeps.FlipPaths(paths=many, probability=np.float32(0.5), flips=np.int64(4))) == repr(
        sweeps.FlipPaths(paths=7, probability=0.5, flips=4)
    )
    assert sweeps.FlipPaths(flips=np.int64(4)).inner(NODES) == {"step": 5}
    assert gates(sweeps.FlipPaths(paths=np.int64(3), flips=np.int64(4))).shape == (1, 3, 5, NODES)


class TestFixedSize:
    @given(st.integers(0, NODES), st.integers(0, 2**31 - 1))
    def test_exactly_so_many_nodes_are_on(self, on, seed):
        assert (drawn(sweeps.FixedSize(on), NODES, np.arange(400), seed).sum(axis=1) == on).all()

    @pytest.mark.parametrize("on", [1, 2, 4])
    def test_every_subset_is_equally_likely(self, on):
        subsets = [sum(1 << node for node in subset) for subset in itertools.combinations(range(NODES), on)]
        numbers = numbered(drawn(sweeps.FixedSize(on), NODES, np.arange(4096), seed=1))
        assert_equally_likely(np.searchsorted(np.sort(subsets), numbers), len(subsets))

    def test_errors(self):
        with pytest.raises(InputError, match="on must be at least 0, got -1"):
            sweeps.FixedSize(-1)
        for on in (1.5, True, "2", None, [1]):
            with pytest.raises(InputError, match="^on must be a whole number, got "):
                sweeps.FixedSize(on)
        with pytest.raises(ValueError, match="on must be at most the number of nodes, 5, got 6"):
            gates(sweeps.FixedSize(6))


class TestEnumerations:
    def test_leave_one_out(self):
        np.testing.assert_array_equal(drawn(sweeps.LeaveOneOut(), NODES, np.arange(NODES)), 1 - np.eye(NODES))
        assert sweeps.LeaveOneOut().axes(NODES) == {"node": NODES}

    def test_the_hypercube_counts_in_binary(self):
        np.testing.assert_array_equal(drawn(sweeps.Hypercube(), NODES, np.arange(2**NODES)), reference.masks(NODES))
        assert sweeps.Hypercube().axes(NODES) == {"mask": 32}

    @given(st.lists(st.integers(0, 2**30 - 1), min_size=8, max_size=8))
    def test_masks_of_the_hypercube_round_trip_through_integers(self, numbers):
        np.testing.assert_array_equal(numbered(drawn(sweeps.Hypercube(), 30, numbers)), numbers)

    def test_a_hypercube_too_large_to_count(self):
        with pytest.raises(ValueError, match="Hypercube is for at most 30 nodes, got 31: sample it instead"):
            sweeps.Hypercube().sampler(31)


class TestMasks:
    @given(arrays.arrays(np.float32, (2, 4, NODES), elements=st.floats(-2, 2, width=32)))
    def test_gates_come_back_as_they_were_given(self, array):
        np.testing.assert_array_equal(gates(sweeps.Masks(array)), array)

    @pytest.mark.parametrize("kind", [bool, np.int8, np.uint64, np.float32, np.float64])
    def test_zeros_and_ones_of_any_kind_are_masks(self, kind):
        masks = reference.masks(NODES).astype(kind)
        found = gates(sweeps.Masks(masks))
        assert found.dtype == bool and found.shape == (1, 32, NODES)
        np.testing.assert_array_equal(found[0], reference.masks(NODES))

    def test_lists_will_do(self):
        assert sweeps.Masks([[0, 1], [1, 1], [0, 0]]).axes(2) == {"chain": 1, "draw": 3}
        assert repr(sweeps.Masks([[0, 1]])) == "Masks(array of shape (1, 1, 2))"

    @pytest.mark.parametrize("shape", [(NODES,), (0, NODES), (2, 0), (1, 1, 1, NODES), ()])
    def test_shapes_that_are_none(self, shape):
        with pytest.raises(ValueError, match=r"array must have shape \(draws, nodes\) or .*, not empty, got \("):
            sweeps.Masks(np.ones(shape))

    @pytest.mark.parametrize(("array", "kind"), [([["a"]], "<U1"), (np.ones((2, 2), complex), "complex128")])
    def test_arrays_that_hold_no_numbers(self, array, kind):
        with pytest.raises(TypeError, match=f"array must be bool, integer or float, got {kind}"):
            sweeps.Masks(array)

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (np.array([[1, None]], object), "array must be bool, integer or float, got object"),
            ([[1, 0], [1]], "array must be an array of numbers, got lists of unequal lengths"),
            ([[1, 0], [1, np.nan]], r"array must hold finite gates .*, got nan at \(1, 1\)"),
            ([[-np.inf, 0]], r"array must hold finite gates .*, got -inf at \(0, 0\)"),
            ([[0, 1e39]], r"array must hold finite gates .*, got 1e\+39 at \(0, 1\)"),
            (np.ma.masked_invalid([[1, np.nan]]), "array must have all its values, got a masked array"),
            (None, "array must be bool, integer or float, got object"),
        ],
    )
    def test_gates_that_are_none(self, array, message):
        with pytest.raises(InputError, match=message):
            sweeps.Masks(array)

    def test_half_precision_of_either_kind_is_taken_and_the_array_is_copied(self):
        for kind in (np.float16, jnp.bfloat16):
            np.testing.assert_array_equal(drawn(sweeps.Masks(np.full((1, 2), 0.5, kind)), 2, [0]), [[0.5, 0.5]])
        array = np.ones((3, 2))
        design = sweeps.Masks(array)
        array[:] = 0
        assert design.array.all()

    def test_masks_of_another_network(self):
        with pytest.raises(ValueError, match=r"one gate a node, shape \(\.\.\., 5\), got 4 gates a mask"):
            gates(sweeps.Masks(np.ones((3, 4))))


RANDOM = {
    "Bernoulli": functools.partial(sweeps.Bernoulli, probability=0.3),
    "FixedSize": functools.partial(sweeps.FixedSize, 2),
}


@pytest.mark.parametrize("name", RANDOM)
class TestStreams:
    """Draw i of a stream depends on the seed and on i alone; tests/sweeps/test_engine.py has the batch sizes."""

    def test_more_draws_and_more_chains_change_none_of_the_first(self, name):
        short = gates(RANDOM[name](draws=50, chains=2))
        long = gates(RANDOM[name](draws=100, chains=3))
        np.testing.assert_array_equal(short, long[..., :2, :50, :])
        assert_all_different(long)

    def test_seeds_and_streams_differ(self, name):
        numbers = np.arange(400)
        assert_all_different(
            np.stack([drawn(RANDOM[name](chains=2), NODES, numbers, seed, stream) for seed, stream in np.ndindex(3, 2)])
        )

    def test_double_precision_changes_no_mask(self, name):
        single = drawn(RANDOM[name](), NODES, np.arange(400))
        with jax.enable_x64(True):
            np.testing.assert_array_equal(drawn(RANDOM[name](), NODES, np.arange(400)), single)


def assert_all_different(masks):
    """Two streams of 50 or more random masks agree with a chance below 2^-50."""
    streams = [stream.tobytes() for stream in masks.reshape(-1, *masks.shape[-2:])]
    assert len(set(streams)) == len(streams)


def test_another_probability_changes_no_other_stream():
    numbers = np.arange(400)
    one, two = (sweeps.Bernoulli(probability=probability, chains=2) for probability in ((0.3,), (0.3, 0.4)))
    for stream in (0, 1):
        np.testing.assert_array_equal(
            drawn(one, NODES, numbers, stream=stream), drawn(two, NODES, numbers, stream=stream)
        )
    # Nearly equal probabilities are still streams of their own.
    assert_all_different(np.stack([drawn(two, NODES, numbers, stream=stream) for stream in range(4)]))
