"""The analysis functions give for a summary what they give for its draws, within the bounds they state."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from analysis import _samples, density, lognormal, qq, removal
from analysis.figures import densities
from tests.analysis import synthetic_run
from tests.analysis.synthetic_summary import summary_of


@pytest.fixture(scope="module")
def sweep():
    """Three probabilities, two chains, with losses that are zero or not finite."""
    first, second = (synthetic_run.bernoulli(np.random.default_rng(seed), draws=400) for seed in (1, 2))
    both = xr.concat([first, second.assign_coords(chain=[1])], "chain", data_vars="minimal", combine_attrs="override")
    both["loss"][0, 0, :2], both["loss"][1, 1, 3], both["loss"][2, 0, 5] = 0.0, np.nan, np.inf
    return both


@pytest.fixture(scope="module")
def summary(sweep):
    return summary_of(sweep)


def test_log_normal_fits(sweep, summary):
    draws, held = lognormal.fit_each(sweep, resamples=0), lognormal.fit_each(summary)
    for field in ("mu", "sigma", "mu_error", "sigma_error", "skewness", "excess_kurtosis"):
        np.testing.assert_allclose(held[field], draws[field], rtol=1e-9, atol=1e-10, err_msg=field)
    for field in ("count", "nonpositive", "nonfinite"):
        np.testing.assert_array_equal(held[field], draws[field])
    np.testing.assert_array_equal(draws["ks_resolution"], 0)
    np.testing.assert_allclose(held["ks_resolution"], 1 / 256 / (held["sigma"] * np.sqrt(2 * np.pi)))
    gap = draws["ks_distance"] - held["ks_distance"]
    assert ((gap > -1e-12) & (gap < held["ks_resolution"])).all()
    assert held["p_value"].isnull().all()
    one = lognormal.fit(summary.isel(probability=1))
    assert [float(held[field][1]) for field in one._fields] == pytest.approx(list(one), nan_ok=True)
    everything = lognormal.fit_each(summary, dim=None)
    assert float(everything["mu"]) == pytest.approx(lognormal.fit(sweep, resamples=0).mu)


def test_a_population_has_no_standard_errors_and_no_p_value(sweep, summary):
    for data in (sweep["loss"], sweep, summary):
        fit = lognormal.fit(data, population=True)
        assert np.isnan([fit.mu_error, fit.sigma_error, fit.p_value]).all()
        assert fit.sigma == pytest.approx(lognormal.fit(data, resamples=0).sigma)
    data, sample = removal.losses(sweep, dim=None, population=True), removal.losses(sweep, dim=None)
    assert np.isnan(data["mean_loss_error"])
    count = int(sample["draws"] - sample["nonfinite"])
    assert float(data["sd_loss"]) == pytest.approx(float(sample["sd_loss"]) * np.sqrt((count - 1) / count))


def test_statistics_of_the_loss(sweep, summary):
    draws, held = removal.statistics(sweep), removal.statistics(summary)
    missing = {"distinct_masks", "full_masks", "empty_masks"}
    assert set(draws) - set(held) == missing and not set(held) - set(draws)
    for name in set(held) - {"loss_quantile", "quantile_resolution"}:
        np.testing.assert_allclose(held[name], draws[name], rtol=1e-9, err_msg=name)
    np.testing.assert_array_equal(held["quantile_resolution"], 16 / 2**13 / 2)
    assert abs(held["loss_quantile"] - draws["loss_quantile"]).max() <= 16 / 2**13 / 2
    xr.testing.assert_allclose(removal.losses(sweep), draws[list(removal.losses(sweep))])


def worst(width, kernel):
    """The stated bound on the error of a density from bins, for one kernel's peak: all draws at the ends of bins."""
    return width / kernel / (2 * np.sqrt(np.e)) / (kernel * np.sqrt(2 * np.pi))


@pytest.mark.parametrize("view", [_samples.losses, _samples.log_losses])
def test_densities_are_within_the_error_of_the_bins(sweep, summary, view):
    draws, held = view(sweep), view(summary)
    exact, binned = density.kde(draws), density.kde(held)
    error = np.abs(np.interp(binned.grid, *exact) - binned.density).max()
    rounding = 3 * 1.25e-5 / (0.03 * np.sqrt(2 * np.pi))  # of the grids of both, and of reading one at the other's
    assert error < worst(held.width, 0.03) + rounding
    # 1,200 draws scatter over their bins: that averages the bound down by far more than ten
    assert error < worst(held.width, 0.03) / 10


def test_the_bound_on_a_density_from_bins_is_reached_by_draws_at_the_end_of_a_bin():
    loss = np.full((1, 1, 50), 300 * 16 / 2**13 + 1e-9)
    data = xr.Dataset(
        {"loss": (("probability", "chain", "draw"), loss)}, coords={"node": ["a"]}, attrs={"unit": "nats"}
    )
    held = _samples.losses(summary_of(data, np.zeros((1, 1, 50, 1), bool)))
    for kernel in (0.03, 0.0078):  # the second is four bins wide, the least that kernel_width gives
        grid, got = density.kde(held, width=kernel)
        error = np.abs(got - stats.norm.pdf(grid, loss[0, 0, 0], kernel)).max()
        assert 0.95 * worst(held.width, kernel) < error < 1.001 * worst(held.width, kernel)


def test_a_density_leaves_out_what_lies_outside_the_histogram(sweep):
    held = _samples.losses(summary_of(sweep, top=1.0))
    inside = held.counts.sum() / held.count
    assert 0.5 < inside < 0.95
    grid, got = density.kde(held)
    assert np.trapezoid(got, grid) == pytest.approx(inside, abs=1e-9)
    with pytest.raises(ValueError, match="weights must be left out beside a sample"):
        density.kde(held, weights=np.ones(3))
    with pytest.raises(TypeError, match=r"values must be numbers, got an xarray.Dataset"):
        density.kde(sweep)


def normal(sd, seed=0):
    return _samples.losses(10 + sd * np.random.default_rng(seed).standard_normal(1000))


@pytest.mark.parametrize(
    ("spreads", "width"),
    [((1.0,), 0.03), ((0.1,), 0.03), ((0.05,), 0.005), ((20.0,), 2.0), ((1.0, 0.05), 0.005), ((), 0.03)],
)
def test_kernel_width_follows_the_narrowest_sample(spreads, width):
    assert density.kernel_width([normal(sd) for sd in spreads]) == pytest.approx(width, rel=1e-9)


def test_kernel_width_is_never_too_small_for_the_bins_or_for_the_grid(summary):
    held = _samples.losses(summary)
    narrow = replace(held, shape=held.shape._replace(sd=1e-4))
    assert density.kernel_width([narrow]) == density._BINS_PER_WIDTH * held.width
    spread = _samples.losses([0.0, 1e4])
    far = replace(spread, shape=spread.shape._replace(sd=0.1))
    density.kde(far, width=density.kernel_width([far]))  # does not refuse the width
    with pytest.raises(ValueError, match="width must be 0.238 or more"):
        density.kde(far, width=0.01)
    assert density.kernel_width([_samples.losses([2.0, 2.0])]) == 0.03


def test_figures_are_the_same_within_the_error_of_the_bins(sweep, summary):
    for draw in (densities.loss, densities.log_loss):
        first, second = draw(sweep, full_loss=0.21), draw(summary, full_loss=0.21)
        assert first.get_xlabel() == second.get_xlabel()
        for axes in (first, second):
            axes.labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert first.labels == second.labels
        assert "$p$ = 0.75 (1 left out)" in first.labels
        for one, other in zip(first.get_lines(), second.get_lines(), strict=True):
            x, y = one.get_data()
            if len(x) > 2 and len(other.get_xdata()) > 2:
                gap = np.abs(np.interp(x, *other.get_data()) - y).max()
                assert gap < worst(1 / 256, 0.03) + 1e-4 * np.max(y)  # where one curve ends and the other goes on


def test_figures_of_a_sweep_without_probabilities_have_one_curve_and_its_unit(sweep):
    one = sweep.isel(probability=0).assign_attrs(unit="squared units")
    for data in (one, summary_of(one)):
        ax = densities.loss(data)
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["masks"]
        assert ax.get_xlabel() == "loss (squared units)"
        assert ax.get_ylabel() == "probability density (1/squared units)"
        assert "in squared units" in densities.log_loss(data).get_xlabel()


def test_quantile_plots_need_draws(summary):
    with pytest.raises(TypeError, match="loss must be draws, got a summary, which holds none"):
        qq.normal_quantiles(summary)
