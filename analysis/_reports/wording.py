"""How reports put numbers, lists and settings into sentences."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import xarray as xr

from analysis._formatting import enumerate_words, format_number
from analysis.intervals import Interval
from analysis.numbers import Number
from analysis.tables import Column, Table


def _plain(value: Any) -> Any:
    """Return the value of a `Number`, and anything else as it is."""
    return value.value if isinstance(value, Number) else value


def number(value: Any, error: float | None = None, *, digits: int | None = 4, decimals: int | None = None) -> str:
    """Write a number for a page; see `analysis._formatting.format_number`."""
    return format_number(_plain(value), error, digits=digits, decimals=decimals, style="html")


def whole(count: Any) -> str:
    """Write a count with its thousands apart.

    Examples
    --------
    >>> whole(1048576)
    '1,048,576'
    """
    return f"{int(_plain(count)):,}"


def counted(count: Any, noun: str) -> str:
    """Write a count and what is counted, in the singular where there is one.

    Examples
    --------
    >>> counted(1, "flip"), counted(1048576, "mask")
    ('1 flip', '1,048,576 masks')
    """
    return f"{whole(count)} {noun}{'s' * (int(_plain(count)) != 1)}"


def signed(value: Any, form: str) -> str:
    """Write a number with its sign.

    Examples
    --------
    >>> signed(0.25, ".1f"), signed(-0.5, ".1f")
    ('+0.2', '−0.5')
    """
    return f"{_plain(value):+{form}}".replace("-", "−")


def percent(fraction: Any, decimals: int = 1) -> str:
    """Write a fraction in per cent, kept on one line."""
    return f"{100 * _plain(fraction):.{decimals}f}\u00a0%".replace("-", "−")


def interval(found: Any, decimals: int = 1, unit: str = "", signed: bool = False, factor: float = 1.0) -> str:
    """Write a mean with half the width of its interval, of an `Interval` or of a number that has one."""
    one = found.interval if isinstance(found, Number) else found
    if not isinstance(one, Interval):
        raise TypeError(f"{found!r} has no interval")
    return one.times(factor).text(decimals, unit, signed)


def share(found: Any, decimals: int = 1) -> str:
    """Write a mean share in per cent, with its interval."""
    return interval(found, decimals, "%", factor=100)


def points(found: Any, decimals: int = 1, signed: bool = True) -> str:
    """Write a difference of shares in percentage points, with its interval."""
    return interval(found, decimals, "points", signed, 100)


def at(probabilities: Sequence[float]) -> str:
    """Say at which probabilities that a node stays, with a space in front; nothing where there are none."""
    # Spaces that do not break, so that no line starts with "= 0.5".
    return f" at p\u00a0=\u00a0{enumerate_words([f'{p:g}' for p in probabilities])}" if probabilities else ""


def each_at(found: Iterable[Any], probabilities: Sequence[float]) -> str:
    """List what was found at each probability that a node stays, in words; the only item where there are none.

    Examples
    --------
    >>> each_at([1.5, 2.5], [0.25, 0.5]).replace("\u00a0", " ")
    '1.5 at p = 0.25 and 2.5 at p = 0.5'
    """
    return enumerate_words([f"{one}{at(probabilities[row : row + 1])}" for row, one in enumerate(found)])


def capitalised(text: str) -> str:
    """Write a capital at the start.

    Examples
    --------
    >>> capitalised("it holds at p = 0.5.")
    'It holds at p = 0.5.'
    """
    return text[:1].upper() + text[1:]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Put nested settings on one level; those that were not given are left out."""
    rows: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            rows |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            rows[prefix + key] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return rows


def own_attributes(data: xr.Dataset) -> dict[Any, Any]:
    """Return the attributes of a run's group that its maker gave it, without the store's mark that it is complete."""
    return {name: value for name, value in data.attrs.items() if name != "complete"}


def in_line(settings: Mapping[str, Any]) -> str:
    """Write settings in one line, fractions to six digits."""
    settings = {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in settings.items()}
    return ", ".join(f"{key.replace('_', ' ')}\u00a0{value}" for key, value in _flat(settings).items())


def settings_table(name: str, caption: str, settings: Mapping[str, Any]) -> Table:
    """Make a table of settings, nested ones with dotted names."""
    rows = _flat(settings)
    return Table(name, caption, [Column("name", "name", list(rows)), Column("value", "value", list(rows.values()))])


#: What templates may write behind a value: ``{{ n.accuracy | percent }}``.
FILTERS = {
    "number": number,
    "whole": whole,
    "counted": counted,
    "signed": signed,
    "percent": percent,
    "interval": interval,
    "share": share,
    "points": points,
    "listed": enumerate_words,
    "in_line": in_line,
    "at": at,
    "each_at": each_at,
    "capitalised": capitalised,
}
