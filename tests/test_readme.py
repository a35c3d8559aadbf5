"""The README: its Python runs as it stands, with shorter training."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import sweeps

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=["circle", "digits", "transformer"])
def test_python_of_the_readme_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweeps.training, "train", short(sweeps.train))
    monkeypatch.setattr(sweeps, "train", short(sweeps.train), raising=False)
    # Fewer sequences too.
    code = code.replace("repeats(4000", "repeats(64").replace("repeats(500", "repeats(32")
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    plt.close("all")


def short(train):
    return lambda *arguments, **options: train(*arguments, **(options | {"epochs": 1}))
