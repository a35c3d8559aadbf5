"""Progress: a line a minute where there is no terminal, one bar where there is, nothing where nobody asked."""

import io
import time
import types
from pathlib import Path

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
    assert capsys.readouterr().err == "400 of 1,000 masks, 100 s so far\n"


def test_slow_things_have_a_duration_in_place_of_a_rate(clock, capsys):
    with Progress(64, shown=True, things="networks") as shown:
        clock[0] += 80
        shown.add(2)
    line = capsys.readouterr().err
    assert line == "2 of 64 networks, 40 s each, about 2,480 s left\n"
    assert line in (Path(__file__).parents[2] / "docs/reference/command-line.md").read_text(encoding="utf-8")


class TestOneLongCall:
    """Work that counts nothing for minutes, as many networks do that train in one compiled call."""

    @pytest.fixture(autouse=True)
    def minute(self, monkeypatch):
        monkeypatch.setattr(_progress, "LINE_EVERY", 0.2)

    def test_a_counter_goes_on_printing(self, capsys):
        with Progress(64, shown=True, things="networks"):
            time.sleep(0.7)
        lines = capsys.readouterr().err.splitlines()
        assert set(lines) <= {"0 of 64 networks, 0 s so far", "0 of 64 networks, 1 s so far"} and 1 <= len(lines) <= 3
        time.sleep(0.3)
        assert capsys.readouterr() == ("", ""), "it ends with the work"

    def test_a_stage_goes_on_printing_where_nothing_counts(self, capsys):
        with _progress.Stages() as say:
            say("training")
            time.sleep(0.5)
            with Progress(64, shown=True, things="networks"):
                time.sleep(0.5)
            say("done")
        found = capsys.readouterr()
        assert [line.partition("] ")[2] for line in found.out.splitlines()] == ["training", "done"]
        words = [line.partition(",")[0].partition(":")[0] for line in found.err.splitlines()]
        assert list(dict.fromkeys(words)) == ["training", "0 of 64 networks"]

    def test_other_processes_say_nothing(self, capsys):
        with _progress.Stages(shown=False) as say, Progress(64, shown=False):
            say("training")
            time.sleep(0.4)
        assert capsys.readouterr() == ("", "")


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
