"""Every ``sweeps ...`` line of the documentation is one that the parser accepts; the reference names all commands."""

import re
import shlex
from pathlib import Path

import pytest

from sweeps import _interrupting, _processes
from sweeps._cli import commands, parsing
from sweeps._config import settings
from sweeps._studies import registry

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference" / "command-line.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What stands before a command, or around it.
BEFORE = re.compile(r"^(\$ |(\w+=\S+ |srun |mpirun |\S*/bin/)*(?=sweeps |python -m sweeps ))*(eval \"\$\()?")


def lines(page):
    """The words of each command of ours in a page's blocks of shell lines."""
    for block in BLOCKS.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            line = BEFORE.sub("", line).replace("python -m sweeps ", "sweeps ")
            if line.startswith("sweeps "):
                words = shlex.split(line.removesuffix(')"'), comments=True)[1:]
                yield words[: next((place for place, word in enumerate(words) if word in (">", "|", "&", "&&")), None)]


FOUND = [(page.relative_to(ROOT).as_posix(), words) for page in PAGES for words in lines(page)]


@pytest.mark.parametrize(("page", "words"), FOUND, ids=lambda one: one if isinstance(one, str) else " ".join(one))
def test_every_command_parses(page, words, monkeypatch):
    # The files are those of a reader.
    monkeypatch.setattr(settings, "read", lambda path: settings.Configuration())
    if words == ["--version"]:
        return
    try:
        parsing.command_of(words)
    except SystemExit as stopped:
        assert "--help" in words and not stopped.code


def test_the_reference_has_every_command_and_status():
    text = REFERENCE.read_text(encoding="utf-8")
    for name in ("study", *commands.COMMANDS):
        assert f"\n## sweeps {name}\n" in text and [name] in [words[:1] for words in lines(REFERENCE)], name
    assert all(f"`{name}`" in text for name in registry.STUDIES)
    assert {int(status) for status in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == {
        *(0, 1, 2),
        _interrupting.STATUS,
        _processes.STATUS,
    }
