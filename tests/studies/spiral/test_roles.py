"""Roles of nodes, constant nodes and learning rates: against plain loops, and networks made to have known roles."""

from itertools import permutations

import numpy as np
import pytest
import xarray as xr

from analysis import perceptron
from analysis.intervals import over_pairs
from sweeps._studies.spiral.measures import idle, kernels, outcomes, rates, roles
from sweeps._studies.spiral.measures.networks import Networks
from tests.studies.spiral import synthetic


@pytest.fixture(scope="module")
def store():
    tree = synthetic.make_tree()
    main = {name: tree[name].to_dataset() for name in ("task", "nodes", "full", "pruned")}
    return main | {"rates": {name: tree[f"rates/{name}"].to_dataset() for name in rates.GROUPS}}


@pytest.fixture(scope="module")
def networks(store):
    inputs = store["task"]["train_inputs"].values
    return Networks(store["full"], inputs), Networks(store["pruned"].sel(compensation="with"), inputs)


def activations(random, *nodes):
    return [random.normal(size=(30, count)) for count in nodes]


def test_stored_networks_are_evaluated(store, networks):
    one = store["full"].sel(arm="trained").isel(network=1)
    parameters = {name: one[name].values for name in one if str(name).startswith("layers")}
    expected = synthetic.activations(parameters, store["task"]["train_inputs"].values)
    for found, values in zip(networks[0].activations("trained", 1), expected[:-1], strict=True):
        np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-5)
    assert networks[0].count == networks[1].count == 3


def test_likeness_of_nodes_is_that_of_loops():
    random = np.random.default_rng(0)
    one, other = activations(random, 4, 3), activations(random, 4, 3)
    other = [0.7 * a + 0.5 * b for a, b in zip(one, other, strict=True)]
    # Of the first layer a node is constant in one network, and another in the other.
    one[0][:, 1] = 2.0
    other[0][:, 3] = 0.0
    found = roles.compare(one, other)
    same, apart, own = [], [], []
    for layer, nodes in enumerate(([0, 2], [0, 1, 2])):
        alike = {(i, j): np.corrcoef(one[layer][:, i], other[layer][:, j])[0, 1] for i in nodes for j in nodes}
        same += [alike[i, i] for i in nodes]
        # Each node weighs as much as any other, whichever its layer.
        apart += [np.mean([alike[i, j] for j in nodes if j != i]) for i in nodes]
        best = max(permutations(nodes), key=lambda to: sum(alike[i, j] for i, j in zip(nodes, to, strict=True)))
        own += [i == j for i, j in zip(nodes, best, strict=True)]
    assert found.same == pytest.approx(np.mean(same)) and found.other == pytest.approx(np.mean(apart))
    assert found.own == np.mean(own) and found.chance == pytest.approx(2 / 5) and found.nodes == 5
    assert found.constant == found.constant_other == pytest.approx(1 / 7)


def test_a_network_is_like_itself_and_its_permutation_matches_as_well():
    (values,) = activations(np.random.default_rng(1), 8)
    whole, shuffled = roles.compare([values], [values]), roles.compare([values], [np.roll(values, 1, axis=1)])
    assert whole.same == pytest.approx(1.0) and (whole.own, whole.beyond) == (1.0, 1.0)
    assert abs(whole.other) < 0.2 and abs(shuffled.same) < 0.2 and (shuffled.own, shuffled.beyond) == (0.0, 0.0)
    assert whole.best == pytest.approx(1.0) and shuffled.best == pytest.approx(1.0)


def test_what_follows_from_the_start_is_taken_out():
    random = np.random.default_rng(3)
    start, values = random.normal(size=(40, 3)), random.normal(size=(40, 3))
    values[:, 1] = 2 * start[:, 1] + 1  # nothing but its start
    start[:, 2] = 0  # off at the start
    found = roles.without_start(values, start)
    design = np.stack([np.ones(40), start[:, 0]], axis=1)
    expected = values[:, 0] - design @ np.linalg.lstsq(design, values[:, 0], rcond=None)[0]
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-12)
    assert not found[:, 1].any()
    np.testing.assert_allclose(found[:, 2], values[:, 2] - values[:, 2].mean())


def test_networks_without_varying_nodes_have_no_roles():
    found = roles.compare([np.zeros((9, 3))], [np.arange(27.0).reshape(9, 3)])
    assert np.isnan([found.same, found.own, found.best, found.beyond]).all() and found.nodes == 0
    assert (found.constant, found.constant_other) == (1.0, 0.0)


def test_nodes_that_stay_are_compared(store, networks):
    found = roles.roles(*networks, store["nodes"]).isel(choice=1, network=2)
    keep = store["nodes"]["keep"].transpose("choice", "network", "node").values[1, 2]
    sides = {
        "prune_first": (networks[0].activations("trained", 2), networks[1].activations("prune_first", 1, 2)),
        "pruned": (networks[1].activations("pruned", 1, 2), networks[1].activations("prune_first", 1, 2)),
        "reshuffled": (networks[0].activations("trained", 2), networks[0].activations("reshuffled", 2)),
    }
    for pair, (one, other) in sides.items():
        staying = [
            [a[:, stays] for a, stays in zip(side, (keep[:12], keep[12:]), strict=True)] for side in (one, other)
        ]
        expected = roles.compare(*staying)._asdict()
        for name, value in expected.items():
            assert float(found[name].sel(pair=pair)) == pytest.approx(value, nan_ok=True), (pair, name)


def test_seeds_are_held_against_other_seeds(store, networks):
    found = roles.strangers(*networks, store["nodes"]).sel(kind="smallest deviation")
    own = roles.roles(*networks, store["nodes"])["best"].sel(pair="prune_first", choice="smallest deviation")
    np.testing.assert_allclose(np.diag(found.values), own.values, atol=1e-5)
    apart = [found.values[i, j] for i in range(3) for j in range(3) if i != j]
    better = over_pairs(roles.against_strangers(found))
    assert better.mean == pytest.approx(np.mean(own.values) - np.mean(apart), abs=1e-6)
    lost = found.copy()
    lost[1] = np.nan
    assert roles.against_strangers(lost).shape == (2, 2)


def test_removing_constant_nodes_changes_nothing_with_compensation_alone():
    random = np.random.default_rng(2)
    shapes = ((2, 3), (3, 3), (3, 2))
    network = perceptron.Perceptron(
        tuple(random.normal(size=shape) for shape in shapes),
        tuple(random.normal(size=shape[1]) for shape in shapes),
        "relu",
        "identity",
    )
    network.kernels[0][:, 1], network.biases[0][1] = 0, 1.5  # constant, and not zero
    inputs = random.normal(size=(20, 2))
    keep = np.array([True, False, True, True, True, True])
    found = idle.without(network, keep, perceptron.activations(network, inputs))
    before = perceptron.outputs(network, inputs)
    np.testing.assert_allclose(perceptron.outputs(found, inputs), before, rtol=1e-12)
    assert np.abs(perceptron.outputs(network, inputs, gates=keep.astype(float)) - before).max() > 0.01
    assert not found.kernels[1][1].any()


def test_constant_nodes_are_told_from_those_that_a_small_change_wakes():
    # Of one input from 0 to 1: varies; off by far; off by less than a hundredth of its summands.
    kernel, bias = np.array([[1.0, -1.0, 1.0]]), np.array([0.0, -1.0, -1.001])
    parts = {"layers.0.kernel": kernel, "layers.0.bias": bias, "layers.1.kernel": np.array([[9.0], [1], [1]])}
    dims = {name: ("a", "b") if name.endswith("kernel") else ("b",) for name in parts}
    data = xr.Dataset({name: (tuple(f"{name}{d}" for d in dims[name]), one) for name, one in parts.items()})
    data = data.expand_dims(arm=["trained"], network=1).assign_attrs(
        sizes=[1, 3, 1], activation="relu", output_activation="identity"
    )
    data["layers.1.bias"] = (("arm", "network", "o"), np.zeros((1, 1, 1)))
    found = idle.idle(Networks(data, np.linspace(0, 1, 11)[:, None]), np.ones(11, int)).isel(network=0)
    assert float(found["constant"]) == pytest.approx(2 / 3) and float(found["stays"]) == 0.5
    assert float(found["removed"]) == 0 == float(found["not_zero"])
    # The probability of class 1 is that of the logit 9 x, above 0.9 from x = 0.244 on.
    assert float(found["confident"]) == pytest.approx(8 / 11)


def test_weights_that_stay_are_spread_as_they_start(store):
    main = kernels.read(store["full"], store["pruned"], store["nodes"])
    found, still = kernels.spread(main), kernels.unmoved(main).sel(arm="both")
    start, one, first = main.full["initial"][0], main.full["trained"][0], main.pruned["prune_first"][1, 0]
    same = (start == one) & (start == first) & main.kept[1, 0]
    at = {"choice": 1, "network": 0}
    assert float(still[at]) * main.kept[1, 0].sum() == pytest.approx(same.sum())
    inner = np.abs(start[same]) < np.abs(start).max() / 2
    expected = [(start[same] > 0).mean(), inner.mean()] if same.any() else [np.nan] * 2
    np.testing.assert_allclose(found[:, 1, 0], expected)


def test_learning_rates_are_measured_as_the_run_is(store):
    inside = outcomes.data_square(store["task"], store["full"])
    found = rates.measure(store["rates"], store["task"], inside)
    np.testing.assert_allclose(found.data["peak"], synthetic.DISTANCE, atol=0.2)
    assert found.smallest == 0.01 and found.data["moved"].dims == ("learning_rate", "network", "distance")
    full, pruned, nodes = (store["rates"][name].isel(learning_rate=1) for name in rates.GROUPS)
    accuracy = pruned["accuracy"].sel(arm="finetuned", choice="smallest deviation", compensation="with")
    place = {"learning_rate": 0.1, "arm": "finetuned", "kind": "smallest deviation"}
    np.testing.assert_allclose(found.data["accuracy"].sel(place), accuracy)
    np.testing.assert_allclose(found.data["trained"].sel(learning_rate=0.1), full["accuracy"].sel(arm="trained"))
    inputs = store["task"]["train_inputs"].values
    alike = roles.roles(Networks(full, inputs), Networks(pruned.sel(compensation="with"), inputs), nodes)
    np.testing.assert_allclose(
        found.roles["same"].sel(learning_rate=0.1, kind="random"), alike["same"].sel(choice="random 0")
    )
    assert found.likeness.same.size <= 3 * 12 and len(found.likeness.matrices) == 2
