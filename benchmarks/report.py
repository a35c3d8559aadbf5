"""Reports: results of benchmarks, as data for JSON and as text for terminal and Markdown."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.timing import Timing


class Target(NamedTuple):
    """A target of the project, with the measured number.

    Attributes
    ----------
    what : in words
    measured, wanted : the numbers; NaN is measured where what was to be timed failed
    at_least : whether more is better
    unit : as in ``x`` or ``%``
    """

    what: str
    measured: float
    wanted: float
    at_least: bool = True
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether the measured number meets the target."""
        return self.measured >= self.wanted if self.at_least else self.measured <= self.wanted


class Table(NamedTuple):
    """Rows of numbers; floats are shown with three digits and stored exactly."""

    title: str
    columns: list[str]
    rows: list[list[Any]]


class Report(NamedTuple):
    """Results of a benchmark.

    Attributes
    ----------
    title : the work, in words
    tables : the numbers
    targets : those that were set, with what was measured
    notes : sentences on how to read the numbers, and what was skipped and why
    evidence : whatever else is stored: every repeat, every batch tried
    """

    title: str
    tables: list[Table]
    targets: list[Target]
    notes: list[str]
    evidence: dict[str, Any]


def against(what: str, ours: Timing, others: Iterable[Timing], wanted: float, percent: bool = False) -> list[Target]:
    """Return the target of our speed relative to the fastest of others; none where none of them gave a right answer."""
    rates = [one.rate for one in others if not one.failed]
    scale, unit = (100, "%") if percent else (1, "x")
    return [Target(what, scale * ours.rate / max(rates), wanted, unit=unit)] if rates else []


def timing_table(title: str, timings: Iterable[Timing], ours: Timing) -> Table:
    """Return a table of contenders, with the speed of gatesweep relative to each; those that failed are named."""
    columns = ["how", "masks", "seconds", "median / fastest", "masks/s", "ours is faster by", "error"]
    rows = [
        [
            one.name,
            one.masks,
            one.seconds,
            one.spread,
            one.rate,
            ours.rate / one.rate,
            f"**failed**: {one.failed}" if one.failed else one.deviation,
        ]
        for one in timings
    ]
    return Table(title, columns, rows)


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as data for JSON, which knows no NaN."""
    found = dict(
        title=report.title,
        targets=[dict(target._asdict(), met=target.met) for target in report.targets],
        tables=[table._asdict() for table in report.tables],
        # Contenders of several tables may be skipped for one reason.
        notes=list(dict.fromkeys(report.notes)),
        evidence=report.evidence,
    )
    return _without_nan(found)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def as_text(stored: dict[str, Any]) -> str:
    """Return a stored report as Markdown that also reads well as text."""
    parts = [f"## {stored['title']}"]
    if stored["targets"]:
        rows = [
            [
                one["what"],
                "failed" if one["measured"] is None else f"{shown(one['measured'])} {one['unit']}",
                f"{'at least' if one['at_least'] else 'at most'} {shown(one['wanted'])} {one['unit']}",
                "yes" if one["met"] else "**no**",
            ]
            for one in stored["targets"]
        ]
        parts.append(aligned(["target", "measured", "wanted", "met"], rows))
    for table in stored["tables"]:
        parts.append(f"{table['title']}:" if table["title"] else "")
        parts.append(aligned(table["columns"], table["rows"]))
    parts.append("\n".join(f"- {note}" for note in stored["notes"]))
    return "\n\n".join(part for part in parts if part)


def aligned(columns: list[str], rows: list[list[Any]]) -> str:
    """Markdown table with its columns aligned for a terminal."""
    cells = [columns, *[[shown(value) for value in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(columns))]
    left = [all(isinstance(row[column], str | None) for row in rows) for column in range(len(columns))]

    def line(row: list[str]) -> str:
        padded = [
            cell.ljust(width) if words else cell.rjust(width)
            for cell, width, words in zip(row, widths, left, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = "".join(
        f"|{'-' * (width + 2)}" if words else f"|{'-' * (width + 1)}:"
        for width, words in zip(widths, left, strict=True)
    )
    return "\n".join([line(cells[0]), f"{rule}|", *map(line, cells[1:])])


def shown(value: Any) -> str:
    """Return the text of a cell: floats with three digits, thousands separated, a dash for None."""
    if value is None:
        return "-"
    if isinstance(value, float):
        if value != 0 and abs(value) < 1e-3:
            return f"{value:.1e}"
        digits = f"{value:.3g}"
        return f"{float(digits):,.0f}" if abs(float(digits)) >= 100 else digits
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def save(folder: Path, machine: dict[str, Any], name: str, report: dict[str, Any]) -> Path:
    """Add a report to ``<device>.json``, ``.md`` and ``.png``.

    Parameters
    ----------
    folder : made where it is missing
    machine : what ``machine.describe`` says
    name : of the benchmark
    report : as ``as_json`` gives it, with ``measured``: the machine, its load and the seconds taken, since versions
        and load change between runs

    Returns
    -------
    path of the Markdown file
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{machine['slug']}.json"
    stored = json.loads(path.read_text())["reports"] if path.exists() else {}
    stored[name] = report
    path.write_text(json.dumps(dict(device=machine["device"], reports=stored), indent=1) + "\n")
    sections = [f"# Benchmarks on {machine['device']}"]
    for title, one in stored.items():
        sections.append(as_text(one))
        if title == "scaling" and _drawn(one["evidence"], machine["device"], path.with_suffix(".png")):
            sections.append(f"![masks a second as sizes grow]({path.with_suffix('.png').name})")
        sections.append(measured_with(one["measured"]))
    markdown = path.with_suffix(".md")
    markdown.write_text("\n\n".join(sections) + "\n")
    return markdown


def _drawn(evidence: dict[str, Any], device: str, path: Path) -> bool:
    """Whether the picture of the scaling is there: it is drawn where Matplotlib is installed."""
    try:
        from benchmarks import picture
    except ImportError:
        return path.exists()
    picture.scaling(evidence, device, path)
    return True


def measured_with(measured: dict[str, Any]) -> str:
    """Return a line with date, device and versions of a measurement."""
    versions = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    before, after = measured["load"]
    # A load above the number of cores means that other processes slowed the benchmark down.
    busy = "" if before is None else f"; load average {before:.1f} before and {after:.1f} after"
    return f"_Measured {measured['date']} in {measured['seconds']:.0f} s with {versions}{busy}._"
