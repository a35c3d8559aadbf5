"""Record what the studies found: the numbers of their runs, pictures, and the texts that quote them.

``python docs/studies/record.py runs`` takes the reports in ``runs/circle``, ``runs/shrinking`` and so on, which were
made with default settings, and writes ``docs/studies/*.tex`` and ``*.png``, ``docs/studies.md`` and the
README's section on the studies anew. ``make studies`` runs them all before.
"""

import re
import shutil
import sys
import textwrap
from pathlib import Path

import jinja2

from analysis import numbers
from analysis._reports import wording

HERE = Path(__file__).parent
TOP = HERE.parents[1]
#: Studies, with the figure of each that is shown.
PICTURES = {
    "circle": "log_loss_density",
    "shrinking": "removal_1",
    "sparsity": "curves",
    "spiral": "pictures",
    "relevance": "heat",
}
#: Templates, with the files that they fill: a whole file, or what stands between two marks.
TEXTS = {"studies.md.jinja": TOP / "docs" / "studies.md", "readme.md.jinja": TOP / "README.md"}
_MARKED = re.compile(r"(?<=<!-- docs/studies/readme.md.jinja -->\n).*(?=<!-- end of the studies -->)", re.S)


def render(template: str) -> str:
    """Return a template's text, with numbers by the name of their study, such as ``circle.full_loss``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False
    )
    environment.filters.update(wording.FILTERS)
    found = {study: numbers.read(HERE / f"{study}.tex", study) for study in PICTURES}
    text = environment.get_template(template).render(**found).replace("\u00a0", " ")
    return "\n\n".join(map(_wrapped, text.strip().split("\n\n"))) + "\n"


def _wrapped(paragraph: str) -> str:
    if paragraph.startswith(("#", "|", "!")):
        return paragraph
    lines = paragraph.splitlines() if paragraph.startswith("- ") else [paragraph]
    wrap = textwrap.TextWrapper(120, break_long_words=False, break_on_hyphens=False)
    wrap.subsequent_indent = "  " if paragraph.startswith("- ") else ""
    return "\n".join(map(wrap.fill, lines))


def expected(template: str) -> tuple[str, str]:
    """Return what the file of a template holds, and what it should hold."""
    path, text = TEXTS[template], render(template)
    held = path.read_text("utf-8") if path.exists() else ""
    if path.name != "README.md":
        return held, text
    if _MARKED.search(held) is None:
        raise ValueError(f"{path.name} must have the two marks of the section on the studies")
    return held, _MARKED.sub(lambda _: text, held)


def main(folder: Path) -> None:
    """Copy numbers and pictures of the runs in a folder, and write the texts."""
    for study, picture in PICTURES.items():
        shutil.copyfile(folder / study / "numbers.tex", HERE / f"{study}.tex")
        shutil.copyfile(folder / study / "figures" / f"{picture}.png", HERE / f"{study}.png")
    for template, path in TEXTS.items():
        path.write_text(expected(template)[1], "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
