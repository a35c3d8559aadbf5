"""The claims of the circle study: each verdict by its rule, on stores that were made to give it."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.claims import FAILS, HOLDS, NOT_COMPARABLE, NOT_MEASURED, PARTLY, UNDECIDED, VERDICTS, measured
from sweeps._studies.circle import claims, measures, published
from sweeps._studies.circle.measures.many import ManyResults
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


def with_many(results, part, **values):
    """Results with numbers of the networks replaced: by one for all, or by one for each."""
    data = getattr(results.many, part)
    changed = {}
    for key, value in values.items():
        shape = data[key].transpose("network", ...).shape
        value = np.asarray(value, float)
        value = value.reshape(value.shape + (1,) * (len(shape) - value.ndim)) if value.ndim == 1 else value
        changed[key] = data[key].transpose("network", ...).copy(data=np.broadcast_to(value, shape))
    return replace(results, many=replace(results.many, **{part: data.assign(changed)}))


def around(value, scatter=0.01):
    """Six numbers about a value, one a network."""
    return value + scatter * np.array([-1, 1, -0.5, 0.5, -0.2, 0.2])


def without_many(results):
    return replace(results, many=ManyResults(None, None, None, None, None))


def test_every_claim_is_judged(results):
    found = claims.judge(results)
    assert list(found) == list(claims.STATEMENTS) and {one.verdict for one in found.values()} <= set(VERDICTS)
    assert all(one.statement.rule for one in found.values())
    assert {name for name, one in found.items() if not one.statement.published} == {"rises", "first_nodes"}


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
    full = results.alike["full_loss"].values
    for share, expected in ((around(0.02), HOLDS), (around(0.2), FAILS), (around(0.05, 0.02), UNDECIDED)):
        assert verdict(with_many(results, "cubes", alone_off=share * full), "harmless") == expected
    one = without_many(results)
    assert verdict(one, "harmless") == UNDECIDED  # of one network
    nothing = replace(one, nodes=one.nodes.assign(change=one.nodes["change"] * np.nan))
    assert verdict(nothing, "harmless") == NOT_MEASURED


@pytest.mark.parametrize(
    ("name", "part", "key", "bound", "below"),
    [
        ("which_nodes", "cubes", "within_sizes", 0.5, False),
        ("rises", "cubes", "alone_on", 0, False),
        ("opposite", "cubes", "correlation", 0, False),
        ("good_opposites", "cubes", "good_opposites", 0.5, False),
        ("tails", "gradients", "excess_kurtosis", 0, False),
        ("negative", "gradients", "mean", 0, True),
        ("trough", "gradients", "trough", 1, True),
        ("two_laws", "gradients", "state_trough", 1, True),
        ("unequal", "gradients", "weakest", 0.5, True),
        ("edge", "plane", "loss", 0.5, False),
        ("confident", "plane", "gradient", 0.5, False),
    ],
)
def test_a_number_over_our_networks_is_held_to_its_bound(results, name, part, key, bound, below):
    for side, expected in ((1, HOLDS), (-1, FAILS), (0, UNDECIDED)):
        values = around(bound + (-side if below else side) * 0.1)
        assert verdict(with_many(results, part, **{key: values}), name) == expected
    if name != "opposite":
        assert verdict(without_many(results), name) == NOT_MEASURED


def test_published_gradients_are_held_to_the_range_of_our_networks(results):
    wide = np.linspace(-1, 1, 6)
    found = with_many(results, "gradients", mean=wide, sd=wide)
    assert verdict(found, "mean_gradients") == verdict(found, "sd_gradients") == HOLDS
    assert verdict(with_many(results, "gradients", mean=wide + 9), "mean_gradients") == UNDECIDED  # of six networks
    assert len(claims.judge(found)["mean_gradients"].cases) == 6


def test_the_states_have_means_of_both_signs(results):
    for (off, on), expected in (((-1, 1), HOLDS), ((1, 1), PARTLY), ((1, -1), FAILS), ((0, 0), UNDECIDED)):
        scatter = np.reshape(around(0), (6, 1, 1, 1))
        assert verdict(with_many(results, "gradients", state_mean=scatter + [off, on]), "states") == expected


@pytest.mark.parametrize(("off", "expected"), [(0.1, HOLDS), (-0.6, FAILS), (1 / 3, UNDECIDED)])
def test_the_check_of_the_mean_gradient(results, off, expected):
    loss = results.alike["mean_loss"]
    change = (loss.sel(probability=0.75) - loss.sel(probability=0.25)).values
    mean = change * (1 + around(off)) / (synthetic_run.NODES * 0.5)
    found = with_many(results, "gradients", mean=mean)
    assert verdict(found, "check") == expected
    claim = claims.judge(found)["check"]
    assert claim.measured.mean == pytest.approx(off, abs=1e-9) and claim.unit == "%"
    without = replace(results, gradients=replace(results.gradients, slope=None))
    assert verdict(without, "check") == NOT_MEASURED


def test_flips_and_paths(results):
    assert verdict(results, "decay") == NOT_COMPARABLE and verdict(results, "reversal") in (HOLDS, FAILS)
    one = np.linspace(1, 0, synthetic_run.NODES + 1)
    covariance = np.stack([one + scatter * (one - 1) for scatter in around(0)])
    for share, expected in ((0.2, HOLDS), (0.01, PARTLY), (0.05, UNDECIDED)):
        found = with_many(results, "cubes", covariance=covariance, significant_flips=around(share))
        assert verdict(found, "one_flip") == expected
    steep = with_many(results, "cubes", covariance=covariance**3, significant_flips=around(0))
    assert verdict(steep, "one_flip") == FAILS
    nothing = replace(without_many(results), hypercube=replace(results.hypercube, cube=None, paths=None))
    for name in ("decay", "opposite", "reversal", "one_flip"):
        assert verdict(nothing, name) == NOT_MEASURED


def test_the_opposite_of_one_network_decides_nothing(results):
    alone = without_many(results)
    assert verdict(alone, "opposite") == UNDECIDED
    assert claims.judge(alone)["opposite"].measured.mean == results.hypercube.cube.opposite.correlation
    sampled = replace(alone, hypercube=replace(alone.hypercube, cube=None))
    assert verdict(sampled, "opposite") == UNDECIDED


def test_nodes_that_balance(results):
    def explained(products, whole, slope):
        shares = np.stack([around(0.1), around(products), around(whole)], axis=-1)
        return with_many(results, "cubes", r_squared=shares, slope=around(slope))

    for numbers, expected in (
        ((0.6, 0.8, 1.0), HOLDS),
        ((0.6, 0.61, 1.0), PARTLY),  # the directions add next to nothing
        ((0.6, 0.8, -1.0), PARTLY),  # imbalance lowers the loss
        ((0.2, 0.21, -1.0), FAILS),
        ((0.6, 0.8, 0.0), UNDECIDED),
    ):
        # The scatter of both regressions is one and the same, so that of their difference is nothing.
        assert verdict(explained(*numbers), "balance") == expected
    for ratio, expected in ((0.2, HOLDS), (0.8, FAILS), (0.5, UNDECIDED)):
        found = with_many(results, "cubes", whole_imbalance=around(ratio), mean_imbalance=1.0)
        assert verdict(found, "whole_balance") == expected


def test_balance_explains_opposites_only_if_they_would_be_unlike_without_it(results):
    for (products, directions, together), expected in (
        ((0.4, 0.1, 0.2), HOLDS),
        ((0.4, 0.1, 0.7), PARTLY),
        ((-0.1, -0.1, 0.2), FAILS),
        ((0.4, 0.0, 0.2), UNDECIDED),
    ):
        carried = np.stack([around(-0.3), around(products), around(directions), around(0)], axis=-1)
        found = with_many(results, "cubes", carried=carried, correlation=around(together))
        assert verdict(found, "explains") == expected


def with_nodes(results, role, effect, active):
    nodes = results.many.nodes
    shape = nodes["role"].shape
    values = {"role": np.asarray(role), "effect": np.asarray(effect, float), "active": np.asarray(active, float)}
    changed = {key: (nodes["role"].dims, np.broadcast_to(value, shape)) for key, value in values.items()}
    return replace(results, many=replace(results.many, nodes=nodes.assign(changed)))


def test_bias_nodes_and_slices(results):
    role = np.array(["bias"] * 4 + ["slicing"] * 4)
    effect, active = np.where(role == "bias", -1.0, 2.0), np.where(role == "bias", 1.0, 0.3)
    found = with_nodes(results, role, effect, active)
    assert (verdict(found, "bias_nodes"), verdict(found, "slices")) == (HOLDS, HOLDS)
    found = with_nodes(results, role, -effect, active)
    assert (verdict(found, "bias_nodes"), verdict(found, "slices")) == (PARTLY, FAILS)
    # Nodes that are never active slice nothing off.
    found = with_nodes(results, np.array(["dead"] * 8), 1, 0)
    assert (verdict(found, "bias_nodes"), verdict(found, "slices")) == (UNDECIDED, FAILS)
    alone = np.where(role == "bias", 1.0, -0.2) * np.ones((6, 1)) + np.reshape(around(0), (6, 1))
    found = with_many(with_nodes(results, role, effect, active), "cubes", alone_on=alone)
    assert verdict(found, "first_nodes") == HOLDS
    assert verdict(with_many(found, "cubes", alone_on=-alone), "first_nodes") == FAILS


def test_the_wiggles_are_noise_if_all_masks_have_fewer(results):
    for exact, expected in ((2, HOLDS), (18, FAILS), (10, UNDECIDED)):
        found = with_many(results, "cubes", maxima=around(exact, 1.0), drawn_maxima=20.0)
        assert verdict(found, "wiggles") == expected


def test_the_masks_of_the_source_are_drawn_again(results, monkeypatch):
    assert verdict(results, "full_masks") == verdict(results, "distinct_masks") == HOLDS
    monkeypatch.setattr(published, "masks", lambda: {0.75: np.zeros((1000, 20), bool)})
    assert verdict(results, "full_masks") == verdict(results, "distinct_masks") == FAILS
