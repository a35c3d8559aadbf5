import csv as csv_module
import re
import string

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from uncertainties import ufloat_fromstr

from analysis._formatting import escape_latex, format_number
from analysis.intervals import NO_INTERVAL, Interval
from analysis.numbers import Numbers, macro_name
from analysis.tables import Column, Table, pair


@pytest.mark.parametrize(
    ("value", "error", "plain", "latex", "html"),
    [
        (0.87821, 0.01234, "0.878(12)", r"\ensuremath{0.878(12)}", "0.878(12)"),
        (-0.004, 1.4, "0.0(1.4)", r"\ensuremath{0.0(1.4)}", "0.0(1.4)"),
        (-0.0802, 0.0142, "-0.080(14)", r"\ensuremath{-0.080(14)}", "−0.080(14)"),
        (0.0996, 0.00999, "0.100(10)", r"\ensuremath{0.100(10)}", "0.100(10)"),
        (-1.234e-5, 1.2e-6, "-1.23(12)e-05", r"\ensuremath{-1.23(12) \times 10^{-5}}", "−1.23(12) × 10⁻⁵"),
        (0.5, 0.0, "0.5000", r"\ensuremath{0.5000}", "0.5000"),
        (0.5, np.nan, "0.5000", r"\ensuremath{0.5000}", "0.5000"),
        (np.nan, 0.1, "--", "--", "–"),
        (-np.inf, None, "-inf", r"\ensuremath{-\infty}", "−∞"),
        (952, None, "952", r"\ensuremath{952}", "952"),
        (np.int64(-3), None, "-3", r"\ensuremath{-3}", "−3"),
        (True, None, "yes", "yes", "yes"),
        ("5 %", None, "5 %", r"5 \%", "5 %"),
        (1e-7, None, "1.000e-07", r"\ensuremath{1.000 \times 10^{-7}}", "1.000 × 10⁻⁷"),
        (12345.6, None, "12346", r"\ensuremath{12346}", "12346"),
    ],
)
def test_numbers_in_the_three_styles(value, error, plain, latex, html):
    assert format_number(value, error) == plain
    assert format_number(value, error, style="latex") == latex
    assert format_number(value, error, style="html") == html


def test_digits_and_decimals():
    assert format_number(3.17121, digits=3) == "3.17"
    assert format_number(0.25, digits=None) == "0.25"
    assert format_number(-1.0068, decimals=2) == "-1.01"
    with pytest.raises(ValueError, match=r"style must be one of \('plain', 'latex', 'html'\), got 'pdf'"):
        format_number(1.0, style="pdf")


@given(st.floats(-1e5, 1e5), st.floats(1e-6, 1e4))
def test_a_number_with_error_reads_back_within_its_last_digit(value, error):
    back = ufloat_fromstr(format_number(value, error))
    # two digits of the error: rounded by 5 % of it at most, and the value by as much
    assert back.n == pytest.approx(value, abs=0.0501 * error)
    assert back.s == pytest.approx(error, rel=0.0501)


def table():
    return Table(
        "loss",
        "Loss & its mean",
        [
            Column("probability", "p", [0.25, 0.5], digits=None),
            Column("mean", "mean loss (50 %)", np.array([1.0277158, np.nan]), errors=np.array([0.0123456789, np.nan])),
            Column("count", "count", np.array([3, 4])),
            Column("rule", "rule_1", ["a<b", "≤ 0.001"]),
        ],
    )


def test_latex_is_booktabs_with_specials_escaped():
    assert table().to_latex() == (
        "% Loss & its mean\n"
        "\\begin{tabular}{rrrl}\n"
        "\\toprule\n"
        "p & mean loss (50 \\%) & count & rule\\_1 \\\\\n"
        "\\midrule\n"
        "\\ensuremath{0.25} & \\ensuremath{1.028(12)} & \\ensuremath{3} & a\\ensuremath{<}b \\\\\n"
        "\\ensuremath{0.5} & -- & \\ensuremath{4} & \\ensuremath{\\leq} 0.001 \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_csv_keeps_every_digit(tmp_path):
    latex, csv = table().write(tmp_path / "tables")
    assert latex.read_text(encoding="utf-8") == table().to_latex()
    header, *rows = csv_module.reader(csv.read_text(encoding="utf-8").splitlines())
    assert header == ["probability", "mean", "mean_error", "count", "rule"]
    assert [float(cell) for cell in rows[0][:4]] == [0.25, 1.0277158, 0.0123456789, 3]
    assert rows[1] == ["0.5", "", "", "4", "≤ 0.001"]
    assert b"\r" not in csv.read_bytes()


def test_html_is_escaped_and_numbers_are_marked():
    html = table().to_html()
    first_row = re.findall(r'<td class="(col\d+)">(.*?)</td>', html)
    right = re.findall(r"\.(col\d+) {\s*text-align: right", html)
    aligned = {text: column in right for column, text in first_row}
    assert aligned["1.028(12)"] and not aligned["a&lt;b"]
    assert html.count("<tr>") == 3 and html.count("<th ") == html.count('<th scope="col"') == 4


NAMED = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textbar": "|"}


def read_latex(text):
    """What LaTeX prints of text that holds no macros but those of characters; any other special character fails."""
    found, at = [], 0
    token = re.compile(
        r"\\(?P<named>text\w+)\{\}|\\ensuremath\{(?P<sign>[<>])\}|\\(?P<char>[{}$&%#_ ])|(?P<nothing>\{\})"
        r"|\{\\ifdefined\\Umathcode (?P<other>.)\\else U\+(?P<code>[0-9A-F]+)\\fi\}|(?P<plain>[^\\{}$&%#_~^<>|])"
    )
    while at < len(text):
        match = token.match(text, at)
        assert match, f"bare {text[at:]!r}"
        parts, at = match.groupdict(), match.end()
        assert parts["other"] is None or ord(parts["other"]) == int(parts["code"], 16)
        named = NAMED.get(parts["named"] or "")
        found.append(named or parts["sign"] or parts["char"] or parts["other"] or parts["plain"] or "")
    return "".join(found)


@given(st.text(alphabet=string.printable + "é節\U0001f600"))
@example("[a]--b")
@example("*\\ \n ``x''")
def test_escaped_text_reads_as_it_was(text):
    escaped = escape_latex(text)
    assert read_latex(escaped) == re.sub(r"[\t\n\r\x0b\x0c]", lambda one: repr(one[0])[1:-1], text)
    # Dashes and quotes are what two characters make; brackets and stars belong to the end of the row before.
    assert not re.search(r"--|''|``|,,|[!?]`|  |^[\[*]", escaped)


def test_signs_and_greek_letters_are_mathematics():
    assert escape_latex("α ≤ 2²") == r"\ensuremath{\alpha} \ensuremath{\leq} 2\ensuremath{^2}"


def test_bad_tables_are_named():
    with pytest.raises(ValueError, match="errors must be 2 for column 'x', got 1"):
        Column("x", "x", [1, 2], errors=[0.1])
    with pytest.raises(ValueError, match="columns must be one or more, all of one length"):
        Table("t", "", [Column("x", "x", [1]), Column("y", "y", [1, 2])])
    with pytest.raises(ValueError, match="columns must have distinct keys"):
        Table("t", "", [Column("x", "x", [1]), Column("x", "y", [1])])


@pytest.mark.parametrize(
    ("words", "parameters", "name"),
    [
        (["mean loss"], {"p": 0.25}, "meanLossPZeroPointTwoFive"),
        (["circle", "sd_log-loss"], {"p": -1}, "circleSdLogLossPMinusOne"),
        (["KS distance"], {}, "kSDistance"),
        (["20 nodes"], {}, "twoZeroNodes"),
        (["loss"], {"layer": "layers/0"}, "lossLayerLayersZero"),
    ],
)
def test_macro_names(words, parameters, name):
    assert macro_name(*words, **parameters) == name


@given(st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False))
def test_macro_names_hold_letters_only(text, number):
    assert re.fullmatch("[a-z][A-Za-z]*", macro_name("a" + text, p=number))


@given(st.floats(0, 1), st.floats(0, 1))
def test_different_probabilities_get_different_macros(first, second):
    assert (macro_name("loss", p=first) == macro_name("loss", p=second)) == (f"{first}" == f"{second}")


def test_numbers_are_one_macro_a_line_and_never_twice(tmp_path):
    numbers = Numbers("circle")
    numbers.add("mean loss", 1.0277, 0.0123, comment="nats", p=0.25)
    assert list(numbers) == ["circleMeanLossPZeroPointTwoFive"]
    numbers.add("draws", 1000)
    path = numbers.write(tmp_path / "deep" / "numbers.tex")
    assert path.read_text(encoding="utf-8") == (
        "\\newcommand{\\circleMeanLossPZeroPointTwoFive}{\\ensuremath{1.028(12)}} % nats\n"
        "\\newcommand{\\circleDraws}{\\ensuremath{1000}}\n"
    )
    with pytest.raises(ValueError, match=r"name must be a new macro, got \\circleDraws a second time"):
        numbers.add("Draws", 7)
    with pytest.raises(ValueError, match="words must be letters or digits for a macro's name, got '!'"):
        macro_name("!")


def test_means_and_half_widths_stand_side_by_side():
    mean, half = pair("share", "share (%)", [Interval(0.25, 0.0125, 4), NO_INTERVAL], decimals=2, factor=100)
    assert (mean.key, mean.header, half.key, half.header) == ("share", "share (%)", "share_half_width", "±")
    assert mean.cells("plain") == ["25.00", "--"] and half.cells("plain") == ["1.25", "--"]
