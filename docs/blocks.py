"""The code of the documentation: runs a page's blocks, compares what they print, and writes it down.

``python -m docs.blocks --write PAGES`` puts the outputs and the pictures into the pages; without ``--write`` it says
where a page differs from what its code does. Without pages it takes all of them. The tests do the same.

A page is one program, which runs in an empty folder. Its blocks, by language:

``python``
    Runs, after all blocks before it. What it prints must stand in a ``text`` block, or a block without a language,
    directly behind it; words must be the same, whole numbers too, others within 2 % or one unit of the last digit.
    A picture directly behind it (or behind its output) is the file that the block saves under this name, or else the
    figure that its last line gives, or else the current figure of pyplot.
``python title="models.py"``, ``toml title="mine.toml"``
    A file of the page's folder, which later blocks read or import; a Python file is not run by itself.
``toml``
    A configuration of ``sweeps run``: it is read. Functions that it names in modules which the page wrote are imported.
``console``, ``bash``, ``latex``, ``bibtex``
    Are not run here; a ``text`` block may follow.
a block without a language
    That does not follow code is anything else: names of files, a drawing of letters.
"""

import argparse
import ast
import contextlib
import io
import re
import shutil
import sys
import tempfile
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

TOP = Path(__file__).parents[1]
LANGUAGES = ("python", "text", "", "toml", "console", "bash", "latex", "bibtex")
#: Digits that runs on other machines, or with other compiler options, share.
TOLERANCE = 0.02
#: Dots an inch of a recorded figure, and colours of a palette.
DOTS, COLOURS = 150, 255

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)(?P=ticks) *$", re.M | re.S
)
_TITLE = re.compile(r'title="([^"]+)"')
_PICTURE = re.compile(r"\s*!\[[^\]]*\]\(([^)\s]+)\)")
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d*)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the file it is, and where it stands in the page."""

    language: str
    text: str
    title: str | None
    line: int
    start: int
    end: int
    indent: str


@dataclass(frozen=True)
class Ran:
    """What a block of Python printed, the output that the page shows, the page's picture, and the one it drew."""

    block: Block
    printed: str
    shown: Block | None
    picture: Path | None
    drawn: Path | None


def pages() -> list[Path]:
    """Return the pages of the site and the README."""
    return [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]


def parse(text: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    found = []
    for match in _FENCE.finditer(text):
        language, _, options = match["info"].strip().partition(" ")
        title = _TITLE.search(options)
        body = textwrap.dedent(match["body"])
        line = text.count("\n", 0, match.start()) + 2
        place = (line, match.start(), match.end(), match["indent"])
        found.append(Block(language, body, title[1] if title else None, *place))
    return found


def directly_behind(text: str, block: Block, other: Block | None) -> bool:
    """Whether nothing but blank space stands between two blocks."""
    return other is not None and not text[block.end : other.start].strip()


def complaints(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with the blocks of a page before they run, with the line."""
    before = None
    for block in parse(text):
        if block.language not in LANGUAGES:
            known = ", ".join(filter(None, LANGUAGES))
            yield block.line, f"the language of a block must be one of {known}, or none, got {block.language!r}"
        follows = before is not None and directly_behind(text, before, block)
        if block.language == "text" and not (follows and before is not None and before.language not in ("text", "")):
            yield block.line, "an output must stand directly behind its code; a listing has no language"
        before = block


@contextlib.contextmanager
def _program(folder: Path) -> Iterator[types.ModuleType]:
    """Be in a folder, with a module that is the page's program; forget what was imported from there."""
    module, known = types.ModuleType("page"), set(sys.modules)
    sys.modules["page"] = module
    sys.path.insert(0, str(folder))
    matplotlib.use("agg")
    plt.close("all")
    try:
        with contextlib.chdir(folder):
            yield module
    finally:
        sys.path.remove(str(folder))
        here = [name for name in set(sys.modules) - known if _lies_in(sys.modules[name], folder)]
        for name in ["page", *here]:
            sys.modules.pop(name)
        plt.close("all")


def _lies_in(module: types.ModuleType, folder: Path) -> bool:
    return str(getattr(module, "__file__", None) or "").startswith(str(folder))


def run(page: Path, folder: Path) -> list[Ran]:
    """Run a page's blocks in an empty folder, and return what those of Python did."""
    text = page.read_text("utf-8")
    blocks, found = parse(text), []
    with _program(folder) as module:
        for block, after in pairwise([*blocks, None]):
            if block.title is not None:
                path = folder / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, "utf-8")
            if block.language == "toml":
                _read(block, folder)
            if block.language == "python" and block.title is None:
                is_output = directly_behind(text, block, after) and after is not None and after.language in ("text", "")
                found.append(_run(page, text, block, after if is_output else None, module))
    return found


def _run(page: Path, text: str, block: Block, shown: Block | None, module: types.ModuleType) -> Ran:
    printed = io.StringIO()
    # Lines of a traceback are those of the page.
    tree = ast.parse("\n" * (block.line - 1) + block.text, str(page))
    ends_in_value = bool(tree.body) and isinstance(tree.body[-1], ast.Expr)
    last = ast.Expression(tree.body.pop().value) if ends_in_value else ast.Expression(ast.Constant(None))
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, str(page), "exec"), module.__dict__)
        value = eval(compile(ast.fix_missing_locations(last), str(page), "eval"), module.__dict__)
    output = printed.getvalue().replace(f"{Path.cwd()}/", "").replace(str(Path.cwd()), ".")
    place = _PICTURE.match(text, (shown or block).end)
    picture = None if place is None else (page.parent / place[1]).resolve()
    drawn = None if picture is None else _drawn(picture, value)
    plt.close("all")
    return Ran(block, output, shown, picture, drawn)


def _drawn(picture: Path, value: Any) -> Path | None:
    """Return the file that was saved under the name of a picture, or one of the block's figure."""
    saved = Path(picture.name).resolve()
    figure = value if isinstance(value, Figure) else getattr(value, "figure", None)
    if not saved.exists() and figure is None and plt.get_fignums():
        figure = plt.gcf()
    if not saved.exists() and figure is not None:
        figure.savefig(saved, dpi=DOTS)
    return saved if saved.exists() else None


def _read(block: Block, folder: Path) -> None:
    """Read a configuration, and import what it names of the page's own files."""
    from sweeps import _importing
    from sweeps._config import settings

    path = folder / (block.title or "config.toml")
    path.write_text(block.text, "utf-8")
    settings.read(path).check("", complete=True)
    for reference in re.findall(r'"([\w.]+:[\w.]+)"', block.text):
        module, _ = reference.split(":")
        if (folder / f"{module.replace('.', '/')}.py").exists():
            _importing.load(reference, reference)


def differences(shown: str, printed: str) -> str | None:
    """Return how what is shown differs from what was printed, None where it does not."""
    if _words(shown) != _words(printed):
        return f"shows\n{shown.rstrip()}\nbut prints\n{printed.rstrip()}"
    pairs = zip(_NUMBER.findall(shown), _NUMBER.findall(printed), strict=True)
    wrong = [f"{one} for {other}" for one, other in pairs if not _same(one, other)]
    return f"shows {', '.join(wrong)}" if wrong else None


def _words(text: str) -> list[str]:
    # A sign of its own, so that spaces around a number, and the width of columns, do not matter.
    return _NUMBER.sub(" \N{NUMERO SIGN} ", text).split()


def _same(shown: str, printed: str) -> bool:
    one, other = (float(text.replace(",", "")) for text in (shown, printed))
    if not any(mark in text for mark in ".eE" for text in (shown, printed)):
        return one == other
    digits, _, power = shown.replace(",", "").lower().partition("e")
    places = len(digits.partition(".")[2])
    unit = 10.0 ** (int(power or 0) - places) if places else 0.0
    return abs(one - other) <= max(TOLERANCE * abs(one), 1.01 * unit)


def check(page: Path, folder: Path) -> list[str]:
    """Run a page in an empty folder, and return what it shows otherwise than its code does, a text each."""
    name, wrong = page.name, list(complaints(page.read_text("utf-8")))
    for ran in [] if wrong else run(page, folder):
        line = ran.block.line
        shown = "" if ran.shown is None else ran.shown.text
        if ran.printed.strip() and not shown.strip():
            wrong.append((line, f"the block prints, and no output is shown:\n{ran.printed}"))
        elif difference := differences(shown, ran.printed):
            wrong.append((line, difference))
        if ran.picture is not None:
            wrong += [(line, one) for one in _faults_of_picture(ran)]
    return [f"{name}:{line}: {what}" for line, what in wrong]


def _faults_of_picture(ran: Ran) -> Iterator[str]:
    if ran.picture is not None and not ran.picture.exists():
        yield f"there is no picture {ran.picture.name}: python -m docs.blocks --write"
    if ran.drawn is None:
        yield "the block draws nothing, and a picture stands behind it"
    elif _is_empty(ran.drawn):
        yield f"the picture {ran.drawn.name} is empty"


def _is_empty(path: Path) -> bool:
    with Image.open(path) as opened:
        return all(low == high for low, high in opened.convert("RGB").getextrema())


def write(page: Path, folder: Path) -> None:
    """Put outputs and pictures into a page anew."""
    text = page.read_text("utf-8")
    # From the end, so that what stands before keeps its place.
    for ran in reversed(run(page, folder)):
        output, indent = ran.printed.rstrip(), ran.block.indent
        if ran.shown is not None and ran.shown.text.rstrip() == output:
            pass
        elif ran.shown is not None:
            start = text.rindex("\n", 0, ran.shown.end) + 1
            text = text[: _body(text, ran.shown)] + textwrap.indent(f"{output}\n", indent) + text[start:]
        elif output:
            block = textwrap.indent(f"```text\n{output}\n```", indent)
            text = f"{text[: ran.block.end]}\n\n{block}{text[ran.block.end :]}"
        if ran.picture is not None and ran.drawn is not None:
            _keep(ran.drawn, ran.picture)
    page.write_text(text, "utf-8")


def _body(text: str, block: Block) -> int:
    return text.index("\n", block.start + len(block.indent)) + 1


def _keep(drawn: Path, picture: Path) -> None:
    """Keep a picture, a PNG with a palette, which takes a third of the bytes."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    if drawn.suffix != ".png":
        shutil.copyfile(drawn, picture)
        return
    with Image.open(drawn) as opened:
        opened.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)


def main() -> None:
    """Check or write pages."""
    parser = argparse.ArgumentParser(description="Check what the pages' code prints and draws, or write it down.")
    parser.add_argument("pages", nargs="*", type=Path, default=pages())
    parser.add_argument("--write", action="store_true", help="write outputs and pictures")
    arguments: Any = parser.parse_args()
    wrong: list[str] = []
    for page in arguments.pages:
        with tempfile.TemporaryDirectory() as folder:
            if arguments.write:
                write(page.resolve(), Path(folder).resolve())
        with tempfile.TemporaryDirectory() as folder:
            wrong += check(page.resolve(), Path(folder).resolve())
    print("\n".join(wrong) or "what the pages show is what their code does")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
