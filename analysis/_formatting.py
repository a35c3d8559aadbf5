"""How a number becomes text: digits by its standard error, for plain text, LaTeX and HTML."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from uncertainties import ufloat

from analysis import _checks
from analysis._errors import InputError

STYLES = ("plain", "latex", "html")
#: A standard error below this share of its number is one of rounding, and is not shown.
ROUNDING = 1e-12
MISSING = {"plain": "--", "latex": "--", "html": "–"}

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "\u00a0": "~",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
}
_MATHEMATICS = r"""
    < < > > ≤ \leq ≥ \geq ± \pm × \times √ \surd − - → \to ∞ \infty · \cdot ≈ \approx ≠ \neq ∑ \sum ∂ \partial
    α \alpha β \beta γ \gamma δ \delta ε \varepsilon ζ \zeta η \eta θ \theta ι \iota κ \kappa λ \lambda μ \mu ν \nu
    ξ \xi π \pi ρ \rho σ \sigma τ \tau υ \upsilon φ \varphi χ \chi ψ \psi ω \omega Γ \Gamma Δ \Delta Θ \Theta
    Λ \Lambda Ξ \Xi Π \Pi Σ \Sigma Υ \Upsilon Φ \Phi Ψ \Psi Ω \Omega
    ⁰ ^0 ¹ ^1 ² ^2 ³ ^3 ⁴ ^4 ⁵ ^5 ⁶ ^6 ⁷ ^7 ⁸ ^8 ⁹ ^9 ⁻ ^- ₀ _0 ₁ _1 ₂ _2 ₃ _3 ₄ _4 ₅ _5 ₆ _6 ₇ _7 ₈ _8 ₉ _9
"""
_pairs = _MATHEMATICS.split()
_LATEX |= {char: rf"\ensuremath{{{sign}}}" for char, sign in zip(_pairs[::2], _pairs[1::2], strict=True)}
#: Characters from here on are not set up in LaTeX, unless the engine knows all of Unicode.
_FOREIGN = 0x180
#: LaTeX turns two of these in a row into another character, such as a dash.
_JOINS, _JOINED = "-'`,", "-'`,!?"


def visible(text: str) -> str:
    r"""Spell out the characters that have no shape, such as line breaks, as Python does.

    Examples
    --------
    >>> print(visible("two\nlines"))
    two\nlines
    """
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if (kind := unicodedata.category(char))[0] == "C" or kind in ("Zl", "Zp")
        else char
        for char in text
    )


def escape_latex(text: str) -> str:
    r"""Write text so that LaTeX prints it as it is.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Characters that only XeLaTeX and LuaLaTeX have are their numbers in pdfLaTeX.

    Examples
    --------
    >>> print(escape_latex("50 % of layers_0"))
    50 \% of layers\_0
    >>> print(escape_latex("節"))
    {\ifdefined\Umathcode 節\else U+7BC0\fi}
    """
    text = visible(text)
    parts = ["{}"] if text[:1] in ("[", "*") else []  # at the start of a row they belong to the end of the last one
    for before, char in zip(f"\n{text}", text, strict=False):
        if char in _JOINS and before in _JOINED:
            parts.append("{}")
        parts.append(r"\ " if char == before == " " else _LATEX.get(char) or _unicode(char))
    return "".join(parts)


def unescape_latex(text: str) -> str:
    r"""Read what `escape_latex` wrote, but for characters outside of it.

    Examples
    --------
    >>> unescape_latex(escape_latex("50 % of layers_0, p ≤ 0.001"))
    '50 % of layers_0, p ≤ 0.001'
    """
    written = {sign: char for char, sign in _LATEX.items()}
    longest = sorted(map(re.escape, written), key=len, reverse=True)
    return re.sub("|".join(longest), lambda found: written[found[0]], text)


def _unicode(char: str) -> str:
    return char if ord(char) < _FOREIGN else rf"{{\ifdefined\Umathcode {char}\else U+{ord(char):04X}\fi}}"


def _scientific(text: str, style: str) -> str:
    """Rewrite ``1.2e-05`` and the minus sign for one style."""
    mantissa, _, exponent = text.partition("e")
    power = str(int(exponent)) if exponent else ""
    if style == "latex":
        raised = rf" \times 10^{{{power}}}" if power else ""
        return rf"\ensuremath{{{mantissa}{raised}}}"
    if style == "html":
        raised = power.translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
        return mantissa.replace("-", "−") + (f" × 10{raised}" if power else "")
    return text


def format_number(
    value: Any, error: Any = None, *, digits: int | None = 4, decimals: int | None = None, style: str = "plain"
) -> str:
    r"""Write a number, with as many digits as its standard error supports.

    Parameters
    ----------
    value : float, int, bool or str
        Text is passed on, escaped for LaTeX; integers are written in full.
    error : float, optional
        Standard error. It is given to two digits, in brackets, in units of the last digit shown.
    digits : int or None
        Significant digits where there is no error; None for as many as the number needs. Digits in front of
        the point are not rounded away below a million.
    decimals : int, optional
        Digits behind the point where there is no error; it takes the place of `digits`.
    style : {"plain", "latex", "html"}
        "latex" works in text and in mathematics; "html" is not yet escaped.

    Returns
    -------
    str
        A dash for NaN. An error that is NaN, infinite, 0 or so small that it is one of rounding is not shown.

    Raises
    ------
    ValueError
        If `style` is unknown.

    Examples
    --------
    >>> format_number(0.87821, 0.01234), format_number(-12.345678), format_number(952)
    ('0.878(12)', '-12.35', '952')
    >>> print(format_number(-0.0802, 0.0142, style="latex"))
    \ensuremath{-0.080(14)}
    """
    if style not in STYLES:
        raise InputError(f"style must be one of {STYLES}, got {style!r}")
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str):
        return escape_latex(value) if style == "latex" else value
    if isinstance(value, int | np.integer):
        return _scientific(str(value), style)
    value = _checks.number("value", value, finite=False)
    if np.isnan(value):
        return MISSING[style]
    if np.isinf(value):
        sign = "-" if value < 0 else ""
        return _scientific(sign + {"plain": "inf", "latex": r"\infty", "html": "∞"}[style], style)
    if error is not None and np.isfinite(error) and error > ROUNDING * abs(value):
        text = _with_error(value, float(error))
    elif decimals is not None:
        text = f"{value:.{decimals}f}"
    elif digits is None:
        text = f"{value:.12g}"
    else:
        text = f"{value:#.{digits}g}".rstrip(".")
        if "e" in text and 1 <= abs(value) < 1e6:
            text = f"{value:.0f}"
    return _scientific(text, style)


def _with_error(value: float, error: float) -> str:
    # The library writes an exponent as (1.23(45))e-05 or 1.23(45)e-05; one form is enough here.
    text = re.sub(r"^\((.*)\)(e.*)$", r"\1\2", f"{ufloat(value, error):.2uS}")
    return re.sub(r"^-(?=[0.]+\()", "", text)  # what is rounded to zero has no sign


def short_labels(labels: Sequence[str]) -> tuple[list[str], str]:
    """Drop what the labels of all nodes have in common.

    Parameters
    ----------
    labels : sequence of str

    Returns
    -------
    labels : list of str
        The last word of each, if they differ in nothing else; otherwise the labels as they came.
    head : str
        What was dropped; empty if nothing was.

    Examples
    --------
    >>> short_labels(["layers/0 unit 0", "layers/0 unit 1"])
    (['0', '1'], 'layers/0 unit')
    """
    heads = {label.rpartition(" ")[0] for label in labels}
    if len(heads) == 1 and heads != {""}:
        return [label.rpartition(" ")[2] for label in labels], heads.pop()
    return list(labels), ""


def cut_middle(text: str, most: int) -> str:
    """Leave out the middle of a text of more than `most` letters, so that `most` letters remain.

    Examples
    --------
    >>> cut_middle("a_very_long_name_of_one_layer", 16)
    'a_ver…_one_layer'
    """
    if len(text) <= most:
        return text
    front = most // 3
    return f"{text[:front]}…{text[len(text) - (most - front - 1) :]}"


def short_paths(paths: Sequence[str], most: int = 16) -> tuple[list[str], str]:
    """Shorten paths of layers that are too long for an axis.

    Parameters
    ----------
    paths : sequence of str
    most : int
        Letters that there is room for. Nothing is dropped where the longest path has no more.

    Returns
    -------
    paths : list of str
        Without the steps that all begin with; what is still too long has its middle left out, unless two paths would
        then be the same.
    head : str
        What was dropped in front; empty if nothing was.

    Examples
    --------
    >>> short_paths(["encoder/blocks/0/attention", "encoder/blocks/1/attention"])
    (['0/attention', '1/attention'], 'encoder/blocks/')
    >>> short_paths(["conv1", "a_very_long_name_of_one_layer"])
    (['conv1', 'a_ver…_one_layer'], '')
    """
    names, head = list(paths), ""
    if max(map(len, names), default=0) <= most:
        return names, head
    steps = [name.split("/") for name in names]
    shared = 0
    while len(names) > 1 and len({tuple(step[: shared + 1]) for step in steps}) == 1:
        shared += 1
    if shared and min(map(len, steps)) > shared:
        head = "/".join(steps[0][:shared]) + "/"
        names = [name.removeprefix(head) for name in names]
    cut = [cut_middle(name, most) for name in names]
    return (cut if len(set(cut)) == len(set(names)) else names), head


def listed_nodes(labels: Sequence[str], separator: str = " ") -> str:
    """List nodes by name, what neighbours have in common once.

    Parameters
    ----------
    labels : sequence of str
        Full names, or numbers where there is nothing else in them.
    separator : str
        Between numbers.

    Returns
    -------
    str

    Examples
    --------
    >>> listed_nodes(["0", "3"]), listed_nodes(["conv2 channel 0", "conv2 channel 3", "dense unit 1"])
    ('0 3', 'conv2 channel 0 3; dense unit 1')
    """
    heads: list[str] = []
    numbers: list[list[str]] = []
    for label in labels:
        head, _, number = label.rpartition(" ")
        if not heads or heads[-1] != head:
            heads.append(head)
            numbers.append([])
        numbers[-1].append(number)
    return "; ".join(f"{head} {separator.join(one)}".strip() for head, one in zip(heads, numbers, strict=True))


def off_of(data: Any) -> str:
    """Return what a node is when its gate is zero, in a word or two: ``off``, ``at its mean``, ``resampled``, ...

    Parameters
    ----------
    data : xarray.Dataset
        A sweep, or what was made of it; its attribute `off` says what its objective did.
    """
    words = {
        "mean": "at its mean",
        "its value for other inputs": "as for other inputs",
        "its value": "resampled",
        "values of the user": "at its off value",
    }
    off = str(data.attrs.get("off", "zero"))
    return next((word for begin, word in words.items() if off.startswith(begin)), "off")


def enumerate_words(words: Sequence[str]) -> str:
    """Join words as a sentence does.

    Examples
    --------
    >>> enumerate_words(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
