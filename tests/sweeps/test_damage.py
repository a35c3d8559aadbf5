"""Damage and foreign folders: whatever happens to a file of a run is seen, in one line, and nothing is lost by it."""

import dataclasses
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import hypothesis
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import sweeps
from analysis import runs
from sweeps import InputError, _cli
from sweeps._config import run as configured
from sweeps._config import settings as config
from sweeps._store.record import Record
from tests.sweeps.conftest import CONFIG, run_configured

SMALL = CONFIG.replace("draws = 40", "draws = 5").replace("gradients = false", "")
# A task whose numbers come from a file, for its data may change.
TASK = """
import numpy as np, sweeps
def load():
    inputs = np.load("inputs.npy")
    batch = sweeps.Batch(inputs, (inputs[:, 0] > 0).astype(int))
    return sweeps.Task("mine", batch, batch, 2, {})
def broken():
    raise KeyError("the user's own")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A configuration and its finished run."""
    folder = tmp_path_factory.mktemp("damage")
    (folder / "sweep.toml").write_text(SMALL)
    run_configured(folder / "sweep.toml", folder / "run")
    return folder


@pytest.fixture(scope="module")
def begun(made, tmp_path_factory):
    """A run that was stopped when it wrote the first part of its sweep."""

    def stopped(*_):
        raise KeyboardInterrupt

    folder = tmp_path_factory.mktemp("begun") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Record, "write", stopped)
        with pytest.raises(SystemExit):
            run_configured(made / "sweep.toml", folder)
    return folder


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made / "run", tmp_path / "run")
    return tmp_path / "run"


def contents(folder):
    """All that a report, a page or an export can be made of."""
    run = runs.open_run(folder)
    return {node.path: node.to_dataset().load() for node in run.tree.subtree}, run.config, run.seeds, run.versions


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flipped(path):
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def refused(capsys, *words):
    """Standard error of a command that is refused in one line."""
    with pytest.raises(SystemExit) as stopped:
        _cli.main(list(map(str, words)))
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.count("\n") == 1, said
    return said


class TestEveryFile:
    @pytest.mark.parametrize("damage", [flipped, lambda path: path.unlink()], ids=["flipped", "removed"])
    def test_is_seen_or_makes_no_difference(self, damage, made, copy):
        wanted, silent = contents(copy), []
        for name, content in files(copy).items():
            damage(copy / name)
            try:
                found = contents(copy)
            except InputError as error:
                assert str(copy / name) in str(error) and "\n" not in str(error)
                assert "; restore it from a copy, or run again: sweeps run " in str(error)
            else:
                silent.append(str(name))
                for path, data in wanted[0].items():
                    xr.testing.assert_identical(found[0][path], data)
                assert found[1:] == wanted[1:]
            (copy / name).parent.mkdir(exist_ok=True)
            (copy / name).write_bytes(content)
        assert silent == ["run.json"], "a copy of what the store says itself"

    @pytest.mark.parametrize("size", [0, 7])
    def test_cut_short_is_seen(self, size, copy):
        for name, content in files(copy).items():
            if name.suffix == ".json" and "run.zarr" not in name.parts:
                continue
            (copy / name).write_bytes(content[:size])
            with pytest.raises(InputError, match=re.escape(str(copy / name))):
                runs.open_run(copy)
            (copy / name).write_bytes(content)

    def test_a_sweep_that_a_user_added_is_seen_too(self, copy):
        objective = sweeps.Objective.from_function(lambda gates: 1 + gates.sum(), nodes=2)
        sweeps.sweep(objective, sweeps.LeaveOneOut(), gradients=False, store=copy / "run.zarr/sweeps/mine")
        (copy / "run.zarr/sweeps/mine/loss/c/0").unlink()
        with pytest.raises(InputError, match="mine/loss/c/0 is damaged or missing"):
            runs.open_run(copy)

    def test_a_group_that_is_gone_is_seen(self, copy):
        shutil.rmtree(copy / "run.zarr/training")
        with pytest.raises(InputError, match="training/zarr.json is damaged or missing"):
            runs.open_run(copy)


@pytest.mark.parametrize("command", ["report", "explore", "export"])
def test_every_reader_says_it_in_one_line(command, copy, capsys):
    (copy / "run.zarr/sweeps/main/loss/c/0/0/0").unlink()
    said = refused(capsys, command, copy)
    assert said.startswith(f"sweeps: error: {copy}/run.zarr/sweeps/main/loss/c/0/0/0 is damaged or missing; restore")
    shutil.rmtree(copy / "run.zarr/sweeps")
    (copy / "run.zarr/zarr.json").write_text("{")
    said = refused(capsys, command, copy)
    assert said.startswith(f"sweeps: error: {copy}/run.zarr/zarr.json is damaged: it cannot be read; restore it")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "report",
            "must be a finished group of .*, got 'sweeps/main', begun only; to finish it, run again: sweeps run ",
        ),
        ("export", "of which sweeps/main is begun only; to finish it, run again: sweeps run "),
    ],
)
def test_a_sweep_that_was_stopped_is_not_read_as_zeros(command, message, begun, capsys):
    assert re.search(message, refused(capsys, command, begun))
    assert not (begun / "run.nc").exists() and not (begun / "csv").exists()
    assert not runs.open_run(begun).tree["sweeps/main"].data_vars


@pytest.mark.parametrize(
    "name",
    [
        "sweeps/main/loss/c/0/0/0",
        "sweeps/main/zarr.json",
        "sweeps/zarr.json",
        "network/layers.0.kernel/c/0/0",
        "zarr.json",
    ],
)
def test_the_same_command_mends_it_and_names_the_file(name, made, copy, capfd):
    wanted = contents(copy)[0]
    flipped(copy / "run.zarr" / name)
    run_configured(made / "sweep.toml", copy)
    said = "".join(capfd.readouterr())
    assert f"{copy}/run.zarr/{name} " in said
    found = contents(copy)[0]
    for path, data in wanted.items():
        xr.testing.assert_equal(found[path], data)


class TestFolders:
    """What the engine cannot prove to be its own unfinished work stays, to the last byte."""

    @pytest.mark.parametrize("flags", [(), ("--overwrite",)])
    def test_of_somebody_else_stay(self, flags, made, tmp_path, capsys):
        store = tmp_path / "r/run.zarr"
        for put in (
            lambda: (store / "thesis.txt").write_text("precious"),
            lambda: (store / ".zgroup").write_text('{"zarr_format": 2}'),
            lambda: xr.Dataset({"mine": ("x", [1.0])}).to_zarr(store, consolidated=False),
        ):
            store.mkdir(parents=True)
            put()
            before = files(tmp_path)
            said = refused(capsys, "run", made / "sweep.toml", "--out", tmp_path / "r", *flags)
            assert said == (
                f"sweeps: error: {store} was not written by gatesweep; move it away, or choose another folder\n"
            )
            assert files(tmp_path) == before
            shutil.rmtree(tmp_path / "r")

    def test_a_file_of_somebody_else_in_a_run_stays(self, made, copy, capsys):
        (copy / "run.zarr/notes.txt").write_text("mine")
        before = files(copy)
        said = refused(capsys, "run", made / "sweep.toml", "--out", copy, "--overwrite")
        assert said.endswith("run.zarr/notes.txt is no part of a run; move it away, or choose another folder\n")
        assert files(copy) == before

    def test_a_run_whose_settings_are_lost_is_refused(self, made, copy, capsys):
        (copy / "run.zarr/zarr.json").unlink()
        (copy / "run.json").unlink()
        before = files(copy)
        said = refused(capsys, "run", made / "sweep.toml", "--out", copy)
        assert "run.zarr/zarr.json and " in said and "restore one of them, give --overwrite, or choose" in said
        assert files(copy) == before
        run_configured(made / "sweep.toml", copy, "--overwrite")
        assert contents(copy)[0].keys() == contents(made / "run")[0].keys()

    def test_an_older_format_is_refused(self, made, copy, capsys):
        for path in copy.rglob("zarr.json"):
            content = json.loads(path.read_text())
            attributes = content.get("attributes", {})
            attributes.pop("seal", None)
            attributes |= {"format": 1} if path.parent == copy / "run.zarr" else {}
            path.write_text(json.dumps(content))
        (copy / "run.json").unlink()
        before = files(copy)
        said = refused(capsys, "run", made / "sweep.toml", "--out", copy)
        assert "run.zarr is of format 1, this version writes 3; choose another folder or give --overwrite" in said
        assert files(copy) == before

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (["--training.epochs", "-1"], "training.epochs must be at least 0, got -1"),
            (["--training.learning-rate", "1e30"], "training diverged"),
            (["--sweep.seed", str(2**70)], "sweep.seed must be at most 18446744073709551615"),
            (["--sweep.plan", "dense", "--sweep.sites", "layers/0"], ""),
            (["--sweep.probability", "0.5", "0.5"], "sweep.probability"),
            (["--sweep.draws", str(2**30)], "GB on the disk, of which"),
            (["--sweep.design", "hypercube", "--network.sizes", "2", "40", "2"], "Hypercube is for at most 30 nodes"),
        ],
    )
    def test_are_not_made_for_what_fails(self, flags, message, made, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr("sweeps._store.disk.free_space", lambda path: 10**9)
        file = tmp_path / "sweep.toml"
        file.write_text("[task]\ntrain_examples = 64\ntest_examples = 20\n[network]\nsizes = [2, 5, 2]\n")
        if "dense" in flags:
            flags, message = ["--sweep.plan", "dense", "--network.build", "no:where"], "network"
        said = refused(capsys, "run", file, "--out", tmp_path / "new/run", *flags)
        assert message in said and os.listdir(tmp_path) == ["sweep.toml"]

    def test_a_run_that_had_finished_nothing_is_replaced(self, made, tmp_path):
        from sweeps._store.folder import Run

        begun = dict(study="sweep", config={"other": 1}, seeds={}, command="", device="", resume=True)
        Run(tmp_path / "run", **begun)
        run_configured(made / "sweep.toml", tmp_path / "run")
        assert contents(tmp_path / "run")[0]["/sweeps/main"].loss.size == 30


class TestIdentity:
    @pytest.fixture
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        (tmp_path / "tasks_of_damage.py").write_text(TASK)
        inputs = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
        np.save(tmp_path / "inputs.npy", inputs)
        (tmp_path / "sweep.toml").write_text(
            'task.load = "tasks_of_damage:load"\nnetwork.sizes = [2, 5, 2]\ntraining.epochs = 1\nsweep.draws = 4\n'
        )
        yield inputs
        sys.modules.pop("tasks_of_damage", None)

    def test_data_that_changed_since_are_refused(self, here, tmp_path, capsys):
        run_configured("sweep.toml", "run")
        shutil.rmtree("run/run.zarr/sweeps/main")
        before = files(tmp_path / "run")
        here[3, 1] += 0.5
        np.save("inputs.npy", here)
        assert re.search(
            r"run holds a run on other data: the task's numbers, or the network as it is built, have changed "
            r"since \(digest \w+, now \w+\); choose",
            refused(capsys, "run", "sweep.toml", "--out", "run"),
        )
        assert files(tmp_path / "run") == before

    def test_a_network_that_is_built_otherwise_by_now_is_refused(self, here, tmp_path, capsys):
        flags = ["--network.build", "networks_of_damage:build"]
        file = tmp_path / "sweep.toml"
        file.write_text(file.read_text().replace("network.sizes = [2, 5, 2]\n", ""))
        for activation in ("relu", "tanh"):
            (tmp_path / "networks_of_damage.py").write_text(
                f"import sweeps\ndef build(seed):\n    return sweeps.MLP((2, 5, 2), activation={activation!r})\n"
            )
            importlib.invalidate_caches()
            sys.modules.pop("networks_of_damage", None)
            if activation == "relu":
                run_configured("sweep.toml", "run", *flags)
                shutil.rmtree("run/run.zarr/sweeps/main")
        said = refused(capsys, "run", "sweep.toml", "--out", "run", *flags)
        sys.modules.pop("networks_of_damage", None)
        assert "the network as it is built, have changed since" in said

    def test_an_error_of_the_users_own_is_theirs(self, here, tmp_path):
        with pytest.raises(KeyError, match="the user's own"):
            _cli.main(["run", "sweep.toml", "--out", "run", "--task.load", "tasks_of_damage:broken"])
        assert not (tmp_path / "run").exists()


def test_a_second_process_on_one_folder_is_told(copy, made, capsys):
    program = f"import pathlib, sys\nfrom sweeps._store import disk\nlock = disk.Lock(pathlib.Path({str(copy)!r}))\n"
    program += "print('locked', flush=True)\nsys.stdin.read()"
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as other:
        assert other.stdout.readline() == "locked\n"
        for flags in ([], ["--overwrite"]):
            said = refused(capsys, "run", made / "sweep.toml", "--out", copy, *flags)
            assert f"{copy} is being written by another process; wait until it ends, or choose another folder" in said
        other.kill()
    run_configured(made / "sweep.toml", copy)


SETTINGS = st.fixed_dictionaries(
    dict(
        task=st.fixed_dictionaries(
            {}, optional=dict(name=st.sampled_from(["circle", "spiral"]), turns=st.sampled_from([0.5, float("nan")]))
        ),
        network=st.fixed_dictionaries(
            dict(sizes=st.sampled_from([(2, 3, 2), (2, 3, 2, 2), (3, 3, 2), (2, 3, 1)])),
            optional=dict(activation=st.sampled_from(["tanh", "identity"]), seed=st.sampled_from([2**40, 2**64])),
        ),
        training=st.fixed_dictionaries(
            dict(epochs=st.sampled_from([0, 1])),
            optional=dict(loss=st.sampled_from(["binary_cross_entropy", "squared_error", "no.module:here"])),
        ),
        sweep=st.fixed_dictionaries(
            dict(design=st.sampled_from(["bernoulli", "fixed_size", "leave_one_out", "hypercube"])),
            optional=dict(
                on=st.sampled_from([1, 9]),
                plan=st.sampled_from(["affine", "dense"]),
                sites=st.sampled_from([("layers/0",), ("nowhere",)]),
                keep=st.just("summary"),
                gradients=st.just(False),
            ),
        ),
    )
)


@given(SETTINGS)
@hypothesis.settings(max_examples=10)
def test_whatever_the_settings_a_run_ends_or_is_refused_before_its_folder_exists(chosen):
    chosen["task"] |= dict(train_examples=8, test_examples=8)
    tables = {name: getattr(config.Configuration(), name) for name in chosen}
    with tempfile.TemporaryDirectory() as parent:
        try:
            wanted = {name: dataclasses.replace(table, **chosen[name]) for name, table in tables.items()}
            configured.run(config.Configuration(**wanted), f"{parent}/run")
        except InputError as error:
            assert str(error).strip() and "\n" not in str(error) and not os.listdir(parent)
        else:
            assert contents(f"{parent}/run")[0]["/sweeps/main"].attrs["complete"]
