"""The README: its Python runs as it stands, with shorter training; what it says of the studies is what runs found."""

import importlib.util
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import sweeps

README = Path(__file__).parents[1] / "README.md"
RECORD = README.parent / "docs" / "studies" / "record.py"
spec = importlib.util.spec_from_file_location("record", RECORD)
record = importlib.util.module_from_spec(spec)
spec.loader.exec_module(record)
# What is a fact of a source or a setting, and no finding.
FACTS = (
    "95 % t-interval",
    "2-{{",
    "}}-2",
    "sqrt(2/pi)",
    "p = 0.25, 0.5 and 0.75",
    "p = 0.25",
    "p = 0.5",
    "after 5, 10 and 20 epochs",
    "784-1000-1000-500-200-10",
    "read 70 to 75 % and just under 50 % off",
    "1 - (1 - k)^2",
    "2-50-50-2",
)
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=["circle", "digits", "transformer"])
def test_python_of_the_readme_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweeps._training, "train", short(sweeps.train))
    monkeypatch.setattr(sweeps, "train", short(sweeps.train), raising=False)
    # Fewer sequences too.
    code = code.replace("repeats(4000", "repeats(64").replace("repeats(500", "repeats(32")
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    plt.close("all")


@pytest.mark.parametrize("template", record.TEXTS)
def test_texts_on_the_studies_say_what_runs_found(template):
    held, found = record.expected(template)
    assert held == found


@pytest.mark.parametrize("template", record.TEXTS)
def test_no_finding_is_typed(template):
    text = (RECORD.parent / template).read_text("utf-8")
    for fact in FACTS:
        text = text.replace(fact, "")
    assert re.findall(r".{20}\d.{0,20}", re.sub(r"\{\{.*?\}\}|\{%.*?%\}|`.*?`", "", text)) == []


def short(train):
    return lambda *arguments, **options: train(*arguments, **(options | {"epochs": 1}))
