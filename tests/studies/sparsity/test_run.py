"""The sparsity study: what it writes, held against plain NumPy and against training done apart."""

import numpy as np
import optax
import pytest
from flax import nnx

import sweeps
from sweeps import pruning, tasks
from sweeps.studies.sparsity import run as sparsity
from sweeps.studies.sparsity.settings import Sparsity

SETTINGS = Sparsity(
    hidden=(7, 5), networks=2, epochs=(1, 3), batch_size=20, learning_rate=0.01, sparsity=(0, 60), step=50, seed=3
)
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
        return sparsity.run(SETTINGS, tmp_path_factory.mktemp("sparsity") / "run")


@pytest.fixture(scope="module")
def networks(few):
    """The two networks after one epoch and after three, trained one at a time."""
    found = {}
    for index in range(2):
        network = sweeps.MLP((64, 7, 5, 10), seed=3 + index, use_bias=False)
        history = sweeps.train(network, few, optax.adam(0.01), 3, 20, 3 + index, "cross_entropy", keep_parameters=True)
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
    assert len(names) == 14
    assert curves.kind.sel({"pruned_by": "units_first_order_layer"}) == "units"
    assert list(curves.percent.values) == PERCENTS and list(curves.epochs.values) == [1, 3]
    for index in range(2):
        loss, accuracy = measured(networks[3, index], few.test)
        whole = curves.sel(epochs=3, network=index, percent=0)
        np.testing.assert_allclose(whole.loss, np.full(14, loss), rtol=1e-4)
        np.testing.assert_allclose(whole.accuracy, np.full(14, accuracy), atol=1e-6)
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
        sweeps.train(masked, few, optimizer, 2, 20, 3 + 1, "cross_entropy")
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
    assert (data.seconds > 0).all()


def test_networks_are_timed_by_turns(few, monkeypatch):
    timed, nothing = [], pruning.Cost(0, 0, 0, 0.0)
    monkeypatch.setattr(pruning, "cost", lambda net, inputs: timed.append(net.sizes[1]) or nothing)
    sparsity._costs(sweeps.MLP((64, 7, 10), use_bias=False), [0, 60], few)
    assert timed == [7, 7, 7, 3] * sparsity.ROUNDS


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (dict(sparsity=(50, 90)), r"sparsity must be percents from 0 to 99, 0 among them, got \(50, 90\)"),
        (dict(sparsity=(0, 100)), "sparsity must be at most 99, got 100"),
        (dict(hidden=()), r"hidden must have at least 1 item, got \(\)"),
        (dict(networks=0), "networks must be at least 1, got 0"),
        (dict(epochs=()), "epochs must have at least 1 item"),
        (dict(finetune_epochs=-1), "finetune_epochs must be at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused_before_any_work(setting, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        sparsity.run(Sparsity(**setting), tmp_path / "run")
    assert not (tmp_path / "run").exists()
