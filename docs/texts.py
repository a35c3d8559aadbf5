"""The texts that quote numbers: templates, filled with what the studies found and what the benchmarks measured.

``python -m docs.texts`` writes them anew. A template stands for a whole file, or for what stands between two marks in
one; nothing in them is typed by hand, and the tests hold file and template together.
"""

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import jinja2

from analysis import numbers
from analysis._reports import wording

HERE = Path(__file__).parent
TOP = HERE.parent
RESULTS = TOP / "benchmarks" / "results"
#: Studies, with the figure of each that is shown beside the others.
STUDIES = {
    "circle": "log_loss_density",
    "shrinking": "removal_1",
    "sparsity": "curves",
    "spiral": "pictures",
    "relevance": "heat",
}
#: Templates, with the files that they fill.
TEXTS = {
    "studies/studies.md.jinja": HERE / "studies.md",
    "speed.md.jinja": HERE / "explanation" / "speed.md",
    "speed_in_brief.md.jinja": TOP / "README.md",
}


class Measured:
    """What the benchmarks measured on one device, by the words of their tables and targets.

    Parameters
    ----------
    path : Path
        A file of ``benchmarks/results``.
    """

    def __init__(self, path: Path):
        stored = json.loads(path.read_text("utf-8"))
        self.name, self.device, self._reports = path.stem, stored["device"], stored["reports"]

    @property
    def date(self) -> str:
        """The day of the benchmark of sampled masks, which stands for the rest."""
        return self._reports["sampled"]["measured"]["date"]

    @property
    def backend(self) -> str:
        """What JAX calls the device: cpu, gpu or tpu."""
        return self._reports["sampled"]["measured"]["backend"]

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the libraries by their names."""
        return self._reports["sampled"]["measured"]["versions"]

    def has(self, work: str) -> bool:
        """Whether a benchmark was run on the device."""
        return work in self._reports

    @property
    def targets(self) -> list[dict[str, Any]]:
        """All targets that were set, with what was measured and whether it meets them."""
        return [dict(one, title=report["title"]) for report in self._reports.values() for one in report["targets"]]

    def cell(self, work: str, table: str, row: Any, column: str) -> Any:
        """Return a cell of a table whose title begins so; rows go by their first cell."""
        [found] = [one for one in self._reports[work]["tables"] if one["title"].startswith(table)]
        [cells] = [one for one in found["rows"] if one[0] == row]
        return cells[found["columns"].index(column)]

    def fastest(self, work: str, table: str, begins: str, column: str = "ours is faster by") -> float:
        """Return the least of a column, over the rows whose names begin so: ours against the best of these."""
        [found] = [one for one in self._reports[work]["tables"] if one["title"].startswith(table)]
        place = found["columns"].index(column)
        return min(cells[place] for cells in found["rows"] if cells[0].startswith(begins))

    def target(self, work: str, what: str) -> dict[str, Any]:
        """Return a target with its fields measured, wanted and met."""
        [found] = [one for one in self._reports[work]["targets"] if one["what"] == what]
        return found


def measured(backend: str, library: str = "jax") -> Measured | None:
    """Return the newest results of a kind of device that also timed a library, or None where there are none."""
    found = [one for one in map(Measured, sorted(RESULTS.glob("*.json"))) if one.backend == backend]
    found = [one for one in found if library in one.versions]
    return max(found, key=lambda one: one.date, default=None)


def rounded(value: float) -> str:
    """Return a number with three digits and thousands separated, such as 918,000 or 0.118."""
    digits = f"{value:.3g}"
    return f"{float(digits):,.0f}" if abs(float(digits)) >= 100 else digits


def times(value: float) -> str:
    """Return a ratio with two digits, such as 25x or 0.95x."""
    return f"{float(f'{value:.2g}'):g}x"


def render(template: str) -> str:
    """Return a template's text, with numbers by the name of their study, such as ``circle.full_loss``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False
    )
    environment.filters.update(wording.FILTERS | {"rounded": rounded, "times": times})
    found = {study: numbers.read(HERE / "studies" / f"{study}.tex", study) for study in STUDIES}
    devices = {"cpu": measured("cpu"), "gpu": measured("gpu"), "peers": measured("cpu", "torch")}
    text = environment.get_template(template).render(**found, **devices).replace("\u00a0", " ")
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
    marks = re.compile(rf"(?<=<!-- docs/{template} -->\n).*?(?=<!-- end)", re.S)
    if marks.search(held) is None:
        raise ValueError(f"{path.name} must have the two marks of docs/{template}")
    return held, marks.sub(lambda _: text, held)


def write() -> None:
    """Write all texts."""
    for template, path in TEXTS.items():
        text = expected(template)[1]
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
