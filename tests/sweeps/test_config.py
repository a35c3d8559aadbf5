"""Configured sweeps: what a file may say, what flags add to it, and when a folder is another run's."""

import dataclasses
import datetime
import inspect
import re
from typing import get_args

import numpy as np
import pytest
import xarray as xr

import sweeps
from analysis._errors import InputError
from sweeps import _cli, _losses, _metrics, _networks, _objective, _off, tasks
from sweeps._config import run as configured
from sweeps._config import settings as config
from sweeps._config import values
from sweeps._store.folder import Run
from sweeps._studies import registry
from tests.sweeps.test_cli import refused

DEFAULT = config.Configuration()


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
            ("[sweeps]", "table must be one of task, network, training, sweep, got 'sweeps'; did you mean sweep"),
            ("[sweep]\ndraw = 3", r"key of \[sweep\] must be one of design, sites, .*, got 'draw'; did you mean draws"),
            ("sweep = 3", r"sweep must be a table \[sweep\], got 3"),
            ("[sweep]\ndraws = '3'", "sweep.draws must be a whole number, got '3'"),
            ("[network]\narguments = 3", "network.arguments must be a table, got 3"),
            ("[network]\ncheckpoint = 3", "network.checkpoint must be a text, got 3"),
            ("[sweep]\ndraws = 3.5", "sweep.draws must be a whole number, got 3.5"),
            ("[sweep]\ndraws = true", "sweep.draws must be a whole number, got True"),
            ("[sweep]\ngradients = 1", "sweep.gradients must be true or false, got 1"),
            ("[sweep]\nkeep = 1", "sweep.keep must be 'draws', 'examples' or 'summary', got 1"),
            ("[sweep]\ndesign = 'walk'", "sweep.design must be 'bernoulli', .*, got 'walk'"),
            ("[sweep]\nkeep = 'everything'", "sweep.keep must be 'draws', 'examples' or 'summary', got 'everything'"),
            ("[task]\nname = 'square'", "task.name must be 'circle', .*, got 'square'"),
            ("[sweep]\nbatch_size = 'many'", "sweep.batch_size must be a whole number, got 'many'"),
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


class TestChecks:
    """What is refused once file and flags are put together; tests/sweeps/test_settings_property.py has the rest."""

    def test_what_was_left_out_is_filled_in_once(self):
        found = DEFAULT.check()
        assert (found.task.name, found.network.sizes, found.network.activation) == ("circle", (2, 20, 2), "relu")
        assert found.sweep.of_design() == dict(probability=(0.25, 0.5, 0.75), draws=1000, chains=1)
        assert found.check() == found

    @pytest.mark.parametrize(("design", "options"), config.DESIGNS.items())
    def test_a_design_takes_its_own_options_and_no_others(self, design, options):
        given = dict(probability=(0.5,), on=2, draws=7, chains=2, paths=3, flips=1, layer="layers/0", masks="a/b.npy")
        mine = {name: given[name] for name in options}
        made = config.SweepSettings(design=design, **mine).check().of_design()
        assert made == mine | ({"probability": 0.5} if design == "flip_paths" else {})
        for name in given.keys() - options:
            expected = rf"^sweep.{name} must be left out with design {design}, got "
            with pytest.raises(InputError, match=expected):
                config.SweepSettings(design=design, **{name: given[name]}).check("sweep.")

    def test_designs_are_made_of_the_options_named_after_their_arguments(self):
        classes = dict(
            bernoulli=sweeps.Bernoulli, fixed_size=sweeps.FixedSize, leave_one_out=sweeps.LeaveOneOut,
            hypercube=sweeps.Hypercube, flip_paths=sweeps.FlipPaths,
        )  # fmt: skip
        for design, made in classes.items():
            made(**config.SweepSettings(design=design).check().of_design())

    def test_tables_written_without_jax_are_those_of_the_library(self):
        assert set(get_args(config.Activation)) == set(_networks.ACTIVATIONS)
        assert set(get_args(config.Precision)) == set(_objective.PRECISIONS)
        assert set(config.LOSSES) == set(_losses.LOSSES)
        assert set(values.METRICS) == set(_metrics.NAMED) and {"zero", *values.OFF} == set(_off._NAMES)
        for name, options in config.TASKS.items():
            assert set(options) == set(inspect.signature(getattr(tasks, name)).parameters)

    @pytest.mark.parametrize(("task", "options"), config.TASKS.items())
    def test_a_task_takes_its_own_options_and_no_others(self, task, options):
        given = dict(
            train_examples=3, test_examples=3, train_seed=1, test_seed=1, boundary="code", turns=1.0, noise=0.0,
            test_fraction=0.5, split_seed=1,
        )  # fmt: skip
        config.TaskSettings(name=task, **{name: given[name] for name in options}).check()
        for name in given.keys() - set(options):
            with pytest.raises(InputError, match=f"^task.{name} must be left out with name {task}, got "):
                config.TaskSettings(name=task, **{name: given[name]}).check("task.")
            with pytest.raises(InputError, match=f"^task.{name} must be left out without name, got "):
                config.TaskSettings(load="mine:task", **{name: given[name]}).check("task.")

    @pytest.mark.parametrize(
        ("part", "message"),
        [
            (
                config.TaskSettings(load="mine:task", name="circle"),
                "name must be left out with load mine:task, got 'circle'",
            ),
            (config.TaskSettings(arguments=dict(size=3)), "arguments must be left out without load, got {'size': 3}"),
            (config.TaskSettings(noise=np.nan), "noise must be a finite number, got nan"),
            (config.TaskSettings(train_examples=True), "train_examples must be a whole number, got True"),
            (
                config.NetworkSettings(checkpoint="here"),
                "checkpoint must be left out without build, got 'here'",
            ),
            (config.NetworkSettings(build="a:b", sizes=(2, 20, 2)), "sizes must be left out with build a:b, got"),
            (config.NetworkSettings(build="a:b", activation="relu"), "activation must be left out with build a:b, got"),
            (
                config.NetworkSettings(build="a:b", arguments=dict(one=[dict(when=datetime.date(2026, 1, 1))])),
                "arguments must hold texts, numbers, .*, got .*datetime.date",
            ),
            (config.NetworkSettings(sizes=(2,)), r"sizes must have at least 2 items, got \(2,\)"),
            (config.NetworkSettings(sizes=5), r"sizes must have at least 2 items, got \(5,\)"),
            (config.TrainingSettings(loss="huber"), "loss must be one of cross_entropy, .*, package.module:function"),
            (config.TrainingSettings(learning_rate=0), "learning_rate must be at least 1e-37, got 0"),
            (config.SweepSettings(probability=(0.5, 0.5)), r"probability must have no value twice, got \(0.5, 0.5\)"),
            (config.SweepSettings(probability=()), r"probability must have at least 1 item, got \(\)"),
            (config.SweepSettings(design="masks"), "masks must be given with design masks, got None"),
            (
                config.SweepSettings(design="masks", masks="a.txt"),
                "masks must be the path of a file .npy, .npz,",
            ),
            (
                config.SweepSettings(design="flip_paths", probability=(0.1, 0.2)),
                "probability must be one value with",
            ),
            (
                config.SweepSettings(sites={"heads": 0}),
                "sites must give each pattern its number of groups, or .number, ",
            ),
            (
                config.SweepSettings(metrics=("loss",)),
                "metrics must be names, among accuracy, kl, logit_difference and pa",
            ),
            (config.SweepSettings(metrics={"mine": 3}), "metrics must be names, among accuracy, kl, logit_difference "),
            (config.SweepSettings(sites=3), "sites must be a pattern, a list of patterns, or a table from patterns "),
            (config.TrainingSettings(optimizer={"b1": 0.5}), "optimizer must be a name of Optax or package.module:fun"),
            (
                config.TrainingSettings(optimizer={"name": "sgd", "learning_rate": 1.0}, learning_rate=1.0),
                "learning_rate must be left out beside an optimizer that has its own, got 1.0",
            ),
            (config.SweepSettings(chains=2**30), "chains must be at most 715827882, got 1073741824"),
        ],
    )
    def test_values_that_cannot_be_used(self, part, message):
        table = {kind: table for table, kind in config.TABLES.items()}[type(part)]
        with pytest.raises(InputError, match=f"^{table}.{message}"):
            config.Configuration(**{table: part}).check()

    def test_numpys_numbers_are_pythons(self):
        found = config.SweepSettings(probability=np.array([0.25, 0.5]), draws=np.int64(3), gradients=np.True_)
        found.check()
        assert repr(found) == repr(config.SweepSettings(probability=(0.25, 0.5), draws=3))


class TestCommand:
    """``sweeps run``, up to where the work begins."""

    @pytest.fixture
    def settings(self, file, monkeypatch):
        """The settings that arguments lead to."""
        got = []
        monkeypatch.setattr(configured, "run", lambda settings, *_, **__: got.append(settings))
        monkeypatch.setattr(registry, "write_report", lambda out: out)

        def of(text, *flags):
            file.write_text(text)
            _cli.main(["run", str(file), "--out", str(file.parent / "run"), *flags])
            return got[-1]

        of.got = got
        return of

    def test_flags_override_the_file(self, settings):
        text = "[sweep]\ndraws = 30\nprobability = [0.1]\n[network]\nsizes = [2, 5, 2]\n[training]\nepochs = 3"
        found = settings(
            text, "--sweep.draws", "40", "--sweep.probability", "0.2", "0.3", "--network.sizes", "2", "7", "2"
        )
        assert (found.sweep.draws, found.sweep.probability, found.network.sizes) == (40, (0.2, 0.3), (2, 7, 2))
        assert found.training.epochs == 3 and found.sweep.chains == 1

    def test_the_file_may_stand_behind_flags(self, settings, file):
        settings("[sweep]\ndraws = 30\nchains = 2")
        before = ["run", "--out", str(file.parent / "run"), "--sweep.chains", "3", str(file)]
        _cli.main(before)
        assert (settings.got[-1].sweep.draws, settings.got[-1].sweep.chains) == (30, 3)

    def test_without_flags_the_file_decides(self, settings):
        found = settings("[sweep]\nkeep = 'summary'\ngradients = false\nbatch_size = 8")
        assert found.sweep == dataclasses.replace(DEFAULT.check().sweep, keep="summary", gradients=False, batch_size=8)
        assert dataclasses.replace(found, sweep=DEFAULT.check().sweep) == DEFAULT.check()

    def test_one_runs_settings_are_not_the_next_ones_defaults(self, settings):
        settings("[sweep]\ndraws = 30")
        assert settings("") == DEFAULT.check()

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
            (["--sweep.seed", "4"], "sweep.seed was 0, now 4"),
            (["--sweep.chains", "3"], "sweep.chains was 2, now 3"),
            (["--network.sizes", "2", "4", "2"], r"network.sizes was \[2, 5, 2\], now \[2, 4, 2\]"),
            (["--training.epochs", "2"], "training.epochs was 1, now 2"),
        ],
    )
    def test_other_settings_in_the_same_folder_are_refused(self, flags, message, configured_run, capsys):
        said = refused(capsys, "run", str(configured_run / "sweep.toml"), "--out", str(configured_run / "run"), *flags)
        assert re.search(f"holds a run with other settings: {message}; choose another folder or give --overwrite", said)

    def test_a_run_of_a_study_is_refused(self, configured_run, tmp_path, capsys):
        made = Run(tmp_path / "run", study="circle", config={}, seeds={}, command="", device="")
        made.write("task", xr.Dataset())
        del made
        said = refused(capsys, "run", str(configured_run / "sweep.toml"), "--out", str(tmp_path / "run"))
        assert "holds a run with other settings: study was circle, now sweep" in said

    def test_options_of_another_task_are_refused_before_any_work(self, configured_run, tmp_path, capsys):
        flags = ["--task.name", "digits", "--task.turns", "2"]
        said = refused(capsys, "run", str(configured_run / "sweep.toml"), "--out", str(tmp_path / "run"), *flags)
        assert said == "task.train_examples must be left out with name digits, got 64"
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            ("--sweep.draws 0", "sweep.draws must be at least 1"),
            ("--sweep.draws 1e3", "--sweep.draws must be a whole number, got '1e3'$"),
            ("--sweep.probability a b", "--sweep.probability must be numbers, got 'a', 'b'$"),
            ("--training.epochs 1.5", "--training.epochs must be a whole number, got '1.5'$"),
            ("--sweep.batch-size 0", "sweep.batch_size must be at least 1, got 0"),
            ("--sweep.precision lowest", "invalid choice 'lowest' for argument '--sweep.precision'"),
            ("--sweep.design fixed_size --sweep.on 9", "on must be at most the number of nodes, 5, got 9"),
            ("--sweep.on 1", "sweep.on must be left out with design bernoulli, got 1"),
            ("--training.epochs -1", "training.epochs must be at least 0, got -1"),
            ("--network.activation rolu", "invalid choice 'rolu' for argument '--network.activation'"),
            ("--network.seed 1180591620717411303424", r"network.seed must be at most 18446744073709551615, got 118059"),
            ("--coordinator localhost:9911 --process 1", "--coordinator, --process must be left out without --distri"),
            ("--distributed --process 1", "--coordinator, --processes and --process go together, got --process only"),
            ("--distributed --coordinator a:1 --processes 2 --process 2", "--process must be at most 1, got 2"),
            ("--distributed --coordinator a --processes 2 --process 1", "--coordinator must be host:port, got 'a'"),
        ],
    )
    def test_options_that_cannot_be_used_are_refused_before_any_work(self, flags, message, file, tmp_path, capsys):
        file.write_text("[task]\ntrain_examples = 64\n[network]\nsizes = [2, 5, 2]\n")
        said = refused(capsys, "run", str(file), "--out", str(tmp_path / "run"), *flags.split())
        assert re.search(message, said)
        assert not (tmp_path / "run").exists(), "nothing was trained"
