"""The gallery shows every figure of the library, and what it shows is what its code draws."""

import importlib
import inspect
import re
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import figures
from docs import blocks

GALLERY = blocks.TOP / "docs" / "gallery.md"


def drawing():
    """Names of the functions that give a figure."""
    for name in set(figures.__all__) - {"style"}:
        module = importlib.import_module(f"analysis.figures.{name}")
        for one, function in inspect.getmembers(module, inspect.isfunction):
            gives = inspect.signature(function).return_annotation
            if function.__module__ == module.__name__ and not one.startswith("_") and gives in (Axes, Figure, Path):
                yield f"{name}.{one}"


def test_every_figure_is_in_the_gallery():
    text = GALLERY.read_text("utf-8")
    headings = re.findall(r"^### (\w+\.\w+)$", text, re.M)
    assert sorted(headings) == sorted(drawing())
    assert [name for name in headings if f"figures.{name}(" not in text] == []


def test_gallery_shows_what_its_code_does(tmp_path):
    assert "\n".join(blocks.check(GALLERY, tmp_path)) == ""
