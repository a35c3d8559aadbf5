"""What is kept of all masks of a network, against plain loops over all masks."""

import numpy as np
import pytest
import xarray as xr

from sweeps._studies.circle import published
from sweeps._studies.circle.measures import cubes, many
from tests.analysis import synthetic_run
from tests.studies.circle.results import results_of

NODES = 6
MASKS = synthetic_run.masks(NODES)


@pytest.fixture(scope="module")
def log_loss():
    return np.random.default_rng(2).standard_normal(2**NODES) - 0.3 * MASKS.sum(axis=1)


@pytest.fixture(scope="module")
def reduced(log_loss):
    tree = synthetic_run.make_tree(nodes=NODES, networks=1, bad=False)
    cube = synthetic_run.hypercube(NODES).assign(log_loss=("mask", log_loss), loss=("mask", np.exp(log_loss)))
    network = tree["networks/weights"].to_dataset().isel(boundary=0, network=0)
    draws, inputs = tree["sweeps/bernoulli"].to_dataset(), tree["task"]["test_inputs"].values
    return cubes.of_network(cube, draws, network, inputs), (cube, draws, network, inputs)


def test_numbers_are_those_of_loops_over_all_masks(reduced, log_loss):
    found, loss = reduced[0], np.exp(log_loss)
    on = MASKS.sum(axis=1)
    for size in range(NODES + 1):
        assert found["mean_loss"][size] == pytest.approx(loss[on == size].mean())
    inside = sum(np.sum((log_loss[on == size] - log_loss[on == size].mean()) ** 2) for size in range(NODES + 1))
    assert found["within_sizes"] == pytest.approx(inside / 2**NODES / log_loss.var())
    for node in range(NODES):
        assert found["alone_on"][node] == pytest.approx(loss[1 << node] - loss[0])
        assert found["alone_off"][node] == pytest.approx(loss[2**NODES - 1 - (1 << node)] - loss[-1])
    steps = [log_loss[m] - log_loss[m ^ (1 << node)] for m in range(2**NODES) for node in range(NODES)]
    assert found["significant_flips"] == pytest.approx(np.mean(np.abs(steps) >= np.log(1.5)))
    good = np.flatnonzero(log_loss <= np.quantile(log_loss, 0.1))
    better = [log_loss[2**NODES - 1 - m] < np.median(log_loss) for m in good]
    assert found["good_opposites"] == pytest.approx(np.mean(better))
    assert found["correlation"] == pytest.approx(found["covariance"][-1] / found["covariance"][0])


def test_a_network_with_a_loss_of_zero_has_no_numbers(reduced):
    cube, *others = reduced[1]
    bad = cube.copy(deep=True)
    bad["log_loss"][3] = -np.inf
    found = cubes.of_network(bad, *others)
    assert set(found) == set(reduced[0]) and all(found[name].isnull().all() for name in found)


def test_maxima_are_counted_where_the_density_falls_on_both_sides():
    x = np.linspace(0, 1, 400)
    assert cubes.maxima((x, np.sin(6 * np.pi * x) ** 2)) == 6
    assert cubes.maxima((x, np.exp(-((x - 0.5) ** 2)) + 1e-4 * np.sin(90 * x))) == 1


def test_the_curve_of_the_mean_loss_is_that_of_the_masks(log_loss, reduced):
    held = xr.concat([reduced[0]], "network")
    found = many.ManyResults(None, None, None, None, held)
    for place in (0, 60, 200):
        p = many.CHANCES[place]
        chance = np.where(MASKS, p, 1 - p).prod(axis=1)
        assert found.curves[0, place] == pytest.approx(chance @ np.exp(log_loss))
    assert found.peaks[0] == many.CHANCES[np.argmax(found.curves[0])]


def test_networks_are_those_of_the_circle_of_this_run(clean_tree):
    results = results_of(clean_tree)
    weights = clean_tree["networks/weights"].to_dataset()
    assert results.boundary == "text" and results.many.nodes.sizes["network"] == weights.sizes["network"]
    effect = np.diff(weights["layers.1.kernel"].sel(boundary="text").values)[..., 0]
    np.testing.assert_allclose(results.many.nodes["effect"], effect)
    assert (results.many.plane["loss"] <= 1).all() and (results.many.plane["area"] < 1).all()


def test_the_source_masks_are_drawn_again():
    assert published.drawn_again() == {"distinct_masks": 952, "full_masks": 5, "node_14_masks": 3}
    assert {p: masks.shape for p, masks in published.masks().items()} == dict.fromkeys((0.25, 0.5, 0.75), (1000, 20))
