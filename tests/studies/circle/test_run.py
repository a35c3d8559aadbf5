"""The circle study: what its store holds, against the oracle, and that a run can be repeated."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from sweeps import _cli
from sweeps._studies.circle import run as circle
from sweeps._studies.circle.settings import Circle
from sweeps.tasks import circle as circle_task
from tests import browser, reference
from tests.sweeps import helpers
from tests.sweeps.conftest import SIZES

SETTINGS, NODES = Circle(**SIZES), SIZES["nodes"]


@pytest.fixture(scope="module")
def tree(circle_run):
    with xr.open_datatree(circle_run / "run.zarr", engine="zarr", consolidated=False) as opened:
        return opened.load()


@pytest.fixture(scope="module")
def problem(tree):
    """The stored network on the stored test set, for the oracle."""
    parts = tree["network"]
    layers = tuple(
        (parts[f"layers.{index}.kernel"].values.astype(float), parts[f"layers.{index}.bias"].values.astype(float))
        for index in range(2)
    )
    task = tree["task"]
    return reference.Problem(
        layers, "relu", task.test_inputs.values.astype(float), task.test_targets.values, "cross_entropy"
    )


def test_groups(tree):
    groups = {"/task", "/network", "/training", "/sweeps/bernoulli", "/sweeps/leave_one_out", "/spread"}
    groups |= {"/sweeps/flip_paths", "/sweeps/hypercube"}
    groups |= {"/networks/weights", "/networks/gradients", "/networks/cubes"}
    assert set(tree.groups) == groups | {"/", "/sweeps", "/networks"}


def test_attributes(tree):
    assert tree.attrs["study"] == "circle" and tree.attrs["format"] == 3
    assert json.loads(tree.attrs["seeds"]) == {"network": 0, "test_set": 23, "masks": 17}
    assert json.loads(tree.attrs["config"])["probability"] == [0.25, 0.5, 0.75]
    assert "jax" in json.loads(tree.attrs["versions"])


def test_the_task_is_the_circle(tree):
    task = circle_task(train_examples=64, test_examples=64)
    np.testing.assert_array_equal(tree["task"].train_inputs, task.train.inputs)
    np.testing.assert_array_equal(tree["task"].test_targets, task.test.targets)
    assert tree["task"].attrs["radius"] == pytest.approx(np.sqrt(2 / np.pi), rel=1e-15)
    assert tree["task"].attrs["boundary"] == "text"


def test_the_sweep_is_that_of_the_stored_network(tree, problem):
    data = tree["sweeps/bernoulli"]
    assert dict(data.loss.sizes) == {"probability": 3, "chain": 1, "draw": 50}
    # Every fifth draw: the oracle takes its time.
    some = data.to_dataset().isel(draw=slice(None, None, 5))
    value = reference.evaluate(problem, some.gates.values)
    of_loss, of_gradient = helpers.rounding(problem, np.ones(NODES))
    np.testing.assert_allclose(some.loss, value.loss, rtol=0, atol=of_loss)
    np.testing.assert_allclose(some.loss_gradient, value.loss_gradient, rtol=0, atol=of_gradient)
    np.testing.assert_allclose(some.log_loss, np.log(some.loss), rtol=1e-5, atol=1e-6)


def test_leave_one_out_and_full_losses(tree, problem):
    of_loss, _ = helpers.rounding(problem, np.ones(NODES))
    wanted = [reference.loss(problem, mask) for mask in 1 - np.eye(NODES)]
    np.testing.assert_allclose(tree["sweeps/leave_one_out"].loss, wanted, rtol=0, atol=of_loss)
    full = reference.loss(problem, np.ones(NODES))
    train = problem._replace(
        inputs=tree["task"].train_inputs.values.astype(float), targets=tree["task"].train_targets.values
    )
    for found in (tree["network"].attrs["full_loss"], tree["sweeps/bernoulli"].attrs["full_loss"]):
        assert found == pytest.approx(full, abs=of_loss)
    assert tree["network"].attrs["train_loss"] == pytest.approx(reference.loss(train, np.ones(NODES)), abs=of_loss)
    right = reference.outputs(problem, np.ones(NODES)).argmax(axis=1) == problem.targets
    assert tree["network"].attrs["full_accuracy"] == pytest.approx(right.mean(), rel=1e-12)


def test_training_history(tree):
    training = tree["training"]
    assert list(training.epoch.values) == [1, 2]
    assert np.isfinite(training.loss).all() and training.loss[1] < training.loss[0]


def test_the_spread_begins_with_the_network_itself(tree):
    spread, data = tree["spread"], tree["sweeps/bernoulli"]
    assert list(spread.boundary.values) == ["text", "code"] and list(spread.network.values) == [0, 1]
    assert spread.loss.dims == ("boundary", "network", "probability", "chain", "draw")
    assert spread.full_loss.dims == spread.full_accuracy.dims == ("boundary", "network")
    # Same seed, same task, same masks. Trained beside others, though: four steps of Adam in another order of
    # summation. Adam divides by the gradient's own size, so a weight may be off by a share of its step, and a few
    # weights with gradients near rounding by the whole of four steps of 0.01.
    np.testing.assert_allclose(spread.loss.sel(boundary="text", network=0), data.loss, rtol=0, atol=1e-3)
    others = spread.loss.stack(one=("boundary", "network")).transpose("one", ...).values
    distances = np.abs(others[:, None] - others[None]).max(axis=(2, 3, 4))
    assert distances[~np.eye(4, dtype=bool)].min() > 1e-2, "four networks, none like another"


def of_spread(tree, boundary, network):
    """A network of the spread, from its stored weights, on the points and by the rule of its circle."""
    weights = tree["networks/weights"].to_dataset().sel(boundary=boundary, network=network)
    inputs = tree["task"].test_inputs.values.astype(float)
    parts = [(weights[f"layers.{i}.kernel"].values, weights[f"layers.{i}.bias"].values) for i in range(2)]
    layers = tuple((kernel.astype(float), bias.astype(float)) for kernel, bias in parts)
    outside = (inputs**2).sum(axis=1) > float(weights.radius) ** 2
    return reference.Problem(layers, "relu", inputs, outside.astype(int), "cross_entropy")


def test_numbers_of_the_spread_follow_from_the_stored_weights(tree):
    spread, gates = tree["spread"], tree["sweeps/bernoulli"].gates.sel(probability=0.5).values[0, :5]
    for boundary in ("text", "code"):
        for network in (0, 1):
            one = of_spread(tree, boundary, network)
            found = spread.sel(boundary=boundary, network=network)
            of_loss, _ = helpers.rounding(one, np.ones(NODES))
            assert float(found.full_loss) == pytest.approx(reference.loss(one, np.ones(NODES)), abs=of_loss)
            wanted = [reference.loss(one, mask) for mask in gates]
            np.testing.assert_allclose(found.loss.sel(probability=0.5).values[0, :5], wanted, rtol=0, atol=of_loss)


def test_what_all_masks_of_the_spread_say_follows_from_the_stored_weights(tree):
    cubes, one = tree["networks/cubes"].to_dataset().sel(network=1), of_spread(tree, "text", 1)
    alone = [reference.loss(one, mask) for mask in np.eye(NODES)]
    np.testing.assert_allclose(cubes.alone_on, np.array(alone) - reference.loss(one, np.zeros(NODES)), atol=1e-5)
    np.testing.assert_allclose(
        cubes.mean_loss[[0, 1]], [reference.loss(one, np.zeros(NODES)), np.mean(alone)], atol=1e-5
    )
    assert list(cubes.part.values) == ["numbers", "products", "imbalance"] and cubes.sizes["on"] == NODES + 1


@pytest.mark.parametrize(("limit", "whole"), [(NODES, True), (NODES - 1, False)])
def test_masks_of_other_networks_are_evaluated_up_to_a_number_of_nodes(tree, monkeypatch, limit, whole):
    designs, data = [], tree["sweeps/bernoulli"].to_dataset()
    monkeypatch.setattr(circle, "sweep", lambda objective, design, *_, **options: designs.append(design) or data)
    for part in (circle.cubes, circle.gradients):
        monkeypatch.setattr(part, "of_network", lambda *_: data)
    settings, batch = replace(SETTINGS, networks_cube_nodes=limit), SimpleNamespace(inputs=np.zeros((1, 2)))
    objective, task = SimpleNamespace(accuracy=lambda gates: 1.0), SimpleNamespace(test=batch)
    found = circle._one_of_many(settings, "draws", objective, data, task)
    assert ("networks/cubes" in found, len(designs)) == (whole, 1 + whole)
    assert "networks/cubes" not in circle._one_of_many(settings, "draws", objective, None, task)


def test_a_run_repeats_itself(tree, tmp_path):
    again = circle.run(SETTINGS, tmp_path / "again")
    with xr.open_datatree(again.path, engine="zarr", consolidated=False) as opened:
        for group in tree.groups:
            if group != "/":
                xr.testing.assert_identical(opened[group].to_dataset().load(), tree[group].to_dataset())
        assert opened.attrs["config"] == tree.attrs["config"]


@pytest.fixture(scope="module")
def explored(circle_run, tmp_path_factory):
    """The interactive page of the run, written beside a copy: the run itself is shared."""
    folder = tmp_path_factory.mktemp("explored")
    (folder / "run.zarr").symlink_to(circle_run / "run.zarr")
    _cli.main(["explore", str(folder)])
    return folder / "explorer.html"


def test_explore_writes_one_file(explored):
    assert sorted(path.name for path in explored.parent.iterdir()) == ["explorer.html", "run.zarr"]
    assert explored.stat().st_size > 10_000


def test_the_page_computes_what_the_engine_computed(explored, tree, tmp_path):
    if browser.find() is None:
        pytest.skip(f"no browser: none of {', '.join(browser.NAMES)} is installed")
    chromium = browser.Browser(browser.find(), tmp_path)
    try:
        chromium.open(explored.as_uri())
        full = tree["network"].attrs["full_loss"]
        assert chromium.value("explorer.loss()") == pytest.approx(full, rel=1e-5, abs=1e-6)
        some = (
            tree["sweeps/bernoulli"]
            .to_dataset()
            .isel(chain=0, draw=slice(None, None, 10))
            .stack(one=("probability", "draw"))
        )
        gates = some.gates.transpose("one", "node").values.astype(int).tolist()
        found = chromium.value(f"{gates}.map(mask => [explorer.loss(mask), ...explorer.gradient(mask)])")
        wanted = np.column_stack([some.loss, some.loss_gradient.transpose("one", "node")])
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
        assert chromium.errors == []
    finally:
        chromium.close()


def test_settings_are_checked_before_any_work(tmp_path, compiled):
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        circle.run(Circle(draws=0), tmp_path / "run")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="is a file"):
        circle.run(SETTINGS, tmp_path / "file")
    assert not compiled
