import numpy as np
import pytest
from scipy import stats

from analysis import qq


def standardised(random, size):
    x = np.sort(random.standard_normal(size))
    return (x - x.mean()) / x.std()


@pytest.mark.parametrize("size", [20, 200])
def test_the_band_holds_whole_samples_at_its_level(size):
    lower, upper = qq.normal_band(size, level=0.9)
    random = np.random.default_rng(1)
    repeats = 1500
    inside = np.mean(
        [np.all((lower <= x) & (x <= upper)) for x in (standardised(random, size) for _ in range(repeats))]
    )
    # two binomial errors: of this count and of the 999 samples that set the band; 4 standard errors together
    error = 4 * np.sqrt(0.9 * 0.1 * (1 / repeats + 1 / qq._RESAMPLES))
    assert inside == pytest.approx(0.9, abs=error)


def test_points_are_sorted_standardised_logs_at_median_ranks():
    loss = np.random.default_rng(2).lognormal(1.0, 2.0, 31)
    data = qq.normal_quantiles(loss)
    logs = np.sort(np.log(loss))
    np.testing.assert_allclose(data.observed, (logs - logs.mean()) / logs.std())
    np.testing.assert_allclose(data.expected, [stats.norm.ppf(stats.beta.median(i, 32 - i)) for i in range(1, 32)])
    assert data.expected[15] == pytest.approx(0, abs=1e-12)
    assert np.all(data.lower < data.upper)


def test_a_heavy_tail_leaves_the_band():
    loss = np.exp(np.random.default_rng(3).standard_t(2, 500))
    data = qq.normal_quantiles(loss)
    assert np.any((data.observed < data.lower) | (data.observed > data.upper))


def test_losses_without_a_logarithm_are_counted():
    data = qq.normal_quantiles([0.0, np.nan, np.inf, 1.0, 2.0, 3.0])
    assert (data.usable, data.nonpositive, data.nonfinite) == (3, 1, 2)


@pytest.mark.parametrize("loss", [[], [1.0, 2.0], [2.0] * 10])
def test_nothing_to_show_is_no_error(loss):
    assert qq.normal_quantiles(loss).expected.size == 0


def test_many_draws_are_thinned():
    loss = np.random.default_rng(4).lognormal(size=qq._SAMPLE + 500)
    data = qq.normal_quantiles(loss)
    assert data.observed.size == qq._SAMPLE
    assert data.usable == qq._SAMPLE + 500


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="count must be at least 3, got 2"):
        qq.normal_band(2)
    with pytest.raises(ValueError, match="level must be below 1, got 1"):
        qq.normal_band(10, level=1)
