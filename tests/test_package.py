"""The package: one version everywhere, and files of the repository that name targets, extras and studies which exist."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import sweeps

TOP = Path(__file__).parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
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
    jobs = yaml.safe_load(file.read_text("utf-8"))["jobs"].values()
    called = re.findall(r"make .*?([a-z]+)(?: PYTHONS=\S+)?$", file.read_text("utf-8"), re.M)
    assert jobs and called and all(re.search(rf"^{name}:", MAKEFILE, re.M) for name in called)
