"""How reports put numbers, lists and settings into sentences."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from analysis.formatting import format_number
from analysis.tables import Column, Table

number = partial(format_number, style="html")


def whole(count: int) -> str:
    """Write a count with its thousands apart.

    Examples
    --------
    >>> whole(1048576)
    '1,048,576'
    """
    return f"{count:,}"


def signed(value: float, form: str) -> str:
    """Write a number with its sign.

    Examples
    --------
    >>> signed(0.25, ".1f"), signed(-0.5, ".1f")
    ('+0.2', '−0.5')
    """
    return f"{value:+{form}}".replace("-", "−")


def percent(fraction: float, decimals: int = 1) -> str:
    """Write a fraction in per cent, kept on one line."""
    return f"{100 * fraction:.{decimals}f}\u00a0%"


def enumerate_words(words: Sequence[str]) -> str:
    """Join words as a sentence does.

    Examples
    --------
    >>> enumerate_words(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def at(probabilities: Sequence[float]) -> str:
    """Say at which probabilities that a node stays, with a space in front; nothing where there are none."""
    # Spaces that do not break, so that no line starts with "= 0.5".
    return f" at p\u00a0=\u00a0{enumerate_words([f'{p:g}' for p in probabilities])}" if probabilities else ""


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


def listed(settings: Mapping[str, Any]) -> str:
    """Write settings in one line, fractions to six digits."""
    settings = {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in settings.items()}
    return ", ".join(f"{key.replace('_', ' ')}\u00a0{value}" for key, value in _flat(settings).items())


def settings_table(name: str, caption: str, settings: Mapping[str, Any]) -> Table:
    """Make a table of settings, nested ones with dotted names."""
    rows = _flat(settings)
    return Table(name, caption, [Column("name", "name", list(rows)), Column("value", "value", list(rows.values()))])
