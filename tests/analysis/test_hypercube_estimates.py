"""Estimates from sampled masks against exact values of the whole cube, and their errors against repeated samples."""

import itertools

import numpy as np
import pytest
import xarray as xr

from analysis import hypercube
from analysis.hypercube import _sampled, estimates

NODES = 5
REPEATS, DRAWS = 300, 200
# A standard deviation of 300 repeats is known to 1/sqrt(600) = 4 %, more where tails are long: 15 % is 3 to 4 of that.
AGREE = 0.15
# Fixed seeds; with another, one of some 100 comparisons would exceed this 1 time in 15,000.
FAR = 5.0
FIRST = ("coefficient", "effect", "sobol_first", "additive_share")


def table(nodes=NODES, seed=0):
    """Values whose single nodes, pairs and the rest all matter, with a mean far from 0."""
    random = np.random.default_rng(seed)
    return 10 + cube(nodes) @ np.linspace(-1.5, 2, nodes) + 0.5 * random.normal(size=2**nodes)


def cube(nodes):
    return np.arange(2**nodes)[:, None] >> np.arange(nodes) & 1 == 1


def at(values, gates):
    return values[gates @ (1 << np.arange(gates.shape[-1]))]


def draws(count, seed, probability=0.5, nodes=NODES):
    return np.random.default_rng(seed).random((count, nodes)) < probability


def walk(start, order):
    """Gates of whole paths, (paths, nodes + 1, nodes)."""
    place = np.argsort(order, axis=1)
    return start[:, None, :] ^ (place[:, None, :] < np.arange(order.shape[1] + 1)[:, None])


def flip_paths(count, seed, probability=0.5, nodes=NODES):
    random = np.random.default_rng(seed)
    start = random.random((count, nodes)) < probability
    return walk(start, random.permuted(np.tile(np.arange(nodes), (count, 1)), axis=1))


def exact(values, p=0.5):
    alone = 2 ** np.arange(values.size.bit_length() - 1)
    coefficient = hypercube.biased(values, p)[alone]
    return {
        "coefficient": coefficient,
        "effect": coefficient / np.sqrt(p * (1 - p)),
        "sobol_first": hypercube.sobol(values, probability=p).first,
        "additive_share": hypercube.additive_share(values, probability=p),
        "banzhaf": hypercube.banzhaf(values),
        "sobol_total": hypercube.sobol(values).total,
        "shapley": hypercube.shapley(values),
    }


def off_by(result, wanted, names):
    """How far estimates are from the exact values, at most, in standard errors."""
    return max(np.abs((result[name] - wanted[name]) / result[f"{name}_error"]).values.max() for name in names)


def leaving_out_each(values, gates, estimate, names):
    """Jackknife errors, draw by draw."""
    parts = [estimate(np.delete(values, i, axis=0), np.delete(gates, i, axis=0)) for i in range(len(values))]
    return {name: np.std([part[name].values for part in parts], axis=0) * np.sqrt(len(parts) - 1) for name in names}


def check_errors(results, wanted, names):
    """Over repeated samples the estimates are unbiased, and scatter as their errors say."""
    for name in names:
        found = np.array([result[name].values for result in results])
        stated = np.mean([result[f"{name}_error"].values for result in results], axis=0)
        scatter = found.std(axis=0, ddof=1)
        np.testing.assert_allclose(stated, scatter, rtol=AGREE, err_msg=name)
        assert np.abs((found.mean(axis=0) - wanted[name]) / scatter).max() * np.sqrt(len(results)) < FAR, name


def same(one, other, rtol=1e-12):
    xr.testing.assert_allclose(one, other.assign_coords(node=one["node"]), rtol=rtol)


def test_effect_is_a_difference_of_means_with_the_sign_of_biased():
    values = table()
    for p in (0.2, 0.5):
        chance = np.prod(np.where(cube(NODES), p, 1 - p), axis=1)
        for node in range(NODES):
            on = cube(NODES)[:, node]
            wanted = np.average(values[on], weights=chance[on]) - np.average(values[~on], weights=chance[~on])
            assert exact(values, p)["effect"][node] == pytest.approx(wanted)
    np.testing.assert_allclose(exact(values)["effect"], hypercube.banzhaf(values))


@pytest.mark.parametrize("p", [0.2, 0.5, 0.8])
def test_first_order_from_many_draws(p):
    values, gates = table(), draws(40_000, 1, p)
    result = estimates.first_order(at(values, gates), gates, probability=p)
    assert off_by(result, exact(values, p), FIRST) < FAR
    assert result["effect_error"].max() < 0.05 and result["additive_share_error"] < 0.01
    assert (int(result["draws"]), int(result["left_out"])) == (40_000, 0)


def test_paths_and_shapley_from_many_paths():
    values = table()
    gates = flip_paths(10_000, 2)
    result = estimates.along_paths(at(values, gates), gates)
    assert off_by(result, exact(values), ("banzhaf", "sobol_total")) < FAR
    assert result["banzhaf_error"].max() < 0.02 and result["sobol_total_error"].max() < 0.01
    for gates in (flip_paths(10_000, 3, 0.0), flip_paths(10_000, 3, 1.0)):
        result = estimates.shapley(at(values, gates), gates)
        assert off_by(result, exact(values), ("shapley",)) < FAR
        assert result["shapley_error"].max() < 0.02


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_first_order_errors_over_repeated_samples(p):
    values = table()
    masks = [draws(DRAWS, (4, repeat), p) for repeat in range(REPEATS)]
    results = [estimates.first_order(at(values, gates), gates, probability=p) for gates in masks]
    wanted = exact(values, p)
    check_errors(results, wanted, ("coefficient", "effect", "additive_share"))
    large = wanted["sobol_first"] > 0.05  # for the others see the next test
    assert large.sum() >= 3
    check_errors(
        [result.isel(node=large) for result in results],
        {**wanted, "sobol_first": wanted["sobol_first"][large]},
        ("sobol_first",),
    )


def test_path_errors_over_repeated_samples():
    values = table()
    masks = [flip_paths(DRAWS, (5, repeat)) for repeat in range(REPEATS)]
    check_errors(
        [estimates.along_paths(at(values, gates), gates) for gates in masks], exact(values), ("banzhaf", "sobol_total")
    )
    masks = [flip_paths(DRAWS, (6, repeat), 0.0) for repeat in range(REPEATS)]
    check_errors([estimates.shapley(at(values, gates), gates) for gates in masks], exact(values), ("shapley",))


def test_nodes_that_do_nothing_add_nothing_to_the_additive_share():
    nodes, count = 60, 100
    results = []
    for repeat in range(REPEATS):
        random = np.random.default_rng((7, repeat))
        gates = random.random((count, nodes)) < 0.5
        results.append(estimates.first_order(random.normal(size=count), gates))
    found = np.array([result["additive_share"] for result in results])
    first = np.array([result["sobol_first"] for result in results])
    assert abs(found.mean()) < FAR * found.std() / np.sqrt(REPEATS)  # without the error variance it would be 0.6
    assert abs(first.mean()) < FAR * first.std() / np.sqrt(first.size)
    # Of no effect at all errors are too large, for all nodes together by less than that of one: on average a variance
    # of E max(4 z^2 - 2, 2) = 3.94 in place of 2, z normal.
    ratio = np.sqrt(np.mean([result["additive_share_error"] ** 2 for result in results])) / found.std()
    assert 1 - AGREE < ratio < 1 + 2 * AGREE
    errors = np.array([result["sobol_first_error"] for result in results])
    assert np.sqrt(np.mean(errors**2)) / first.std() == pytest.approx(np.sqrt(3.94 / 2), rel=AGREE)
    # (z^2 - 1) / sqrt(max(4 z^2 - 2, 2)) is above 3 for z above 6 only; a jackknife alone would exceed it in 13 %.
    assert np.mean(np.abs(first) > 3 * errors) < 1e-3


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_first_order_errors_by_leaving_out_each_draw(p):
    count = 120
    gates = draws(count, 8, p)
    values = at(table(), gates)
    result = estimates.first_order(values, gates, probability=p)
    wanted = leaving_out_each(values, gates, lambda v, g: estimates.first_order(v, g, probability=p), FIRST)
    for name in FIRST:
        if name in ("sobol_first", "additive_share"):
            chance_alone = np.asarray(2 * (result["coefficient_error"] ** 4 / values.var(ddof=1) ** 2))
            chance_alone = chance_alone if name == "sobol_first" else chance_alone.sum()
            wanted[name] = np.sqrt(np.maximum(wanted[name] ** 2 - chance_alone, chance_alone))
        # The shares' error variance without a draw is about the means of all draws: right to O(1/n). The difference
        # times n is 2 to 3 for 60 to 480 draws, 5 at most.
        rtol = 1e-10 if name in ("coefficient", "effect") else 5 / count
        np.testing.assert_allclose(result[f"{name}_error"], wanted[name], rtol=rtol, err_msg=name)


def test_path_errors_by_leaving_out_each_path():
    gates = flip_paths(40, 9)
    values = at(table(), gates)
    result = estimates.along_paths(values, gates)
    for name, wanted in leaving_out_each(values, gates, estimates.along_paths, ("banzhaf", "sobol_total")).items():
        np.testing.assert_allclose(result[f"{name}_error"], wanted, rtol=1e-10)
    gates = flip_paths(40, 9, 0.0)
    values = at(table(), gates)
    wanted = leaving_out_each(values, gates, estimates.shapley, ("shapley",))["shapley"]
    np.testing.assert_allclose(estimates.shapley(values, gates)["shapley_error"], wanted, rtol=1e-10)


def test_all_masks_give_the_exact_values():
    values = table()
    gates = np.tile(cube(NODES), (2000, 1))
    result = estimates.first_order(at(values, gates), gates)
    wanted = exact(values)
    n = len(gates)
    np.testing.assert_allclose(result["coefficient"] * (n - 1) / n, wanted["coefficient"], rtol=1e-11)
    # Both the error variance and the divisor of the variance are a share of 1/n, here 2e-5.
    np.testing.assert_allclose(result["sobol_first"], wanted["sobol_first"], atol=1e-4)
    np.testing.assert_allclose(result["additive_share"], wanted["additive_share"], atol=1e-4)


def test_an_additive_function_has_an_additive_share_of_1():
    gates = draws(2000, 10, 0.3)
    result = estimates.first_order(gates @ np.arange(1.0, 6.0), gates, probability=0.3)
    assert abs(result["additive_share"] - 1) < FAR * result["additive_share_error"]


def test_all_orders_from_all_starts_give_the_exact_values():
    values = table(4)
    orders = np.array(list(itertools.permutations(range(4))))
    gates = walk(np.repeat(cube(4), len(orders), axis=0), np.tile(orders, (16, 1)))
    result = estimates.along_paths(at(values, gates), gates)
    n = len(gates)
    np.testing.assert_allclose(result["banzhaf"], hypercube.banzhaf(values), rtol=1e-12)
    np.testing.assert_allclose(result["sobol_total"] * n / (n - 1), hypercube.sobol(values).total, rtol=1e-12)
    for start in (np.zeros_like(orders, bool), np.ones_like(orders, bool)):
        gates = walk(start, orders)
        result = estimates.shapley(at(values, gates), gates)
        np.testing.assert_allclose(result["shapley"], hypercube.shapley(values), rtol=1e-12)


def test_shapley_estimates_are_efficient_with_any_number_of_paths():
    values = table()
    gates = flip_paths(3, 11, 0.0)
    gates[1] = ~gates[1]  # one from every node on
    total = estimates.shapley(at(values, gates), gates)["shapley"].sum()
    assert float(total) == pytest.approx(values[-1] - values[0], rel=1e-13)


def labelled(values, gates, *inner):
    """The same with dimensions (probability, chain, draw, ...), gates with the dimensions in another order."""
    shape = (1, 4, len(values) // 4)
    dims = ("probability", "chain", "draw", *inner)
    nodes = [f"node {i}" for i in range(gates.shape[-1])]
    values = xr.DataArray(values.reshape(*shape, *values.shape[1:]), dims=dims)
    gates = xr.DataArray(gates.reshape(*shape, *gates.shape[1:]), {"node": nodes}, (*dims, "node"))
    return values, gates.transpose("node", *inner, "draw", "chain", "probability")


def test_labelled_arrays_equal_plain_ones_and_keep_the_nodes_labels():
    values, gates = table(), draws(400, 12)
    found = estimates.first_order(*labelled(at(values, gates), gates))
    assert found["node"].values.tolist() == [f"node {i}" for i in range(NODES)]
    same(found, estimates.first_order(at(values, gates), gates.astype(np.int8)))
    same(found, estimates.first_order(at(values, gates).reshape(2, 200), gates.reshape(2, 200, NODES).tolist()))
    paths = flip_paths(40, 13)
    found = estimates.along_paths(*labelled(at(values, paths), paths, "step"))
    same(found, estimates.along_paths(at(values, paths), paths.astype(float)))
    paths = flip_paths(40, 13, 0.0)
    found = estimates.shapley(*labelled(at(values, paths), paths, "step"))
    same(found, estimates.shapley(at(values, paths), paths))


def test_reading_in_parts_changes_nothing(monkeypatch):
    gates, paths = draws(300, 14), flip_paths(50, 14)
    values, along = at(table(), gates), at(table(), paths)
    whole = estimates.first_order(values, gates), estimates.along_paths(along, paths)
    monkeypatch.setattr(_sampled, "CELLS", 64)
    same(whole[0], estimates.first_order(values, gates))
    same(whole[1], estimates.along_paths(along, paths))


def test_what_is_not_finite_is_left_out_and_counted():
    gates = draws(400, 15)
    values = at(table(), gates)
    bad = values.copy()
    bad[[0, 7, 399]] = np.nan, np.inf, -np.inf
    kept = np.isfinite(bad)
    found = estimates.first_order(bad, gates)
    assert (int(found["draws"]), int(found["left_out"])) == (397, 3)
    same(found.drop_vars("left_out"), estimates.first_order(values[kept], gates[kept]).drop_vars("left_out"))

    for estimate, p in ((estimates.along_paths, 0.5), (estimates.shapley, 0.0)):
        gates = flip_paths(60, 16, p)
        values = at(table(), gates)
        bad = values.copy()
        bad[0, 2], bad[5, :2] = np.nan, np.inf
        kept = np.isfinite(bad).all(axis=1)
        found = estimate(bad, gates)
        assert (int(found["paths"]), int(found["left_out"])) == (58, 2)
        same(found.drop_vars("left_out"), estimate(values[kept], gates[kept]).drop_vars("left_out"))


def test_a_constant_has_effects_of_0_and_no_shares():
    gates, paths = draws(50, 17), flip_paths(50, 17)
    result = estimates.first_order(np.full(50, 0.1), gates)
    assert (result["effect"] == 0).all() and (result["effect_error"] == 0).all()
    for name in ("sobol_first", "sobol_first_error", "additive_share", "additive_share_error"):
        assert np.isnan(result[name]).all(), name
    result = estimates.along_paths(np.full((50, NODES + 1), 0.1), paths)
    assert (result["banzhaf"] == 0).all() and (result["banzhaf_error"] == 0).all()
    assert np.isnan(result["sobol_total"]).all() and np.isnan(result["sobol_total_error"]).all()


def test_values_that_all_but_one_draw_share_have_no_error_of_the_shares():
    gates = draws(50, 18)
    result = estimates.first_order(np.eye(50)[3], gates)
    assert np.isfinite(result["sobol_first"]).all() and np.isnan(result["sobol_first_error"]).all()


def test_a_node_that_never_goes_on_has_no_estimate():
    gates = draws(50, 19, 0.1)
    gates[:, 2] = False
    result = estimates.first_order(at(table(), gates), gates, probability=0.1)
    for name in ("coefficient", "coefficient_error", "effect", "effect_error", "sobol_first", "sobol_first_error"):
        assert np.isnan(result[name]).values.tolist() == [False, False, True, False, False], name
    assert np.isnan(result["additive_share"]) and np.isnan(result["additive_share_error"])


GATES, PATHS = draws(100, 20), flip_paths(100, 20)
VALUES, ALONG = at(table(), GATES), at(table(), PATHS)
FEW = np.where(np.arange(100) < 3, VALUES, np.nan)


@pytest.mark.parametrize(
    ("values", "gates", "p", "error", "message"),
    [
        (VALUES, GATES, 0.25, ValueError, r"gates must have a share near 0.25 that is on, got 0\.\d+"),
        (VALUES, GATES, 1.0, ValueError, "probability must be above 0 and below 1, got 1"),
        (VALUES, GATES, (0.25, 0.5), ValueError, r"probability must be one number, got shape \(2,\)"),
        (VALUES, GATES * 0.5, 0.5, ValueError, "gates must be zeros and ones, got 0.5"),
        (VALUES, GATES.astype(str), 0.5, TypeError, "gates must be zeros and ones, got dtype <U5"),
        (
            VALUES[:50],
            GATES,
            0.5,
            ValueError,
            r"values of shape \(..., draws\) and gates .* got \(50,\) and \(100, 5\)",
        ),
        (FEW, GATES, 0.5, ValueError, "values must be 4 or more draws of finite numbers, got 3 and 97 others"),
        (VALUES > 9, GATES, 0.5, TypeError, "values must be integers or floating-point numbers, got dtype bool"),
        (xr.Dataset(), GATES, 0.5, TypeError, "values must be numbers, got an xarray.Dataset"),
    ],
)
def test_first_order_says_what_is_wrong(values, gates, p, error, message):
    with pytest.raises(error, match=message):
        estimates.first_order(values, gates, probability=p)


def test_labelled_arrays_of_another_kind_are_refused():
    two = xr.DataArray(np.ones((2, 9)), dims=("probability", "draw"))
    with pytest.raises(ValueError, match=r"values must have one probability, got 2; select one, \.isel"):
        estimates.first_order(two, np.ones((2, 9, 3)))
    along = xr.DataArray(ALONG, dims=("draw", "step"))
    with pytest.raises(ValueError, match=r"values must be independent draws, got .*; for paths use along_paths"):
        estimates.first_order(along, PATHS)
    with pytest.raises(ValueError, match=r"values must have the dimension 'step', got \('draw',\)"):
        estimates.along_paths(along.isel(step=0), PATHS)
    gates = xr.DataArray(PATHS, dims=("path", "step", "node"))
    with pytest.raises(ValueError, match=r"gates must have the dimensions \('draw', 'step', 'node'\), got \('path'"):
        estimates.along_paths(along, gates)


@pytest.mark.parametrize(
    ("estimate", "values", "gates", "message"),
    [
        (
            estimates.shapley,
            ALONG,
            PATHS,
            r"every node on, got \d+ of 100 that do not; sweep FlipPaths\(probability=0\)",
        ),
        (estimates.along_paths, ALONG, flip_paths(100, 21, 0.0), r"near 0.5 .* got 0 at the start; sweep FlipPaths\("),
        (estimates.along_paths, ALONG[:, :3], PATHS[:, :3], "gates must be whole paths, 6 steps for 5 nodes, got 3"),
        (estimates.along_paths, ALONG, PATHS[:, [0, 1, 2, 3, 4, 4]], "gates must be whole paths, one node flipped"),
        (estimates.along_paths, ALONG, PATHS[:, [0, 1, 0, 1, 0, 1]], "gates must be whole paths, one node flipped"),
        (
            estimates.along_paths,
            ALONG[:2],
            PATHS[:2],
            "values must be 3 or more paths of finite numbers, got 2 and 0",
        ),
        (estimates.shapley, ALONG[:1], PATHS[:1], "values must be 2 or more paths of finite numbers, got 1 and 0"),
    ],
)
def test_paths_say_what_is_wrong(estimate, values, gates, message):
    with pytest.raises(ValueError, match=message):
        estimate(values, gates)


def test_a_table_that_is_not_whole_points_to_the_estimates():
    for values in (VALUES, ALONG):
        with pytest.raises(ValueError, match=r"values must .*2\*\*N.*; for sampled masks see .*\.estimates"):
            hypercube.banzhaf(values)
