"""Whole sweeps that keep a summary: it is that of the draws, however they were batched, merged and stored."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import sweeps
from sweeps._engine import runner, summaries
from sweeps._engine.summaries import BEST, LOG_BINS, LOG_HIGH, LOG_LOW, LOSS_BINS, Best
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


DESIGNS = {
    "Bernoulli": sweeps.Bernoulli(probability=(0.25, 0.75), draws=150, chains=2),
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
            helpers.assert_best(best, loss[index].astype(np.float32), gates[index], steps)


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
        helpers.assert_histogram(counts, values, edges, close)
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
    monkeypatch.setattr(runner, "CALL_BYTES", 64 * 28.75)
    monkeypatch.setattr(runner, "MOST_PARTS", 2)
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
        top = float(summaries.top_for(np.array(losses, np.float32)))
        assert np.log2(top) % 1 == 0
        reach = np.mean(losses) + 8 * np.std(losses)
        assert 2 * reach * (1 - 1e-6) <= top <= 4 * reach * (1 + 1e-6)
    for nothing in ([], [np.nan], [0.0], [-3.0, -4.0]):
        assert summaries.top_for(np.array(nothing, np.float32)) == 1


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
# Gates are finite: these stand for losses that are not.
SPECIAL = {1e30: np.nan, 2e30: np.inf, 3e30: -np.inf}


def coded(losses):
    for code, value in SPECIAL.items():
        losses = np.where(np.isnan(losses) if np.isnan(value) else losses == value, code, losses)
    return losses


# The first gate says the loss; the other tells masks of equal loss apart.
OF_ANY_KIND = sweeps.Masks(np.stack([[coded(losses), np.arange(30)] for losses in CHAINS.values()]).swapaxes(1, 2))


def of_any_kind(batch_size=None):
    def said(gates):
        loss = gates[0]
        for code, value in SPECIAL.items():
            loss = jnp.where(gates[0] == jnp.float32(code), jnp.float32(value), loss)
        return loss

    identity = sweeps.Objective.from_function(said, nodes=2)
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
            for index, (name, losses) in enumerate(CHAINS.items()):
                one = self.chain(found, name)
                best = Best(one.best_loss.values, one.best_draw.values, one.best_gates.values)
                gates = OF_ANY_KIND.array[index].astype(np.float32)
                helpers.assert_best(best, losses.astype(np.float32), gates)

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
