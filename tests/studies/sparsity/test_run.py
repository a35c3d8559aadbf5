"""The sparsity study: what it writes, held against plain NumPy and against training done apart."""

import numpy as np
import optax
import pytest
from flax import nnx

import sweeps
from analysis import perceptron
from sweeps import pruning, tasks
from sweeps._studies.sparsity import run as sparsity
from sweeps._studies.sparsity.measures.ways import WAYS
from sweeps._studies.sparsity.run import costs, overfitting
from sweeps._studies.sparsity.settings import Sparsity

SETTINGS = Sparsity(
    hidden=(7, 5), networks=2, epochs=(1, 3), batch_size=20, learning_rate=0.01, sparsity=(0, 60), step=50, seed=3,
    rounds=2, small_examples=20, flipped=0.25,
)  # fmt: skip
PERCENTS = [0, 50, 60]


@pytest.fixture(scope="module")
def few():
    whole = tasks.digits()
    batches = (sweeps.Batch(*(part[:40] for part in batch)) for batch in (whole.train, whole.test))
    return sweeps.Task("digits", *batches, 10, {})


@pytest.fixture(scope="module")
def run(few, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "digits", lambda: few)
        # Two more programs would be compiled for nothing but their times.
        patch.setattr(costs, "_training_seconds", lambda networks, task: [[one.sizes[1] / 7] * 3 for one in networks])
        return sparsity.run(SETTINGS, tmp_path_factory.mktemp("sparsity") / "run")


@pytest.fixture(scope="module")
def networks(few):
    """The two networks after one epoch and after three, trained one at a time."""
    found = {}
    for index in range(2):
        network = sweeps.MLP((64, 7, 5, 10), seed=3 + index, use_bias=False)
        history = sweeps.train(
            network,
            few,
            optimizer=optax.adam(0.01),
            epochs=3,
            batch_size=20,
            seed=3 + index,
            loss="cross_entropy",
            keep_parameters=True,
        )
        kernels = [np.asarray(layer["kernel"][...]) for _, layer in sorted(history.parameters["layers"].items())]
        for epoch in (1, 3):
            found[epoch, index] = [kernel[epoch] for kernel in kernels]
    return found


def measured(kernels, batch):
    values = batch.inputs
    for kernel in kernels[:-1]:
        values = np.maximum(values @ kernel, 0)
    outputs = values @ kernels[-1]
    loss = np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(len(outputs)), batch.targets]
    return loss.mean(), (outputs.argmax(axis=1) == batch.targets).mean()


def smallest_gone(scores, percent):
    """All but the floor(k n) smallest."""
    stay = np.ones(scores.size, bool)
    stay[np.argsort(scores.ravel(), kind="stable")[: percent * scores.size // 100]] = False
    return stay.reshape(scores.shape)


def pruned(kernels, method, percent):
    """What the two published methods, and comparisons across layers, leave, slowly; and which share."""
    kind, _, scope = method.split("_", 2)
    hidden = kernels[:-1]
    scores = [np.abs(one) if kind == "weights" else np.linalg.norm(one, axis=0) for one in hidden]
    if scope.endswith("global_normalised"):
        scores = [one / np.sqrt((one**2).mean()) for one in scores]
    if "global" in scope:
        stay = smallest_gone(np.concatenate([one.ravel() for one in scores]), percent)
        parts = np.split(stay, np.cumsum([one.size for one in scores])[:-1])
        masks = [part.reshape(one.shape) for part, one in zip(parts, scores, strict=True)]
    else:
        masks = [smallest_gone(one, percent) for one in scores]
    if kind == "units":
        before = [np.ones(64, bool), *masks[:-1]]
        left = [np.outer(start, end) for start, end in zip(before, masks, strict=True)]
        return [one * mask for one, mask in zip(hidden, masks, strict=True)] + kernels[-1:], masks, left
    return [one * mask for one, mask in zip(hidden, masks, strict=True)] + kernels[-1:], masks, masks


@pytest.mark.parametrize(
    "method",
    [
        f"{kind}_{scope}"
        for kind in ("weights_magnitude", "units_norm")
        for scope in ("layer", "global_raw", "global_normalised")
    ],
)
def test_curves_are_those_of_networks_pruned_by_hand(run, few, networks, method):
    curves, layers = run.read("curves"), run.read("layers")
    epochs = (1, 3) if method.endswith("_layer") else (3,)
    for index in range(2):
        for percent in PERCENTS:
            for epoch in epochs:
                left_over, masks, left = pruned(networks[epoch, index], method, percent)
                loss, accuracy = measured(left_over, few.test)
                found = curves.sel({"pruned_by": method, "epochs": epoch, "network": index, "percent": percent})
                np.testing.assert_allclose(found.loss, loss, rtol=1e-4)
                np.testing.assert_allclose(found.accuracy, accuracy, atol=1e-6)
                share = sum(one.sum() for one in left) / sum(one.size for one in left)
                np.testing.assert_allclose(found.left, share, rtol=1e-6)
            by_layer = layers.left.sel({"pruned_by": method, "network": index, "percent": percent})
            np.testing.assert_allclose(by_layer, [mask.mean() for mask in masks], rtol=1e-6)


def test_every_method_is_there_and_begins_with_the_whole_network(run, few, networks):
    curves = run.read("curves")
    names = set(curves.pruned_by.values)
    assert {"weights_gradient_layer", "weights_random_layer", "units_brute_force_layer", "units_random_layer"} < names
    assert len(names) == 15
    assert curves.kind.sel({"pruned_by": "units_first_order_layer"}) == "units"
    assert list(curves.percent.values) == PERCENTS and list(curves.epochs.values) == [1, 3]
    for index in range(2):
        loss, accuracy = measured(networks[3, index], few.test)
        whole = curves.sel(epochs=3, network=index, percent=0)
        np.testing.assert_allclose(whole.loss, np.full(15, loss), rtol=1e-4)
        np.testing.assert_allclose(whole.accuracy, np.full(15, accuracy), atol=1e-6)
    main = [name in ("weights_magnitude_layer", "units_norm_layer") for name in curves.pruned_by.values]
    np.testing.assert_array_equal(np.isfinite(curves.accuracy.sel(epochs=1)).all(("network", "percent")), main)


def test_fine_tuning_is_training_under_the_masks(run, few, networks):
    data = run.read("finetuned")
    assert data.attrs["epochs"] == 2 and list(data.percent.values) == [0, 60]
    steps = 2 * 2
    optimizer = optax.adam(optax.cosine_decay_schedule(0.01, steps))
    for method, percent in (("units_norm_layer", 0), ("units_norm_layer", 60), ("weights_magnitude_layer", 60)):
        network = sweeps.MLP((64, 7, 5, 10), use_bias=False)
        for layer, kernel in zip(network.layers, networks[3, 1], strict=True):
            layer.kernel[...] = kernel
        if method.startswith("units"):
            masks = pruning.masks_of_nodes(network, pruning.unit_masks(network, percent / 100))
        else:
            masks = pruning.weight_masks(network, percent / 100)
        masked = pruning.Masked(nnx.clone(network), masks)
        sweeps.train(masked, few, optimizer=optimizer, epochs=2, batch_size=20, seed=3 + 1, loss="cross_entropy")
        kernels = [np.asarray(layer.kernel[...]) for layer in masked.zeroed().layers]
        loss, accuracy = measured(kernels, few.test)
        found = data.sel({"pruned_by": method, "network": 1, "percent": percent})
        np.testing.assert_allclose(found.loss, loss, rtol=1e-3)
        np.testing.assert_allclose(found.accuracy, accuracy, atol=1e-6)


def test_costs(run):
    data = run.read("cost")
    zeroed, removed = (data.sel(how=how) for how in ("zeroed", "removed"))
    assert set(zeroed.parameters.values) == {64 * 7 + 7 * 5 + 5 * 10}
    # floor(0.6 * 7) = 4 and floor(0.6 * 5) = 3 units go.
    assert removed.parameters.values.tolist() == [64 * 7 + 7 * 5 + 5 * 10, 64 * 3 + 3 * 2 + 2 * 10]
    np.testing.assert_array_equal(data.bytes, 4 * data.parameters)
    assert int(zeroed.nonzero.sel(percent=60)) == 64 * 3 + 7 * 2 + 5 * 10
    assert (
        (data.seconds > 0).all()
        and data.training_seconds.values.tolist() == [[1] * 3, [3 / 7] * 3]
        and (data.difference < 1e-6).all()
    )


def stored(data, **at):
    return [data[f"layers.{layer}.kernel"].sel(at).values.astype(np.float64) for layer in range(3)]


def test_numbers_come_again_from_the_stored_weights(run, few, networks):
    """With NumPy alone: of the trained networks, of those that overfit, and of those that were retrained."""
    weights, curves = run.read("networks"), run.read("curves")
    for (epoch, index), kernels in networks.items():
        own = stored(weights, epochs=epoch, network=index)
        for one, other in zip(own, kernels, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
        left_over, _, _ = pruned(own, "weights_magnitude_layer", 50)
        at = {"pruned_by": "weights_magnitude_layer", "epochs": epoch, "network": index, "percent": 50}
        assert curves.accuracy.sel(at).item() == pytest.approx(measured(left_over, few.test)[1], abs=1e-6)
    assert perceptron.from_dataset(weights.sel(epochs=3, network=1)).nodes == 12
    small, back = run.read("overfitting"), run.read("reactivated")
    for index in range(2):
        for labels in ("right", "noisy"):
            one = small.sel(labels=labels, network=index, percent=0, tuned=0).isel(pruned_by=0)
            assert one.test.item() == pytest.approx(measured(stored(one), few.test)[1], abs=1e-6)
    assert back.percent.values.tolist() == [60] and back.attrs["epochs"] == 4 and list(back.way.values) == list(WAYS)
    for way in WAYS:
        one = back.sel(way=way, network=1, percent=60)
        assert one.accuracy.item() == pytest.approx(measured(stored(one), few.test)[1], abs=1e-6)
        gone = [
            (kernel == 0).all(axis=0).sum() if "units" in way else (kernel == 0).sum() for kernel in stored(one)[:2]
        ]
        assert gone == ([4, 3] if "units" in way else [64 * 7 * 6 // 10, 7 * 5 * 6 // 10])


def test_nodes_whose_incoming_weights_are_zeroed_never_come_back(run):
    data = run.read("reactivated").sel(percent=60)
    good, freed = (data.sel(way=f"units_{way}") for way in ("for_good", "freed"))
    assert (freed.back == 0).all() and (good.back == 0).all() and (data.back <= 1).all()
    # No gradient reaches them: they are as good as removed, and all else is trained alike.
    np.testing.assert_allclose(freed.loss, good.loss, rtol=1e-4)
    assert (data.back > 0).any()


def test_small_training_sets_have_so_many_flipped_labels(few):
    own = overfitting.small(few, 20, 5, 4)
    rows = [np.flatnonzero((few.train.inputs == image).all(axis=1))[0] for image in own.task.train.inputs]
    assert len(set(rows)) == 20
    np.testing.assert_array_equal(own.task.train.targets != few.train.targets[rows], np.arange(20) < 5)
    assert len(own.flipped.targets) == 5 and len(own.right.targets) == 15


def test_changes_of_single_weights_are_measured_and_predicted(run, few, networks):
    data, kernels = run.read("connections"), networks[3, 0]
    whole, _ = measured(kernels, few.train)
    for layer, change in ((0, data["layers.0.change"][0]), (1, data["layers.1.change"][0])):
        for place in [np.unravel_index(at, change.shape) for at in np.argsort(-np.abs(change.values), axis=None)[:5]]:
            without = [kernel.copy() for kernel in kernels]
            without[layer][place] = 0
            # Second order, in networks of a dozen nodes whose weights are large: within a tenth of the largest.
            exact = measured(without, few.train)[0] - whole
            assert change.values[place] == pytest.approx(exact, abs=0.1 * float(np.abs(change).max()))
    assert np.corrcoef(data.predicted[0], data.measured[0])[0, 1] > 0.99


def test_networks_are_timed_by_turns(few, monkeypatch):
    timed, nothing = [], pruning.Cost(0, 0, 0, 0.0)
    monkeypatch.setattr(pruning, "cost", lambda net, inputs: timed.append(net.sizes[1]) or nothing)
    monkeypatch.setattr(costs, "_training_seconds", lambda networks, task: [[1.0] * costs.ROUNDS] * 2)
    costs.costs(sweeps.MLP((64, 7, 10), use_bias=False), [0, 60], few)
    assert timed == [7, 7, 7, 3] * costs.ROUNDS


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (dict(sparsity=(50, 90)), r"sparsity must be percents from 0 to 99, 0 among them, got \(50, 90\)"),
        (dict(sparsity=(0, 100)), "sparsity must be at most 99, got 100"),
        (dict(hidden=()), r"hidden must have at least 1 item, got \(\)"),
        (dict(networks=0), "networks must be at least 1, got 0"),
        (dict(epochs=()), "epochs must have at least 1 item"),
        (dict(finetune_epochs=-1), "finetune_epochs must be at least 0, got -1"),
        (dict(small_examples=1439), "small_examples must be at most the 1438 training examples, got 1439"),
        (dict(flipped=1.5), "flipped must be at most 1.0, got 1.5"),
    ],
)
def test_settings_out_of_range_are_refused_before_any_work(setting, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        sparsity.run(Sparsity(**setting), tmp_path / "run")
    assert not (tmp_path / "run").exists()
