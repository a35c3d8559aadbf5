"""The package: one version everywhere, and texts that name targets, extras and modules which exist."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import analysis  # noqa: F401
import sweeps

TOP = Path(__file__).parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
# Where CONTRIBUTING.md looks for what it names shortly.
AT = ("", "sweeps", "analysis", "tests/sweeps")
MAKEFILE = (TOP / "Makefile").read_text("utf-8")


def test_the_version_is_in_one_place():
    citation = yaml.safe_load((TOP / "CITATION.cff").read_text("utf-8"))
    newest = re.search(r"^## \[(.*?)\]", (TOP / "CHANGELOG.md").read_text("utf-8"), re.M)[1]
    assert sweeps.__version__ == citation["version"] == newest
    assert "version" in PROJECT["dynamic"] and "version" not in PROJECT


def test_every_extra_is_explained():
    text = (TOP / "CONTRIBUTING.md").read_text("utf-8")
    assert [name for name in PROJECT["optional-dependencies"] if f"| `{name}` |" not in text] == []


def test_every_target_has_a_comment_and_is_explained():
    targets = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split()
    assert [name for name in targets if not re.search(rf"^# .*\n{name}:", MAKEFILE, re.M)] == []
    text = (TOP / "CONTRIBUTING.md").read_text("utf-8")
    assert [name for name in targets if f"make {name}" not in text] == []


@pytest.mark.parametrize("file", sorted(TOP.glob(".github/workflows/*.yml")), ids=lambda file: file.name)
def test_workflows_call_targets_that_there_are(file):
    jobs = yaml.safe_load(file.read_text("utf-8"))["jobs"]
    called = [one["make"].split()[0] for one in jobs["make"]["strategy"]["matrix"]["include"]]
    assert {"lint", "docs", "versions", "dist"} == set(called)
    assert all(re.search(rf"^{name}:", MAKEFILE, re.M) for name in called)


def test_every_supported_version_of_python_is_tried():
    named = {name.rpartition(" ")[2] for name in PROJECT["classifiers"] if ":: 3." in name}
    tried = set(re.findall(r'^    "(3\.\d+)": ', (TOP / "noxfile.py").read_text("utf-8"), re.M))
    workflow = set(re.findall(r"PYTHONS=([\d.]+)", (TOP / ".github/workflows/checks.yml").read_text("utf-8")))
    assert named == tried == workflow


def test_paths_that_contributing_names_are_there():
    text = (TOP / "CONTRIBUTING.md").read_text("utf-8")
    paths = [one.rstrip("/") for one in re.findall(r"`([\w/]+/[\w./]+)`", text)]
    made = {"runs/circle", "sweeps/_studies/NAME"}
    assert paths and [one for one in set(paths) - made if not any((TOP / at / one).exists() for at in AT)] == []


@pytest.mark.parametrize("file", ["CHANGELOG.md", "CONTRIBUTING.md"])
def test_public_names_in_texts_are_there(file):
    names = set(re.findall(r"`((?:sweeps|analysis)(?:\.\w+)+)", (TOP / file).read_text("utf-8")))
    assert names and [name for name in names if _missing(name)] == []


def _missing(name):
    """Whether the packages have no such name."""
    at = sys.modules[name.partition(".")[0]]
    for part in name.split(".")[1:]:
        at = getattr(at, part, None)
    return at is None
