"""Tables: written once for the paper (LaTeX), once for machines (CSV) and once for the page (HTML).

A number is printed with the digits that its standard error allows; the CSV file has all of them.
"""

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup, escape
from pandas.io.formats.style import Styler

from analysis._errors import InputError
from analysis._formatting import escape_latex, format_number
from analysis.intervals import Interval

__all__ = ["Column", "Table", "pair"]

_Values = Sequence[Any] | npt.NDArray[Any]

#: Letters of a cell from which on its text may take several lines.
_LONG = 36


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
        Numbers, booleans or text, one a row.
    errors : sequence of float, optional
        Standard errors, one for each value.
    digits : int or None
        Significant digits of values without an error; None for as many as needed.
    decimals : int, optional
        Digits behind the point of values without an error, in place of `digits`.
    csv_only : bool
        Whether the column is too long for print, and stands in the CSV file alone.

    Raises
    ------
    ValueError
        If there is not one error for each value.

    See Also
    --------
    Table : Columns of one length.
    pair : Two columns for means with intervals.

    Examples
    --------
    >>> from analysis import tables
    >>> tables.Column("loss", "loss (nats)", [0.5, 0.25], errors=[0.02, 0.01]).cells("plain")
    ['0.500(20)', '0.250(10)']
    """

    key: str
    header: str
    values: _Values
    _: KW_ONLY
    errors: _Values | None = None
    digits: int | None = 4
    decimals: int | None = None
    csv_only: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", [_plain(value) for value in self.values])
        if self.errors is not None:
            object.__setattr__(self, "errors", [_plain(error) for error in self.errors])
            if len(self.errors) != len(self.values):
                raise InputError(f"errors must be {len(self.values)} for column {self.key!r}, got {len(self.errors)}")

    @property
    def is_text(self) -> bool:
        """Whether the column holds text, and is set flush left."""
        return any(isinstance(value, str) for value in self.values)

    @property
    def css(self) -> str:
        """How its cells look in HTML: numbers flush right, long texts on several lines."""
        if not self.is_text:
            return "text-align: right"
        long = max((len(str(value)) for value in self.values), default=0) > _LONG
        return "white-space: normal; min-width: 15rem" if long else ""

    def cells(self, style: str) -> list[str]:
        """Write every value.

        Parameters
        ----------
        style : {"plain", "latex", "html"}
            For a terminal, a paper or a page.

        Returns
        -------
        list of str
            One text a row; an error stands in brackets, in units of the last digit.
        """
        errors = self.errors if self.errors is not None else [None] * len(self.values)
        return [
            format_number(value, error, digits=self.digits, decimals=self.decimals, style=style)
            for value, error in zip(self.values, errors, strict=True)
        ]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def pair(
    key: str, header: str, found: Sequence[Interval], *, decimals: int | None = 1, factor: float = 1.0
) -> list[Column]:
    """Make a column of means and one, headed ±, of half the widths of their intervals.

    Parameters
    ----------
    key : str
        Of the means in the CSV file; the other column's key ends in ``_half_width``.
    header : str
        Heading of the means, with their unit.
    found : sequence of Interval
        One a row; `analysis.intervals.NO_INTERVAL` leaves a row empty.
    decimals : int, optional
        Digits behind the point; four significant digits where left out.
    factor : float
        Of both columns, above 0: 100 for shares in per cent.

    Returns
    -------
    list of Column
        The means, and half the widths.

    See Also
    --------
    analysis.intervals.interval : Makes the intervals.

    Examples
    --------
    >>> from analysis import tables
    >>> means, halves = tables.pair("gain", "gain (%)", [Interval(0.123, 0.004, 8)], factor=100)
    >>> means.cells("plain"), halves.header, halves.cells("plain")
    (['12.3'], '±', ['0.4'])
    """
    scaled = [one.times(factor) for one in found]
    return [
        Column(key, header, [one.mean for one in scaled], decimals=decimals),
        Column(f"{key}_half_width", "±", [one.half for one in scaled], decimals=decimals),
    ]


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

    Raises
    ------
    ValueError
        If there is no column, lengths differ, or two columns have one key.

    See Also
    --------
    Column : One column.

    Examples
    --------
    >>> from analysis import tables
    >>> table = tables.Table("losses", "Losses.", [tables.Column("loss", "loss", [0.5, 0.25])])
    >>> table.to_csv().split()
    ['loss', '0.5', '0.25']
    """

    name: str
    caption: str
    columns: Sequence[Column]

    def __post_init__(self) -> None:
        lengths = {column.key: len(column.values) for column in self.columns}
        if len(set(lengths.values())) != 1:
            raise InputError(f"columns must be one or more, all of one length, got lengths {lengths}")
        if len(lengths) != len(self.columns):
            raise InputError(f"columns must have distinct keys, got {[c.key for c in self.columns]}")

    @property
    def _printed(self) -> list[Column]:
        return [column for column in self.columns if not column.csv_only]

    def _cells(self, style: str) -> list[tuple[str, ...]]:
        return list(zip(*(column.cells(style) for column in self._printed), strict=True))

    def to_csv(self) -> str:
        """Write comma-separated values with full digits; errors have columns of their own."""
        data: dict[str, _Values] = {}
        for column in self.columns:
            data[column.key] = column.values
            if column.errors is not None:
                data[f"{column.key}_error"] = column.errors
        return pd.DataFrame(data).to_csv(index=False, lineterminator="\n")

    def to_latex(self) -> str:
        r"""Write a booktabs ``tabular``, to be put into a float with ``\input``."""
        frame = pd.DataFrame(self._cells("latex"), columns=[escape_latex(c.header) for c in self._printed])
        layout = "".join("l" if column.is_text else "r" for column in self._printed)
        body = frame.style.hide(axis="index").to_latex(hrules=True, column_format=layout)
        return f"% {' '.join(self.caption.split())}\n{body}"

    def to_html(self) -> Markup:
        """Write an HTML table without its caption."""
        frame = pd.DataFrame(self._cells("html"), columns=[column.key for column in self._printed], dtype=str)
        style = Styler(frame, uuid=self.name, cell_ids=False).hide(axis="index").format(escape="html")
        style = style.relabel_index([escape(column.header) for column in self._printed], axis="columns")
        looks: dict[str, list[str]] = {look: [] for look in sorted({column.css for column in self._printed} - {""})}
        for place, column in enumerate(self._printed):
            if column.css:
                looks[column.css].append(f".col{place}")
        style.set_table_styles([{"selector": ", ".join(cells), "props": look} for look, cells in looks.items()])
        # Styler says of no heading what it heads, and gives every cell its row as a class, which no style needs.
        html = style.to_html().replace("<th class", '<th scope="col" class')
        return Markup(re.sub(r'class="data row\d+ (col\d+)" ?>', r'class="\1">', html))

    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """Write ``<name>.tex`` and ``<name>.csv``.

        Parameters
        ----------
        folder : str or path
            Where to, made if need be.

        Returns
        -------
        tuple of pathlib.Path
            The LaTeX file and the CSV file.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        latex, csv = folder / f"{self.name}.tex", folder / f"{self.name}.csv"
        latex.write_text(self.to_latex(), encoding="utf-8", errors="backslashreplace", newline="\n")
        csv.write_text(self.to_csv(), encoding="utf-8", errors="backslashreplace", newline="\n")
        return latex, csv
