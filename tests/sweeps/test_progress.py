"""Progress: a line a minute where there is no terminal, one bar where there is, nothing where nobody asked."""

import io
import types

import jax
import pytest

import sweeps
from sweeps import _progress
from sweeps._engine import runner
from sweeps._progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set: its time is now[0]."""
    now = [1000.0]
    monkeypatch.setattr(_progress, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    return now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_line_a_minute(clock, capsys):
    with Progress(1_000_000, shown=True) as shown:
        for _ in range(10):
            clock[0] += 20
            shown.add(6_000)
    # Every third step of 20 s; 6,000 masks each are 300 a second.
    assert capsys.readouterr() == (
        "",
        "18,000 of 1,000,000 masks, 300 masks/s, about 3,273 s left\n"
        "36,000 of 1,000,000 masks, 300 masks/s, about 3,213 s left\n"
        "54,000 of 1,000,000 masks, 300 masks/s, about 3,153 s left\n",
    )


def test_what_an_earlier_run_finished_does_not_count_as_speed(clock, capsys):
    with Progress(1000, shown=True) as shown:
        shown.skip(400)
        clock[0] += 100
        shown.add(200)
    assert capsys.readouterr().err == "600 of 1,000 masks, 2 masks/s, about 200 s left\n"


def test_nothing_done_in_a_minute_has_no_rate(clock, capsys):
    with Progress(1000, shown=True) as shown:
        shown.skip(400)
        clock[0] += 100
        shown.add(0)
    assert capsys.readouterr().err == "400 of 1,000 masks\n"


def test_nothing_unless_asked(clock, capsys):
    with Progress(1000, shown=False) as hidden:
        clock[0] += 1000
        hidden.skip(400)
        hidden.add(600)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("shown", [True, False])
def test_what_has_to_be_said_is_said_at_once(shown, capsys):
    with Progress(10, shown) as quiet:
        quiet.say("out of memory")
        assert capsys.readouterr() == ("", "out of memory\n")


def test_a_terminal_gets_one_bar(monkeypatch, clock):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress(2000, shown=True) as shown:
        shown.skip(500)
        clock[0] += 100
        shown.add(1500)
    drawn = terminal.getvalue()
    assert "2.00k/2.00k" in drawn and "masks/s" in drawn and "masks left" not in drawn
    assert drawn.count("\n") == 1, "one bar, and the line ends when it is done"


@pytest.mark.parametrize("process", [0, 1])
def test_only_the_first_process_shows_progress(process, monkeypatch, clock, capsys):
    design = sweeps.Bernoulli(probability=0.5, draws=3)
    objective = sweeps.Objective.from_function(lambda gates: gates.sum(), nodes=2)
    values = runner.Runner._values

    def slow(*arguments):
        clock[0] += 1000
        return values(*arguments)

    monkeypatch.setattr(runner.Runner, "_values", slow)
    monkeypatch.setattr(jax, "process_index", lambda: process)
    sweeps.sweep(objective, design, progress=True)
    assert capsys.readouterr().err.startswith("3 of 3 masks") == (process == 0)
