"""How a number becomes text: digits by its standard error, for plain text, LaTeX and HTML."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from uncertainties import ufloat

STYLES = ("plain", "latex", "html")
MISSING = {"plain": "--", "latex": "--", "html": "–"}

_LATEX_SPECIALS: dict[str, str | int | None] = {
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
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}",
    "±": r"\ensuremath{\pm}",
    "×": r"\ensuremath{\times}",
    "√": r"\ensuremath{\surd}",
    "π": r"\ensuremath{\pi}",
    "−": r"\ensuremath{-}",
    "–": "--",
}


def escape_latex(text: str) -> str:
    r"""Write text so that LaTeX prints it as it is.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(escape_latex("50 % of layers_0"))
    50 \% of layers\_0
    """
    return text.translate(str.maketrans(_LATEX_SPECIALS))


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
        A dash for NaN. An error that is NaN, infinite or 0 is not shown.

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
        raise ValueError(f"style: expected one of {STYLES}, got {style!r}")
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str):
        return escape_latex(value) if style == "latex" else value
    if isinstance(value, int | np.integer):
        return _scientific(str(value), style)
    value = float(value)
    if np.isnan(value):
        return MISSING[style]
    if np.isinf(value):
        sign = "-" if value < 0 else ""
        return _scientific(sign + {"plain": "inf", "latex": r"\infty", "html": "∞"}[style], style)
    if error is not None and np.isfinite(error) and error > 0:
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
    return re.sub(r"^\((.*)\)(e.*)$", r"\1\2", f"{ufloat(value, error):.2uS}")


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
