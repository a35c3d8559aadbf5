"""Summaries: the statistics of the draws that were not kept, however they were batched, merged and stored."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import sweeps
from sweeps import engine, summaries
from sweeps.objective import with_logs
from sweeps.summaries import BEST, LOG_BINS, LOG_HIGH, LOG_LOW, LOSS_BINS, Best, Bins, Moments
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import SINGLE, SMALL

NODES = 6
# All sums of these are multiples of 1/32 below 4, whose squares float32 holds exactly: losses and their gradients
# are the same numbers whatever the batch, and all 64 masks have different ones.
WEIGHTS = (2.0 ** np.arange(NODES) / 32).astype(np.float32)


@functools.cache
def exact():
    return sweeps.Objective.from_function(lambda gates: jnp.square((gates * WEIGHTS).sum() + 0.25), NODES)


def values_of(gates):
    """Losses and gradients of the exact objective, in float64."""
    sums = (gates * WEIGHTS.astype(float)).sum(axis=-1) + 0.25
    return sums**2, 2 * sums[..., None] * WEIGHTS


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
    return summaries.Batch(moments.number, 0, 0, moments, moments_of([]), None, None, None, None, best)


def merged(parts):
    return summaries.merged(jax.tree.map(lambda *leaves: np.stack(leaves), *parts))


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
    evaluation = with_logs(loss, gradient)
    batch = summaries.of_batch(gates, evaluation, draw, counted)
    return batch, summaries.counted_in(summaries.empty_histograms(), evaluation, counted, Bins(jnp.float32(8)))


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
    found, histograms = summed_up(gates, loss, gradient, np.arange(BATCH, dtype=np.uint32) + 100, counted)

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
    assert_histogram(histograms.loss, loss[finite].astype(float), np.linspace(0, 8, LOSS_BINS + 1))
    assert histograms.log_loss.sum() == positive.sum()


def assert_histogram(found, sample, edges, slip=0.0):
    """Counts below, in and above the bins; a value within ``slip`` of an edge may stand on either side of it."""
    found = np.asarray(found)
    assert found.shape == (len(edges) + 1,) and found.sum() == len(sample)
    # Counts below each edge, which a bin includes: as many as there are values that are smaller.
    cumulative = np.cumsum(found)[:-1]
    ordered = np.sort(sample)
    assert (cumulative >= np.searchsorted(ordered, edges - slip)).all()
    assert (cumulative <= np.searchsorted(ordered, edges + slip, side="right" if slip else "left")).all()


@pytest.mark.parametrize("repeats", [1, 4, 24])
def test_the_best_of_a_batch_are_distinct(repeats):
    masks = np.tile(reference.masks(5)[: BATCH // repeats].astype(bool), (repeats, 1))
    loss = (masks * np.array([1, 2, 4, 8, 16])).sum(axis=1).astype(np.float32)
    order = np.random.default_rng(1).permutation(BATCH)
    found, _ = summed_wide(masks[order], loss[order], np.arange(BATCH, dtype=np.uint32))
    best = summaries.merged(jax.tree.map(lambda leaf: np.asarray(leaf)[None], found)).best
    assert_best(best, loss[order], masks[order])


@jax.jit
def summed_wide(gates, loss, draw):
    evaluation = with_logs(loss, None)
    return summaries.of_batch(gates, evaluation, draw, jnp.ones(BATCH, bool)), None


def assert_best(best, loss, gates, steps=1):
    """Hold best masks to those of all draws: distinct, lowest first, each with the draw that found it first."""
    _, first = np.unique(gates, axis=0, return_index=True)
    first = first[np.isfinite(loss[first])]
    first = first[np.lexsort((first, loss[first]))][:BEST]
    np.testing.assert_array_equal(best.loss[: len(first)], loss[first])
    np.testing.assert_array_equal(best.gates[: len(first)], gates[first])
    np.testing.assert_array_equal(best.draw[: len(first)], first // steps)
    assert np.isinf(best.loss[len(first) :]).all()


def test_the_first_draw_of_a_mask_is_kept_when_rounding_differs():
    # Two batches may round the loss of one mask differently; the draw that found it first is still the first.
    def part(loss, draw):
        fill = BEST - 1
        best = Best(np.array([loss] + [np.inf] * fill), np.array([draw] + [0] * fill), np.ones((BEST, 2), bool))
        return part_of(moments_of([loss]), best)

    best = merged([part(0.5, 3), part(np.nextafter(0.5, 0), 7)]).best
    assert best.draw[0] == 3 and best.loss[0] == pytest.approx(0.5) and np.isinf(best.loss[1])


# ---- whole sweeps ----

DESIGNS = {
    "Bernoulli": sweeps.Bernoulli((0.25, 0.75), draws=150, chains=2),
    "Masks": sweeps.Masks(np.random.default_rng(3).choice([0, 0.25, 0.5, 1, 2], size=(30, NODES))),
    "FlipPaths": sweeps.FlipPaths(paths=40),
}


@functools.cache
def drawn(name):
    """Gates of every draw of the exact objective's sweeps, shape (streams, masks, nodes), and masks a draw."""
    gates = sweeps.sweep(exact(), DESIGNS[name], seed=3, gradients=False).gates
    streams = gates.sizes["chain"] * gates.sizes.get("probability", 1)
    return gates.values.reshape(streams, -1, NODES), gates.sizes.get("step", 1)


@functools.cache
def summary(name):
    return sweeps.sweep(exact(), DESIGNS[name], seed=3, keep="summary")


def assert_exact_summary(data, name):
    gates, steps = drawn(name)
    assert_summary(data, *values_of(gates), gates, steps=steps)


def assert_summary(data, loss, gradient, gates, steps=1, slip=0.0):
    """Hold a summary to the masks, stream by stream; ``slip``: how far losses may differ, being another program's."""
    streams = {one: data[one].values.reshape(len(loss), *data[one].shape[data.draws.ndim :]) for one in data}
    for index in range(len(loss)):
        found = {one: values[index] for one, values in streams.items()}
        assert_stream(found, data, loss[index].astype(float), gradient[index], gates[index], slip)
        if slip == 0:
            best = Best(found["best_loss"], found["best_draw"], found["best_gates"])
            assert_best(best, loss[index].astype(np.float32), gates[index], steps)


def assert_stream(found, data, loss, gradient, gates, slip):
    assert found["draws"] == len(loss) and found["nonfinite"] == 0 and found["nonpositive"] == 0
    for name, values in (("loss", loss), ("log_loss", np.log(loss))):
        assert found[f"{name}_count"] == len(values)
        # Float32 batches of at most 256: a mean is rounded once, a sum of squares is off by 256 eps at most, and by
        # the error of the mean; slip is an error of every value.
        error = 4 * SINGLE * np.abs(values).max() + slip * (1 / loss.min() if name == "log_loss" else 1)
        np.testing.assert_allclose(found[f"{name}_mean"], values.mean(), rtol=0, atol=error)
        spread = values.std()
        relative = 264 * SINGLE + 2 * error / spread
        np.testing.assert_allclose(found[f"{name}_variance"], values.var(ddof=1), rtol=2 * relative)
        standard = np.abs((values - values.mean()) / spread)
        np.testing.assert_allclose(
            found[f"{name}_skewness"], scipy.stats.skew(values), rtol=0,
            atol=6 * relative * ((standard**3).mean() + (standard**2).mean()),
        )  # fmt: skip
        np.testing.assert_allclose(
            found[f"{name}_excess_kurtosis"], scipy.stats.kurtosis(values), rtol=0,
            atol=8 * relative * ((standard**4).mean() + (standard**3).mean()),
        )  # fmt: skip
    top = 2 * LOSS_BINS * float(data.loss_bin[0])
    assert np.log2(top) % 1 == 0, "bins of a power of two"
    for name, values, edges, close in (
        ("loss", loss, np.linspace(0, top, LOSS_BINS + 1), slip),
        # The logarithm is placed by float32 numbers of up to 64, which are rounded to 2^-19.
        ("log_loss", np.log(loss), np.linspace(LOG_LOW, LOG_HIGH, LOG_BINS + 1), 2.0**-18 + slip / loss.min()),
    ):
        counts = found[f"{name}_below"], *found[f"{name}_histogram"], found[f"{name}_above"]
        assert_histogram(counts, values, edges, close)
        np.testing.assert_allclose(data[f"{name}_bin"], (edges[1:] + edges[:-1]) / 2, rtol=1e-12)
    for name, values in (("loss_gradient", gradient), ("log_loss_gradient", gradient / loss[:, None])):
        for state, on in enumerate((gates <= 0.5, gates > 0.5)):
            for node in range(gates.shape[1]):
                sample = values[on[:, node], node].astype(float)
                assert found[f"{name}_count"][state, node] == len(sample)
                size = np.abs(values).max() * (1 + slip / loss.min() / SINGLE)
                if len(sample):
                    np.testing.assert_allclose(
                        found[f"{name}_mean"][state, node], sample.mean(), rtol=0, atol=264 * SINGLE * size
                    )
                if len(sample) > 1:
                    np.testing.assert_allclose(
                        found[f"{name}_variance"][state, node], sample.var(ddof=1), rtol=0, atol=264 * SINGLE * size**2
                    )
                else:
                    assert np.isnan(found[f"{name}_variance"][state, node])


@pytest.mark.parametrize("name", DESIGNS)
def test_a_summary_is_that_of_the_draws(name):
    assert_exact_summary(summary(name), name)


def test_several_items_batches_and_merges(monkeypatch):
    # Items of 64 draws in batches of 16, and at most two summaries of a stream in memory. 150 draws a stream are two
    # items and 22 draws, which are no whole batches either.
    monkeypatch.setattr(engine, "CALL_BYTES", 64 * 64)
    monkeypatch.setattr(engine, "MOST_PARTS", 2)
    assert_exact_summary(
        sweeps.sweep(exact(), DESIGNS["Bernoulli"], seed=3, keep="summary", batch_size=16), "Bernoulli"
    )


def test_a_network_on_its_whole_cube():
    objective = helpers.objective(SMALL)
    draws = sweeps.sweep(objective, sweeps.Hypercube())
    data = sweeps.sweep(objective, sweeps.Hypercube(), keep="summary")
    gates = reference.masks(SMALL.nodes)
    slip = helpers.rounding(SMALL, gates)[0]
    assert_summary(data, draws.loss.values[None], draws.loss_gradient.values[None], gates[None], slip=slip)
    assert draws.attrs.items() <= data.attrs.items()
    np.testing.assert_allclose(data.best_loss, np.sort(draws.loss)[:BEST], rtol=0, atol=2 * slip)
    np.testing.assert_array_equal(data.best_gates, gates[data.best_draw])


def test_labels():
    data = summary("Bernoulli")
    assert data.loss_mean.dims == ("probability", "chain")
    assert data.loss_gradient_mean.dims == ("probability", "chain", "state", "node")
    assert data.best_gates.dims == ("probability", "chain", "rank", "node")
    np.testing.assert_array_equal(data.probability, [0.25, 0.75])
    assert list(data.state.values) == ["off", "on"] and list(data["rank"].values) == list(range(BEST))
    assert list(data.node.values) == list(exact().nodes) and list(data.chain.values) == [0, 1]


def test_the_range_is_a_power_of_two_above_the_losses():
    for losses in ([1.0, 2.0, 3.0], [0.1] * 5, [1e-3, 5.0], [1e30]):
        top = float(summaries.bins_for(np.array(losses, np.float32)).top)
        assert np.log2(top) % 1 == 0
        reach = np.mean(losses) + 8 * np.std(losses)
        assert 2 * reach * (1 - 1e-6) <= top <= 4 * reach * (1 + 1e-6)
    for nothing in ([], [np.nan], [0.0], [-3.0, -4.0]):
        assert summaries.bins_for(np.array(nothing, np.float32)).top == 1


RANDOM = np.random.default_rng(8)
CHAINS = {
    "ordinary": np.exp(0.3 * RANDOM.normal(size=30)),
    # The first ones say nothing of the others.
    "growing": np.concatenate([np.full(10, 0.01), np.full(20, 100.0)]),
    "constant": np.full(30, 0.3),
    "zero": np.zeros(30),
    "negative": np.full(30, -1.0),
    "not a number": np.full(30, np.nan),
    "infinite": np.full(30, np.inf),
    "mixed": RANDOM.permutation(np.repeat([np.nan, np.inf, -np.inf, 0.0, -2.0, 0.5], 5)),
}
# The first gate is the loss; the other tells masks of equal loss apart.
OF_ANY_KIND = sweeps.Masks(np.stack([[losses, np.arange(30)] for losses in CHAINS.values()]).swapaxes(1, 2))


def of_any_kind(batch_size=None):
    identity = sweeps.Objective.from_function(lambda gates: gates[0], nodes=2)
    return sweeps.sweep(identity, OF_ANY_KIND, keep="summary", gradients=False, batch_size=batch_size)


@pytest.fixture(scope="module")
def data():
    return of_any_kind()


@pytest.fixture(scope="module")
def in_batches():
    """In batches of eight, which are shorter than a chain of draws and do not divide it."""
    return of_any_kind(batch_size=8)


class TestLossesOfAnyKind:
    """Chains of losses of every kind, as one sweep."""

    def chain(self, data, name):
        return data.isel(chain=list(CHAINS).index(name))

    def test_counts(self, data, in_batches):
        for found in (data, in_batches):
            assert (found.draws == 30).all()
            for name, losses in CHAINS.items():
                one = self.chain(found, name)
                finite = np.isfinite(losses)
                assert one.nonfinite == (~finite).sum() and one.nonpositive == (losses <= 0).sum(), name
                assert one.loss_count == finite.sum() and one.log_loss_count == (finite & (losses > 0)).sum(), name
                for kind in ("loss", "log_loss"):
                    counted = one[f"{kind}_histogram"].sum() + one[f"{kind}_below"] + one[f"{kind}_above"]
                    assert counted == one[f"{kind}_count"], name
                assert one.loss_below == (finite & (losses < 0)).sum()
            assert found.attrs["nonpositive_losses"] == sum((one <= 0).sum() for one in CHAINS.values())
            assert found.attrs["nonfinite_losses"] == sum((~np.isfinite(one)).sum() for one in CHAINS.values())

    def test_moments(self, data, in_batches):
        for found in (data, in_batches):
            for name in ("ordinary", "growing", "mixed"):
                losses, one = CHAINS[name], self.chain(found, name)
                losses = losses[np.isfinite(losses)]
                # Sums of 30 float32 numbers.
                np.testing.assert_allclose(one.loss_mean, losses.mean(), rtol=64 * SINGLE)
                np.testing.assert_allclose(one.loss_variance, losses.var(ddof=1), rtol=64 * SINGLE)
                np.testing.assert_allclose(one.loss_skewness, scipy.stats.skew(losses), rtol=256 * SINGLE)
                np.testing.assert_allclose(one.loss_excess_kurtosis, scipy.stats.kurtosis(losses), rtol=256 * SINGLE)

    def test_constant_losses_have_next_to_no_variance(self, data, in_batches):
        for found in (data, in_batches):
            one, value = self.chain(found, "constant"), float(np.float32(0.3))
            assert one.loss_mean == pytest.approx(value, rel=2 * SINGLE)
            assert 0 <= one.loss_variance <= (2 * SINGLE * value) ** 2
            assert one.loss_histogram.max() == one.log_loss_histogram.max() == 30

    def test_what_is_not_defined_is_not_a_number(self, data):
        for name in ("zero", "negative", "not a number", "infinite"):
            one = self.chain(data, name)
            assert all(np.isnan(one[f"log_loss_{part}"]) for part in ("mean", "variance", "skewness")), name
        for name in ("not a number", "infinite"):
            one = self.chain(data, name)
            assert all(np.isnan(one[f"loss_{part}"]) for part in ("mean", "variance", "skewness")), name
        assert self.chain(data, "zero").loss_mean == 0 and self.chain(data, "negative").loss_mean == -1

    def test_the_best_are_the_lowest_finite_ones(self, data, in_batches):
        for found in (data, in_batches):
            for index, name in enumerate(CHAINS):
                one = self.chain(found, name)
                best = Best(one.best_loss.values, one.best_draw.values, one.best_gates.values)
                gates = OF_ANY_KIND.array[index].astype(np.float32)
                assert_best(best, gates[:, 0], gates)

    def test_the_histograms_do_not_depend_on_the_batch_size(self, data, in_batches):
        np.testing.assert_array_equal(in_batches.loss_bin, data.loss_bin)
        for name in ("loss_histogram", "loss_below", "loss_above", "log_loss_histogram"):
            np.testing.assert_array_equal(in_batches[name], data[name])


def test_one_draw():
    data = sweeps.sweep(exact(), sweeps.Masks(np.ones((1, NODES))), keep="summary", gradients=False)
    loss, _ = values_of(np.ones(NODES))
    assert data.draws == data.loss_count == 1 and data.loss_mean == loss
    assert all(np.isnan(data[f"loss_{part}"]) for part in ("variance", "skewness", "excess_kurtosis"))
    assert data.best_loss[0, 0] == loss and np.isinf(data.best_loss[0, 1:]).all()
    assert not [name for name in data if "gradient" in name]
