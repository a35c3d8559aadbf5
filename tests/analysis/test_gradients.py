"""Statistics of gate gradients against slow plain NumPy, brute-force errors, and functions with a known answer."""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from analysis import gradients
from analysis.hypercube import mean_derivative, moments
from tests.analysis import synthetic_run
from tests.analysis.synthetic_gradients import DRAWS, NODES, WORTH, skewed, sweep_of
from tests.analysis.synthetic_summary import summary_of

CHANCES = synthetic_run.PROBABILITIES


@pytest.fixture(scope="module")
def dirty():
    data = skewed()
    data["loss_gradient"][0, 0, :2] = np.nan  # whole draws
    data["loss_gradient"][1, 0, 3, 2] = np.inf  # one entry
    return data


def plain(values):
    """Mean, sd, skewness and excess kurtosis, in a loop over nothing but one list."""
    values = np.asarray([x for x in np.ravel(values) if np.isfinite(x)])
    return values.mean(), values.std(), stats.skew(values), stats.kurtosis(values)


def brute_force(values, statistic):
    """Jackknife error over the rows, each left out in turn."""
    without = np.array([statistic(np.delete(values, row, axis=0)) for row in range(len(values))])
    return np.sqrt((len(values) - 1) / len(values) * ((without - without.mean(axis=0)) ** 2).sum(axis=0))


def test_moments_and_their_errors_against_plain_numpy(dirty):
    data = gradients.statistics(dirty)
    for p in range(3):
        one, values = data.isel(probability=p), dirty["loss_gradient"].values[p, 0]
        on = dirty["gates"].values[p, 0]
        rows = np.isfinite(values).any(axis=1)
        assert int(one["nonfinite"]) == (~np.isfinite(values)).sum() == [2 * NODES, 1, 0][p]
        assert int(one["entries"]) == np.isfinite(values).sum()
        keys = ("mean", "sd", "skewness", "excess_kurtosis")
        np.testing.assert_allclose([one[key] for key in keys], plain(values), rtol=1e-10)
        np.testing.assert_allclose([one[f"{key}_error"] for key in keys], brute_force(values[rows], plain), rtol=1e-8)
        np.testing.assert_allclose(one["effective_entries"], one["sd"] ** 2 / one["mean_error"] ** 2)
        for state, chosen in enumerate((~on, on)):
            of_state = np.where(chosen, values, np.nan)
            assert int(one["state_entries"][state]) == np.isfinite(of_state).sum()
            found = [[one[f"state_{key}{end}"][state] for key in ("mean", "sd")] for end in ("", "_error")]
            np.testing.assert_allclose(found[0], plain(of_state)[:2], rtol=1e-10)
            np.testing.assert_allclose(found[1], brute_force(of_state[rows], plain)[:2], rtol=1e-8)
            for node in range(NODES):
                here = of_state[np.isfinite(of_state[:, node]), node]
                cell = one.isel(state=state, node=node)
                assert int(cell["node_entries"]) == here.size
                np.testing.assert_allclose([cell["node_mean"], cell["node_sd"]], plain(here)[:2], rtol=1e-9)
                np.testing.assert_allclose(cell["node_mean_error"], here.std(ddof=1) / np.sqrt(here.size), rtol=1e-9)
                spread = here.std() * np.sqrt((2 + stats.kurtosis(here)) / (4 * here.size))
                np.testing.assert_allclose(cell["node_sd_error"], spread, rtol=1e-7)


def test_difference_of_states_and_shares_against_brute_force(dirty):
    data = gradients.statistics(dirty, width=0.1)
    values, on = dirty["loss_gradient"].values[1, 0], dirty["gates"].values[1, 0]
    one = data.isel(probability=1)

    def difference(both):
        values, on = both[..., 0], both[..., 1] > 0
        finite = np.isfinite(values)
        return values[finite & on].mean() - values[finite & ~on].mean()

    both = np.stack([values, on], axis=-1)
    np.testing.assert_allclose(one["state_difference"], difference(both))
    np.testing.assert_allclose(one["state_difference_error"], brute_force(both, difference), rtol=1e-8)

    finite = values[np.isfinite(values)]
    tails = np.where(np.isfinite(values), np.abs(values - finite.mean()) > 3 * finite.std(), np.nan)
    np.testing.assert_allclose(one["tail_share"], np.nanmean(tails))
    np.testing.assert_allclose(one["tail_share_error"], brute_force(tails, np.nanmean), rtol=1e-8)


def test_the_trough_is_the_density_at_zero_against_the_lower_maximum():
    random = np.random.default_rng(1)
    data = skewed(draws=2000)
    peaks = random.choice([-1.0, 1.5], p=[0.7, 0.3], size=data["loss_gradient"].shape)
    data["loss_gradient"] = data["loss_gradient"].copy(data=peaks + 0.6 * random.standard_normal(peaks.shape))
    one = gradients.statistics(data, width=0.1).isel(probability=1)

    def density(x):
        wide = np.hypot(0.6, 0.1)
        return 0.7 * stats.norm.pdf(x, -1, wide) + 0.3 * stats.norm.pdf(x, 1.5, wide)

    exact = density(0) / density(np.linspace(0, 3, 3001)).max()
    # Four standard errors, and 2 % by which chance raises the maximum, which is the highest of several places.
    assert abs(float(one["trough"]) - exact) < 4 * float(one["trough_error"]) + 0.02
    # Entries are independent here, so the error is that of two Poisson-like sums: between 1 % and 10 %.
    assert 0.01 < float(one["trough_error"]) < 0.1

    bell = data.assign(loss_gradient=data["loss_gradient"] * 0 + 0.5 * random.standard_normal(peaks.shape))
    found = gradients.statistics(bell, width=0.2)["trough"].values
    assert (found > 0.9).all() and (found <= 1).all()
    positive = data.assign(loss_gradient=abs(data["loss_gradient"]) + 0.1)
    assert np.isnan(gradients.statistics(positive)["trough"]).all()


def test_constant_gradients_have_no_shape():
    data = gradients.statistics(synthetic_run.bernoulli(np.random.default_rng(0)))
    for key in ("mean", "mean_error", "sd", "sd_error", "state_difference"):
        assert (data[key] == 0).all()
    for key in ("skewness", "excess_kurtosis", "tail_share", "trough", "effective_entries"):
        assert np.isnan(data[key]).all()
    assert (data["node_sd"] == 0).all() and (data["node_mean_error"] == 0).all()


def test_nothing_finite_gives_nan_and_counts():
    data = skewed()
    data["loss_gradient"] = data["loss_gradient"] * np.nan
    found = gradients.statistics(data)
    assert (found["nonfinite"] == DRAWS * NODES).all() and (found["entries"] == 0).all()
    assert np.isnan(found["mean"]).all() and np.isnan(found["node_mean"]).all()
    assert np.isnan(gradients.bootstrap(data, resamples=5)["mean"]).all()


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_state_that_never_comes_is_nan(probability):
    data = skewed(noise=0.0)
    data["gates"] = data["gates"] & False if probability == 0 else data["gates"] | True
    found = gradients.statistics(data)
    missing = "on" if probability == 0 else "off"
    assert np.isnan(found["state_mean"].sel(state=missing)).all()
    assert np.isnan(found["state_difference"]).all()
    assert np.isfinite(found["mean_error"]).all()
    assert np.isnan(gradients.slope_check(data)["trapezoid"]).all()


def with_moments(sweep):
    """The summary of a sweep with its gradients, in two chains."""
    half = DRAWS // 2
    parts = [sweep.isel(draw=slice(0, half)), sweep.isel(draw=slice(half, None))]
    chains = xr.concat([one.assign_coords(draw=np.arange(half), chain=[c]) for c, one in enumerate(parts)], "chain")
    data = summary_of(chains)
    for name in gradients.NAMES:
        values, on = chains[name].values, chains["gates"].values
        for key in ("count", "mean", "variance"):
            data[f"{name}_{key}"] = (("probability", "chain", "state", "node"), np.full((3, 2, 2, NODES), np.nan))
        for p, c, s, n in itertools.product(range(3), range(2), range(2), range(NODES)):
            chosen = values[p, c, on[p, c, :, n] == bool(s), n]
            chosen = chosen[np.isfinite(chosen)]
            data[f"{name}_count"][p, c, s, n] = chosen.size
            data[f"{name}_mean"][p, c, s, n] = chosen.mean() if chosen.size else np.nan
            data[f"{name}_variance"][p, c, s, n] = chosen.var(ddof=1) if chosen.size > 1 else np.nan
    return data.assign_coords(state=["off", "on"])


def test_a_summary_says_what_its_draws_say(dirty):
    summary = with_moments(dirty)
    found, wanted = gradients.statistics(summary), gradients.statistics(dirty)
    assert set(found) == set(wanted)
    known = ("entries", "nonfinite", "mean", "sd", "state_difference", "state_entries", "state_mean", "state_sd")
    for key in (*known, "node_entries", "node_mean", "node_mean_error", "node_sd"):
        np.testing.assert_allclose(found[key], wanted[key], rtol=1e-10, atol=1e-12)
    for key in set(found) - set(known) - {"node_entries", "node_mean", "node_mean_error", "node_sd"}:
        assert np.isnan(found[key]).all(), key
    one, other = gradients.slope_check(summary), gradients.slope_check(dirty)
    for key in ("predicted", "change", "change_error", "tangent", "trapezoid"):
        np.testing.assert_allclose(one[key], other[key], rtol=1e-6)
    assert np.isnan(one["predicted_error"]) and np.isnan(one["trapezoid_error"]).all()


def test_intervals_cover_as_often_as_they_say():
    # 200 data sets of 40 draws whose 6 entries share most of their noise; the true mean is 0 and the true sd is 1.
    random = np.random.default_rng(0)
    shared = np.sqrt(0.8) * random.standard_normal((200, 1, 40, 1))
    values = shared + np.sqrt(0.2) * random.standard_normal((200, 1, 40, NODES))
    gates = random.random(values.shape) < 0.5
    dims = ("probability", "chain", "draw", "node")
    data = xr.Dataset(
        {"loss_gradient": (dims, values), "gates": (dims, gates)}, {"probability": np.linspace(0, 1, 200)}
    )
    found = gradients.bootstrap(data, resamples=199, level=0.9)
    inside = ((found["mean"].isel(bound=0) < 0) & (found["mean"].isel(bound=1) > 0)).values.mean()
    # 0.9 but for the few draws, which cost percentile intervals about 0.02; a standard error of coverage is 0.021.
    assert abs(inside - 0.88) < 4 * 0.021
    # Entries taken as independent would give intervals 2.2 times too narrow, which cover 0.55.
    spread = ((found["sd"].isel(bound=0) < 1) & (found["sd"].isel(bound=1) > 1)).values.mean()
    assert 0.7 < spread < 0.95
    error = gradients.statistics(data, width=0.1)["mean_error"].values.mean()
    np.testing.assert_allclose(error, np.sqrt((0.8 + 0.2 / NODES) / 40), rtol=0.05)  # its own error is 1 %


def test_bootstrap_agrees_with_the_jackknife_and_is_reproducible(dirty):
    found, again = (gradients.bootstrap(dirty, level=0.6827) for _ in range(2))
    xr.testing.assert_identical(found, again)
    data = gradients.statistics(dirty)
    for key in ("mean", "sd", "state_mean"):
        low, high = (found[key].sel(bound=bound).values for bound in ("low", "high"))
        # Half the width is a standard error for nearly normal statistics; 60 draws of a skew law allow 25 %.
        np.testing.assert_allclose((high - low) / 2, data[f"{key}_error"], rtol=0.25)


def test_bundles_of_draws_bootstrap_as_draws_do(monkeypatch):
    data = skewed(draws=640)
    one = gradients.bootstrap(data)
    monkeypatch.setattr("analysis.gradients._intervals.BUNDLES", 160)
    other = gradients.bootstrap(data)
    widths = [float(found["mean"].diff("bound").mean()) for found in (one, other)]
    assert widths[0] != widths[1]
    assert abs(widths[1] / widths[0] - 1) < 0.2  # an sd of 160 bundles is known to 6 %


class TestSlope:
    def cube(self, function, nodes=NODES):
        return function(synthetic_run.masks(nodes).astype(float))

    def test_an_additive_loss_has_one_slope_everywhere(self):
        def function(gates):
            return 3 + gates @ WORTH

        data = sweep_of(function, lambda gates: np.broadcast_to(WORTH, gates.shape), draws=400)
        found = gradients.slope_check(data, cube_loss=self.cube(function))
        total = WORTH.sum()
        for key in ("tangent", "trapezoid", "slope"):
            np.testing.assert_allclose(found[key], [total] * 3)
        np.testing.assert_allclose(found["tangent_error"], 0, atol=1e-12)
        np.testing.assert_allclose(found["trapezoid_error"], 0, atol=1e-12)
        for key in ("predicted", "exact_predicted", "exact_change"):
            np.testing.assert_allclose(found[key], 0.5 * total)
        # The change has the errors of two independent means: a normal law exceeds 4 of them one time in 16,000.
        losses = data["loss"].values
        error = np.sqrt(losses[0].var(ddof=1) / 400 + losses[2].var(ddof=1) / 400)
        np.testing.assert_allclose(found["change_error"], error)
        np.testing.assert_allclose(found["change"], losses[2].mean() - losses[0].mean())
        assert abs(float(found["standard_errors"])) < 4
        assert found.attrs == dict(low=0.25, middle=0.5, high=0.75, nodes=NODES)

    def test_a_multilinear_loss_has_the_slope_of_its_mean(self):
        # L = 2 + g0 g1 + 3 g2 g3 g4: the mean is 2 + p^2 + 3 p^3, and tangents are differences.
        def function(gates):
            return 2 + gates[..., 0] * gates[..., 1] + 3 * gates[..., 2] * gates[..., 3] * gates[..., 4]

        def gradient(gates):
            a, b, c, d, e, f = np.moveaxis(gates, -1, 0)
            return np.stack([b, a, 3 * d * e, 3 * c * e, 3 * c * d, 0 * f], axis=-1)

        data = sweep_of(function, gradient, draws=4000)
        found = gradients.slope_check(data, cube_loss=self.cube(function))
        p = np.array(CHANCES)
        np.testing.assert_allclose(found["slope"], 2 * p + 9 * p**2)
        np.testing.assert_allclose(found["exact_change"], 0.5 + 3 * (0.75**3 - 0.25**3))
        np.testing.assert_allclose(found["exact_predicted"], 0.5 * (1 + 9 / 4))
        for key in ("tangent", "trapezoid"):
            errors = (found[key] - found["slope"]) / found[f"{key}_error"]
            assert (abs(errors) < 4).all()  # 6 numbers: one time in 2,600
        # What tangents predict is another number than the change, for the mean is cubic in p.
        error = np.hypot(found["predicted_error"], found["change_error"])
        np.testing.assert_allclose(found["standard_errors"], (found["predicted"] - found["change"]) / error)
        assert abs(float(found["standard_errors"] - (found["exact_predicted"] - found["exact_change"]) / error)) < 4
        direct = brute_force(data["loss_gradient"].values[1, 0, :300], lambda rows: NODES * rows.mean())
        whole = gradients.slope_check(data.isel(draw=slice(300)))
        np.testing.assert_allclose(whole["tangent_error"][1], direct)
        np.testing.assert_allclose(whole["predicted_error"], 0.5 * direct)

    def test_a_square_needs_both_ends_of_a_gate(self):
        # L = 5 + sum w g^2 agrees with an additive loss on masks; its tangents are 0 where off and 2 w where on.
        def function(gates):
            return 5 + gates**2 @ WORTH

        data = sweep_of(function, lambda gates: 2 * WORTH * gates, draws=500)
        found = gradients.slope_check(data, cube_loss=self.cube(function))
        np.testing.assert_allclose(found["trapezoid"], [WORTH.sum()] * 3)
        np.testing.assert_allclose(found["slope"], [WORTH.sum()] * 3)
        np.testing.assert_allclose(found["tangent"] / WORTH.sum(), [0.5, 1, 1.5], rtol=0.4)

    def test_the_trapezoid_s_error_is_the_spread_of_its_values(self):
        values, errors = [], []
        for seed in range(60):
            found = gradients.slope_check(skewed(seed=seed, noise=0.1))
            values.append(found["trapezoid"].values)
            errors.append(found["trapezoid_error"].values)
        # A spread of 60 values is known to 1 / sqrt(2 * 59) = 9 %; three of those.
        np.testing.assert_allclose(np.mean(errors, axis=0), np.std(values, axis=0, ddof=1), rtol=0.28)

    def test_probabilities_are_chosen_or_named(self):
        data = skewed().assign_coords(probability=[0.9, 0.1, 0.6])
        assert [gradients.slope_check(data).attrs[key] for key in ("low", "middle", "high")] == [0.1, 0.6, 0.9]
        with pytest.raises(ValueError, match=r"probabilities must be three of \[0.9, 0.1, 0.6\], ascending"):
            gradients.slope_check(data, probabilities=(0.1, 0.5, 0.9))
        with pytest.raises(ValueError, match="sweep must have three probabilities or more, got"):
            gradients.slope_check(data.isel(probability=slice(2)))
        with pytest.raises(ValueError, match=r"cube_loss must be 2\*\*6 values, one for each mask, got 8"):
            gradients.slope_check(data, cube_loss=np.ones(8))


def test_arguments_are_checked():
    data = skewed()
    with pytest.raises(ValueError, match="variable must be one of .*, got 'gradient'"):
        gradients.statistics(data, variable="gradient")
    with pytest.raises(TypeError, match="gates must be boolean masks, got dtype float64"):
        gradients.statistics(data.assign(gates=data["gates"] * 1.0))
    with pytest.raises(ValueError, match="sweep must have the variable 'loss_gradient'"):
        gradients.statistics(data.drop_vars("loss_gradient"))
    with pytest.raises(ValueError, match="width must be above 0, got 0"):
        gradients.statistics(data, width=0)
    with pytest.raises(ValueError, match="resamples must be at least 1, got 0"):
        gradients.bootstrap(data, resamples=0)
    with pytest.raises(ValueError, match="level must be below 1, got 1"):
        gradients.bootstrap(data, level=1)
    with pytest.raises(ValueError, match="sweep must be draws, got a summary, which does not keep them"):
        gradients.bootstrap(with_moments(data))


def test_the_exact_slope_is_the_derivative_of_the_exact_mean():
    table = np.random.default_rng(0).random(2**NODES)
    slope, step = mean_derivative(table, 0.4), 1e-5
    ends = moments(table, probability=[0.4 - step, 0.4 + step]).mean
    assert slope == pytest.approx((ends[1] - ends[0]) / (2 * step), rel=1e-7)
