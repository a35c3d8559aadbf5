"""Ctrl-C: one line and status 130, whatever the program is doing."""

import signal
import subprocess
import sys

import pytest

from sweeps import _cli

PROGRAM = "from sweeps import _cli, _interrupting; _interrupting.PATIENCE = 0.5; _cli.main()"


def python(code, *arguments, **options):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def ended(process):
    """Status and standard error of a process that ends by itself."""
    try:
        return process.wait(timeout=60), process.stderr.read()
    finally:
        process.kill()
        process.communicate()


# One network: its training is one long call into compiled code, its sweep many short ones.
@pytest.mark.parametrize(
    ("stage", "flags"),
    [("training", "--training.epochs 100000000"), ("sweeping", "--training.epochs 1 --sweep.draws 100000000")],
)
def test_a_run_is_stopped_in_the_middle(stage, flags, tmp_path):
    (tmp_path / "sweep.toml").write_text("[network]\nsizes = [2, 5, 2]\n[sweep]\ngradients = false\nkeep = 'summary'\n")
    process = python(PROGRAM, "run", "sweep.toml", "--out", "run", *flags.split(), cwd=tmp_path)
    for line in process.stdout:
        if stage in line:
            break
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "sweeps: stopped; the same command goes on where it stopped\n")


LISTENING = """
import gc, os, signal, time
from sweeps import _interrupting as interrupting
interrupting.PATIENCE = 0.3
interrupting.listen(lambda: "stopped")
def press(*_):
    os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.parametrize(
    "code",
    [
        "press(); time.sleep(30)",
        # Python drops exceptions in these two.
        "gc.callbacks.append(press); gc.collect(); time.sleep(30)",
        "class Held:\n    __del__ = press\nheld = Held()\ndel held\ntime.sleep(30)",
        "try:\n    press(); time.sleep(30)\nexcept BaseException:\n    time.sleep(30)",
    ],
)
def test_nothing_swallows_it(code):
    caught = "try:\n" + "\n".join(f"    {line}" for line in code.splitlines())
    caught += "\nexcept KeyboardInterrupt:\n    interrupting.leave('stopped')"
    assert ended(python(LISTENING + caught)) == (130, "stopped\n")


def test_it_waits_for_no_import_of_jax():
    code = LISTENING + "import threading\nthreading.Timer(0.25, press).start()\n"
    code += "try:\n    import jax; time.sleep(30)\nexcept KeyboardInterrupt:\n    interrupting.leave('stopped')"
    assert ended(python(code)) == (130, "stopped\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "sweep.toml", "--out", "run"], "the same command goes on where it stopped"),
        (["run", "sweep.toml", "--out", "run", "--overwrite"], "the same command without --overwrite goes on where"),
        (["study", "circle", "--out", "run"], "the same command with --overwrite starts anew"),
        (["study", "circle", "--out", "run", "--overwrite"], "the same command again starts anew"),
        (["report", "run"], "the same command again starts anew"),
    ],
)
def test_what_to_do_next(arguments, said, tmp_path, monkeypatch, capsys):
    from sweeps._config import run as configured
    from sweeps._studies import registry
    from sweeps._studies.circle import run as circle

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    (tmp_path / "sweep.toml").touch()
    monkeypatch.chdir(tmp_path)
    for module, name in ((registry, "write_report"), (circle, "run"), (configured, "run")):
        monkeypatch.setattr(module, name, interrupted)
    with pytest.raises(SystemExit) as stopped:
        _cli.main(arguments)
    assert stopped.value.code == 130
    error = capsys.readouterr().err
    assert error.startswith(f"sweeps: stopped; {said}") and error.count("\n") == 1


def test_a_study_that_was_measured_only_needs_its_report(tmp_path, monkeypatch, capsys):
    from sweeps._studies import registry
    from sweeps._studies.circle import run as circle

    def interrupted(out):
        raise KeyboardInterrupt

    monkeypatch.setattr(circle, "run", lambda *_, **__: None)
    monkeypatch.setattr(registry, "write_report", interrupted)
    with pytest.raises(SystemExit):
        _cli.main(["study", "circle", "--out", str(tmp_path / "a run")])
    assert capsys.readouterr().err.endswith(f"all is measured, and sweeps report '{tmp_path}/a run' goes on\n")
