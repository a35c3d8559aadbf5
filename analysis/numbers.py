r"""The numbers of a report: one flat mapping that feeds the sentences of its page and the macros of ``numbers.tex``.

So a number in a text is never typed by hand, neither on the page nor in a paper.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from analysis._errors import InputError
from analysis._formatting import format_number, unescape_latex
from analysis.intervals import Interval

__all__ = ["Number", "Numbers", "macro_name", "read"]

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def macro_name(*words: str, **parameters: float | str) -> str:
    r"""Turn words and parameters into the name of a LaTeX macro, which may hold letters only.

    Parameters
    ----------
    *words : str
        All but the first are capitalised. Digits, points and minus signs are spelled out, other characters separate
        words.
    **parameters : float or str
        Appended as name and value.

    Returns
    -------
    str
        Letters alone, without the backslash.

    Raises
    ------
    ValueError
        If nothing is left to make a name of.

    See Also
    --------
    Numbers : Numbers by such names.

    Examples
    --------
    >>> from analysis import numbers
    >>> numbers.macro_name("mean loss", p=0.25)
    'meanLossPZeroPointTwoFive'
    """
    text = " ".join([*words, *(f"{key} {value}" for key, value in parameters.items())])
    text = re.sub(r"(?<=\d)\.(?=\d)", " point ", text)
    text = re.sub(r"(?<!\w)[-−](?=\d)", " minus ", text)
    text = re.sub(r"\d", lambda match: f" {_DIGITS[int(match.group())]} ", text)
    parts = re.findall(r"[A-Za-z]+", text)
    if not parts:
        raise InputError(f"words must be letters or digits for a macro's name, got {text.strip()!r}")
    return parts[0][0].lower() + parts[0][1:] + "".join(part[0].upper() + part[1:] for part in parts[1:])


@dataclass(frozen=True)
class Number:
    """One number of a report.

    Attributes
    ----------
    value : int, float, bool or str
        The number itself, or a text; NaN where it is not known.
    error : float, optional
        Standard error, in the unit of the value; it decides how many digits are printed.
    digits : int or None
        Significant digits in print where there is no error; None for as many as needed.
    comment : str
        Unit, or what the number is; stands beside its macro.
    interval : Interval, optional
        The mean and its interval, where the value is such a mean.

    See Also
    --------
    Numbers : Many of them, by name.

    Examples
    --------
    >>> from analysis import numbers
    >>> numbers.Number(0.12345, error=0.0021).text(), numbers.Number(0.12345, digits=2).text()
    ('0.1235(21)', '0.12')
    """

    value: Any
    _: KW_ONLY
    error: float | None = None
    digits: int | None = 4
    comment: str = ""
    interval: Interval | None = None

    @property
    def known(self) -> bool:
        """Whether there is a value: text, or a number that is finite."""
        return isinstance(self.value, str) or bool(np.isfinite(self.value))

    def text(self, style: str = "plain") -> str:
        """Write the number with the digits that its error allows.

        Parameters
        ----------
        style : {"plain", "latex", "html"}
            For a terminal or a CSV file, for a paper, or for a page.

        Returns
        -------
        str
            The error stands in brackets, in units of the last digit.
        """
        return format_number(self.value, self.error, digits=self.digits, style=style)

    def __str__(self) -> str:
        return self.text("html")


@dataclass
class Numbers:
    r"""The numbers of a report by name.

    A template writes ``{{ n.full_loss }}``, or ``{{ n("mean loss", p=0.25) }}`` where a name has parameters; a paper
    writes the macro of the same number, ``\circleFullLoss``.

    Attributes
    ----------
    prefix : str
        First word of every macro, so that two studies fit into one paper.
    macros : dict of str to Number
        Numbers by the name of their macro, in the order they were added.

    See Also
    --------
    read : Reads them again.
    macro_name : How words become the name of a macro.

    Examples
    --------
    >>> from analysis import numbers
    >>> n = numbers.Numbers("mine")
    >>> n.add("mean loss", 0.1234, 0.0021, p=0.25, comment="nats")
    >>> n("mean loss", p=0.25).value
    0.1234
    >>> print(n.to_latex().strip())
    \newcommand{\mineMeanLossPZeroPointTwoFive}{\ensuremath{0.1234(21)}} % nats
    """

    prefix: str
    macros: dict[str, Number] = field(default_factory=dict)

    def add(
        self,
        name: str,
        value: Any,
        error: Any = None,
        *,
        digits: int | None = 4,
        comment: str = "",
        interval: Interval | None = None,
        **parameters: float | str,
    ) -> None:
        """Add one number.

        Parameters
        ----------
        name : str
            Words that say what it is.
        value : int, float, bool or str
            The number, or a text.
        error : float, optional
            Standard error, in the unit of the value.
        digits : int or None
            Significant digits in print where there is no error; None for as many as needed.
        comment : str
            Unit, or what the number is.
        interval : Interval, optional
            The mean and its interval, where the value is such a mean.
        **parameters : float or str
            Further words of the name, each with its value, as in ``p=0.25``.

        Raises
        ------
        ValueError
            If the name is taken.
        """
        macro = macro_name(self.prefix, name, **parameters)
        if macro in self.macros:
            raise InputError(rf"name must be a new macro, got \{macro} a second time")
        self.macros[macro] = Number(
            value, error=error, digits=digits, comment=" ".join(comment.split()), interval=interval
        )

    def add_interval(
        self, name: str, found: Interval, *, digits: int | None = 4, over: str = "networks", **parameters: float | str
    ) -> None:
        """Add a mean, and half the width of its interval under the name with "half width" behind it.

        Parameters
        ----------
        name : str
            Words that say what it is.
        found : Interval
            The mean and its interval.
        digits : int or None
            Significant digits of the mean in print; None for as many as needed.
        over : str
            What the mean is over, for the comment.
        **parameters : float or str
            Further words of the name, each with its value, as in ``p=0.25``.

        Raises
        ------
        ValueError
            If a name is taken.
        """
        comment = f"mean over {found.networks} {over}"
        self.add(name, found.mean, None, digits=digits, comment=comment, interval=found, **parameters)
        half = "half of the 95 % t-interval"
        self.add(f"{name} half width", found.half, None, digits=3, comment=half, interval=None, **parameters)

    def __call__(self, name: str, **parameters: float | str) -> Number:
        """Return a number by the words and parameters that it was added with; raise KeyError where there is none."""
        return self.macros[macro_name(self.prefix, name, **parameters)]

    def each(self, name: str, **over: Sequence[float]) -> list[Number]:
        """Return a number at each value of one parameter, as in ``n.each("mean loss", p=[0.25, 0.5])``.

        A parameter without values is none: the number that was added without it is the only one.

        Parameters
        ----------
        name : str
            Words that the numbers were added with.
        **over : sequence of float
            One parameter, and its values.

        Returns
        -------
        list of Number
            In the order of the values.
        """
        ((key, values),) = over.items()
        return [self(name, **{key: value}) for value in values] or [self(name)]

    def __getattr__(self, name: str) -> Number:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self(name)
        except KeyError:
            raise AttributeError(f"there is no number {name!r}") from None

    def __contains__(self, name: str) -> bool:
        return macro_name(self.prefix, name) in self.macros

    def __iter__(self) -> Iterator[str]:
        return iter(self.macros)

    def __len__(self) -> int:
        return len(self.macros)

    def to_latex(self) -> str:
        r"""Write one ``\newcommand`` a line."""
        lines = [
            rf"\newcommand{{\{macro}}}{{{one.text('latex')}}}" + (f" % {one.comment}" if one.comment else "")
            for macro, one in self.macros.items()
        ]
        return "\n".join(lines) + "\n"

    def write(self, path: str | Path) -> Path:
        """Write the macros to a file, whose folder is made if need be.

        Parameters
        ----------
        path : str or path
            Where to; a file that is there is replaced.

        Returns
        -------
        pathlib.Path
            The same path.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_latex(), encoding="utf-8", errors="backslashreplace", newline="\n")
        return path


def read(path: Path, prefix: str) -> Numbers:
    r"""Read the macros of a report's ``numbers.tex``, with the digits they are printed with.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    prefix : str
        First word of the macros: the name of the study, or of the folder of a report.

    Returns
    -------
    Numbers
        A mean and half the width of its interval make an interval again.

    Raises
    ------
    ValueError
        If a line is no macro that begins with the prefix.

    See Also
    --------
    Numbers.write : Writes the file.

    Examples
    --------
    >>> import tempfile
    >>> from analysis import numbers
    >>> n = numbers.Numbers("mine")
    >>> n.add("mean loss", 0.1234, 0.0021)
    >>> path = n.write(Path(tempfile.mkdtemp()) / "numbers.tex")
    >>> found = numbers.read(path, prefix="mine")("mean loss")
    >>> found.value, round(found.error, 6)
    (0.1234, 0.0021)
    """
    found = Numbers(prefix)
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _MACRO.fullmatch(line)
        if match is None or not match["macro"].startswith(prefix):
            raise InputError(rf"path must hold macros as \newcommand{{\{prefix}...}}{{...}}, got {line!r} in {path}")
        found.macros[match["macro"]] = _printed(match["text"], match["comment"] or "")
    for (macro, one), (behind, half) in pairwise(list(found.macros.items())):
        over = re.match(r"mean over (\d+) ", one.comment)
        if over is not None and behind.replace("HalfWidth", "", 1) == macro:
            found.macros[macro] = replace(one, interval=Interval(one.value, half.value, int(over[1])))
    return found


_MACRO = re.compile(r"\\newcommand\{\\(?P<macro>[A-Za-z]+)\}\{(?P<text>.*?)\}(?: % (?P<comment>.*))?")
_NUMBER = re.compile(
    r"\\ensuremath\{(?P<value>-?[\d.]+)(?:\((?P<error>[\d.]+)\))?(?: \\times 10\^\{(?P<power>-?\d+)\})?\}"
)


def _printed(text: str, comment: str) -> Number:
    """Return the number that `Number.text` wrote for LaTeX."""
    named = {"--": np.nan, r"\ensuremath{\infty}": np.inf, r"\ensuremath{-\infty}": -np.inf}
    match = _NUMBER.fullmatch(text)
    if match is None:
        return Number(named.get(text, unescape_latex(text)), comment=comment)
    shown, power = match["value"], int(match["power"] or 0)
    if "." not in shown and match["power"] is None and match["error"] is None:
        return Number(int(shown), comment=comment)
    decimals = len(shown.partition(".")[2])
    error = None
    if match["error"]:
        error = float(match["error"]) * 10.0 ** (power if "." in match["error"] else power - decimals)
    digits = len(shown.replace(".", "").lstrip("-0")) or decimals + 1
    return Number(float(f"{shown}e{power}"), error=error, digits=digits, comment=comment)
