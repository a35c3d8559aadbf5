"""The claims of the circle study: each verdict by its rule, on stores that were made to give it."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from analysis.claims import FAILS, HOLDS, NOT_COMPARABLE, NOT_MEASURED, PARTLY, UNDECIDED, VERDICTS, measured
from sweeps.studies.circle import claims, measures
from tests.analysis import synthetic_run
from tests.studies.circle.results import results_of


@pytest.fixture(scope="module")
def results(clean_tree):
    return results_of(clean_tree)


def verdict(results, name):
    return claims.judge(results)[name].verdict


def with_spread(results, **values):
    """Results with statistics of every network replaced."""
    changed = {
        key: results.spread[key].copy(data=np.broadcast_to(v, results.spread[key].shape)) for key, v in values.items()
    }
    spread = results.spread.assign(changed)
    return replace(results, spread=spread, comparison=measures.networks.compare(spread))


def with_gradients(results, name, **values):
    data = results.gradients.statistics[name]
    data = data.assign(
        {key: data[key].copy(data=np.broadcast_to(value, data[key].shape)) for key, value in values.items()}
    )
    gradients = replace(results.gradients, statistics={**results.gradients.statistics, name: data})
    return replace(results, gradients=gradients)


def test_every_claim_is_judged(results):
    found = claims.judge(results)
    assert list(found) == list(claims.STATEMENTS) and {one.verdict for one in found.values()} <= set(VERDICTS)
    assert all(one.statement.published and one.statement.rule for one in found.values())


@pytest.mark.parametrize(
    ("networks", "within_range", "expected"),
    [(0, False, NOT_MEASURED), (1, True, UNDECIDED), (2, True, HOLDS), (18, False, UNDECIDED), (19, False, FAILS)],
)
def test_a_number_outside_the_range_of_few_networks_decides_nothing(networks, within_range, expected):
    assert claims.inside(networks, within_range) == expected


def test_published_losses_are_held_to_the_range_of_our_networks(results):
    many = [np.linspace(0.1, 0.2, 6), np.linspace(0.3, 0.4, 6)]
    assert verdict(with_spread(results, full_loss=many), "full_loss") == HOLDS
    assert verdict(with_spread(results, full_loss=many[::-1]), "full_loss") == UNDECIDED  # of six networks
    wide = np.reshape(np.linspace(-2, 2, 6), (1, 6, 1))
    assert verdict(with_spread(results, mean_loss=wide + 0.8), "mean_loss") == HOLDS
    assert verdict(with_spread(results, mean_log_loss=wide, sd_log_loss=wide + 9), "log_loss") == UNDECIDED
    losses = claims.judge(results)["mean_loss"]
    assert measured(losses).count("±") == len(losses.cases) == 3
    claim = claims.judge(with_spread(results, full_loss=many))["full_loss"]
    assert (claim.measured.networks, claim.unit) == (6, "nats")
    assert claim.measured.mean == pytest.approx(0.15) and claim.measured.known


def test_many_networks_decide():
    tree = synthetic_run.make_tree(bad=False, networks=20, draws=60)
    tree["spread"]["full_loss"][0] = np.linspace(0.2, 0.3, 20)
    found = results_of(tree)
    assert verdict(found, "full_loss") == FAILS
    frame = found.comparison.assign(inside=found.comparison["inside"] & (found.comparison["probability"] != 0.25))
    assert verdict(replace(found, comparison=frame), "log_loss") == PARTLY


def test_the_loss_falls_from_each_probability_to_the_next(results):
    noise = 0.01 * np.random.default_rng(0).standard_normal((1, 6, 1))
    for losses, expected in (([3.0, 2, 1], HOLDS), ([3, 1, 2], FAILS), ([2, 1, 1], UNDECIDED)):
        slope = np.array([0, 1, -1]) * noise
        assert verdict(with_spread(results, mean_loss=np.array(losses) + slope), "more_nodes") == expected


@pytest.mark.parametrize(("skewness", "expected"), [(1.0, HOLDS), (-1.0, FAILS), (0.0, UNDECIDED)])
def test_skewness_is_that_of_our_networks(results, skewness, expected):
    scatter = np.reshape([-0.1, 0.1, -0.2, 0.2, -0.3, 0.3], (1, 6, 1))
    assert verdict(with_spread(results, skewness=skewness + scatter), "skewed") == expected


@pytest.mark.parametrize(
    ("distance", "noise", "approximation"),
    [(0.01, HOLDS, HOLDS), (0.09, FAILS, HOLDS), (0.3, FAILS, FAILS), (np.nan, NOT_MEASURED, NOT_MEASURED)],
)
def test_log_normality_by_the_distance_of_the_distribution_functions(results, distance, noise, approximation):
    scatter = np.reshape(np.linspace(-0.005, 0.005, 6), (1, 6, 1))
    found = with_spread(results, ks_distance=distance + scatter)
    assert (verdict(found, "noise"), verdict(found, "approximation")) == (noise, approximation)


def test_a_node_that_hardly_costs_anything(results):
    assert verdict(results, "harmless") == FAILS  # the cheapest change is 0.02 of 0.21
    for change, expected in ((0.01, HOLDS), (np.nan, NOT_MEASURED)):
        nodes = results.nodes.assign(change=results.nodes["change"] * 0 + change)
        assert verdict(replace(results, nodes=nodes), "harmless") == expected


def test_gradients_of_one_network_are_judged_by_three_standard_errors(results):
    assert verdict(results, "mean_gradients") == UNDECIDED
    for kurtosis, expected in (([4, 4, 4], HOLDS), ([4, -4, 4], PARTLY), ([4, 2, 4], UNDECIDED)):
        found = with_gradients(results, "loss_gradient", excess_kurtosis=kurtosis, excess_kurtosis_error=1)
        assert verdict(found, "tails") == expected
    for depth, expected in ((0.5, HOLDS), (1.0, FAILS), (0.9, UNDECIDED)):
        found = with_gradients(results, "log_loss_gradient", trough=depth, trough_error=0.1)
        assert verdict(found, "trough") == expected
    for means, expected in (
        ([-1, 1], HOLDS),
        ([1, 1], PARTLY),
        ([1, -1], FAILS),
        ([-0.1, 0.1], UNDECIDED),
        ([-1, np.nan], NOT_MEASURED),
    ):
        found = with_gradients(results, "log_loss_gradient", state_mean=means, state_mean_error=0.1)
        assert verdict(found, "states") == expected


@pytest.mark.parametrize(
    ("predicted", "error", "expected"), [(-0.5, 0.01, HOLDS), (-0.9, 0.01, FAILS), (-0.6, 0.2, UNDECIDED)]
)
def test_the_check_of_the_mean_gradient(results, predicted, error, expected):
    slope = results.gradients.slope.assign(predicted=predicted, predicted_error=error, change=-0.45, change_error=error)
    found = replace(results, gradients=replace(results.gradients, slope=slope))
    assert verdict(found, "check") == expected
    claim = claims.judge(found)["check"]
    assert claim.measured.mean == pytest.approx(predicted / -0.45 - 1) and claim.unit == "%"
    without = replace(results, gradients=replace(results.gradients, slope=None))
    assert verdict(without, "check") == NOT_MEASURED


def test_paths_and_the_cube(results):
    assert verdict(results, "decay") == NOT_COMPARABLE
    exact = results.hypercube.cube.opposite.correlation
    assert verdict(results, "opposite") == (HOLDS if exact > 0 else FAILS)
    nothing = replace(results, hypercube=replace(results.hypercube, cube=None, paths=None))
    assert verdict(nothing, "decay") == verdict(nothing, "opposite") == NOT_MEASURED
    for value, expected in ((0.5, HOLDS), (0.1, UNDECIDED), (-0.5, FAILS)):
        sampled = results.hypercube.paths.sampled.assign(
            opposite_correlation=value, opposite_correlation_error=0.1, first_insignificant=np.nan
        )
        paths = replace(results.hypercube.paths, sampled=sampled)
        found = replace(results, hypercube=replace(results.hypercube, cube=None, paths=paths))
        assert verdict(found, "opposite") == expected
        assert claims.judge(found)["decay"].measured is None


def test_where_the_loss_lies(results):
    assert verdict(replace(results, plane=None), "edge") == NOT_MEASURED
    for uncertain, expected in ((True, HOLDS), (False, FAILS)):
        maps = xr.Dataset({"certainty": ("x", [0.5, 0.99]), "loss": ("x", [1.0, 2.0][:: 1 if not uncertain else -1])})
        assert verdict(replace(results, plane=replace(results.plane, maps=maps)), "edge") == expected
