"""The shrinking study: what it writes, and that its parts say the same of one network."""

import itertools

import numpy as np
import pytest

import sweeps
from analysis import perceptron
from sweeps import ranking, tasks
from sweeps._studies.shrinking import run as shrinking
from sweeps._studies.shrinking.measures.budgets import bytes_along, within_budget
from sweeps._studies.shrinking.measures.networks import Network
from sweeps._studies.shrinking.names import METHODS
from sweeps._studies.shrinking.run.retraining import KEPT
from sweeps._studies.shrinking.settings import Shrinking

SMALLEST = Shrinking(
    nodes=4,
    networks=2,
    layers=(1,),
    small_nodes=4,
    comparison=("magnitude",),
    cross_entropy=False,
    regression="none",
    epochs=2,
    early=(1,),
    budgets=(400, 700),
    retrain_every=(3,),
    cascade_nodes=2,
    surface_every=3,
)


@pytest.fixture(scope="module")
def few():
    whole = tasks.digits()
    batches = (sweeps.Batch(*(part[:40] for part in batch)) for batch in (whole.train, whole.test))
    return sweeps.Task("digits", *batches, 10, {})


@pytest.fixture(scope="module")
def run(few, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "digits", lambda: few)
        return shrinking.run(SMALLEST, tmp_path_factory.mktemp("shrinking") / "run")


def test_paths(run):
    data = run.read("paths/1")
    assert data.loss.dims == ("network", "ranked_by", "ranking", "step") and data.sizes["step"] == 5
    assert list(data.ranked_by.values) == ["brute_force", "first_order", "second_order", "random", "magnitude"]
    assert list(data.ranking.values) == ["single_pass", "reranked"]
    np.testing.assert_array_equal(np.sort(data.order, axis=-1), np.broadcast_to(np.arange(4), data.order.shape))
    np.testing.assert_allclose(data.change, np.diff(data.loss, axis=-1), rtol=0, atol=1e-5)
    network = run.read("networks/1")
    for name in ("loss", "accuracy", "test_accuracy"):
        start = np.broadcast_to(network[name].values[:, None, None], data[name].shape[:-1])
        np.testing.assert_allclose(data[name][..., 0], start, rtol=1e-5)
    # With every node off all methods have come to the same network, each seed to its own.
    last = data.loss[..., -1]
    np.testing.assert_allclose(last, np.broadcast_to(last[:, :1, :1], last.shape), rtol=1e-5)
    assert abs(last[0, 0, 0] - last[1, 0, 0]) > 1e-6
    assert data.is_best.sel({"ranked_by": "brute_force", "ranking": "reranked"}).all()


def test_numbers_of_the_stored_weights(run):
    """Loss and accuracy along a path, recomputed from what the store keeps, with NumPy alone."""
    networks, task = run.read("networks/1"), run.read("task")
    one = run.read("paths/1").sel({"ranked_by": "second_order", "ranking": "reranked"})
    for index in range(2):
        network = perceptron.from_dataset(networks.isel(network=index))
        for step in (0, 2):
            gates = np.ones(4)
            gates[one.order[index, :step].values] = 0
            outputs = perceptron.outputs(network, task.train_inputs.values, gates=gates)
            labels = task.train_targets.values
            loss = np.square(outputs - np.eye(10)[labels]).sum(axis=1).mean()
            assert float(one.loss[index, step]) == pytest.approx(loss, rel=1e-5)
            assert float(one.accuracy[index, step]) == pytest.approx(np.mean(outputs.argmax(axis=1) == labels))


def test_surfaces_begin_at_the_loss_of_their_path_and_end_where_the_node_is_off(run):
    paths, surfaces = run.read("paths/1"), run.read("surfaces/1")
    for method in METHODS:
        path = paths.sel({"ranked_by": method, "ranking": "reranked"})
        for removed in surfaces.removed.values:
            curve = surfaces.sel({"ranked_by": method, "removed": removed})
            for gain, step in ((1, removed), (0, removed + 1)):
                nearest = np.abs(curve.gain.values - gain).argmin()
                np.testing.assert_allclose(curve.loss[:, nearest], path.loss.sel(step=step), rtol=1e-5)
            np.testing.assert_array_equal(curve.node, path.order.sel(removal=removed + 1))


def test_the_hypercube_holds_the_paths_of_the_small_networks(run):
    cube, paths = run.read("sweeps/hypercube"), run.read("paths/small")
    weights = 2 ** np.arange(4)
    for index, method in itertools.product(range(2), METHODS):
        path = paths.sel({"network": index, "ranked_by": method, "ranking": "reranked"})
        masks = ranking.masks_along(path.order.values)
        np.testing.assert_allclose(cube.loss.values[index][(masks @ weights).astype(int)], path.loss, rtol=1e-4)


def test_retraining(run):
    data, paths = run.read("retraining"), run.read("paths/1")
    assert list(data.every.values) == [0, 3] and data.attrs["network"] == "1"
    for name in KEPT:
        plain = paths[name].sel({"ranking": "reranked", "ranked_by": list(data.ranked_by.values)})
        np.testing.assert_array_equal(data[name].sel(every=0), plain)
        # Nothing is trained before the third removal: the walk of many networks chooses as each alone.
        np.testing.assert_allclose(data[name].sel(every=3)[..., :3], plain[..., :3], rtol=1e-5)
    assert (data.loss.sel(every=3)[..., 3] < data.loss.sel(every=0)[..., 3]).all()


def test_others_that_take_over_are_those_of_the_stored_weights(run, few):
    data, paths = run.read("replacing"), run.read("paths/1").transpose("network", "ranked_by", "ranking", ...)
    plain = data.sel({"choice": "brute_force", "stand_in": "nothing"})
    for name in ("loss", "accuracy", "test_accuracy"):
        known = paths[name].sel({"ranked_by": "brute_force", "ranking": "reranked"})
        np.testing.assert_allclose(plain[name], known, rtol=1e-5)
    one = perceptron.from_dataset(run.read("networks/1").isel(network=1))
    hidden = 1 / (1 + np.exp(-few.train.inputs @ one.kernels[0] - one.biases[0]))
    path = data.isel(network=1).sel({"choice": "correlation", "stand_in": "partner"})
    node = int(path.order[0])
    alike = np.abs(np.corrcoef(hidden.T))
    np.fill_diagonal(alike, 0)
    partner = int(alike[node].argmax())
    assert alike[node, partner] == alike.max()
    slope, offset = np.polyfit(hidden[:, partner], hidden[:, node], 1)
    kernel, bias = one.kernels[1].copy(), one.biases[1] + offset * one.kernels[1][node]
    kernel[partner] += slope * kernel[node]
    kernel[node] = 0
    outputs = 1 / (1 + np.exp(-hidden @ kernel - bias))
    loss = ((outputs - np.eye(10)[few.train.targets]) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(path.loss[1], loss, rtol=1e-4)


def test_cascades_have_a_network_a_seed(run):
    data = run.read("cascade/1")
    assert data.loss.dims == ("direct", "network", "size") and data.loss.shape == (2, 2, 3)
    assert data.attrs["task"] == "digits" and (data.loss[..., -1] < data.loss[..., 0]).all()
    assert data.parameters.values.tolist()[0] == [650, 725, 801] and data.parameters.values.tolist()[1][0] == 10


def test_networks_stopped_early_are_those_of_the_same_training(run):
    early, late = run.read("networks/early_1"), run.read("networks/1")
    assert early.attrs["epochs"] == 1 and run.read("paths/early_1").sizes["ranked_by"] == 3
    assert (early["loss"] > late["loss"]).all()
    network = perceptron.from_dataset(early.isel(network=1))
    task = run.read("task")
    right = perceptron.outputs(network, task.train_inputs.values).argmax(axis=1) == task.train_targets.values
    assert float(early["accuracy"][1]) == pytest.approx(right.mean())


def test_networks_within_budgets(run):
    """Pruned networks are those of the paths at that size, and take no more bytes than they may."""
    data, paths = run.read("budgets"), run.read("paths/1")
    assert data["nodes"].values.tolist() == [1, 2] and list(data["source"].values) == ["trained", "4", "8"]
    path = paths.sel({"ranked_by": "brute_force", "ranking": "reranked"})
    for nodes, budget in ((1, 400), (2, 700)):
        pruned = data.sel(source="4", budget=budget).isel(trained_on=0)
        np.testing.assert_allclose(pruned.loss, path.loss.sel(step=4 - nodes), rtol=1e-5)
        np.testing.assert_allclose(pruned.test_accuracy, path.test_accuracy.sel(step=4 - nodes))
        stored = run.read(f"pruned/{nodes}")
        assert 4 * sum(one.size for one in stored.isel(network=0).data_vars.values()) <= budget
        assert stored.sizes["network"] == 3 * 2
    assert (data.loss.isel(trained_on=1) < data.loss.isel(trained_on=0)).all()
    kind = Network("1", run.read("networks/1"), paths)
    sizes = bytes_along(kind)[0, 0, 0]
    smaller = sweeps.pruning.remove_nodes(sweeps.MLP((64, 4, 10)), [1, 0, 1, 0])
    assert sizes[2] == sweeps.pruning.cost(smaller, np.zeros((1, 64), np.float32), repeats=1).bytes
    found = within_budget(kind, [700, 399]).sel({"ranked_by": "brute_force", "ranking": "reranked"})
    np.testing.assert_allclose(found.sel(budget=700), path.test_accuracy.sel(step=2))
    np.testing.assert_allclose(found.sel(budget=399), path.test_accuracy.sel(step=3))


def test_pairs(run):
    data = run.read("pairs/1")
    np.testing.assert_allclose(data.interaction, data.interaction.values.swapaxes(1, 2))
    np.testing.assert_allclose(np.diagonal(data.correlation, axis1=1, axis2=2), 1)
    path = run.read("paths/1").sel({"ranked_by": "brute_force", "ranking": "single_pass"})
    np.testing.assert_allclose(np.take_along_axis(data.change.values, path.order.values, 1), path.predicted)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (dict(layers=(2, 3)), "layers must be numbers from 1 to 100, 1 among them"),
        (dict(small_nodes=21), "small_nodes must be at most 20, got 21"),
        (dict(retrain_every=(0,)), "retrain_every must be at least 1, got 0"),
        (dict(epochs=4, early=(4,)), "early must be numbers below epochs, 4"),
        (dict(wide_nodes=50), "wide_nodes must be 0 or above nodes, 100"),
        (dict(budgets=(100,)), "budgets must be from 340 to 30039 bytes for 100 nodes, got 100"),
        (dict(epochs=0), "epochs must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused_before_any_work(setting, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        shrinking.run(Shrinking(**setting), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_without_mnist_is_refused_before_any_work(tmp_path):
    with pytest.raises((OSError, ValueError), match="train-images"):
        shrinking.run(Shrinking(data=str(tmp_path)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
