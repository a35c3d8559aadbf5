"""Configured sweeps: what a file may say, what flags add to it, and when a folder is another run's."""

import dataclasses
import re

import numpy as np
import pytest
import xarray as xr

from analysis import reports
from sweeps import cli, config
from sweeps.store import Run
from sweeps.studies import configured
from tests.sweeps.test_cli import refused

DEFAULT = config.Sweep()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "sweep.toml"


def read(file, text):
    file.write_text(text)
    return config.read(file)


class TestFiles:
    def test_an_empty_file_is_all_defaults(self, file):
        assert read(file, "") == DEFAULT

    def test_every_setting_can_be_written_and_read(self, file):
        values = {
            "task": dict(name="spiral", train_examples=10, turns=2.5, noise=0.1),
            "network": dict(sizes=(2, 4, 3, 2), activation="tanh", use_bias=False, seed=3),
            "training": dict(epochs=2, batch_size=8, learning_rate=0.1, loss="squared_error"),
            "sweep": dict(
                design="fixed_size", on=2, draws=7, chains=2, gradients=False, keep="summary", batch_size=64, seed=5
            ),
        }  # fmt: skip
        lines = []
        for table, keys in values.items():
            lines.append(f"[{table}]")
            for key, value in keys.items():
                text = str(value).lower() if isinstance(value, bool) else repr(value)
                lines.append(f"{key} = {list(value) if isinstance(value, tuple) else text}")
        found = read(file, "\n".join(lines))
        for table, keys in values.items():
            part = getattr(found, table)
            assert part == dataclasses.replace(getattr(DEFAULT, table), **keys), table

    def test_one_probability_needs_no_brackets_and_whole_numbers_no_point(self, file):
        found = read(file, "[sweep]\nprobability = 0.5\n[training]\nlearning_rate = 1")
        assert found.sweep.probability == (0.5,) and found.training.learning_rate == 1

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("sizes = [", "is no valid TOML: "),
            ("[sweeps]", "table must be one of task, network, training, sweep, got 'sweeps'"),
            ("[sweep]\ndraw = 3", r"key of \[sweep\] must be one of design, sites, .*, got 'draw'"),
            ("sweep = 3", r"sweep must be a table \[sweep\], got 3"),
            ("[sweep]\ndraws = '3'", "sweep.draws must be of type int, got '3'"),
            ("[sweep]\ndraws = 3.5", "sweep.draws must be of type int, got 3.5"),
            ("[sweep]\ndraws = true", "sweep.draws must be of type int, got True"),
            ("[sweep]\ngradients = 1", "sweep.gradients must be of type bool, got 1"),
            ("[sweep]\nkeep = 1", "sweep.keep must be one of draws, summary, got 1"),
            ("[sweep]\ndesign = 'walk'", "sweep.design must be one of bernoulli, .*, got 'walk'"),
            ("[sweep]\nkeep = 'everything'", "sweep.keep must be one of draws, summary, got 'everything'"),
            ("[task]\nname = 'square'", "task.name must be one of circle, .*, got 'square'"),
            ("[sweep]\nbatch_size = 'many'", "sweep.batch_size must be .*int.*, got 'many'"),
            ("[sweep]\nprobability = ['half']", "sweep.probability must be .*, got "),
            ("[network]\nsizes = [2, 4.5, 2]", "network.sizes must be .*, got "),
        ],
    )
    def test_what_they_may_not_say(self, text, message, file):
        with pytest.raises(ValueError, match=message):
            read(file, text)

    def test_messages_name_the_file(self, file):
        for text in ("sizes = [", "[sweeps]", "[sweep]\ndraw = 3", "sweep = 3", "[sweep]\ndraws = '3'"):
            with pytest.raises(ValueError, match=re.escape(str(file))):
                read(file, text)


class TestCommand:
    """``sweeps run``, up to where the work begins."""

    @pytest.fixture
    def settings(self, file, monkeypatch):
        """The settings that arguments lead to."""
        got = []
        monkeypatch.setattr(configured, "run", lambda settings, *_, **__: got.append(settings))
        monkeypatch.setattr(reports, "write", lambda out: out)

        def of(text, *flags):
            file.write_text(text)
            cli.main(["run", str(file), "--out", str(file.parent / "run"), *flags])
            return got[-1]

        return of

    def test_flags_override_the_file(self, settings):
        text = "[sweep]\ndraws = 30\nprobability = [0.1]\n[network]\nsizes = [2, 5, 2]\n[training]\nepochs = 3"
        found = settings(
            text, "--sweep.draws", "40", "--sweep.probability", "0.2", "0.3", "--network.sizes", "2", "7", "2"
        )
        assert (found.sweep.draws, found.sweep.probability, found.network.sizes) == (40, (0.2, 0.3), (2, 7, 2))
        assert found.training.epochs == 3 and found.sweep.chains == DEFAULT.sweep.chains

    def test_without_flags_the_file_decides(self, settings):
        found = settings("[sweep]\nkeep = 'summary'\ngradients = false\nbatch_size = 8")
        assert found == dataclasses.replace(
            DEFAULT, sweep=dataclasses.replace(DEFAULT.sweep, keep="summary", gradients=False, batch_size=8)
        )

    def test_one_runs_settings_are_not_the_next_ones_defaults(self, settings):
        settings("[sweep]\ndraws = 30")
        assert settings("") == DEFAULT

    @pytest.mark.parametrize("flag", ["--sweep.design", "--sweep.keep", "--task.name", "--sweep.plan"])
    def test_flags_are_checked_against_the_choices(self, flag, settings, capsys):
        with pytest.raises(SystemExit) as stopped:
            settings("", flag, "walk")
        assert stopped.value.code == 2 and "walk" in capsys.readouterr().err


class TestRun:
    def test_it_writes_what_was_asked_for(self, configured_run):
        with xr.open_datatree(configured_run / "run/run.zarr", engine="zarr", consolidated=False) as tree:
            assert {"/task", "/training", "/network", "/sweeps/main"} <= set(tree.groups)
            data = tree["sweeps/main"].to_dataset()
            assert data.loss.shape == (3, 2, 40) and np.isfinite(data.loss).all() and "loss_gradient" not in data
            assert data.attrs["full_loss"] == pytest.approx(tree["network"].attrs["full_loss"], rel=1e-5)
            assert tree.attrs["command"].startswith("sweeps run ") and "--out" in tree.attrs["command"]

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (["--sweep.seed", "4"], "sweep.seed was 17, now 4"),
            (["--sweep.design", "hypercube"], "sweep.design was bernoulli, now hypercube"),
            (["--network.sizes", "2", "4", "2"], r"network.sizes was \[2, 5, 2\], now \[2, 4, 2\]"),
            (["--training.epochs", "2"], "training.epochs was 1, now 2"),
        ],
    )
    def test_other_settings_in_the_same_folder_are_refused(self, flags, message, configured_run, capsys):
        said = refused(capsys, "run", str(configured_run / "sweep.toml"), "--out", str(configured_run / "run"), *flags)
        assert re.search(f"holds a run with other settings: {message}; choose another folder or give --overwrite", said)

    def test_a_run_of_a_study_is_refused(self, configured_run, tmp_path, capsys):
        Run(tmp_path / "run", study="circle", config={}, seeds={}, command="", device="")
        said = refused(capsys, "run", str(configured_run / "sweep.toml"), "--out", str(tmp_path / "run"))
        assert "holds a run with other settings: study was circle, now sweep" in said

    def test_options_of_another_task_are_refused_before_any_work(self, configured_run, tmp_path, capsys):
        flags = ["--task.name", "digits", "--task.turns", "2"]
        said = refused(capsys, "run", str(configured_run / "sweep.toml"), "--out", str(tmp_path / "run"), *flags)
        assert said.startswith("task digits does not take these options: train_examples, test_examples, turns")
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (["--sweep.draws", "0"], "draws must be at least 1"),
            (["--sweep.batch-size", "0"], "batch_size must be at least 1, got 0"),
            (["--sweep.precision", "lowest"], "precision"),
            (["--sweep.design", "fixed_size", "--sweep.on", "9"], "on must be at most the number of nodes, 5, got 9"),
        ],
    )
    def test_settings_out_of_range_are_refused_before_any_work(self, flags, message, configured_run, tmp_path, capsys):
        said = refused(capsys, "run", str(configured_run / "sweep.toml"), "--out", str(tmp_path / "run"), *flags)
        assert message in said
        assert not (tmp_path / "run").exists(), "nothing was trained"
