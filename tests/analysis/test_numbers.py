"""Macros of numbers.tex: what was written is read again."""

import numpy as np
import pytest

from analysis import numbers
from analysis.intervals import interval
from analysis.numbers import Numbers


@pytest.fixture
def written():
    found = Numbers("study")
    found.add("loss", 0.0903656, comment="nats")
    found.add("mean", 0.76123, 0.0163, p=0.5)
    found.add("wide", 123.4, 45.6)
    found.add("tiny", -8.31e-7, digits=2)
    found.add("tiny mean", 5.1e-5, 3.6e-5)
    found.add("masks", 1048576)
    found.add("none", 0.0, digits=3)
    found.add("all", 1.0, digits=2)
    found.add("unknown", np.nan)
    found.add("diverged", -np.inf)
    found.add("p value", "≤ 0.001", comment="of log-normality")
    found.add("verdict", "does not hold")
    found.add("node", "layers_0 & 50 %")
    found.add_interval("accuracy", interval([0.8, 0.9, 0.85]), layer=1)
    return found


def test_what_was_written_is_read_again(written, tmp_path):
    read = numbers.read(written.write(tmp_path / "numbers.tex"), "study")
    assert read.to_latex() == written.to_latex()
    assert read("mean", p=0.5).value == 0.761 and read("mean", p=0.5).error == pytest.approx(0.016)
    assert read.masks.value == 1048576 and isinstance(read.masks.value, int)
    assert read.tiny.value == pytest.approx(-8.3e-7)
    assert read.node.value == "layers_0 & 50 %"


def test_an_interval_is_read_again(written, tmp_path):
    read = numbers.read(written.write(tmp_path / "numbers.tex"), "study")
    found = read("accuracy", layer=1).interval
    assert (found.mean, found.half, found.networks) == (0.85, 0.124, 3)
    assert read.loss.interval is None


@pytest.mark.parametrize("line", ["", r"\newcommand{\otherLoss}{1}", r"\studyLoss 0.5"])
def test_what_is_no_macro_of_the_study_is_refused(line, tmp_path):
    (tmp_path / "numbers.tex").write_text(line + "\n")
    with pytest.raises(ValueError, match=r"path must hold macros as"):
        numbers.read(tmp_path / "numbers.tex", "study")
