"""What a file says is what Python says: designs, files of masks, sites, optimizers, calls of networks."""

import json
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

import sweeps
from sweeps._config import making
from sweeps._config import settings as config
from tests.sweeps.conftest import run_configured

BASE = """
[task]
train_examples = 20
test_examples = 10
[network]
sizes = [2, 4, 4, 2]
[training]
epochs = 0
"""
MODELS = """
import numpy as np
from flax import nnx
import jax.numpy as jnp

class Net(nnx.Module):
    def __init__(self):
        self.hidden = nnx.Linear(2, 4, rngs=nnx.Rngs(0))
        self.out = nnx.Linear(4, 2, rngs=nnx.Rngs(1))

    def __call__(self, inputs, gain):
        return gain * self.out(nnx.relu(self.hidden(inputs)))

def net():
    return Net()

def doubled(network, inputs):
    return network(inputs, 2.0)

def other():
    inputs = np.linspace(-1, 1, 20, dtype=np.float32).reshape(10, 2)
    return inputs, np.zeros(10, int)

def many():
    return np.ones((7, 2), np.float32)

def number():
    return 3

def mean_loss(outputs, targets):
    return jnp.square(outputs).mean()

def margin(outputs, targets):
    return jnp.abs(outputs[..., 1] - outputs[..., 0])

def function():
    params = {"kernel": np.eye(2, 3, dtype=np.float32), "out": np.ones((3, 2), np.float32)}
    return lambda params, inputs: jnp.tanh(inputs @ params["kernel"]) @ params["out"], params

def gated():
    return lambda gates, inputs: jnp.stack([inputs[:, 0] * gates[0], inputs[:, 1] * gates[1]], axis=1)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in another folder than the file's; what is imported there cannot be imported afterwards."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "own_models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("own_models", None)


@pytest.fixture
def swept(tmp_path):
    """The sweep that a file, BASE or other tables and keys of [sweep], makes."""

    def of(keys, base=BASE, name="run"):
        (tmp_path / "sweep.toml").write_text(f"{base}\n[sweep]\n{keys}")
        run_configured(tmp_path / "sweep.toml", tmp_path / name)
        return xr.open_zarr(tmp_path / name / "run.zarr", group="sweeps/main", consolidated=False, chunks=None).load()

    return of


@pytest.fixture
def refused(swept, tmp_path, capsys):
    """The line with which a file is refused, before anything is made."""

    def of(keys, base=BASE, name="refused"):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            swept(keys, base, name)
        assert stopped.value.code == 2 and not (tmp_path / name).exists()
        found = capsys.readouterr().err
        assert found.count("\n") == 1 and len(found) < 400
        return found

    return of


def objective(**options):
    task = sweeps.tasks.circle(train_examples=20, test_examples=10)
    return sweeps.Objective(sweeps.MLP((2, 4, 4, 2)), task.test, **options)


def assert_same(found, expected):
    for name in ("loss", "loss_gradient", "gates"):
        np.testing.assert_array_equal(found[name], expected[name])


class TestDesigns:
    def test_flip_paths(self, swept):
        found = swept("design = 'flip_paths'\npaths = 3\nprobability = 0.25\nflips = 2\nlayer = 'layers/1'\nchains = 2")
        design = sweeps.FlipPaths(paths=3, probability=0.25, flips=2, layer="layers/1", chains=2)
        assert found.loss.dims == ("chain", "draw", "step")
        assert_same(found, sweeps.sweep(objective(), design))

    def test_flip_paths_of_a_layer_that_is_not_there(self, refused):
        said = refused("design = 'flip_paths'\nlayer = 'layers/7'")
        assert "layer must be one of layers/0, layers/1, got 'layers/7'" in said

    @pytest.mark.parametrize("ending", ["npy", "npz", "csv"])
    def test_masks_from_a_file_beside_the_settings(self, ending, swept, tmp_path):
        gates = np.random.default_rng(0).random((5, 8)).round(2)
        write = {"npy": np.save, "npz": np.savez, "csv": lambda path, array: np.savetxt(path, array, delimiter=",")}
        write[ending](tmp_path / f"mine.{ending}", gates)
        found = swept(f"design = 'masks'\nmasks = 'mine.{ending}'")
        assert_same(found, sweeps.sweep(objective(), sweeps.Masks(gates)))

    def test_the_masks_are_part_of_the_run(self, swept, tmp_path, capsys):
        keys, gates = "design = 'masks'\nmasks = 'mine.npy'\ngradients = false", np.eye(8, dtype=bool)
        np.save(tmp_path / "mine.npy", gates)
        before = swept(keys)
        with xr.open_zarr(tmp_path / "run" / "run.zarr", consolidated=False) as root:
            record = json.loads(root.attrs["config"])["sweep"]["masks"]
        assert record["file"] == "mine.npy" and re.fullmatch("[0-9a-f]{12}", record["numbers"])
        xr.testing.assert_identical(swept(keys), before)
        np.save(tmp_path / "mine.npy", ~gates)
        with pytest.raises(SystemExit):
            swept(keys)
        assert (
            f"holds a run with other settings: sweep.masks.numbers was {record['numbers']}" in capsys.readouterr().err
        )

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (None, "sweep.masks: there is no file "),
            (
                np.ones((3, 5)),
                "sweep.masks: .*mine.npy: array must have one gate a node, .*8.*, got 5 gates",
            ),
            (np.ones(8), "sweep.masks: .*mine.npy: array must have shape .draws, nodes."),
            (np.full((1, 8), np.nan), "sweep.masks: .*mine.npy: array must hold finite gates"),
            (np.array([["a"] * 8]), "sweep.masks: .*mine.npy must hold numbers, got an array of type <U1"),
            (np.array([{}]), "sweep.masks: .*mine.npy does not hold one array of numbers: "),
        ],
    )
    def test_masks_that_cannot_be_used(self, array, message, refused, tmp_path):
        if array is not None:
            np.save(tmp_path / "mine.npy", array)
        assert re.search(message, refused("design = 'masks'\nmasks = 'mine.npy'"))

    def test_files_that_hold_something_else(self, refused, tmp_path):
        np.savez(tmp_path / "two.npz", one=np.ones(2), other=np.ones(2))
        assert "two.npz does not hold one array of numbers: it has 2 (one, other)" in refused(
            "design = 'masks'\nmasks = 'two.npz'"
        )
        (tmp_path / "head.csv").write_text("a,b\n1,0\n")
        assert "head.csv does not hold one array of numbers: could not convert" in refused(
            "design = 'masks'\nmasks = 'head.csv'"
        )
        (tmp_path / "folder.csv").mkdir()
        assert "folder.csv cannot be read: Is a directory" in refused("design = 'masks'\nmasks = 'folder.csv'")


class TestOffValues:
    @pytest.mark.parametrize(
        ("line", "off"),
        [
            ("'mean'", lambda task: "mean"),
            ("[0, 1, 2, 3, 4, 5, 6, 7.5]", lambda task: np.array([0, 1, 2, 3, 4, 5, 6, 7.5])),
            ("{ file = 'off.csv' }", lambda task: np.arange(8) / 4),
            ("{ kind = 'mean', data = 'train' }", lambda task: sweeps.off.Mean(task.train.inputs)),
            ("{ kind = 'resample', seed = 3 }", lambda task: sweeps.off.Resample(seed=3)),
            ("{ kind = 'mean', data = 'own_models:many' }", lambda task: sweeps.off.Mean(np.ones((7, 2), np.float32))),
            (
                "'own_models:other'",
                lambda task: (np.linspace(-1, 1, 20, dtype="f4").reshape(10, 2), np.zeros(10)),
            ),
        ],
    )
    def test_they_are_those_of_python(self, line, off, swept, tmp_path):
        (tmp_path / "off.csv").write_text(",".join(str(number / 4) for number in range(8)))
        found = swept(f"design = 'leave_one_out'\ngradients = false\noff = {line}")
        task = sweeps.tasks.circle(train_examples=20, test_examples=10)
        own = objective(off=off(task))
        assert found.attrs["off"] == own.off and own.off != "zero"
        np.testing.assert_array_equal(found.loss, sweeps.sweep(own, sweeps.LeaveOneOut(), gradients=False).loss)

    def test_the_numbers_in_a_file_are_part_of_the_run(self, swept, tmp_path, capsys):
        keys = "design = 'leave_one_out'\ngradients = false\noff = { file = 'off.npy' }"
        np.save(tmp_path / "off.npy", np.ones(8))
        before = swept(keys)
        xr.testing.assert_identical(swept(keys), before)
        np.save(tmp_path / "off.npy", np.ones(8) / 2)
        with pytest.raises(SystemExit):
            swept(keys)
        assert "holds a run with other settings: sweep.off.numbers was " in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("'man'", "sweep.off must be zero, mean, resample, package.module:function, a list of numbers, or a table"),
            ("3", "sweep.off must be zero, mean"),
            ("[1, 'a']", "sweep.off must be zero, mean"),
            ("[1, 2]", r"off must hold one number a node, shape .8,., got .2,."),
            ("{ file = 'nowhere.npy' }", "sweep.off: there is no file .*nowhere.npy"),
            ("{ file = 'off.txt' }", "sweep.off must be the path of a file .npy, .npz, .csv, got "),
            ("{ flie = 'off.npy' }", "sweep.off must have the key file, or the key kind, one of mean, resample, got"),
            ("{ kind = 'mean', position = true }", "must be a table with the keys kind, data, positions, not position"),
            ("{ kind = 'mean', data = 'test' }", "sweep.off must have data that is train, for the training set, or"),
            ("'own_models:number'", "off must hold one number a node, shape .8,., got "),
            ("'own_models:nothing'", "sweep.off: module own_models has no nothing"),
        ],
    )
    def test_refusals(self, line, message, refused):
        assert re.search(message, refused(f"off = {line}"))


class TestMetrics:
    def test_they_and_losses_of_examples_are_those_of_python(self, swept, refused):
        keys = "design = 'leave_one_out'\ngradients = false\nkeep = 'examples'\n"
        found = swept(keys + "metrics = { right = 'accuracy', margin = 'own_models:margin' }")
        from own_models import margin

        own = objective(metrics={"right": "accuracy", "margin": margin})
        expected = sweeps.sweep(own, sweeps.LeaveOneOut(), gradients=False, keep="examples")
        for name in ("loss", "right", "margin", "example_loss", "full_example_loss"):
            np.testing.assert_array_equal(found[name], expected[name])
        assert "kl" in swept(keys + "metrics = 'kl'", name="named")
        assert "sweep.metrics: module own_models has no gap" in refused("metrics = ['kl', 'own_models:gap']")
        assert "metrics: the name loss is taken" in refused("metrics = { loss = 'kl' }")
        mean = BASE.replace("epochs = 0", "loss = 'own_models:mean_loss'\nbatch_size = 20")
        assert "one number" in refused("keep = 'examples'", mean)


class TestNetworks:
    def test_nodes_that_share_gates(self, swept, refused, tmp_path):
        tied = "[[sweep.tied]]\npaths = ['layers/0', 'layers/1']\nname = 'pair'\n"
        found = swept("design = 'hypercube'\n" + tied)
        own = objective(sites=sweeps.Tied("layers/0", "layers/1", name="pair"))
        assert list(found.node.values) == list(own.nodes) and len(own.nodes) == 4
        np.testing.assert_array_equal(found.loss, sweeps.sweep(own, sweeps.Hypercube()).loss)
        groups = "sites = 'layers/1'\n[[sweep.tied]]\nnodes = [{ 'layers/0' = [0, 1] }, { 'layers/0' = [2] }]"
        gated = xr.open_zarr(tmp_path / "run" / "run.zarr", group="network", consolidated=False).attrs["sites"]
        assert json.loads(gated) == [{"source": "layers", "kind": "pair", "nodes": 4, "reads": "layers/1, layers/2"}]
        mixed = objective(sites=["layers/1", sweeps.Tied(nodes=[{"layers/0": [0, 1]}, {"layers/0": [2]}])])
        assert list(swept(groups, name="mixed").node.values) == list(mixed.nodes)
        named = "sites = { 'layers/*' = [2, 'half'] }"
        assert list(swept(named, name="named").node.values) == list(objective(sites={"layers/*": (2, "half")}).nodes)
        for keys, message in (
            (
                "[[sweep.tied]]\npath = 'layers/0'",
                r"sweep.tied must be a table .*, not path \(did you mean paths\?\), got",
            ),
            ("[[sweep.tied]]\npaths = 'layers/0'\ngroups = 0", "sweep.tied: Tied: groups must be at least 1, got 0"),
            ("sites = { 'layers/1' = 2 }\n" + tied, "sweep.sites must be a list of patterns beside sweep.tied, got a "),
            ("tied = 3", r"sweep.tied must be tables \[\[sweep.tied\]\], got 3"),
        ):
            assert re.search(message, refused(keys))

    def test_groups_of_nodes_and_pieces_of_examples(self, swept):
        found = swept("sites = { 'layers/0' = 2, 'layers/1' = 4 }\ndesign = 'leave_one_out'\nmicro_batch = 3")
        grouped = objective(sites={"layers/0": 2, "layers/1": 4}, micro_batch=3)
        assert list(found.node.values) == list(grouped.nodes) and len(grouped.nodes) == 6
        np.testing.assert_array_equal(found.loss, sweeps.sweep(grouped, sweeps.LeaveOneOut()).loss)

    def test_a_type_of_layer(self, swept, refused):
        base = BASE.replace("sizes = [2, 4, 4, 2]", "build = 'own_models:net'\ncall = 'own_models:doubled'")
        found = swept("sites = ['flax.nnx:Linear']\ndesign = 'hypercube'", base)
        assert list(found.node.values) == [f"hidden unit {unit}" for unit in range(4)]
        assert "sweep.sites: module flax.nnx has no Lineer" in refused("sites = 'flax.nnx:Lineer'", base)

    def test_a_network_called_in_its_own_way(self, swept, refused):
        base = BASE.replace("sizes = [2, 4, 4, 2]", "build = 'own_models:net'\ncall = 'own_models:doubled'")
        found = swept("design = 'hypercube'", base)
        from own_models import Net, doubled

        task = sweeps.tasks.circle(train_examples=20, test_examples=10)
        expected = sweeps.sweep(sweeps.Objective(Net(), task.test, call=doubled), sweeps.Hypercube())
        np.testing.assert_array_equal(found.loss, expected.loss)
        assert "network.call is for networks that are not trained" in refused("", base.replace("epochs = 0", ""))
        assert "network.call: module own_models has no tripled" in refused("", base.replace("doubled", "tripled"))

    def test_functions(self, swept, tmp_path):
        base = BASE.replace("sizes = [2, 4, 4, 2]", "build = 'own_models:function'")
        assert swept("design = 'hypercube'", base).sizes["mask"] == 8
        attributes = xr.open_zarr(tmp_path / "run" / "run.zarr", group="network", consolidated=False).attrs
        assert attributes["parameters"] == 12
        base = BASE.replace("sizes = [2, 4, 4, 2]", "build = 'own_models:gated'\nnodes = 2")
        assert list(swept("design = 'hypercube'", base, "gated").node.values) == ["node 0", "node 1"]


def made(**options):
    settings = config.Configuration(training=config.TrainingSettings(**options)).check().training
    return making.optimizer(settings, sweeps.MLP((2, 3, 2)))


RATE = {"name": "cosine_decay_schedule", "init_value": 0.1, "decay_steps": 4}
STEPS = {"name": "piecewise_constant_schedule", "init_value": 0.1, "boundaries_and_scales": {"2": 0.1}}
JOINED = {"name": "join_schedules", "schedules": [RATE, STEPS], "boundaries": [2]}


class TestOptimizers:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, lambda: optax.adam(0.01)),
            (dict(learning_rate=0.5), lambda: optax.adam(0.5)),
            (dict(optimizer="sgd", learning_rate=0.5), lambda: optax.sgd(0.5)),
            (dict(optimizer={"name": "sgd", "momentum": 0.9}, learning_rate=0.5), lambda: optax.sgd(0.5, 0.9)),
            (dict(optimizer="optax.contrib:muon", learning_rate=0.1), lambda: optax.contrib.muon(0.1)),
            (
                dict(optimizer={"name": "adamw", "learning_rate": RATE, "weight_decay": 0.1}),
                lambda: optax.adamw(optax.cosine_decay_schedule(0.1, 4), weight_decay=0.1),
            ),
            (
                dict(optimizer={"name": "sgd", "learning_rate": JOINED}),
                lambda: optax.sgd(
                    optax.join_schedules(
                        [optax.cosine_decay_schedule(0.1, 4), optax.piecewise_constant_schedule(0.1, {2: 0.1})], [2]
                    )
                ),
            ),
            (
                dict(optimizer=[{"name": "clip_by_global_norm", "max_norm": 0.1}, {"name": "sgd", "learning_rate": 1}]),
                lambda: optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(1)),
            ),
        ],
    )
    def test_they_are_those_of_optax(self, options, expected):
        found, wanted = made(**options), expected()
        params = {"w": jnp.array([[1.0, -2.0], [3.0, 4.0]])}
        states = [optimizer.init(params) for optimizer in (found, wanted)]
        assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
        for _ in range(5):
            steps = []
            for place, optimizer in enumerate((found, wanted)):
                with jax.numpy_dtype_promotion("standard"):
                    step, states[place] = optimizer.update(params, states[place], params)
                steps.append(step["w"])
            np.testing.assert_array_equal(*steps)

    def test_a_file_trains_with_them(self, swept, tmp_path):
        base = BASE.replace("epochs = 0", "epochs = 2\nbatch_size = 7\n[training.optimizer]\nname = 'adamw'")
        base += "weight_decay = 0.5\nlearning_rate = { name = 'exponential_decay', init_value = 0.1, "
        swept("draws = 2", base + "transition_steps = 2, decay_rate = 0.5 }")
        net, task = sweeps.MLP((2, 4, 4, 2)), sweeps.tasks.circle(train_examples=20, test_examples=10)
        rate = optax.exponential_decay(0.1, 2, 0.5)
        sweeps.train(net, task, optimizer=optax.adamw(rate, weight_decay=0.5), epochs=2, batch_size=7)
        stored = xr.open_zarr(tmp_path / "run" / "run.zarr", group="network", consolidated=False)
        np.testing.assert_array_equal(stored["layers.0.kernel"], net.layers[0].kernel[...])

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("'adamm'", "training.optimizer: module optax has no adamm"),
            ("'sgd'", "training.optimizer: optax:sgd does not take these options .none.: missing a required argu"),
            ("{ name = 'sgd', learning_rat = 1 }", "does not take these options .learning_rat.: "),
            ("{ name = 'adam', learning_rate = 'fast' }", "training.optimizer does not fit: "),
            ("'cosine_similarity'", "training.optimizer: optax:cosine_similarity does not take these options"),
            ("{ name = 'constant_schedule', value = 1 }", "training.optimizer must be an optimizer of Optax, got func"),
            ("'lbfgs'", "training.optimizer does not fit: TypeError: .*"),
            ("[]", "training.optimizer must be a name of Optax or package.module:function, a table"),
            ("3", "training.optimizer must be a name of Optax"),
        ],
    )
    def test_refusals(self, line, message, refused):
        base = BASE.replace("epochs = 0", f"optimizer = {line}")
        assert re.search(message, refused("", base))


def test_paths_in_a_file_are_relative_to_it_and_those_of_flags_to_here(tmp_path):
    (tmp_path / "some.toml").write_text("network = { build = 'a:b', checkpoint = 'net' }\n[sweep]\nmasks = 'm.npy'")
    found = config.read(tmp_path / "some.toml")
    assert Path(found.network.checkpoint) == tmp_path / "net" and Path(found.sweep.masks) == tmp_path / "m.npy"
