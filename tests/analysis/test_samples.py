import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from analysis import _samples
from tests.analysis.synthetic_summary import summary_of

ANY_LOSS = st.one_of(st.floats(-100, 10000, width=32), st.sampled_from([np.nan, np.inf, -np.inf]))


def swept(loss, **attributes):
    """A sweep of the given losses (chain, draw), its masks of no account."""
    loss = np.asarray(loss, np.float64)
    return xr.Dataset(
        {"loss": (("chain", "draw"), loss), "gates": (("chain", "draw", "node"), np.zeros((*loss.shape, 2), bool))},
        coords={"node": ["a", "b"]},
        attrs={"design": "FixedSize(on=0)", "unit": "nats", **attributes},
    )


@given(arrays(np.float32, st.integers(1, 40), elements=ANY_LOSS), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_a_sample_of_draws_is_what_numpy_and_scipy_say(loss, levels):
    sample = _samples.losses(loss)
    finite = loss[np.isfinite(loss)].astype(np.float64)
    assert (sample.count, sample.nonfinite) == (finite.size, loss.size - finite.size)
    assert sample.nonpositive == np.count_nonzero(finite <= 0)
    assert sample.width == sample.below == sample.above == 0
    if finite.size:
        np.testing.assert_allclose(sample.quantile(levels), np.quantile(finite, levels), rtol=1e-12, atol=1e-300)
        law = stats.norm(1, 2).cdf
        assert sample.distance(law) == pytest.approx(stats.ks_1samp(finite, law, method="asymp").statistic)
    else:
        assert np.isnan(sample.quantile(levels)).all() and np.isnan(sample.distance(stats.norm.cdf))


def test_moments_of_draws_are_those_of_scipy():
    loss = np.random.default_rng(0).lognormal(size=500)
    for view, values in ((_samples.losses, loss), (_samples.log_losses, np.log(loss))):
        expected = (values.mean(), values.std(), stats.skew(values), stats.kurtosis(values))
        np.testing.assert_allclose(view(loss).shape, expected, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_sample_knows_values_that_differ_from_those_that_are_equal_at_any_scale(scale):
    equal, different = _samples.losses([scale, scale * (1 + 2e-16)]), _samples.losses([scale, scale * 1.001])
    assert equal.shape == pytest.approx((scale, 0.0, np.nan, np.nan), rel=1e-15, abs=0, nan_ok=True)
    assert different.shape.sd == pytest.approx(0.0005 * scale, rel=1e-9, abs=0)


# Chains of unequal numbers of usable draws: some have none, some one, some equal ones.
CHAINS = st.integers(0, 5).map(lambda seed: np.random.default_rng(seed).lognormal(size=(3, 12)))


@given(CHAINS, st.lists(st.sampled_from([0.0, -1.0, np.nan, np.inf, 2.0]), max_size=30), st.randoms())
def test_chains_of_a_summary_are_merged_as_if_drawn_together(loss, odd, random):
    loss = loss.copy()
    places = random.sample(range(loss.size), len(odd))
    loss.ravel()[places] = odd
    sweep = swept(loss)
    for view in (_samples.losses, _samples.log_losses):
        whole, merged = view(sweep), view(summary_of(sweep))
        assert (merged.count, merged.nonpositive, merged.nonfinite) == (whole.count, whole.nonpositive, whole.nonfinite)
        # sums of at most 36 terms in double precision; a shape is a ratio of powers of the spread
        np.testing.assert_allclose(merged.shape, whole.shape, rtol=1e-9, atol=1e-9)
        assert merged.counts.sum() + merged.below + merged.above == whole.count


@pytest.mark.parametrize("row", [[[2.0] * 4] * 2, [[2.0]], [[np.nan, 0.0]]])
def test_a_summary_of_equal_or_too_few_draws_leaves_open_what_its_draws_leave_open(row):
    sweep = swept(row)
    for view in (_samples.losses, _samples.log_losses):
        np.testing.assert_equal(view(summary_of(sweep)).shape, view(sweep).shape)


def test_equal_losses_summed_up_in_single_precision_have_no_shape():
    summary = summary_of(swept([[2.0] * 4]))
    summary["log_loss_variance"][:] = np.float32(1e-14)
    summary["log_loss_skewness"][:] = 0.3
    assert _samples.log_losses(summary).shape[1:] == pytest.approx((0.0, np.nan, np.nan), nan_ok=True)


def test_a_quantile_of_a_summary_is_within_half_a_bin_or_not_known():
    loss = np.random.default_rng(1).uniform(0, 16, size=(2, 101))
    loss[0, :3], loss[1, :9] = -0.5, 40.0  # below and above the histogram
    sample = _samples.losses(summary_of(swept(loss)))
    levels = np.linspace(0, 1, 203)
    expected, got = np.quantile(loss, levels), sample.quantile(levels)
    known = (expected >= 0) & (expected < 16) & ~np.isnan(got)
    assert np.abs(got - expected)[known].max() <= sample.width / 2 + 1e-12
    # known from the fourth loss to the tenth from above, unless one of two neighbours lies outside
    rank = levels * 201
    np.testing.assert_array_equal(~np.isnan(got), (np.floor(rank) >= 3) & (np.ceil(rank) <= 201 - 9))


def test_the_distance_of_a_histogram_is_low_by_one_bin_of_the_law_at_most():
    law = stats.norm(0, 0.3).cdf
    centres = stats.norm.ppf((np.arange(400) + 0.5) / 400) * 0.3
    edges = np.floor(centres * 256) / 256
    found = []
    for shift in (1e-6, 0.5 / 256, 1 / 256 - 1e-6):  # the same bins, the draws at either end of each
        logs = edges + shift
        summary = _samples.log_losses(summary_of(swept(np.exp(logs)[None])))
        exact = stats.ks_1samp(logs, law, method="asymp").statistic
        gap = exact - summary.distance(law)
        found.append(gap)
        assert -1e-12 <= gap <= 1 / 256 / (0.3 * np.sqrt(2 * np.pi)) + 1e-12
    # at the ends the bound is nearly reached: a distance from the bins' centres would be too large by half of it
    assert max(found) > 0.8 / 256 / (0.3 * np.sqrt(2 * np.pi))


def test_parts_are_cut_along_a_dimension():
    data = swept(np.arange(6.0).reshape(2, 3))
    assert [part["loss"].values.tolist() for part in _samples.parts(data, "chain")] == [[0, 1, 2], [3, 4, 5]]
    assert _samples.parts(data, None) == [data]
    with pytest.raises(ValueError, match=r"dim must be one of .*, got 'path'"):
        _samples.parts(data, "path")


def test_what_is_neither_a_sweep_nor_a_summary_is_named():
    summary = summary_of(swept([[1.0, 2.0]]))
    with pytest.raises(ValueError, match=r"loss must have the variable 'loss', got \['gates'\]"):
        _samples.losses(swept([[1.0]]).drop_vars("loss"))
    with pytest.raises(ValueError, match="loss must have the variable 'loss_mean', got"):
        _samples.losses(summary.drop_vars("loss_mean"))
    with pytest.raises(ValueError, match="loss must have 2 bins or more in log_loss_bin, got 1"):
        _samples.log_losses(summary.isel(log_loss_bin=[0]))
