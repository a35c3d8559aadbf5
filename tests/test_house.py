"""The house: which package may import which, read from the sources and tried where JAX is missing."""

import ast
import re
from pathlib import Path

import pytest

from sweeps._studies import registry
from tests.sweeps.conftest import without_jax

ROOT = Path(__file__).parents[1]
STUDIES = sorted(registry.STUDIES)


def modules(package):
    """Names of the modules of a package with their files."""
    files = sorted((ROOT / package.replace(".", "/")).rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports(file):
    """Modules and names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importing(package, what):
    """Modules of a package that import what begins with a name."""
    return {name for name, file in modules(package).items() if any(f"{one}.".startswith(what) for one in imports(file))}


def test_analysis_imports_neither_jax_nor_sweeps_and_knows_no_study():
    assert len(modules("analysis")) > 50
    assert not importing("analysis", "sweeps.") | importing("analysis", "jax.") | importing("analysis", "flax.")


def test_nothing_but_the_command_line_uses_studies():
    users = {name for name in importing("sweeps", "sweeps._studies.") if not name.startswith("sweeps._studies.")}
    assert users == importing("sweeps", "sweeps._studies.registry.") == {"sweeps._cli.commands", "sweeps._cli.parsing"}


def rooms():
    """The picture of CONTRIBUTING.md: the modules of each box, and the arrows between boxes."""
    [picture] = re.findall(r"```mermaid\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.S)
    boxes, package = {}, ""
    for line in picture.splitlines():
        if found := re.match(r"\s*subgraph (\w+)", line):
            package = found[1]
        if found := re.match(r'\s*(\w+)\["<b>.*?</b><br>(.*)"\]', line):
            boxes |= {f"{package}.{name}": found[1] for name in re.split(r", |<br>", found[2])}
    arrows = re.findall(r"^\s*(\w+) --> (.*)$", picture, re.M)
    return boxes, {(start, end) for start, ends in arrows for end in ends.split(" & ")}


def room_of(name, boxes):
    """Box of a module or of a name in it; the packages themselves hold no more than the version."""
    return boxes.get(".".join(name.split(".")[:2]))


def test_the_picture_of_the_house_shows_every_module_once_and_every_import():
    boxes, drawn = rooms()
    names = modules("sweeps") | modules("analysis")
    assert {".".join(name.split(".")[:2]) for name in names if "." in name} == set(boxes)
    pairs = {(room_of(name, boxes), room_of(one, boxes)) for name, file in names.items() for one in imports(file)}
    direct = {(one, other) for one, other in pairs if one and other and one != other}
    reached = {room: {room} for room in boxes.values()}
    for _ in reached:  # as many steps as there are rooms reach all that can be reached
        for one, other in direct:
            reached[one] |= reached[other]
    assert not [pair for pair in direct if pair[0] in reached[pair[1]]], "rooms import each other in a circle"
    needed = {
        (one, other)
        for one, other in direct
        if not any(other in reached[between] for start, between in direct if start == one and between != other)
    }
    assert drawn == needed


@pytest.mark.parametrize("study", STUDIES)
def test_no_study_uses_another(study):
    others = [importing(f"sweeps._studies.{study}", f"sweeps._studies.{other}.") for other in STUDIES if other != study]
    assert not set().union(*others)


@pytest.mark.parametrize("study", STUDIES)
def test_a_room_is_complete(study):
    room = ROOT / "sweeps" / "_studies" / study
    assert {"settings.py", "claims.py", "report.py", "report.md.jinja"} <= {file.name for file in room.iterdir()}
    assert (room / "run.py").exists() or (room / "run" / "__init__.py").exists()


def test_only_the_run_of_a_study_needs_jax():
    names = [name for name in modules("sweeps._studies") if ".run" not in name]
    assert len(names) > 40
    without_jax("\n".join(f"import {name}" for name in ["sweeps._cli", *names]))
