"""Summaries: the statistics of the draws that were not kept, however they were batched, merged and stored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis._moments import Moments
from sweeps._engine import summaries
from sweeps._engine.summaries import BEST, LOSS_BINS, Best
from sweeps._evaluation import with_logs
from sweeps._plans import Computed
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import SINGLE

# ---- merging, in double precision ----


def moments_of(sample):
    """Moments of a sample in float64, as a batch would have them; a batch without values says nothing of a mean."""
    sample = np.asarray(sample, float)
    if not len(sample):
        return Moments(0, 0.0, 0.0, 0.0, 0.0)
    away = sample - sample.mean()
    return Moments(len(sample), sample.mean(), (away**2).sum(), (away**3).sum(), (away**4).sum())


def part_of(moments, best=None):
    """A batch of which only the moments of the loss matter."""
    best = best or Best(np.full(BEST, np.inf), np.zeros(BEST, int), np.zeros((BEST, 2), bool))
    return summaries.Summary(moments.number, 0, 0, moments, moments_of([]), None, None, None, None, best)


def merged(parts):
    return summaries.merged(summaries.stacked(parts))


def assert_moments(found, sample, slack):
    """Hold moments to those of the sample; ``slack`` bounds what rounding does to a value, in float64 epsilons."""
    wanted = moments_of(sample)
    assert found.number == wanted.number
    if not len(sample):
        assert np.isnan(found.mean) and found.m2 == found.m3 == found.m4 == 0
        return
    # A value is off by ``error``, and so is the mean; sums of powers by so many powers of the largest deviation.
    error = slack * np.finfo(float).eps * np.abs(sample).max()
    away, number = np.abs(sample - np.mean(sample)).max() + error, len(sample)
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=0, atol=error)
    for power, name in ((2, "m2"), (3, "m3"), (4, "m4")):
        rounded = slack * np.finfo(float).eps * number * away**power
        bound = 2 * power * number * error * away ** (power - 1) + rounded
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=0, atol=bound, err_msg=name)


numbers = st.floats(-1e3, 1e3).map(lambda value: value if abs(value) > 1e-3 else 0.0)
samples = st.one_of(
    st.lists(numbers, max_size=30),
    st.tuples(numbers, st.integers(0, 30)).map(lambda pair: [pair[0]] * pair[1]),
    # A spread of 1e-2 around 1e4: what sums of squares would lose.
    st.lists(st.floats(-1, 1), max_size=30).map(lambda values: [1e4 + 1e-2 * value for value in values]),
)
cuts = st.lists(st.integers(0, 30), max_size=6)


def pieces(sample, cuts):
    """Cut a sample in parts, of which some may be empty."""
    return np.split(np.asarray(sample, float), sorted(min(cut, len(sample)) for cut in cuts))


@given(samples, cuts)
def test_merged_moments_are_those_of_the_whole(sample, cuts):
    found = merged([part_of(moments_of(piece)) for piece in pieces(sample, cuts)]).loss
    assert_moments(found, sample, slack=64)


@given(samples, cuts, st.integers(0, 6))
def test_merging_is_associative(sample, cuts, split):
    parts = [part_of(moments_of(piece)) for piece in pieces(sample, cuts)]
    groups = [group for group in (parts[:split], parts[split:]) if group]
    assert_moments(merged([merged(group) for group in groups]).loss, sample, slack=64)


def test_a_large_offset_does_not_drown_the_spread():
    sample = 1e4 + 1e-2 * np.random.default_rng(0).normal(size=4000)
    found = merged([part_of(moments_of(piece)) for piece in np.split(sample, 40)]).loss
    # A value is known to 1e4 eps = 2e-12, which is 2e-10 of the spread.
    np.testing.assert_allclose(found.m2 / 3999, sample.var(ddof=1), rtol=1e-9)
    np.testing.assert_allclose(found.m3 / found.m2**1.5 * 4000**0.5, scipy.stats.skew(sample), atol=1e-8)


# ---- a batch, on the device ----


@jax.jit
def summed_up(gates, loss, gradient, draw, counted):
    evaluation = with_logs(Computed(loss, gradient))
    return summaries.of_batch(gates, evaluation, counted), summaries.with_batch(
        summaries.nothing_yet(gates, loss.dtype), gates, evaluation, draw, counted, jnp.float32(8)
    )


BATCH = 24
odd = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-30, 3e38])
values = st.lists(st.one_of(st.floats(2**-10, 16, width=32), odd), min_size=BATCH, max_size=BATCH)


@settings(max_examples=60)
@given(values, st.integers(0, BATCH), st.integers(0, 2**32 - 1))
def test_a_batch_is_summed_up(values, count, seed):
    loss = np.array(values, np.float32)
    # Squares of 3e38 are no float32: keep what is large out of the moments' test.
    loss[(np.abs(loss) > 16) & np.isfinite(loss)] = 16
    random = np.random.default_rng(seed)
    gates = random.random((BATCH, 3)) < 0.5
    gradient = random.normal(size=(BATCH, 3)).astype(np.float32)
    counted = np.arange(BATCH) < count
    found, running = summed_up(gates, loss, gradient, np.arange(BATCH, dtype=np.uint32) + 100, counted)

    finite, positive = counted & np.isfinite(loss), counted & np.isfinite(loss) & (loss > 0)
    assert found.draws == count and found.nonpositive == (counted & (loss <= 0)).sum()
    assert found.nonfinite == (counted & ~np.isfinite(loss)).sum()
    # Sums of 24 float32 numbers one after the other, in units of float64 epsilons; two passes and a logarithm.
    slack = (2 * BATCH + 16) * SINGLE / np.finfo(float).eps
    for moments, sample in ((found.loss, loss[finite]), (found.log_loss, np.log(loss[positive].astype(float)))):
        if len(sample):
            assert_moments(moments, sample, slack)
        assert moments.number == len(sample)
    for spread, chosen, numbers in (
        (found.loss_gradient, finite, gradient),
        (found.log_loss_gradient, positive, gradient / np.where(positive, loss, 1)[:, None]),
    ):
        for state in (0, 1):
            for node in range(3):
                sample = numbers[chosen & (gates[:, node] == state), node].astype(float)
                # A quotient may overflow where the loss is next to nothing; such gradients do not count.
                sample = sample[np.isfinite(sample.astype(np.float32))]
                assert spread.number[state, node] == len(sample)
                if len(sample) and np.abs(sample).max() < 1e15:
                    np.testing.assert_allclose(
                        spread.mean[state, node], sample.mean(), rtol=0, atol=48 * SINGLE * np.abs(sample).max()
                    )
                    np.testing.assert_allclose(
                        spread.m2[state, node], ((sample - sample.mean()) ** 2).sum(), rtol=0,
                        atol=48 * SINGLE * BATCH * np.abs(sample).max() ** 2,
                    )  # fmt: skip
    helpers.assert_histogram(running.loss_histogram, loss[finite].astype(float), np.linspace(0, 8, LOSS_BINS + 1))
    assert running.log_loss_histogram.sum() == positive.sum()


def test_a_large_batch_keeps_the_digits_of_a_small_spread():
    # Accelerators take such batches. Added up one after the other, so many numbers may lose half of their digits.
    masks, random = 2**17, np.random.default_rng(4)
    gates = random.random((masks, 2)) < [0.5, 0.99]
    loss = (1 + 1e-3 * random.normal(size=masks)).astype(np.float32)
    gradient = (-100 + 0.1 * random.normal(size=(masks, 2))).astype(np.float32)
    found = jax.jit(summaries.of_batch)(gates, jax.jit(with_logs)(Computed(loss, gradient)), np.ones(masks, bool))
    samples = [(found.loss, loss.astype(float)), (found.log_loss, np.log(loss.astype(float)))]
    for spread, values in (
        (found.loss_gradient, gradient.astype(float)),
        (found.log_loss_gradient, gradient.astype(float) / loss[:, None]),
    ):
        for state, node in np.ndindex(2, 2):
            one = [part[state, node] for part in spread]
            samples.append((Moments(*one, np.nan, np.nan), values[gates[:, node] == state, node]))
    for moments, sample in samples:
        wanted, spread = moments_of(sample), sample.std()
        assert moments.number == wanted.number
        np.testing.assert_allclose(moments.mean, wanted.mean, rtol=0, atol=SINGLE * np.abs(sample).max())
        np.testing.assert_allclose(moments.m2, wanted.m2, rtol=1e-5)
        if not np.isnan(moments.m3):
            # Deviations are those from the rounded mean, which float32 holds to a ten-thousandth of the spread.
            bound = 1e-5 * spread**3 + 3 * SINGLE * np.abs(sample).max() * spread**2
            np.testing.assert_allclose(moments.m3, wanted.m3, rtol=0, atol=masks * bound)
            np.testing.assert_allclose(moments.m4, wanted.m4, rtol=2e-5)


@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("repeats", [1, 4, 24])
def test_the_best_masks_are_distinct(repeats, batches):
    masks = np.tile(reference.masks(5)[: BATCH // repeats].astype(bool), (repeats, 1))
    loss = (masks * np.array([1, 2, 4, 8, 16])).sum(axis=1).astype(np.float32)
    order = np.random.default_rng(1).permutation(BATCH)
    running = summaries.nothing_yet(jax.ShapeDtypeStruct(masks.shape, bool), jnp.float32)
    for batch in np.split(np.arange(BATCH, dtype=np.uint32), batches):
        running = with_batch(running, masks[order[batch]], loss[order[batch]], batch)
    helpers.assert_best(running.best, loss[order], masks[order])


@jax.jit
def with_batch(running, gates, loss, draw):
    counted = jnp.ones(len(loss), bool)
    return summaries.with_batch(running, gates, with_logs(Computed(loss, None)), draw, counted, jnp.float32(8))


def test_a_mask_that_comes_again_stands_for_its_first_draw():
    gates = np.array([[True, False], [True, True], [True, False]])
    running = summaries.nothing_yet(jax.ShapeDtypeStruct((3, 2), bool), jnp.float32)
    running = with_batch(running, gates, np.float32([np.inf, 3, 2]), np.arange(3, dtype=np.uint32))
    running = with_batch(running, gates, np.float32([1, 3, 1.9]), np.arange(3, 6, dtype=np.uint32))
    np.testing.assert_array_equal(running.best.loss, [2, 3, *[np.inf] * (BEST - 2)])
    np.testing.assert_array_equal(running.best.draw[:2], [2, 1])


def test_the_first_draw_of_a_mask_is_kept_when_rounding_differs():
    # Two batches may round the loss of one mask differently; the draw that found it first is still the first.
    def part(loss, draw):
        fill = BEST - 1
        best = Best(np.array([loss] + [np.inf] * fill), np.array([draw] + [0] * fill), np.ones((BEST, 2), bool))
        return part_of(moments_of([loss]), best)

    best = merged([part(0.5, 3), part(np.nextafter(0.5, 0), 7)]).best
    assert best.draw[0] == 3 and best.loss[0] == pytest.approx(0.5) and np.isinf(best.loss[1])
