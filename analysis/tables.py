"""Tables (LaTeX, CSV, HTML) and LaTeX macros: the one place that writes numbers into files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from analysis.errors import InputError
from analysis.formatting import escape_latex, format_number

Values = Sequence[Any] | npt.NDArray[Any]

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_HTML = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """<table>
<thead><tr>{% for column in columns %}<th{{ column.css }}>{{ column.header }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr>{% for cell in row %}<td{{ columns[loop.index0].css }}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>"""
)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    key : str
        Name in the CSV file; a column of errors becomes ``<key>_error``.
    header : str
        Heading in print, plain text with its unit.
    values : sequence
        Numbers, booleans or text.
    errors : sequence of float, optional
        Standard errors, one for each value.
    digits : int or None
        Significant digits of values without an error; None for as many as needed.
    decimals : int, optional
        Digits behind the point of values without an error, in place of `digits`.
    """

    key: str
    header: str
    values: Values
    errors: Values | None = None
    digits: int | None = 4
    decimals: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", [_plain(value) for value in self.values])
        if self.errors is not None:
            object.__setattr__(self, "errors", [_plain(error) for error in self.errors])
            if len(self.errors) != len(self.values):
                raise InputError(f"errors: expected {len(self.values)} for column {self.key!r}, got {len(self.errors)}")

    @property
    def is_text(self) -> bool:
        """Whether the column holds text, and is set flush left."""
        return any(isinstance(value, str) for value in self.values)

    @property
    def css(self) -> Markup:
        """The class attribute of its cells in HTML."""
        return Markup("" if self.is_text else ' class="number"')

    def cells(self, style: str) -> list[str]:
        """Write every value in one of the styles of `format_number`."""
        errors = self.errors if self.errors is not None else [None] * len(self.values)
        return [
            format_number(value, error, digits=self.digits, decimals=self.decimals, style=style)
            for value, error in zip(self.values, errors, strict=True)
        ]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class Table:
    """A table that is written once for the paper (LaTeX), once for machines (CSV), once for the page (HTML).

    Attributes
    ----------
    name : str
        Stem of the file names.
    caption : str
        What the table shows, plain text; also the comment at the top of the LaTeX file.
    columns : sequence of Column
        All of one length.
    """

    name: str
    caption: str
    columns: Sequence[Column]

    def __post_init__(self) -> None:
        lengths = {column.key: len(column.values) for column in self.columns}
        if len(set(lengths.values())) != 1:
            raise InputError(f"columns: expected one or more, all of one length, got lengths {lengths}")
        if len(lengths) != len(self.columns):
            raise InputError(f"columns: expected distinct keys, got {[c.key for c in self.columns]}")

    def _cells(self, style: str) -> list[tuple[str, ...]]:
        return list(zip(*(column.cells(style) for column in self.columns), strict=True))

    def to_csv(self) -> str:
        """Write comma-separated values with full digits; errors have columns of their own."""
        data: dict[str, Values] = {}
        for column in self.columns:
            data[column.key] = column.values
            if column.errors is not None:
                data[f"{column.key}_error"] = column.errors
        return pd.DataFrame(data).to_csv(index=False, lineterminator="\n")

    def to_latex(self) -> str:
        r"""Write a booktabs ``tabular``, to be put into a float with ``\input``."""
        frame = pd.DataFrame(self._cells("latex"), columns=[escape_latex(c.header) for c in self.columns])
        layout = "".join("l" if column.is_text else "r" for column in self.columns)
        body = frame.style.hide(axis="index").to_latex(hrules=True, column_format=layout)
        return f"% {' '.join(self.caption.split())}\n{body}"

    def to_html(self) -> Markup:
        """Write an HTML table without its caption."""
        return Markup(_HTML.render(columns=self.columns, rows=self._cells("html")))

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write ``<name>.tex`` and ``<name>.csv`` into `folder`, made if need be; return the paths."""
        folder.mkdir(parents=True, exist_ok=True)
        latex, csv = folder / f"{self.name}.tex", folder / f"{self.name}.csv"
        latex.write_text(self.to_latex(), encoding="utf-8", errors="backslashreplace", newline="\n")
        csv.write_text(self.to_csv(), encoding="utf-8", errors="backslashreplace", newline="\n")
        return latex, csv


def macro_name(*words: str, **parameters: float | str) -> str:
    r"""Turn words and parameters into the name of a LaTeX macro, which may hold letters only.

    Parameters
    ----------
    *words : str
        Words; all but the first are capitalised. Digits, points and minus signs are spelled out, other
        characters separate words.
    **parameters : float or str
        Appended as name and value.

    Returns
    -------
    str
        Without the backslash.

    Raises
    ------
    ValueError
        If nothing is left to make a name of.

    Examples
    --------
    >>> macro_name("mean loss", p=0.25)
    'meanLossPZeroPointTwoFive'
    """
    text = " ".join([*words, *(f"{key} {value}" for key, value in parameters.items())])
    text = re.sub(r"(?<=\d)\.(?=\d)", " point ", text)
    text = re.sub(r"(?<!\w)[-−](?=\d)", " minus ", text)
    text = re.sub(r"\d", lambda match: f" {_DIGITS[int(match.group())]} ", text)
    parts = re.findall(r"[A-Za-z]+", text)
    if not parts:
        raise InputError(f"words: expected letters or digits for a macro's name, got {text.strip()!r}")
    return parts[0][0].lower() + parts[0][1:] + "".join(part[0].upper() + part[1:] for part in parts[1:])


@dataclass
class Numbers:
    r"""The numbers of a report as LaTeX macros, so that a paper never retypes one.

    Attributes
    ----------
    prefix : str
        First word of every macro, so that two studies fit into one paper.
    macros : dict of str to (str, str)
        Text and comment of each macro, by its name, in the order they were added.
    """

    prefix: str
    macros: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(
        self,
        name: str,
        value: Any,
        error: Any = None,
        *,
        digits: int | None = 4,
        comment: str = "",
        **parameters: float | str,
    ) -> str:
        """Add one number; the arguments are those of `format_number` and `macro_name`.

        Returns
        -------
        str
            The macro's name.

        Raises
        ------
        ValueError
            If the name is taken.
        """
        macro = macro_name(self.prefix, name, **parameters)
        if macro in self.macros:
            raise InputError(rf"name: expected a new macro, got \{macro} a second time")
        text = format_number(value, error, digits=digits, style="latex")
        self.macros[macro] = (text, " ".join(comment.split()))
        return macro

    def to_latex(self) -> str:
        r"""Write one ``\newcommand`` a line."""
        lines = [
            rf"\newcommand{{\{macro}}}{{{text}}}" + (f" % {comment}" if comment else "")
            for macro, (text, comment) in self.macros.items()
        ]
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> Path:
        """Write the macros to `path`, whose folder is made if need be; return it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_latex(), encoding="utf-8", errors="backslashreplace", newline="\n")
        return path
