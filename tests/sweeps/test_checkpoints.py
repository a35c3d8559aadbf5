"""Checkpoints: what is saved comes back, from the layouts that Flax's guide and Orbax's manager write too."""

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import nnx

import sweeps
from sweeps import InputError
from sweeps._store import checkpoints
from tests.sweeps import helpers

INPUTS = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)), jnp.float32)


class Net(nnx.Module):
    """Layers in a list, one of them called as some layouts call a step of their own, statistics and dropout."""

    def __init__(self, seed, width=4):
        self.layers = nnx.List([helpers.linear(3, width, seed)])
        self.value = helpers.linear(width, 2, seed + 1)
        self.norm = nnx.BatchNorm(2, use_running_average=True, rngs=nnx.Rngs(0))
        self.norm.mean[...] = jnp.asarray([seed, -seed], jnp.float32)
        self.dropout = nnx.Dropout(0.5, deterministic=True, rngs=nnx.Rngs(seed))

    def __call__(self, inputs):
        return self.norm(self.value(self.dropout(nnx.tanh(self.layers[0](inputs)))))


def ours(network, path):
    checkpoints.save(network, path)


def of_the_guide(network, path):
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path, nnx.split(network, nnx.RngState, ...)[2])


def of_a_manager(network, path):
    with ocp.CheckpointManager(path) as manager:
        for step, saved in ((2, Net(8)), (10, network)):
            state = nnx.to_pure_dict(nnx.state(saved, nnx.Not(nnx.RngState)))
            manager.save(step, args=ocp.args.StandardSave(state))
        manager.wait_until_finished()


@pytest.mark.parametrize("save", [ours, of_the_guide, of_a_manager])
def test_what_was_saved_comes_back(save, tmp_path):
    saved, network = Net(1), Net(5)
    graph = nnx.graphdef(network)
    save(saved, tmp_path / "checkpoint")
    checkpoints.restore(network, tmp_path / "checkpoint")
    np.testing.assert_array_equal(network(INPUTS), saved(INPUTS))
    assert nnx.graphdef(network) == graph


def test_a_second_checkpoint_takes_the_place_of_the_first(tmp_path):
    for seed in (1, 2):
        checkpoints.save(Net(seed), tmp_path / "checkpoint")
    network = Net(5)
    checkpoints.restore(network, tmp_path / "checkpoint")
    np.testing.assert_array_equal(network(INPUTS), Net(2)(INPUTS))


def test_what_does_not_fit_changes_nothing(tmp_path):
    checkpoints.save(Net(1), tmp_path / "checkpoint")
    wider = Net(5, width=6)
    before = helpers.leaves(wider.layers)
    with pytest.raises(ValueError, match=r"layers/0/(bias|kernel) has shape \(.*4.*\), the network's has \(.*6.*\)"):
        checkpoints.restore(wider, tmp_path / "checkpoint")
    with pytest.raises(ValueError, match="has no array for a/bias, and 1 more; it has "):
        checkpoints.restore(nnx.Dict(a=helpers.linear(2, 2)), tmp_path / "checkpoint")
    checkpoints.save(sweeps.MLP((2, 2)), tmp_path / "biased")
    with pytest.raises(ValueError, match="has an array layers/0/bias, for which the network has no place"):
        checkpoints.restore(sweeps.MLP((2, 2), use_bias=False), tmp_path / "biased")
    for old, new in zip(before, helpers.leaves(wider.layers), strict=True):
        np.testing.assert_array_equal(old, new)


def test_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no Orbax checkpoint at .*nowhere"):
        checkpoints.restore(Net(0), tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="file is a file; a checkpoint is a folder"):
        checkpoints.save(Net(0), tmp_path / "file")


def test_a_folder_of_somebody_elses_is_not_replaced(tmp_path):
    folder = tmp_path / "checkpoint"
    checkpoints.save(Net(0), folder)
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"holds other files \(thesis.tex\)"):
        checkpoints.save(Net(0), folder)
    assert (folder / "thesis.tex").read_text() == "years of work"
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(FileExistsError, match="link is a link"):
        checkpoints.save(Net(0), tmp_path / "link")


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_checkpoint_is_named_and_can_be_replaced(tmp_path):
    # Arrays as large as these have files of their own, of which Orbax takes no checksum.
    network = sweeps.MLP((2, 400, 2))
    checkpoints.save(network, tmp_path)
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file():
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 0x10
            path.write_bytes(content)
            with pytest.raises(InputError, match=f"{tmp_path}/.* is damaged or missing"):
                checkpoints.restore(network, tmp_path)
            content[len(content) // 2] ^= 0x10
            path.write_bytes(content)
    checkpoints.restore(network, tmp_path)
    (tmp_path / "sums.json").unlink()
    (tmp_path / "manifest.ocdbt").write_bytes(b"cut")
    with pytest.raises(InputError, match=f"checkpoint {tmp_path} cannot be read: "):
        checkpoints.restore(network, tmp_path)
    checkpoints.save(network, tmp_path)
    checkpoints.restore(network, tmp_path)


@pytest.mark.parametrize("path", [3, b"checkpoint", "", "gs://bucket/checkpoint", "a\0b", 300 * "a"])
def test_what_is_no_path_is_named(path):
    for call in (checkpoints.save, checkpoints.restore):
        with pytest.raises(InputError, match="^path (must|cannot) be a path"):
            call(Net(0), path)


def test_a_layer_that_lost_all_its_nodes_is_kept_too(tmp_path):
    network = sweeps.MLP((2, 3, 2), seed=1)
    network.layers[1].bias[...] = jnp.array([1.0, 2.0])
    empty = sweeps.pruning.remove_nodes(network, [False] * 3)
    checkpoints.save(empty, tmp_path / "empty")
    other = sweeps.pruning.remove_nodes(sweeps.MLP((2, 3, 2)), [False] * 3)
    checkpoints.restore(other, tmp_path / "empty")
    np.testing.assert_array_equal(other(jnp.ones((4, 2))), [[1, 2]] * 4)
