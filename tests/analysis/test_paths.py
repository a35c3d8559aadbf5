"""Covariance along flip paths: errors against leaving out each path, and sampled paths against the exact cube."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
import xarray as xr

from analysis import hypercube, paths
from analysis.paths import _products


def table(nodes, seed=0):
    """Log losses whose single nodes, pairs, and the rest all matter, and whose tail is long."""
    random = np.random.default_rng(seed)
    share = np.bitwise_count(np.arange(2**nodes)) / nodes
    return np.log(0.05 + np.abs(share - 0.6 + 0.1 * random.normal(size=2**nodes)))


def masks(nodes, count, random, probability=0.5):
    """Mask numbers of flip paths, (paths, nodes + 1)."""
    start = (random.random((count, nodes)) < probability) @ (1 << np.arange(nodes))
    order = random.permuted(np.tile(np.arange(nodes), (count, 1)), axis=1)
    flipped = np.bitwise_xor.accumulate(1 << order, axis=1)
    return np.concatenate([start[:, None], start[:, None] ^ flipped], axis=1)


def sample(values, count, seed, probability=0.5):
    nodes = values.size.bit_length() - 1
    return values[masks(nodes, count, np.random.default_rng(seed), probability)]


def leaving_out_each(log_loss, statistic):
    """Jackknife variance of a statistic, path by path."""
    parts = np.array([statistic(np.delete(log_loss, path, axis=0)) for path in range(len(log_loss))])
    return (len(parts) - 1) / len(parts) * np.sum((parts - parts.mean(axis=0)) ** 2, axis=0)


def matrix(log_loss):
    return np.cov(log_loss, rowvar=False)


def along_diagonals(log_loss):
    return np.array([np.diagonal(matrix(log_loss), d).mean() for d in range(log_loss.shape[1])])


def test_covariances_and_errors_by_leaving_out_each_path():
    log_loss = sample(table(4), 30, 1)
    got = paths.covariance(log_loss)
    cov = matrix(log_loss)
    error = np.sqrt(leaving_out_each(log_loss, matrix))
    np.testing.assert_allclose(got["covariance"], cov, atol=1e-14)
    np.testing.assert_allclose(got["covariance_error"], error, atol=1e-13)
    np.testing.assert_allclose(got["mean"], log_loss.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(got["mean_error"], log_loss.std(axis=0, ddof=1) / np.sqrt(30), atol=1e-14)
    for name, place in (("from_start", (0, slice(None))), ("from_end", (-1, slice(None, None, -1)))):
        np.testing.assert_allclose(got[name], cov[place], atol=1e-14)
        np.testing.assert_allclose(got[f"{name}_error"], error[place], atol=1e-13)
    np.testing.assert_allclose(got["by_distance"], along_diagonals(log_loss), atol=1e-14)
    np.testing.assert_allclose(
        got["by_distance_error"], np.sqrt(leaving_out_each(log_loss, along_diagonals)), atol=1e-13
    )
    np.testing.assert_allclose(np.diag(got["by_distance_covariance"]), got["by_distance_error"] ** 2, atol=1e-15)
    assert got["paths"] == 30 and got["left_out"] == 0


def test_the_reversal_is_tested_path_by_path():
    log_loss = sample(table(4), 30, 2)

    def difference(some):
        return matrix(some)[0] - matrix(some)[-1, ::-1]

    got = paths.covariance(log_loss)
    error = np.sqrt(leaving_out_each(log_loss, difference))
    np.testing.assert_allclose(got["reversal_difference"], difference(log_loss), atol=1e-14)
    np.testing.assert_allclose(got["reversal_error"], error, atol=1e-13)
    ratio = difference(log_loss)[:-1] / error[:-1]
    np.testing.assert_allclose(got["reversal_standard_errors"][:-1], ratio, rtol=1e-9)
    assert np.isnan(got["reversal_standard_errors"][-1])  # the start with the end, and the end with the start
    assert got["reversal_degrees"] == 4


def test_correlations_by_leaving_out_each_path():
    log_loss = sample(table(4), 30, 3)

    def correlation(some):
        return np.corrcoef(some, rowvar=False)[0]

    got = paths.covariance(log_loss)
    np.testing.assert_allclose(got["correlation_from_start"], correlation(log_loss), atol=1e-13)
    error = np.sqrt(leaving_out_each(log_loss, correlation))
    np.testing.assert_allclose(got["correlation_from_start_error"], error, atol=1e-9)
    assert got["opposite_correlation"] == got["correlation_from_start"][-1]
    assert got["opposite_correlation_error"] == got["correlation_from_start_error"][-1]


def test_labels_chains_and_the_size_of_a_part_do_not_matter(monkeypatch):
    flat = sample(table(3), 60, 4)
    labelled = xr.DataArray(flat.reshape(3, 20, 4), dims=("chain", "draw", "step"))
    want = paths.covariance(flat)
    monkeypatch.setattr(_products, "ROWS", 7)
    for same in (labelled, labelled.transpose("step", "draw", "chain"), flat.reshape(3, 20, 4), flat.tolist()):
        xr.testing.assert_allclose(paths.covariance(same), want, rtol=1e-9, atol=1e-12)
    assert dict(want.sizes) == {"step": 4, "step_other": 4, "distance": 4, "distance_other": 4}


def test_the_exact_matrix_by_all_starts_and_orders():
    values = table(3)
    walks = []
    for start, order in itertools.product(range(8), itertools.permutations(range(3))):
        walk = [start]
        for node in order:
            walk.append(walk[-1] ^ 1 << node)
        walks.append(values[walk])
    got = paths.exact(values)
    np.testing.assert_allclose(got, np.cov(np.transpose(walks), bias=True), atol=1e-14)
    np.testing.assert_array_equal(paths.exact(values, steps=2), got[:2, :2])
    np.testing.assert_allclose(got[0], hypercube.covariance_by_distance(values))
    with pytest.raises(ValueError, match="steps must be at most 4, got 5"):
        paths.exact(values, steps=5)
    with pytest.raises(ValueError, match="values must be 2"):
        paths.exact(values[:6])


def test_sampled_paths_agree_with_the_exact_cube():
    values = table(7)
    sampled = paths.covariance(sample(values, 5000, 5))
    exact = paths.exact(values)
    got = paths.compare(sampled, exact)
    np.testing.assert_allclose(got["difference"], sampled["covariance"] - exact.values, atol=1e-15)
    np.testing.assert_allclose(got["standard_errors"] * sampled["covariance_error"], got["difference"], atol=1e-15)
    assert got["entries"] == 8 * 9 / 2 and got["degrees"] == 8
    assert got["largest"] == np.abs(got["standard_errors"]).max()
    # each false alarm 1e-4
    assert got["p_value"] > 1e-4
    assert got["largest_p_value"] > 1e-4
    assert sampled["reversal_p_value"] > 1e-4
    opposite = hypercube.opposite(values)
    # 4.5 standard errors: false alarm 7e-6
    error = float(sampled["opposite_correlation_error"])
    assert float(sampled["opposite_correlation"]) == pytest.approx(opposite.correlation, abs=4.5 * error)
    assert exact[0, -1] == pytest.approx(opposite.even - opposite.odd, abs=1e-14)


def test_a_partial_path_is_compared_with_part_of_the_matrix():
    values = table(6)
    sampled = paths.covariance(sample(values, 2000, 6)[:, :4])
    assert paths.compare(sampled, paths.exact(values, steps=4))["p_value"] > 1e-4
    with pytest.raises(ValueError, match=r"exact must have shape \(4, 4\), as sampled, got \(7, 7\)"):
        paths.compare(sampled, paths.exact(values))


def test_another_network_is_told_apart():
    sampled = paths.covariance(sample(table(7), 5000, 7))
    got = paths.compare(sampled, 1.1 * paths.exact(table(7)))
    assert got["p_value"] < 1e-6
    got = paths.compare(sampled, paths.exact(np.random.default_rng(0).normal(size=2**7)))
    assert got["p_value"] < 1e-6 and got["largest_p_value"] < 1e-6


def test_a_start_that_is_not_uniform_breaks_the_symmetry():
    values = 3.0 * np.arange(2**5) / 2**5 + table(5)
    values[-1] += 10  # every node on: likely at the end of a path that starts with few
    assert paths.covariance(sample(values, 3000, 8, probability=0.1))["reversal_p_value"] < 1e-6


def test_estimates_are_unbiased_and_false_alarms_as_rare_as_they_should_be():
    values, count, repeats = table(4), 300, 300
    exact = paths.exact(values)
    runs = [paths.covariance(sample(values, count, 1000 + seed)) for seed in range(repeats)]
    compared = [paths.compare(run, exact) for run in runs]
    # 300 tests at 0.05 give 15 alarms, and fewer than 31 but for a chance of 1e-4
    for alarms in (
        [float(one["p_value"]) for one in compared],
        [float(run["reversal_p_value"]) for run in runs],
    ):
        assert 3 <= np.count_nonzero(np.array(alarms) < 0.05) <= 30
    cov = np.array([run["covariance"].values for run in runs])
    spread = cov.std(axis=0, ddof=1)
    # 15 entries at 4.5 standard errors each: false alarm 1e-4
    assert (np.abs(cov.mean(axis=0) - exact.values) < 4.5 * spread / math.sqrt(repeats)).all()
    # The jackknife variance is right up to 1/n; that of 300 estimates scatters by sqrt(2/300) = 8 %, four times that.
    claimed = np.mean([run["covariance_error"].values ** 2 for run in runs], axis=0)
    np.testing.assert_allclose(claimed / spread**2, 1, atol=0.33)
    coverage = np.mean([np.abs(one["standard_errors"]) < 1.96 for one in compared])
    assert 0.92 < coverage < 0.97


def test_the_first_step_that_is_not_significant():
    random = np.random.default_rng(9)
    steps = random.normal(size=(400, 5))
    steps[:, 1] += 2 * steps[:, 0]
    steps[:, 2] -= steps[:, 0]
    steps[:, 4] += steps[:, 0]
    start = steps[:, 0] - steps[:, 0].mean()
    steps[:, 3] -= start * (start @ steps[:, 3]) / (start @ start)  # exactly 0, not small by chance
    got = paths.covariance(steps)
    ratio = np.abs(got["correlation_from_start"] / got["correlation_from_start_error"])[1:]
    assert (ratio < 1.96).values.tolist() == [False, False, True, False]
    assert got["first_insignificant"] == 3
    assert np.isnan(paths.covariance(steps[:, [0, 1, 2]])["first_insignificant"])


def test_paths_that_are_not_finite_are_left_out_and_counted():
    log_loss = sample(table(3), 50, 10)
    bad = np.insert(log_loss, [0, 20, 50], [[np.nan] * 4, [1, -np.inf, 2, 3], [0, 0, 0, np.inf]], axis=0)
    got = paths.covariance(bad)
    assert got["left_out"] == 3 and got["paths"] == 50
    xr.testing.assert_allclose(got.drop_vars("left_out"), paths.covariance(log_loss).drop_vars("left_out"))


def test_paths_that_never_change_have_no_correlation():
    got = paths.covariance(np.full((10, 3), 0.1))
    assert (got["covariance"] == 0).all() and (got["covariance_error"] == 0).all()
    assert np.isnan(got["correlation_from_start"]).all() and np.isnan(got["first_insignificant"])
    assert np.isnan(got["reversal_p_value"]) and got["reversal_degrees"] == 0
    compared = paths.compare(got, np.zeros((3, 3)))
    assert np.isnan(compared["largest"]) and np.isnan(compared["p_value"]) and compared["entries"] == 0


def test_of_two_opposite_corners_the_reversal_holds_for_every_path():
    # One additive node: the values at both ends are opposite, and the difference is 0 but for rounding.
    got = paths.covariance(sample(np.array([0.1, 0.7]), 100, 11))
    assert got["reversal_degrees"] == 0
    assert got["opposite_correlation"] == pytest.approx(-1)


def test_too_few_paths_give_no_joint_test():
    got = paths.covariance(sample(table(6), 6, 12))
    assert np.isnan(got["reversal_p_value"])
    assert np.isnan(paths.compare(got, paths.exact(table(6)))["p_value"])


def test_memory_is_that_of_a_part():
    log_loss = np.random.default_rng(13).normal(size=(100_000, 21)).astype(np.float32)
    tracemalloc.start()
    paths.covariance(log_loss)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 16 arrays of one part in float64 at most, against 17 MB for all paths in float64
    assert peak < 16 * _products.ROWS * 21 * 8 < 100_000 * 21 * 8


@pytest.mark.parametrize(
    ("log_loss", "error", "message"),
    [
        (np.ones(5), ValueError, r"log_loss must have shape \(paths, steps\) with 2 steps or more, got \(5,\)"),
        (np.ones((5, 1)), ValueError, r"log_loss must have shape \(paths, steps\) with 2 steps or more, got \(5, 1\)"),
        (np.ones((2, 5)), ValueError, "log_loss must be 3 or more paths of finite numbers, got 2 and 0 others"),
        (np.full((4, 5), np.nan), ValueError, "log_loss must be 3 or more paths of finite numbers, got 0 and 4"),
        (np.ones((0, 5)), ValueError, "log_loss must be 3 or more paths of finite numbers, got 0 and 0 others"),
        (np.ones((5, 5), bool), TypeError, "log_loss must be integers or floating-point numbers, got dtype bool"),
        (xr.DataArray(np.ones((5, 5))), ValueError, "log_loss must have the dimension 'step', got"),
        (xr.Dataset(), TypeError, "log_loss must be numbers, got an xarray.Dataset; name one of its variables"),
    ],
)
def test_paths_that_are_none_are_refused(log_loss, error, message):
    with pytest.raises(error, match=message):
        paths.covariance(log_loss)


def test_only_what_was_estimated_is_compared():
    with pytest.raises(TypeError, match="sampled must be an xarray.Dataset, got ndarray"):
        paths.compare(np.ones((3, 3)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="sampled must have the variable 'covariance'"):
        paths.compare(xr.Dataset(), np.ones((3, 3)))
