"""The benchmarks' harness: what fails is named in the report, and ends nothing."""

import json

import numpy as np
import pytest

from benchmarks import problems, report
from benchmarks.compiled import Unavailable
from benchmarks.timing import Answer, Contender, best_batch, evidence, gathered, in_turn


def check(answer):
    if answer != 1:
        raise ArithmeticError("far from float64")
    return 0.0


def not_installed():
    raise Unavailable("it is not installed")


def returning(answer, name="one"):
    return Contender(name, lambda: answer, 10, lambda result: result)


def raising_from(run, name="late"):
    """Return a contender that raises an error from a run on."""
    runs = iter(range(100))

    def work():
        if next(runs) >= run:
            raise MemoryError("no | memory")

    return Contender(name, work, 10)


@pytest.fixture
def race():
    contenders, skipped = gathered(
        {
            "right": lambda: returning(1),
            "wrong": lambda: returning(2),
            "late": lambda: raising_from(2),
            "broken": lambda: 1 / 0,
            "absent": not_installed,
        }
    )
    return contenders, in_turn(contenders, 3, check), skipped


def test_what_fails_is_named_and_what_is_not_installed_is_skipped(race):
    _, timings, skipped = race
    assert {name: one.failed for name, one in timings.items()} == {
        "right": None,
        "wrong": "ArithmeticError: far from float64",
        "late": "MemoryError: no / memory",
        "broken": "ZeroDivisionError: division by zero",
    }
    assert len(timings["right"].repeats) == 3 and np.isnan(timings["late"].rate)
    assert skipped == ["Skipped, absent: it is not installed."]


def test_no_speed_is_claimed_against_what_failed_and_our_failure_misses_its_target(race):
    contenders, timings, skipped = race
    assert report.against("ours", timings["right"], [timings["wrong"]], 2.0) == []
    targets = report.against("ours against right", timings["wrong"], [timings["right"], timings["late"]], 2.0)
    table = report.timing_table("In turn", timings.values(), timings["wrong"])
    found = report.as_json(report.Report("Race", [table], targets, skipped, evidence(contenders, timings)))
    assert not found["targets"][0]["met"]
    text = report.as_text(json.loads(json.dumps(found, allow_nan=False)))
    assert "| ours against right | failed   | at least 2 x | **no** |" in text
    assert "**failed**: ArithmeticError: far from float64" in text


def test_batches_that_fail_are_passed_over():
    best = best_batch(lambda batch: raising_from(0 if batch > 4 else 100, f"{batch} together"), [1, 2, 4, 8, 16])
    assert best.name in {"1 together", "2 together", "4 together"} and len(best.known) == 2
    assert any(one.failed for one in best.tried)


def test_margins_give_the_exact_loss_and_gradient():
    problem = problems.circle((2, 5, 2), examples=20, trained=False)
    gates, (offsets, slopes) = problems.random_masks(problem, 4), problem.margins
    margins = offsets + gates @ slopes.T
    wrong = 1 / (1 + np.exp(-margins))
    answer = Answer(gates, np.logaddexp(0, margins).mean(axis=1), wrong @ slopes / len(offsets))
    assert problems.checked(problem, answer) < 1e-6
    with pytest.raises(ArithmeticError, match="differs from float64"):
        problems.checked(problem, answer._replace(gradient=answer.gradient * np.nan))
