"""Networks, tasks and losses of the user's own, named in a configuration file."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sweeps import _importing
from sweeps._store import checkpoints
from tests.sweeps.conftest import run_configured

PACKAGE = '''
import jax.numpy as jnp
import numpy as np
import sweeps
from flax import linen, nnx

WIDTH = 3

class Net(nnx.Module):
    """Two steps of tokens, and an output at each."""

    def __init__(self, width, seed):
        zeros, random = nnx.initializers.zeros_init(), np.random.default_rng(seed)
        self.hidden = nnx.Linear(2, width, kernel_init=zeros, rngs=nnx.Rngs(0))
        self.out = nnx.Linear(width, 2, kernel_init=zeros, rngs=nnx.Rngs(0))
        for layer in (self.hidden, self.out):
            layer.kernel[...] = jnp.asarray(random.normal(size=layer.kernel.shape), jnp.float32)

    def __call__(self, inputs):
        return self.out(nnx.relu(self.hidden(inputs["tokens"])))

def build(seed, width=WIDTH):
    return Net(width, seed)

def in_linen():
    module = linen.Sequential([linen.Dense(3), linen.relu, linen.Dense(2)])
    kernels = {f"layers_{at}": {"kernel": jnp.ones(shape), "bias": jnp.zeros(shape[1])}
               for at, shape in ((0, (2, 3)), (2, (3, 2)))}
    return module, {"params": kernels}

def batch(seed, examples):
    random = np.random.default_rng(seed)
    tokens = random.normal(size=(examples, 2, 2)).astype(np.float32)
    mask = np.arange(2) < random.integers(1, 3, size=(examples, 1))
    return sweeps.MaskedBatch({"tokens": tokens}, (tokens[..., 0] > 0).astype(int), mask)

def load(examples=12):
    return sweeps.Task("pairs", batch(0, examples), batch(1, 10), settings={"examples": examples})

def flat():
    of_tokens = [sweeps.Batch(one.inputs["tokens"][:, 0], one.targets[:, 0]) for one in (batch(0, 12), batch(1, 10))]
    return sweeps.Task("flat", *of_tokens, 2, {})

def loss(outputs, targets):
    return jnp.square(outputs[..., 0] - targets.astype(outputs.dtype))
'''
CONFIG = """
network.build = "own_networks:build"
[task]
load = "own_networks:load"
arguments = { examples = 14 }
[training]
epochs = 2
batch_size = 5
[sweep]
probability = 0.5
draws = 6
sites = ["hidden"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_networks.py").write_text(PACKAGE)
    (folder / "own.toml").write_text(CONFIG)
    return folder


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    """Work where the module is, as a user does; afterwards it cannot be imported any more."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("own_networks", None)


@pytest.fixture(scope="module")
def run(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        run_configured(folder / "own.toml", folder / "run")
    return folder / "run"


def group(run, name):
    return xr.open_zarr(run / "run.zarr", group=name, consolidated=False, chunks=None).load()


def test_what_a_run_writes(run):
    data = group(run, "sweeps/main")
    assert data.loss.shape == (1, 1, 6) and list(data.node.values) == [f"hidden unit {unit}" for unit in range(3)]
    assert set(data.layer.values) == {"hidden"}
    task = group(run, "task")
    assert task["train_inputs.tokens"].shape == (14, 2, 2) and task.test_mask.dims == ("test_example", "test_mask.1")
    assert task.attrs.pop("seal") and task.attrs == {"name": "pairs", "examples": 14, "complete": True}
    network = group(run, "network").attrs
    assert network["network"] == "own_networks:build" and network["parameters"] == 2 * 3 + 3 + 3 * 2 + 2
    assert json.loads(network["sites"]) == [{"source": "hidden", "kind": "unit", "nodes": 3, "reads": "out"}]
    assert data.attrs["full_loss"] == network["full_loss"]


def test_losses_are_those_of_the_checkpoint_where_the_mask_counts(run):
    network = _importing.load("own_networks:build", "network")(0)
    checkpoints.restore(network, run / "checkpoint")
    batch = _importing.load("own_networks:load", "task")().test
    hidden = np.maximum(batch.inputs["tokens"] @ np.asarray(network.hidden.kernel) + np.asarray(network.hidden.bias), 0)
    data = group(run, "sweeps/main")
    for gates, loss in zip(data.gates.values[0, 0], data.loss.values[0, 0], strict=True):
        outputs = (hidden * gates) @ np.asarray(network.out.kernel) + np.asarray(network.out.bias)
        margin = (outputs[..., 1] - outputs[..., 0]) * (1 - 2 * batch.targets)
        np.testing.assert_allclose(loss, np.logaddexp(0, margin)[batch.mask].mean(), rtol=1e-5)
    outputs = hidden @ np.asarray(network.out.kernel) + np.asarray(network.out.bias)
    rightly = (outputs.argmax(axis=-1) == batch.targets)[batch.mask].mean()
    np.testing.assert_allclose(group(run, "network").attrs["full_accuracy"], rightly, rtol=1e-6)


def test_the_same_command_again_trains_nothing(run, capsys):
    before = group(run, "sweeps/main")
    run_configured(Path("own.toml"), run)
    assert "training" not in capsys.readouterr().out
    xr.testing.assert_identical(group(run, "sweeps/main"), before)


def test_a_checkpoint_is_taken_instead_of_training(run, tmp_path, capsys):
    flags = ("--network.checkpoint", str(run / "checkpoint"))
    run_configured(Path("own.toml"), tmp_path / "again", *flags)
    assert "training" not in capsys.readouterr().out
    np.testing.assert_array_equal(group(tmp_path / "again", "sweeps/main").loss, group(run, "sweeps/main").loss)
    assert not (tmp_path / "again" / "run.zarr" / "training").exists()


def test_a_linen_network_and_a_loss_of_ones_own(tmp_path):
    Path("linen.toml").write_text('network.build = "own_networks:in_linen"\ntask.load = "own_networks:flat"\n')
    flags = ("--training.epochs", "0", "--training.loss", "own_networks:loss", "--sweep.design", "leave_one_out")
    run_configured(Path("linen.toml"), tmp_path / "run", *flags)
    data = group(tmp_path / "run", "sweeps/main")
    assert data.attrs["loss"] == "loss" and data.node.values[0] == "layers_0 unit 0"
    # All three units are the same.
    np.testing.assert_allclose(data.loss, data.loss[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--network.build", "own_networks"), "network.build must be package.module:function, got 'own_networks'"),
        (
            ("--network.build", "nowhere.models:build"),
            "network.build: there is no module nowhere; modules are ",
        ),
        (("--network.build", "own_networks:biuld"), "network.build: module own_networks has no biuld"),
        (("--network.build", "own_networks:WIDTH"), "network.build: own_networks:WIDTH is no function but int"),
        (
            ("--network.build", "own_networks:load"),
            "only flax.nnx modules are trained here",
        ),
        (
            ("--network.build", "own_networks:in_linen"),
            "trained here, give training.epochs = 0; .* returned Sequential",
        ),
        (("--network.sizes", "2", "2"), "network.sizes must be left out with build"),
        (("--task.load", "own_networks:batch"), "task.load: own_networks:batch does not take these options "),
        (("--task.noise", "1"), "task.noise must be left out without name, got 1.0"),
        (("--training.loss", "optax:no_such_loss"), "training.loss: module optax has no no_such_loss"),
        (("--sweep.sites", "hiden"), "sites: nothing that makes nodes is called 'hiden'; there are: hidden, out, inp"),
        (("--network.checkpoint", "nowhere"), "there is no Orbax checkpoint at "),
    ],
)
def test_refusals_come_before_any_work(flags, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_configured(Path("own.toml"), tmp_path / "run", *flags)
    found = capsys.readouterr()
    assert not (tmp_path / "run").exists() and not found.out
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(found.err)


def test_a_fault_inside_the_users_module_is_shown_as_it_is(tmp_path):
    Path("faulty.py").write_text("import no_such_package\n")
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
        _importing.load("faulty:build", "network")
    Path("failing.py").write_text("def build():\n    return len(3)\n")
    with pytest.raises(TypeError, match="object of type 'int' has no len"):
        _importing.called("failing:build", "network", {})
