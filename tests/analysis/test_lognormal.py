import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis import lognormal

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=32)
POSITIVE = st.floats(1e-6, 1e6)


def draws(seed, size, law="normal"):
    return np.exp(getattr(np.random.default_rng(seed), law)(size=size))


def test_agrees_with_scipy_when_location_is_fixed():
    loss = draws(1, 300)
    shape, location, scale = stats.lognorm.fit(loss, floc=0)
    fit = lognormal.fit(loss, resamples=0)
    # scipy's result comes from an optimiser that stops at about 1e-8 of the parameters
    assert location == 0
    assert fit.sigma == pytest.approx(shape, rel=1e-4)
    assert fit.mu == pytest.approx(math.log(scale), abs=1e-4)


def test_every_number_against_plain_loops():
    loss = draws(2, 50)
    logs = [math.log(x) for x in loss]
    mean = sum(logs) / 50
    sd = math.sqrt(sum((x - mean) ** 2 for x in logs) / 50)
    skew = sum((x - mean) ** 3 for x in logs) / 50 / sd**3
    kurtosis = sum((x - mean) ** 4 for x in logs) / 50 / sd**4 - 3
    law = [0.5 * math.erfc(-(x - mean) / sd / math.sqrt(2)) for x in sorted(logs)]
    distance = max(max((i + 1) / 50 - u, u - i / 50) for i, u in enumerate(law))
    expected = [mean, sd, sd / 7, sd * math.sqrt((kurtosis + 2) / 200), skew, kurtosis, distance]
    fit = lognormal.fit(loss, resamples=0)
    got = [fit.mu, fit.sigma, fit.mu_error, fit.sigma_error, fit.skewness, fit.excess_kurtosis, fit.ks_distance]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert (fit.count, fit.nonpositive, fit.nonfinite) == (50, 0, 0)


@pytest.mark.parametrize("law", ["normal", "uniform", "laplace"])
def test_standard_errors_match_the_scatter_of_repeated_fits(law):
    repeats, size = 600, 400
    fits = [lognormal.fit(draws((3, i), size, law), resamples=0) for i in range(repeats)]
    for value, error in (("mu", "mu_error"), ("sigma", "sigma_error")):
        scatter = np.std([getattr(fit, value) for fit in fits], ddof=1)
        claimed = np.mean([getattr(fit, error) for fit in fits])
        # The scatter of 600 nearly normal numbers is known to 1 / sqrt(2 * 600) = 2.9 %; 4 of these are 11.5 %
        # (false alarm 6e-5 each). The error's own bias is of order 1/n; for Laplace logs the kurtosis comes out
        # some 3 % low at n = 400. For comparison, sigma / sqrt(2 n) is wrong by 58 % there and by 37 % for uniform.
        assert claimed == pytest.approx(scatter, rel=0.115 + 0.03)


def test_p_values_are_uniform_for_log_normal_data():
    repeats, resamples = 300, 499
    p = [lognormal.fit(draws((4, i), 25), resamples=resamples).p_value for i in range(repeats)]
    # All fits share one bootstrap sample, so the p-values are uniform but for two errors: that of the empirical
    # distribution of the data's statistics and that of the bootstrap's. Dvoretzky-Kiefer-Wolfowitz bounds each by
    # sqrt(log(2 / a) / 2 n), here with a = 1e-4: 0.128 and 0.100.
    bound = sum(math.sqrt(math.log(2 / 1e-4) / 2 / n) for n in (repeats, resamples))
    assert stats.kstest(p, "uniform").statistic < bound
    # The check would notice the plain test with fitted parameters, whose p-values crowd near 1.
    logs = [np.log(draws((4, i), 25)) for i in range(repeats)]
    naive = [stats.kstest((x - x.mean()) / x.std(), "norm").pvalue for x in logs]
    assert stats.kstest(naive, "uniform").statistic > bound


def test_p_value_is_least_for_logs_that_are_not_normal():
    fit = lognormal.fit(draws(5, 1000, "exponential"))
    assert fit.p_value == pytest.approx(1 / (lognormal.RESAMPLES + 1))
    assert fit.skewness > 1


def test_p_value_of_many_draws_uses_a_fixed_subsample():
    loss = draws(6, 3000)
    first, again = (lognormal.fit(loss, sample=200, resamples=99) for _ in range(2))
    assert first == again
    logs = np.sort(np.log(loss))
    chosen = np.random.default_rng(0).choice(logs, size=200, replace=False)
    random = np.random.default_rng(0)
    random.choice(logs, size=200, replace=False)
    # the same test written out: the statistic is that of the subsample, standardised by its own fit
    test = stats.goodness_of_fit(stats.norm, chosen, statistic="ad", n_mc_samples=99, rng=random)
    assert first.p_value == pytest.approx(test.pvalue)


def test_no_resamples_leaves_the_p_value_open():
    assert math.isnan(lognormal.fit(draws(7, 20), resamples=0).p_value)


@given(st.lists(POSITIVE, min_size=3, max_size=30), st.floats(0.01, 100), st.randoms())
def test_scaling_shifts_mu_and_order_does_not_matter(loss, factor, random):
    first = lognormal.fit(loss, resamples=0)
    random.shuffle(loss)
    scaled = lognormal.fit(np.multiply(loss, factor), resamples=0)
    assert scaled.mu == pytest.approx(first.mu + math.log(factor), abs=1e-9)
    assert scaled.sigma == pytest.approx(first.sigma, abs=1e-9)


@given(st.lists(ANY_FLOAT, max_size=40))
def test_every_loss_is_counted_once_and_nothing_crashes(loss):
    fit = lognormal.fit(np.array(loss, np.float32), resamples=9)
    assert fit.count == sum(math.isfinite(x) and x > 0 for x in loss)
    assert fit.nonpositive == sum(math.isfinite(x) and x <= 0 for x in loss)
    assert fit.count + fit.nonpositive + fit.nonfinite == len(loss)
    usable = [x for x in loss if math.isfinite(x) and x > 0]
    clean = lognormal.fit(np.array(usable, np.float32), resamples=9)
    np.testing.assert_equal(fit[:5] + fit[6:10], clean[:5] + clean[6:10])


@pytest.mark.parametrize(
    ("loss", "known"),
    [
        ([], {}),
        ([0.0, np.nan], {}),
        ([2.0], {"mu": math.log(2)}),
        ([2.0, 2.0, 2.0], {"mu": math.log(2), "sigma": 0.0, "mu_error": 0.0, "sigma_error": 0.0}),
        ([1.0, 1.0 + 2e-16], {"mu": 0.0, "sigma": 0.0, "mu_error": 0.0, "sigma_error": 0.0}),
    ],
)
def test_what_too_few_or_equal_draws_leave_open_is_nan(loss, known):
    fit = lognormal.fit(loss)
    fields = ("mu", "sigma", "mu_error", "sigma_error", "skewness", "excess_kurtosis", "ks_distance", "p_value")
    for field in fields:
        assert getattr(fit, field) == pytest.approx(known.get(field, math.nan), abs=1e-15, nan_ok=True), field


def test_two_draws_have_a_fit_but_no_p_value():
    fit = lognormal.fit([1.0, math.e])
    assert (fit.mu, fit.sigma) == pytest.approx((0.5, 0.5))
    assert math.isnan(fit.p_value)


def test_labelled_and_single_precision_losses_are_flattened():
    loss = draws(8, (4, 25)).astype(np.float32)
    labelled = xr.DataArray(loss, dims=("chain", "draw"))
    assert lognormal.fit(labelled) == lognormal.fit(loss.ravel()) == lognormal.fit(loss.astype(np.float64))


def test_fit_each_fits_every_probability():
    loss = xr.DataArray(draws(9, (2, 1, 30)), dims=("probability", "chain", "draw"), coords={"probability": [0.2, 0.8]})
    fits = lognormal.fit_each(loss, resamples=9)
    assert set(fits) == set(lognormal.LogNormalFit._fields)
    one = lognormal.fit(loss.sel(probability=0.8), resamples=9)
    assert [float(fits[name].sel(probability=0.8)) for name in one._fields] == list(one)
    with pytest.raises(ValueError, match="dim must be one of probability, chain, draw, got 'p'"):
        lognormal.fit_each(loss, dim="p")


def test_ks_distance_by_chance_is_exceeded_one_time_in_twenty():
    repeats, size = 900, 60
    level = lognormal.ks_distance_by_chance(size)
    over = np.mean([lognormal.fit(draws((10, i), size), resamples=0).ks_distance > level for i in range(repeats)])
    # binomial: 4 * sqrt(0.05 * 0.95 / 900) = 0.0291, false alarm 6e-5; the approximation itself errs by 0.001
    assert over == pytest.approx(0.05, abs=0.0291 + 0.001)
    with pytest.raises(ValueError, match="count must be at least 5, got 4"):
        lognormal.ks_distance_by_chance(4)


@pytest.mark.parametrize("loss", [["a", "b"], [1 + 2j], [True, False], [None]])
def test_what_is_no_real_number_is_a_type_error(loss):
    with pytest.raises(TypeError, match="loss must be integers or floating-point numbers, got dtype"):
        lognormal.fit(loss)


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="sample must be at least 3, got 2"):
        lognormal.fit([1.0], sample=2)
    with pytest.raises(ValueError, match="resamples must be at least 0, got -1"):
        lognormal.fit([1.0], resamples=-1)
