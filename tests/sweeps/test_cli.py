"""The command line: what it answers, how it refuses, and that it needs no JAX to do either."""

import errno
import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import tyro
import xarray as xr

from analysis._errors import InputError
from sweeps import _cli
from sweeps._config import settings as config
from sweeps._studies import registry
from sweeps._studies.circle.settings import Circle
from tests.sweeps.conftest import SMALLEST, without_jax


def refused(capsys, *arguments):
    """The one line on standard error of a command that exits with status 2."""
    with pytest.raises(SystemExit) as stopped:
        _cli.main(list(arguments))
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.endswith("\n") and error.count("\n") == 1, f"one line, not {error!r}"
    assert error.startswith("sweeps: error: ") and "Traceback" not in error
    return error.removeprefix("sweeps: error: ").strip()


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


class TestHelp:
    @pytest.mark.parametrize(
        ("arguments", "word"),
        [("--help", "report"), ("", "report"), ("study circle --help", "--learning-rate"), ("study", "shrinking")],
    )
    def test_it_says_what_there_is(self, arguments, word, capsys):
        with pytest.raises(SystemExit) as stopped:
            _cli.main(arguments.split())
        assert not stopped.value.code
        printed = capsys.readouterr().out
        assert "usage: sweeps" in printed and word in printed

    def test_a_reader_who_leaves_ends_it_quietly(self):
        command = [sys.executable, "-m", "sweeps", "completion", "bash"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
            started.stdout.close()
            assert started.wait(timeout=60) == _cli.PIPE_CLOSED and not started.stderr.read()

    @pytest.mark.parametrize(
        "arguments", [["--help"], ["study", "circle", "--help"], ["study", "circle", "--draws", "0"], ["walk"]]
    )
    def test_neither_help_nor_a_refusal_imports_jax(self, arguments):
        done = python(
            "import sys\nfrom sweeps import _cli\n"
            f"try: _cli.main({arguments})\nexcept SystemExit: pass\n"
            "print('heavy', sorted({'jax', 'flax', 'optax', 'matplotlib.pyplot'} & set(sys.modules)))"
        )
        assert done.returncode == 0 and "heavy []" in done.stdout, done.stdout + done.stderr


class TestRefusals:
    def test_unknown_commands(self, capsys):
        assert re.fullmatch("command must be one of study, .*report.*, got 'walk'", refused(capsys, "walk"))

    def test_unknown_studies(self, capsys):
        assert re.fullmatch("study must be one of circle.*, got 'square'", refused(capsys, "study", "square"))
        assert refused(capsys, "reprot", "runs").endswith("got 'reprot'; did you mean report?")

    def test_what_is_missing(self, capsys, tmp_path):
        needs = "sweeps run needs PATH and --out PATH; see sweeps run --help"
        assert refused(capsys, "run", "--sweep.draws", "3") == needs
        (tmp_path / "mine.toml").write_text("")
        assert refused(capsys, "run", str(tmp_path / "mine.toml")) == needs.replace("PATH and ", "")
        assert refused(capsys, "report") == "sweeps report needs PATH; see sweeps report --help"

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            ("--probability 1.5", "probability must be at most 1.0, got 1.5"),
            ("--probability 0.5 -0.1", "probability must be at least 0.0, got -0.1"),
            ("--probability nan", "probability must be a finite number, got nan"),
            ("--probability 0.5 0.25 0.5", r"probability must have no value twice, got \(0.5, 0.25, 0.5\)"),
            ("--draws 0", "draws must be at least 1, got 0"),
            ("--draws 2147483648", "draws must be at most 2147483647, got 2147483648"),
            ("--networks 0", "networks must be at least 1, got 0"),
            ("--nodes -1", "nodes must be at least 1, got -1"),
            ("--learning-rate nan", "learning_rate must be a finite number, got nan"),
            ("--learning-rate 0", "learning_rate must be at least 1e-37, got 0.0"),
            ("--learning-rate 1e-60", "learning_rate must be at least 1e-37, got 1e-60"),
            ("--mask-seed -1", "mask_seed must be at least 0, got -1"),
            ("--seed 1180591620717411303424", "seed must be at most 2147483647, got 1180591620717411303424"),
        ],
    )
    def test_settings_out_of_range(self, flags, message, tmp_path, capsys):
        out = tmp_path / "run"
        assert re.fullmatch(message, refused(capsys, "study", "circle", "--out", str(out), *flags.split()))
        assert not out.exists()

    def test_a_folder_that_holds_a_run(self, circle_run, capsys):
        before = sorted(path.stat().st_mtime_ns for path in circle_run.rglob("*"))
        message = refused(capsys, "study", "circle", "--out", str(circle_run), *SMALLEST)
        assert message.endswith("already holds a run; choose another folder or give --overwrite")
        assert sorted(path.stat().st_mtime_ns for path in circle_run.rglob("*")) == before

    def test_a_folder_of_other_files(self, tmp_path, capsys):
        (tmp_path / "thesis.tex").touch()
        message = refused(capsys, "study", "circle", "--out", str(tmp_path), "--overwrite", *SMALLEST)
        assert message.endswith("holds other files (thesis.tex); choose an empty folder")

    def test_divergence(self, tmp_path, capsys):
        out = tmp_path / "run"
        message = refused(capsys, "study", "circle", "--out", str(out), *SMALLEST, "--learning-rate", "1e30")
        assert message.startswith("training diverged: the loss of epoch ")
        assert not out.exists(), "nothing is written"

    def test_a_report_of_nothing(self, tmp_path, capsys):
        assert "must be a run folder" in refused(capsys, "report", str(tmp_path / "none"))

    @pytest.mark.parametrize("flags", ["--draws many", "--colour red", "--boundary square", "--draws"])
    def test_flags_that_do_not_parse(self, flags, capsys):
        with pytest.raises(SystemExit) as stopped:
            _cli.main(["study", "circle", *flags.split()])
        assert stopped.value.code == 2
        error = capsys.readouterr().err
        assert flags.split()[0] in error and error.startswith("sweeps: error: ") and error.count("\n") == 1

    @pytest.mark.parametrize(
        ("message", "said"),
        [("", "InputError"), ("\n\n", "InputError"), ("\nfirst\nsecond", "first"), ("one", "one")],
    )
    def test_a_message_of_any_shape_is_one_line(self, message, said, monkeypatch, capsys):
        def fail(folder):
            raise InputError(message)

        monkeypatch.setattr(registry, "write_report", fail)
        assert refused(capsys, "report", "run") == said

    @pytest.mark.parametrize("error", [ValueError(), RuntimeError("a bug"), KeyError("name"), MemoryError()])
    def test_a_bug_keeps_its_traceback(self, error, monkeypatch, capsys):
        def fail(folder):
            raise error

        monkeypatch.setattr(registry, "write_report", fail)
        with pytest.raises(type(error)) as found:
            _cli.main(["report", "run"])
        assert found.value is error and not capsys.readouterr().err

    @pytest.mark.parametrize("command", ["explore", "export"])
    def test_a_folder_that_cannot_be_written(self, command, circle_run, tmp_path, capsys):
        """Where a run is, but files stand where its parts should go."""
        shutil.copytree(circle_run / "run.zarr", tmp_path / "run.zarr")
        for name in ("explorer.html", "run.nc"):
            (tmp_path / name).mkdir()
        assert str(tmp_path) in refused(capsys, command, str(tmp_path))

    @pytest.mark.parametrize("arguments", [["run", "sweep.toml"], ["study", "circle"]])
    def test_an_output_folder_that_cannot_be_made(self, arguments, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "sweep.toml").touch()
        for out in ("sweep.toml", "sweep.toml/below", "x" * 300):
            assert out in refused(capsys, *arguments, "--out", out)
        monkeypatch.setattr("os.access", lambda path, mode: False)
        said = refused(capsys, *arguments, "--out", "a/b")
        assert said == f"a/b cannot be written: {tmp_path} does not let you"

    @pytest.mark.parametrize(
        "words",
        [
            "run s3://bucket/a.toml",
            "run a.toml --sweep.objective s3://bucket/a.py",
            "study circle s3://bucket/run",
        ],
    )
    def test_an_object_store_is_no_folder_of_this_disk(self, words, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert refused(capsys, *words.split()).startswith("a path must be one on a disk, got ")
        assert not list(tmp_path.iterdir())

    def test_a_disk_that_refuses_is_one_line(self, monkeypatch, capsys):
        def fail(folder):
            raise PermissionError(errno.EACCES, "Permission denied", "run/report.html")

        monkeypatch.setattr(registry, "write_report", fail)
        assert refused(capsys, "report", "run") == "run/report.html cannot be written: Permission denied"

    def test_a_traceback_is_shown_when_asked_for(self):
        with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
            _cli.main(["study", "circle", "--draws", "0", "--traceback"])


class TestRuns:
    def test_a_study_writes_its_run_folder(self, circle_run):
        assert (circle_run / "run.zarr").is_dir()
        assert (circle_run / "report.html").stat().st_size > 1000
        assert (circle_run / "numbers.tex").read_text().count(r"\newcommand") > 10
        for folder, kinds in {"tables": (".tex", ".csv"), "figures": (".png",)}.items():
            assert {path.suffix for path in (circle_run / folder).iterdir()} >= set(kinds)

    def test_pages_and_exports_need_no_jax_and_the_report_had_none(self, circle_run, tmp_path):
        shutil.copytree(circle_run / "run.zarr", tmp_path / "run.zarr")
        commands = "".join(f"main([{name!r}, {str(tmp_path)!r}])\n" for name in ("explore", "export"))
        without_jax(f"from sweeps._cli import main\n{commands}")
        for name in ("explorer.html", "run.nc", "csv/bernoulli.csv"):
            assert (tmp_path / name).stat().st_size > 1000, name

    def test_the_recorded_command_makes_the_recorded_settings(self, circle_run):
        with xr.open_zarr(circle_run / "run.zarr", consolidated=False) as root:
            command, recorded = shlex.split(root.attrs["command"]), json.loads(root.attrs["config"])
        assert command[:3] == ["sweeps", "study", "circle"]
        flags = command[3:]
        if "--out" in flags:
            del flags[flags.index("--out") : flags.index("--out") + 2]
        settings = tyro.cli(Circle, args=flags)
        assert json.loads(json.dumps(vars(settings))) == recorded
        assert (settings.draws, settings.networks, settings.epochs) == (50, 2, 2)


class TestConfigurationFiles:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("nodes = ", "is no valid TOML"),
            ("[tusk]\nname = 'circle'", "table must be one of task, network, training, sweep, got 'tusk'"),
            ("[training]\nepoch = 3", r"key of \[training\] must be one of epochs, .*, got 'epoch'"),
            ("[training]\nepochs = 'many'", "training.epochs must be a whole number, got 'many'"),
            ("training = 3", r"training must be a table \[training\], got 3"),
        ],
    )
    def test_what_they_may_not_hold(self, text, message, tmp_path, capsys):
        file = tmp_path / "sweep.toml"
        file.write_text(text)
        assert re.search(message, refused(capsys, "run", str(file), "--out", str(tmp_path / "run")))
        assert not (tmp_path / "run").exists()

    def test_a_file_that_is_not_there(self, tmp_path, capsys):
        assert "none.toml" in refused(capsys, "run", str(tmp_path / "none.toml"), "--out", str(tmp_path / "run"))

    def test_they_set_what_they_name_and_nothing_else(self, tmp_path):
        file = tmp_path / "sweep.toml"
        file.write_text("[network]\nsizes = [2, 5, 2]\n[training]\nepochs = 3\n")
        found, default = config.read(file), config.Configuration()
        assert (found.network.sizes, found.training.epochs) == ((2, 5, 2), 3)
        assert (found.task, found.sweep) == (default.task, default.sweep)
        assert found.training.batch_size == default.training.batch_size
