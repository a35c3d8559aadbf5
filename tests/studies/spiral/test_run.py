"""The spiral study: what it writes, held against plain NumPy, and against networks that really are smaller."""

from unittest import mock

import numpy as np
import optax
import pytest

import sweeps
from sweeps import pruning
from sweeps._studies.spiral import run as spiral
from sweeps._studies.spiral.settings import Spiral

SETTINGS = Spiral(
    hidden=(6, 5),
    networks=2,
    choices=1,
    epochs=2,
    finetune_epochs=2,
    train_examples=64,
    test_examples=40,
    rates=(0.05, 0.1),
    rate_networks=2,
)
GONE = (3, 2)


class Counted(spiral.Progress):
    """Keeps what was counted."""

    counts = []

    def __init__(self, total, shown, things):
        super().__init__(total, shown, things)
        self.counts.append(-total)

    def add(self, number):
        self.counts.append(number)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with mock.patch.object(spiral, "Progress", Counted):
        return spiral.run(SETTINGS, tmp_path_factory.mktemp("spiral") / "run")


@pytest.fixture(scope="module")
def pruned(run):
    return run.read("pruned")


def forward(data, inputs):
    """Activations of both hidden layers, and the outputs, of a stored network."""
    values, found = inputs, []
    for layer in range(3):
        values = values @ data[f"layers.{layer}.kernel"].values + data[f"layers.{layer}.bias"].values
        values = values if layer == 2 else np.maximum(values, 0)
        found.append(values)
    return found


def each(data, dims):
    """Every single network of a dataset."""
    shape = [data.sizes[dim] for dim in dims]
    return [data.isel(dict(zip(dims, index, strict=True))) for index in np.ndindex(*shape)]


@pytest.mark.parametrize("group", ["full", "pruned", "rates/full", "rates/pruned"])
def test_what_was_measured_follows_from_the_parameters(run, group):
    data, task = run.read(group), run.read("task")
    for one in each(data, list(data["accuracy"].dims)):
        outputs = forward(one, task.test_inputs.values)[-1]
        targets = task.test_targets.values
        log_total = np.log(np.exp(outputs).sum(axis=1))
        np.testing.assert_allclose(one.accuracy, (outputs.argmax(axis=1) == targets).mean(), rtol=1e-6)
        np.testing.assert_allclose(one.loss, (log_total - outputs[np.arange(40), targets]).mean(), rtol=1e-4)
        plane = np.stack([axis.ravel() for axis in np.meshgrid(one.x, one.y)], axis=1)
        margin = np.diff(forward(one, plane)[-1], axis=1).reshape(one.decision.shape)
        clear = np.abs(margin) > 1e-4
        np.testing.assert_array_equal(one.decision.values[clear], margin[clear] > 0)


def test_exact_numbers_of_nodes_go_and_those_that_vary_least(run):
    nodes, full, task = run.read("nodes"), run.read("full"), run.read("task")
    assert list(nodes.choice.values) == ["random 0", "smallest deviation"]
    gone = ~nodes.keep.values
    np.testing.assert_array_equal(gone[..., :6].sum(axis=-1), GONE[0])
    np.testing.assert_array_equal(gone[..., 6:].sum(axis=-1), GONE[1])
    for network in range(2):
        hidden = forward(full.sel(arm="trained", network=network), task.train_inputs.values)[:2]
        deviation = np.concatenate([values.std(axis=0) for values in hidden])
        np.testing.assert_allclose(nodes.deviation[network], deviation, rtol=1e-4, atol=1e-6)
        for part in (slice(0, 6), slice(6, 11)):
            stay = nodes.keep.values[network, -1, part]
            assert deviation[part][~stay].max() <= deviation[part][stay].min() + 1e-6


def test_pruned_networks_are_the_trained_ones_without_nodes(run, pruned):
    nodes, task = run.read("nodes"), run.read("task")
    trained = run.read("full").sel(arm="trained")
    for choice in nodes.choice.values:
        for network in range(2):
            keep = nodes.keep.sel(choice=choice, network=network).values
            whole = trained.sel(network=network)
            first, second, _ = forward(whole, task.train_inputs.values)
            plain, compensated = (
                pruned.sel(arm="pruned", compensation=name, choice=choice, network=network)
                for name in ("without", "with")
            )
            one, two = keep[:6], keep[6:]
            np.testing.assert_array_equal(plain["layers.0.kernel"], whole["layers.0.kernel"] * one)
            np.testing.assert_array_equal(plain["layers.1.kernel"], whole["layers.1.kernel"] * np.outer(one, two))
            np.testing.assert_array_equal(plain["layers.2.bias"], whole["layers.2.bias"])
            added = [
                np.where(one, 0, first.mean(axis=0)) @ whole["layers.1.kernel"].values * two,
                np.where(two, 0, second.mean(axis=0)) @ whole["layers.2.kernel"].values,
            ]
            for layer, more in enumerate(added, start=1):
                name = f"layers.{layer}.bias"
                np.testing.assert_allclose(compensated[name], plain[name] + more, rtol=0, atol=1e-5)


def test_what_is_removed_stays_removed(run, pruned):
    keep = run.read("nodes").keep.transpose("choice", "network", "node").values
    for name, kept in {
        "layers.0.bias": keep[..., :6],
        "layers.1.bias": keep[..., 6:],
        "layers.1.kernel": keep[..., :6, None] & keep[..., None, 6:],
    }.items():
        values = pruned[name].transpose("arm", "compensation", "choice", "network", ...).values
        assert not (values != 0)[:, :, ~kept].any(), name
        if name.endswith("kernel"):
            assert (values != 0)[:, :, kept].mean() > 0.99


def test_removed_first_is_the_training_of_a_smaller_network(run, pruned):
    keep = run.read("nodes").keep.sel(choice="random 0", network=1).values
    task = sweeps.tasks.spiral(train_examples=64, test_examples=40)
    small = pruning.remove_nodes(sweeps.MLP((2, 6, 5, 2), seed=1), keep, inputs=task.train.inputs)
    history = sweeps.train(small, task, optimizer=optax.adam(0.1), epochs=2, seed=1)
    place = dict(compensation="with", choice="random 0", network=1)
    found = pruned.sel(arm="prune_first", **place)
    for layer, (rows, columns) in enumerate([(slice(None), keep[:6]), (keep[:6], keep[6:]), (keep[6:], slice(None))]):
        kernel = found[f"layers.{layer}.kernel"].values[rows][..., columns]
        np.testing.assert_allclose(kernel, small.layers[layer].kernel[...], rtol=0, atol=1e-4)
    np.testing.assert_allclose(run.read("history").prune_first.sel(**place), history.loss, rtol=1e-3)


def test_films_begin_and_end_where_the_networks_do(run, pruned):
    full = run.read("full").isel(network=0)
    film = run.read("films/trained")
    assert list(film.checkpoint.values) == [0, 1, 2]
    for checkpoint, arm in ((0, "initial"), (-1, "trained")):
        np.testing.assert_array_equal(film["layers.1.kernel"][checkpoint], full["layers.1.kernel"].sel(arm=arm))
    for arm in ("finetuned", "prune_first"):
        for kind, choice in (("random", "random 0"), ("chosen", "smallest deviation")):
            film = run.read(f"films/{arm}_{kind}")
            last = pruned.sel(arm=arm, compensation="with", choice=choice, network=0)
            np.testing.assert_array_equal(film["layers.0.kernel"][-1], last["layers.0.kernel"])


def test_learning_rates_hold_the_main_part_at_the_same_one_and_others(run, pruned):
    full, cut, nodes = (run.read(f"rates/{name}") for name in ("full", "pruned", "nodes"))
    same, other = (one.sel(learning_rate=0.1, drop=True) for one in (full, cut))
    for name, one in same.data_vars.items():
        np.testing.assert_array_equal(one, run.read("full")[name])
    assert other["compensation"].values.tolist() == ["with"]
    for name in ("loss", "layers.1.kernel"):
        np.testing.assert_array_equal(other[name], pruned[name].sel(compensation=["with"]))
    np.testing.assert_array_equal(nodes["keep"].sel(learning_rate=0.1), run.read("nodes")["keep"])
    # The random choices are the same ones, the starts as well, and nothing else.
    slow = full.sel(learning_rate=0.05)["layers.1.kernel"]
    np.testing.assert_array_equal(slow.sel(arm="initial"), same["layers.1.kernel"].sel(arm="initial"))
    assert (slow.sel(arm="trained") != same["layers.1.kernel"].sel(arm="trained")).mean() > 0.5
    first = nodes["keep"].isel(choice=0)
    np.testing.assert_array_equal(first.sel(learning_rate=0.05), first.sel(learning_rate=0.1))


def test_every_training_is_counted(run):
    assert Counted.counts[0] < 0 and sum(Counted.counts) == 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (dict(hidden=(5,)), r"hidden must have at least 2 items, got \(5,\)"),
        (dict(share=1.0), "share must be below 1.0, got 1.0"),
        (dict(share=0.3, hidden=(4, 3)), r"share must be one node or more, .* of each hidden layer \(4, 3\), got 0.3"),
        (dict(rates=(0.1, -1)), "rates must be at least 1e-37, got -1"),
        (dict(choices=0), "choices must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused_before_any_work(setting, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        spiral.run(Spiral(**setting), tmp_path / "run")
    assert not (tmp_path / "run").exists()
