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
    for name in figures.__all__:
        for function in vars(importlib.import_module(f"analysis.figures.{name}")).values():
            is_here = inspect.isfunction(function) and function.__module__ == f"analysis.figures.{name}"
            if is_here and not function.__name__.startswith("_") and name != "style":
                if inspect.signature(function).return_annotation in (Axes, Figure, Path):
                    yield f"{name}.{function.__name__}"


def test_every_figure_is_in_the_gallery():
    text = GALLERY.read_text("utf-8")
    headings = re.findall(r"^### (\w+\.\w+)$", text, re.M)
    assert sorted(headings) == sorted(drawing())
    assert [name for name in headings if f"figures.{name}(" not in text] == []


def test_gallery_shows_what_its_code_does(tmp_path):
    assert "\n".join(blocks.check(GALLERY, tmp_path)) == ""
